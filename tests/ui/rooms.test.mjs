import { beforeEach, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { candidates } from '../../static/js/state/candidates.js'
import { pairKey, roomKey } from '../../static/js/state/chats.js'
import { findMentions, mentionsIn, nameBegunIn } from '../../static/js/state/mentions.js'
import { isReadByAll, mayCallAll, mayPost, readersOf, roomFrom, withMember, withMembers, withSeen } from '../../static/js/state/rooms.js'
import { Store } from '../../static/js/state/store.js'
import { countOf } from '../../static/js/state/unread.js'

const ME = 1, ADA = 2, BOB = 3, OPS = 7
const IN_OPS = roomKey(OPS)
const time = '2025-06-05T12:00:00.000Z'
const wire = (extra = {}) => ({
  id: OPS, name: 'Ops', topic: '', avatar: null, kind: 'closed', history: 'all', post: 'all', created_at: time, archived_at: null, member_count: 3, ...extra,
})
const said = (id, sender_id = ADA, extra = {}) => ({ id, room_id: OPS, number: id, sender_id, content: `number ${id}`, created_at: time, ...extra })
const listed = (last, extra = {}) => ({
  kind: 'room', room: wire(), last_message: last, unread_count: 0, mention_count: 0, notify: 'all', muted_until: null, ...extra,
})

/** @type {Store} */
let store
const chat = () => store.chat(IN_OPS)
const hear = (type, data) => store.hear({ type, data })
const list = (...rows) => store.apply({ type: 'inbox', data: rows, meta: {}, more: false })
const counts = () => [countOf(chat().unread), countOf(chat().mentions)]
const history = (rows, about = {}) => store.apply({ type: 'history', data: rows, chat: IN_OPS, hasMore: false, ...about })
const texts = () => chat().thread.messages.map(({ content, deletedAt }) => deletedAt ? 'gone' : content)

beforeEach(() => {
  store = new Store({ id: ME, username: 'me' })
  list(listed(said(10), { unread_count: 2, mention_count: 1 }))
})

describe('what is unread in a room', () => {
  test('is what the list says and what comes after it, mentions by themselves', () => {
    hear('room_message', said(11))
    hear('room_message', said(12, ADA, { mentions: [BOB, ME] }))
    hear('room_message', said(13, ADA, { mention_all: true }))
    hear('room_message', said(14, ADA, { mentions: [BOB] }))
    assert.deepEqual(counts(), [6, 3])
  })

  test('is not what one wrote oneself, here or on another device, nor what comes twice', () => {
    hear('room_message', said(11, ME))
    hear('room_message', said(12))
    hear('room_message', said(12))
    assert.deepEqual(counts(), [3, 1])
  })

  test('is what the server counts once the position moved, and goes on from there', () => {
    hear('room_message', said(11))
    hear('room_message', said(12))
    hear('room_read', { room_id: OPS, up_to: 11, unread_count: 1, mention_count: 0 })
    assert.deepEqual(counts(), [1, 0])
    hear('room_message', said(12))
    hear('room_message', said(13))
    assert.deepEqual(counts(), [2, 0])
    list(listed(said(13), { unread_count: 2 }))
    assert.deepEqual(counts(), [2, 0])
  })

  test('loses a deleted message, read or not, known or not', () => {
    history([said(9, ADA), said(10, ADA, { mentions: [ME] })])
    hear('room_message', said(11, ADA))
    hear('message_deleted', { message_id: 11, room_id: OPS, deleted_at: time, by: ADA })
    assert.deepEqual(counts(), [2, 1])
    hear('message_deleted', { message_id: 10, room_id: OPS, deleted_at: time, by: ADA })
    assert.deepEqual(counts(), [1, 0])
    hear('room_read', { room_id: OPS, up_to: 10, unread_count: 0, mention_count: 0 })
    hear('message_deleted', { message_id: 9, room_id: OPS, deleted_at: time, by: ADA })
    assert.deepEqual(counts(), [0, 0])
  })

  test('is not told where it is muted, but mentions are', () => {
    hear('chat_settings', { room_id: OPS, notify: 'all', muted_until: '2025-06-05T13:00:00.000Z' })
    assert.equal(store.unreadTotal(Date.parse(time)), 1)
    assert.equal(store.unreadTotal(Date.parse('2025-06-05T14:00:00.000Z')), 2)
  })
})

test('what is unread in a room that was archived is not told of: no row shows it', () => {
  hear('room_changed', { room_id: OPS, change: 'archived', by: ADA, room: wire({ archived_at: time }) })
  assert.deepEqual([store.list(), store.totalUnread], [[], 0])
})

describe('a room', () => {
  test('stands in the list without a message, by when it was made, until it is archived', () => {
    store.apply({ type: 'room', data: { room: { ...wire({ id: 8, name: 'New', created_at: '2025-06-06T12:00:00.000Z' }), mine: { role: 'owner', read_up_to: 0 } } } })
    assert.deepEqual(store.list().map(({ chat }) => chat.key), ['room:8', 'room:7'])
    hear('room_changed', { room_id: 8, change: 'archived', by: ME, room: wire({ id: 8, archived_at: time }) })
    assert.deepEqual(store.list().map(({ chat }) => chat.key), ['room:7'])
  })

  test('that was just made is in the list of all who are in it, its maker’s as its owner', () => {
    for (const [id, by, role] of [[8, ME, 'owner'], [9, ADA, 'member']]) {
      hear('room_changed', { room_id: id, change: 'created', by, room: wire({ id }) })
      assert.equal(store.chat(roomKey(id)).room.role, role)
      assert.ok(store.list().some(({ chat }) => chat.key === roomKey(id)))
    }
  })

  test('that one left leaves nothing, and what was begun there is told to be gone', () => {
    history([said(9), said(10)])
    const told = []
    store.addEventListener('gone', event => told.push(event.detail))
    hear('room_member', { room_id: OPS, user_id: ME, change: 'removed', by: ADA })
    assert.equal(store.chats.size, 0)
    assert.deepEqual(told, [{ chat: IN_OPS, left: true }])
  })

  test('follows who comes, goes and is given a role', () => {
    const room = withMembers(roomFrom(wire(), null, 'member'), [{ user_id: ME, role: 'member' }, { user_id: ADA, role: 'owner' }, { user_id: BOB, role: 'member' }])
    const joined = withMember(room, { user_id: 4, change: 'joined' })
    assert.deepEqual([joined.memberCount, withMember(joined, { user_id: 4, change: 'joined' }).memberCount], [4, 4])
    const left = withMember(joined, { user_id: BOB, change: 'left' })
    assert.deepEqual([left.memberCount, withMember(left, { user_id: BOB, change: 'left' }).memberCount], [3, 3])
    assert.equal(withMember(room, { user_id: BOB, change: 'role', role: 'admin' }).members.find(({ userId }) => userId === BOB).role, 'admin')
  })

  test('is read by all when everybody else has come so far, and not where somebody is unknown', () => {
    const mine = { id: 10, senderId: ME }
    const room = withMembers(roomFrom(wire(), null, 'member'), [{ user_id: ME, role: 'member' }, { user_id: ADA, role: 'owner' }, { user_id: BOB, role: 'member' }])
    const one = withSeen(room, ADA, 12)
    assert.deepEqual(readersOf(one, mine), { read: [ADA], unread: [BOB] })
    assert.equal(isReadByAll(one, mine), false)
    assert.equal(isReadByAll(withSeen(one, BOB, 10), mine), true)
    assert.equal(isReadByAll({ ...withSeen(one, BOB, 10), whole: false }, mine), false)
    assert.equal(withSeen(one, ADA, 5).seen.get(ADA), 12, 'a position only moves forward')
  })

  test('says who may write, and who may call all', () => {
    const room = (extra, role) => roomFrom(wire(extra), null, role)
    assert.deepEqual([room({}, 'member'), room({ post: 'admins' }, 'member'), room({ post: 'admins' }, 'admin'), room({ archived_at: time }, 'owner'), room({}, null)].map(mayPost),
      [true, false, true, false, false])
    assert.deepEqual([room({}, 'member'), room({ member_count: 21 }, 'member'), room({ member_count: 21 }, 'admin')].map(mayCallAll), [true, false, true])
  })
})

describe('changing what was said', () => {
  beforeEach(() => history([said(9), said(10, ME), said(11, ADA, { reply_to: { id: 10, sender_id: ME, content: 'number 10' } })]))
  const message = id => store.message(id).message

  test('an edit reaches the message, what quotes it, and the list', () => {
    hear('message_edited', { message_id: 10, room_id: OPS, content: 'better', edited_at: time })
    assert.deepEqual([message(10).content, message(10).editedAt, message(11).replyTo.content], ['better', time, 'better'])
    list(listed(said(11)))
    hear('message_edited', { message_id: 11, room_id: OPS, content: 'best', edited_at: time })
    assert.equal(store.list()[0].last.text, 'best')
  })

  test('of a deleted message nothing is left, in no place', () => {
    list(listed(said(11, ADA, { content: 'a secret' })))
    hear('message_deleted', { message_id: 10, room_id: OPS, deleted_at: time, by: ME })
    hear('message_deleted', { message_id: 11, room_id: OPS, deleted_at: time, by: ADA })
    assert.deepEqual(texts(), ['number 9', 'gone', 'gone'])
    assert.equal(message(10).content, '')
    assert.doesNotMatch(JSON.stringify([...store.chats.values()]), /number 1[01]|a secret/)
  })

  test('a deleted message does not come back by an answer that was on its way, nor by a late event', () => {
    hear('message_deleted', { message_id: 10, room_id: OPS, deleted_at: time, by: ME })
    history([said(9), said(10, ME)])
    hear('room_message', said(10, ME))
    list(listed(said(10, ME)))
    assert.deepEqual(texts(), ['number 9', 'gone', 'number 11'])
  })

  test('what an event changed is not undone by a page that was asked for before', () => {
    const asked = store.heard
    hear('message_edited', { message_id: 10, room_id: OPS, content: 'better', edited_at: time })
    hear('reaction', { message_id: 9, room_id: OPS, user_id: ADA, emoji: '👍', on: true, count: 1 })
    history([said(9), said(10, ME), said(11)], { asked })
    assert.deepEqual([message(10).content, message(9).reactions.length], ['better', 1])
    history([said(9), said(10, ME, { content: 'later' }), said(11)], { asked: store.heard })
    assert.deepEqual([message(10).content, message(9).reactions], ['later', undefined])
  })

  test('reactions are counted as the server does, mine marked, gone at none', () => {
    const react = (user_id, emoji, on, count) => hear('reaction', { message_id: 9, room_id: OPS, user_id, emoji, on, count })
    react(ADA, '👍', true, 1)
    react(ME, '👍', true, 2)
    react(BOB, '🎉', true, 1)
    assert.deepEqual(message(9).reactions, [{ emoji: '👍', count: 2, me: true }, { emoji: '🎉', count: 1, me: false }])
    react(ADA, '👍', false, 1)
    react(BOB, '🎉', false, 0)
    assert.deepEqual(message(9).reactions, [{ emoji: '👍', count: 1, me: true }])
  })

  test('in a chat of two the message is found, whoever of both wrote it', () => {
    const pair = [{ id: 20, sender_id: ADA, receiver_id: ME, content: 'a', created_at: time }, { id: 21, sender_id: ME, receiver_id: ADA, content: 'b', created_at: time }]
    store.apply({ type: 'history', data: pair, chat: pairKey(ADA), hasMore: false })
    for (const { id, sender_id, receiver_id } of pair) hear('message_edited', { message_id: id, sender_id, receiver_id, content: `${id}`, edited_at: time })
    assert.deepEqual(store.chat(pairKey(ADA)).thread.messages.map(({ content }) => content), ['20', '21'])
  })

  test('an erasure takes all of a chat, one sender’s, or what came before', () => {
    hear('messages_erased', { room_id: OPS, sender_id: ME })
    assert.deepEqual(texts(), ['number 9', 'number 11'])
    hear('messages_erased', { room_id: OPS, before: 11 })
    assert.deepEqual(texts(), ['number 11'])
    hear('messages_erased', { room_id: OPS })
    assert.deepEqual(texts(), [])
  })

  test('of an erased message nothing is left in what answers it, and no answer on its way brings it back', () => {
    hear('messages_erased', { room_id: OPS, sender_id: ME })
    assert.deepEqual(message(11).replyTo, { id: 10 })
    history([said(9), said(10, ME), said(11)])
    list(listed(said(10, ME)))
    assert.deepEqual(texts(), ['number 9', 'number 11'])
    assert.doesNotMatch(JSON.stringify([...store.chats.values()]), /number 10/)
  })

  test('what was deleted while nothing was heard goes with the next page', () => {
    store.apply({ type: 'missed' })
    history([said(9), said(12)])
    assert.deepEqual(texts(), ['number 9', 'number 12'])
  })
})

test('a person’s new name is seen wherever they are', () => {
  store.apply({ type: 'user', data: { id: ADA, username: 'ada', name: 'Ada' } })
  hear('user_changed', { user_id: ADA, username: 'ada', name: 'Ada L.', avatar: null })
  hear('user_changed', { user_id: ME, username: 'me2', name: 'Me', avatar: null })
  assert.deepEqual([store.user(ADA).name, store.me.name], ['Ada L.', 'Me'])
})

describe('mentions', () => {
  const people = [{ id: 2, username: 'ann' }, { id: 3, username: 'anna' }, { id: 4, username: 'dewi.a', name: 'Dewi Anggraini' }, { id: 5, username: 'Eve Smith' }]
  const ids = (text, all = false) => mentionsIn(text, people, all)

  test('are whole names after an @ that stands by itself', () => {
    assert.deepEqual(ids('@ann, @anna. and (@dewi.a) @Eve Smith!'), { mentions: [2, 3, 4, 5] })
    assert.deepEqual(ids('mail@ann.org, @annabel @ann.b @@'), {})
    assert.deepEqual(ids('@ANN @ann'), { mentions: [2] })
    assert.deepEqual(ids('thanks @dewi.a.'), { mentions: [4] })
  })

  test('call all where that is allowed', () => {
    assert.deepEqual(ids('@all look'), {})
    assert.deepEqual(ids('@all look, @ann', true), { mentions: [2], mentionAll: true })
  })

  test('say where they stand', () => {
    assert.deepEqual(findMentions('hi @anna', people).map(({ from, to, person }) => [from, to, person.id]), [[3, 8, 3]])
    // The lower case of a letter may be two.
    const turkish = [{ id: 9, username: 'İpek' }]
    assert.deepEqual(findMentions('İİstanbul @İPEK!', turkish).map(({ from, to }) => [from, to]), [[10, 15]])
  })

  test('are offered for what is being written before the caret', () => {
    assert.deepEqual(['@', 'hi @an', 'hi (@', 'a@b', 'hi @an n', ''].map(nameBegunIn), ['', 'an', '', null, null, null])
    assert.deepEqual(candidates('an', people, 6).map(({ id }) => id), [2, 3, 4])
    assert.deepEqual(candidates('', people, 2).map(({ id }) => id), [2, 3])
  })
})
