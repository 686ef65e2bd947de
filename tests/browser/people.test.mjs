// Accounts by the page: registering, the profile, a new password on every device, invites and
// administration.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { ELSEWHERE, PASSWORD, PHONE, bubble, composer, deadline, row, say, scene, state } from './harness.mjs'

const menu = async (page, item) => {
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: item }).click()
}

scene('one registers, finds somebody by a few keys, and writes; in Indonesian too, without a reload', async stage => {
  await stage.people('bob', 'bonnie')
  const page = await stage.open(null, { size: PHONE, locale: 'id-ID' })
  await page.getByText('Selamat datang kembali').waitFor()
  await page.getByRole('button', { name: 'English' }).click()
  await page.getByText('Create an account').click()
  await page.getByLabel('Username').fill('bob')
  await page.locator('#password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByText('This name is already taken').waitFor()
  await page.getByLabel('Username').fill('ada')
  await page.keyboard.press('Enter')
  await page.getByText('No chats yet').waitFor()
  await page.keyboard.press('Control+k')
  // The first dialog is loaded only now.
  await page.getByRole('searchbox').waitFor()
  await page.keyboard.type('bon')
  await page.waitForFunction(() => document.querySelectorAll('.person').length === 1)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'bonnie' }).waitFor()
  await say(page, 'Halo')
  await state(page, 'Halo', 'stored')
  await page.goBack()
  await row(page, 'bonnie').waitFor()
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Bahasa Indonesia' }).click()
  await page.getByText('Anda: Halo').waitFor()
})

scene('a username that the server keeps for itself is refused at its field, and so is a name in the profile', async stage => {
  await stage.people('bob')
  const page = await stage.open(null)
  await page.getByText('Create an account').click()
  await page.locator('#password').fill(PASSWORD)
  for (const name of ['12345', 'user-5', 'Deleted-7']) {
    await page.getByLabel('Username').fill(name)
    await page.keyboard.press('Enter')
    await page.getByText('not digits alone').waitFor()
    assert.equal(await page.getByLabel('Username').getAttribute('aria-invalid'), 'true', name)
    await page.getByLabel('Username').fill('')
    await page.keyboard.press('Enter')
    await page.getByText('Enter your username').waitFor()
  }
  await page.getByLabel('Username').fill('ada')
  await page.keyboard.press('Enter')
  await page.getByText('No chats yet').waitFor()
  await menu(page, 'Your profile')
  const called = page.getByLabel('Name', { exact: true })
  // A sign that is not seen, by which two names would look alike.
  await called.fill('Ada\u200b')
  await page.keyboard.press('Enter')
  await page.getByText('The server did not accept this.').waitFor()
  assert.equal(await called.getAttribute('aria-invalid'), 'true')
  assert.ok(await called.evaluate(field => field === document.activeElement))
})

scene('another language reaches an open conversation at once, and a long draft has its height', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  await bob.write(ada, 'hi')
  await cyd.write(ada, 'hello')
  const page = await stage.open(ada)
  await row(page, 'bob').click()
  await say(page, 'Halo')
  await state(page, 'Halo', 'stored')
  assert.match(await bubble(page, 'Halo').innerText(), /Sent/)
  await composer(page).fill('one\ntwo\nthree\nfour')
  const height = () => composer(page).evaluate(field => field.clientHeight)
  const before = await height()
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: 'Bahasa Indonesia' }).click()
  await bubble(page, 'Halo').getByText('Terkirim').waitFor()
  await page.locator('.bar-status', { hasText: 'terakhir dilihat' }).waitFor()
  assert.equal(await composer(page).getAttribute('aria-label'), 'Pesan untuk bob')
  // What is loaded only now speaks it, too: it has the same catalogue as the page, and not one of
  // its own.
  await page.keyboard.press('Control+k')
  await page.getByRole('heading', { name: 'Cari orang dan pesan' }).waitFor()
  await page.keyboard.press('Escape')
  // By way of the list alone, in which no conversation is shown.
  await page.setViewportSize(PHONE)
  await page.evaluate(() => { location.hash = '#/' })
  await row(page, 'bob').click()
  await page.waitForFunction(height => document.querySelector('.composer textarea').clientHeight === height, before)
})

scene('the keyboard walks the chats and comes back to the text', async stage => {
  const [ada, bob, cyd, dewi] = await stage.people('ada', 'bob', 'cyd', 'dewi')
  for (const person of [bob, cyd, dewi]) await person.write(ada, `from ${person.name}`)
  const page = await stage.open(ada)
  await row(page, 'dewi').waitFor()
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip-link')
  await row(page, 'dewi').focus()
  await page.keyboard.press('Enter')
  await bubble(page, 'from dewi').waitFor()
  assert.ok(await composer(page).evaluate(field => field === document.activeElement))
  await page.keyboard.press('Alt+ArrowDown')
  await bubble(page, 'from cyd').waitFor()
  await page.keyboard.press('Alt+Shift+ArrowDown')
  await bubble(page, 'from bob').waitFor()
  await page.keyboard.press('Alt+ArrowUp')
  await bubble(page, 'from cyd').waitFor()
  await page.keyboard.press('Escape')
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('href')), `#/chat/${cyd.id}`)
})

scene('an account is deleted in the profile, and others see what it said from a deleted account', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'stays')
  const other = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await bubble(other, 'stays').waitFor()
  const page = await stage.open(bob)
  await menu(page, 'Your profile')
  const remove = page.getByRole('button', { name: 'Delete the account' })
  await page.getByLabel('Your messages').waitFor()
  await page.getByLabel('Your password').fill('wrong wrong')
  await remove.click()
  await page.getByText('Delete your account?').waitFor()
  await page.locator('dialog.ask').getByRole('button', { name: 'Delete the account' }).click()
  await page.getByText('not your current password').waitFor()
  await page.getByLabel('Your password').fill(PASSWORD)
  await page.getByLabel('Your password').press('Enter')
  await page.locator('dialog.ask').getByText('from “Deleted account”').waitFor()
  await page.locator('dialog.ask').getByRole('button', { name: 'Delete the account' }).click()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  await row(other, 'Deleted account').waitFor()
  await bubble(other, 'stays').waitFor()
})

scene('a name and a password are changed, and every open page goes on', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const second = await page.context().newPage()
  await second.goto(`${stage.server.url}/#/chat/${bob.id}`)
  const phone = await stage.open(ada, { size: PHONE })
  await row(phone, 'bob').waitFor()
  await bubble(second, 'hi').waitFor()
  await composer(second).fill('not yet sent')
  // One acts in the tab that is in front; the browser paints the others seldom.
  await page.bringToFront()
  await menu(page, 'Your profile')
  await page.getByLabel('Username').fill('not a name')
  await page.keyboard.press('Enter')
  await page.getByText('Use 1 to 32').waitFor()
  await page.getByLabel('Username').fill('ada.l')
  await page.keyboard.press('Enter')
  await page.getByText('Saved.').waitFor()
  await page.locator('.sidebar .bar-title', { hasText: 'ada.l' }).waitFor()
  // A name is shown in the username's place, and may be anything.
  await page.getByLabel('Name', { exact: true }).fill('Ada “the first” Lovelace')
  await page.keyboard.press('Enter')
  await page.locator('.sidebar .bar-title', { hasText: 'Ada “the first” Lovelace' }).waitFor()
  await page.getByLabel('Name', { exact: true }).fill('')
  await page.keyboard.press('Enter')
  await page.locator('.sidebar .bar-title', { hasText: 'ada.l' }).waitFor()
  await page.getByLabel('Current password').fill('wrong wrong')
  await page.getByLabel('New password').fill('a new password')
  await page.keyboard.press('Enter')
  await page.getByText('not your current password').waitFor()
  await page.getByLabel('Current password').fill(PASSWORD)
  await page.getByLabel('Current password').press('Enter')
  await page.getByText('The password is changed.').waitFor()
  await page.keyboard.press('Escape')
  await say(page, 'still here')
  await state(page, 'still here', 'stored')
  await second.bringToFront()
  await bubble(second, 'still here').waitFor()
  assert.equal(await composer(second).inputValue(), 'not yet sent')
  await phone.getByText('You have been logged out').waitFor()
})

scene('an administrator invites, promotes and disables', async stage => {
  const { server } = stage
  const ada = await server.user('ada', { invite: server.setup })
  const bob = await server.user('bob')
  const page = await stage.open(ada)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await menu(page, 'People and invites')
  await page.getByRole('button', { name: 'Create an invite link' }).click()
  const link = page.getByLabel('Invite link')
  await link.waitFor()
  await page.getByRole('button', { name: 'Copy link' }).click()
  await page.getByRole('button', { name: 'Copied' }).waitFor()
  const address = await page.evaluate(() => navigator.clipboard.readText())
  assert.equal(address, await link.inputValue())
  await isAccessible(page, 'administration')
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/admin-desk-light.png` })

  const guest = await stage.open(null, { path: address.slice(server.url.length), size: PHONE })
  await guest.getByLabel('Username').fill('cyd')
  await guest.locator('#password').fill(PASSWORD)
  await guest.keyboard.press('Enter')
  await guest.getByText('No chats yet').waitFor()

  await page.getByRole('button', { name: 'Make administrator: bob' }).click()
  await page.getByRole('button', { name: 'Remove as administrator: bob' }).waitFor()
  const his = await stage.open(bob)
  await his.getByText('No chats yet').waitFor()
  await page.getByRole('button', { name: 'Disable: bob' }).click()
  await page.getByRole('button', { name: 'Enable: bob' }).waitFor()
  await his.getByText('This account has been disabled').waitFor()
  await page.getByRole('button', { name: 'Enable: bob' }).click()
  await page.getByRole('button', { name: 'Disable: bob' }).waitFor()
})

scene('logging out leaves the other devices, or ends them all', async stage => {
  const ada = await stage.server.user('ada')
  // Each device has a session of its own.
  const here = await stage.open(ada), there = await stage.open(await stage.server.login('ada'), { size: PHONE })
  await there.getByText('No chats yet').waitFor()
  await menu(here, 'Log out')
  await here.getByRole('dialog').getByRole('button', { name: 'Log out' }).click()
  await here.getByText('Welcome back').waitFor()
  await here.getByLabel('Username').fill('ada')
  await here.locator('#password').fill(PASSWORD)
  await here.keyboard.press('Enter')
  await here.getByText('No chats yet').waitFor()
  assert.ok(await there.getByText('No chats yet').isVisible())
  // With another dialog a style sheet came, which is not to change this one.
  await menu(here, 'Your profile')
  await here.getByRole('heading', { name: 'Your profile' }).waitFor()
  await here.keyboard.press('Escape')
  await menu(here, 'Log out')
  const everywhere = here.getByLabel('Also log out on all my other devices')
  const text = here.getByText('Also log out on all my other devices')
  const [box, words] = [await everywhere.boundingBox(), await text.boundingBox()]
  assert.ok(box.width < 30 && words.width > 150, `a box of ${box.width} px, words of ${words.width} px`)
  await everywhere.check()
  await here.getByRole('dialog').getByRole('button', { name: 'Log out' }).click()
  await here.getByText('Welcome back').waitFor()
  await there.getByText('You have been logged out').waitFor()
})

scene('a row stays under the mouse that aims at it, and goes to its place afterwards', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  await bob.write(ada, 'one')
  await cyd.write(ada, 'two')
  const page = await stage.open(ada)
  const names = () => page.locator('.chat-name').allInnerTexts()
  await row(page, 'cyd').hover()
  assert.deepEqual(await names(), ['cyd', 'bob'])
  await bob.write(ada, 'three')
  await row(page, 'three').waitFor()
  assert.deepEqual(await names(), ['cyd', 'bob'])
  await page.waitForFunction(() => document.querySelector('.chat-name').textContent === 'bob')
})

scene('of many chats the one that is opened is in view, and the bar covers none that has the focus', async stage => {
  const ada = await stage.server.user('ada')
  for (let n = 0; n < 16; n++) await (await stage.server.user(`friend-${n}`)).write(ada, `hello ${n}`)
  const page = await stage.open(ada)
  await row(page, 'friend-15').waitFor()
  // Not at once: on a busy machine a note that there is no connection stands above it for a moment.
  const isSeen = async node => page.waitForFunction(at => {
    const { top, bottom } = at.getBoundingClientRect()
    return top >= document.querySelector('.sidebar .bar').getBoundingClientRect().bottom && bottom <= innerHeight
  }, await node.elementHandle())
  for (let n = 15; n >= 0; n--) {
    await page.keyboard.press('Alt+ArrowDown')
    await page.locator('.chat-row[aria-current]').filter({ hasText: `hello ${n}` }).waitFor()
  }
  await isSeen(row(page, 'friend-0'))
  await page.reload()
  await row(page, 'friend-0').waitFor()
  await isSeen(row(page, 'friend-0'))
  await row(page, 'friend-0').focus()
  for (let n = 1; n < 16; n++) {
    await page.keyboard.press('Shift+Tab')
    await isSeen(page.locator('.chat-row:focus'))
  }
})

scene('after midnight today is yesterday, also where nothing comes', { flags: ['--ping-interval', '10m'] }, async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, 'good night')
  const page = await stage.open(bob, { path: '/readyz' })
  const night = new Date()
  night.setHours(23, 58, 30, 0)
  await page.clock.install({ time: night })
  await page.goto(`${stage.server.url}/#/chat/${ada.id}`)
  await page.locator('.day').getByText('Today').waitFor()
  await page.clock.fastForward('02:00')
  await page.locator('.day').getByText('Yesterday').waitFor()
})

scene('whoever goes back from a chat leaves its details, too', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada)
  await row(page, 'bob').click()
  await page.locator('.head-name').click()
  await page.locator('dialog[open]').waitFor()
  await page.goBack()
  await page.locator('.nothing-open').waitFor()
  assert.equal(await page.locator('dialog[open]').count(), 0)
})

// A dialog that was there already opened while the menu was, and gave the focus back to a button in
// that.
scene('what the menu opens gives the focus back to its button, each time', async stage => {
  const ada = await stage.server.user('ada', { invite: stage.server.setup })
  const page = await stage.open(ada)
  await row(page, 'ada').or(page.getByText('No chats yet')).waitFor()
  const button = page.getByRole('button', { name: 'Menu', exact: true })
  for (const item of ['New room', 'Your profile', 'People and invites', 'Keyboard shortcuts', 'Log out']) {
    for (const time of ['first', 'second']) {
      await button.press('Enter')
      await page.locator('#menu').getByRole('button', { name: item }).press('Enter')
      await page.locator('dialog[open]').waitFor()
      await page.keyboard.press('Escape')
      await page.locator('dialog[open]').waitFor({ state: 'detached' })
      assert.ok(await button.evaluate(node => node === document.activeElement), `${item}, the ${time} time`)
    }
  }
})

scene('the question mark lists the keys, except where it is written and for whom it disturbs', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const list = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await bubble(page, 'hi').waitFor()
  await composer(page).press('?')
  assert.equal(await composer(page).inputValue(), '?')
  await page.locator('.messages').focus()
  await page.keyboard.press('?')
  await list.waitFor()
  await page.getByLabel('Also open this list with the ? key').uncheck()
  await page.keyboard.press('Escape')
  await list.waitFor({ state: 'hidden' })
  await page.locator('.messages').focus()
  await page.keyboard.press('?')
  // The other way stays, and by then the first would long have had its effect.
  await page.keyboard.press('Control+/')
  await list.waitFor()
  assert.equal(await page.getByRole('dialog').count(), 1)
  assert.ok(!await page.getByLabel('Also open this list with the ? key').isChecked())
  await page.keyboard.press('Escape')
  await page.locator('.messages').focus()
  await page.keyboard.press('?')
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
  assert.ok(await list.isHidden())
})

/** Everything that the browser keeps of the page, as text: of every storage there is. */
const keptBy = page => page.evaluate(async () => {
  const done = request => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  const kept = [Object.entries(localStorage), Object.entries(sessionStorage), await caches.keys()]
  for (const { name } of await indexedDB.databases()) {
    const database = await done(indexedDB.open(name))
    for (const store of database.objectStoreNames) {
      const shelf = database.transaction(store).objectStore(store)
      kept.push(await Promise.all([done(shelf.getAllKeys()), done(shelf.getAll())]))
    }
    database.close()
  }
  return JSON.stringify(kept)
})

/**
 * A page on which somebody has half a thought and a message that cannot be sent, and an earlier
 * page without a database.
 */
async function unsent(stage, person, peer) {
  const page = await stage.open(person, { path: `/#/chat/${peer.id}` })
  await composer(page).waitFor()
  await page.evaluate(id => localStorage.setItem(`chatd.draft.${id}.9`, '"an older thought"'), person.id)
  await page.context().setOffline(true)
  await say(page, 'a secret message')
  await state(page, 'a secret message', 'pending')
  await composer(page).fill('half a secret')
  await page.waitForFunction(() => new Promise(found => {
    const request = indexedDB.open('chatd')
    request.onsuccess = () => {
      const reading = request.result.transaction('kept').objectStore('kept').count()
      reading.onsuccess = () => { request.result.close(); found(reading.result === 2) }
    }
  }))
  return page
}

const SECRET = /secret|thought|"(draft|outbox|place|chatd\.draft|chatd\.outbox|chatd\.place)\./

for (const [how, notice, end] of [
  ['logged out elsewhere', 'You have been logged out', person => person.server.request('POST', '/api/auth/logout', { token: person.session.token })],
  ['disabled', 'This account has been disabled', (person, admin) =>
    person.server.request('PATCH', `/api/admin/users/${person.id}`, { token: admin.session.token, body: { disabled: true } })],
]) {
  scene(`nothing of drafts and unsent messages stays in the browser of an account that was ${how}`, async stage => {
    const { server } = stage
    const admin = await server.user('root', { invite: server.setup })
    const [ada, bob] = await stage.people('ada', 'bob')
    const page = await unsent(stage, ada, bob)
    assert.match(await keptBy(page), /a secret message.*half a secret|half a secret.*a secret message/)
    assert.equal((await end(ada, admin)).status, 200)
    await page.context().setOffline(false)
    await page.getByText(notice).waitFor()
    assert.doesNotMatch(await keptBy(page), SECRET)
  })
}

/** Tokens of people whose login is over, and those people with a login of now. */
async function expired(stage, ...names) {
  const { server } = stage
  server.flags.push('--token-lifetime', '1s')
  await server.end()
  await server.start()
  const tokens = (await stage.people(...names)).map(({ session }) => session.token)
  server.flags.splice(-2)
  await server.end()
  await server.start()
  for (const token of tokens) {
    const code = async () => (await server.request('GET', '/api/auth/me', { token })).body.error?.code
    await deadline((async () => { while (await code() !== 'token_expired'); })(), 'the end of a login')
  }
  return { tokens, people: await Promise.all(names.map(name => server.login(name))) }
}

scene('an expired token loses no unsent message of the same person, and leaves none to another', async stage => {
  const { tokens: [token], people: [ada, bob] } = await expired(stage, 'ada', 'bob')
  for (const name of ['ada', 'bob']) {
    const page = await unsent(stage, ada, bob)
    await page.evaluate(token => {
      const session = JSON.parse(localStorage.getItem('chatd.session'))
      localStorage.setItem('chatd.session', JSON.stringify({ ...session, token }))
    }, token)
    // As the tab of before is gone: it would still have a token that is accepted.
    await page.goto('about:blank')
    await page.context().setOffline(false)
    await page.goto(`${stage.server.url}/#/chat/${bob.id}`)
    await page.getByText('Your login has expired').waitFor()
    await page.getByLabel('Username').fill(name)
    await page.locator('#password').fill(PASSWORD)
    await page.keyboard.press('Enter')
    if (name === 'ada') {
      await state(page, 'a secret message', 'stored')
      assert.equal(await composer(page).inputValue(), 'half a secret')
      continue
    }
    await row(page, 'ada').waitFor()
    await deadline((async () => { while (/secret|thought/.test(await keptBy(page))); })(), 'the end of what another kept')
    assert.deepEqual((await ada.history(bob)).map(({ content }) => content), ['a secret message'], 'the one of before')
  }
})

scene('an administrator who is alone is offered a link and its code, the same one each time', { registration: 'invite' }, async stage => {
  const ada = await stage.server.user('ada', { invite: stage.server.setup })
  const page = await stage.open(ada, { url: `http://${ELSEWHERE}:${stage.server.port}`, size: PHONE, theme: 'dark', path: '/' })
  // The session of the harness is of the other name.
  await page.getByLabel('Username').fill('ada')
  await page.locator('#password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  const link = page.locator('first-invite').getByLabel('Invite link', { exact: true })
  await link.waitFor()
  const address = await link.inputValue()
  assert.match(address, new RegExp(`^http://${ELSEWHERE}:\\d+/\\?invite=.`))
  await page.getByRole('img', { name: 'QR code' }).waitFor()
  await isAccessible(page, 'the first invite')
  const wide = await page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(wide <= PHONE.width, `${wide} px`)
  await page.reload()
  await link.waitFor()
  assert.equal(await link.inputValue(), address)
  // By an address that others cannot reach there is no code, but a word on it.
  const local = await stage.open(ada)
  await local.getByText('works on this machine only').waitFor()
  assert.equal(await local.getByRole('img', { name: 'QR code' }).count(), 0)
  const bob = await stage.server.user('bob', { invite: new URL(address).searchParams.get('invite') })
  await stage.open(bob).then(page => page.getByText('No chats yet').waitFor())
  await local.reload()
  await local.getByText('No chats yet').waitFor()
  await local.waitForLoadState('networkidle')
  assert.equal(await local.locator('first-invite').count(), 0, 'one is not alone any more')
})
