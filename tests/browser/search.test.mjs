// Searching: by keyboard alone, what is found is marked, a hit opens its chat at that message, and
// one comes back to the list.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, bubble, row, scene } from './harness.mjs'

const hits = page => page.locator('people-picker li:has(mark)')

/** Types what is searched for, once it can be found. */
async function search(page, text, count) {
  await page.keyboard.press('Control+k')
  const field = page.getByPlaceholder('Search people and messages')
  await field.fill(text)
  while (await hits(page).count() !== count) {
    await page.waitForTimeout(100)
    await field.fill(`${text} `)
    await field.fill(text)
    await page.waitForTimeout(400)
  }
}

for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK })) {
  scene(`messages are found as one types, by the keyboard alone (${device})`, async stage => {
    const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
    await bob.write(ada, 'The tickets for the Café are here', ...Array.from({ length: 300 }, (_, n) => `number ${n}`))
    const room = await ada.room('Trips', bob)
    await bob.say(room, 'Who has the tickets?')
    await cyd.write(bob, 'tickets that are none of hers')
    const page = await stage.open(ada, { size })
    await row(page, 'Trips').waitFor()
    await search(page, 'ticket', 2)
    assert.deepEqual(await hits(page).locator('mark').allTextContents(), ['ticket', 'ticket'])
    assert.match(await hits(page).first().textContent(), /Trips.*bob: Who has the tickets/)
    await page.getByText('2 messages').waitFor()
    await isAccessible(page, `what is found, ${device}`)
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    // 300 messages back: what is around it is read, and it is in view.
    const found = bubble(page, 'The tickets for the Café')
    await found.waitFor()
    await page.waitForFunction(node => {
      const { top, bottom } = node.getBoundingClientRect()
      return top >= 0 && bottom <= innerHeight
    }, await found.elementHandle())
    assert.equal(new URL(page.url()).hash, `#/chat/${bob.id}`)
    // The way back: to the same list, and to where one was.
    await page.keyboard.press('Control+k')
    assert.equal(await page.getByPlaceholder('Search people and messages').inputValue(), 'ticket')
    await hits(page).first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await bubble(page, 'Who has the tickets?').waitFor()
    assert.equal(new URL(page.url()).hash, `#/room/${room.id}`)
    await page.goBack()
    await bubble(page, 'number').first().waitFor()
  })
}

scene('what was deleted is not found, in Indonesian words', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'rahasia')
  const page = await stage.open(ada, { locale: 'id-ID' })
  await row(page, 'bob').waitFor()
  await page.keyboard.press('Control+k')
  const field = page.getByPlaceholder('Cari orang dan pesan')
  await field.fill('RAHAS')
  await page.getByText('1 pesan').waitFor()
  const [{ id }] = await bob.history(ada)
  const { status } = await stage.server.request('DELETE', `/api/messages/${id}`, { token: bob.session.token })
  assert.equal(status, 200)
  await field.fill('rahasia')
  await page.getByText('Tidak ada yang bernama seperti itu di sini.').waitFor()
  assert.equal(await hits(page).count(), 0)
})

/** Holds back what is asked with a query, until the function that it gives is called. */
async function hold(page, path, query, how) {
  const isMeant = url => url.pathname === path && url.searchParams.get('query') === query
  let asked, released
  const [isAsked, isReleased] = [new Promise(done => { asked = done }), new Promise(done => { released = done })]
  await page.route(isMeant, async route => {
    asked()
    await isReleased
    await how(route)
  })
  return { isAsked, release: released }
}

scene('what is deleted while it is among what was found is found no more', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'a pelican', 'two pelicans')
  const page = await stage.open(ada)
  await row(page, 'bob').waitFor()
  await search(page, 'pelican', 2)
  await bob.emit('delete_message', { message_id: (await ada.history(bob))[0].id })
  await page.locator('people-picker').getByText('1 message').waitFor()
  assert.deepEqual(await hits(page).locator('.hit-text').allInnerTexts(), ['two pelicans'])
})

scene('Enter takes the first of what is typed, and nobody whom an earlier search found', async stage => {
  const [ada, , cyd] = await stage.people('ada', 'bob', 'cyd')
  const page = await stage.open(ada)
  await page.getByText('No chats yet').waitFor()
  await page.keyboard.press('Control+k')
  await page.getByRole('button', { name: 'bob' }).waitFor()
  const { isAsked, release } = await hold(page, '/api/users', 'cyd', route => route.continue())
  await page.getByRole('searchbox').fill('cyd')
  // By this one Safari says that an input method takes a word.
  const taken = field => field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true }))
  assert.ok(await page.getByRole('searchbox').evaluate(taken))
  await page.keyboard.press('Enter')
  await isAsked
  assert.equal(new URL(page.url()).hash, '')
  release()
  await page.waitForURL(url => url.hash === `#/chat/${cyd.id}`)
})

scene('a search that fails late or once leaves what is found later', async stage => {
  const [ada] = await stage.people('ada', 'bob', 'cyd')
  const page = await stage.open(ada)
  await page.getByText('No chats yet').waitFor()
  await page.keyboard.press('Control+k')
  const field = page.getByRole('searchbox')
  const cyd = page.getByRole('button', { name: 'cyd' })
  const { isAsked, release } = await hold(page, '/api/users', 'c', route => route.abort())
  await field.fill('c')
  await isAsked
  await field.fill('cyd')
  await page.getByText('1 person').waitFor()
  const failed = page.waitForEvent('requestfailed')
  release()
  await failed
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
  assert.ok(await cyd.isVisible())

  // The archived rooms are asked for once while one searches.
  await page.reload()
  await page.getByText('No chats yet').waitFor()
  const isArchived = url => url.pathname === '/api/rooms' && url.searchParams.has('archived')
  await page.route(isArchived, route => route.abort())
  await page.keyboard.press('Control+k')
  await field.fill('cy')
  await page.getByText('The server cannot be reached').waitFor()
  await page.unroute(isArchived)
  await field.fill('cyd')
  await cyd.waitFor()
})

scene('more of what was said comes by a button, which a lost network leaves where it is', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, ...Array.from({ length: 25 }, (_, n) => `ticket ${n}`))
  const page = await stage.open(ada)
  await row(page, 'bob').waitFor()
  await search(page, 'ticket', 20)
  const more = page.locator('people-picker').getByRole('button', { name: 'More messages' })
  const isMore = url => url.pathname === '/api/search' && url.searchParams.has('before')
  await page.route(isMore, route => route.abort())
  await more.click()
  await page.getByText('The server cannot be reached').waitFor()
  assert.equal(await hits(page).count(), 20)
  await page.unroute(isMore)
  await more.press('Enter')
  await hits(page).nth(24).waitFor()
  await more.waitFor({ state: 'detached' })
  // The arrow keys go on from there.
  assert.ok(await hits(page).nth(20).locator('button').evaluate(button => button === document.activeElement))
})
