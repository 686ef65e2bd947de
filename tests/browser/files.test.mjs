// Files in a conversation: pictures in their place with room kept for them, all else as links.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { bubble, bubbles, composer, row, scene } from './harness.mjs'

/** A picture of so many pixels, all of one colour, made by the browser. */
const picture = (page, width, height) => page.evaluate(async ([width, height]) => {
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  context.fillStyle = 'teal'
  context.fillRect(0, 0, width, height)
  return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
}, [width, height])

async function upload(person, name, bytes) {
  const answer = await fetch(`${person.server.url}/api/uploads?name=${encodeURIComponent(name)}`, {
    method: 'POST', headers: { authorization: `Bearer ${person.session.token}` }, body: Buffer.from(bytes),
  })
  assert.equal(answer.status, 201)
  return (await answer.json()).data.id
}

scene('a picture stands in its bubble, in room that was kept for it, and what is deleted is gone from it', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  const id = await upload(ada, 'trip.png', await picture(page, 400, 300))
  const notes = await upload(ada, '<notes> ü.txt', 'some notes')
  const sent = await ada.send({ receiver_id: bob.id, attachments: [id, notes] })
  const img = page.getByRole('img', { name: 'trip.png' })
  await img.waitFor()
  await page.waitForFunction(() => document.querySelector('.picture img')?.complete)
  const { width, height } = await img.boundingBox()
  assert.ok(Math.abs(width / height - 4 / 3) < 0.02, `${width} by ${height}`)
  assert.equal(await img.evaluate(img => img.naturalWidth), 400)
  const link = page.locator('.files').getByRole('link', { name: '<notes> ü.txt' })
  assert.match(await link.getAttribute('href'), /^api\/files\/f[0-9a-f]{32}\/.*k=/)
  assert.equal(await bubble(page, 'trip.png').count(), 0, 'the names stand in place of a text, and are not shown')
  await row(page, 'ada').getByText('trip.png').waitFor()
  const shift = await page.evaluate(() => new Promise(done => {
    let sum = 0
    new PerformanceObserver(list => { for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) sum += value })
      .observe({ type: 'layout-shift', buffered: true })
    requestAnimationFrame(() => requestAnimationFrame(() => done(sum)))
  }))
  assert.ok(shift < 0.02, `${shift}`)
  await ada.server.request('DELETE', `/api/messages/${sent.id}`, { token: ada.session.token })
  await page.getByText('Message deleted').waitFor()
  assert.equal(await page.locator('.files').count(), 0)
  assert.equal(await bubbles(page).count(), 1)
})

scene('files are chosen, sent with what is written or alone, and seen on both sides', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const theirs = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  const buffer = Buffer.from(await picture(page, 300, 200))
  const pick = page.locator('[data-part="pick"]')
  await pick.setInputFiles([{ name: 'trip.png', mimeType: 'image/png', buffer }, { name: 'big.bin', mimeType: '', buffer: Buffer.alloc(2_000_000, 7) }])
  const chips = page.locator('.file-chip')
  await chips.nth(1).waitFor()
  await page.waitForFunction(() => !document.querySelector('.file-chip progress'))
  await isAccessible(page, 'files to send')
  await composer(page).fill('look at this')
  await composer(page).press('Enter')
  for (const one of [page, theirs]) {
    await bubble(one, 'look at this').getByRole('img', { name: 'trip.png' }).waitFor()
    await bubble(one, 'look at this').getByRole('link', { name: 'big.bin' }).waitFor()
  }
  assert.equal(await chips.count(), 0)
  await pick.setInputFiles([{ name: 'alone.txt', mimeType: 'text/plain', buffer: Buffer.from('alone') }])
  await chips.waitFor()
  await page.waitForFunction(() => !document.querySelector('.file-chip progress'))
  await page.locator('[data-part="send"]').click()
  const link = theirs.locator('.files').getByRole('link', { name: 'alone.txt' })
  const answer = await fetch(`${stage.server.url}/${await link.getAttribute('href')}`)
  assert.equal(await answer.text(), 'alone')
  await pick.setInputFiles([{ name: 'not this.txt', mimeType: 'text/plain', buffer: Buffer.from('x') }])
  await page.getByRole('button', { name: 'Leave not this.txt out' }).click()
  assert.equal(await chips.count(), 0)
})
