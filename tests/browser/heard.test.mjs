// That a page is heard at all: with documents that are wrong on purpose, what comes by each way is
// a fault.

import assert from 'node:assert/strict'
import { Documents } from '../clients/documented.mjs'
import { bubble, say, scene, state } from './harness.mjs'

scene('what is not as documented fails the test in which a page says or hears it', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const { openapi, asyncapi } = stage.server.documents
  const wrong = document => JSON.parse(JSON.stringify(document)
    .replaceAll('"created_at"', '"made_at"').replaceAll('"user_ids"', '"users_ids"').replaceAll('"sid"', '"process"'))
  stage.server.documents = new Documents(wrong(openapi), wrong(asyncapi))
  const hers = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const his = await stage.open(null)
  // The other one polls.
  await his.addInitScript(session => {
    window.WebSocket = class { constructor() { setTimeout(() => this.onclose?.()) } close() {} }
    localStorage.setItem('chatd.session', JSON.stringify(session))
  }, { token: bob.session.token, user: bob.session.user })
  await his.goto(`${stage.server.url}/#/chat/${ada.id}`)
  await his.reload()
  // What is said before he is there he has as a page of history, and no event tells him.
  await hers.locator('.bar-status', { hasText: 'online' }).waitFor()
  await say(hers, 'Halo')
  await bubble(his, 'Halo').waitFor()
  await state(hers, 'Halo', 'read')
  await hers.reload()
  await bubble(hers, 'Halo').waitFor()
  assert.match(await hers.evaluate(async () => (await fetch('/api/nothing')).text()), /not_found/)

  await assert.rejects(stage.close(), ({ message }) => {
    for (const found of [
      /^GET \/api\/chats\/history\/\{user_id\} 200: .*made_at/m,
      /^GET \/api\/nothing is not documented/m,
      /^from_client\.presence_subscribe: .*users_ids/m,
      /^ack\.send_message: .*made_at/m,
      /^to_client\.message_sent: .*made_at/m,
      // Only he who polls hears this.
      /^to_client\.receive_message: .*made_at/m,
      /^connected: .*process/m,
    ]) assert.match(message, found)
    return true
  })
})
