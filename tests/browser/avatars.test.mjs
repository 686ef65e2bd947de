// The pictures of people and rooms: chosen, made small, and seen by others.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { isAccessible } from './axe.mjs'
import { row, scene } from './harness.mjs'

/** A picture of so many pixels, made by the browser. */
const picture = async (page, width, height) => ({
  name: 'me.png',
  mimeType: 'image/png',
  buffer: Buffer.from(await page.evaluate(async ([width, height]) => {
    const canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext('2d')
    context.fillStyle = 'teal'
    context.fillRect(0, 0, width, height)
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
  }, [width, height])),
})

scene('a person and a room get a picture, which others see at once', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const room = await ada.room('Ops', bob)
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const theirs = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  const seen = row(theirs, 'ada').locator('.avatar img')
  await row(theirs, 'ada').waitFor()
  assert.equal(await seen.count(), 0)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: 'Your profile' }).click()
  const field = page.locator('profile-card [data-part="picture"]')
  await field.setInputFiles({ name: 'none.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
  await page.getByText('not a picture that can be used').waitFor()
  await field.setInputFiles(await picture(page, 800, 600))
  await page.getByText('Saved.').waitFor()
  await seen.waitFor()
  assert.match(await seen.getAttribute('src'), /^api\/avatars\/f[0-9a-f]{32}$/)
  assert.deepEqual(await seen.evaluate(img => [img.naturalWidth, img.naturalHeight]), [256, 256])
  await isAccessible(page, 'the profile with a picture')
  await page.getByRole('button', { name: 'Remove the picture' }).click()
  await seen.waitFor({ state: 'detached' })
  await page.locator('profile-card').getByRole('button', { name: 'Close' }).click()

  await page.goto(`${stage.server.url}/#/room/${room.id}`)
  await page.locator('.head-name').click()
  await page.locator('chat-sheet dialog[open]').waitFor()
  await page.locator('chat-sheet [data-part="picture"]').setInputFiles(await picture(page, 300, 500))
  await row(theirs, 'Ops').locator('.avatar img').waitFor()
  await isAccessible(page, 'the details of a room with a picture')
  const takeAway = page.locator('chat-sheet').getByRole('button', { name: 'Remove the picture' })
  await takeAway.click()
  for (const one of [page, theirs]) await row(one, 'Ops').locator('.avatar img').waitFor({ state: 'detached' })
  await takeAway.waitFor({ state: 'hidden' })
  assert.equal(await row(theirs, 'Ops').locator('.avatar').textContent(), '#')
})

/**
 * Another server with a picture, and what it was asked for: each path with whence it was said to
 * come.
 */
async function pictures(t, bytes) {
  const key = name => readFileSync(new URL(`../keys/${name}.pem`, import.meta.url))
  const asked = []
  const server = createServer({ key: key('ec.private'), cert: key('pictures.cert') }, ({ url, headers }, answer) => {
    asked.push([url, headers.referer, headers.cookie])
    if (!url.startsWith('/me')) return answer.writeHead(404).end()
    answer.writeHead(200, { 'content-type': 'image/png' }).end(bytes)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `https://127.0.0.1:${server.address().port}`, asked }
}

scene('pictures from elsewhere are shown from the origins that the server names, and no other server is asked', async (stage, t) => {
  const { server } = stage
  const [ada, bob, cyd, dewi] = await stage.people('ada', 'bob', 'cyd', 'dewi')
  const blank = await stage.open(null, { path: '/readyz' })
  const { buffer } = await picture(blank, 40, 40)
  const named = await pictures(t, buffer), other = await pictures(t, buffer)
  for (const [person, avatar] of [[bob, `${named.origin}/me.png?size=40`], [cyd, `${named.origin}/none.png`], [dewi, `${other.origin}/me.png`]]) {
    const { status } = await server.request('PATCH', '/api/auth/me', { token: person.session.token, body: { avatar } })
    assert.equal(status, 200)
    await person.write(ada, `from ${person.name}`)
  }
  server.flags.push('--avatar-origin', named.origin)
  await server.kill()
  await server.start()
  const page = await stage.open(ada, { ignoreHTTPSErrors: true })
  const img = row(page, 'bob').locator('.avatar img')
  await img.waitFor()
  assert.equal(await img.getAttribute('src'), `${named.origin}/me.png?size=40`)
  await page.waitForLoadState('networkidle')
  for (const name of ['cyd', 'dewi']) assert.equal(await row(page, name).locator('.avatar').innerText(), name[0].toUpperCase())
  assert.deepEqual(named.asked.sort(), [['/me.png?size=40', undefined, undefined], ['/none.png', undefined, undefined]])
  assert.deepEqual(other.asked, [])
  await isAccessible(page, 'a list with a picture from elsewhere')
})
