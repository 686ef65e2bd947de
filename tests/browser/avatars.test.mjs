// The pictures of people and rooms: chosen, made small, and seen by others.

import assert from 'node:assert/strict'
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
})
