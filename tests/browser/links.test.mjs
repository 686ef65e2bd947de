// Signing in by a link that an app makes for one of its users: in a tab, where somebody else is
// signed in, and in a frame.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { isAccessible } from './axe.mjs'
import { composer, say, scene, state } from './harness.mjs'

const SECRET = 'a secret that the app and the server share'
const APP = { flags: ['--jwt-secret', SECRET, '--provision-users'] }

/** A token as an app of one's own makes it. */
function appToken(sub, username) {
  const part = value => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, username, name: username, iat: now, exp: now + 3600 })}`
  return `${claims}.${createHmac('sha256', SECRET).update(claims).digest('base64url')}`
}

/** A link for one of the app's users, as its path. */
async function linkFor(server, token, path) {
  const { status, body } = await server.request('POST', '/api/auth/sign-in-link', { token, body: path ? { path } : {} })
  assert.equal(status, 201, JSON.stringify(body))
  const { pathname, hash } = new URL(body.data.url)
  return pathname + hash
}

scene('a link of the app signs in, leads to its place, and is good once', APP, async stage => {
  const [ada, eve] = [appToken('user-a', 'Ada'), appToken('user-e', 'Eve')]
  const me = async token => (await stage.server.request('GET', '/api/auth/me', { token })).body.data
  const { id } = await me(eve)
  await me(ada)
  const link = await linkFor(stage.server, ada, `/#/chat/${id}`)
  const page = await stage.open(null, { path: link })
  await page.getByRole('heading', { name: 'Eve' }).waitFor()
  assert.equal(new URL(page.url()).hash, `#/chat/${id}`, 'the code is in no address')
  await say(page, 'from the app')
  await state(page, 'from the app', 'stored')
  const again = await stage.open(null, { path: link })
  await again.getByText('used up or no longer valid').waitFor()
  await isAccessible(again, 'a link that is used up')
})

scene('where somebody else is signed in the page asks first, and keeps nothing of theirs after', APP, async stage => {
  const ada = appToken('user-a', 'Ada'), eve = appToken('user-e', 'Eve')
  const { body } = await stage.server.request('GET', '/api/auth/me', { token: eve })
  const page = await stage.open(null, { path: await linkFor(stage.server, ada, `/#/chat/${body.data.id}`) })
  await composer(page).fill('half a thought of Ada')
  const link = await linkFor(stage.server, eve)
  await page.evaluate(link => { location.hash = link.slice(link.indexOf('#')) }, link)
  await page.getByRole('heading', { name: 'Sign in as somebody else?' }).waitFor()
  await isAccessible(page, 'the question before somebody else is signed in')
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.locator('.sidebar .bar-title', { hasText: 'Ada' }).waitFor()
  await page.evaluate(link => { location.hash = link.slice(link.indexOf('#')) }, link)
  await page.getByRole('button', { name: 'Sign in by the link' }).click()
  await page.locator('.sidebar .bar-title', { hasText: 'Eve' }).waitFor()
  await page.waitForFunction(async () => {
    const open = indexedDB.open('chatd')
    await new Promise(done => { open.onsuccess = done })
    const all = open.result.transaction('kept').objectStore('kept').getAll()
    await new Promise(done => { all.onsuccess = done })
    open.result.close()
    return !JSON.stringify(all.result).includes('half a thought')
  })
})

/** A page of the app, with the chat in a frame; what stands there is set by the test. */
let framed = ''
const app = createServer((_, response) => {
  response.setHeader('content-type', 'text/html')
  response.end(`<!doctype html><title>An app</title><iframe title="Chat" src="${framed}" width="600" height="500"></iframe>`)
}).listen(0, '127.0.0.1')
await once(app, 'listening')
app.unref()
const APP_ORIGIN = `http://127.0.0.1:${app.address().port}`

scene('it works in a frame of the app’s page', { flags: [...APP.flags, '--frame-ancestor', APP_ORIGIN] }, async stage => {
  framed = stage.server.url + await linkFor(stage.server, appToken('user-a', 'Ada'))
  const page = await stage.open(null, { url: APP_ORIGIN })
  const frame = page.frameLocator('iframe')
  await frame.getByText('No chats yet').waitFor()
  await frame.locator('.sidebar .bar-title', { hasText: 'Ada' }).waitFor()
})

scene('and in a frame of a page that is not named it does not', APP, async stage => {
  stage.allowed = /frame-ancestors|Failed to load resource/
  framed = `${stage.server.url}/`
  const page = await stage.open(null, { url: APP_ORIGIN })
  await page.waitForLoadState('networkidle')
  assert.equal(await page.frameLocator('iframe').locator('sign-in').count(), 0)
})
