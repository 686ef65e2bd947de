// Brings the files of unsent messages to the server, one after another: at once, again when the
// network is back, and after a reload where it had come to. outbox.js loads it with the first of
// them, and sends a message when its files are there.

import { ChatError, SIGNED_OUT } from '../net/api.js'
import { isPartial } from '../state/timeline.js'
import { RETRY_MS, pause } from './codes.js'
import { upload } from './upload.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../state/chats.js').Chat} Chat */
/** @typedef {import('../state/timeline.js').Attached} Attached */
/** @typedef {import('../state/timeline.js').Message} Message */

/** A request that took so long is on a connection that is dead. */
const REQUEST_MS = 300_000

export class Uploads {
  #store
  #socket
  #api
  #kept
  #failed
  #running = false
  /** What is on its way. @type {{ clientId: string, stop: AbortController } | null} */
  #current = null

  /**
   * @param {{ store: import('../state/store.js').Store, socket: import('./sync.js').Socket,
   *   api: import('./sync.js').Api, kept: import('./kept.js').Kept,
   *   failed: (error: unknown) => string }} parts `failed` gives the code of an error
   */
  constructor({ store, socket, api, kept, failed }) {
    this.#store = store
    this.#socket = socket
    this.#api = api
    this.#kept = kept
    this.#failed = failed
  }

  /**
   * Uploads whatever waits.
   * @param {() => void} done called when all files of a message are there
   */
  async run(done) {
    if (this.#running) return
    this.#running = true
    try {
      for (let next; (next = this.#next());) {
        if (!await this.#bring(next)) return
        done()
      }
    } finally {
      this.#running = false
    }
  }

  /** Gives up what is on its way for a message. @param {string} clientId */
  stop(clientId) {
    if (this.#current?.clientId === clientId) this.#current.stop.abort()
  }

  /** @param {string} [clientId] of the one that it is to be, else any */
  #next(clientId) {
    return this.#store.pending().find(({ message }) => isPartial(message) && message.clientId === (clientId ?? message.clientId))
  }

  /**
   * Uploads one file, and in one tab only.
   * @param {{ chat: Chat, message: Message }} next
   * @returns {Promise<boolean>} whether to go on
   */
  async #bring({ message: { clientId } }) {
    if (clientId === null) return true
    const work = () => {
      // It may be sent by now, by the tab that was first, or given up.
      const next = this.#next(clientId)
      return next ? this.#upload(next, clientId) : true
    }
    const locks = globalThis.navigator?.locks
    return locks ? locks.request(`chatd upload ${clientId}`, work) : work()
  }

  /** @param {{ chat: Chat, message: Message }} next @param {string} clientId */
  async #upload({ chat: { key }, message: { attachments = [] } }, clientId) {
    const at = attachments.findIndex(({ part }) => part !== undefined)
    const { name, preview, alt } = attachments[at]
    const stop = new AbortController()
    this.#current = { clientId, stop }
    let begun = this.#kept.begun(clientId, at)
    const tell = (/** @type {Partial<Attached>} */ change) =>
      this.#store.apply({ type: 'uploading', data: { chat: key, clientId, at, change } })
    try {
      const file = this.#kept.file(clientId, at)
      if (!file) throw new ChatError('file_gone')
      const attached = await upload(this.#asking(stop.signal), file, name, {
        path: begun, preview,
        began: path => {
          begun = path
          this.#kept.keepBegun(clientId, at, path)
        },
        progress: part => tell({ part, waits: undefined }),
        rest: failures => this.#rest(failures, stop.signal, tell),
      })
      if (stop.signal.aborted) return true
      const whole = { ...attached, ...(preview && { preview }), ...(alt && { alt }) }
      tell({ ...whole, part: undefined, waits: undefined })
      this.#kept.keepUploaded(clientId, at, whole)
    } catch (error) {
      if (stop.signal.aborted) {
        // The server may forget what was given up.
        if (begun) this.#api.ask('DELETE', begun, { 'tus-resumable': '1.0.0' }).catch(() => {})
        return true
      }
      const code = this.#failed(error)
      if (SIGNED_OUT.includes(code)) return false
      this.#store.apply({ type: 'send_failed', data: { chat: key, clientId, code } })
    } finally {
      this.#current = null
    }
    return true
  }

  /**
   * Asks as long as the connection lasts: what hangs on one that is lost would hang for minutes.
   * @param {AbortSignal} stopped
   * @returns {import('./upload.js').Ask}
   */
  #asking(stopped) {
    return async (method, path, headers, body) => {
      const lost = new AbortController()
      const lose = () => lost.abort()
      this.#socket.addEventListener('disconnect', lose, { once: true })
      try {
        return await this.#api.ask(method, path, headers, body, AbortSignal.any([stopped, lost.signal, AbortSignal.timeout(REQUEST_MS)]))
      } finally {
        this.#socket.removeEventListener('disconnect', lose)
      }
    }
  }

  /**
   * Waits until it is worth while to try again: a moment, or until there is a connection.
   * @param {number} failures
   * @param {AbortSignal} stopped
   * @param {(change: Partial<Attached>) => void} tell
   */
  async #rest(failures, stopped, tell) {
    tell({ waits: true })
    /** @type {Promise<void>} */
    const stop = new Promise(resolve => stopped.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([pause(RETRY_MS * (failures + 1)), stop])
    while (!this.#socket.connected && !stopped.aborted) {
      await Promise.race([new Promise(resolve => this.#socket.addEventListener('connect', resolve, { once: true })), stop])
    }
    if (stopped.aborted) throw new ChatError('aborted')
  }
}
