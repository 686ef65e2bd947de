// The pages that document events and routes: readable without a script, by keyboard, at every
// width, in both themes; with one, there is a search field. With SHOTS=folder in the environment a
// picture of each is left there, to be looked at.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, scene } from './harness.mjs'

const { SHOTS } = process.env

for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK, zoomed: { width: 320, height: 256 } })) {
  for (const theme of ['light', 'dark']) {
    scene(`the documents are accessible (${device}, ${theme})`, async stage => {
      const page = await stage.open(null, { path: '/docs', size, theme })
      await page.getByRole('heading', { name: 'send_message from clients' }).waitFor()
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/docs-${device}-${theme}.png` })
      const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }))
      assert.ok(wide <= window, `${wide} px wide in a window of ${window}`)
      await page.getByRole('searchbox').waitFor()
      await isAccessible(page, `the documents, ${device}, ${theme}`)
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'main')
      await page.getByRole('navigation').getByRole('link', { name: 'PATCH /api/auth/me' }).press('Enter')
      const heading = page.getByRole('heading', { name: 'PATCH /api/auth/me' })
      const { top, frame } = await heading.evaluate(node => ({
        top: node.getBoundingClientRect().top, frame: node.closest('article').getBoundingClientRect().top,
      }))
      assert.ok(frame >= 0 && top > frame && top < size.height, `the heading is at ${top}, its frame at ${frame}`)
    })

    scene(`the guide for apps is accessible without a script (${device}, ${theme})`, async stage => {
      const page = await stage.open(null, { path: '/docs', size, theme })
      await page.getByRole('link', { name: 'Add chat to your app' }).click()
      await page.getByRole('heading', { name: '3. Connect your pages' }).waitFor()
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/guide-${device}-${theme}.png` })
      const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }))
      assert.ok(wide <= window, `${wide} px wide in a window of ${window}`)
      await isAccessible(page, `the guide, ${device}, ${theme}`)
      assert.equal(await page.locator('script').count(), 0)
      await page.getByRole('navigation').getByRole('link', { name: 'Phones' }).press('Enter')
      const heading = page.getByRole('heading', { name: 'Phones' })
      const top = await heading.evaluate(node => node.getBoundingClientRect().top)
      assert.ok(top >= -1 && top < size.height, `the heading is at ${top}`)
    })
  }
}

scene('the documents need no script', async stage => {
  const page = await stage.open(null, { path: '/docs', javaScriptEnabled: false })
  await page.getByRole('heading', { name: 'send_message from clients' }).waitFor()
  assert.equal(await page.getByRole('searchbox').count(), 0)
  await page.getByRole('navigation').getByRole('link', { name: 'Changes of the contract' }).click()
  await page.getByRole('heading', { name: 'Changes of the contract' }).waitFor()
})

scene('the search leaves what has all its words, and a link shows what it has hidden', async stage => {
  const page = await stage.open(null, { path: '/docs' })
  const field = page.getByRole('searchbox', { name: 'Search in events and routes' })
  const shown = page.locator('main article:visible h3')
  const all = await shown.count()
  await field.fill('invite LOOK')
  await page.locator('search output', { hasText: /^[1-9][0-9]* found$/ }).waitFor()
  const names = await shown.allTextContents()
  assert.ok(names.includes('POST /api/invites/look') && names.length < 10, names.join())
  assert.ok(await page.getByRole('navigation').getByRole('link', { name: 'POST /api/auth/login' }).isHidden())
  await field.press('Enter')
  assert.equal(new URL(page.url()).hash, `#${await page.locator('main article:visible h3').first().getAttribute('id')}`)
  // Its own address leads to each part, also to one that the search has hidden.
  const link = page.getByRole('link', { name: 'Link to POST /api/invites/look' })
  await link.press('Enter')
  assert.equal(new URL(page.url()).hash, '#postLookAtInvite')
  await page.evaluate(() => { location.hash = 'postLogin' })
  await page.getByRole('heading', { name: 'POST /api/auth/login' }).waitFor()
  assert.equal(await field.inputValue(), '')
  assert.equal(await shown.count(), all)
  await field.fill('no such words at all')
  await page.locator('search output', { hasText: '0 found' }).waitFor()
  assert.equal(await shown.count(), 0)
})

scene('an example shows what was sent and what came', async stage => {
  const page = await stage.open(null, { path: '/docs#postRooms' })
  const example = page.locator('article', { has: page.locator('#postRooms') }).locator('.example')
  assert.match(await example.innerText(), /^POST \/api\/rooms\n.*\n.*"name":"Ops"/)
  for (const guide of ['chat', 'operate']) {
    await page.goto(`${stage.server.url}/docs/${guide}`)
    const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }))
    assert.ok(wide <= window, `${guide}: ${wide} px wide in a window of ${window}`)
    await isAccessible(page, `the guide ${guide}`)
  }
})
