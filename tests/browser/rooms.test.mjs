// Rooms by the page: made, talked in, read, muted, left and archived, on two devices at once.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, bubble, composer, row, say, scene, state } from './harness.mjs'

const members = page => page.locator('chat-sheet .accounts li')
const details = async page => {
  await page.locator('.head-name').click()
  await page.locator('chat-sheet dialog[open]').waitFor()
}
const closeSheet = page => page.locator('chat-sheet').getByRole('button', { name: 'Close' }).click()

/** Everything that a device keeps of the page. */
const kept = page => page.evaluate(async () => {
  const databases = await indexedDB.databases()
  const rows = []
  for (const { name } of databases) {
    const open = indexedDB.open(name)
    await new Promise(done => { open.onsuccess = done })
    const all = open.result.transaction('kept').objectStore('kept')
    for (const request of [all.getAllKeys(), all.getAll()]) {
      await new Promise(done => { request.onsuccess = done })
      rows.push(...request.result)
    }
    open.result.close()
  }
  return JSON.stringify([rows, Object.entries(localStorage), Object.entries(sessionStorage)])
})

scene('what is said while a dialog is open stands above it, for eyes and ears, and outlives it', async stage => {
  const [ada] = await stage.people('ada', 'bob')
  const page = await stage.open(ada)
  await page.getByText('No chats yet').waitFor()
  await page.route('**/api/users?*', route => route.fulfill({ status: 503, json: { success: false, error: { code: 'storage_unavailable', message: 'not now' } } }))
  await page.keyboard.press('Control+k')
  await page.getByRole('searchbox').waitFor()
  await page.getByRole('button', { name: 'New room' }).click()
  await page.locator('room-form').getByLabel('Add people').fill('bob')
  const toast = page.locator('room-form dialog > #toast').filter({ hasText: /./ })
  await toast.waitFor()
  const isOnTop = await toast.evaluate(node => {
    const { x, y, width, height } = node.getBoundingClientRect()
    return document.elementFromPoint(x + width / 2, y + height / 2) === node
  })
  assert.ok(isOnTop)
  await page.locator('room-form').getByRole('button', { name: 'Close' }).click()
  await page.locator('room-form dialog').waitFor({ state: 'hidden' })
  await page.locator('#toast').filter({ hasText: /./ }).waitFor()
})

scene('a room is made by the keyboard, its people talk, and each sees who has read', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  const page = await stage.open(ada)
  await page.getByText('No chats yet').waitFor()
  await page.keyboard.press('Control+k')
  await page.getByRole('searchbox').waitFor()
  await page.getByRole('button', { name: 'New room' }).click()
  await page.locator('room-form').getByLabel('Name of the room').fill('Garden')
  for (const name of ['bob', 'cyd']) {
    await page.locator('room-form').getByLabel('Add people').fill(name)
    await page.locator('room-form .person', { hasText: name }).waitFor()
    await page.keyboard.press('Enter')
    await page.locator('room-form .chip', { hasText: name }).waitFor()
  }
  await isAccessible(page, 'making a room')
  await page.getByRole('button', { name: 'Create the room' }).click()
  await page.getByText('This is the beginning of Garden').waitFor()
  await page.locator('.bar-status', { hasText: '3 members' }).waitFor()

  const theirs = await stage.open(bob, { size: PHONE })
  await row(theirs, 'Garden').waitFor()
  await say(page, 'The tomatoes are ripe')
  await state(page, 'The tomatoes are ripe', 'stored')
  // Nothing calls bob: a dot, and no number.
  await row(theirs, 'Garden').getByText('ada: The tomatoes').waitFor()
  await row(theirs, 'Garden').locator('.badge.only-dot').waitFor()
  await row(theirs, 'Garden').click()
  await bubble(theirs, 'The tomatoes are ripe').locator('.sender', { hasText: 'ada' }).waitFor()
  await composer(theirs).pressSequentially('I c')
  await page.getByText('bob is typing').first().waitFor()
  await say(theirs, 'I come')
  await bubble(page, 'I come').waitFor()
  const third = await stage.open(cyd, { path: '/' })
  await row(third, 'Garden').click()
  await state(page, 'The tomatoes are ripe', 'read')
  await bubble(page, 'The tomatoes are ripe').focus()
  await page.keyboard.press('Enter')
  await page.locator('.message-menu').getByRole('button', { name: 'Read by' }).click()
  await page.locator('reader-list [data-part="read"] li').nth(1).waitFor()
  assert.deepEqual((await page.locator('reader-list [data-part="read"] .account-name').allInnerTexts()).sort(), ['bob', 'cyd'])
  await isAccessible(page, 'who has read')
})

scene('who is mentioned sees a number, and in a muted room that alone', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const room = await ada.room('Ops', bob)
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  const theirs = await stage.open(bob)
  await row(theirs, 'Ops').waitFor()
  await composer(page).pressSequentially('please look, @b')
  await page.getByRole('option', { name: /bob/ }).waitFor()
  await isAccessible(page, 'names that are offered')
  await page.keyboard.press('Enter')
  assert.equal(await composer(page).inputValue(), 'please look, @bob ')
  await page.keyboard.press('Enter')
  await bubble(page, 'please look').locator('.mention').waitFor()
  await row(theirs, 'Ops').locator('.badge:not(.only-dot)', { hasText: '1' }).waitFor()
  // The title follows a moment later.
  await theirs.waitForFunction(() => document.title === '(1) chatd')
  await row(theirs, 'Ops').click()
  await bubble(theirs, 'please look').locator('.of-me').waitFor()
  // Another app says whom it means by their id alone.
  await ada.send({ room_id: room.id, content: 'here it is', mentions: [bob.id] })
  await theirs.locator('.message.calls-me', { hasText: 'here it is' }).waitFor()
  await details(theirs)
  await theirs.getByLabel('Mute').selectOption({ label: 'For 8 hours' })
  await row(theirs, 'Ops').locator('.muted, :scope.muted').first().waitFor()
  await isAccessible(theirs, 'the details of a room')
  await closeSheet(theirs)
  await theirs.evaluate(() => { location.hash = '#/' })
  await say(page, 'nothing urgent')
  await row(theirs, 'Ops').locator('.only-dot').waitFor()
  await theirs.waitForFunction(() => document.title === 'chatd')
  // On the other device it is muted as well.
  const phone = await stage.open(bob, { size: PHONE })
  await phone.locator('.chat-row.muted', { hasText: 'Ops' }).waitFor()
})

scene('who leaves or is removed keeps nothing of the room, and an archived one can only be read', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  const room = await ada.room('Ops', bob, cyd)
  await ada.say(room, 'the password is swordfish')
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  const theirs = await stage.open(bob, { path: `/#/room/${room.id}` })
  const third = await stage.open(cyd, { path: `/#/room/${room.id}`, size: PHONE })
  for (const one of [theirs, third]) await bubble(one, 'swordfish').waitFor()
  await composer(theirs).fill('half a secret')
  await details(page)
  await page.getByLabel('Role: cyd').selectOption({ label: 'Admin' })
  await page.getByRole('button', { name: 'Remove: bob' }).click()
  await theirs.getByText('You are not, or no longer, a member').waitFor()
  await theirs.waitForFunction(() => !document.querySelector('.chat-row'))
  await theirs.waitForFunction(() => !document.body.textContent.includes('swordfish'))
  assert.doesNotMatch(await kept(theirs), /half a secret|swordfish/)
  await closeSheet(page)

  await details(third)
  await third.getByRole('button', { name: 'Leave the room' }).click()
  await isAccessible(third, 'the question before a room is left')
  await third.locator('dialog.ask').getByRole('button', { name: 'Leave the room' }).click()
  await third.waitForFunction(() => !document.querySelector('.chat-row'))
  assert.equal(new URL(third.url()).hash, '#/')
  await page.locator('.bar-status', { hasText: '1 member' }).waitFor()

  await details(page)
  await page.getByRole('button', { name: 'Archive the room' }).click()
  await page.locator('dialog.ask').getByRole('button', { name: 'Archive the room' }).click()
  await page.getByText('It can only be read').waitFor()
  assert.ok(await composer(page).isHidden())
  await bubble(page, 'swordfish').waitFor()
})

scene('a room as it looks: both sizes, both colours, no overflow, nothing for axe to find', async (stage, t) => {
  const [ada, bob, dewi] = await stage.people('ada', 'bob', 'dewi')
  const room = await ada.room('Ops', bob, dewi)
  await dewi.say(room, 'The backup of last night took 40 minutes.', 'Usually it is 12. Has anybody changed something?')
  await bob.say(room, 'I moved the data to the new disk yesterday, maybe that.')
  await ada.say(room, 'I will look at it.')
  for (const [device, size] of [['desk', DESK], ['phone', PHONE]]) {
    for (const theme of ['light', 'dark']) {
      for (const locale of ['en-GB', 'id-ID']) {
        const page = await stage.open(ada, { path: `/#/room/${room.id}`, size, theme, locale })
        await bubble(page, 'I will look').waitFor()
        await page.locator('.sender', { hasText: 'dewi' }).first().waitFor()
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(wide <= size.width, `${wide} px`)
        await isAccessible(page, `a room, ${device}, ${theme}, ${locale}`)
        if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/room-${device}-${theme}-${locale}.png` })
        await page.context().close()
      }
    }
  }
})

scene('what was said in a room is edited, reacted to and deleted, by its admin as well', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  const room = await ada.room('Garden', bob, cyd)
  const [page, theirs] = [await stage.open(ada, { path: `/#/room/${room.id}` }), await stage.open(bob, { path: `/#/room/${room.id}` })]
  const menu = one => one.locator('.message-menu')
  const openMenu = async (one, text) => {
    await bubble(one, text).first().focus()
    await one.keyboard.press('Enter')
    await menu(one).waitFor()
  }
  await say(theirs, 'the tomatos are ripe')
  await state(theirs, 'tomatos', 'stored')
  await composer(theirs).press('ArrowUp')
  await theirs.getByText('Edit message').waitFor()
  await composer(theirs).fill('the tomatoes are ripe')
  await composer(theirs).press('Enter')
  await bubble(page, 'tomatoes').getByText('edited', { exact: true }).waitFor()
  await openMenu(page, 'tomatoes')
  // An admin may take it away, and not write in another's name.
  await menu(page).getByRole('button', { name: 'Delete' }).waitFor()
  assert.equal(await menu(page).getByRole('button', { name: 'Edit' }).isVisible(), false)
  await isAccessible(page, 'the menu of a message of a room')
  await menu(page).getByRole('button', { name: '👍' }).click()
  const pill = one => bubble(one, 'tomatoes').locator('.reaction', { hasText: '👍' })
  await pill(theirs).click()
  await pill(page).getByText('2').waitFor()
  await page.reload()
  await pill(page).getByText('2').waitFor()
  assert.equal(await pill(page).getAttribute('aria-pressed'), 'true')
  await openMenu(page, 'tomatoes')
  await menu(page).getByRole('button', { name: 'Reply' }).click()
  await say(page, 'let us pick them')
  await bubble(theirs, 'let us pick them').locator('.quote', { hasText: 'tomatoes' }).waitFor()
  await openMenu(page, 'the tomatoes')
  await menu(page).getByRole('button', { name: 'Delete' }).click()
  await theirs.locator('.message', { hasText: 'Message deleted' }).waitFor()
})

scene('an answer in a room that hides its past says what is here, and nothing to who came later', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  const room = await ada.room('Garden', bob)
  const ask = (method, path, body) => ada.server.request(method, path, { token: ada.session.token, body })
  await ask('PATCH', `/api/rooms/${room.id}`, { history: 'joined' })
  const path = `/#/room/${room.id}`
  const [page, theirs] = [await stage.open(ada, { path }), await stage.open(bob, { path })]
  await say(page, 'the secret')
  await bubble(theirs, 'the secret').waitFor()
  await ask('PUT', `/api/rooms/${room.id}/members/${cyd.id}`, {})
  const late = await stage.open(cyd, { path })
  await composer(late).waitFor()
  await bubble(theirs, 'the secret').focus()
  await theirs.keyboard.press('Enter')
  await theirs.locator('.message-menu').getByRole('button', { name: 'Reply' }).click()
  await say(theirs, 'what is it?')
  for (const one of [page, theirs]) await bubble(one, 'what is it?').locator('.quote', { hasText: 'the secret' }).waitFor()
  await bubble(late, 'what is it?').locator('.quote', { hasText: 'Earlier message' }).waitFor()
  await late.reload()
  await bubble(late, 'what is it?').locator('.quote', { hasText: 'Earlier message' }).waitFor()
  const seen = await late.locator('body').innerText()
  assert.equal(seen.includes('secret'), false, seen)
  await page.reload()
  await bubble(page, 'what is it?').locator('.quote', { hasText: 'the secret' }).waitFor()
})

scene('a link to an open room shows what it is, and a button to join', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const { body: { data: room } } = await stage.server.request('POST', '/api/rooms', { token: ada.session.token, body: { name: 'Garden', kind: 'open' } })
  await ada.say(room, 'The tomatoes are ripe')
  const page = await stage.open(bob, { path: `/#/room/${room.id}`, size: PHONE })
  await page.getByText('Join this room to write in it.').waitFor()
  await page.locator('.head-name', { hasText: 'Garden' }).waitFor()
  assert.ok(await page.locator('message-list').getByText('could not be loaded').isHidden())
  await isAccessible(page, 'an open room from outside')
  await page.getByRole('button', { name: 'Join the room' }).click()
  await bubble(page, 'The tomatoes are ripe').waitFor()
  await say(page, 'I come')
  await state(page, 'I come', 'stored')
})

scene('an archived room is found again by its name, and read', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const room = await ada.room('Harvest 2025', bob)
  await ada.say(room, 'The tomatoes are ripe')
  const page = await stage.open(bob)
  await row(page, 'Harvest').waitFor()
  assert.equal((await stage.server.request('DELETE', `/api/rooms/${room.id}`, { token: ada.session.token })).status, 200)
  await row(page, 'Harvest').waitFor({ state: 'detached' })
  await page.keyboard.press('Control+k')
  await page.getByRole('searchbox').fill('harv')
  const found = page.locator('people-picker .person', { hasText: 'Harvest 2025' })
  await found.getByText('Archived').waitFor()
  assert.equal(await found.count(), 1)
  await isAccessible(page, 'an archived room that was found')
  await page.keyboard.press('Enter')
  await bubble(page, 'The tomatoes are ripe').waitFor()
  await page.getByText('This room is archived.').waitFor()
})

scene('the server is told which chat is in view, and of none once the page is hidden or left', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const room = await ada.room('Ops', bob)
  await bob.write(ada, 'hi')
  const page = await stage.open(ada, { path: '/readyz' })
  const told = []
  page.on('websocket', socket => socket.on('framesent', ({ payload }) => {
    const [, json] = /^42\d*(\["in_view".*)$/s.exec(String(payload)) ?? []
    if (json) told.push(JSON.parse(json)[1])
  }))
  /** Waits until the server was told so often, and gives what. */
  const after = async count => {
    while (told.length < count) await page.waitForTimeout(20)
    return told.splice(0)
  }
  await page.goto(`${stage.server.url}/#/chat/${bob.id}`)
  assert.deepEqual(await after(1), [{ receiver_id: bob.id, on: true }])
  await row(page, 'Ops').click()
  assert.deepEqual(await after(2), [{ receiver_id: bob.id, on: false }, { room_id: room.id, on: true }])
  // A page in a tab that nobody looks at says so itself; headless, one is always in front.
  const pretend = (hidden, focus) => page.evaluate(([hidden, focus]) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: hidden ? 'hidden' : 'visible' })
    document.hasFocus = () => focus
    document.dispatchEvent(new Event('visibilitychange'))
    window.dispatchEvent(new Event(focus ? 'focus' : 'blur'))
  }, [hidden, focus])
  await pretend(true, true)
  assert.deepEqual(await after(1), [{ room_id: room.id, on: false }])
  await pretend(false, true)
  assert.deepEqual(await after(1), [{ room_id: room.id, on: true }])
  await pretend(false, false)
  assert.deepEqual(await after(1), [{ room_id: room.id, on: false }])
  await pretend(false, true)
  await after(1)
  await page.goto(`${stage.server.url}/#/`)
  assert.deepEqual(await after(1), [{ room_id: room.id, on: false }])
  // What is told meanwhile would have been heard by now.
  await row(page, 'bob').click()
  assert.deepEqual(await after(1), [{ receiver_id: bob.id, on: true }])
  await stage.server.kill()
  await stage.server.start()
  assert.deepEqual(await after(1), [{ receiver_id: bob.id, on: true }])
})

scene('Enter chooses whom one searches for, and a room is made once', async stage => {
  const [ada] = await stage.people('ada', 'bob', 'cyd')
  const page = await stage.open(ada)
  await page.getByText('No chats yet').waitFor()
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: 'New room' }).click()
  const form = page.locator('room-form')
  const chip = name => form.locator('.chip', { hasText: name })
  await form.getByLabel('Name of the room').fill('Garden')
  const field = form.getByLabel('Add people')
  await field.fill('bob')
  await form.locator('.person', { hasText: 'bob' }).waitFor()
  // What was found before stands there until the answer comes.
  let release
  const isReleased = new Promise(done => { release = done })
  const isHeld = url => url.pathname === '/api/users' && url.searchParams.get('query') === 'cyd'
  await page.route(isHeld, async route => {
    await isReleased
    await route.continue()
  })
  const asked = page.waitForRequest(request => isHeld(new URL(request.url())))
  await field.fill('cyd')
  await page.keyboard.press('Enter')
  await asked
  assert.equal(await form.locator('.chip').count(), 0)
  release()
  await chip('cyd').waitFor()
  assert.equal(await chip('bob').count(), 0)

  let made = 0
  const isMade = url => url.pathname === '/api/rooms'
  await page.route(isMade, async route => {
    if (route.request().method() === 'POST' && made++ === 0) {
      // The key is pressed once more before the answer is there.
      await page.keyboard.press('Enter')
    }
    await route.continue()
  })
  await form.getByLabel('Name of the room').press('Enter')
  await page.getByText('This is the beginning of Garden').waitFor()
  assert.equal(made, 1)
})

scene('who is put out of a room while its details are open is left with none, and who is added by keys keeps the place', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob', 'cyd')
  const room = await ada.room('Ops', bob)
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  const theirs = await stage.open(bob, { path: `/#/room/${room.id}` })
  await details(theirs)
  await details(page)
  const sheet = page.locator('chat-sheet')
  await sheet.getByLabel('Add people').fill('cyd')
  await sheet.locator('.person', { hasText: 'cyd' }).waitFor()
  await page.keyboard.press('Enter')
  await sheet.locator('[data-part="add"]').press('Enter')
  await members(page).nth(2).waitFor()
  assert.ok(await sheet.getByLabel('Add people').evaluate(field => field === document.activeElement))
  await page.getByRole('button', { name: 'Remove: bob' }).click()
  await theirs.getByText('You are not, or no longer, a member').waitFor()
  await theirs.locator('chat-sheet dialog[open]').waitFor({ state: 'detached' })
})

scene('names that are offered in a room go with it', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const [one, two] = [await ada.room('One', bob), await ada.room('Two', bob)]
  const page = await stage.open(ada, { path: `/#/room/${one.id}` })
  await composer(page).waitFor()
  await page.evaluate(hash => { location.hash = hash }, `#/room/${two.id}`)
  await page.getByText('This is the beginning of Two').waitFor()
  await composer(page).pressSequentially('@b')
  await page.getByRole('option', { name: /bob/ }).waitFor()
  await page.goBack()
  await page.getByText('This is the beginning of One').waitFor()
  assert.equal(await page.getByRole('option').count(), 0)
  // So do they with the caret: Enter would write one where it is by then.
  await composer(page).fill('')
  await composer(page).pressSequentially('@b')
  await page.getByRole('option', { name: /bob/ }).waitFor()
  await composer(page).press('Home')
  await page.getByRole('option').waitFor({ state: 'hidden' })
  // And in another language they are called by its word.
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: 'Bahasa Indonesia' }).click()
  await composer(page).fill('')
  await composer(page).pressSequentially('@b')
  await page.getByRole('listbox', { name: 'Sebut' }).waitFor()
})

scene('the settings of a room are changed, and changed again, and what is wrong with them stands beside the button', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const room = await ada.room('Ops', bob)
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  const theirs = await stage.open(bob, { path: `/#/room/${room.id}`, size: PHONE })
  await theirs.getByRole('heading', { name: 'Ops' }).waitFor()
  const settings = page.locator('chat-sheet [data-part="change"]')
  const save = async name => {
    await settings.getByLabel('Name of the room').fill(name)
    await settings.getByRole('button', { name: 'Save' }).click()
  }
  await details(page)
  // With the members there are other names in the dialog.
  await members(page).nth(1).waitFor()
  await settings.getByLabel('Topic').fill('Who is on call')
  await settings.getByLabel('Who can write').selectOption('admins')
  await save('Operators')
  await settings.getByText('Saved.').waitFor()
  await theirs.getByRole('heading', { name: 'Operators' }).waitFor()
  await theirs.getByText('Only admins can write in this room.').waitFor()
  await closeSheet(page)
  await details(page)
  assert.equal(await settings.getByLabel('Name of the room').inputValue(), 'Operators')
  assert.equal(await settings.getByLabel('Topic').inputValue(), 'Who is on call')
  await save('')
  const wrong = settings.getByText('Give the room a name.')
  await wrong.waitFor()
  assert.ok(await settings.getByLabel('Name of the room').evaluate(field => field === document.activeElement))
  await save('Ops again')
  await theirs.getByRole('heading', { name: 'Ops again' }).waitFor()
  assert.equal(await wrong.count(), 0)
  // What the server refuses stands at the top of the dialog, which comes into view.
  await page.route('**/api/rooms/*', route => route.request().method() === 'PATCH' ? route.abort() : route.continue())
  await save('Without a network')
  const failure = page.locator('chat-sheet [data-part="wrong"]')
  await failure.getByText('The server cannot be reached').waitFor()
  const { top, body } = await failure.evaluate(node => ({
    top: node.getBoundingClientRect().top, body: node.closest('.sheet-body').getBoundingClientRect().top,
  }))
  assert.ok(top >= body, `it is at ${top} in what begins at ${body}`)
})

scene('a choice that is open in the details of a room stays open while others come and write', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  const room = await ada.room('Ops', bob)
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  await details(page)
  await members(page).nth(1).waitFor()
  const choices = page.locator('chat-sheet select:visible option')
  const before = await choices.count()
  await choices.evaluateAll(options => { for (const option of options) option.isOffered = true })
  await stage.server.request('PUT', `/api/rooms/${room.id}/members/${cyd.id}`, { token: ada.session.token, body: {} })
  await members(page).nth(2).waitFor()
  assert.equal(await choices.evaluateAll(options => options.filter(option => option.isOffered).length), before)
})

scene('whoever has left a room and comes back to it by its address sees what it is by then', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const [open, closed] = [await bob.room('Open', ada), await bob.room('Closed', ada)]
  await stage.server.request('PATCH', `/api/rooms/${open.id}`, { token: bob.session.token, body: { kind: 'open' } })
  const page = await stage.open(ada)
  for (const [room, name] of [[open, 'Open'], [closed, 'Closed']]) {
    await row(page, name).click()
    await page.getByText(`This is the beginning of ${name}`).waitFor()
    await details(page)
    await page.locator('chat-sheet').getByRole('button', { name: 'Leave the room' }).click()
    await page.locator('dialog.ask').getByRole('button', { name: 'Leave the room' }).click()
    await row(page, name).waitFor({ state: 'detached' })
    await page.evaluate(hash => { location.hash = hash }, `#/room/${room.id}`)
    if (room === open) await page.getByRole('button', { name: 'Join the room' }).waitFor()
    else await page.waitForURL('**/#/')
  }
})

scene('a link to a room of others, or to nobody, says so', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const room = await bob.room('Closed')
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  await page.getByText('You are not, or no longer, a member').waitFor()
  await page.waitForURL('**/#/')
  await page.goto(`${stage.server.url}/#/chat/999999`)
  await page.getByText('That does not exist here, or it no longer does.').waitFor()
})
