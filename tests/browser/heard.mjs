// What pages say to the server and hear of it, held against the server's own documents: every
// packet of their sockets, by either transport, and every request and answer of the API. Servers
// are told by the path alone, from its `api/` or `socket.io/` on, so that one behind a proxy, below
// a path or under another name is heard like any other.
//
// Nothing is thrown where it is heard, since nobody would catch it there: faults are kept until
// somebody takes them. What a test forges by `page.route` would be one of them; none forges
// anything below these paths.

import assert from 'node:assert/strict'

/** Between packets in one body: Engine.IO's record separator. */
const SEPARATOR = '\x1e'
/** Why the browser has no body any more: its page went elsewhere, crashed or was closed. */
const GONE = /No resource with given identifier|No data found for resource|has been closed|crashed/

/** Socket.IO's packet types. */
const PACKET = { CONNECT: 0, DISCONNECT: 1, EVENT: 2, ACK: 3, CONNECT_ERROR: 4 }

/**
 * A Socket.IO packet of the namespace `/`, or null for what is Engine.IO's own.
 * @param {string | Buffer} text
 */
function decode(text) {
  assert.ok(typeof text === 'string' && /^[0-6]/.test(text), `not a packet: ${text}`)
  if (text[0] !== '4') return null
  const parts = /^4([0-4])(\d*)([[{].*)?$/s.exec(text)
  assert.ok(parts, `not a packet: ${text}`)
  const [, type, id, data] = parts
  return { type: Number(type), id, data: data && JSON.parse(data) }
}

/** One connection. */
class Connection {
  /** What waits for its ack, by the ack's id. @type {Map<string, [string, any[]]>} */
  #asked = new Map()

  /** @param {import('../clients/documented.mjs').Documents} documents */
  constructor(documents) {
    this.documents = documents
  }

  /** A packet of the page. */
  said(text) {
    const packet = decode(text)
    if (!packet || packet.type === PACKET.DISCONNECT) return
    const { type, id, data } = packet
    if (type === PACKET.CONNECT) return this.documents.connecting('connect', data)
    assert.equal(type, PACKET.EVENT, `a page does not say: ${text}`)
    const [name, ...payloads] = data
    if (id !== '') this.#asked.set(id, [name, payloads])
    assert.equal(payloads.length, 1, `an event has one payload: ${text}`)
    this.documents.said(name, payloads[0])
  }

  /** A packet of the server. */
  heard(text) {
    const packet = decode(text)
    if (!packet || packet.type === PACKET.DISCONNECT) return
    const { type, id, data } = packet
    if (type === PACKET.CONNECT) return this.documents.connecting('connected', data)
    if (type === PACKET.CONNECT_ERROR) return this.documents.connecting('connect_error', data)
    if (type === PACKET.EVENT) {
      assert.equal(id, '', `the server asks for no acks: ${text}`)
      const [name, ...payloads] = data
      return this.documents.event(name, payloads)
    }
    assert.ok(this.#asked.has(id), `an ack of nothing: ${text}`)
    const [name, payloads] = this.#asked.get(id)
    this.#asked.delete(id)
    assert.equal(data.length, 1, `an ack is one object: ${text}`)
    this.documents.ack(name, payloads, data[0])
  }
}

/**
 * The frame that asked; nobody's own for what a service worker asks.
 * @param {import('playwright-core').Request} request
 */
function frameOf(request) {
  try {
    return request.frame()
  } catch {
    return NO_FRAME
  }
}
const NO_FRAME = /** @type {import('playwright-core').Frame} */ ({})

export class Heard {
  /** The first of each kind. @type {Map<string, string>} */
  #faults = new Map()
  /**
   * The answers whose bodies are being read.
   * @type {Map<Promise<void>, import('playwright-core').Response>}
   */
  #reading = new Map()
  /**
   * How often the page in a frame went elsewhere.
   * @type {WeakMap<import('playwright-core').Frame, number>}
   */
  #gone = new WeakMap()
  /** Those whose next page is asked for. @type {Set<import('playwright-core').Frame>} */
  #going = new Set()
  /**
   * How often it had when something was asked for.
   * @type {WeakMap<import('playwright-core').Request, number>}
   */
  #asked = new WeakMap()
  packets = 0
  bodies = 0
  gone = 0
  left = 0

  /**
   * Listens to every page of a context, from now on.
   * @param {import('playwright-core').BrowserContext} context
   * @param {import('../clients/documented.mjs').Documents} documents
   */
  listen(context, documents) {
    context.on('page', page => {
      page.on('websocket', socket => {
        if (pathOf(socket.url())) this.#hearFrames(socket, new Connection(documents))
      })
      // Until the next page is there, the one before may ask for more.
      page.on('framenavigated', frame => { if (this.#going.delete(frame)) this.#leave(frame) })
    })
    /** By its sid, which the handshake does not have yet. @type {Map<string | null, Connection>} */
    const polled = new Map()
    const connection = path => {
      const sid = new URL(path, 'http://chatd').searchParams.get('sid')
      if (!polled.has(sid)) polled.set(sid, new Connection(documents))
      return polled.get(sid)
    }
    context.on('request', request => {
      if (request.isNavigationRequest() && request.frame().parentFrame() === null) {
        this.#going.add(request.frame())
        this.#leave(request.frame())
      }
      if (!request.isNavigationRequest()) this.#asked.set(request, this.#gone.get(frameOf(request)) ?? 0)
      const path = pathOf(request.url())
      if (request.method() !== 'POST' || !path?.startsWith('/socket.io/')) return
      this.#packets(request.postData() ?? '', packet => connection(path).said(packet))
    })
    context.on('response', response => {
      const path = pathOf(response.url())
      const method = response.request().method()
      if (path?.startsWith('/api/')) this.#read(response, body => holdAnswer(documents, path, response, body))
      // A refusal of Engine.IO's has no packets; the answer to a POST is `ok`.
      else if (path && method === 'GET' && response.ok()) {
        this.#read(response, body => this.#packets(body ?? '', packet => connection(path).heard(packet)))
      }
    })
  }

  /** @param {import('playwright-core').WebSocket} socket @param {Connection} connection */
  #hearFrames(socket, connection) {
    socket.on('framesent', ({ payload }) => this.#packet(() => connection.said(payload)))
    socket.on('framereceived', ({ payload }) => this.#packet(() => connection.heard(payload)))
  }

  /** @param {string} body @param {(packet: string) => void} hold */
  #packets(body, hold) {
    if (body === '') return
    for (const packet of body.split(SEPARATOR)) this.#packet(() => hold(packet))
  }

  #packet(hold) {
    this.packets++
    this.#hold(hold)
  }

  /** @param {() => void} hold throws at a fault */
  #hold(hold) {
    try {
      hold()
    } catch (error) {
      const [kind] = error.message.split(':')
      if (!this.#faults.has(kind)) this.#faults.set(kind, error.message)
    }
  }

  /**
   * Reads a body, if it comes and stays long enough, and gives it on.
   * @param {import('playwright-core').Response} response
   * @param {(body?: string) => void} hold
   */
  #read(response, hold) {
    const request = response.request()
    // The head of an answer may be told of after its page had left.
    if (this.#asked.has(request) && this.#asked.get(request) !== (this.#gone.get(frameOf(request)) ?? 0)) return void this.left++
    const read = async () => {
      let body
      try {
        if (await response.finished() === null) body = await response.text()
      } catch (error) {
        if (!GONE.test(error.message)) throw error
      }
      if (body === undefined) this.gone++
      else this.bodies++
      this.#hold(() => hold(body))
    }
    const reading = read()
      .catch(error => this.#hold(() => { throw error }))
      .finally(() => this.#reading.delete(reading))
    this.#reading.set(reading, response)
  }

  /**
   * A page goes elsewhere: of what it had asked for, bodies may never come, nor a word that they do
   * not.
   * @param {import('playwright-core').Frame} frame
   */
  #leave(frame) {
    this.#gone.set(frame, (this.#gone.get(frame) ?? 0) + 1)
    for (const [reading, response] of this.#reading) {
      if (response.frame() !== frame) continue
      this.#reading.delete(reading)
      this.left++
    }
  }

  /** Every body that has begun to come has been read. */
  async settled() {
    while (this.#reading.size > 0) await Promise.race(this.#reading.keys())
  }

  /** Where the bodies that are awaited are from. */
  get awaited() {
    return [...this.#reading.values()].map(response => `${response.status()} ${response.url()}`).join(', ')
  }

  /** What was not as documented since the last time, the first of each kind. */
  takeFaults() {
    const faults = [...this.#faults.values()]
    this.#faults.clear()
    return faults
  }

  toString() {
    return `${this.packets} packets, ${this.bodies} bodies; ${this.gone} bodies were gone, ${this.left} left to come`
  }
}

/**
 * The server's own path, with its query; none where the address is of something else.
 * @param {string} url
 */
function pathOf(url) {
  const { pathname, search } = new URL(url)
  const found = /\/(?:api|socket\.io)\/.*$/.exec(pathname)
  return found && found[0] + search
}

/**
 * @param {import('../clients/documented.mjs').Documents} documents
 * @param {string} path
 * @param {import('playwright-core').Response} response
 * @param {string} [body]
 */
function holdAnswer(documents, path, response, body) {
  const method = response.request().method()
  const headers = new Headers({ 'content-type': response.headers()['content-type'] ?? '' })
  if (method === 'OPTIONS') return
  // What the page says may be refused for what people wrote; what was taken is as documented.
  const isFile = path.startsWith('/api/uploads')
  documents.request(method, path, response.ok() && !isFile ? response.request().postDataJSON() ?? undefined : undefined)
  // The bytes of a file are what people sent.
  const isJson = headers.get('content-type')?.includes('json')
  documents.reply(method, path, { status: response.status(), headers, body: body && isJson ? JSON.parse(body) : undefined })
}
