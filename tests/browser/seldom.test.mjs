// What is done seldom, each to its end: at the server, or at the other person.

import assert from 'node:assert/strict'
import { PASSWORD, bubble, composer, row, say, scene, state } from './harness.mjs'

const menu = async (page, item) => {
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: item }).click()
}
const details = async page => {
  await page.locator('.head-name').click()
  await page.locator('chat-sheet dialog[open]').waitFor()
}
const asking = person => async (method, path, body) => {
  const { status, body: answer } = await person.server.request(method, path, { token: person.session.token, body })
  assert.ok(status < 300, `${method} ${path}: ${status}`)
  return answer?.data
}
const sheet = page => page.locator('chat-sheet')
const settings = page => page.locator('chat-sheet [data-part="change"]')
/** Waits until a list has so many rows. */
const hasRows = (page, list, count) => page.waitForFunction(([list, count]) => document.querySelectorAll(`${list} > li`).length === count, [list, count])

scene('what two people change in the settings of a room at once is changed, and nothing else', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const ask = asking(ada)
  const room = await ada.room('Ops', bob)
  const path = `/#/room/${room.id}`
  const [page, theirs] = [await stage.open(ada, { path }), await stage.open(bob, { path })]
  await details(theirs)
  await details(page)
  await settings(theirs).waitFor({ state: 'hidden' })
  await page.getByLabel('Role: bob').selectOption({ label: 'Admin' })
  await settings(theirs).getByLabel('Name of the room').waitFor()
  // Begun before the other saves, and saved after.
  await settings(page).getByLabel('Name of the room').fill('Operators')
  await settings(theirs).getByLabel('Topic').fill('Who is on call')
  await settings(theirs).getByLabel('Who can come in').selectOption('open')
  await settings(theirs).getByLabel('What new members see').selectOption('joined')
  await settings(theirs).getByRole('button', { name: 'Save' }).click()
  await settings(theirs).getByText('Saved.').waitFor()
  await page.waitForFunction(() => document.querySelector('#sheet-topic').value === 'Who is on call')
  assert.equal(await settings(page).getByLabel('Name of the room').inputValue(), 'Operators')
  const said = page.waitForRequest(request => request.method() === 'PATCH')
  await settings(page).getByRole('button', { name: 'Save' }).click()
  assert.deepEqual((await said).postDataJSON(), { name: 'Operators' })
  await theirs.waitForFunction(() => document.querySelector('#sheet-name').value === 'Operators')
  const { name, topic, kind, history } = await ask('GET', `/api/rooms/${room.id}`)
  assert.deepEqual([name, topic, kind, history], ['Operators', 'Who is on call', 'open', 'joined'])
  await settings(theirs).getByLabel('Topic').fill('')
  await settings(theirs).getByRole('button', { name: 'Save' }).click()
  await page.waitForFunction(() => document.querySelector('#sheet-topic').value === '')
})

scene('the settings of a room that comes late are in their fields once it is there', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const room = await ada.room('Ops', bob)
  const page = await stage.open(ada, { path: '/readyz' })
  let release
  const isReleased = new Promise(done => { release = done })
  const isHeld = ({ pathname }) => pathname === '/api/inbox' || pathname.startsWith(`/api/rooms/${room.id}`)
  await page.route(isHeld, async route => {
    await isReleased
    await route.continue()
  })
  await page.goto(`${stage.server.url}/#/room/${room.id}`)
  await details(page)
  release()
  await settings(page).getByLabel('Topic').waitFor()
  assert.equal(await settings(page).getByLabel('Name of the room').inputValue(), 'Ops')
  await settings(page).getByLabel('Topic').fill('Who is on call')
  await settings(page).getByRole('button', { name: 'Save' }).click()
  await settings(page).getByText('Saved.').waitFor()
  // Nor is anybody offered who turned out to be in.
  await sheet(page).getByLabel('Add people').fill('bob')
  await sheet(page).getByText('No one here has that name.').waitFor()
})

scene('who was removed is added again without a look elsewhere, a room is handed over, and its last owner hears why they stay', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const ask = asking(ada)
  const room = await ada.room('Ops', bob)
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  await details(page)
  await page.getByRole('button', { name: 'Remove: bob' }).click()
  await hasRows(page, 'chat-sheet [data-part="members"]', 1)
  await sheet(page).getByLabel('Add people').fill('bob')
  await sheet(page).locator('.person', { hasText: 'bob' }).click()
  await sheet(page).getByRole('button', { name: 'Add to the room' }).click()
  await hasRows(page, 'chat-sheet [data-part="members"]', 2)
  const leave = async () => {
    await sheet(page).getByRole('button', { name: 'Leave the room' }).click()
    await page.locator('dialog.ask').getByRole('button', { name: 'Leave the room' }).click()
  }
  await leave()
  await sheet(page).getByText('You are the last owner: make somebody else one first.').waitFor()
  const theirs = await stage.open(bob, { path: `/#/room/${room.id}` })
  await details(theirs)
  await page.getByLabel('Role: bob').selectOption({ label: 'Owner' })
  await theirs.getByRole('button', { name: 'Archive the room' }).waitFor()
  await theirs.getByLabel('Role: ada').selectOption({ label: 'Member' })
  await settings(page).waitFor({ state: 'hidden' })
  const members = await ask('GET', `/api/rooms/${room.id}/members`)
  assert.deepEqual(members.map(({ username, role }) => `${username} ${role}`).sort(), ['ada member', 'bob owner'])
  await leave()
  await row(page, 'Ops').waitFor({ state: 'detached' })
})

scene('what is to be told of a chat is chosen, muted and unmuted, and holds on other devices', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const ask = asking(bob)
  const room = await ada.room('Ops', bob)
  await ada.write(bob, 'hello')
  const page = await stage.open(bob, { path: `/#/room/${room.id}` })
  const choose = async (label, option) => {
    const answered = page.waitForResponse(response => response.request().method() === 'PATCH')
    await sheet(page).getByLabel(label).selectOption({ label: option })
    await answered
    return (await ask('GET', '/api/inbox')).map(({ notify, muted_until }) => [notify, muted_until !== null])
  }
  await details(page)
  assert.deepEqual(await choose('Notify me of', 'Mentions only'), [['all', false], ['mentions', false]])
  await sheet(page).getByRole('button', { name: 'Close' }).click()
  await row(page, 'hello').click()
  await details(page)
  assert.deepEqual(await choose('Notify me of', 'Nothing'), [['none', false], ['mentions', false]])
  assert.deepEqual(await choose('Mute', 'For 1 hour'), [['none', true], ['mentions', false]])
  // Of the same day the time is said.
  await page.waitForFunction(() => /^Until \d+:\d\d$/.test(document.querySelector('#sheet-mute').selectedOptions[0].text))
  const phone = await stage.open(bob)
  await phone.locator('.chat-row.muted', { hasText: 'hello' }).waitFor()
  assert.deepEqual(await choose('Mute', 'Not muted'), [['none', false], ['mentions', false]])
  await phone.locator('.chat-row:not(.muted)', { hasText: 'hello' }).waitFor()
})

scene('an open room is made, found and entered; what was said before is not seen there', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(ada), theirs = await stage.open(bob)
  await menu(page, 'New room')
  const form = page.locator('room-form')
  await form.getByLabel('Name of the room').fill('Garden')
  await form.getByLabel('Who can come in').selectOption('open')
  await form.getByLabel('What new members see').selectOption('joined')
  await form.getByRole('button', { name: 'Create the room' }).click()
  await page.getByText('This is the beginning of Garden').waitFor()
  await say(page, 'said before')
  await state(page, 'said before', 'stored')
  await theirs.getByRole('button', { name: 'New chat' }).click()
  await theirs.getByRole('searchbox').fill('gard')
  await theirs.locator('people-picker .person', { hasText: 'Garden' }).click()
  await say(theirs, 'I come')
  await bubble(page, 'I come').waitFor()
  await bubble(theirs, 'I come').waitFor()
  assert.equal(await bubble(theirs, 'said before').count(), 0)
})

scene('a message is copied, a refused one is deleted for good, and all that one wrote is erased with the account', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'copy me')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await bubble(page, 'copy me').focus()
  await page.keyboard.press('Enter')
  await page.locator('.message-menu').getByRole('button', { name: 'Copy' }).click()
  await page.waitForFunction(async () => await navigator.clipboard.readText() === 'copy me')
  await say(page, 'to be erased')
  await state(page, 'to be erased', 'stored')
  await asking(bob)('PUT', `/api/blocks/${ada.id}`)
  await say(page, 'refused')
  await state(page, 'refused', 'failed')
  await page.reload()
  await bubble(page, 'refused').getByRole('button', { name: 'Delete' }).click()
  await bubble(page, 'refused').waitFor({ state: 'detached' })
  await page.reload()
  await bubble(page, 'to be erased').waitFor()
  assert.equal(await bubble(page, 'refused').count(), 0)
  const theirs = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  await bubble(theirs, 'to be erased').waitFor()
  await menu(page, 'Your profile')
  await page.getByLabel('Your messages').selectOption({ label: 'Are erased for all' })
  await page.getByLabel('Your password').fill(PASSWORD)
  await page.getByLabel('Your password').press('Enter')
  await page.locator('dialog.ask').getByRole('button', { name: 'Delete the account' }).click()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  await bubble(theirs, 'to be erased').waitFor({ state: 'detached' })
})

scene('long lists go on: of chats, of members, of accounts and of reports; an invite is revoked', async stage => {
  const { server } = stage
  const root = await server.user('root', { invite: server.setup })
  const people = []
  for (let n = 0; n < 103; n++) people.push(await server.user(`person-${String(n).padStart(3, '0')}`))
  const room = await root.room('Big', ...people)
  for (const person of people.slice(0, 55)) {
    await person.write(root, `from ${person.name}`)
    await asking(person)('POST', '/api/reports', { user_id: root.id, reason: `by ${person.name}` })
  }
  const page = await stage.open(root, { path: `/#/room/${room.id}` })
  await page.getByRole('button', { name: 'Show older chats' }).click()
  await row(page, 'person-000').waitFor()
  await page.getByRole('button', { name: 'Show older chats' }).waitFor({ state: 'hidden' })
  await details(page)
  await page.getByRole('button', { name: 'Show more members' }).click()
  await hasRows(page, 'chat-sheet [data-part="members"]', 104)
  await page.getByRole('button', { name: 'Show more members' }).waitFor({ state: 'hidden' })
  await sheet(page).getByRole('button', { name: 'Close' }).click()

  await menu(page, 'People and invites')
  const panel = page.locator('admin-panel')
  for (let shown = 0; shown < 2; shown++) await panel.getByRole('button', { name: 'Show more accounts' }).click()
  await hasRows(page, 'admin-panel [data-part="accounts"]', 104)
  await panel.getByLabel('For', { exact: true }).selectOption('25')
  await panel.getByRole('button', { name: 'Create an invite link' }).click()
  await panel.getByText('For 25 more people').waitFor()
  await panel.getByRole('button', { name: 'Revoke' }).click()
  await hasRows(page, 'admin-panel [data-part="invites"]', 0)
  assert.deepEqual(await asking(root)('GET', '/api/admin/invites'), [])
  await panel.getByRole('button', { name: 'Make administrator: person-102' }).click()
  await panel.getByRole('button', { name: 'Remove as administrator: person-102' }).click()
  await panel.getByRole('button', { name: 'Make administrator: person-102' }).waitFor()
  await panel.getByRole('button', { name: 'Reports' }).click()
  await page.getByRole('button', { name: 'Show more reports' }).click()
  await hasRows(page, 'report-list [data-part="reports"]', 55)
})

scene('another name of one’s own is there after a reload, and where it was changed while the page was away', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const name = page => page.locator('.sidebar .bar-title')
  const [page, away] = [await stage.open(ada), await stage.open(ada)]
  for (const one of [page, away]) await one.getByText('No chats yet').waitFor()
  await away.goto('about:blank')
  const isKept = page.waitForFunction(() => localStorage.getItem('chatd.session').includes('Lovelace'))
  await asking(ada)('PATCH', '/api/auth/me', { name: 'Ada Lovelace' })
  await name(page).getByText('Ada Lovelace').waitFor()
  await isKept
  await page.route('**/api/auth/me', route => route.abort())
  await page.reload()
  await name(page).getByText('Ada Lovelace').waitFor()
  await away.goto(stage.server.url)
  await name(away).getByText('Ada Lovelace').waitFor()
})
