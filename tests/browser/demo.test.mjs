// A server to be looked at (`--demo`): two people, both live, a program to copy, the whole app as
// one of them.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, row, scene } from './harness.mjs'

const DEMO = { demo: true }

scene('a demonstration shows two people side by side, both live, and a program to copy', DEMO, async stage => {
  for (const [device, size] of Object.entries({ desk: DESK, phone: PHONE })) {
    for (const theme of ['light', 'dark']) {
      const page = await stage.open(null, { size, theme })
      const seen = async view => {
        if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/demo-${view}-${device}-${theme}.png` })
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(wide <= size.width, `${wide} px`)
        await isAccessible(page, `the demonstration, ${view}, ${device}, ${theme}`)
      }
      const [left, right] = [0, 1].map(at => page.locator('.demo-side').nth(at))
      const text = `written on a ${device}, ${theme}`
      // Some days of talk are there, some of it read, and both hear each other.
      await left.locator('.day').first().waitFor()
      await left.locator('.message[data-state="read"]').first().waitFor()
      await left.locator('textarea').pressSequentially('wri')
      await right.getByText('Sari is typing').waitFor()
      await seen('people')
      await left.locator('textarea').fill(text)
      await left.locator('textarea').press('Enter')
      await right.locator('.message', { hasText: text }).waitFor()
      await left.locator('.message[data-state="read"]', { hasText: text }).waitFor()
      assert.ok(await page.locator('.not-kept').isVisible())
      await page.getByRole('tab', { name: 'Two people' }).focus()
      // Round to the last one.
      await page.keyboard.press('ArrowLeft')
      assert.ok(await left.isHidden())
      const program = page.getByLabel('A program that joins in')
      const token = /token = "([^"]+)"/.exec(await program.inputValue())[1]
      const me = await stage.server.request('GET', '/api/auth/me', { token })
      assert.equal(me.body.data.username, 'Sari', 'its token is live')
      assert.equal(await page.getByRole('link', { name: 'How to use the API' }).getAttribute('href'), 'docs')
      await seen('developers')
    }
  }
})

scene('a tab shows the room of four, to both sides, live, and by the arrow keys', DEMO, async stage => {
  const page = await stage.open(null)
  const [left, right] = [0, 1].map(at => page.locator('.demo-side').nth(at))
  const tab = page.getByRole('tab', { name: 'A room of four' })
  await tab.waitFor()
  await page.getByRole('tab', { name: 'Two people' }).focus()
  await page.keyboard.press('ArrowRight')
  assert.equal(await tab.getAttribute('aria-selected'), 'true')
  for (const side of [left, right]) {
    await side.getByRole('heading', { name: 'Bromo trip' }).waitFor()
    await side.locator('.bar-status', { hasText: '4 members' }).waitFor()
  }
  await left.locator('.message', { hasText: 'the cake' }).locator('.sender', { hasText: 'Dewi Anggraini' }).waitFor()
  await left.locator('.of-me', { hasText: '@Sari' }).waitFor()
  await isAccessible(page, 'the demonstration’s room')
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/demo-room.png` })
  await left.locator('textarea').pressSequentially('I will, @Ra')
  await left.getByRole('option', { name: /Raka/ }).waitFor()
  await left.locator('textarea').press('Enter')
  await left.locator('textarea').press('Enter')
  await right.locator('.message', { hasText: 'I will' }).locator('.mention', { hasText: '@Raka' }).waitFor()
  await page.getByRole('tab', { name: 'Two people' }).click()
  await left.getByRole('heading', { name: 'Budi' }).waitFor()
})

scene('one of the two can be had as the whole app, and leaves nothing behind', DEMO, async stage => {
  const page = await stage.open(null)
  await page.getByRole('button', { name: 'Open the whole app as Sari' }).click()
  await row(page, 'Dewi Anggraini').getByText('2 unread messages').waitFor()
  await page.getByText('Nothing is kept').waitFor()
  await page.reload()
  await row(page, 'Budi').click()
  await page.locator('.composer textarea').fill('half a thought')
  await isAccessible(page, 'the whole app in a demonstration')
  await page.getByRole('link', { name: 'Back to both people' }).click()
  await page.locator('.demo-side').first().waitFor()
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), [])
})

scene('started anew, the demonstration goes on by itself', DEMO, async stage => {
  const page = await stage.open(null)
  const left = page.locator('.demo-side').first()
  await left.locator('.message').first().waitFor()
  await left.locator('textarea').fill('soon gone')
  await left.locator('textarea').press('Enter')
  await left.locator('.message[data-state="read"]', { hasText: 'soon gone' }).waitFor()
  await stage.server.kill()
  await stage.server.start()
  await page.waitForFunction(() => document.querySelector('.message') && !document.body.textContent.includes('soon gone'))
  await left.locator('textarea').fill('here again')
  await left.locator('textarea').press('Enter')
  await page.locator('.demo-side').nth(1).locator('.message', { hasText: 'here again' }).waitFor()
})
