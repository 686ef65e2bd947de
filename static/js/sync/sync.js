// Keeps the store true: hears the socket, has read what was missed (reader.js), and has sent what
// was written here (outbox.js). It knows no page, so it runs under a test with a socket and a REST
// side that are made up.

import { late } from '../lib/late.js'
import { ChatError, SIGNED_OUT } from '../net/api.js'
import { idOf, isRoom, naming, pairKey, roomKey } from '../state/chats.js'
import { SMALL } from '../state/rooms.js'
import { RETRY_MS, TRY_AGAIN, pause } from './codes.js'
import { InView } from './in-view.js'
import { Kept } from './kept.js'
import { Outbox } from './outbox.js'
import { People } from './people.js'
import { Reader } from './reader.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/**
 * @typedef {Pick<import('../net/socket.js').Socket,
 *   'connected' | 'recovered' | 'emit' | 'tell' | 'addEventListener' | 'removeEventListener'
 *   >} Socket
 */
/**
 * @typedef {Pick<import('../net/api.js').Api,
 *   'inbox' | 'history' | 'user' | 'updates' | 'room' | 'members' | 'reads' | 'reactors' |
 *   'server' | 'ask' | 'request'>} Api
 */

/**
 * On reconnecting, unsent messages go first; but reading does not wait longer than this for them.
 */
const SEND_FIRST_MS = 3_000
/** The peer may have closed the page in mid-word, so a typing line ends by itself. */
const TYPING_LASTS_MS = 6_000
/** The URL of a file holds for a day at least; after half of that there is to be a fresh one. */
const URLS_HOLD_MS = 12 * 3_600_000
/** After more than this many pages of missed events it is better to read afresh. */
const UPDATE_PAGES_MOST = 5

/** Says `signed-out` `{ code }` when the server no longer accepts the token. */
export class Sync extends EventTarget {
  #store
  #socket
  #api
  #kept
  #outbox
  #reader
  #people
  #inView
  #readSaid = ''
  /**
   * The place up to which everything was heard, in the order of all that lasts.
   * @type {string | undefined}
   */
  #cursor
  /**
   * True while nothing is missing before what is heard now, so that its place says where we are.
   */
  #complete = false
  /** Since when the URLs of files that are here hold, as `Date.now()` counts. */
  #urlsAt = Date.now()
  /** How often the connection was made, so that what belongs to an earlier one is known. */
  #turn = 0
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #typingTimers = new Map()

  /**
   * @param {{ store: Store, socket: Socket, api: Api, memory: import('./kept.js').Memory }} parts
   */
  constructor({ store, socket, api, memory }) {
    super()
    const failed = (/** @type {unknown} */ error) => this.#failed(error)
    this.#store = store
    this.#socket = socket
    this.#api = api
    this.#kept = new Kept(memory, store.me.id)
    this.#reader = new Reader({ store, socket, api, failed })
    this.#people = new People({ store, socket, api, reader: this.#reader, failed })
    this.#inView = new InView(socket)
    socket.addEventListener('connect', () => this.#connected())
    socket.addEventListener('disconnect', () => {
      this.#complete = false
      store.apply({ type: 'disconnected' })
    })
    socket.addEventListener('refused', event => this.#signedOut(/** @type {CustomEvent} */ (event).detail.code))
    socket.addEventListener('event', event => this.#heard(/** @type {CustomEvent} */ (event).detail))
    store.addEventListener('change', () => this.#people.meet())
    store.addEventListener('gone', event => {
      const { chat, left } = /** @type {CustomEvent} */ (event).detail
      if (!left) return this.#reader.readChatsSoon()
      this.#kept.dropChat(chat)
      this.#reader.forget(chat)
    })
    this.#outbox = new Outbox({ store, socket, api, kept: this.#kept, failed })
  }

  // What the person does.

  /** The conversation that is open. */
  get open() { return this.#reader.open }

  /** Shows a conversation. @param {ChatKey | null} key */
  show(key) {
    this.#reader.show(key)
    this.#inView.show(key)
    this.#people.meet()
  }

  /** @param {boolean} has whether something answers in place of a server that cannot be reached */
  set hasKept(has) { this.#reader.hasKept = has }

  /** @param {boolean} looks whether the page is seen and has the focus */
  look(looks) {
    this.#inView.look(looks)
    if (looks) this.#freshenUrls()
  }

  /**
   * Has a conversation's first reading reach back to a message.
   * @param {ChatKey} key
   * @param {number} id
   */
  reach(key, id) { this.#reader.reach(key, id) }

  refresh() { return this.#reader.refresh() }

  /** Reads the next page of the list. */
  readMoreChats() { return this.#reader.readChats(this.#store.nextChats) }

  /** @param {ChatKey} key */
  readOlder(key) { this.#reader.readOlder(key) }

  /** @param {import('./kept.js').Unsent} message */
  send(message) { this.#outbox.send(message) }

  /** @param {ChatKey} key @param {string} clientId */
  retry(key, clientId) { this.#outbox.retry(key, clientId) }

  /** @param {ChatKey} key @param {string} clientId */
  discard(key, clientId) { this.#outbox.discard(key, clientId) }

  /** @param {ChatKey} key @param {string} text */
  draft(key, text) { this.#outbox.draft(key, text) }

  /** @param {ChatKey} key @param {boolean} isTyping */
  typing(key, isTyping) {
    const { room } = this.#store.chat(key)
    // A room may have grown since it heard of it, and hears of the end.
    if (!isTyping || !room || room.memberCount <= SMALL) this.#socket.tell('typing', { ...naming(key, 'receiver_id'), is_typing: isTyping })
  }

  /** @param {ChatKey} key @param {number} id of a message that is not here */
  jump(key, id) { return this.#reader.readAround(key, id) }

  /** @param {ChatKey} key */
  readNewer(key) { return this.#reader.readNewer(key) }

  /** @param {ChatKey} key */
  readNewest(key) { return this.#reader.readNewest(key) }

  // Changing what was said: each is told when the server has stored it, and throws where it has
  // not.

  /** @param {number} id @param {string} content */
  edit(id, content) { return this.#change('edit_message', 'message_edited', { message_id: id, content }) }

  /** @param {number} id */
  remove(id) { return this.#change('delete_message', 'message_deleted', { message_id: id }) }

  /** @param {number} id @param {string} emoji @param {boolean} on */
  react(id, emoji, on) { return this.#change('react', 'reaction', { message_id: id, emoji, on }) }

  /**
   * @param {string} name of what is asked
   * @param {string} type of the event by which the server tells of it
   * @param {{ message_id: number, [detail: string]: unknown }} payload
   */
  async #change(name, type, payload) {
    const chat = this.#store.message(payload.message_id)?.chat.key
    try {
      const data = await this.#socket.emit(name, payload)
      const place = chat === undefined ? {} : isRoom(chat) ? naming(chat) : { sender_id: this.#store.me.id, ...naming(chat, 'receiver_id') }
      if (chat !== undefined) this.#store.hear({ type, data: { deleted_at: new Date().toISOString(), ...place, ...data } })
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  /**
   * @param {number} id
   * @param {string} emoji
   * @returns {Promise<{ user_id: number, username: string, name?: string }[]>} whose reaction it is
   */
  async reactors(id, emoji) {
    try {
      return await this.#api.reactors(id, emoji)
    } catch (error) {
      this.#failed(error)
      return []
    }
  }

  /**
   * @returns {Promise<{ editWindow: number | null | undefined } | null>} what the server lets be
   *   changed; null where it did not say
   */
  async rules() {
    try {
      const { edit_window_ms } = await this.#api.server()
      return { editWindow: edit_window_ms }
    } catch (error) {
      this.#failed(error)
      return null
    }
  }

  /**
   * Looks for members of a room that is too large to be read whole.
   * @param {ChatKey} key
   * @param {string} query
   */
  async findMembers(key, query) {
    try {
      const { data } = await this.#api.members(idOf(key), { query, limit: 20 })
      this.#store.apply({ type: 'members_found', data, chat: key })
    } catch (error) {
      this.#failed(error)
    }
  }

  /**
   * Says that a message is to be deleted, for a page that ends before the answer.
   * @param {number} id
   */
  removeAtOnce(id) { this.#socket.tell('delete_message', { message_id: id }) }

  /**
   * Everything up to a message has been read by the person here.
   * @param {ChatKey} key
   * @param {number} upTo
   */
  async read(key, upTo) {
    const said = `${key} ${upTo}`
    if (!this.#socket.connected || said === this.#readSaid) return
    this.#readSaid = said
    try {
      const data = await this.#socket.emit('mark_chat_as_read', { ...naming(key), up_to: upTo })
      const { peerId } = this.#store.chat(key)
      this.#store.apply(isRoom(key) ? { type: 'room_read', data }
        : { type: 'chat_read', data: { reader_id: this.#store.me.id, peer_id: peerId, up_to: upTo } })
    } catch (error) {
      // Said again with the next reason to, which is a new message or a new connection.
      this.#failed(error)
      this.#readSaid = ''
    }
  }

  /**
   * Forgets for good what this device keeps of the account: drafts, messages that were not sent,
   * and where it was read.
   */
  forget() { return this.#kept.forget() }

  /** Forgets the same of all others who were signed in on this device. */
  forgetOthers() { return this.#kept.forgetOthers() }

  // What the server says.

  async #connected() {
    const turn = ++this.#turn
    this.#readSaid = ''
    this.#freshenUrls()
    this.#people.watchAnew()
    const { listState } = this.#store
    const shown = listState === 'ready' && (this.open === null || this.#store.chat(this.open).thread.loaded)
    // The first connection has nothing to catch up with: what is here, if anything, was read a
    // moment ago.
    const heard = this.#socket.recovered ? 'all' : turn === 1 ? 'some' : await this.#catchUp(turn)
    if (turn !== this.#turn) return
    this.#complete = true
    if (shown && heard === 'all') {
      // The names and pictures of people are no entries, and the list has them.
      if (!this.#socket.recovered) this.#reader.readChatsSoon()
      this.#reader.readSeen()
      return this.#outbox.sendPending()
    }
    // What was missed is read again. First what is unsent: the history does not name client ids, so
    // a message stored just before the connection broke would for a moment stand there twice.
    if (heard !== 'unknown') this.#store.apply({ type: 'missed' })
    else this.#forgetHistory()
    await within(SEND_FIRST_MS, this.#outbox.sendPending())
    await this.refresh()
  }

  /**
   * Hears by REST what the socket could not replay, where the server still knows the place. Where
   * it does not, its data may have gone back to an earlier state, in which what was read here is
   * gone or has become something else.
   * @param {number} turn the connection for which it is done
   * @returns {Promise<'all' | 'some' | 'unknown'>} of what was missed; but for all, it is to be
   *   read afresh
   */
  async #catchUp(turn) {
    for (let page = 0; page < UPDATE_PAGES_MOST && this.#cursor !== undefined && turn === this.#turn;) {
      try {
        const { data, meta } = await this.#api.updates(this.#cursor)
        if (turn !== this.#turn) break
        for (const { event, data: payload } of data) this.#heard({ name: event, data: payload })
        this.#cursor = meta.cursor ?? undefined
        page++
        if (!meta.has_more) return this.#cursor === undefined ? 'some' : 'all'
      } catch (error) {
        const code = this.#failed(error)
        // Many come back at once after a restart. As long as the answer is not known, nothing is
        // thrown away.
        if (!TRY_AGAIN.includes(code)) return 'unknown'
        await pause(error instanceof ChatError && error.retryAfterMs || RETRY_MS)
      }
    }
    if (turn !== this.#turn || this.#cursor !== undefined) return 'some'
    return 'unknown'
  }

  /** Gives all files that are here URLs that hold, in a page that is open for long. */
  async #freshenUrls() {
    if (!this.#socket.connected || Date.now() - this.#urlsAt < URLS_HOLD_MS) return
    const before = this.#urlsAt
    this.#urlsAt = Date.now()
    await late(() => import('./file-urls.js')).then(({ freshenUrls }) => freshenUrls(this.#store, this.#api))
      // With the next reason to, it may go better.
      .catch(() => { this.#urlsAt = before })
  }

  /** Lets go all that the server ever said of messages. */
  #forgetHistory() {
    this.#cursor = undefined
    this.#reader.void()
    this.#store.apply({ type: 'rewound' })
  }

  /** @param {{ name: string, data: any, cursor?: string }} event */
  #heard({ name, data, cursor }) {
    // While something is missing the place stays before it. A socket that goes on tells what was
    // missed first.
    if (cursor !== undefined && (this.#complete || this.#socket.recovered)) this.#cursor = cursor
    if (name === 'message_sent' || name === 'room_message' && data.sender_id === this.#store.me.id) return this.#outbox.stored(data)
    if (name === 'chat_error') {
      // An expired token ends the connection as well; the next attempt then brings the refusal.
      if (data.code !== 'token_expired') this.#failed(new ChatError(data.code))
      return
    }
    if (name === 'typing' || name === 'room_typing') this.#endTypingLater(name, data)
    this.#store.hear({ type: name, data })
    const joined = name === 'room_member' && data.user_id === this.#store.me.id && data.change === 'joined'
    if (name === 'room_skipped' || joined) {
      if (this.open === roomKey(data.room_id)) this.#reader.refresh()
      this.#reader.readChatsSoon()
    }
    // Read on another device, but not all of it, or it is not known in which chat: the list has the
    // count.
    const readElsewhere = data.reader_id === this.#store.me.id || name === 'messege_read' && data.user_id === this.#store.me.id
    if (readElsewhere && this.#store.totalUnread > 0) this.#reader.readChatsSoon()
  }

  /**
   * @param {string} type
   * @param {{ user_id: number, room_id?: number, is_typing: boolean }} data
   */
  #endTypingLater(type, data) {
    const line = `${data.room_id === undefined ? pairKey(data.user_id) : roomKey(data.room_id)} ${data.user_id}`
    clearTimeout(this.#typingTimers.get(line))
    if (!data.is_typing) return
    const over = { type, data: { ...data, is_typing: false } }
    this.#typingTimers.set(line, setTimeout(() => this.#store.apply(over), TYPING_LASTS_MS))
  }

  /** @param {string} code */
  #signedOut(code) {
    this.dispatchEvent(new CustomEvent('signed-out', { detail: { code } }))
  }

  /**
   * @param {unknown} error
   * @returns {string} its code; what is no ChatError is a mistake of ours
   */
  #failed(error) {
    if (!(error instanceof ChatError)) throw error
    if (SIGNED_OUT.includes(error.code)) this.#signedOut(error.code)
    return error.code
  }
}

/**
 * Waits for some work, but not longer than this.
 * @param {number} ms
 * @param {Promise<unknown>} work
 */
async function within(ms, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  await Promise.race([work, new Promise(resolve => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}
