// Reads by REST what the page does not have: the list of chats, and conversations page by page.
// Every answer is merged into the store, so it does not matter what arrives in between.

import { countOf } from '../state/unread.js'
import { RETRY_MS, pause } from './codes.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */

/**
 * The wait before the list is read again because of events, so that many events are one reading.
 */
const READ_SOON_MS = 300
/**
 * One page of history; one of what came before, for a reader who scrolls fast; and the most that
 * the server gives at once.
 */
const PAGE = 50
const OLDER_PAGE = 150
const LONGEST_PAGE = 500
/** Unread messages are looked for so far back; a chat with more of them opens at its end. */
const UNREAD_MOST = 2_500

export class Reader {
  /** The conversation that is open. @type {ChatKey | null} */
  open = null

  #store
  #socket
  #api
  #failed
  /**
   * The message to which a conversation's first reading reaches back.
   * @type {{ chat: ChatKey, id: number } | null}
   */
  #reach = null
  /**
   * How often the server's history turned out to be another one. What was asked before that is of
   * no use after it.
   */
  #era = 0
  /** What is being read right now, so that it is not asked for twice. @type {Set<string>} */
  #under = new Set()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon

  /**
   * @param {{ store: import('../state/store.js').Store, socket: import('./sync.js').Socket, api: import('./sync.js').Api,
   *   failed: (error: unknown) => string }} parts `failed` gives the code of an error
   */
  constructor({ store, socket, api, failed }) {
    this.#store = store
    this.#socket = socket
    this.#api = api
    this.#failed = failed
  }

  /** Reads whatever may be out of date: the list, and the conversation that is open. */
  async refresh() {
    await Promise.all([this.readChats(), this.open === null ? null : this.#readHistory(this.open)])
  }

  /** @param {string} [before] the cursor of the next page */
  readChats(before) {
    return this.once(`chats ${before}`, async isVoid => {
      try {
        const { data, meta } = await this.#api.recents(before)
        if (isVoid()) return
        this.#store.apply({ type: 'recents', data, meta, more: before !== undefined })
      } catch (error) {
        this.#failed(error)
        if (!isVoid()) this.#store.apply({ type: 'recents_failed' })
      }
    })
  }

  readChatsSoon() {
    clearTimeout(this.#soon)
    this.#soon = setTimeout(() => this.readChats(), READ_SOON_MS)
  }

  /** Shows a conversation, reading what of it is not here. @param {ChatKey | null} key */
  show(key) {
    this.open = key
    if (key === null) return
    const { loaded, staleAfter } = this.#store.chat(key).thread
    if ((!loaded || staleAfter !== null) && this.#socket.connected) this.#readHistory(key)
  }

  /** Has a conversation read so far back that this message is in it, if that is not too far.
   * @param {ChatKey} chat @param {number} id */
  reach(chat, id) {
    this.#reach = { chat, id }
  }

  /** Reads the page before what is known. @param {ChatKey} key */
  readOlder(key) {
    const { loaded, hasMore, messages } = this.#store.chat(key).thread
    const oldest = messages[0]?.id ?? Infinity
    if (loaded && hasMore && oldest !== Infinity) this.#readHistory(key, oldest)
  }

  /** Has no answer count that was asked for before now. */
  void() {
    this.#era++
    this.#reach = null
  }

  /**
   * Runs `work` unless the same is under way. It is told how to see that its answers are of no use
   * any more.
   * @param {string} what
   * @param {(isVoid: () => boolean) => Promise<unknown>} work
   */
  async once(what, work) {
    const era = this.#era
    const key = `${era} ${what}`
    if (this.#under.has(key)) return
    this.#under.add(key)
    try {
      await work(() => era !== this.#era)
    } finally {
      this.#under.delete(key)
    }
  }

  /** @param {ChatKey} key @param {number} [before] */
  #readHistory(key, before) {
    return this.once(`history ${key} ${before}`, async isVoid => {
      const left = before === undefined && this.#reach?.chat === key ? this.#reach.id : Infinity
      try {
        const { data, hasMore } = await this.#pages(key, before, left)
        if (isVoid()) return
        this.#store.apply({ type: 'history', data, chat: key, hasMore, older: before !== undefined })
        if (left !== Infinity) this.#reach = null
      } catch (error) {
        this.#failed(error)
        if (isVoid()) return
        this.#store.apply({ type: 'history_failed', data: { chat: key } })
        // Still under way meanwhile, or a list that stands at its top would ask again at once.
        if (before) await pause(RETRY_MS)
      }
    })
  }

  /**
   * A page of history. The newest one reaches further back after a long absence, so that the
   * conversation opens at the first unread message; or to where one was.
   * @param {ChatKey} key
   * @param {number | undefined} before
   * @param {number} left
   */
  async #pages(key, before, left) {
    const { peerId, unread } = this.#store.chat(key)
    const search = before === undefined && countOf(unread) < UNREAD_MOST
    const { data, meta } = await this.#api.history(peerId, { limit: before ? OLDER_PAGE : PAGE, before })
    let hasMore = meta.has_more ?? false
    while (hasMore && data.length < UNREAD_MOST && (search && allUnread(data, peerId) || data[0]?.id > left)) {
      const earlier = await this.#api.history(peerId, { limit: LONGEST_PAGE, before: data[0].id })
      data.unshift(...earlier.data)
      hasMore = earlier.meta.has_more ?? false
    }
    return { data, hasMore }
  }
}

/** @param {any[]} page of history @param {number} peerId @returns {boolean} whether what came before may be unread, too */
function allUnread(page, peerId) {
  const received = page.filter(message => message.sender_id === peerId)
  return received.length > 0 && received.every(message => !message.is_read)
}
