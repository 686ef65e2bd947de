// The page that documents events and routes: readable without a script, by keyboard, at every
// width, in both themes. With SHOTS=folder in the environment a picture of each is left there, to
// be looked at.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, scene } from './harness.mjs'

const { SHOTS } = process.env

for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK, zoomed: { width: 320, height: 256 } })) {
  for (const theme of ['light', 'dark']) {
    scene(`the documents are accessible without a script (${device}, ${theme})`, async stage => {
      const page = await stage.open(null, { path: '/docs', size, theme })
      await page.getByRole('heading', { name: 'send_message from clients' }).waitFor()
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/docs-${device}-${theme}.png` })
      const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }))
      assert.ok(wide <= window, `${wide} px wide in a window of ${window}`)
      await isAccessible(page, `the documents, ${device}, ${theme}`)
      assert.equal(await page.locator('script').count(), 0)
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
