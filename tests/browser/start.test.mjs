// Before and around the chats: a server without accounts, one that is reached in the clear, the
// colours one chooses.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, ELSEWHERE, PASSWORD, PHONE, row, scene } from './harness.mjs'

scene('a server without accounts says what it waits for, and takes the code or the whole link', async stage => {
  const { server } = stage
  for (const [device, size] of Object.entries({ desk: DESK, phone: PHONE })) {
    for (const theme of ['light', 'dark']) {
      const page = await stage.open(null, { size, theme })
      await page.getByRole('heading', { name: 'Welcome to chatd' }).waitFor()
      await page.keyboard.press('Enter')
      assert.equal(await page.getByLabel('Set-up code').getAttribute('aria-invalid'), 'true')
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/fresh-${device}-${theme}.png` })
      await isAccessible(page, `a fresh server, ${device}, ${theme}`)
    }
  }
  const page = await stage.open(null)
  for (const given of [server.setup, `${server.url}/?setup=${server.setup}`]) {
    await page.goto(server.url)
    await page.getByLabel('Set-up code').fill(given)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Set up chatd' }).waitFor()
  }
  await page.getByLabel('Username').fill('ada')
  await page.locator('#password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByText('No chats yet').waitFor()
})

scene('whoever writes in the clear is told so, and not again once understood', async stage => {
  const ada = await stage.server.user('ada')
  const url = `http://${ELSEWHERE}:${stage.server.port}`
  const page = await stage.open(null, { url })
  const warning = page.getByText('not encrypted')
  await warning.waitFor()
  await page.getByLabel('Username').waitFor()
  await isAccessible(page, 'the warning')
  await page.getByLabel('Username').fill('ada')
  await page.locator('#password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByText('No chats yet').waitFor()
  await page.getByRole('button', { name: 'I understand' }).click()
  await warning.waitFor({ state: 'hidden' })
  await page.reload()
  await page.getByText('No chats yet').waitFor()
  assert.ok(await warning.isHidden())
  const here = await stage.open(ada)
  await here.getByText('No chats yet').waitFor()
  assert.ok(await here.getByText('not encrypted').isHidden(), 'on this machine nobody reads along')
})

scene('the colours are the system’s until others are chosen, which last, and nothing flashes', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada, { theme: 'light' })
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
  await row(page, 'bob').waitFor()
  const light = await background()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await background()
  assert.notEqual(dark, light)
  const choose = async name => {
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.locator('#menu').getByRole('button', { name, exact: true }).click()
  }
  await choose('Light')
  assert.equal(await background(), light)
  const bar = () => page.evaluate(() => [...document.querySelectorAll('meta[name="theme-color"]')].find(({ media }) => matchMedia(media).matches).content)
  assert.equal(await bar(), '#f3f1ec')
  // What each frame looked like, from the first on.
  await page.addInitScript(() => {
    window.frames_ = []
    const look = () => {
      if (document.body && performance.getEntriesByType('paint').length > 0) frames_.push(getComputedStyle(document.documentElement).backgroundColor)
      requestAnimationFrame(look)
    }
    look()
  })
  await page.reload()
  await row(page, 'bob').waitFor()
  await page.waitForFunction(() => frames_.length > 3)
  assert.deepEqual(await page.evaluate(() => [...new Set(frames_)]), [light])
  await choose('System colours')
  assert.equal(await background(), dark)
})
