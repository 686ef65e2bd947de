// Deletions that can be undone: each waits for a moment before the server is asked, and what waits
// when the page ends is asked for then. app.js loads it when something is to be deleted.

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */

/** So long a deletion can be undone. */
const UNDO_MS = 5_000

export class Deletions {
  #store
  #sync
  #failed
  /** @type {Map<number, { chat: ChatKey, timer: ReturnType<typeof setTimeout> }>} */
  #waiting = new Map()

  /**
   * @param {{ store: import('../state/store.js').Store,
   *   sync: Pick<import('./sync.js').Sync, 'remove' | 'removeAtOnce'>,
   *   failed(error: unknown): void }} parts `failed` hears what the server refused
   */
  constructor({ store, sync, failed }) {
    this.#store = store
    this.#sync = sync
    this.#failed = failed
  }

  /** @param {ChatKey} chat @param {number} id */
  start(chat, id) {
    if (this.#waiting.has(id)) return
    this.#waiting.set(id, { chat, timer: setTimeout(() => this.#end(chat, id), UNDO_MS) })
    this.#store.apply({ type: 'deleting', data: { chat, id, on: true } })
  }

  /** @param {ChatKey} chat @param {number} id */
  undo(chat, id) {
    clearTimeout(this.#waiting.get(id)?.timer)
    this.#waiting.delete(id)
    this.#store.apply({ type: 'deleting', data: { chat, id, on: false } })
  }

  /** Waits no longer: the page ends. */
  flush() {
    for (const [id, { timer }] of this.#waiting) {
      clearTimeout(timer)
      this.#sync.removeAtOnce(id)
    }
    this.#waiting.clear()
  }

  /** Waits no longer, but for the answers: soon the server takes nothing from here any more. */
  async finish() {
    await Promise.all([...this.#waiting].map(([id, { chat, timer }]) => {
      clearTimeout(timer)
      return this.#end(chat, id)
    }))
  }

  /** @param {ChatKey} chat @param {number} id */
  async #end(chat, id) {
    this.#waiting.delete(id)
    try {
      await this.#sync.remove(id)
    } catch (error) {
      this.#store.apply({ type: 'deleting', data: { chat, id, on: false } })
      this.#failed(error)
    }
  }
}
