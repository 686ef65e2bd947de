// Two people write to each other: states of a message, typing, presence, unread counts, drafts,
// what survives.

import assert from 'node:assert/strict'
import { DESK, PHONE, bubble, bubbles, composer, row, say, scene, state } from './harness.mjs'

scene('a message is there at once, then sent, then read, and both see who types', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const hers = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const his = await stage.open(bob, { size: PHONE })
  await his.getByText('No chats yet').waitFor()
  await composer(hers).pressSequentially('Hal')
  const send = async text => {
    await composer(hers).fill(text)
    return hers.evaluate(() => {
      document.querySelector('.composer').requestSubmit()
      return [...document.querySelectorAll('.message .text')].at(-1)?.textContent
    })
  }
  const shown = await send('Halo <b>Bob</b> https://example.org/a.')
  assert.equal(shown, 'Halo <b>Bob</b> https://example.org/a.', 'in the same task as the key')
  await state(hers, 'Halo', 'stored')
  assert.match(await bubble(hers, 'Halo').innerText(), /Sent/)
  const link = bubble(hers, 'Halo').locator('a')
  assert.deepEqual([await link.getAttribute('href'), await link.getAttribute('rel')], ['https://example.org/a', 'noopener noreferrer nofollow'])

  await row(his, 'ada').waitFor()
  assert.equal(await row(his, 'ada').locator('[data-part="count"]').innerText(), '1')
  assert.match(await his.title(), /^\(1\)/)
  await row(his, 'ada').click()
  await bubble(his, 'Halo').waitFor()
  await state(hers, 'Halo', 'read')
  assert.match(await bubble(hers, 'Halo').innerText(), /Read/)
  await his.waitForFunction(() => document.title === 'chatd')

  await composer(his).pressSequentially('Hai')
  await hers.locator('.typing-line', { hasText: 'bob is typing' }).waitFor()
  await say(his, 'Hai juga')
  await bubble(hers, 'Hai juga').waitFor()
  await hers.waitForFunction(() => document.querySelector('.typing-line').textContent === '')
  assert.equal(await hers.locator('#announcer').textContent(), 'bob: Hai juga')
  await hers.locator('.bar-status', { hasText: 'online' }).waitFor()
  await stage.contexts[1].close()
  await hers.locator('.bar-status', { hasText: 'last seen' }).waitFor()
})

scene('Enter sends, Shift+Enter is a new line, an input method is left alone', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await composer(page).fill('one')
  await composer(page).press('Shift+Enter')
  await page.keyboard.type('two')
  await composer(page).evaluate(field => field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true })))
  assert.equal(await bubbles(page).count(), 0)
  await composer(page).press('Enter')
  await state(page, 'one', 'stored')
  assert.equal((await ada.history(bob))[0].content, 'one\ntwo')
  await composer(page).fill('x'.repeat(4_001))
  await page.getByText('1 character too long').waitFor()
  await composer(page).press('Enter')
  assert.equal((await composer(page).inputValue()).length, 4_001, 'nothing is lost')
})

scene('drafts are kept for each chat, over a reload', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  await bob.write(ada, 'from bob')
  await cyd.write(ada, 'from cyd')
  const page = await stage.open(ada)
  await row(page, 'bob').click()
  await composer(page).fill('half a thought')
  await row(page, 'cyd').click()
  await row(page, 'bob').getByText('Draft: half a thought').waitFor()
  assert.equal(await composer(page).inputValue(), '')
  await page.reload()
  await row(page, 'bob').getByText('Draft: half a thought').click()
  // A chat opens a moment after its row was clicked.
  await page.waitForFunction(() => document.querySelector('message-composer textarea')?.value === 'half a thought')
  // Spaces alone are none.
  await composer(page).fill(' \n ')
  await row(page, 'cyd').click()
  await row(page, 'bob').getByText('from bob').waitFor()
})

scene('what is written offline survives a reload, and a crash, and is stored once', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await bubble(page, 'hi').waitFor()
  const { port } = stage.server
  await stage.server.kill()
  await say(page, 'into the dark')
  await state(page, 'into the dark', 'pending')
  await page.getByText('No connection').waitFor()
  await stage.server.start()
  assert.equal(stage.server.port, port)
  await stage.server.kill()
  // The renderer dies without a word; what the page said just before is on the disk.
  await say(page, 'and again')
  await state(page, 'and again', 'pending')
  await page.goto('chrome://crash').catch(() => {})
  await stage.server.start()
  const next = await page.context().newPage()
  await next.goto(`${stage.server.url}/#/chat/${bob.id}`)
  await state(next, 'and again', 'stored')
  await state(next, 'into the dark', 'stored')
  assert.deepEqual((await bob.history(ada)).map(({ content }) => content), ['hi', 'into the dark', 'and again'])
})

scene('who sends too fast is told when it goes on, and nothing is lost', { limited: true, flags: ['--rate-limit', 'messages=1/s:2'] }, async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await composer(page).waitFor()
  const texts = ['one', 'two', 'three', 'four']
  for (const text of texts) await say(page, text)
  await page.getByText(/Too fast. Sending continues in \d s/).waitFor()
  for (const text of texts) await state(page, text, 'stored')
  await page.getByText('Too fast').waitFor({ state: 'hidden' })
  assert.deepEqual((await ada.history(bob)).map(({ content }) => content), texts)
})

/** What stands at the top of the view, and where. */
const top = page => page.evaluate(() => {
  const scroller = document.querySelector('.messages').getBoundingClientRect()
  const first = [...document.querySelectorAll('.message')].find(node => node.getBoundingClientRect().bottom > scroller.top)
  return first && { text: first.querySelector('.text').textContent, top: Math.round(first.getBoundingClientRect().top) }
})
const painted = page => page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))

/** Scrolls up in a conversation of messages that are numbered, as far as one of this number. */
async function scrollUp(page, target) {
  await page.locator('.jump-button').click()
  await page.waitForFunction(() => document.title === 'chatd')
  await page.locator('.messages').hover()
  const number = async () => Number(/\d+/.exec((await top(page))?.text ?? '999')[0])
  while (await number() > target) {
    await page.mouse.wheel(0, -1_000)
    await painted(page)
  }
  return top(page)
}

/** Waits until what was at the top of the view is there again. */
async function isBack(page, before) {
  await page.waitForFunction(text => [...document.querySelectorAll('.message .text')].some(node => node.textContent === text), before.text)
  await painted(page)
  const after = await top(page)
  assert.equal(after.text, before.text)
  assert.ok(Math.abs(after.top - before.top) <= 1, `${after.top - before.top} px`)
}

const numbered = count => Array.from({ length: count }, (_, n) => `number ${n}${' and more'.repeat(n % 5)}`)

scene('loaded anew, a chat shows what one was reading', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...numbered(400))
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  const before = await scrollUp(page, 150)
  await page.reload()
  await isBack(page, before)
})

for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK })) {
  scene(`left for the list or another chat, a chat shows again what one was reading (${device})`, async stage => {
    const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
    await ada.write(bob, ...numbered(200))
    await cyd.write(bob, 'hello')
    const page = await stage.open(bob, { path: `/#/chat/${cyd.id}`, size })
    await bubble(page, 'hello').waitFor()
    await page.evaluate(id => { location.hash = `#/chat/${id}` }, ada.id)
    const before = await scrollUp(page, 100)
    for (const hash of ['#/', `#/chat/${cyd.id}`]) {
      await page.evaluate(hash => { location.hash = hash }, hash)
      await bubble(page, before.text).first().waitFor({ state: 'detached' })
      await page.evaluate(id => { location.hash = `#/chat/${id}` }, ada.id)
      await isBack(page, before)
    }
  })
}

for (const [where, hasDatabase] of [['its database', true], ['localStorage, as where it has no database', false]]) {
  scene(`what an earlier page kept in ${where} is carried over: nothing unsent is lost`, async stage => {
    const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
    await bob.write(ada, 'hi')
    const page = await stage.open(ada, { path: '/readyz' })
    // It named a conversation by the other person's id alone.
    await page.evaluate(({ entries, hasDatabase }) => new Promise((done, failed) => {
      if (!hasDatabase) return done(entries.forEach(([key, value]) => localStorage.setItem(`chatd.${key}`, JSON.stringify(value))))
      const request = indexedDB.open('chatd', 1)
      request.onupgradeneeded = () => request.result.createObjectStore('kept')
      request.onerror = failed
      request.onsuccess = () => {
        const transaction = request.result.transaction('kept', 'readwrite')
        for (const [key, value] of entries) transaction.objectStore('kept').put(value, key)
        transaction.oncomplete = () => { request.result.close(); done() }
      }
    }), {
      hasDatabase,
      entries: [
        [`draft.${ada.id}.${cyd.id}`, 'half a thought'],
        [`outbox.${ada.id}.${crypto.randomUUID()}`, { peerId: bob.id, content: 'never sent', createdAt: new Date().toISOString() }],
      ],
    })
    await page.addInitScript(hasDatabase => {
      if (!hasDatabase) Object.defineProperty(window, 'indexedDB', { value: undefined })
    }, hasDatabase)
    await page.goto(`${stage.server.url}/#/chat/${bob.id}`)
    await state(page, 'never sent', 'stored')
    await row(page, 'cyd').getByText('Draft: half a thought').click()
    await page.waitForFunction(() => document.querySelector('.composer textarea')?.value === 'half a thought')
    await page.reload()
    await page.waitForFunction(() => document.querySelector('.composer textarea')?.value === 'half a thought')
    // Deleted, it does not come back under its old name.
    await composer(page).fill('')
    await row(page, 'bob').click()
    await bubble(page, 'never sent').waitFor()
    await page.reload()
    await bubble(page, 'never sent').waitFor()
    assert.equal(await row(page, 'cyd').count(), 0)
    assert.deepEqual((await ada.history(bob)).map(({ content }) => content), ['hi', 'never sent'])
  })
}
