// A server to be looked at announces two people, and the page shows both. The announcement is made up here.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, scene } from './harness.mjs'

scene('a demonstration shows two people side by side, both live, and a program to copy', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'Halo!')
  for (const [device, size] of Object.entries({ desk: DESK, phone: PHONE })) {
    for (const theme of ['light', 'dark']) {
      const page = await stage.open(null, { path: '/readyz', size, theme })
      await page.route('**/api/server', async route => {
        const answer = await (await route.fetch()).json()
        await route.fulfill({ json: { ...answer, data: { ...answer.data, demo: { accounts: [ada.session, bob.session] } } } })
      })
      await page.goto(stage.server.url)
      const [left, right] = [0, 1].map(at => page.locator('.demo-side').nth(at))
      const text = `written on a ${device}, ${theme}`
      await left.locator('.message', { hasText: 'Halo!' }).waitFor()
      await left.locator('textarea').pressSequentially('wri')
      await right.getByText('ada is typing').waitFor()
      await left.locator('textarea').fill(text)
      await left.locator('textarea').press('Enter')
      await right.locator('.message', { hasText: text }).waitFor()
      await left.locator('.message[data-state="read"]', { hasText: text }).waitFor()
      assert.ok(await page.getByText('Nothing is kept').isVisible())
      await page.getByText('For developers').click()
      assert.ok((await page.getByLabel('A program that joins in').inputValue()).includes(ada.session.token))
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/demo-${device}-${theme}.png` })
      const wide = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(wide <= size.width, `${wide} px`)
      await isAccessible(page, `the demonstration, ${device}, ${theme}`)
    }
  }
})
