import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { addressOf, keyIn, keyNamed, keyOf, listed, naming, newChat, pairKey, roomKey, withTyping } from '../../static/js/state/chats.js'
import { addUnread, countOf, listUnread, noneUnread, readOne, readUpTo } from '../../static/js/state/unread.js'

describe('a chat’s key', () => {
  test('is in its address, and is read from it', () => {
    assert.equal(addressOf(pairKey(12)), '#/chat/12')
    assert.equal(keyIn('#/chat/12'), 'user:12')
    assert.equal(newChat(pairKey(12)).peerId, 12)
  })

  test('is of a room as well, in its own address', () => {
    assert.equal(addressOf(roomKey(7)), '#/room/7')
    assert.equal(keyIn('#/room/7'), 'room:7')
    assert.equal(newChat(roomKey(7)).peerId, 0)
    assert.deepEqual([naming(roomKey(7)), naming(pairKey(2)), naming(pairKey(2), 'receiver_id')], [{ room_id: 7 }, { user_id: 2 }, { receiver_id: 2 }])
  })

  test('is found from what the server says, whoever wrote', () => {
    assert.deepEqual([{ room_id: 7, sender_id: 2 }, { sender_id: 2, receiver_id: 1 }, { sender_id: 1, receiver_id: 2 }].map(data => keyOf(data, 1)),
      ['room:7', 'user:2', 'user:2'])
    assert.deepEqual([{ room_id: 7 }, { user_id: 2 }].map(keyNamed), ['room:7', 'user:2'])
  })

  test('is in no other address', () => {
    for (const hash of ['', '#/', '#/chat/', '#/chat/0', '#/chat/-1', '#/chat/01', '#/chat/1e3', '#/chat/2/x', `#/chat/${'9'.repeat(17)}`, '#/chat/9007199254740992']) {
      assert.equal(keyIn(hash), null, hash)
    }
  })
})

test('who types is a set of people', () => {
  const chat = newChat(pairKey(2))
  const both = withTyping(withTyping(chat, 2, true), 3, true)
  assert.deepEqual([...both.typing], [2, 3])
  assert.deepEqual([...withTyping(both, 2, false).typing], [3])
  assert.deepEqual([...chat.typing], [], 'the one before is as it was')
  assert.equal(withTyping(both, 3, true), both)
})

test('chats that are being written to come first, in the order in which they are known', () => {
  const last = id => ({ id, text: '', time: '', senderId: 1 })
  const chats = [1, 2, 3, 4].map((peer, at) => ({ ...newChat(pairKey(peer)), listed: last([5, Infinity, 7, Infinity][at]) }))
  assert.deepEqual(listed(chats).map(({ chat }) => chat.peerId), [2, 4, 3, 1])
})

describe('unread', () => {
  test('counts each message once, from the list or live', () => {
    const unread = addUnread(addUnread(listUnread(noneUnread(), 2, 10), 11), 11)
    assert.equal(countOf(unread), 3)
    assert.equal(addUnread(unread, 10), unread)
    assert.equal(countOf(readOne(unread, 11)), 2)
  })

  test('is what is known to be left where a part was read, and never comes back', () => {
    const unread = listUnread(noneUnread(), 5, 10)
    assert.equal(countOf(readUpTo(unread, 8, 2)), 2)
    assert.equal(countOf(readUpTo(unread, 8)), 5, 'unknown')
    assert.equal(countOf(readUpTo(readUpTo(unread, 10), 8, 2)), 0)
  })
})
