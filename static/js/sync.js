// Keeps the store true: hears the socket, reads by REST what was missed, and sees that what was written
// here is stored at the server. It knows no page, so it runs under a test with a socket and a REST side
// that are made up.
//
// Messages to send are in the outbox, which survives a reload, until the server says that they are
// stored or refuses them. Trying again is always safe: the client id makes the server store one once.

import { ChatError } from './net/api.js'

/** @typedef {import('./state/store.js').Store} Store */
/** @typedef {import('./state/store.js').Message} Message */
/** @typedef {Pick<import('./net/socket.js').Socket, 'connected' | 'recovered' | 'emit' | 'tell' | 'addEventListener'>} Socket */
/** @typedef {Pick<import('./net/api.js').Api, 'recents' | 'history' | 'user' | 'updates'>} Api */
/** @typedef {Omit<import('./lib/shelf.js').Memory, 'saved'> & { saved?(): Promise<void> }} Memory */

/** On reconnecting, unsent messages go first; but reading does not wait longer than this for them. */
const SEND_FIRST_MS = 3_000
/** The wait before something is tried again that the server could not do just now. */
const RETRY_MS = 3_000
/** The wait before the list is read again because of events, so that many events are one reading. */
const READ_SOON_MS = 300
/** The peer may have closed the page in mid-word, so a typing line ends by itself. */
const TYPING_LASTS_MS = 6_000
/** The server knows a client id for 24 hours. After that a message could be stored twice: ask the person. */
const RESEND_WITHIN_MS = 20 * 3_600_000
/** One page of history; one of what came before, for a reader who scrolls fast; and the most that the server gives at once. */
const PAGE = 50
const OLDER_PAGE = 150
const LONGEST_PAGE = 500
/** Unread messages are looked for so far back; who missed more begins at the end. */
const UNREAD_MOST = 2_500
/** Whoever missed more than this many pages of events is better served by reading afresh. */
const UPDATE_PAGES_MOST = 5
/** How many people the server lets a socket watch. */
const WATCHED_MOST = 500
/** These are not refusals of a message: it was not sent, or nobody knows, or the server asks for patience. */
const TRY_AGAIN = ['offline', 'connection_lost', 'timeout', 'rate_limited', 'storage_unavailable']
/** With one of these the token is of no use any more. */
const SIGNED_OUT = ['missing_token', 'invalid_token', 'token_expired', 'account_disabled']

/** Says `signed-out` `{ code }` when the server no longer accepts the token. */
export class Sync extends EventTarget {
  /** The conversation that is open. @type {number | null} */
  open = null

  #store
  #socket
  #api
  #memory
  #draftKey
  #outboxKey
  #sending = false
  #readSaid = ''
  #watched = ''
  #meeting = false
  /** The message to which a conversation's first reading reaches back. @type {{ peerId: number, id: number } | null} */
  #reach = null
  /** The place up to which everything was heard, in the order of all that lasts. @type {string | undefined} */
  #cursor
  /** Whether nothing is missing before what is heard now, so that its place says where we are. */
  #complete = false
  /** How often the connection was made, so that what belongs to an earlier one is known. */
  #turn = 0
  /** How often the server's history turned out to be another one. What was asked before that is of no use after it. */
  #era = 0
  /** What is being read or asked right now, so that it is not asked twice. @type {Set<string>} */
  #under = new Set()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon
  /** @type {Map<number, ReturnType<typeof setTimeout>>} */
  #typingTimers = new Map()

  /** @param {{ store: Store, socket: Socket, api: Api, memory: Memory }} parts */
  constructor({ store, socket, api, memory }) {
    super()
    this.#store = store
    this.#socket = socket
    this.#api = api
    this.#memory = memory
    this.#draftKey = `draft.${store.me.id}.`
    this.#outboxKey = `outbox.${store.me.id}.`
    socket.addEventListener('connect', () => this.#connected())
    socket.addEventListener('disconnect', () => {
      this.#complete = false
      store.apply({ type: 'disconnected' })
    })
    socket.addEventListener('refused', event => this.#signedOut(/** @type {CustomEvent} */ (event).detail.code))
    socket.addEventListener('event', event => this.#heard(/** @type {CustomEvent} */ (event).detail))
    store.addEventListener('change', () => this.#meetAndWatch())
    this.#restore()
  }

  // Hearing.

  async #connected() {
    const turn = ++this.#turn
    this.#readSaid = this.#watched = ''
    this.#meetAndWatch()
    const { listState } = this.#store
    const shown = listState === 'ready' && (this.open === null || this.#store.chat(this.open).thread.loaded)
    // The first connection has nothing to catch up with: what is here, if anything, was read a moment ago.
    const heard = this.#socket.recovered ? 'all' : turn === 1 ? 'some' : await this.#catchUp(turn)
    if (turn !== this.#turn) return
    this.#complete = true
    if (shown && heard === 'all') return this.#sendPending()
    // What was missed is read again. First what is unsent: the history does not name client ids, so a
    // message stored just before the connection broke would for a moment stand there twice.
    if (heard !== 'unknown') this.#store.apply({ type: 'missed' })
    else this.#forgetHistory()
    await within(SEND_FIRST_MS, this.#sendPending())
    await this.refresh()
  }

  /** Hears by REST what the socket could not replay, where the server still knows the place. Where it does not, its data
   * may have gone back to an earlier state, in which what was read here is gone or has become something else.
   * @param {number} turn the connection for which it is done
   * @returns {Promise<'all' | 'some' | 'unknown'>} of what was missed; but for all, it is to be read afresh */
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
        // Many come back at once after a restart. As long as the answer is not known, nothing is thrown away.
        if (!TRY_AGAIN.includes(code)) return 'unknown'
        await pause(error instanceof ChatError && error.retryAfterMs || RETRY_MS)
      }
    }
    if (turn !== this.#turn || this.#cursor !== undefined) return 'some'
    return 'unknown'
  }

  /** Lets go all that the server ever said of messages. */
  #forgetHistory() {
    this.#cursor = undefined
    this.#era++
    this.#reach = null
    this.#store.apply({ type: 'rewound' })
  }

  /** @param {{ name: string, data: any, cursor?: string }} event */
  #heard({ name, data, cursor }) {
    // While something is missing the place stays before it. A socket that goes on tells what was missed first.
    if (cursor !== undefined && (this.#complete || this.#socket.recovered)) this.#cursor = cursor
    if (name === 'message_sent') return this.#stored(data)
    if (name === 'chat_error') {
      // An expired token ends the connection as well; the next attempt then brings the refusal.
      if (data.code !== 'token_expired') this.#failed(new ChatError(data.code))
      return
    }
    if (name === 'typing') this.#endTypingLater(data)
    this.#store.apply({ type: name, data })
    // Read on another device, but not all of it, or nobody knows which chat: the list has the count.
    const readElsewhere = data.reader_id === this.#store.me.id || name === 'messege_read' && data.user_id === this.#store.me.id
    if (readElsewhere && this.#store.totalUnread > 0) this.#readChatsSoon()
  }

  /** @param {{ user_id: number, is_typing: boolean }} data */
  #endTypingLater(data) {
    clearTimeout(this.#typingTimers.get(data.user_id))
    if (!data.is_typing) return
    const over = { type: 'typing', data: { ...data, is_typing: false } }
    this.#typingTimers.set(data.user_id, setTimeout(() => this.#store.apply(over), TYPING_LASTS_MS))
  }

  /** @param {string} code */
  #signedOut(code) {
    this.dispatchEvent(new CustomEvent('signed-out', { detail: { code } }))
  }

  /** @param {unknown} error @returns {string} its code; what is no ChatError is a mistake of ours */
  #failed(error) {
    if (!(error instanceof ChatError)) throw error
    if (SIGNED_OUT.includes(error.code)) this.#signedOut(error.code)
    return error.code
  }

  // Reading. Every answer is merged into the store, so it does not matter what arrives in between.

  /** Runs `work` unless the same is under way. It is told how to see that its answers are of no use any more.
   * @param {string} what @param {(isVoid: () => boolean) => Promise<unknown>} work */
  async #once(what, work) {
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

  /** Reads whatever may be out of date: the list, and the conversation that is open. */
  async refresh() {
    await Promise.all([this.readChats(), this.open === null ? null : this.#readHistory(this.open)])
  }

  /** @param {string} [before] the cursor of the next page */
  readChats(before) {
    return this.#once(`chats ${before}`, async isVoid => {
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

  #readChatsSoon() {
    clearTimeout(this.#soon)
    this.#soon = setTimeout(() => this.readChats(), READ_SOON_MS)
  }

  /** Shows a conversation, reading what of it is not here. @param {number | null} peerId */
  show(peerId) {
    this.open = peerId
    this.#meetAndWatch()
    if (peerId === null) return
    const { loaded, staleAfter } = this.#store.chat(peerId).thread
    if ((!loaded || staleAfter !== null) && this.#socket.connected) this.#readHistory(peerId)
  }

  /** Has a conversation read so far back that this message is in it, if that is not too far.
   * @param {number} peerId @param {number} id */
  reach(peerId, id) {
    this.#reach = { peerId, id }
  }

  /** The page before what is known. @param {number} peerId */
  readOlder(peerId) {
    const { loaded, hasMore, messages } = this.#store.chat(peerId).thread
    const oldest = messages[0]?.id ?? Infinity
    if (loaded && hasMore && oldest !== Infinity) this.#readHistory(peerId, oldest)
  }

  /** @param {number} peerId @param {number} [before] */
  #readHistory(peerId, before) {
    return this.#once(`history ${peerId} ${before}`, async isVoid => {
      const store = this.#store
      try {
        const { data, meta } = await this.#api.history(peerId, { limit: before ? OLDER_PAGE : PAGE, before })
        let hasMore = meta.has_more ?? false
        // After a long absence more, so that the conversation opens at the first unread message; or where one was.
        const search = before === undefined && store.unread(store.chat(peerId)) < UNREAD_MOST
        const left = before === undefined && this.#reach?.peerId === peerId ? this.#reach.id : Infinity
        while (hasMore && data.length < UNREAD_MOST && (search && allUnread(data, peerId) || data[0]?.id > left)) {
          const earlier = await this.#api.history(peerId, { limit: LONGEST_PAGE, before: data[0].id })
          data.unshift(...earlier.data)
          hasMore = earlier.meta.has_more ?? false
        }
        if (isVoid()) return
        store.apply({ type: 'history', data, peerId, hasMore, older: before !== undefined })
        if (left !== Infinity) this.#reach = null
      } catch (error) {
        this.#failed(error)
        if (isVoid()) return
        store.apply({ type: 'history_failed', data: { peerId } })
        // Still under way meanwhile, or a list that stands at its top would ask again at once.
        if (before) await pause(RETRY_MS)
      }
    })
  }

  /** Learns who the people of the chats are, and asks to hear when they come and go. */
  async #meetAndWatch() {
    if (this.#meeting) return
    // A little later, so that all changes of this moment are one.
    this.#meeting = true
    await null
    this.#meeting = false
    const ids = this.#store.list().map(({ chat }) => chat.peerId).slice(0, WATCHED_MOST - 1)
    if (this.open !== null && !ids.includes(this.open)) ids.push(this.open)
    // The list names nearly everybody; only who is not on it is asked for one by one.
    if (this.#store.listState !== 'loading') for (const id of ids) if (!this.#store.users.has(id)) this.#meet(id)
    const watched = ids.sort((a, b) => a - b).join()
    if (!this.#socket.connected || watched === this.#watched) return
    this.#watched = watched
    try {
      const { users } = await this.#socket.emit('presence_subscribe', { user_ids: ids })
      for (const data of users) this.#store.apply({ type: 'presence', data })
    } catch (error) {
      this.#failed(error)
      this.#watched = ''
    }
  }

  /** @param {number} id */
  #meet(id) {
    this.#once(`user ${id}`, async isVoid => {
      try {
        const data = await this.#api.user(id)
        if (!isVoid()) this.#store.apply({ type: 'user', data })
      } catch (error) {
        if (this.#failed(error) === 'not_found') this.#store.apply({ type: 'user_unknown', data: { id } })
        else await pause(RETRY_MS)
      }
    })
  }

  // Writing.

  /** @param {{ clientId: string, peerId: number, content: string, createdAt: string }} message */
  send(message) {
    const { clientId, ...kept } = message
    // Both at once, so that the text is never in neither: from the draft it goes to the outbox.
    this.#memory.remember(this.#outboxKey + clientId, kept)
    this.draft(message.peerId, '')
    this.#store.apply({ type: 'send', data: message })
    this.#sendPending()
  }

  /** Tries a refused message again. @param {number} peerId @param {string} clientId */
  retry(peerId, clientId) {
    this.#store.apply({ type: 'retry', data: { peerId, clientId } })
    this.#sendPending()
  }

  /** @param {number} peerId @param {string} clientId */
  discard(peerId, clientId) {
    this.#memory.remember(this.#outboxKey + clientId, null)
    this.#store.apply({ type: 'discard', data: { peerId, clientId } })
  }

  /** @param {number} peerId @param {string} text */
  draft(peerId, text) {
    this.#memory.remember(this.#draftKey + peerId, text)
    this.#store.apply({ type: 'draft', data: { peerId, text } })
  }

  /** @param {number} peerId @param {boolean} isTyping */
  typing(peerId, isTyping) {
    this.#socket.tell('typing', { receiver_id: peerId, is_typing: isTyping })
  }

  /** Everything up to a message has been read by the person here. @param {number} peerId @param {number} upTo */
  async read(peerId, upTo) {
    const said = `${peerId} ${upTo}`
    if (!this.#socket.connected || said === this.#readSaid) return
    this.#readSaid = said
    try {
      await this.#socket.emit('mark_chat_as_read', { user_id: peerId, up_to: upTo })
      this.#store.apply({ type: 'chat_read', data: { reader_id: this.#store.me.id, peer_id: peerId, up_to: upTo } })
    } catch (error) {
      // Said again with the next reason to, which is a new message or a new connection.
      this.#failed(error)
      this.#readSaid = ''
    }
  }

  /** Forgets what this device kept of the account: drafts, and messages that were not sent. */
  async forget() {
    for (const start of [this.#draftKey, this.#outboxKey]) {
      for (const key of this.#memory.recallKeys(start)) this.#memory.remember(start + key, null)
    }
    await this.#memory.saved?.()
  }

  /** One message is on its way at a time: what was written first is stored first. */
  async #sendPending() {
    if (this.#sending) return
    this.#sending = true
    try {
      for (let next; this.#socket.connected && (next = this.#store.pending()[0]);) await this.#deliver(next)
    } finally {
      this.#sending = false
    }
  }

  /** @param {Message} message */
  async #deliver({ clientId, receiverId: peerId, content }) {
    try {
      this.#stored(await this.#socket.emit('send_message', { receiver_id: peerId, content, client_id: clientId }))
    } catch (error) {
      const code = this.#failed(error)
      if (!TRY_AGAIN.includes(code) && !SIGNED_OUT.includes(code)) this.#store.apply({ type: 'send_failed', data: { clientId, peerId, code } })
      // After a lost connection the next one is reason enough; else the server needs a moment.
      else if (code !== 'connection_lost') {
        const wait = error instanceof ChatError && error.retryAfterMs || RETRY_MS
        if (code === 'rate_limited') this.#store.apply({ type: 'send_waits', data: { until: Date.now() + wait } })
        await pause(wait)
      }
    }
  }

  /** @param {any} data of `message_sent`, by event or by ack, whichever comes first */
  #stored(data) {
    if (data.client_id) this.#memory.remember(this.#outboxKey + data.client_id, null)
    this.#store.apply({ type: 'message_sent', data })
  }

  #restore() {
    for (const key of this.#memory.recallKeys(this.#draftKey)) {
      this.#store.apply({ type: 'draft', data: { peerId: Number(key), text: this.#memory.recall(this.#draftKey + key) } })
    }
    const unsent = this.#memory.recallKeys(this.#outboxKey)
      .map(clientId => ({ clientId, ...this.#memory.recall(this.#outboxKey + clientId) }))
      .sort((a, b) => a.createdAt < b.createdAt ? -1 : 1)
    for (const data of unsent) {
      this.#store.apply({ type: 'send', data })
      const tooOld = Date.now() - new Date(data.createdAt).getTime() > RESEND_WITHIN_MS
      if (tooOld) this.#store.apply({ type: 'send_failed', data: { ...data, code: 'stale' } })
    }
  }
}

/** @param {any[]} page of history @param {number} peerId @returns {boolean} whether what came before may be unread, too */
function allUnread(page, peerId) {
  const received = page.filter(message => message.sender_id === peerId)
  return received.length > 0 && received.every(message => !message.is_read)
}

/** @param {number} ms */
const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Waits for some work, but not longer than this. @param {number} ms @param {Promise<unknown>} work */
async function within(ms, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  await Promise.race([work, new Promise(resolve => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}
