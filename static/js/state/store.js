// All that the page knows about chats, and the only place where it changes: `apply` takes the
// server's events under their own names, the answers of REST, and what the person does here; then
// `change` tells the elements. Pure: no network, no clock, no document. The first half is plain
// functions over a timeline (a chat's messages, oldest first), the second the store over all chats.
//
// Three sources tell of the same messages (live events, pages of history, our own sending), in any
// order and more than once. So everything here merges by id and by client id, and only grows: a
// message once stored is not pending again, and a message once read is not unread again.

/** @typedef {import('../net/api.js').User} User */
/** @typedef {'pending' | 'failed' | 'stored'} State */
/**
 * @typedef {{ id: number, clientId: string | null, senderId: number, receiverId: number, content: string,
 *   createdAt: string, isRead: boolean, state: State, problem?: string }} Message
 * `id` is Infinity until the server has stored the message and given it one.
 */
/** @typedef {{ type: string, data?: any, [detail: string]: any }} StoreEvent */

/** Messages of one person closer together than this look like one turn. */
const GROUP_MS = 5 * 60_000

/**
 * The message as the page holds it, from any of the server's shapes.
 * @param {any} wire
 * @param {number} myId the sender where the shape names none: only `message_sent` does not
 * @returns {Message}
 */
export function fromWire(wire, myId) {
  return {
    id: wire.id,
    clientId: wire.client_id ?? null,
    senderId: wire.sender_id ?? myId,
    receiverId: wire.receiver_id,
    content: wire.content,
    createdAt: wire.created_at,
    isRead: wire.is_read ?? false,
    state: 'stored',
  }
}

/**
 * Where a stored message stands in a timeline, or would: the first place whose id is not smaller. What
 * is not stored has the id Infinity and so stands behind all that is.
 * @param {Message[]} timeline
 * @param {number} id
 */
export function indexOf(timeline, id) {
  let low = 0, high = timeline.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (timeline[middle].id < id) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Puts a message where it belongs. Pending ones (id Infinity) come last, in the order of sending;
 * the confirmed twin takes the pending one's place and keeps its client id, by which its bubble is
 * known, so that nothing flickers.
 * @param {Message[]} timeline
 * @param {Message} message
 * @returns {Message[]}
 */
export function place(timeline, message) {
  const at = indexOf(timeline, message.id)
  const twins = []
  if (message.id !== Infinity && timeline[at]?.id === message.id) twins.push(at)
  if (message.clientId !== null) {
    const named = timeline.findLastIndex(known => known.clientId === message.clientId)
    if (named >= 0 && !twins.includes(named)) twins.push(named)
  }
  const merged = twins.reduce((fresh, twin) => merge(fresh, timeline[twin]), message)
  const next = timeline.slice()
  if (twins.length === 1 && timeline[twins[0]].id === merged.id) {
    next[twins[0]] = merged
    return next
  }
  for (const twin of twins.sort((a, b) => b - a)) next.splice(twin, 1)
  next.splice(merged.id === Infinity ? next.length : indexOf(next, merged.id), 0, merged)
  return next
}

/**
 * Puts a page of history into a timeline; as `place` for each, but in one walk along both.
 * @param {Message[]} timeline
 * @param {Message[]} page ascending by id, all stored
 * @returns {Message[]}
 */
export function placePage(timeline, page) {
  const all = []
  let at = 0
  for (const message of page) {
    while (at < timeline.length && timeline[at].id < message.id) all.push(timeline[at++])
    const known = timeline[at]?.id === message.id ? timeline[at++] : null
    all.push(known ? merge(message, known) : message)
  }
  while (at < timeline.length) all.push(timeline[at++])
  return all
}

/** @param {Message} fresh @param {Message} known @returns {Message} */
function merge(fresh, known) {
  const base = fresh.state !== 'stored' && known.state === 'stored' ? known : fresh
  return { ...base, clientId: fresh.clientId ?? known.clientId, isRead: fresh.isRead || known.isRead }
}

/** @param {Message[]} timeline @returns {number} the newest stored message's id, or 0 */
export const newestId = timeline => timeline[indexOf(timeline, Infinity) - 1]?.id ?? 0

/** @param {Message[]} timeline @param {number} peerId @returns {number} the newest id from the peer, or 0 */
export const newestFrom = (timeline, peerId) => timeline.findLast(message => message.senderId === peerId)?.id ?? 0

/**
 * A chat's messages as far as they are here. `staleAfter` is the newest id from before a gap in the
 * live events; what came after it may be missing until the newest page has been read again.
 * @typedef {{ messages: Message[], loaded: boolean, failed: boolean, hasMore: boolean, staleAfter: number | null }} Thread
 */

/** @returns {Thread} */
export const emptyThread = () => ({ messages: [], loaded: false, failed: false, hasMore: true, staleAfter: null })

/**
 * Takes in a page of history. The newest page after a gap either reaches back to what was known, or
 * there are messages between that nobody has read; then the older part is let go, so that a timeline
 * never has a hole. Scrolling up reads it again.
 * @param {Thread} thread
 * @param {Message[]} page ascending by id
 * @param {{ hasMore: boolean, older: boolean }} about `older`: a page before what is known, else the newest
 * @returns {Thread}
 */
export function takePage(thread, page, { hasMore, older }) {
  let { messages } = thread
  const oldestKnown = messages[0]?.id ?? Infinity
  const pageStart = page[0]?.id ?? Infinity
  if (older) {
    return { ...thread, messages: placePage(messages, page), failed: false, hasMore }
  }
  const { staleAfter } = thread
  const gap = staleAfter !== null && hasMore && pageStart > staleAfter
  if (gap) messages = messages.filter(message => message.id > staleAfter)
  const reachesFurther = !thread.loaded || gap || pageStart <= oldestKnown
  return {
    messages: placePage(messages, page),
    loaded: true,
    failed: false,
    hasMore: reachesFurther ? hasMore : thread.hasMore,
    staleAfter: null,
  }
}

/** @param {Message[]} timeline @param {number} peerId @param {number} after an id @returns {Message[]} what the peer wrote later */
export function laterFrom(timeline, peerId, after) {
  return timeline.slice(indexOf(timeline, after + 1)).filter(message => message.senderId === peerId)
}

/** How many messages have bubbles at the most, and by how many the window moves. */
export const WINDOW = 120
export const STEP = 20

/**
 * The part of a timeline that has bubbles: a long conversation is in the memory, but never all of it in
 * the document. It is named by the id of its first message, so what is put before or behind it does not
 * move it.
 * @param {Message[]} timeline
 * @param {number | null} first id of the first message with a bubble; null: the window ends with the timeline
 * @returns {{ from: number, to: number }}
 */
export function windowOf(timeline, first) {
  const last = Math.max(0, timeline.length - WINDOW)
  const from = first === null ? last : Math.min(indexOf(timeline, first), last)
  return { from, to: Math.min(timeline.length, from + WINDOW) }
}

/**
 * The window a step further up (negative) or down; where it comes to the end it stays with the end.
 * @param {Message[]} timeline
 * @param {number | null} first as above
 * @param {number} by
 * @returns {number | null} the new first
 */
export function moveWindow(timeline, first, by) {
  const from = Math.max(0, windowOf(timeline, first).from + by)
  return from + WINDOW >= timeline.length ? null : timeline[from].id
}

/**
 * What the message list shows, in order: day chips, the divider before what was new on opening, and
 * the messages; `joined` ones follow closely on one by the same person. A part of a timeline is laid
 * out as it is in the whole, so a bubble looks the same wherever the window begins.
 * @param {Message[]} timeline
 * @param {number} [newFrom] id of the first message that was unread on opening
 * @param {{ from: number, to: number }} [window]
 * @returns {({ key: string, kind: 'day', date: Date } | { key: string, kind: 'divider' }
 *   | { key: string, kind: 'message', message: Message, joined: boolean })[]}
 */
export function layOut(timeline, newFrom, { from, to } = { from: 0, to: timeline.length }) {
  const items = []
  let before = timeline[from - 1] ?? null
  let day = before === null ? '' : new Date(before.createdAt).toDateString()
  for (const message of timeline.slice(from, to)) {
    const date = new Date(message.createdAt)
    const thisDay = date.toDateString()
    if (thisDay !== day) items.push({ key: `day ${thisDay}`, kind: /** @type {const} */ ('day'), date })
    if (message.id === newFrom) items.push({ key: 'divider', kind: /** @type {const} */ ('divider') })
    const joined = before !== null && thisDay === day && message.id !== newFrom
      && before.senderId === message.senderId
      && date.getTime() - new Date(before.createdAt).getTime() < GROUP_MS
    items.push({ key: messageKey(message), kind: /** @type {const} */ ('message'), message, joined })
    day = thisDay
    before = message
  }
  return items
}

/** @param {Message} message the name of its bubble, the same before and after it is stored */
export const messageKey = ({ clientId, id }) => clientId ?? `id ${id}`

/**
 * A chat's unread count, kept right while the list and live events overtake each other: `base` counts
 * up to the message `baseUpTo`, as the list said; `live` are the ids that arrived later.
 * @typedef {{ base: number, baseUpTo: number, live: number[], readUpTo: number }} Unread
 */

/** @returns {Unread} */
const noneUnread = () => ({ base: 0, baseUpTo: 0, live: [], readUpTo: 0 })

/** @param {Unread} unread @param {number} id a message from the peer @returns {Unread} */
export function addUnread(unread, id) {
  const counted = id <= unread.baseUpTo || id <= unread.readUpTo || unread.live.includes(id)
  return counted ? unread : { ...unread, live: [...unread.live, id] }
}

/** @param {Unread} unread @param {number} upTo @returns {Unread} */
export function readUpTo(unread, upTo) {
  return {
    ...unread,
    readUpTo: Math.max(unread.readUpTo, upTo),
    base: upTo >= unread.baseUpTo ? 0 : unread.base,
    live: unread.live.filter(id => id > upTo),
  }
}

/** @param {Unread} unread @param {number} count @param {number} upTo the list's last message @returns {Unread} */
export function listUnread(unread, count, upTo) {
  const live = unread.live.filter(id => id > upTo)
  return { ...unread, base: unread.readUpTo >= upTo ? 0 : count, baseUpTo: upTo, live }
}

/** @typedef {{ id: number, text: string, time: string, senderId: number }} Last */
/** @typedef {{ peerId: number, listed: Last | null, thread: Thread, unread: Unread, draft: string }} Chat */

/**
 * `change` events carry `{ peerId }`: the chat that changed, or undefined where several may have. Before it, `rewound`
 * says that no id of a message means what it did.
 */
export class Store extends EventTarget {
  /** @type {Map<number, User>} */
  users = new Map()
  /** @type {Map<number, Chat>} */
  chats = new Map()
  /** @type {Set<number>} */
  typing = new Set()
  /** Who is online; nobody is known to be anything until the server says so. @type {Map<number, { online: boolean, lastSeen: string | null }>} */
  presence = new Map()
  /** When sending goes on that went too fast for the server, as `Date.now()` counts; in the past, mostly. */
  sendsAgainAt = 0
  /** The cursor of the next page of the list, where there is one. @type {string | undefined} */
  nextChats
  listState = /** @type {'loading' | 'ready' | 'failed'} */ ('loading')

  /** @param {User} me */
  constructor(me) {
    super()
    this.me = me
  }

  /** @param {number} peerId @returns {Chat} the chat, made where there is none yet */
  chat(peerId) {
    let chat = this.chats.get(peerId)
    if (!chat) {
      chat = { peerId, listed: null, thread: emptyThread(), unread: noneUnread(), draft: '' }
      this.chats.set(peerId, chat)
    }
    return chat
  }

  /** The chats that have something to show, the latest first. */
  list() {
    const rows = [...this.chats.values()].map(chat => ({ chat, last: this.last(chat), unread: this.unread(chat) }))
    return rows.filter(({ chat, last }) => last || chat.draft)
      .sort((a, b) => (b.last?.id ?? 0) === (a.last?.id ?? 0) ? 0 : (b.last?.id ?? 0) - (a.last?.id ?? 0))
  }

  /** @param {Chat} chat @returns {Last | null} its last message, from the list or the timeline, whichever is newer */
  last({ listed, thread }) {
    const message = thread.messages.at(-1)
    if (!message || listed && listed.id > message.id) return listed
    return { id: message.id, text: message.content, time: message.createdAt, senderId: message.senderId }
  }

  /** @param {Chat} chat */
  unread({ unread }) {
    return unread.base + unread.live.length
  }

  get totalUnread() {
    return [...this.chats.values()].reduce((sum, chat) => sum + this.unread(chat), 0)
  }

  /** Our messages that wait to be stored, in the order of sending. */
  pending() {
    // What is not stored stands at the end of its timeline, so no long history is searched.
    return [...this.chats.values()].flatMap(({ thread }) => thread.messages.slice(indexOf(thread.messages, Infinity)))
      .filter(message => message.state === 'pending')
      .sort((a, b) => a.createdAt < b.createdAt ? -1 : 1)
  }

  /** @param {StoreEvent} event */
  apply(event) {
    const peerId = this.#reducers[event.type]?.(event.data, event)
    this.dispatchEvent(new CustomEvent('change', { detail: { peerId } }))
  }

  /** @param {number} peerId @param {(messages: Message[]) => Message[]} change */
  #change(peerId, change) {
    const { thread } = this.chat(peerId)
    this.chat(peerId).thread = { ...thread, messages: change(thread.messages) }
    return peerId
  }

  /** Each takes an event's data and gives back the one chat it concerns, if it is one.
   * @type {Record<string, (data: any, event: StoreEvent) => number | void>} */
  #reducers = {
    // From the server, live.

    receive_message: data => {
      const chat = this.chat(data.sender_id)
      chat.unread = addUnread(chat.unread, data.id)
      this.typing.delete(data.sender_id)
      return this.#change(data.sender_id, messages => place(messages, fromWire(data, this.me.id)))
    },

    message_sent: data => this.#change(data.receiver_id, messages => place(messages, fromWire(data, this.me.id))),

    messege_read: ({ message_id, user_id }) => {
      // Of a message of ours, `user_id` is the peer. Of one that this account read elsewhere it is
      // we, and the peer is whoever's timeline has it; the list, read again, knows the rest.
      const peerId = user_id !== this.me.id ? user_id
        : [...this.chats.values()].find(({ thread: { messages } }) => messages[indexOf(messages, message_id)]?.id === message_id)?.peerId
      if (peerId === undefined) return
      const chat = this.chat(peerId)
      if (user_id === this.me.id) {
        chat.unread = { ...chat.unread, live: chat.unread.live.filter(id => id !== message_id) }
      }
      return this.#change(peerId, messages => messages.map(message =>
        message.id === message_id && !message.isRead ? { ...message, isRead: true } : message))
    },

    chat_read: ({ reader_id, peer_id, up_to }) => {
      const mine = reader_id === this.me.id
      const peerId = mine ? peer_id : reader_id
      const chat = this.chat(peerId)
      if (mine) {
        const before = chat.unread
        chat.unread = readUpTo(before, up_to)
        // Read, but not to the end: where the rest is here it is counted, and else the list will tell.
        const { messages } = chat.thread
        const rest = laterFrom(messages, peerId, up_to).filter(({ id, isRead }) => !isRead && id <= before.baseUpTo)
        if (chat.unread.base > 0 && messages[0]?.id <= up_to) chat.unread.base = rest.length
      }
      return this.#change(peerId, messages => messages.map(message =>
        message.id <= up_to && !message.isRead && (message.senderId === peerId) === mine ? { ...message, isRead: true } : message))
    },

    typing: ({ user_id, is_typing }) => {
      if (is_typing) this.typing.add(user_id)
      else this.typing.delete(user_id)
      return user_id
    },

    presence: ({ user_id, online, last_seen }) => {
      this.presence.set(user_id, { online, lastSeen: last_seen })
      if (!online) this.typing.delete(user_id)
      return user_id
    },

    // From the server, read.

    recents: (rows, { meta, more }) => {
      for (const row of rows) {
        const chat = this.chat(row.user_id)
        this.users.set(row.user_id, { id: row.user_id, username: row.username, avatar: row.avatar })
        const upTo = row.last_message_id ?? 0
        chat.unread = listUnread(chat.unread, row.unread_count, upTo)
        chat.listed = { id: upTo, text: row.last_message, time: row.last_message_time, senderId: row.last_sender_id }
      }
      // Reading the list's head again must not forget how far down it was already read.
      if (more || this.listState !== 'ready') this.nextChats = meta.next_before ?? undefined
      this.listState = 'ready'
    },

    recents_failed: () => { if (this.listState !== 'ready') this.listState = 'failed' },

    history: (rows, { peerId, hasMore, older }) => {
      const chat = this.chat(peerId)
      const page = rows.map((/** @type {any} */ row) => fromWire(row, this.me.id))
      chat.thread = takePage(chat.thread, page, { hasMore, older })
      return peerId
    },

    history_failed: ({ peerId }) => {
      this.chat(peerId).thread = { ...this.chat(peerId).thread, failed: true }
      return peerId
    },

    me: user => { this.me = user },

    user: user => {
      this.users.set(user.id, user)
      return user.id
    },

    /** Nobody has this id; so that nobody asks again, the name stays what it was shown as. */
    user_unknown: ({ id }) => {
      this.users.set(id, { id, username: '?' })
      return id
    },

    // From here.

    send: ({ clientId, peerId, content, createdAt }) => this.#change(peerId, messages => place(messages, {
      id: Infinity, clientId, senderId: this.me.id, receiverId: peerId, content, createdAt, isRead: false, state: 'pending',
    })),

    send_failed: ({ clientId, peerId, code }) => this.#change(peerId, messages => messages.map(message =>
      message.clientId === clientId && message.state === 'pending' ? { ...message, state: 'failed', problem: code } : message)),

    send_waits: ({ until }) => { this.sendsAgainAt = until },

    retry: ({ clientId, peerId }) => this.#change(peerId, messages => messages.map(message =>
      message.clientId === clientId && message.state === 'failed' ? { ...message, state: 'pending' } : message)),

    discard: ({ clientId, peerId }) => this.#change(peerId, messages =>
      messages.filter(message => message.clientId !== clientId || message.state === 'stored')),

    draft: ({ peerId, text }) => {
      this.chat(peerId).draft = text
      return peerId
    },

    /** The connection is gone: what was fleeting is no longer known. */
    disconnected: () => {
      this.typing.clear()
      this.presence.clear()
    },

    /** Events were missed and will not be replayed. */
    missed: () => {
      for (const chat of this.chats.values()) {
        const staleAfter = chat.thread.staleAfter ?? newestId(chat.thread.messages)
        chat.thread = { ...chat.thread, staleAfter }
      }
    },

    /**
     * The server's history may be another one than what was read here, as after an older data file was put in place:
     * what is here may be gone there, and its ids may be those of other messages. Only what comes from here stays.
     */
    rewound: () => {
      for (const chat of this.chats.values()) {
        const unsent = chat.thread.messages.slice(indexOf(chat.thread.messages, Infinity))
        chat.thread = { ...emptyThread(), messages: unsent }
        chat.listed = null
        chat.unread = noneUnread()
      }
      this.users.clear()
      this.nextChats = undefined
      this.listState = 'loading'
      this.dispatchEvent(new Event('rewound'))
    },
  }
}
