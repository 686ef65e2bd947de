import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import {
  emptyThread, fromWire, indexOf, newestId, newestReceived, place, quoteIn, receivedAfter, takePage,
} from '../../static/js/state/timeline.js'
import { STEP, WINDOW, layOut, moveWindow, windowOf } from '../../static/js/state/window.js'

const ME = 1, PEER = 2

/** A stored message; odd details only where a test is about them. */
const stored = (id, extra = {}) => ({
  id, clientId: null, senderId: PEER, content: `message ${id}`,
  createdAt: '2025-06-05T12:00:00.000Z', isRead: false, state: 'stored', ...extra,
})
const pending = clientId => stored(Infinity, { clientId, senderId: ME, state: 'pending' })
const ids = timeline => timeline.map(({ id }) => id)

describe('place', () => {
  test('orders stored messages by id, whatever the order of arrival', () => {
    assert.deepEqual(ids([3, 1, 2].map(id => stored(id)).reduce(place, [])), [1, 2, 3])
  })

  test('keeps pending messages at the end, in the order of sending', () => {
    const timeline = [pending('a'), pending('b'), stored(7)].reduce(place, [])
    assert.deepEqual(timeline.map(({ clientId }) => clientId), [null, 'a', 'b'])
  })

  test('puts the confirmed twin in the place of the pending one', () => {
    const before = [pending('a'), pending('b')].reduce(place, [stored(1)])
    const after = place(before, stored(5, { clientId: 'a', senderId: ME }))
    assert.deepEqual(after.map(({ id, clientId }) => [id, clientId]), [[1, null], [5, 'a'], [Infinity, 'b']])
    assert.equal(after[1].state, 'stored')
  })

  test('shows a message once that the event, the ack and the history all tell', () => {
    const tellings = [pending('a'), stored(5, { senderId: ME }), stored(5, { clientId: 'a' }), stored(5, { senderId: ME })]
    const timeline = tellings.reduce(place, [])
    assert.equal(timeline.length, 1)
    assert.equal(timeline[0].clientId, 'a', 'the history does not take the name of the bubble away')
  })

  test('does not make a stored message pending, nor a read one unread', () => {
    const timeline = [stored(5, { clientId: 'a', isRead: true }), pending('a'), stored(5)].reduce(place, [])
    assert.equal(timeline.length, 1)
    assert.deepEqual([timeline[0].id, timeline[0].state, timeline[0].isRead], [5, 'stored', true])
  })

  test('does not take two messages without a client id for one', () => {
    assert.equal([stored(1), stored(2)].reduce(place, []).length, 2)
  })
})

describe('takePage', () => {
  const pageOf = (first, last) => Array.from({ length: last - first + 1 }, (_, at) => stored(first + at))
  const newest = (thread, page, hasMore) => takePage(thread, page, { hasMore, older: false })

  test('keeps a message that came while the newest page was being read', () => {
    const thread = { ...emptyThread(), messages: [stored(9)] }
    assert.deepEqual(ids(newest(thread, pageOf(6, 8), true).messages), [6, 7, 8, 9])
  })

  test('puts an older page before what is known', () => {
    const thread = newest(emptyThread(), pageOf(11, 20), true)
    const more = takePage(thread, pageOf(1, 10), { hasMore: false, older: true })
    assert.deepEqual(ids(more.messages), ids(pageOf(1, 20)))
    assert.equal(more.hasMore, false)
  })

  test('joins the newest page to what was known before a gap, where it reaches that far', () => {
    const known = { ...newest(emptyThread(), pageOf(1, 10), false), staleAfter: 10 }
    const thread = newest(known, pageOf(8, 14), true)
    assert.deepEqual(ids(thread.messages), ids(pageOf(1, 14)))
    assert.equal(thread.hasMore, false, 'the beginning is still known')
    assert.equal(thread.staleAfter, null)
  })

  test('lets go of what was known, rather than have a hole, where it does not', () => {
    const known = { ...newest(emptyThread(), pageOf(1, 10), false), staleAfter: 10 }
    const thread = newest(known, pageOf(50, 60), true)
    assert.deepEqual(ids(thread.messages), ids(pageOf(50, 60)))
    assert.equal(thread.hasMore, true)
  })

  test('sees the hole although a live message already came after it', () => {
    const known = newest(emptyThread(), pageOf(1, 10), false)
    const withLive = { ...known, staleAfter: 10, messages: place(known.messages, stored(61)) }
    assert.deepEqual(ids(newest(withLive, pageOf(50, 60), true).messages), ids(pageOf(50, 61)))
  })

  test('never lets go of what is not sent yet', () => {
    const known = { ...newest(emptyThread(), pageOf(1, 10), false), staleAfter: 10 }
    const withPending = { ...known, messages: place(known.messages, pending('a')) }
    assert.equal(newest(withPending, pageOf(50, 60), true).messages.at(-1).clientId, 'a')
  })
})

describe('layOut', () => {
  const at = (id, createdAt, extra) => stored(id, { createdAt, ...extra })
  const local = (day, hour, minute = 0) => new Date(2025, 5, day, hour, minute).toISOString()

  test('begins every day with its chip', () => {
    const items = layOut([at(1, local(5, 23, 58)), at(2, local(6, 0, 1)), at(3, local(6, 9))])
    assert.deepEqual(items.map(({ kind }) => kind), ['day', 'message', 'day', 'message', 'message'])
  })

  test('joins messages of one person within five minutes, and no others', () => {
    const items = layOut([
      at(1, local(5, 12, 0)), at(2, local(5, 12, 4)), at(3, local(5, 12, 9)),
      at(4, local(5, 12, 10), { senderId: ME }), at(5, local(5, 12, 11), { senderId: ME }),
    ]).filter(({ kind }) => kind === 'message')
    assert.deepEqual(items.map(({ joined }) => joined), [false, true, false, false, true])
  })

  test('does not join across midnight', () => {
    const items = layOut([at(1, local(5, 23, 59)), at(2, local(6, 0, 1))]).filter(({ kind }) => kind === 'message')
    assert.equal(items[1].joined, false)
  })

  test('divides before the first new message', () => {
    const items = layOut([at(1, local(5, 12)), at(2, local(5, 12, 1))], 2)
    assert.deepEqual(items.map(({ kind }) => kind), ['day', 'message', 'divider', 'message'])
    assert.equal(items[3].joined, false)
  })

  test('names a bubble alike before and after it is stored', () => {
    const [, before] = layOut([pending('a')])
    const [, after] = layOut(place([pending('a')], stored(4, { clientId: 'a' })))
    assert.equal(before.key, after.key)
  })

  test('gives no two items one key', () => {
    const items = layOut([at(1, local(5, 12)), at(2, local(5, 12)), pending('a'), pending('b')], 2)
    assert.equal(new Set(items.map(({ key }) => key)).size, items.length)
  })
})

describe('takePage around a message', () => {
  const thread = { ...emptyThread(), loaded: true, hasMore: true, messages: [stored(50), stored(51), pending('a')] }
  const around = (page, hasNewer) => takePage(thread, page, { hasMore: true, hasNewer })

  test('takes the place of what it does not meet, and keeps what is not sent', () => {
    const { messages, hasNewer } = around([stored(10), stored(11)], true)
    assert.deepEqual([ids(messages), hasNewer], [[10, 11, Infinity], true])
  })

  test('is joined to what it meets, which still reaches the end', () => {
    const { messages, hasNewer, hasMore } = around([stored(49), stored(50)], true)
    assert.deepEqual([ids(messages), hasNewer, hasMore], [[49, 50, 51, Infinity], false, true])
  })

  test('is let go when the newest page does not reach it', () => {
    const past = around([stored(10), stored(11)], true)
    const { messages, hasNewer } = takePage(past, [stored(50), stored(51)], { hasMore: true })
    assert.deepEqual([ids(messages), hasNewer], [[50, 51, Infinity], false])
  })
})

describe('windowOf', () => {
  const long = Array.from({ length: 1_000 }, (_, at) => stored(at + 1))

  test('ends with the timeline, as long as nothing holds it', () => {
    assert.deepEqual(windowOf(long, null), { from: 1_000 - WINDOW, to: 1_000 })
    assert.deepEqual(windowOf(long.slice(0, 10), null), { from: 0, to: 10 })
    assert.deepEqual(windowOf([], null), { from: 0, to: 0 })
  })

  test('is held by its first message, whatever is put before or behind', () => {
    const { from, to } = windowOf(long.slice(100), 301)
    assert.deepEqual([from, to], [200, 200 + WINDOW])
    assert.equal(windowOf(long, 301).from, 300)
    assert.equal(windowOf(place(long, stored(2_000)), 301).from, 300)
  })

  test('moves by a step, and stays with the end when it comes there', () => {
    let first = moveWindow(long, null, -STEP)
    assert.equal(windowOf(long, first).from, 1_000 - WINDOW - STEP)
    first = moveWindow(long, first, STEP)
    assert.equal(first, null)
    assert.equal(windowOf(long, moveWindow(long, 3, -STEP)).from, 0)
  })

  test('shows a part as it looks in the whole', () => {
    const whole = layOut(long, 700)
    const keys = new Map(whole.map(item => [item.key, item]))
    for (const item of layOut(long, 700, { from: 650, to: 750 })) assert.deepEqual(item, keys.get(item.key))
  })
})

test('indexOf finds the place of an id, and that of what is not stored yet', () => {
  const timeline = [stored(2), stored(4), pending('a')]
  assert.deepEqual([1, 2, 3, 4, 5, Infinity].map(id => indexOf(timeline, id)), [0, 0, 1, 1, 2, 2])
})

test('receivedAfter gives what others wrote after an id', () => {
  assert.deepEqual(ids(receivedAfter([stored(1), stored(2), stored(3, { senderId: ME }), stored(4)], ME, 1)), [2, 4])
})

test('newestId passes over pending messages, newestReceived over our own', () => {
  const timeline = [stored(1), stored(2, { senderId: ME }), pending('a')]
  assert.equal(newestId(timeline), 2)
  assert.equal(newestReceived(timeline, ME), 1)
  assert.equal(newestId([pending('a')]), 0)
})

test('a message_sent names no sender, because it is ours', () => {
  const message = fromWire({ id: 10, receiver_id: 2, content: 'Halo!', created_at: '2025-06-05T12:00:00.000Z', client_id: 'a' }, ME)
  assert.deepEqual([message.senderId, message.clientId, message.isRead, message.state], [ME, 'a', false, 'stored'])
})

describe('what an answer quotes', () => {
  const timeline = [stored(1, { content: 'x'.repeat(300) }), stored(2, { content: '', deletedAt: 'then' })]

  test('is what the server told, and else what is here, cut alike', () => {
    const told = { id: 1, senderId: PEER, content: 'told' }
    assert.equal(quoteIn(timeline, told), told)
    assert.deepEqual(quoteIn(timeline, { id: 1 }), { id: 1, senderId: PEER, content: 'x'.repeat(200) })
  })

  test('is nothing where that is gone, or not here', () => {
    for (const id of [2, 3]) assert.deepEqual(quoteIn(timeline, { id }), { id })
  })
})
