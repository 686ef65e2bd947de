// Reads by REST what the page does not have: the list of chats, and conversations page by page.
// Every answer is merged into the store, so it does not matter what arrives in between.

import { idOf, isRoom, isUnread, naming } from '../state/chats.js'
import { SMALL } from '../state/rooms.js'
import { fromWire, newestId } from '../state/timeline.js'
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
  /** True where something answers in place of a server that cannot be reached. */
  hasKept = false

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
  /** The rooms that are known as they are now. @type {Set<ChatKey>} */
  #rooms = new Set()
  /**
   * The rooms that are being read, each with the end of it.
   * @type {Map<ChatKey, Promise<unknown>>}
   */
  #entering = new Map()
  /**
   * What is being read right now, each with the end of it, so that it is not asked for twice.
   * @type {Map<string, Promise<unknown>>}
   */
  #under = new Map()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon

  /**
   * @param {{ store: import('../state/store.js').Store, socket: import('./sync.js').Socket,
   *   api: import('./sync.js').Api, failed: (error: unknown) => string }} parts `failed` gives the
   *   code of an error
   */
  constructor({ store, socket, api, failed }) {
    this.#store = store
    this.#socket = socket
    this.#api = api
    this.#failed = failed
  }

  /** Reads whatever may be out of date: the list, and the conversation that is open. */
  async refresh() {
    this.#rooms.clear()
    const { open } = this
    await Promise.all([this.readChats(), open === null ? null : this.#readRoom(open), open === null ? null : this.#readHistory(open)])
  }

  /** @param {string} [before] the cursor of the next page */
  readChats(before) {
    return this.once(`chats ${before}`, async isVoid => {
      try {
        const { data, meta } = await this.#api.inbox(before)
        if (isVoid()) return
        this.#store.apply({ type: 'inbox', data, meta, more: before !== undefined })
        if (before === undefined) this.#askAfterMissing(data, !meta.next_before)
      } catch (error) {
        this.#failed(error)
        if (!isVoid()) this.#store.apply({ type: 'inbox_failed' })
      }
    })
  }

  /**
   * Reads the rooms that are not where they stood in the list: one may have left them elsewhere.
   * @param {any[]} rows the list's head @param {boolean} isAll whether it is all of the list
   */
  #askAfterMissing(rows, isAll) {
    const there = new Set(rows.map(({ room }) => room?.id))
    const oldest = isAll ? 0 : Math.min(...rows.map(({ last_message }) => last_message?.id ?? Infinity))
    for (const { chat: { key, room }, last } of this.#store.list()) {
      if (room && !there.has(room.id) && (last?.id ?? 0) >= oldest) this.#readRoom(key)
    }
  }

  readChatsSoon() {
    clearTimeout(this.#soon)
    this.#soon = setTimeout(async () => {
      // An answer that is on its way may be older than the reason to ask.
      await this.#under.get(this.#naming('chats undefined'))
      this.readChats()
    }, READ_SOON_MS)
  }

  /** One is no member any more: what the room is then is asked anew. @param {ChatKey} key */
  forget(key) { this.#rooms.delete(key) }

  /** Shows a conversation, reading what of it is not here. @param {ChatKey | null} key */
  show(key) {
    this.open = key
    if (key === null) return
    const { loaded, staleAfter } = this.#store.chat(key).thread
    if (!this.#socket.connected && !this.hasKept) return
    this.#readRoom(key)
    if (!loaded || staleAfter !== null) this.#readHistory(key)
  }

  /**
   * Shows the part of a conversation around a message that is not here, and leaves out what lies
   * between.
   * @param {ChatKey} key
   * @param {number} id
   */
  async readAround(key, id) {
    await this.once(`history ${key} around`, async isVoid => {
      try {
        const { data, meta, asked } = await this.#unchanged(key, () => this.#api.history(naming(key), { around: id, limit: PAGE }))
        if (isVoid()) return
        this.#store.apply({ type: 'history', data, chat: key, hasMore: meta.has_more ?? false, hasNewer: meta.has_newer ?? false, asked })
      } catch (error) {
        this.#failed(error)
        throw error
      }
    })
  }

  /** Reads the page after what is known, where the conversation goes on. @param {ChatKey} key */
  readNewer(key) {
    const { thread: { messages, hasNewer } } = this.#store.chat(key)
    if (!hasNewer) return
    return this.once(`history ${key} newer`, async isVoid => {
      try {
        const { data, meta, asked } = await this.#unchanged(key, () => this.#api.history(naming(key), { after: newestId(messages), limit: OLDER_PAGE }))
        const hasNewer = meta.has_newer ?? meta.has_more ?? false
        if (!isVoid()) this.#store.apply({ type: 'history', data, chat: key, newer: true, hasNewer, asked })
      } catch (error) {
        this.#failed(error)
        await pause(RETRY_MS)
        if (!isVoid()) this.#store.apply({ type: 'history_failed', data: { chat: key } })
      }
    })
  }

  /** Reads the end of a conversation that is shown somewhere in the past. @param {ChatKey} key */
  readNewest(key) { if (this.#socket.connected || this.hasKept) return this.#readHistory(key) }

  /**
   * After a connection that missed nothing that lasts: who has read is told to those alone who
   * listen.
   */
  readSeen() {
    const { open } = this
    const { room } = open === null ? { room: null } : this.#store.chat(open)
    if (open !== null && room && room.memberCount <= SMALL) return this.#readSeen(open)
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
    this.#rooms.clear()
  }

  /**
   * Runs `work` unless the same is under way. It is told how to see that its answers are of no use
   * any more.
   * @param {string} what
   * @param {(isVoid: () => boolean) => Promise<unknown>} work
   */
  async once(what, work) {
    const era = this.#era
    const key = this.#naming(what)
    if (this.#under.has(key)) return
    const done = work(() => era !== this.#era).finally(() => this.#under.delete(key))
    this.#under.set(key, done)
    await done
  }

  /** @param {string} what is read */
  #naming(what) { return `${this.#era} ${what}` }

  /** Reads what a room is, who is in it, and who has read. @param {ChatKey} key */
  #readRoom(key) {
    if (!isRoom(key) || this.#rooms.has(key)) return
    const entering = this.#enter(key).finally(() => this.#entering.delete(key))
    if (!this.#entering.has(key)) this.#entering.set(key, entering)
    return entering
  }

  /** @param {ChatKey} key */
  #enter(key) {
    return this.once(`room ${key}`, async isVoid => {
      try {
        // Who may join a room is told what it is, but not who is in it.
        const inside = this.#api.members(idOf(key)).catch(error => {
          if (this.#failed(error) === 'not_found') return null
          throw error
        })
        const [room, people] = await Promise.all([this.#api.room(idOf(key)), inside])
        if (isVoid()) return
        // One that is open is still there for who has left it.
        if (!room.mine && this.#store.chat(key).room?.role) return this.#store.apply({ type: 'room_left', chat: key })
        this.#rooms.add(key)
        this.#store.apply({ type: 'room', data: { room, members: people?.data, next: people?.meta.next_after } })
        if (room.member_count <= SMALL && room.mine) this.#readSeen(key)
      } catch (error) {
        // Left on another device, or never entered.
        if (this.#failed(error) === 'not_found' && !isVoid()) this.#store.apply({ type: 'room_left', chat: key })
      }
    })
  }

  /** @param {ChatKey} key */
  async #readSeen(key) {
    try {
      const data = await this.#api.reads(idOf(key))
      this.#store.apply({ type: 'reads', data, chat: key })
    } catch (error) {
      this.#failed(error)
    }
  }

  /** @param {ChatKey} key @param {number} [before] */
  #readHistory(key, before) {
    return this.once(`history ${key} ${before}`, async isVoid => {
      const left = before === undefined && this.#reach?.chat === key ? this.#reach.id : Infinity
      try {
        // Where the reader's position is comes with the room.
        const [{ data, hasMore, asked }] = await Promise.all([
          this.#unchanged(key, () => this.#pages(key, before, left)),
          this.#entering.get(key),
        ])
        if (isVoid()) return
        this.#store.apply({ type: 'history', data, chat: key, hasMore, older: before !== undefined, asked })
        if (left !== Infinity) this.#reach = null
      } catch (error) {
        this.#failed(error)
        // Still under way meanwhile, or a list that stands at its top, or waits for its end, would
        // ask again at once; then it is told, and does.
        if (before || this.#store.chat(key).thread.hasNewer) await pause(RETRY_MS)
        if (!isVoid()) this.#store.apply({ type: 'history_failed', data: { chat: key } })
      }
    })
  }

  /**
   * Asks for messages, and again where some of the chat were changed meanwhile: of one that is not
   * here yet no change is kept.
   * @template Page
   * @param {ChatKey} key
   * @param {() => Promise<Page>} ask
   * @param {number} [times] at most; who waits is not to wait for a busy chat to rest
   * @returns {Promise<Page & { asked: number }>} `asked`: when, as the store counts events
   */
  async #unchanged(key, ask, times = 3) {
    const asked = this.#store.heard
    const page = await ask()
    return times > 1 && this.#store.chat(key).changedAt > asked ? this.#unchanged(key, ask, times - 1) : { ...page, asked }
  }

  /**
   * A page of history. The newest one reaches further back after a long absence, so that the
   * conversation opens at the first unread message; or to where one was.
   * @param {ChatKey} key
   * @param {number | undefined} before
   * @param {number} left
   */
  async #pages(key, before, left) {
    const chat = this.#store.chat(key)
    const search = before === undefined && countOf(chat.unread) < UNREAD_MOST
    const { data, meta } = await this.#api.history(naming(key), { limit: before ? OLDER_PAGE : PAGE, before })
    let hasMore = meta.has_more ?? false
    while (!this.hasKept && hasMore && data.length < UNREAD_MOST && (search && this.#allUnread(data, chat) || data[0]?.id > left)) {
      const earlier = await this.#api.history(naming(key), { limit: LONGEST_PAGE, before: data[0].id })
      data.unshift(...earlier.data)
      hasMore = earlier.meta.has_more ?? false
    }
    return { data, hasMore }
  }

  /**
   * @param {any[]} page of history
   * @param {import('../state/chats.js').Chat} chat
   * @returns {boolean} whether what came before may be unread, too
   */
  #allUnread(page, chat) {
    const { id: myId } = this.#store.me
    const received = page.map(row => fromWire(row, myId)).filter(({ senderId }) => senderId !== myId)
    if (isRoom(chat.key)) return received.length < countOf(chat.unread)
    return received.length > 0 && received.every(message => isUnread(chat, message, myId))
  }
}
