import { beforeEach, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { decodePacket, encodePacket } from '../../static/js/net/packet.js'
import { Socket, retryDelay } from '../../static/js/net/socket.js'

describe('packets', () => {
  const both = [
    ['0{"token":"t"}', { type: 0, data: { token: 't' } }],
    ['1', { type: 1 }],
    ['2["typing",{"user_id":1}]', { type: 2, data: ['typing', { user_id: 1 }] }],
    ['212["e",1]', { type: 2, id: 12, data: ['e', 1] }],
    ['30[{"success":true}]', { type: 3, id: 0, data: [{ success: true }] }],
    ['4{"message":"Invalid namespace"}', { type: 4, data: { message: 'Invalid namespace' } }],
  ]
  for (const [wire, packet] of both) {
    test(`${wire} is read and written`, () => {
      assert.deepEqual(decodePacket(wire), packet)
      assert.equal(encodePacket(packet), wire)
    })
  }

  test('the main namespace may be named', () => {
    assert.deepEqual(decodePacket('2/,["e"]'), { type: 2, data: ['e'] })
  })

  test('line ends inside a text do not end the packet', () => {
    assert.deepEqual(decodePacket('2["e","a\u2028b"]').data, ['e', 'a\u2028b'])
  })

  for (const wire of ['', '7', 'x', '2', '2{}', '2["e"', '3{"a":1}', '2/other,["e"]', '51-["e",{"_placeholder":true,"num":0}]']) {
    test(`${JSON.stringify(wire)} is no packet of ours`, () => assert.equal(decodePacket(wire), null))
  }
})

describe('retryDelay', () => {
  test('doubles, up to a limit', () => {
    assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map(failures => retryDelay(failures, 0.5)), [500, 1000, 2000, 4000, 8000, 10000, 10000])
  })
  test('spreads by half on either side', () => {
    assert.deepEqual([retryDelay(1, 0), retryDelay(1, 1)], [500, 1500])
  })
})

/** A transport in the hands of the test, which is the server. */
class Wire {
  sent = []
  closed = false
  constructor(on) { this.on = on }
  send(packet) { this.sent.push(packet) }
  close() { this.closed = true }
  /** Plays the server's part up to the answer to CONNECT. */
  welcome(answer = { sid: 's' }) {
    this.on.packet('0{"sid":"e","pingInterval":25000,"pingTimeout":20000}')
    this.on.packet(`40${JSON.stringify(answer)}`)
  }
  get auth() { return JSON.parse(this.sent.find(packet => packet.startsWith('40')).slice(2)) }
}

describe('Socket', () => {
  /** @type {Socket} */ let socket
  /** The transports, in the order in which they were opened. */
  let opened, waiters
  const opens = kind => (url, on) => {
    const wire = Object.assign(new Wire(on), { kind })
    const waiter = waiters.shift()
    if (waiter) waiter(wire)
    else opened.push(wire)
    return wire
  }
  /** The next transport that the socket opens. */
  const nextWire = () => opened.length > 0 ? Promise.resolve(opened.shift()) : new Promise(resolve => waiters.push(resolve))
  const emitted = (target, name) => new Promise(resolve => target.addEventListener(name, resolve, { once: true }))

  async function connected(answer) {
    const wire = await nextWire()
    const connect = emitted(socket, 'connect')
    // The transport is handed over in the microtask after it was opened.
    await null
    wire.welcome(answer)
    await connect
    return wire
  }

  beforeEach(() => {
    opened = []
    waiters = []
    socket = new Socket(new URL('http://chat.test/socket.io/'), () => ({ token: 't' }),
      { webSocket: opens('websocket'), polling: opens('polling'), delay: () => 0 })
    socket.connect()
  })
  // Its deadlines would keep the test process waiting.
  const done = () => socket.close()

  test('connects with the token, and nothing else, over a WebSocket', async () => {
    const wire = await connected()
    assert.deepEqual(wire.auth, { token: 't' })
    assert.deepEqual([wire.kind, socket.connected, socket.recovered], ['websocket', true, false])
    done()
  })

  test('answers a ping', async () => {
    const wire = await connected()
    wire.on.packet('2')
    assert.equal(wire.sent.at(-1), '3')
    done()
  })

  test('gives the ack of an event to its caller, and of no other', async () => {
    const wire = await connected()
    const first = socket.emit('e', { n: 1 }), second = socket.emit('e', { n: 2 })
    assert.deepEqual(wire.sent.slice(-2), ['420["e",{"n":1}]', '421["e",{"n":2}]'])
    wire.on.packet('431[{"success":true,"data":"two"}]')
    wire.on.packet('430[{"success":true,"data":"one"}]')
    assert.deepEqual(await Promise.all([first, second]), ['one', 'two'])
    done()
  })

  test('rejects a refused event with its code', async () => {
    const wire = await connected()
    const answer = socket.emit('e', {})
    wire.on.packet('430[{"success":false,"error":{"code":"rate_limited","message":"slow","retry_after_ms":700}}]')
    await assert.rejects(answer, { name: 'ChatError', code: 'rate_limited', retryAfterMs: 700 })
    done()
  })

  test('rejects at once what is emitted while disconnected', async () => {
    await assert.rejects(socket.emit('e', {}), { code: 'offline' })
    done()
  })

  test('rejects a late ack, and a lost one when the connection is lost', async () => {
    const wire = await connected()
    await assert.rejects(socket.emit('e', {}, 1), { code: 'timeout' })
    const lost = socket.emit('e', {})
    wire.on.closed()
    await assert.rejects(lost, { code: 'connection_lost' })
    done()
  })

  test('hears events, and reconnects when the connection is lost', async () => {
    const wire = await connected()
    const event = emitted(socket, 'event')
    wire.on.packet('42["typing",{"user_id":2}]')
    assert.deepEqual((await event).detail, { name: 'typing', data: { user_id: 2 } })
    const disconnect = emitted(socket, 'disconnect')
    wire.on.closed()
    await disconnect
    await connected()
    assert.equal(socket.connected, true)
    done()
  })

  test('comes back with its pid and its last cursor, and says whether it recovered', async () => {
    const wire = await connected({ sid: 's', pid: 'p' })
    wire.on.packet('42["receive_message",{"id":1},"c1"]')
    wire.on.packet('42["receive_message",{"id":2},"c2"]')
    wire.on.packet('42["typing",{"user_id":2}]')
    wire.on.closed()
    const again = await connected({ sid: 's2', pid: 'p' })
    assert.deepEqual(again.auth, { token: 't', pid: 'p', offset: 'c2' })
    assert.equal(socket.recovered, true)
    again.on.closed()
    const fresh = await connected({ sid: 's3', pid: 'q' })
    assert.equal(socket.recovered, false)
    fresh.on.closed()
    assert.deepEqual((await connected({ sid: 's4', pid: 'q' })).auth, { token: 't', pid: 'q' }, 'the old cursor is not sent with the new pid')
    done()
  })

  test('gives the cursor beside the event, and takes no text of an event for one', async () => {
    const wire = await connected({ sid: 's', pid: 'p' })
    const heard = []
    socket.addEventListener('event', event => heard.push(event.detail))
    wire.on.packet('42["chat_read",{"up_to":3},"c7"]')
    wire.on.packet('42["news","only text"]')
    assert.deepEqual(heard, [{ name: 'chat_read', data: { up_to: 3 }, cursor: 'c7' }, { name: 'news', data: 'only text' }])
    wire.on.closed()
    assert.equal((await connected({ sid: 's2', pid: 'p' })).auth.offset, 'c7')
    done()
  })

  test('gives replayed events that come before the answer to CONNECT, in order, before `connect`', async () => {
    const heard = []
    socket.addEventListener('event', event => heard.push(event.detail.data))
    socket.addEventListener('connect', () => heard.push('connect'))
    const wire = await nextWire()
    await null
    wire.on.packet('0{"sid":"e","pingInterval":25000,"pingTimeout":20000}')
    wire.on.packet('42["receive_message",1,"c1"]')
    wire.on.packet('42["receive_message",2,"c2"]')
    wire.on.packet('40{"sid":"s","pid":"p"}')
    assert.deepEqual(heard, [1, 2, 'connect'])
    done()
  })

  test('stops when CONNECT is refused for good, and says the code', async () => {
    const refused = emitted(socket, 'refused')
    const wire = await nextWire()
    await null
    wire.on.packet('0{"sid":"e","pingInterval":25000,"pingTimeout":20000}')
    wire.on.packet('44{"message":"token expired","data":{"code":"token_expired"}}')
    assert.equal((await refused).detail.code, 'token_expired')
    assert.equal(wire.closed, true)
    assert.equal(opened.length, 0)
  })

  test('tries again when CONNECT is refused for another reason', async () => {
    const wire = await nextWire()
    await null
    wire.on.packet('0{"sid":"e","pingInterval":25000,"pingTimeout":20000}')
    wire.on.packet('44{"message":"busy"}')
    await connected()
    done()
  })

  test('connects anew when the server puts it out', async () => {
    const wire = await connected()
    wire.on.packet('41')
    assert.equal(socket.connected, false)
    await connected()
    done()
  })

  test('falls back to polling at once where no WebSocket opens, and to WebSockets where polling does not', async () => {
    const kinds = []
    for (let round = 0; round < 4; round++) {
      const wire = await nextWire()
      kinds.push(wire.kind)
      wire.on.closed()
    }
    assert.deepEqual(kinds, ['websocket', 'polling', 'websocket', 'polling'])
    done()
  })

  test('is patient with a WebSocket that has worked before', async () => {
    (await connected()).on.closed()
    const kinds = []
    for (let round = 0; round < 4; round++) {
      const wire = await nextWire()
      kinds.push(wire.kind)
      wire.on.closed()
    }
    assert.deepEqual(kinds, ['websocket', 'websocket', 'websocket', 'polling'])
    done()
  })

  test('does not hear what an abandoned transport still says', async () => {
    const old = await connected()
    old.on.closed()
    await connected()
    const heard = []
    socket.addEventListener('event', event => heard.push(event.detail))
    old.on.packet('42["typing",{}]')
    assert.deepEqual(heard, [])
    done()
  })

  test('gives up a connection that stays silent for a ping interval and its timeout', async t => {
    const wire = await connected()
    const now = Date.now()
    t.mock.method(Date, 'now', () => now + 44_000)
    socket.nudge()
    assert.equal(socket.connected, true)
    Date.now.mock.mockImplementation(() => now + 46_000)
    socket.nudge()
    assert.deepEqual([socket.connected, wire.closed], [false, true])
    done()
  })

  test('leaves politely', async () => {
    const wire = await connected()
    socket.close()
    assert.deepEqual([wire.sent.at(-1), wire.closed, socket.connected], ['41', true, false])
  })
})
