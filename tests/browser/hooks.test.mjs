// Bots and hooks by the page: how each fares, what resumes it, and what everybody is told of them.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { isAccessible } from './axe.mjs'
import { CHATD, DESK, PASSWORD, PHONE, bubble, deadline, row, scene } from './harness.mjs'

const flags = ['--hook-private', '--hook-direct']

/** Asks for something as an administrator. */
const asking = person => async (method, path, body) => {
  const { status, body: answer } = await person.server.request(method, path, { token: person.session.token, body })
  assert.ok(status < 300, `${method} ${path}: ${status}`)
  return answer.data
}

/** Another system that answers by one status after the other, the last one for good. */
async function receiver(t, ...statuses) {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(statuses.length > 1 ? statuses.shift() : statuses[0]).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.close(); server.closeAllConnections() })
  return `http://127.0.0.1:${server.address().port}`
}

/** Another system that hears of events; `next` waits for one more. */
async function listener(t) {
  const heard = [], waiting = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    response.writeHead(204).end()
    heard.push(JSON.parse(body))
    waiting.shift()?.()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.close(); server.closeAllConnections() })
  const next = async () => {
    if (heard.length === 0) await deadline(new Promise(done => waiting.push(done)), 'an event')
    return heard.shift()
  }
  return { url: `http://127.0.0.1:${server.address().port}`, next }
}

/** The form that a summary opens, which is pressed by the keyboard. */
async function openForm(page, summary) {
  const form = page.locator('hook-maker').filter({ has: page.getByText(summary, { exact: true }) })
  await form.locator('summary').focus()
  await page.keyboard.press('Enter')
  await form.locator('form').waitFor()
  return form
}

/**
 * What axe finds in the panel with all forms open, that nothing is wider than the dialog, and a
 * picture if one is wanted.
 */
async function looksWell(page, name) {
  await isAccessible(page, name)
  const [wide, seen] = await page.locator('dialog[open] .sheet-body').evaluate(body => [body.scrollWidth, body.clientWidth])
  assert.ok(wide <= seen, `${wide} px in ${seen}`)
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` })
}

const openPanel = async page => {
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: 'People and invites' }).click()
  await page.locator('hook-list').waitFor()
}

scene('an administrator sees how hooks fare, and resumes one', { flags }, async (stage, t) => {
  const ada = await stage.server.user('ada', { invite: stage.server.setup })
  const ask = asking(ada)
  const url = await receiver(t, 410, 204)
  await ask('POST', '/api/admin/hooks/out', { url: `${url}/secret`, events: ['room_message', 'room_changed'] })
  const bot = await ask('POST', '/api/admin/bots', { username: 'monitor' })
  const room = await ask('POST', '/api/rooms', { name: 'Ops', member_ids: [bot.id] })
  const made = await ask('POST', '/api/admin/hooks/in', { bot_id: bot.id, room_id: room.id, name: 'alerts' })
  while ((await ask('GET', '/api/admin/hooks/out'))[0].state !== 'paused') await new Promise(done => setTimeout(done, 20))

  const page = await stage.open(ada, { size: PHONE })
  await openPanel(page)
  await page.getByText('Paused: the receiver said that it is gone').waitFor()
  await page.getByText('Writes as monitor, in room').waitFor()
  assert.equal(await page.getByText('secret').count(), 0)
  await isAccessible(page, 'hooks')
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/hooks-phone-light.png` })
  await page.getByRole('button', { name: `Resume: ${url}` }).click()
  await page.getByRole('button', { name: `Pause: ${url}` }).waitFor()
  while ((await ask('GET', '/api/admin/hooks/out'))[0].last_answer.status !== 204) await new Promise(done => setTimeout(done, 20))
  // What cannot be undone is asked for twice.
  await page.getByRole('button', { name: 'Remove: alerts' }).click()
  await page.getByRole('button', { name: 'Really remove?: alerts' }).click()
  await page.getByText('Writes as monitor').waitFor({ state: 'detached' })
  assert.deepEqual(await ask('GET', '/api/admin/hooks/in'), [])
  assert.ok(made.url.includes('/api/hooks/'))
})

scene('a message by a hook shows who speaks, and all are told that systems hear of messages', { flags }, async stage => {
  const ada = await stage.server.user('ada', { invite: stage.server.setup })
  const ask = asking(ada)
  const bot = await ask('POST', '/api/admin/bots', { username: 'monitor' })
  const room = await ask('POST', '/api/rooms', { name: 'Ops', member_ids: [bot.id] })
  const { url } = await ask('POST', '/api/admin/hooks/in', { bot_id: bot.id, room_id: room.id, name: 'alerts' })
  const page = await stage.open(ada, { path: `/#/room/${room.id}` })
  await page.getByText('This is the beginning of Ops').waitFor()
  await fetch(url, { method: 'POST', body: JSON.stringify({ content: 'disk full', as: { name: 'db1' } }) })
  await bubble(page, 'disk full').waitFor()
  await bubble(page, 'disk full').getByText('db1').waitFor()
  await page.locator('#announcer', { hasText: 'db1 (bot): disk full' }).waitFor({ state: 'attached' })
  await page.getByText('other systems told of messages').waitFor()
})

scene('an administrator makes a bot and hooks of both ways by the keyboard, and each secret is shown once', { flags }, async (stage, t) => {
  const ada = await stage.server.user('ada', { invite: stage.server.setup })
  const bob = await stage.server.user('bob')
  const ask = asking(ada)
  const other = await listener(t)
  const page = await stage.open(ada, { size: PHONE })
  const focused = field => field.evaluate(node => node === document.activeElement)
  await openPanel(page)

  const bots = await openForm(page, 'Make a bot')
  const username = bots.getByLabel('Username of the bot')
  for (const [name, wrong] of [['no bot', 'Give 1 to 32 characters'], ['bob', 'This name is already taken']]) {
    await username.fill(name)
    await username.press('Enter')
    await bots.getByRole('alert').filter({ hasText: wrong }).waitFor()
    assert.equal(await username.getAttribute('aria-invalid'), 'true')
    assert.ok(await focused(username), 'one goes on where it is wrong')
  }
  await username.fill('monitor')
  await username.press('Enter')
  const key = bots.getByLabel('Key of monitor')
  await key.waitFor()
  assert.ok(await focused(key), 'what is to be copied is chosen')
  assert.equal(await bots.getByRole('alert').count(), 0)
  const { body: me } = await stage.server.request('GET', '/api/auth/me', { token: await key.inputValue() })
  assert.equal(me.data.username, 'monitor')
  await page.getByText('Keys: 1').waitFor()
  const room = await ask('POST', '/api/rooms', { name: 'Ops', member_ids: [me.data.id] })

  const told = await openForm(page, 'Make a hook that tells another system')
  const address = told.getByLabel('URL of the other system')
  await address.fill('ftp://example.org')
  await address.press('Enter')
  await told.getByText('Give an address that begins with https://').waitFor()
  await address.fill(other.url)
  await told.getByLabel('Messages in rooms').press('Space')
  await address.press('Enter')
  const secret = told.getByLabel(`Secret of ${other.url}`)
  await secret.waitFor()
  assert.match(await secret.inputValue(), /^whsec_/)
  await page.getByText('Is told: room_message').waitFor()

  const writes = await openForm(page, 'Make a hook that writes here')
  const name = writes.getByLabel('Name, for administrators')
  await name.fill('alerts')
  await writes.getByLabel('Writes to').selectOption({ label: 'Ops' })
  await name.press('Enter')
  const url = writes.getByLabel('URL of alerts')
  await url.waitFor()
  const post = async content => (await fetch(await url.inputValue(), { method: 'POST', body: JSON.stringify({ content }) })).status
  assert.equal(await post('disk full'), 201)
  assert.deepEqual(await other.next().then(({ type, data }) => [type, data.room_id, data.content]), ['room_message', room.id, 'disk full'])
  await looksWell(page, 'hooks-made-phone-light')

  // And to a person, whom nobody need know by a number.
  await writes.getByLabel('Writes to').selectOption({ label: 'A person, by username' })
  await name.fill('to bob')
  for (const [whom, wrong] of [['', 'no other person'], ['nobody', 'no other person'], ['monitor', 'no other person']]) {
    await writes.getByLabel('Username of the person').fill(whom)
    await name.press('Enter')
    await writes.getByRole('alert').filter({ hasText: wrong }).waitFor()
  }
  await writes.getByLabel('Username of the person').fill('Bob')
  await name.press('Enter')
  await writes.getByLabel('URL of to bob').waitFor()
  assert.equal(await writes.getByLabel('URL of to bob').inputValue().then(url => fetch(url, { method: 'POST', body: '{"content":"for you"}' })).then(({ status }) => status), 201)
  assert.deepEqual((await bob.history(me.data)).map(({ content }) => content), ['for you'])

  // Once it is closed nothing of it is left.
  await page.keyboard.press('Escape')
  assert.doesNotMatch(await page.locator('hook-list').evaluate(list => [...list.querySelectorAll('input')].map(({ value }) => value).join()), /cb_|whsec_|api\/hooks/)
  const wide = await stage.open(ada, { size: DESK, theme: 'dark' })
  await openPanel(wide)
  for (const summary of ['Make a bot', 'Make a hook that writes here', 'Make a hook that tells another system']) await openForm(wide, summary)
  await wide.locator('hook-maker form').last().scrollIntoViewIfNeeded()
  await looksWell(wide, 'hooks-made-desk-dark')
})

scene('what the server refuses of a hook is said in the form, in the language of the page', async stage => {
  const ada = await stage.server.user('ada', { invite: stage.server.setup })
  const page = await stage.open(ada, { locale: 'id-ID' })
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: 'Orang dan undangan' }).click()
  const writes = await openForm(page, 'Buat hook yang menulis di sini')
  await writes.getByText('buat bot lebih dulu').waitFor()
  assert.equal(await writes.getByRole('button', { name: 'Buat' }).count(), 0)
  const told = await openForm(page, 'Buat hook yang memberi tahu sistem lain')
  assert.equal(await told.getByLabel('Pesan di ruang').isVisible(), true)
  assert.equal(await told.getByLabel('Pesan antara dua orang').isVisible(), false, 'the operator does not allow it')
  await told.getByLabel('URL sistem lain').fill('http://127.0.0.1:9')
  await told.getByRole('button', { name: 'Buat' }).click()
  await told.getByRole('alert').filter({ hasText: 'jaringan pribadi' }).waitFor()
  assert.deepEqual(await asking(ada)('GET', '/api/admin/hooks/out'), [])
})

// With the button that confirms went the focus, and a keyboard began at the top of the panel again.
scene('after a restore keys and hooks are confirmed by the keyboard, one after the other, and work again', { flags }, async (stage, t) => {
  const { server } = stage
  const ada = await server.user('ada', { invite: server.setup })
  const ask = asking(ada)
  const { url, next } = await listener(t)
  await ask('POST', '/api/admin/hooks/out', { url: `${url}/secret`, events: ['room_message'] })
  const bot = await ask('POST', '/api/admin/bots', { username: 'monitor' })
  const { key } = await ask('POST', `/api/admin/bots/${bot.id}/keys`, {})
  const room = await ask('POST', '/api/rooms', { name: 'Ops', member_ids: [bot.id] })
  const made = await ask('POST', '/api/admin/hooks/in', { bot_id: bot.id, room_id: room.id, name: 'alerts' })
  const page = await stage.open(ada)
  await row(page, 'Ops').waitFor()

  const [, data] = server.flags
  const run = (...given) => assert.equal(spawnSync(CHATD, [...given, '--data', data]).status, 0, given.join(' '))
  run('backup', `${data}.copy`)
  await server.end()
  run('restore', `${data}.copy`)
  await server.start()

  // Nobody is signed in any more.
  await page.getByText('You have been logged out').waitFor()
  await page.getByLabel('Username').fill('ada')
  await page.locator('#password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await openPanel(page)
  const confirm = name => page.getByRole('button', { name: `Confirm: ${name}` })
  await confirm(url).waitFor()
  const asked = (path, by) => fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...by }, body: '{"text":"by a hook"}' })
  const { pathname } = new URL(made.url)
  assert.notEqual((await asked(pathname)).status, 200)
  await confirm('monitor').focus()
  for (const name of ['monitor', 'alerts']) {
    while (!await confirm(name).evaluate(button => button === document.activeElement)) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await confirm(name).waitFor({ state: 'hidden' })
    const behind = await page.evaluate(() => document.activeElement.closest('hook-list') !== null)
    assert.ok(behind, `behind the button for ${name} the keyboard goes on`)
  }
  await confirm(url).click()
  await page.getByRole('button', { name: `Pause: ${url}` }).waitFor()
  assert.equal((await fetch(`${server.url}/api/auth/me`, { headers: { authorization: `Bearer ${key}` } })).status, 200)
  assert.equal((await asked(pathname)).status, 200)
  for (;;) if ((await next()).data.content === 'by a hook') break
})
