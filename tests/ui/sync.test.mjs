import { beforeEach, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { ChatError } from '../../static/js/net/api.js'
import { pairKey, roomKey } from '../../static/js/state/chats.js'
import { Store } from '../../static/js/state/store.js'
import { Sync } from '../../static/js/sync/sync.js'

const ME = 1, ADA = 2
const WITH_ADA = pairKey(ADA)
const IN_OPS = roomKey(7)
const time = new Date().toISOString()
const ROOM = {
  id: 7, name: 'Ops', topic: '', avatar: null, kind: 'closed', history: 'all', post: 'all', created_at: time, archived_at: null, member_count: 1,
  mine: { role: 'owner', read_up_to: 0 },
}

/** A socket whose server is the test: `calls` are what was emitted and waits for an answer. */
class FakeSocket extends EventTarget {
  connected = false
  recovered = false
  calls = []
  told = []
  #wanted = []
  emit(name, payload) {
    if (!this.connected) return Promise.reject(new ChatError('offline'))
    if (name === 'presence_subscribe') return Promise.resolve({ users: [] })
    return new Promise((resolve, reject) => {
      this.calls.push({ name, payload, resolve, reject })
      this.#wanted.shift()?.()
    })
  }
  tell(name, payload) { this.told.push([name, payload]) }
  /** The next call that was emitted, or will be. */
  async next() {
    if (this.calls.length === 0) await new Promise(resolve => this.#wanted.push(resolve))
    return this.calls.shift()
  }
  connect(recovered = false) {
    Object.assign(this, { connected: true, recovered })
    this.dispatchEvent(new Event('connect'))
  }
  drop() {
    this.connected = false
    for (const call of this.calls.splice(0)) call.reject(new ChatError('connection_lost'))
    this.dispatchEvent(new Event('disconnect'))
  }
  hear(name, data, cursor) {
    this.dispatchEvent(Object.assign(new Event('event'), { detail: { name, data, cursor } }))
  }
}

/** What a device remembers, for as long as the test keeps it. */
function fakeMemory(kept = new Map()) {
  return {
    kept,
    recall: key => kept.get(key) ?? null,
    remember: (key, value) => value === null || value === '' ? kept.delete(key) : kept.set(key, value),
    async forget(isGone) { for (const key of kept.keys()) if (isGone(key)) kept.delete(key) },
    recallKeys: start => [...kept.keys()].filter(key => key.startsWith(start)).map(key => key.slice(start.length)),
  }
}

let store, socket, sync, memory, api, read, history, updates
/** Settles when the store has changed so that `holds` is true. */
const when = holds => new Promise(resolve => {
  const look = () => { if (holds()) resolve(undefined) }
  store.addEventListener('change', look)
  look()
})

/** Everything that was already promised has happened: for a test that something does not. */
const settled = () => new Promise(resolve => setImmediate(resolve))

function start(kept) {
  store = new Store({ id: ME, username: 'me' })
  socket = new FakeSocket()
  memory = fakeMemory(kept)
  read = []
  history = []
  updates = () => { throw new ChatError('not_found') }
  api = {
    async inbox(before) { read.push(`inbox ${before ?? ''}`.trim()); return { data: [], meta: {} } },
    async history({ user_id, room_id }, { around, after } = {}) { read.push(['history', user_id ?? `room ${room_id}`, around && `around ${around}`, after && `after ${after}`].filter(Boolean).join(' ')); return { data: history, meta: { has_more: false } } },
    async updates(since) { read.push(`updates ${since}`); return updates(since) },
    async room(id) { read.push(`room ${id}`); return { ...ROOM, id } },
    async members(id) { read.push(`members ${id}`); return { data: [{ user_id: ME, username: 'me', role: 'owner' }], meta: {} } },
    async reads(id) { read.push(`reads ${id}`); return [] },
    async user(id) { read.push(`user ${id}`); return { id, username: `user${id}` } },
  }
  sync = new Sync({ store, socket, api, memory })
}
const message = (clientId, content = clientId) => ({ clientId, chat: WITH_ADA, content, createdAt: time })
const sentAs = (id, clientId) => ({ id, receiver_id: ADA, content: clientId, created_at: time, client_id: clientId })
const shown = () => store.chat(WITH_ADA).thread.messages.map(({ clientId, state }) => `${clientId} ${state}`)

beforeEach(() => start())

describe('sending', () => {
  test('shows a message at once and as stored when the server says so', async () => {
    socket.connect(true)
    sync.send(message('a'))
    assert.deepEqual(shown(), ['a pending'])
    const call = await socket.next()
    assert.deepEqual([call.name, call.payload], ['send_message', { receiver_id: ADA, content: 'a', client_id: 'a' }])
    call.resolve(sentAs(7, 'a'))
    await when(() => shown()[0] === 'a stored')
    assert.equal(memory.kept.size, 0)
  })

  test('names what a message answers, and keeps no word of that on the device', async () => {
    const replyTo = { id: 5, senderId: ADA, content: 'a secret' }
    sync.send({ ...message('a'), replyTo })
    assert.deepEqual(store.chat(WITH_ADA).thread.messages[0].replyTo, replyTo)
    assert.equal(JSON.stringify([...memory.kept]).includes('secret'), false)
    start(memory.kept)
    assert.deepEqual(store.chat(WITH_ADA).thread.messages[0].replyTo, { id: 5 })
    socket.connect(true)
    const call = await socket.next()
    assert.deepEqual(call.payload, { receiver_id: ADA, content: 'a', client_id: 'a', reply_to: 5 })
    call.resolve({ ...sentAs(7, 'a'), reply_to: { id: 5, sender_id: ADA, content: 'a secret' } })
    await when(() => shown()[0] === 'a stored')
    assert.deepEqual(store.chat(WITH_ADA).thread.messages[0].replyTo, replyTo)
  })

  test('has one message on its way at a time, in the order of writing', async () => {
    socket.connect(true)
    sync.send(message('a'))
    sync.send(message('b'))
    const first = await socket.next()
    assert.equal(first.payload.client_id, 'a')
    assert.equal(socket.calls.length, 0)
    first.resolve(sentAs(7, 'a'))
    assert.equal((await socket.next()).payload.client_id, 'b')
  })

  test('goes by the order of writing where the clock was set back meanwhile, also after a reload', async () => {
    sync.send({ ...message('a'), createdAt: '2999-06-05T12:00:00.000Z' })
    sync.send(message('b'))
    sync.send(message('c'))
    start(memory.kept)
    socket.connect(true)
    for (const id of ['a', 'b', 'c']) {
      const call = await socket.next()
      assert.equal(call.payload.client_id, id)
      call.resolve(sentAs(7, id))
    }
  })

  test('sends a message again, under the same client id, when its ack was lost', async () => {
    socket.connect(true)
    sync.send(message('a'))
    const lost = await socket.next()
    socket.drop()
    lost.reject(new ChatError('connection_lost'))
    assert.deepEqual(shown(), ['a pending'], 'not known is not failed')
    socket.connect(true)
    assert.deepEqual((await socket.next()).payload, lost.payload)
  })

  test('tries again by itself when the server asks for patience', async () => {
    socket.connect(true)
    sync.send(message('a'))
    ;(await socket.next()).reject(new ChatError('rate_limited', 'slow', 1))
    assert.equal((await socket.next()).payload.client_id, 'a')
  })

  test('leaves a refused message to its writer', async () => {
    socket.connect(true)
    sync.send(message('a'))
    ;(await socket.next()).reject(new ChatError('not_found'))
    await when(() => shown()[0] === 'a failed')
    assert.equal(store.chat(WITH_ADA).thread.messages[0].problem, 'not_found')
    sync.retry(WITH_ADA, 'a')
    assert.equal((await socket.next()).payload.client_id, 'a')
  })

  test('keeps what is unsent over a reload, and drafts', async () => {
    sync.send(message('a'))
    sync.draft(WITH_ADA, 'half a')
    start(memory.kept)
    assert.deepEqual(shown(), ['a pending'])
    assert.equal(store.chat(WITH_ADA).draft, 'half a')
    socket.connect()
    assert.equal((await socket.next()).payload.client_id, 'a')
  })

  test('does not send by itself what the server may have forgotten the client id of', async () => {
    const yesterday = new Date(Date.now() - 25 * 3_600_000).toISOString()
    sync.send({ ...message('a'), createdAt: yesterday })
    start(memory.kept)
    assert.deepEqual(shown(), ['a failed'])
  })

  test('forgets drafts and unsent messages on logging out', () => {
    sync.send(message('a'))
    sync.draft(WITH_ADA, 'half a')
    assert.equal(memory.kept.size, 2)
    sync.forget()
    assert.equal(memory.kept.size, 0)
    sync.draft(WITH_ADA, 'half a word more')
    sync.send(message('b'))
    assert.equal(memory.kept.size, 0, 'nothing is kept of what is typed after that')
  })

  test('forgets what was kept of others on the device, and nothing else', async () => {
    const others = ['draft.12.2', 'outbox.12.x', 'place.12', 'draft.3.user:1']
    const kept = ['draft.1.user:2', 'outbox.1.x', 'place.1', 'language', 'session']
    memory.kept.clear()
    for (const key of [...others, ...kept]) memory.kept.set(key, 'x')
    await sync.forgetOthers()
    assert.deepEqual([...memory.kept.keys()], kept)
    await sync.forget()
    assert.deepEqual([...memory.kept.keys()], ['language', 'session'])
  })
})

describe('reconnecting', () => {
  test('reads the list and the open conversation where events were missed', async () => {
    sync.show(WITH_ADA)
    socket.connect(false)
    await when(() => store.chat(WITH_ADA).thread.loaded)
    assert.deepEqual(read.filter(what => !what.startsWith('user')).sort(), [`history ${ADA}`, 'inbox'])
  })

  test('reads nothing where they were replayed', async () => {
    sync.show(WITH_ADA)
    socket.connect(false)
    await when(() => store.chat(WITH_ADA).thread.loaded)
    socket.drop()
    read.length = 0
    socket.connect(true)
    sync.send(message('a'))
    ;(await socket.next()).resolve(sentAs(7, 'a'))
    await when(() => shown()[0] === 'a stored')
    await settled()
    assert.deepEqual(read, [])
  })

  const received = id => ({ id, sender_id: ADA, receiver_id: ME, content: `number ${id}`, created_at: time })
  const opened = async () => {
    sync.show(WITH_ADA)
    socket.connect(false)
    await when(() => store.chat(WITH_ADA).thread.loaded && store.listState === 'ready')
    socket.hear('receive_message', received(1), 'c1')
    socket.drop()
    read.length = 0
  }

  test('catches up by the cursor where the socket could not, page by page', async () => {
    await opened()
    updates = since => since === 'c1'
      ? { data: [{ event: 'receive_message', data: received(2) }], meta: { cursor: 'c2', has_more: true } }
      : { data: [{ event: 'receive_message', data: received(3) }], meta: { cursor: 'c3', has_more: false } }
    socket.connect(false)
    await when(() => store.chat(WITH_ADA).thread.messages.length === 3)
    await settled()
    assert.deepEqual(read.filter(what => !what.startsWith('user')), ['updates c1', 'updates c2'])
    socket.drop()
    socket.connect(false)
    await settled()
    assert.equal(read.at(-1), 'updates c3', 'the next time it goes on from there')
  })

  test('reads everything afresh where the cursor is no longer known', async () => {
    await opened()
    updates = () => { throw new ChatError('cursor_expired') }
    socket.connect(false)
    await when(() => read.includes('inbox'))
    assert.ok(read.includes(`history ${ADA}`))
    assert.equal(store.chat(WITH_ADA).thread.staleAfter, null)
  })

  test('lets go of the rooms that were left elsewhere, and of no others', async () => {
    const inOps = { room: ROOM, mine: ROOM.mine, last_message: { id: 9, sender_id: ADA, content: 'hello', created_at: time } }
    const rowOf = (id, at) => ({ ...inOps, room: { ...ROOM, id }, last_message: { ...inOps.last_message, id: at } })
    let rows = [rowOf(7, 9), rowOf(8, 8), rowOf(9, 7), rowOf(10, 1)], meta = {}
    api.inbox = async () => ({ data: rows, meta })
    api.room = async id => {
      read.push(`room ${id}`)
      if (id === 7) throw new ChatError('not_found')
      // That one is open, and still to be seen.
      return id === 8 ? { ...ROOM, id, kind: 'open', mine: undefined } : { ...ROOM, id }
    }
    socket.connect(false)
    await when(() => store.list().length === 4)
    await settled()
    // The list's head goes down to 7 by now: what stands below it is not asked for.
    rows = [rowOf(9, 7)]
    meta = { next_before: 'more' }
    sync.refresh()
    await when(() => store.list().length === 2)
    await settled()
    assert.deepEqual(store.list().map(({ chat }) => chat.key), ['room:9', 'room:10'])
    assert.deepEqual(read.filter(what => what.startsWith('room')).sort(), ['room 7', 'room 8'])
  })

  test('sends what is unsent before it reads the history, so that nothing stands there twice', async () => {
    sync.show(WITH_ADA)
    sync.send(message('a'))
    history = [{ id: 7, sender_id: ME, receiver_id: ADA, content: 'a', is_read: false, created_at: time }]
    socket.connect(false)
    const call = await socket.next()
    assert.deepEqual(read.filter(what => what.startsWith('history')), [])
    call.resolve(sentAs(7, 'a'))
    await when(() => store.chat(WITH_ADA).thread.loaded)
    assert.deepEqual(shown(), ['a stored'])
  })

  test('reads a conversation again that was not open when events were missed', async () => {
    await opened()
    sync.show(null)
    updates = () => ({ data: [], meta: { cursor: 'c2', has_more: true } })
    socket.connect(false)
    await when(() => store.chat(WITH_ADA).thread.staleAfter !== null)
    read.length = 0
    sync.show(WITH_ADA)
    assert.deepEqual(read, [`history ${ADA}`])
  })

  test('asks once more for a page of which something was changed on its way', async () => {
    const said = { id: 5, sender_id: ADA, receiver_id: ME, content: 'hello', created_at: time, reactions: [] }
    const pages = [said, { ...said, reactions: [{ emoji: '👍', count: 1, me: false }] }]
    const asked = []
    api.history = () => new Promise(resolve => asked.push(() => resolve({ data: [pages.shift()], meta: { has_more: false } })))
    socket.connect(false)
    sync.show(WITH_ADA)
    await when(() => asked.length === 1)
    socket.hear('reaction', { message_id: 5, sender_id: ADA, receiver_id: ME, user_id: ADA, emoji: '👍', on: true })
    asked[0]()
    await settled()
    assert.equal(asked.length, 2)
    asked[1]()
    await when(() => store.chat(WITH_ADA).thread.messages.length === 1)
    assert.deepEqual(store.chat(WITH_ADA).thread.messages[0].reactions.map(({ emoji }) => emoji), ['👍'])
  })

  describe('to a server whose data went back', () => {
    const contents = () => store.chat(WITH_ADA).thread.messages.map(({ content }) => content)
    /**
     * Ada's message 1 was read, then 2 and 3 were heard and 3 is read; the server now has another
     * 2, and no 3.
     */
    const wentBack = async () => {
      history = [received(1)]
      await opened()
      socket.connect(true)
      for (const id of [2, 3]) socket.hear('receive_message', received(id), `c${id}`)
      store.apply({ type: 'chat_read', data: { reader_id: ME, peer_id: ADA, up_to: 3 } })
      socket.drop()
      read.length = 0
      history = [received(1), { ...received(2), content: 'another 2', is_read: false }]
    }

    test('shows no message that is gone, and none under an id that another has now', async () => {
      await wentBack()
      updates = () => { throw new ChatError('cursor_expired') }
      const shownBefore = contents()
      socket.connect(false)
      await when(() => read.includes('inbox') && store.chat(WITH_ADA).thread.loaded)
      assert.deepEqual(shownBefore, ['number 1', 'number 2', 'number 3'])
      assert.deepEqual(contents(), ['number 1', 'another 2'])
      assert.deepEqual(store.chat(WITH_ADA).thread.messages.map(({ isRead }) => isRead), [false, false])
    })

    test('counts what is unread there, and hears of a new message that has an id of before', async () => {
      await wentBack()
      updates = () => { throw new ChatError('cursor_expired') }
      const rewound = new Promise(resolve => store.addEventListener('rewound', resolve, { once: true }))
      socket.connect(false)
      await rewound
      await when(() => store.listState === 'ready')
      socket.hear('receive_message', { ...received(3), content: 'another 3' }, 'd3')
      assert.deepEqual([contents().at(-1), store.totalUnread], ['another 3', 1])
    })

    test('shows nothing of before while the new history is still being read', async () => {
      await wentBack()
      updates = () => { throw new ChatError('cursor_expired') }
      const rewound = new Promise(resolve => store.addEventListener('rewound', resolve, { once: true }))
      socket.connect(false)
      await rewound
      assert.deepEqual([contents(), store.list(), store.listState], [[], [], 'loading'])
    })

    test('keeps what is not sent yet, and sends it', async () => {
      await wentBack()
      updates = () => { throw new ChatError('cursor_expired') }
      sync.send(message('a'))
      sync.draft(WITH_ADA, 'half a')
      socket.connect(false)
      const call = await socket.next()
      assert.equal(call.payload.client_id, 'a')
      assert.equal(store.chat(WITH_ADA).draft, 'half a')
      call.resolve(sentAs(3, 'a'))
      await when(() => store.chat(WITH_ADA).thread.loaded)
      assert.deepEqual(contents(), ['number 1', 'another 2', 'a'])
    })

    test('reads afresh where it never heard a place that could be asked for', async () => {
      history = [received(1), received(2)]
      sync.show(WITH_ADA)
      socket.connect(false)
      await when(() => contents().length === 2 && store.listState === 'ready')
      socket.drop()
      history = [received(1)]
      socket.connect(false)
      await when(() => contents().length === 1)
    })

    test('is not misled by an event that comes before the place is asked for', async () => {
      await wentBack()
      updates = since => { throw new ChatError(since === 'c3' ? 'cursor_expired' : 'not_found') }
      Object.assign(socket, { recovered: false })
      socket.hear('receive_message', { ...received(2), content: 'another 2' }, 'd2')
      socket.connect(false)
      await when(() => store.chat(WITH_ADA).thread.loaded && contents().length === 2)
      assert.ok(read.includes('updates c3'), read.join())
      assert.deepEqual(contents(), ['number 1', 'another 2'])
    })

    test('asks again where the server asks for patience, and throws nothing away meanwhile', async () => {
      await wentBack()
      const shown = []
      updates = () => {
        shown.push(contents().length)
        throw shown.length === 1 ? new ChatError('rate_limited', 'slow', 1) : new ChatError('cursor_expired')
      }
      socket.connect(false)
      await when(() => contents().length === 2)
      assert.deepEqual(shown, [3, 3])
    })

    test('takes no answer that was asked for before', async () => {
      history = [received(1), received(2)]
      await opened()
      socket.connect(true)
      let answer
      const slow = new Promise(resolve => { answer = resolve })
      const { history: real } = api
      api.history = async () => { await slow; return { data: [received(1), received(2)], meta: { has_more: false } } }
      const reading = sync.refresh()
      api.history = real
      socket.drop()
      history = [received(1)]
      updates = () => { throw new ChatError('cursor_expired') }
      socket.connect(false)
      await when(() => store.chat(WITH_ADA).thread.loaded && contents().length === 1)
      answer()
      await reading
      assert.deepEqual(contents(), ['number 1'])
    })
  })
})

describe('rooms', () => {
  const inOps = (id, sender_id = ADA, extra = {}) => ({ id, room_id: 7, number: id, sender_id, content: `number ${id}`, created_at: time, ...extra })

  test('are read when they are opened, with their members and who has read, and once', async () => {
    socket.connect(true)
    await settled()
    read.length = 0
    sync.show(IN_OPS)
    await when(() => store.chat(IN_OPS).thread.loaded && store.chat(IN_OPS).room?.whole)
    await settled()
    sync.show(null)
    sync.show(IN_OPS)
    await settled()
    assert.deepEqual(read.toSorted(), ['history room 7', 'members 7', 'reads 7', 'room 7'])
  })

  test('are sent to with who is mentioned', async () => {
    socket.connect(true)
    sync.send({ clientId: 'a', chat: IN_OPS, content: 'hi @ada', createdAt: time, mentions: [ADA] })
    start(memory.kept)
    socket.connect(true)
    const call = await socket.next()
    assert.deepEqual(call.payload, { room_id: 7, content: 'hi @ada', client_id: 'a', mentions: [ADA] }, 'over a reload, too')
    call.resolve(inOps(9, ME, { content: 'hi @ada', client_id: 'a' }))
    await when(() => store.chat(IN_OPS).thread.messages[0].state === 'stored')
    assert.equal(memory.kept.size, 0)
  })

  test('hear the end of typing though they have grown large meanwhile', async () => {
    socket.connect(true)
    sync.show(IN_OPS)
    await when(() => store.chat(IN_OPS).room?.whole)
    const typing = is_typing => ['typing', { room_id: 7, is_typing }]
    const said = () => socket.told.filter(([name]) => name === 'typing')
    sync.typing(IN_OPS, true)
    socket.hear('room_changed', { room_id: 7, change: 'updated', by: ADA, room: { ...ROOM, member_count: 101 } }, 'c1')
    await when(() => store.chat(IN_OPS).room?.memberCount === 101)
    sync.typing(IN_OPS, true)
    assert.deepEqual(said(), [typing(true)], 'so large a one hears no more of it')
    sync.typing(IN_OPS, false)
    assert.deepEqual(said(), [typing(true), typing(false)])
  })

  test('are marked read by the room, and count what the server says is left', async () => {
    socket.connect(true)
    socket.hear('room_message', inOps(5))
    socket.hear('room_message', inOps(6))
    sync.read(IN_OPS, 5)
    const call = await socket.next()
    assert.deepEqual([call.name, call.payload], ['mark_chat_as_read', { room_id: 7, up_to: 5 }])
    call.resolve({ room_id: 7, up_to: 5, unread_count: 1, mention_count: 0 })
    await settled()
    assert.equal(store.totalUnread, 1)
  })

  test('leave nothing on the device once one is out: no draft, nothing unsent', () => {
    sync.send({ clientId: 'a', chat: IN_OPS, content: 'secret', createdAt: time })
    sync.draft(IN_OPS, 'more')
    sync.draft(WITH_ADA, 'stays')
    socket.connect(true)
    socket.hear('room_member', { room_id: 7, user_id: ME, change: 'removed', by: ADA }, 'c1')
    assert.deepEqual([...memory.kept.keys()], ['draft.1.user:2'])
    assert.equal(store.chats.has(IN_OPS), false)
  })

  test('whose address one has, and which one is not in, are let go', async () => {
    api.room = () => { throw new ChatError('not_found') }
    const gone = new Promise(resolve => store.addEventListener('gone', resolve))
    socket.connect(true)
    sync.show(IN_OPS)
    assert.deepEqual((await gone).detail, { chat: IN_OPS, left: true })
  })

  test('that one may join are shown as what they are, and read once one is in', async () => {
    const { mine, ...open } = ROOM
    api.room = async id => ({ ...open, id, kind: 'open' })
    api.members = async () => { throw new ChatError('not_found') }
    api.history = async () => { throw new ChatError('not_found') }
    socket.connect(true)
    sync.show(IN_OPS)
    await when(() => store.chat(IN_OPS).room?.name === 'Ops' && store.chat(IN_OPS).thread.failed)
    await settled()
    assert.equal(store.chat(IN_OPS).room.role, null)
    assert.deepEqual(store.list(), [])
    api.room = async id => ({ ...ROOM, id })
    api.members = async () => ({ data: [{ user_id: ME, username: 'me', role: 'member' }], meta: {} })
    api.history = async () => ({ data: [inOps(3)], meta: { has_more: false } })
    socket.hear('room_member', { room_id: 7, user_id: ME, change: 'joined', role: 'member', room: open }, 'c9')
    await when(() => store.chat(IN_OPS).thread.messages.length === 1)
    assert.equal(store.list().length, 1)
  })

  test('are shown around a message that is far back, and read on to their end', async () => {
    socket.connect(true)
    history = [inOps(100)]
    sync.show(IN_OPS)
    await when(() => store.chat(IN_OPS).thread.loaded)
    const { history: real } = api
    api.history = async (chat, page) => page.around ? { data: [inOps(10), inOps(11)], meta: { has_more: true, has_newer: true } } : real(chat, page)
    await sync.jump(IN_OPS, 10)
    const ids = () => store.chat(IN_OPS).thread.messages.map(({ id }) => id)
    assert.deepEqual(ids(), [10, 11])
    socket.hear('room_message', inOps(101))
    assert.deepEqual(ids(), [10, 11], 'what comes is not put behind a hole')
    history = [inOps(100), inOps(101)]
    await sync.readNewer(IN_OPS)
    assert.deepEqual([ids(), store.chat(IN_OPS).thread.hasNewer], [[10, 11, 100, 101], false])
  })
})

describe('changing what was said', () => {
  beforeEach(() => {
    socket.connect(true)
    socket.hear('message_sent', sentAs(7, 'a'))
  })

  test('is shown when the server has stored it', async () => {
    const editing = sync.edit(7, 'better')
    const call = await socket.next()
    assert.deepEqual([call.name, call.payload], ['edit_message', { message_id: 7, content: 'better' }])
    assert.equal(store.message(7).message.content, 'a')
    call.resolve({ message_id: 7, sender_id: ME, receiver_id: ADA, content: 'better', edited_at: time })
    await editing
    assert.equal(store.message(7).message.content, 'better')
    const removing = sync.remove(7)
    ;(await socket.next()).resolve({ message_id: 7 })
    await removing
    assert.ok(store.message(7).message.deletedAt)
  })

  test('throws what the server refused', async () => {
    const reacting = sync.react(7, '👍', true)
    ;(await socket.next()).reject(new ChatError('too_many_reactions'))
    await assert.rejects(reacting, { code: 'too_many_reactions' })
  })
})

describe('reading marks', () => {
  test('are said once, and then the chat has nothing unread', async () => {
    socket.connect(true)
    socket.hear('receive_message', { id: 5, sender_id: ADA, receiver_id: ME, content: 'hi', created_at: time })
    sync.read(WITH_ADA, 5)
    sync.read(WITH_ADA, 5)
    const call = await socket.next()
    assert.deepEqual([call.name, call.payload], ['mark_chat_as_read', { user_id: ADA, up_to: 5 }])
    assert.equal(socket.calls.length, 0)
    call.resolve({ user_id: ADA, count: 1 })
    await when(() => store.totalUnread === 0)
  })

  test('are said again after they were lost', async () => {
    socket.connect(true)
    const first = sync.read(WITH_ADA, 5)
    ;(await socket.next()).reject(new ChatError('timeout'))
    await first
    sync.read(WITH_ADA, 5)
    assert.equal((await socket.next()).payload.up_to, 5)
  })
})

describe('what is in view', () => {
  const told = () => socket.told.filter(([name]) => name === 'in_view').map(([, payload]) => payload)

  test('is the open chat of a page that is looked at, and nothing once it is left or looked away from', () => {
    socket.connect(true)
    sync.show(WITH_ADA)
    assert.deepEqual(told(), [], 'nobody looks')
    sync.look(true)
    sync.look(true)
    sync.show(IN_OPS)
    sync.look(false)
    sync.show(WITH_ADA)
    sync.look(true)
    sync.show(null)
    assert.deepEqual(told(), [
      { receiver_id: ADA, on: true }, { receiver_id: ADA, on: false },
      { room_id: 7, on: true }, { room_id: 7, on: false },
      { receiver_id: ADA, on: true }, { receiver_id: ADA, on: false },
    ])
  })

  test('is told again before the server forgets it, and on each new connection', t => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    sync.look(true)
    sync.show(IN_OPS)
    socket.connect(true)
    t.mock.timers.tick(119_000)
    assert.equal(told().length, 3)
    socket.drop()
    t.mock.timers.tick(60_000)
    assert.equal(told().length, 3, 'offline nothing is told')
    socket.connect(true)
    assert.equal(told().length, 4)
    sync.look(false)
    t.mock.timers.tick(120_000)
    assert.deepEqual(told().slice(3), [{ room_id: 7, on: true }, { room_id: 7, on: false }])
  })
})

test('a token that is no longer accepted ends the session, wherever that shows', async () => {
  for (const show of [
    () => socket.dispatchEvent(Object.assign(new Event('refused'), { detail: { code: 'token_expired' } })),
    () => socket.hear('chat_error', { code: 'account_disabled', message: '' }),
    async () => { socket.connect(true); sync.send(message('a')); (await socket.next()).reject(new ChatError('invalid_token')) },
  ]) {
    start()
    const signedOut = new Promise(resolve => sync.addEventListener('signed-out', resolve))
    show()
    assert.match((await signedOut).detail.code, /^(token_expired|account_disabled|invalid_token)$/)
  }
})

test('reads the list again where there came a reason to while an older answer was on its way', async () => {
  const answers = []
  api.inbox = () => new Promise(resolve => answers.push(() => resolve({ data: [], meta: {} })))
  socket.connect(false)
  await settled()
  assert.equal(answers.length, 1)
  socket.hear('room_skipped', { room_id: 7 })
  await new Promise(resolve => setTimeout(resolve, 400))
  assert.equal(answers.length, 1)
  answers[0]()
  await when(() => store.listState === 'ready')
  await settled()
  assert.equal(answers.length, 2)
})

test('asks for fresh URLs of files in a page that was open for half a day, and is looked at again', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const asked = []
  api.request = async (method, path, { ids }) => {
    asked.push([method, path, ids.length])
    if (asked.length === 1) throw new ChatError('offline')
    return { data: ids.map(id => ({ id, url: `${id} anew` })), meta: {} }
  }
  const file = (id, extra) => ({ id: `f${id}`, name: 'a.pdf', type: 'application/pdf', size: 1, url: 'old', ...extra })
  const urls = () => store.chat(WITH_ADA).thread.messages.flatMap(({ attachments = [] }) => attachments.map(({ url }) => url))
  socket.connect(true)
  for (let id = 1; id <= 60; id++) {
    socket.hear('receive_message', { id, sender_id: ADA, receiver_id: ME, content: '', created_at: time, attachments: [file(2 * id), file(2 * id + 1)] })
  }
  sync.look(true)
  await settled()
  assert.deepEqual(asked, [])
  t.mock.timers.tick(13 * 3_600_000)
  for (const asks of [1, 3, 3]) {
    sync.look(true)
    while (asked.length < asks) await settled()
    await settled()
  }
  const ask = count => ['POST', 'api/files/urls', count]
  assert.deepEqual(asked, [ask(100), ask(100), ask(20)])
  assert.deepEqual(urls().slice(0, 2), ['f2 anew', 'f3 anew'])
  assert.equal(urls().includes('old'), false)
})

test('somebody unknown who writes is asked for, once', async () => {
  socket.connect(false)
  await when(() => store.listState === 'ready')
  socket.hear('receive_message', { id: 5, sender_id: ADA, receiver_id: ME, content: 'hi', created_at: time })
  socket.hear('receive_message', { id: 6, sender_id: ADA, receiver_id: ME, content: 'hi', created_at: time })
  await when(() => store.users.has(ADA))
  assert.deepEqual(read.filter(what => what.startsWith('user')), [`user ${ADA}`])
})

describe('what an earlier page kept, by the other person’s id', () => {
  const kept = () => new Map(Object.entries({
    'draft.1.2': 'half a thought',
    'outbox.1.a': { peerId: ADA, content: 'a', createdAt: time },
    'outbox.1.b': { peerId: ADA, content: 'b', createdAt: new Date(Date.now() + 1).toISOString() },
    'draft.12.2': 'of another account',
  }))

  test('is shown and sent, in the order of writing', async () => {
    start(kept())
    assert.deepEqual(shown(), ['a pending', 'b pending'])
    assert.equal(store.chat(WITH_ADA).draft, 'half a thought')
    socket.connect(true)
    for (const [id, content] of [[7, 'a'], [8, 'b']]) {
      const call = await socket.next()
      assert.deepEqual(call.payload, { receiver_id: ADA, content, client_id: content })
      call.resolve(sentAs(id, content))
    }
    await when(() => shown().every(look => look.endsWith('stored')))
    assert.deepEqual([...memory.kept.keys()].sort(), ['draft.1.user:2', 'draft.12.2'])
  })

  test('is kept over further reloads, and a draft that is deleted does not come back', () => {
    start(kept())
    start(memory.kept)
    assert.deepEqual(shown(), ['a pending', 'b pending'])
    assert.equal(store.chat(WITH_ADA).draft, 'half a thought')
    sync.draft(WITH_ADA, '')
    start(memory.kept)
    assert.equal(store.chat(WITH_ADA).draft, '')
  })

  test('loses no draft where pages of both kinds were open', () => {
    start(new Map([...kept(), ['draft.1.user:2', 'a later thought']]))
    assert.equal(store.chat(WITH_ADA).draft, 'a later thought\nhalf a thought')
    start(new Map([...kept(), ['draft.1.user:2', 'half a thought']]))
    assert.equal(store.chat(WITH_ADA).draft, 'half a thought')
  })

  test('is passed over where it is damaged, and the rest is kept', () => {
    start(new Map([...kept(), ['outbox.1.c', null], ['outbox.1.d', 'x']]))
    assert.deepEqual(shown(), ['a pending', 'b pending'])
  })
})
