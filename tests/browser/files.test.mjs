// Files in a conversation: pictures in their place with room kept for them, all else as links.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, bubble, bubbles, composer, row, scene, state } from './harness.mjs'

/** A picture of so many pixels, all of one colour, made by the browser. */
const picture = (page, width, height) => page.evaluate(async ([width, height]) => {
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  context.fillStyle = 'teal'
  context.fillRect(0, 0, width, height)
  return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
}, [width, height])

/** What moved in a page without its reader's doing, as Chromium counts it. */
const shifted = page => page.evaluate(() => new Promise(done => {
  let sum = 0
  new PerformanceObserver(list => { for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) sum += value })
    .observe({ type: 'layout-shift', buffered: true })
  requestAnimationFrame(() => requestAnimationFrame(() => done(sum)))
}))

/**
 * A sound of a tenth of a second: 8-bit PCM cannot be sent as such, so it is an MP3 of silent
 * frames.
 */
const sound = Buffer.concat(Array.from({ length: 8 }, () => {
  const frame = Buffer.alloc(417)
  frame.set([0xff, 0xfb, 0x90, 0x00])
  return frame
}))

/** Has a page's uploads fail as without a network, until the function that it gives is called. */
async function cutUploads(page, asked) {
  await page.route('**/api/uploads/*', (route, request) => {
    asked.push(request.method())
    return route.abort('internetdisconnected')
  })
  return () => page.unroute('**/api/uploads/*')
}

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
  const shift = await shifted(page)
  assert.ok(shift < 0.02, `${shift}`)
  await ada.server.request('DELETE', `/api/messages/${sent.id}`, { token: ada.session.token })
  // For a moment the list says so, too.
  await bubble(page, 'Message deleted').waitFor()
  assert.equal(await page.locator('.files').count(), 0)
  assert.equal(await bubbles(page).count(), 1)
})

scene('what is copied from a table is pasted as its text, and a picture alone as a file', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const isTaken = (...texts) => composer(page).evaluate((field, texts) => {
    const data = new DataTransfer()
    for (const type of texts) data.setData(type, 'one\ttwo')
    data.items.add(new File(['picture'], 'image.png', { type: 'image/png' }))
    return !field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  }, texts)
  // As programs of tables and documents copy: the browser is left to paste the text.
  assert.equal(await isTaken('text/plain', 'text/html', 'text/rtf'), false)
  assert.equal(await page.locator('.file-chip').count(), 0)
  // A picture of a page, and a file with its name.
  assert.equal(await isTaken('text/html'), true)
  assert.equal(await isTaken('text/plain'), true)
  await page.locator('.file-chip').nth(1).waitFor()
})

scene('pictures, films and sounds have their room from the first frame on, and nothing moves when they come', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const blank = await stage.open(null, { path: '/readyz' })
  for (const [at, size] of [[1200, 800], [300, 900], [40, 30]].entries()) {
    const id = await upload(ada, `picture ${at}.png`, await picture(blank, ...size))
    await ada.send({ receiver_id: bob.id, content: `picture ${at}`, attachments: [{ id, alt: `alt ${at}` }] })
  }
  const id = await upload(ada, 'hello.mp3', sound)
  await ada.send({ receiver_id: bob.id, content: 'a sound', attachments: [id] })
  for (const size of [PHONE, DESK]) {
    const page = await stage.open(bob, { path: `/#/chat/${ada.id}`, size })
    await page.getByRole('img', { name: 'alt 2' }).waitFor()
    await page.locator('audio[aria-label="hello.mp3"]').waitFor()
    await page.waitForFunction(() => [...document.querySelectorAll('.picture img')].every(img => img.complete))
    await page.waitForLoadState('networkidle')
    const shift = await shifted(page)
    assert.ok(shift < 0.02, `${shift} at ${size.width} px`)
    const wide = await page.locator('.picture img').evaluateAll(all => all.map(img => [img.getBoundingClientRect().width, img.closest('.bubble').getBoundingClientRect().width]))
    for (const [picture, bubble] of wide) assert.ok(picture <= bubble, `${wide}`)
  }
})

scene('what is sent stands there at once in its room, goes on where it was when the network is back, and moves nothing', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}`, size: PHONE })
  await composer(page).waitFor()
  const asked = []
  const mend = await cutUploads(page, asked)
  await page.locator('[data-part="pick"]').setInputFiles([{ name: 'trip.png', mimeType: 'image/png', buffer: Buffer.from(await picture(page, 900, 600)) }])
  await page.locator('.file-chip img').waitFor()
  await composer(page).press('Enter')
  await page.locator('[data-part="send"]').click()
  const img = page.getByRole('img', { name: 'trip.png' })
  await img.waitFor()
  await state(page, '', 'pending')
  const before = await img.boundingBox()
  assert.ok(Math.abs(before.width / before.height - 1.5) < 0.02)
  await page.getByRole('progressbar', { name: 'trip.png' }).waitFor()
  await page.getByText('Waiting for the connection').waitFor()
  await isAccessible(page, 'a file that waits for the network')
  // What is written after it goes out before it.
  await composer(page).fill('and a word')
  await page.locator('[data-part="send"]').click()
  await state(page, 'and a word', 'stored')
  await mend()
  await page.locator('.message[data-state="stored"] .picture').waitFor()
  assert.equal(await page.locator('.ring, .sending').count(), 0)
  const after = await img.boundingBox()
  assert.deepEqual([after.width, after.height], [before.width, before.height])
  assert.ok(await shifted(page) < 0.02, `${await shifted(page)}`)
  const [sent, word] = await ada.history(bob)
  assert.deepEqual([sent.content, word.attachments?.length], ['and a word', 1])
})

scene('of more files than a message holds it is said how many were left out', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}`, size: PHONE })
  await composer(page).waitFor()
  const files = Array.from({ length: 12 }, (_, at) => ({ name: `${at}.txt`, mimeType: 'text/plain', buffer: Buffer.from('x') }))
  await page.locator('[data-part="pick"]').setInputFiles(files)
  await page.getByText('A message holds 10 files. Left out: 2').waitFor()
  assert.equal(await page.locator('.file-chip').count(), 10)
  await page.getByRole('button', { name: 'Leave 3.txt out' }).click()
  await page.getByText('Left out: ').waitFor({ state: 'detached' })
  assert.equal(await page.locator('.file-chip').count(), 9)
})

// They kept the words in which they were chosen.
scene('files that were chosen are named in the language that is chosen after them', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await composer(page).waitFor()
  await page.locator('[data-part="pick"]').setInputFiles([{ name: 'trip.png', mimeType: 'image/png', buffer: Buffer.from(await picture(page, 90, 60)) }])
  await page.getByPlaceholder('Describe the picture').fill('a map')
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: 'Bahasa Indonesia' }).click()
  const tray = page.getByRole('list', { name: 'Berkas' })
  await tray.getByRole('button', { name: 'Batalkan trip.png' }).waitFor()
  assert.equal(await tray.getByPlaceholder('Jelaskan gambar ini').inputValue(), 'a map')
  assert.equal(await tray.getByRole('textbox').getAttribute('aria-label'), 'Penjelasan trip.png')
})

scene('a file that is dropped on an edit, or beside a conversation, is not opened in the place of the page', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await composer(page).fill('Halo!')
  await composer(page).press('Enter')
  await state(page, 'Halo!', 'stored')
  const isTaken = (place = composer(page)) => place.evaluate(field => {
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File(['x'], 'notes.txt', { type: 'text/plain' }))
    return !field.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }))
  })
  await composer(page).press('ArrowUp')
  await page.getByText('Edit message').waitFor()
  assert.ok(await isTaken())
  assert.equal(await page.locator('.file-chip').count(), 0)
  await composer(page).press('Escape')
  assert.ok(await isTaken())
  await page.locator('.file-chip').waitFor()
  assert.ok(await isTaken(page.locator('.sidebar')))
  assert.equal(await page.locator('.file-chip').count(), 1)
  // A field for files takes them by itself.
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu [data-part="profile"]').click()
  await page.locator('.sheet').waitFor()
  assert.deepEqual([await isTaken(page.locator('.sheet input[type="file"]')), await isTaken(page.locator('.sheet h2').first())], [false, true])
})

scene('a file that is on its way outlives the page, and goes on from where it was', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await composer(page).waitFor()
  const bytes = Buffer.alloc(2_500_000, 'chatd')
  // The first part comes through; then the network is gone.
  let parts = 0
  const sizes = []
  await page.route('**/api/uploads/*', (route, request) => {
    if (request.method() !== 'PATCH' || parts++ === 0) return route.continue()
    return route.abort('internetdisconnected')
  })
  await page.locator('[data-part="pick"]').setInputFiles([{ name: 'big.bin', mimeType: 'application/octet-stream', buffer: bytes }])
  await page.locator('.file-chip').waitFor()
  await composer(page).fill('all of it')
  await composer(page).press('Enter')
  await page.getByText('Waiting for the connection').waitFor()
  await page.unroute('**/api/uploads/*')
  page.on('request', request => {
    if (request.method() === 'PATCH') sizes.push(Number(request.headers()['upload-offset']))
  })
  await page.reload()
  await state(page, 'all of it', 'stored')
  assert.ok(sizes.length > 0 && sizes[0] > 0, `it begins anew: ${sizes}`)
  const [{ attachments: [file] }] = await ada.history(bob)
  const answer = await fetch(`${stage.server.url}/${file.url}`)
  assert.ok(bytes.equals(Buffer.from(await answer.arrayBuffer())))
  // Sent, or signed out, nothing of it is left on the device.
  const left = () => page.evaluate(async () => {
    const open = indexedDB.open('chatd')
    await new Promise(done => { open.onsuccess = done })
    const request = open.result.transaction('kept').objectStore('kept').getAllKeys()
    await new Promise(done => { request.onsuccess = done })
    open.result.close()
    return request.result.filter(key => /^(file|outbox)/.test(key))
  })
  while ((await left()).length > 0) await page.waitForTimeout(20)
  const mend = await cutUploads(page, [])
  await page.locator('[data-part="pick"]').setInputFiles([{ name: 'secret.bin', mimeType: '', buffer: Buffer.alloc(10) }])
  await page.locator('.file-chip').waitFor()
  await page.locator('[data-part="send"]').click()
  await page.getByText('Waiting for the connection').waitFor()
  while ((await left()).length < 2) await page.waitForTimeout(20)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Log out' }).click()
  await page.getByText('Welcome back').waitFor()
  assert.deepEqual(await left(), [])
  await mend()
})

scene('sending is stopped by its button, and what cannot be sent says why', { flags: ['--max-file', '1MiB'] }, async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await composer(page).waitFor()
  const pick = page.locator('[data-part="pick"]'), send = page.locator('[data-part="send"]')
  const mend = await cutUploads(page, [])
  await pick.setInputFiles([{ name: 'slow.bin', mimeType: '', buffer: Buffer.alloc(100_000) }])
  await page.locator('.file-chip').waitFor()
  await send.click()
  await page.getByRole('button', { name: 'Stop sending' }).click()
  await bubbles(page).waitFor({ state: 'detached' })
  await mend()
  await pick.setInputFiles([{ name: 'big.bin', mimeType: '', buffer: Buffer.alloc(2_000_000) }])
  await page.locator('.file-chip').waitFor()
  await send.click()
  await page.getByText('The file is too large.').waitFor()
  await pick.setInputFiles([{ name: 'small.bin', mimeType: '', buffer: Buffer.alloc(2_000) }])
  await page.locator('.file-chip').waitFor()
  await send.click()
  await page.locator('.message[data-state="stored"]', { hasText: 'small.bin' }).waitFor()
})

scene('a picture is seen large, zoomed, and the next one by the arrow keys', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(bob, { path: '/readyz' })
  for (const name of ['one', 'two']) {
    const id = await upload(ada, `${name}.png`, await picture(page, 1600, 1000))
    await ada.send({ receiver_id: bob.id, attachments: [{ id, alt: `picture ${name}` }] })
  }
  await page.goto(`${stage.server.url}/#/chat/${ada.id}`)
  await page.getByRole('img', { name: 'picture one' }).waitFor()
  await page.locator('a.picture').first().focus()
  await page.keyboard.press('Enter')
  const viewer = page.locator('.viewer')
  const image = viewer.locator('.viewer-image')
  await viewer.getByText('picture one').waitFor()
  await viewer.getByText('1 of 2').waitFor()
  await page.waitForFunction(() => document.querySelector('.viewer-image').complete)
  await isAccessible(page, 'a picture in the viewer')
  const width = async () => (await image.boundingBox()).width
  const isWide = async expected => { const now = await width(); assert.ok(Math.abs(now - expected) < 1, `${now}, not ${expected}`) }
  const whole = await width()
  const { width: window } = page.viewportSize()
  assert.ok(whole <= window)
  await page.keyboard.press('+')
  await isWide(whole * 1.5)
  await page.keyboard.press('0')
  await isWide(whole)
  await image.dblclick({ position: { x: 200, y: 200 } })
  await isWide(whole * 2.5)
  await image.dblclick({ position: { x: 500, y: 500 } })
  await isWide(whole)
  await image.hover()
  await page.mouse.wheel(0, -300)
  await page.waitForFunction(whole => document.querySelector('.viewer-image').getBoundingClientRect().width > whole * 1.9, whole)
  // What is larger is moved, and never out of the window.
  await page.mouse.move(600, 400)
  await page.mouse.down()
  await page.mouse.move(3000, 400)
  await page.mouse.up()
  assert.ok((await image.boundingBox()).x <= 1)
  await page.keyboard.press('ArrowRight')
  await viewer.getByText('picture two').waitFor()
  assert.equal(await viewer.getByRole('button', { name: 'Next picture' }).count(), 0)
  await page.keyboard.press('ArrowLeft')
  await viewer.getByText('picture one').waitFor()
  await page.keyboard.press('Escape')
  await viewer.waitFor({ state: 'hidden' })
  assert.ok(await page.locator('a.picture').first().evaluate(link => link === document.activeElement))

  // Two fingers.
  const phone = await stage.open(bob, { path: `/#/chat/${ada.id}`, size: PHONE, hasTouch: true })
  await phone.locator('a.picture').first().tap()
  await phone.locator('.viewer').getByText('picture one').waitFor()
  await phone.waitForFunction(() => document.querySelector('.viewer-image').complete)
  const touch = await phone.context().newCDPSession(phone)
  const before = (await phone.locator('.viewer-image').boundingBox()).width
  const fingers = (type, ...points) => touch.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) })
  await fingers('touchStart', [180, 390], [210, 390])
  await fingers('touchMove', [120, 390], [270, 390])
  await fingers('touchMove', [90, 390], [300, 390])
  await fingers('touchEnd')
  await phone.waitForFunction(before => document.querySelector('.viewer-image').getBoundingClientRect().width > before * 3, before)
  await isAccessible(phone, 'a picture in the viewer of a phone')
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
  await page.getByRole('textbox', { name: 'Description of trip.png' }).fill('A teal square')
  assert.equal(await page.getByRole('textbox', { name: 'Description of big.bin' }).count(), 0)
  await isAccessible(page, 'files to send')
  await composer(page).fill('look at this')
  await composer(page).press('Enter')
  for (const one of [page, theirs]) {
    await bubble(one, 'look at this').getByRole('img', { name: 'A teal square' }).waitFor()
    await bubble(one, 'look at this').getByRole('link', { name: 'big.bin' }).waitFor()
  }
  assert.equal(await chips.count(), 0)
  await pick.setInputFiles([{ name: 'alone.txt', mimeType: 'text/plain', buffer: Buffer.from('alone') }])
  await chips.waitFor()
  await page.locator('[data-part="send"]').click()
  const link = theirs.locator('.files').getByRole('link', { name: 'alone.txt' })
  const answer = await fetch(`${stage.server.url}/${await link.getAttribute('href')}`)
  assert.equal(await answer.text(), 'alone')
  await pick.setInputFiles([{ name: 'not this.txt', mimeType: 'text/plain', buffer: Buffer.from('x') }])
  await page.getByRole('button', { name: 'Leave not this.txt out' }).click()
  assert.equal(await chips.count(), 0)
})

scene('whoever goes back while a picture is seen large has the page again', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(bob, { size: PHONE })
  const id = await upload(ada, 'trip.png', await picture(page, 400, 300))
  await ada.send({ receiver_id: bob.id, attachments: [id] })
  await row(page, 'ada').click()
  await page.locator('a.picture').click()
  await page.locator('.viewer').waitFor()
  await page.goBack()
  await page.locator('.viewer').waitFor({ state: 'hidden' })
  await page.waitForFunction(() => document.activeElement.matches('.chat-row'))
  await row(page, 'ada').click()
  await page.locator('a.picture').waitFor()
})

scene('a picture that is looked at goes with its message, and so does one beside it', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  await composer(page).waitFor()
  const drawn = Buffer.from(await picture(page, 90, 60))
  const sent = {}
  for (const name of ['one', 'two', 'three']) {
    const answer = await fetch(`${stage.server.url}/api/uploads?name=${name}.png`, {
      method: 'POST', headers: { authorization: `Bearer ${ada.session.token}` }, body: drawn,
    })
    sent[name] = (await ada.send({ receiver_id: bob.id, content: name, attachments: [(await answer.json()).data.id] })).id
  }
  const viewer = page.locator('dialog.viewer')
  await bubble(page, 'two').locator('a.picture').click()
  await viewer.getByText('2 of 3').waitFor()
  await ada.emit('delete_message', { message_id: sent.one })
  await viewer.getByText('2 of 3').waitFor({ state: 'detached' })
  await page.keyboard.press('ArrowLeft')
  await viewer.getByText('1 of 2').waitFor()
  assert.equal(await viewer.locator('img').getAttribute('alt'), 'two.png')
  await ada.emit('delete_message', { message_id: sent.two })
  await viewer.waitFor({ state: 'hidden' })
})
