// Takes the picture of the README: a room with a reply, a picture and reactions.
//   CHATD=target/release/chatd node tests/browser/picture.mjs [FILE]
// Needs what the browser's tests need: npm ci in this folder, and chromium; and Debian's
// fonts-noto-color-emoji.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Server, Stage, browser } from './harness.mjs'

const FILE = process.argv[2] ?? fileURLToPath(new URL('../../.github/page.png', import.meta.url))
const SIZE = { width: 1100, height: 880 }

/** A sunrise behind mountains, drawn by the browser. */
const sunrise = page => page.evaluate(async () => {
  const [width, height] = [640, 300]
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  const fill = (style, draw) => {
    context.fillStyle = style
    context.beginPath()
    draw()
    context.fill()
  }
  for (const [at, style] of ['#2f4a6d', '#6d6a8f', '#c98a86', '#f2b27a', '#f9d9a0'].entries()) {
    fill(style, () => context.rect(0, at * 50, width, 50))
  }
  fill('#fff3d0', () => context.arc(430, 215, 38, 0, 2 * Math.PI))
  const ridge = (style, ...points) => fill(style, () => {
    context.moveTo(0, height)
    for (const [x, y] of points) context.lineTo(x, y)
    context.lineTo(width, height)
  })
  ridge('#7d6f8c', [0, 230], [120, 170], [220, 225], [330, 185], [460, 240], [560, 200], [640, 235])
  ridge('#4c4d66', [0, 260], [90, 225], [180, 120], [215, 135], [250, 118], [360, 255], [500, 235], [640, 270])
  ridge('#2b3245', [0, 285], [160, 265], [330, 280], [480, 262], [640, 288])
  return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
})

async function upload(person, name, bytes) {
  const answer = await fetch(`${person.server.url}/api/uploads?name=${name}`, {
    method: 'POST', headers: { authorization: `Bearer ${person.session.token}` }, body: Buffer.from(bytes),
  })
  return (await answer.json()).data.id
}

const folder = await mkdtemp(join(tmpdir(), 'chatd-picture-'))
const server = new Server(join(folder, 'chat.redb'))
const stage = new Stage(server)
try {
  await server.start()
  const [sari, budi, dewi, raka] = await Promise.all(
    ['Sari', 'Budi', 'Dewi Anggraini', 'Raka'].map(name => server.user(name.split(' ')[0].toLowerCase(), { name })),
  )
  await raka.write(sari, 'It holds, with a new lock.')
  await sari.write(dewi, 'Sunday, then?')
  await dewi.write(sari, 'Yes!', 'And could you bring the map?')
  const ideas = await budi.room('Book club', sari, dewi)
  await budi.say(ideas, 'Next is the one about the sea.')
  const room = await sari.room('Bromo trip', budi, dewi, raka)
  const say = (person, content, more = {}) => person.send({ room_id: room.id, content, ...more })
  const react = (person, { id }, emoji) => person.emit('react', { message_id: id, emoji, on: true })

  const drawing = await stage.open(null)
  const photo = await upload(budi, 'bromo.png', await sunrise(drawing))
  await say(dewi, 'Who still has a torch to lend?')
  await say(raka, 'I have two.')
  const view = await say(budi, 'This is where we will stand at five.', { attachments: [{ id: photo, alt: 'The sun rises behind the mountains' }] })
  const jeep = await say(sari, 'The jeep leaves at 3, so we meet at 2:30 in front of the bakery.')
  const fine = await say(dewi, 'Fine. I bring the coffee.', { reply_to: jeep.id })
  for (const person of [sari, dewi, raka]) await react(person, view, '😍')
  await react(budi, view, '👍')
  for (const person of [budi, raka]) await react(person, fine, '☕')
  await react(budi, jeep, '👍')
  await say(raka, '@Sari 2:30 on a weekend …', { mentions: [sari.id] })

  await server.request('POST', `/api/rooms/${room.id}/read`, { token: sari.session.token, body: {} })
  const page = await stage.open(sari, { path: `/#/room/${room.id}`, size: SIZE })
  await page.locator('.message', { hasText: '2:30 on a weekend' }).waitFor()
  await page.waitForFunction(() => [...document.images].every(image => image.complete && image.naturalWidth > 0))
  // What was sent last is read, and nothing moves any more.
  await page.evaluate(() => document.fonts.ready)
  await page.screenshot({ path: FILE, animations: 'disabled', caret: 'hide' })
  console.log(FILE)
} finally {
  await stage.close().finally(() => server.end())
  await (await browser()).close()
  await rm(folder, { recursive: true, force: true })
}
