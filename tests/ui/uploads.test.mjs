import { beforeEach, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { ChatError } from '../../static/js/net/api.js'
import { pairKey } from '../../static/js/state/chats.js'
import { Store } from '../../static/js/state/store.js'
import { Kept } from '../../static/js/sync/kept.js'
import { Outbox } from '../../static/js/sync/outbox.js'

const ME = 1, ADA = 2
const WITH_ADA = pairKey(ADA)
const CHUNK = 900 * 1024
const time = new Date().toISOString()
const error = (status, code) => new Response(JSON.stringify({ success: false, error: { code } }), { status })

/** A socket whose server takes every message, and numbers them. */
class FakeSocket extends EventTarget {
  connected = true
  sent = []
  async emit(name, payload) {
    this.sent.push(payload)
    return { id: this.sent.length, ...payload, attachments: payload.attachments?.map(file => rowOf(file.id ?? file)), created_at: time }
  }
  drop() {
    this.connected = false
    this.dispatchEvent(new Event('disconnect'))
  }
  connect() {
    this.connected = true
    this.dispatchEvent(new Event('connect'))
    outbox.sendPending()
  }
}

/** A server of uploads by tus, whose `fault` may answer in its place. */
class FakeServer {
  files = new Map()
  asked = []
  fault = () => {}
  ask = async (method, path, headers, body, signal) => {
    this.asked.push([method, path.replace('api/', ''), headers['upload-offset']].filter(part => part !== undefined).join(' '))
    const fault = await this.fault(method, body, signal)
    if (fault) return fault
    if (path === 'api/uploads') {
      const id = `u${this.files.size}`
      this.files.set(id, { length: Number(headers['upload-length']), bytes: '', previews: 0 })
      return new Response(null, { status: 201, headers: { location: `uploads/${id}` } })
    }
    if (path === 'api/files/urls') return new Response(JSON.stringify({ data: JSON.parse(await body.text()).ids.map(rowOf) }))
    const [, , id, what] = path.split('/')
    const file = this.files.get(id.replace(/^f/, ''))
    if (!file) return error(404, 'not_found')
    if (what === 'preview') file.preview = `${body.type} ${await body.text()}`
    else if (method === 'DELETE') this.files.delete(id)
    else if (method === 'PATCH') {
      if (Number(headers['upload-offset']) !== file.bytes.length) return error(409, 'upload_conflict')
      file.bytes += await body.text()
    }
    const whole = file.bytes.length === file.length
    return new Response(null, { status: 204, headers: { 'upload-offset': String(file.bytes.length), ...(whole && { 'upload-file': `f${id}` }) } })
  }
}
const rowOf = id => ({ id, name: 'n', type: 'text/plain', size: 1, url: `api/files/${id}` })

function fakeMemory(kept = new Map()) {
  return {
    kept, keepsFiles: true,
    recall: key => kept.get(key) ?? null,
    remember: (key, value) => value === null || value === '' ? kept.delete(key) : kept.set(key, value),
    async forget(isGone) { for (const key of [...kept.keys()]) if (isGone(key)) kept.delete(key) },
    recallKeys: start => [...kept.keys()].filter(key => key.startsWith(start)).map(key => key.slice(start.length)),
  }
}

let store, socket, server, memory, outbox, kept
const failed = error => {
  if (!(error instanceof ChatError)) throw error
  return error.code
}
function start(keep) {
  store = new Store({ id: ME, username: 'me' })
  socket = new FakeSocket()
  memory = fakeMemory(keep)
  kept = new Kept(memory, ME)
  outbox = new Outbox({ store, socket, api: server, kept, failed })
}
const when = holds => new Promise(resolve => {
  const look = () => { if (holds()) resolve(undefined) }
  store.addEventListener('change', look)
  look()
})
const messages = () => store.chat(WITH_ADA).thread.messages
const shown = () => messages().map(({ clientId, state, problem }) => [clientId, state, problem].filter(Boolean).join(' '))
const files = () => messages().flatMap(({ attachments = [] }) => attachments)
const withFiles = (clientId, blobs, more = {}) => ({
  clientId, chat: WITH_ADA, content: '', createdAt: time, files: blobs, ...more,
  attachments: blobs.map((blob, at) => ({ id: String(at), name: `${at}.txt`, type: 'text/plain', size: blob.size, url: '', part: 0 })),
})
/** Time passes, and what it brings about comes about. */
async function pass(t, ms) {
  t.mock.timers.tick(ms)
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

beforeEach(() => {
  server = new FakeServer()
  start()
})

describe('a message with files', () => {
  test('stands there at once, and goes out when they are at the server, named by their ids', async () => {
    const message = withFiles('a', [new Blob(['x'.repeat(2 * CHUNK)]), new Blob([])])
    message.attachments[1].alt = 'nothing'
    outbox.send(message)
    assert.deepEqual([shown(), messages()[0].content, files().map(({ part }) => part)], [['a pending'], '0.txt, 1.txt', [0, 0]])
    await when(() => files()[0]?.part > 0)
    assert.equal(files()[0].part, 0.5)
    await when(() => shown()[0] === 'a stored')
    assert.deepEqual(socket.sent, [{ receiver_id: ADA, content: '', client_id: 'a', attachments: ['fu0', { id: 'fu1', alt: 'nothing' }] }])
    assert.deepEqual(files().map(({ id, part }) => [id, part]), [['fu0', undefined], ['fu1', undefined]])
    assert.equal(server.files.get('u0').bytes.length, 2 * CHUNK)
    assert.equal(memory.kept.size, 0, 'nothing of it is left on the device')
  })

  test('holds up no other', async () => {
    server.fault = method => method === 'PATCH' ? new Promise(() => {}) : undefined
    outbox.send(withFiles('a', [new Blob(['x'])]))
    outbox.send({ clientId: 'b', chat: WITH_ADA, content: 'b', createdAt: time })
    await when(() => shown().includes('b stored'))
    assert.deepEqual(shown(), ['b stored', 'a pending'])
  })

  test('brings its smaller picture along, where it is one of a large one', async () => {
    const preview = `data:image/webp;base64,${btoa('small')}`
    for (const [clientId, bytes] of [['a', 10], ['b', 200_000]]) {
      const message = withFiles(clientId, [new Blob(['x'.repeat(bytes)])])
      message.attachments[0].preview = preview
      outbox.send(message)
    }
    await when(() => shown().every(one => one.endsWith('stored')) && shown().length === 2)
    assert.deepEqual([...server.files.values()].map(file => file.preview), [undefined, 'image/webp small'])
  })

  test('is refused by what the server says of a file, and can be given up', async () => {
    server.fault = method => method === 'POST' ? error(413, 'file_too_large') : undefined
    outbox.send(withFiles('a', [new Blob(['x'])]))
    await when(() => shown()[0] === 'a failed file_too_large')
    outbox.discard(WITH_ADA, 'a')
    assert.deepEqual([shown(), memory.kept.size], [[], 0])
  })

  test('is sent to a server behind a proxy that takes small bodies', async () => {
    server.fault = (method, body) => method === 'PATCH' && body.size > 300_000 ? new Response('<html>', { status: 413 }) : undefined
    outbox.send(withFiles('a', [new Blob(['x'.repeat(1_000_000)])]))
    await when(() => shown()[0] === 'a stored')
    assert.equal(server.files.get('u0').bytes.length, 1_000_000)
  })

  test('is given up in the middle of one, which the server forgets', async () => {
    server.fault = (method, _, signal) => method === 'PATCH'
      ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))) : undefined
    outbox.send(withFiles('a', [new Blob(['x'])]))
    while (!server.asked.includes('PATCH uploads/u0 0')) await new Promise(setImmediate)
    outbox.discard(WITH_ADA, 'a')
    while (server.files.size > 0) await new Promise(setImmediate)
    assert.deepEqual([shown(), memory.kept.size], [[], 0])
    // Others go on.
    server.fault = () => {}
    outbox.send(withFiles('b', [new Blob(['y'])]))
    await when(() => shown()[0] === 'b stored')
  })
})

describe('a lost network', () => {
  test('holds an upload up, which goes on from where the server is when the network is back', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let lost = false
    server.fault = (method, _, signal) => {
      if (method !== 'PATCH' || server.files.get('u0').bytes.length === 0 || lost) return
      lost = true
      // It hangs, until the socket knows that there is nothing any more.
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    outbox.send(withFiles('a', [new Blob(['x'.repeat(2 * CHUNK)])]))
    while (!lost) await pass(t, 0)
    socket.drop()
    await pass(t, 0)
    assert.deepEqual([files()[0].waits, files()[0].part], [true, 0.5])
    await pass(t, 60_000)
    const before = server.asked.length
    await pass(t, 60_000)
    assert.equal(server.asked.length, before, 'without a connection nothing is asked')
    socket.connect()
    await pass(t, 10_000)
    assert.deepEqual(shown(), ['a stored'])
    assert.deepEqual(server.asked.slice(before), ['HEAD uploads/u0', `PATCH uploads/u0 ${CHUNK}`, 'POST files/urls'])
  })

  test('of any length is waited for; a server that fails and fails is not', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let tries = 0
    server.fault = method => {
      if (method !== 'PATCH' && method !== 'HEAD') return
      if (++tries < 40) throw new TypeError('Failed to fetch')
      if (tries < 100) return error(503, 'storage_unavailable')
    }
    outbox.send(withFiles('a', [new Blob(['x'])]))
    for (let turn = 0; turn < 60; turn++) await pass(t, 60_000)
    assert.deepEqual(shown(), ['a failed storage_unavailable'])
    assert.ok(tries > 40 && tries < 60, `${tries}`)
  })
})

describe('a reload', () => {
  /** Sends a file of which half is at the server when the page goes. */
  async function halfway() {
    server.fault = method => method === 'PATCH' && server.files.get('u0').bytes.length > 0 ? new Promise(() => {}) : undefined
    outbox.send(withFiles('a', [new Blob(['x'.repeat(2 * CHUNK)])]))
    await when(() => files()[0].part === 0.5)
    server.fault = () => {}
    server.asked = []
  }

  test('goes on from where it was, with the file that the device kept', async () => {
    await halfway()
    start(memory.kept)
    assert.deepEqual(shown(), ['a pending'])
    outbox.sendPending()
    await when(() => shown()[0] === 'a stored')
    assert.deepEqual(server.asked, ['HEAD uploads/u0', `PATCH uploads/u0 ${CHUNK}`, 'POST files/urls'])
    assert.equal(memory.kept.size, 0)
  })

  test('begins anew where the server has forgotten it', async () => {
    await halfway()
    server.files.delete('u0')
    server.files.set('other', {})
    start(memory.kept)
    outbox.sendPending()
    await when(() => shown()[0] === 'a stored')
    assert.equal(server.files.get('u1').bytes.length, 2 * CHUNK)
  })

  test('does not bring up again what is at the server', async () => {
    socket.emit = () => new Promise(() => {})
    outbox.send(withFiles('a', [new Blob(['x'])]))
    await when(() => files()[0].part === undefined)
    server.asked = []
    start(memory.kept)
    outbox.sendPending()
    await when(() => shown()[0] === 'a stored')
    assert.deepEqual(server.asked, [])
    assert.deepEqual(socket.sent[0].attachments, ['fu0'])
  })

  test('says so where the device did not keep the file', async () => {
    await halfway()
    memory.kept.delete(`file.${ME}.a.0`)
    start(memory.kept)
    outbox.sendPending()
    await when(() => shown()[0] === 'a failed file_gone')
  })

  test('keeps no more bytes than there is room for, and of nobody who signed out', async () => {
    socket.drop()
    const huge = Object.assign(new Blob(['x']), {})
    Object.defineProperty(huge, 'size', { value: 200 << 20 })
    for (const clientId of ['a', 'b']) outbox.send(withFiles(clientId, [huge]))
    assert.deepEqual(memory.recallKeys('file.'), [`${ME}.a.0`])
    assert.equal(kept.file('b', 0), huge, 'as long as the page is open it is there')
    await kept.forget()
    assert.equal(memory.kept.size, 0)
  })
})

test('a file that the server let go of before its message was sent is brought there again', async () => {
  const { emit } = socket
  socket.emit = async () => { throw new ChatError('not_found') }
  outbox.send(withFiles('a', [new Blob(['x'])]))
  await when(() => shown()[0] === 'a failed not_found')
  socket.emit = emit
  outbox.retry(WITH_ADA, 'a')
  await when(() => shown()[0] === 'a stored')
  assert.deepEqual(socket.sent[0].attachments, ['fu1'])
})
