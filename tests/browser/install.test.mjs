// The page as an app that can be installed, as Chromium sees it: at the root of a server, and below
// a path of a reverse proxy. What is found goes to the standard output, a line a criterion. With
// SHOTS=folder in the environment a picture of each view below the path is left there, to be looked
// at.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, bubble, deadline, proxied, row, say, scene, state, withoutPatience } from './harness.mjs'

const { SHOTS } = process.env
const BELOW = '/team/chat/'

/** What was looked at, and what did not hold. */
class Audit {
  failed = []

  /** @param {string} where the page lies */
  constructor(where) {
    this.where = where
  }

  /** @param {string} criterion @param {unknown} found @param {boolean} holds */
  says(criterion, found, holds) {
    console.log(`${holds ? 'holds' : 'FAILS'}  ${this.where}  ${criterion}: ${found}`)
    if (!holds) this.failed.push(`${criterion}: ${found}`)
  }
}

/** Has a person be signed in on a page, wherever it lies. */
async function enter(page, address, { session: { token, user } }) {
  await page.goto(`${address}readyz`)
  await page.evaluate(session => localStorage.setItem('chatd.session', session), JSON.stringify({ token, user }))
  await page.goto(address)
}

/** Waits until a page is at rest, has its worker, and has kept itself and the chats. */
async function settled(page) {
  const has = () => page.evaluate(async () => {
    const known = await Promise.all(['./', 'api/inbox'].map(path => caches.match(new URL(path, document.baseURI))))
    return navigator.serviceWorker.controller !== null && known.every(Boolean)
  })
  await deadline((async () => { while (!await has()) await page.waitForTimeout(100) })(), 'the worker and what it keeps')
}

/**
 * A picture as the browser shows it, and whether a launcher may cut it to any shape: it is opaque,
 * and outside of the circle that is always seen there is nothing but its ground.
 */
const pictureAt = (page, address) => page.evaluate(async address => {
  const image = new Image()
  image.src = address
  await image.decode()
  const { naturalWidth: width, naturalHeight: height } = image
  const context = new OffscreenCanvas(width, height).getContext('2d')
  context.drawImage(image, 0, 0)
  const { data } = context.getImageData(0, 0, width, height)
  const pixel = (x, y) => data.slice(4 * (y * width + x), 4 * (y * width + x) + 4).join()
  const isOpaque = data.every((value, at) => at % 4 < 3 || value === 255)
  let isMaskable = isOpaque
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isSeen = Math.hypot(x - width / 2, y - height / 2) <= 0.4 * width
      if (!isSeen && pixel(x, y) !== pixel(0, 0)) isMaskable = false
    }
  }
  return { size: `${width}x${height}`, isOpaque, isMaskable }
}, address)

/** What the manifest says, held against what is there. */
async function lookAtManifest(audit, page, devtools, address) {
  const { url, errors, data } = await devtools.send('Page.getAppManifest')
  audit.says('the manifest is read without an error', errors.map(({ message }) => message).join() || 'none', errors.length === 0)
  const type = (await fetch(url)).headers.get('content-type')
  audit.says('its type', type, type === 'application/manifest+json')
  const manifest = JSON.parse(data)
  const at = path => new URL(path, url).href
  for (const key of ['start_url', 'scope']) audit.says(key, at(manifest[key]), at(manifest[key]) === address)
  const { appId } = await devtools.send('Page.getAppId')
  audit.says('the app is told from others by', appId, appId === address)
  audit.says('display', manifest.display, manifest.display === 'standalone')
  for (const key of ['name', 'short_name', 'description']) audit.says(key, manifest[key], manifest[key]?.length > 0)
  audit.says('the language of these, one for all', manifest.lang, manifest.lang === 'en')
  const needed = new Set(['any 192x192', 'any 512x512', 'maskable 512x512'])
  for (const { src, sizes, type, purpose = 'any' } of manifest.icons) {
    const { size, isMaskable } = await pictureAt(page, at(src))
    const isRight = size === sizes && type === 'image/png' && (purpose !== 'maskable' || isMaskable)
    audit.says(`icon, ${purpose}, ${sizes}`, `${at(src)} is ${size}${isMaskable ? ' and maskable' : ''}`, isRight)
    needed.delete(`${purpose} ${size}`)
  }
  audit.says('icons that are absent', [...needed].join() || 'none', needed.size === 0)
  return manifest
}

/** What the document says of itself, and its colours. */
async function lookAtDocument(audit, page, manifest) {
  const meta = name => page.locator(`meta[name="${name}"]`).getAttribute('content')
  const viewport = await meta('viewport')
  const isFree = /width=device-width/.test(viewport) && !/user-scalable|maximum-scale/.test(viewport)
  audit.says('viewport', viewport, isFree)
  const lang = await page.evaluate(() => document.documentElement.lang)
  audit.says('the language of the page', lang, lang === 'en')
  const touch = await page.evaluate(() => document.querySelector('link[rel="apple-touch-icon"]').href)
  const { size, isOpaque } = await pictureAt(page, touch)
  audit.says('apple-touch-icon', `${touch} is ${size}`, size === '180x180' && isOpaque)
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    const { bar, ground } = await page.evaluate(() => {
      const chosen = [...document.querySelectorAll('meta[name="theme-color"]')].filter(({ media }) => matchMedia(media).matches)
      const probe = document.createElement('i')
      document.body.append(probe)
      const colors = chosen.map(({ content }) => {
        probe.style.color = content
        return getComputedStyle(probe).color
      })
      probe.remove()
      return { bar: colors.join(), ground: getComputedStyle(document.documentElement).backgroundColor }
    })
    audit.says(`the colour of the window, ${colorScheme}`, `${bar} above ${ground}`, bar === ground)
  }
  const isColor = value => /^#[0-9a-f]{6}$/.test(value)
  const { theme_color: theme, background_color: ground } = manifest
  audit.says('the colours while it starts', `${theme} above ${ground}`, isColor(theme) && isColor(ground))
}

scene('the page can be installed, at the root and below a path, and opens from there without a server', async (stage, t) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hello')
  for (const path of ['/', BELOW]) {
    const address = path === '/' ? `${stage.server.url}/` : await proxied(stage.server, path, t)
    const audit = new Audit(path)
    const folder = await mkdtemp(join(tmpdir(), 'chatd-profile-'))
    t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const page = await stage.profile(folder)
    await enter(page, address, ada)
    await row(page, 'bob').waitFor()
    await settled(page)
    const devtools = await page.context().newCDPSession(page)
    const { installabilityErrors: why } = await devtools.send('Page.getInstallabilityErrors')
    audit.says('what keeps it from being installed', why.map(({ errorId }) => errorId).join() || 'nothing', why.length === 0)
    const manifest = await lookAtManifest(audit, page, devtools, address)
    await lookAtDocument(audit, page, manifest)
    const worker = await page.evaluate(async () => {
      const { scope } = await navigator.serviceWorker.ready
      return { scope, script: navigator.serviceWorker.controller.scriptURL }
    })
    audit.says('the worker is in charge of', worker.scope, worker.scope === address)
    audit.says('the worker that controls the page', worker.script, worker.script === `${address}sw.js`)
    const freshness = (await fetch(worker.script)).headers.get('cache-control')
    audit.says('the worker is asked for again', freshness, freshness === 'no-cache')

    await stage.server.kill()
    await withoutPatience(page)
    await page.goto(new URL(manifest.start_url, `${address}manifest.webmanifest`).href)
    await row(page, 'bob').getByText('hello').waitFor()
    await stage.server.start()
    await page.context().close()
    assert.deepEqual(audit.failed, [])
  }
})

/** @param {import('playwright-core').Page} page */
async function look(page, view, look) {
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/below-${view}-${look}.png` })
  const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }))
  assert.ok(wide <= window, `${view} is ${wide} px wide in a window of ${window}`)
  await isAccessible(page, `${view}, ${look}`)
}

scene('below a path it looks as it does at the root, on a phone and a desk, light and dark', async (stage, t) => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  await bob.write(ada, 'Shall we meet at the station?', 'I have the tickets.')
  const room = await ada.room('Trips', bob, cyd)
  await cyd.say(room, 'Who takes the map?')
  const url = await proxied(stage.server, BELOW, t)
  for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK })) {
    for (const theme of ['light', 'dark']) {
      const seen = (page, view) => look(page, view, `${device}-${theme}`)
      const page = await stage.open(null, { url, path: '', size, theme })
      await page.locator('sign-in form').waitFor()
      await seen(page, 'sign-in')
      await enter(page, url, ada)
      await row(page, 'bob').waitFor()
      await seen(page, 'list')
      await row(page, 'bob').click()
      await bubble(page, 'tickets').waitFor()
      await say(page, `At ten, ${device}, ${theme}.`)
      await state(page, `At ten, ${device}, ${theme}.`, 'stored')
      await seen(page, 'chat')
      await bubble(page, 'tickets').first().focus()
      await page.keyboard.press('Enter')
      await page.locator('.message-menu').waitFor()
      await seen(page, 'message-menu')
      await page.keyboard.press('Escape')
      await page.keyboard.press('Control+k')
      await page.getByRole('searchbox').fill('ti')
      await page.locator('people-picker mark').first().waitFor()
      await seen(page, 'picker')
      await page.locator('people-picker').getByRole('button', { name: 'Close' }).click()
      await page.goto(`${url}#/room/${room.id}`)
      await bubble(page, 'the map').waitFor()
      await page.locator('.head-name').click()
      await page.locator('chat-sheet .accounts li').nth(2).waitFor()
      await seen(page, 'room')
      await page.context().close()
    }
  }
})
