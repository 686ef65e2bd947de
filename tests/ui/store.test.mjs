import { beforeEach, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { pairKey } from '../../static/js/state/chats.js'
import { countOf } from '../../static/js/state/unread.js'
import { Store } from '../../static/js/state/store.js'

const ME = 1, ADA = 2, BOB = 3
const time = '2025-06-05T12:00:00.000Z'
const from = (sender, id) => ({ id, sender_id: sender, receiver_id: ME, content: `from ${sender}, ${id}`, created_at: time })
const row = (id, last_message_id, unread_count, extra) => ({
  kind: 'direct', user: { id, username: `user${id}`, avatar: null },
  last_message: { ...from(id, last_message_id), content: 'listed' }, unread_count, mention_count: 0, notify: 'all', muted_until: null, ...extra,
})

/** @type {Store} */
let store
beforeEach(() => { store = new Store({ id: ME, username: 'me' }) })

const receive = data => store.apply({ type: 'receive_message', data })
const list = (rows, meta = {}) => store.apply({ type: 'inbox', data: rows, meta, more: false })
const chat = peerId => store.chat(pairKey(peerId))
const unread = peerId => countOf(chat(peerId).unread)
const messages = peerId => chat(peerId).thread.messages

describe('unread', () => {
  test('counts what the list says and what comes after it', () => {
    list([row(ADA, 10, 3)])
    receive(from(ADA, 11))
    assert.equal(unread(ADA), 4)
  })

  test('counts a message once, whether the list or the event is first', () => {
    receive(from(ADA, 10))
    list([row(ADA, 10, 1)])
    receive(from(ADA, 10))
    assert.equal(unread(ADA), 1)
  })

  test('keeps what came after the list was made', () => {
    receive(from(ADA, 12))
    list([row(ADA, 10, 2)])
    assert.equal(unread(ADA), 3)
  })

  test('is gone when the chat was read, also where an older list arrives late', () => {
    list([row(ADA, 10, 3)])
    receive(from(ADA, 11))
    store.apply({ type: 'chat_read', data: { reader_id: ME, peer_id: ADA, up_to: 11 } })
    assert.equal(unread(ADA), 0)
    list([row(ADA, 11, 4)])
    assert.equal(unread(ADA), 0)
  })

  test('keeps what is newer than what was read', () => {
    receive(from(ADA, 10))
    receive(from(ADA, 11))
    store.apply({ type: 'chat_read', data: { reader_id: ME, peer_id: ADA, up_to: 10 } })
    assert.equal(unread(ADA), 1)
  })

  test('counts what is left where only a part was read', () => {
    list([row(ADA, 13, 4)])
    store.apply({ type: 'history', data: [10, 11, 12, 13].map(id => from(ADA, id)), chat: pairKey(ADA), hasMore: false, older: false })
    store.apply({ type: 'chat_read', data: { reader_id: ME, peer_id: ADA, up_to: 11 } })
    assert.equal(unread(ADA), 2)
  })

  test('follows a single message read on another device', () => {
    receive(from(ADA, 10))
    store.apply({ type: 'messege_read', data: { message_id: 10, user_id: ME } })
    assert.equal(unread(ADA), 0)
    assert.equal(messages(ADA)[0].isRead, true)
  })

  test('adds up over all chats', () => {
    receive(from(ADA, 1))
    receive(from(BOB, 2))
    assert.equal(store.totalUnread, 2)
  })
})

describe('reading by the peer', () => {
  beforeEach(() => {
    for (const id of [5, 6, 7]) {
      store.apply({ type: 'message_sent', data: { id, receiver_id: ADA, content: 'x', created_at: time } })
    }
  })

  test('marks our messages up to the one that was read', () => {
    store.apply({ type: 'chat_read', data: { reader_id: ADA, peer_id: ME, up_to: 6 } })
    assert.deepEqual(messages(ADA).map(({ isRead }) => isRead), [true, true, false])
  })

  test('marks one message', () => {
    store.apply({ type: 'messege_read', data: { message_id: 6, user_id: ADA } })
    assert.deepEqual(messages(ADA).map(({ isRead }) => isRead), [false, true, false])
  })

  test('does not mark what the peer wrote', () => {
    receive(from(ADA, 8))
    store.apply({ type: 'chat_read', data: { reader_id: ADA, peer_id: ME, up_to: 8 } })
    assert.equal(messages(ADA).at(-1).isRead, false)
  })
})

describe('the list', () => {
  test('has the latest chat first, and what is being sent before all', () => {
    list([row(ADA, 10, 0), row(BOB, 9, 0)])
    assert.deepEqual(store.list().map(({ chat }) => chat.peerId), [ADA, BOB])
    store.apply({ type: 'send', data: { clientId: 'a', chat: pairKey(BOB), content: 'hi', createdAt: time } })
    assert.deepEqual(store.list().map(({ chat }) => chat.peerId), [BOB, ADA])
  })

  test('shows the newer of what was listed and what arrived', () => {
    receive(from(ADA, 11))
    list([row(ADA, 10, 0)])
    assert.equal(store.list()[0].last.text, 'from 2, 11')
    list([row(ADA, 12, 0)])
    assert.equal(store.list()[0].last.text, 'listed')
  })

  test('has no chat that was merely opened, but has one with a draft', () => {
    chat(ADA)
    assert.equal(store.list().length, 0)
    store.apply({ type: 'draft', data: { chat: pairKey(ADA), text: 'well' } })
    assert.equal(store.list().length, 1)
  })

  test('keeps its place in the pages when its head is read again', () => {
    list([row(ADA, 10, 0)], { next_before: 'first' })
    store.apply({ type: 'inbox', data: [row(BOB, 9, 0)], meta: {}, more: true })
    list([row(ADA, 10, 0)], { next_before: 'first' })
    assert.equal(store.nextChats, undefined)
  })
})

describe('sending', () => {
  const send = (clientId, createdAt = time) =>
    store.apply({ type: 'send', data: { clientId, chat: pairKey(ADA), content: 'hi', createdAt } })

  test('offers pending messages in the order of sending', () => {
    send('b', '2025-06-05T12:00:02.000Z')
    store.apply({ type: 'send', data: { clientId: 'a', chat: pairKey(BOB), content: 'hi', createdAt: '2025-06-05T12:00:01.000Z' } })
    assert.deepEqual(store.pending().map(({ message }) => message.clientId), ['a', 'b'])
  })

  test('a refused message waits for its writer, who may try it again or delete it', () => {
    send('a')
    store.apply({ type: 'send_failed', data: { clientId: 'a', chat: pairKey(ADA), code: 'not_found' } })
    assert.deepEqual([store.pending().length, messages(ADA)[0].problem], [0, 'not_found'])
    store.apply({ type: 'retry', data: { clientId: 'a', chat: pairKey(ADA) } })
    assert.equal(store.pending().length, 1)
    store.apply({ type: 'discard', data: { clientId: 'a', chat: pairKey(ADA) } })
    assert.equal(messages(ADA).length, 0)
  })

  test('a message that was stored after all can be neither failed nor deleted', () => {
    send('a')
    store.apply({ type: 'message_sent', data: { id: 4, receiver_id: ADA, content: 'hi', created_at: time, client_id: 'a' } })
    store.apply({ type: 'send_failed', data: { clientId: 'a', chat: pairKey(ADA), code: 'not_found' } })
    store.apply({ type: 'discard', data: { clientId: 'a', chat: pairKey(ADA) } })
    assert.deepEqual(messages(ADA).map(({ id, state }) => [id, state]), [[4, 'stored']])
  })
})

describe('what is fleeting', () => {
  test('a message ends its writer’s typing line', () => {
    store.apply({ type: 'typing', data: { user_id: ADA, is_typing: true } })
    assert.equal(chat(ADA).typing.has(ADA), true)
    receive(from(ADA, 1))
    assert.equal(chat(ADA).typing.has(ADA), false)
  })

  test('is unknown once the connection is gone', () => {
    store.apply({ type: 'typing', data: { user_id: ADA, is_typing: true } })
    store.apply({ type: 'presence', data: { user_id: ADA, online: true, last_seen: null } })
    store.apply({ type: 'disconnected' })
    assert.deepEqual([chat(ADA).typing.size, store.presence.size], [0, 0])
  })
})

test('a change names the chat that it concerns', () => {
  const named = []
  store.addEventListener('change', event => named.push(event.detail.chat))
  receive(from(ADA, 1))
  list([])
  assert.deepEqual(named, ['user:2', undefined])
})

test('an event from a newer server does no harm', () => {
  for (const type of ['message_translated', 'constructor', 'draft']) {
    store.hear({ type, data: { id: 1, chat: pairKey(ADA), text: 'not of the server' } })
  }
  assert.equal(store.chats.size, 0)
})

test('an event of our own that is misspelt throws', () => {
  for (const type of ['sent', 'message_translated', 'constructor']) {
    assert.throws(() => store.apply({ type, data: {} }), { message: `no event named ${type}` })
  }
})
