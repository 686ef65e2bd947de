// A small Socket.IO v4 client (Engine.IO protocol 4, Socket.IO protocol 5), as much of it as chatd
// needs: the namespace `/`, text packets, acks as Promises, heartbeat, reconnecting, and connection
// state recovery. WebSocket first; HTTP long-polling (polling.js, loaded only then) where a proxy
// in between lets no WebSocket through.
//
// It can be used without this page: copy the folder net/, which needs nothing else.
//
//     const socket = new Socket(new URL('https://chat.example.org/socket.io/'), () => ({ token }))
//     socket.addEventListener('event', ({ detail: { name, data } }) => console.log(name, data))
//     socket.addEventListener('connect', () => { if (!socket.recovered) readWhatWasMissed() })
//     socket.addEventListener('refused', ({ detail: { code } }) => signInAgain(code))
//     socket.connect()
//     const message = { receiver_id: 2, content: 'Halo!', client_id }
//     const { id } = await socket.emit('send_message', message)
//
// Nothing is buffered here. A call while disconnected fails at once with `offline`; the outbox in
// sync/ decides what is worth sending again. The protocols:
// https://socket.io/docs/v4/engine-io-protocol/ and https://socket.io/docs/v4/socket-io-protocol/

import { ChatError, SIGNED_OUT } from './api.js'
import { ENGINE, PACKET, decodePacket, encodePacket } from './packet.js'
import { openPolling, openWebSocket } from './transport.js'

/** @typedef {import('./packet.js').Packet} Packet */
/** @typedef {import('./transport.js').OpenTransport} OpenTransport */
/** @typedef {import('./transport.js').Transport} Transport */

/** How long a transport may take to open and the server to answer CONNECT, in milliseconds. */
const OPEN_TIMEOUT_MS = 8_000
/** How long an ack may take. A commit is a few milliseconds; the rest is for slow networks. */
const ACK_TIMEOUT_MS = 15_000
/** Waits between attempts: doubling from the first to the longest, plus or minus half, so that the
 * clients of a restarted server do not all come back in the same instant. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 10_000
/** How often a WebSocket that has worked on this page may fail to open before polling is tried. */
const WEBSOCKET_PATIENCE = 3

/**
 * The wait before the next attempt.
 * @param {number} failures how many attempts failed in a row, from 0
 * @param {number} chance from 0 to 1
 */
export function retryDelay(failures, chance) {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10))
  return Math.round(wait * (0.5 + chance))
}

/**
 * Events of this EventTarget:
 * - `connect`: `recovered` says whether the missed events were (or are being) replayed;
 * - `disconnect`: the connection is gone; the socket reconnects by itself;
 * - `waiting` `{ at }`: the next attempt starts at that time (`Date.now()` scale);
 * - `refused` `{ code, message }`: CONNECT was refused for good; nothing more happens by itself;
 * - `event` `{ name, data, cursor? }`: an event of the server; one that lasts has its place in the
 *   order of all that do, which is sent when coming back, so that the server replays what came
 *   after it.
 */
export class Socket extends EventTarget {
  connected = false
  recovered = false

  #url
  #auth
  #open
  /** @type {Transport | null} */
  #transport = null
  /** The attempt that counts. What an older one still says is not heard. */
  #attempt = 0
  #active = false
  #polling = false
  #opened = false
  #webSocketWorked = false
  #webSocketFailures = 0
  #failures = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadlineTimer
  #deadline = Infinity
  #silenceMs = OPEN_TIMEOUT_MS
  /** @type {Map<number, { resolve(data: any): void, reject(error: ChatError): void }>} */
  #acks = new Map()
  #nextAck = 0
  /** @type {string | undefined} */
  #pid
  /** @type {string | undefined} */
  #offset
  /**
   * Events that came before the answer to CONNECT: a recovering server may replay first.
   * @type {any[][]}
   */
  #early = []

  /**
   * @param {URL} url of the Socket.IO path, with its closing slash
   * @param {() => object} auth what CONNECT carries; asked again at every attempt
   * @param {{ webSocket?: OpenTransport, polling?: OpenTransport, delay?: typeof retryDelay }}
   *   [open] other transports and waits, for tests
   */
  constructor(url, auth, { webSocket = openWebSocket, polling = openPolling, delay = retryDelay } = {}) {
    super()
    this.#url = url
    this.#auth = auth
    this.#open = { webSocket, polling, delay }
  }

  /** Starts connecting, or tries at once where the next attempt is still being waited for. */
  connect() {
    if (this.#active && this.#retryTimer === undefined) return
    this.#active = true
    this.#dial()
  }

  /** Leaves for good; `connect` begins anew. */
  close() {
    this.#active = false
    if (this.connected) this.#send({ type: PACKET.DISCONNECT })
    this.#drop('offline')
  }

  /**
   * For the moments when the outside world has changed: the network is back, the tab is shown again
   * or the machine woke up, when timers may have been asleep and a dead connection looks alive.
   */
  nudge() {
    if (this.#retryTimer !== undefined) this.connect()
    else if (Date.now() > this.#deadline) this.#lost()
  }

  /**
   * Sends an event and waits for its ack.
   * @param {string} name
   * @param {object} payload
   * @param {number} [timeoutMs]
   * @returns {Promise<any>} the ack's data; rejects with a {@link ChatError}: the server's code, or
   *   `offline` (not sent), or `connection_lost` or `timeout` (unknown: the
   *   server may have done it)
   */
  emit(name, payload, timeoutMs = ACK_TIMEOUT_MS) {
    if (!this.connected) return Promise.reject(new ChatError('offline'))
    const id = this.#nextAck++
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        this.#acks.delete(id)
      }
      const timer = setTimeout(() => { settle(); reject(new ChatError('timeout')) }, timeoutMs)
      this.#acks.set(id, {
        resolve(data) { settle(); resolve(data) },
        reject(error) { settle(); reject(error) },
      })
      this.#send({ type: PACKET.EVENT, id, data: [name, payload] })
    })
  }

  /**
   * Sends an event of passing interest, without an ack; offline it is dropped.
   * @param {string} name
   * @param {object} payload
   */
  tell(name, payload) {
    if (this.connected) this.#send({ type: PACKET.EVENT, data: [name, payload] })
  }

  // One attempt: open a transport, CONNECT, live, be lost.

  async #dial() {
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    const attempt = ++this.#attempt
    const current = () => attempt === this.#attempt
    this.#opened = false
    this.#silenceMs = OPEN_TIMEOUT_MS
    this.#alive()
    const open = this.#polling ? this.#open.polling : this.#open.webSocket
    try {
      const transport = await open(this.#url, {
        packet: text => { if (current()) this.#heard(text) },
        closed: () => { if (current()) this.#lost() },
      })
      if (current()) this.#transport = transport
      else transport.close()
    } catch {
      if (current()) this.#lost()
    }
  }

  /** @param {string} text one Engine.IO packet */
  #heard(text) {
    this.#alive()
    switch (text[0]) {
      case ENGINE.OPEN: return this.#handshake(text.slice(1))
      case ENGINE.PING: return this.#transport?.send(ENGINE.PONG)
      case ENGINE.CLOSE: return this.#lost()
      case ENGINE.MESSAGE: return this.#received(decodePacket(text.slice(1)))
    }
  }

  /** @param {string} json the open packet's settings */
  #handshake(json) {
    const { pingInterval, pingTimeout } = JSON.parse(json)
    this.#opened = true
    if (!this.#polling) {
      this.#webSocketWorked = true
      this.#webSocketFailures = 0
    }
    const recovery = this.#pid === undefined ? {} : { pid: this.#pid, offset: this.#offset }
    this.#send({ type: PACKET.CONNECT, data: { ...this.#auth(), ...recovery } })
    // The deadline for the answer to CONNECT is still the short one; from then on silence of a
    // ping interval and its timeout means that the server, or the way to it, is gone.
    this.#silenceMs = pingInterval + pingTimeout
  }

  /** @param {Packet | null} packet */
  #received(packet) {
    switch (packet?.type) {
      case PACKET.CONNECT: return this.#welcomed(packet.data ?? {})
      case PACKET.EVENT: return this.connected ? this.#event(packet.data) : void this.#early.push(packet.data)
      case PACKET.ACK: return this.#acked(packet)
      case PACKET.CONNECT_ERROR: return this.#refused(packet.data ?? {})
      // Put out by the server. Asking again brings the exact reason, as a refusal.
      case PACKET.DISCONNECT: return this.#lost()
    }
  }

  /** @param {{ pid?: string }} answer */
  #welcomed({ pid }) {
    this.connected = true
    this.recovered = pid !== undefined && pid === this.#pid
    // A cursor of the session before says nothing about the new one, for whose start the app reads
    // everything afresh.
    if (!this.recovered) this.#offset = undefined
    this.#pid = pid
    this.#failures = 0
    this.#alive()
    for (const args of this.#early.splice(0)) this.#event(args)
    this.dispatchEvent(new Event('connect'))
  }

  /** @param {{ message?: string, data?: { code?: string } }} refusal */
  #refused({ message, data }) {
    const code = data?.code ?? 'unknown'
    if (!SIGNED_OUT.includes(code)) return this.#lost()
    this.#active = false
    this.#drop(code)
    this.dispatchEvent(new CustomEvent('refused', { detail: { code, message } }))
  }

  /** @param {any[]} args the event's name, its payload and, where it is durable, its cursor */
  #event([name, data, ...more]) {
    const cursor = more.at(-1)
    const durable = typeof cursor === 'string'
    if (durable) this.#offset = cursor
    this.dispatchEvent(new CustomEvent('event', { detail: { name, data, ...(durable && { cursor }) } }))
  }

  /** @param {Packet} packet */
  #acked({ id, data }) {
    const waiting = this.#acks.get(id ?? -1)
    const [answer] = data
    if (answer?.success) return waiting?.resolve(answer.data)
    const { code = 'unexpected_answer', message, retry_after_ms } = answer?.error ?? {}
    waiting?.reject(new ChatError(code, message, retry_after_ms))
  }

  /** The connection failed, or was never made: tell, and plan the next attempt. */
  #lost() {
    const failedToOpen = !this.#opened && !this.#polling
    if (failedToOpen) this.#webSocketFailures++
    this.#drop('connection_lost')
    if (!this.#active) return
    // A WebSocket that never opened may mean a proxy that forbids it, and then polling works at
    // once; or a server that is down, and then polling fails too and the normal waiting follows.
    this.#polling = failedToOpen && this.#webSocketFailures >= (this.#webSocketWorked ? WEBSOCKET_PATIENCE : 1)
    const wait = this.#polling ? 0 : this.#open.delay(this.#failures++, Math.random())
    this.#retryTimer = setTimeout(() => this.#dial(), wait)
    this.dispatchEvent(new CustomEvent('waiting', { detail: { at: Date.now() + wait } }))
  }

  /**
   * Lets go of the present connection, whatever its state.
   * @param {string} code for acks still awaited
   */
  #drop(code) {
    this.#attempt++
    clearTimeout(this.#deadlineTimer)
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    this.#deadline = Infinity
    this.#transport?.close()
    this.#transport = null
    this.#early = []
    const wasConnected = this.connected
    this.connected = false
    for (const ack of [...this.#acks.values()]) ack.reject(new ChatError(code))
    if (wasConnected) this.dispatchEvent(new Event('disconnect'))
  }

  /** @param {Packet} packet */
  #send(packet) {
    this.#transport?.send(ENGINE.MESSAGE + encodePacket(packet))
  }

  /** Something was heard: the silence that means death begins anew. */
  #alive() {
    clearTimeout(this.#deadlineTimer)
    this.#deadline = Date.now() + this.#silenceMs
    this.#deadlineTimer = setTimeout(() => this.#lost(), this.#silenceMs)
  }
}
