// Bots and hooks by the page: how each fares, what resumes it, and what everybody is told of them.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { isAccessible } from './axe.mjs'
import { PHONE, bubble, scene } from './harness.mjs'

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
  await page.getByRole('heading', { name: 'Ops' }).waitFor()
  await fetch(url, { method: 'POST', body: JSON.stringify({ content: 'disk full', as: { name: 'db1' } }) })
  await bubble(page, 'disk full').waitFor()
  await bubble(page, 'disk full').getByText('db1').waitFor()
  await page.getByText('other systems told of messages').waitFor()
})
