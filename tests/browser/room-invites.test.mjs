// Links that lead into a room: made in its details, and opened by people with an account and
// without one.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { PASSWORD, PHONE, bubble, row, scene } from './harness.mjs'

/** Makes a link in the details of the room that a page shows. */
async function linkOf(page) {
  await page.locator('.head-name').click()
  const sheet = page.locator('chat-sheet')
  await sheet.getByRole('button', { name: 'Create an invite link' }).click()
  await sheet.getByText('For 25 more people').waitFor()
  const link = await sheet.getByLabel('Invite link').inputValue()
  assert.match(new URL(link).hash, /^#\/join\/[A-Za-z0-9]{24}$/)
  return link
}

scene('an administrator’s link brings a new person into the room, and somebody who is here already', { registration: 'invite' }, async stage => {
  const root = await stage.server.user('root', { invite: stage.server.setup })
  const room = await root.room('Garden')
  await root.say(room, 'The tomatoes are ripe')
  const page = await stage.open(root, { path: `/#/room/${room.id}` })
  await bubble(page, 'The tomatoes are ripe').waitFor()
  const link = await linkOf(page)
  await isAccessible(page, 'a link into a room')

  const fresh = await stage.open(null, { url: link, path: '', size: PHONE })
  await fresh.getByText('You are invited to Garden.').waitFor()
  await isAccessible(fresh, 'registering by a link into a room')
  await fresh.getByLabel('Username').fill('eve')
  await fresh.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await fresh.getByRole('button', { name: 'Create account' }).click()
  await bubble(fresh, 'The tomatoes are ripe').waitFor()
  assert.equal(new URL(fresh.url()).hash, `#/room/${room.id}`)

  // With an account one is asked; signed out, after the log-in.
  const { status } = await stage.server.request('POST', '/api/admin/users', {
    token: root.session.token, body: { username: 'finn', password: PASSWORD },
  })
  assert.equal(status, 201)
  const known = await stage.open(null, { url: link, path: '' })
  await known.getByRole('button', { name: 'Already have an account? Log in' }).click()
  await known.getByLabel('Username').fill('finn')
  await known.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await known.getByRole('button', { name: 'Log in', exact: true }).click()
  const question = known.locator('dialog.ask')
  await question.getByText('Join Garden?').waitFor()
  await isAccessible(known, 'the question before a room is joined')
  await question.getByRole('button', { name: 'Cancel' }).click()
  assert.equal(new URL(known.url()).hash, '#/')
  await known.getByText('No chats yet').waitFor()

  // Opened again while the page is there.
  await known.evaluate(link => { location.hash = new URL(link).hash }, link)
  await question.getByRole('button', { name: 'Join the room' }).click()
  await bubble(known, 'The tomatoes are ripe').waitFor()
  await page.locator('chat-sheet .accounts li', { hasText: 'finn' }).waitFor()
  // One who is in the room is led there, and is not asked.
  await known.evaluate(() => { location.hash = '#/' })
  await row(known, 'Garden').waitFor()
  await known.evaluate(link => { location.hash = new URL(link).hash }, link)
  await known.waitForFunction(id => location.hash === `#/room/${id}`, room.id)
  assert.equal(await question.count(), 0)
})

scene('a link that leads nowhere says so, whether one is signed in or not', async stage => {
  const [ada] = await stage.people('ada')
  for (const person of [ada, null]) {
    const page = await stage.open(person, { path: '/#/join/nonsense' })
    await page.getByText('This link is used up or no longer valid').waitFor()
  }
})
