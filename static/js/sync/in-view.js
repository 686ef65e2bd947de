// Tells the server which chat the person here looks at, for which nobody need be notified
// meanwhile.

import { naming } from '../state/chats.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */

/** The server forgets it after 60 s, lest a device that vanished look for ever. */
const SAY_AGAIN_MS = 40_000

export class InView {
  #socket
  /** The chat that is open. @type {ChatKey | null} */
  #open = null
  #looks = false
  /** What the server was told on this connection. @type {ChatKey | null} */
  #said = null
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #again

  /** @param {Pick<import('./sync.js').Socket, 'connected' | 'tell' | 'addEventListener'>} socket */
  constructor(socket) {
    this.#socket = socket
    socket.addEventListener('connect', () => this.#say())
    socket.addEventListener('disconnect', () => {
      this.#said = null
      clearInterval(this.#again)
    })
  }

  /** @param {ChatKey | null} key the chat that is open now */
  show(key) {
    this.#open = key
    this.#say()
  }

  /** @param {boolean} looks whether the page is seen and has the focus */
  look(looks) {
    this.#looks = looks
    this.#say()
  }

  #say() {
    const now = this.#looks ? this.#open : null
    if (!this.#socket.connected || now === this.#said) return
    if (this.#said !== null) this.#tell(this.#said, false)
    this.#said = now
    clearInterval(this.#again)
    if (now === null) return
    this.#tell(now, true)
    this.#again = setInterval(() => this.#tell(now, true), SAY_AGAIN_MS)
  }

  /** @param {ChatKey} key @param {boolean} on */
  #tell(key, on) {
    this.#socket.tell('in_view', { ...naming(key, 'receiver_id'), on })
  }
}
