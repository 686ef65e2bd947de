// All that the page knows about chats, and the only place where it changes: `hear` takes the
// server's events under their own names, `apply` those and the answers of REST and what the person
// does here; then `change` tells the elements. Pure: no network, no clock, no document.

import { listed, newChat, pairKey, withTyping } from './chats.js'
import { emptyThread, fromWire, indexOf, newestId, place, receivedAfter, takePage, unsent } from './timeline.js'
import { addUnread, countOf, listUnread, noneUnread, readOne, readUpTo } from './unread.js'

/** @typedef {import('../net/api.js').User} User */
/** @typedef {import('./timeline.js').Message} Message */
/** @typedef {import('./chats.js').Chat} Chat */
/** @typedef {import('./chats.js').ChatKey} ChatKey */
/** @typedef {{ type: string, data?: any, [detail: string]: any }} StoreEvent */
/** Takes an event's data and returns the key of the one chat that it concerns, if it is one.
 * @typedef {(data: any, event: StoreEvent) => ChatKey | void} Reducer */

/**
 * `change` events carry `{ chat }`: the key of the chat that changed, or undefined where several
 * may have. Before it, `rewound` says that no id of a message means what it did.
 */
export class Store extends EventTarget {
  /** @type {Map<number, User>} */
  users = new Map()
  /** @type {Map<ChatKey, Chat>} */
  chats = new Map()
  /**
   * Who is online; of those who are missing the server has not said.
   * @type {Map<number, { online: boolean, lastSeen: string | null }>}
   */
  presence = new Map()
  /**
   * When sending goes on that went too fast for the server, as `Date.now()` counts; mostly in the
   * past.
   */
  sendsAgainAt = 0
  /** The cursor of the next page of the list, where there is one. @type {string | undefined} */
  nextChats
  listState = /** @type {'loading' | 'ready' | 'failed'} */ ('loading')

  /** @param {User} me */
  constructor(me) {
    super()
    this.me = me
  }

  /** @param {ChatKey} key @returns {Chat} the chat, made where there is none yet */
  chat(key) {
    let chat = this.chats.get(key)
    if (!chat) {
      chat = newChat(key)
      this.chats.set(key, chat)
    }
    return chat
  }

  /** @param {number} id @returns {User} the person, by a stand-in for the name while that is not known */
  user(id) {
    return this.users.get(id) ?? { id, username: '…' }
  }

  /** The chats that have something to show, the latest first. */
  list() {
    return listed(this.chats.values())
  }

  get totalUnread() {
    return [...this.chats.values()].reduce((sum, { unread }) => sum + countOf(unread), 0)
  }

  /** Our messages that wait to be stored, in the order of sending, each with its chat. */
  pending() {
    const all = [...this.chats.values()].flatMap(chat => unsent(chat.thread.messages).map(message => ({ chat, message })))
    return all.filter(({ message }) => message.state === 'pending')
      .sort((a, b) => a.message.createdAt < b.message.createdAt ? -1 : 1)
  }

  /**
   * Takes in an event of the server's; one that it does not know, as a newer server may have,
   * changes nothing.
   * @param {StoreEvent} event
   */
  hear(event) {
    if (Object.hasOwn(this.#fromServer, event.type)) this.apply(event)
  }

  /** @param {StoreEvent} event throws where there is none of that type */
  apply(event) {
    const table = [this.#fromServer, this.#fromHere].find(table => Object.hasOwn(table, event.type))
    if (!table) throw new Error(`no event named ${event.type}`)
    const chat = table[event.type](event.data, event)
    this.dispatchEvent(new CustomEvent('change', { detail: { chat } }))
  }

  /** @param {ChatKey} key @param {Partial<Chat>} change */
  #set(key, change) {
    this.chats.set(key, { ...this.chat(key), ...change })
    return key
  }

  /** @param {ChatKey} key @param {(messages: Message[]) => Message[]} change */
  #change(key, change) {
    const { thread } = this.chat(key)
    return this.#set(key, { thread: { ...thread, messages: change(thread.messages) } })
  }

  /** @param {ChatKey} key @param {(message: Message) => boolean} which @param {Partial<Message>} change */
  #changeEach(key, which, change) {
    return this.#change(key, messages => messages.map(message => which(message) ? { ...message, ...change } : message))
  }

  /** @param {ChatKey} key @param {number} userId @param {boolean} types */
  #type(key, userId, types) {
    this.chats.set(key, withTyping(this.chat(key), userId, types))
    return key
  }

  /** @type {Record<string, Reducer>} */
  #fromServer = {
    receive_message: data => {
      const key = pairKey(data.sender_id)
      this.#set(key, { unread: addUnread(this.chat(key).unread, data.id) })
      this.#type(key, data.sender_id, false)
      return this.#change(key, messages => place(messages, fromWire(data, this.me.id)))
    },

    message_sent: data => this.#change(pairKey(data.receiver_id), messages => place(messages, fromWire(data, this.me.id))),

    messege_read: ({ message_id, user_id }) => {
      // Of a message of ours, `user_id` is the peer. Of one that this account read elsewhere it is
      // our own, and the chat is the one whose timeline has the message; the list, read again,
      // knows the rest.
      const mine = user_id === this.me.id
      const key = mine ? this.#chatWith(message_id)?.key : pairKey(user_id)
      if (key === undefined) return
      if (mine) this.#set(key, { unread: readOne(this.chat(key).unread, message_id) })
      return this.#changeEach(key, ({ id, isRead }) => id === message_id && !isRead, { isRead: true })
    },

    chat_read: ({ reader_id, peer_id, up_to }) => {
      const mine = reader_id === this.me.id
      const key = pairKey(mine ? peer_id : reader_id)
      if (mine) {
        const { unread, thread: { messages } } = this.chat(key)
        // Read, but not to the end: where the rest is here it is counted, and else the list will
        // tell.
        const rest = receivedAfter(messages, this.me.id, up_to).filter(({ id, isRead }) => !isRead && id <= unread.baseUpTo)
        this.#set(key, { unread: readUpTo(unread, up_to, messages[0]?.id <= up_to ? rest.length : undefined) })
      }
      const received = (/** @type {Message} */ message) => message.senderId !== this.me.id
      return this.#changeEach(key, message => message.id <= up_to && !message.isRead && received(message) === mine, { isRead: true })
    },

    typing: ({ user_id, is_typing }) => this.#type(pairKey(user_id), user_id, is_typing),

    presence: ({ user_id, online, last_seen }) => {
      this.presence.set(user_id, { online, lastSeen: last_seen })
      const key = pairKey(user_id)
      return online ? key : this.#type(key, user_id, false)
    },
  }

  /** @param {number} messageId */
  #chatWith(messageId) {
    return [...this.chats.values()].find(({ thread: { messages } }) => messages[indexOf(messages, messageId)]?.id === messageId)
  }

  /** @type {Record<string, Reducer>} */
  #fromHere = {
    // Read from the server.

    recents: (rows, { meta, more }) => {
      for (const row of rows) {
        const key = pairKey(row.user_id)
        this.users.set(row.user_id, { id: row.user_id, username: row.username, name: row.name, avatar: row.avatar })
        const upTo = row.last_message_id ?? 0
        this.#set(key, {
          unread: listUnread(this.chat(key).unread, row.unread_count, upTo),
          listed: { id: upTo, text: row.last_message, time: row.last_message_time, senderId: row.last_sender_id },
        })
      }
      // Reading the list's head again must not forget how far down it was already read.
      if (more || this.listState !== 'ready') this.nextChats = meta.next_before ?? undefined
      this.listState = 'ready'
    },

    recents_failed: () => { if (this.listState !== 'ready') this.listState = 'failed' },

    history: (rows, { chat: key, hasMore, older }) => {
      const page = rows.map((/** @type {any} */ row) => fromWire(row, this.me.id))
      return this.#set(key, { thread: takePage(this.chat(key).thread, page, { hasMore, older }) })
    },

    history_failed: ({ chat: key }) => this.#set(key, { thread: { ...this.chat(key).thread, failed: true } }),

    me: user => { this.me = user },

    user: user => {
      this.users.set(user.id, user)
      return pairKey(user.id)
    },

    /**
     * There is no account of this id; so that it is not asked for again, the name stays what it was
     * shown as.
     */
    user_unknown: ({ id }) => {
      this.users.set(id, { id, username: '?' })
      return pairKey(id)
    },

    // Done here.

    send: ({ chat: key, clientId, content, createdAt }) => this.#change(key, messages => place(messages, {
      id: Infinity, clientId, senderId: this.me.id, content, createdAt, isRead: false, state: 'pending',
    })),

    send_failed: ({ chat: key, clientId, code }) => this.#changeEach(key,
      message => message.clientId === clientId && message.state === 'pending', { state: 'failed', problem: code }),

    send_waits: ({ until }) => { this.sendsAgainAt = until },

    retry: ({ chat: key, clientId }) => this.#changeEach(key,
      message => message.clientId === clientId && message.state === 'failed', { state: 'pending' }),

    discard: ({ chat: key, clientId }) => this.#change(key, messages =>
      messages.filter(message => message.clientId !== clientId || message.state === 'stored')),

    draft: ({ chat: key, text }) => this.#set(key, { draft: text }),

    /** The connection is gone: what was fleeting is no longer known. */
    disconnected: () => {
      this.presence.clear()
      for (const [key, { typing }] of this.chats) if (typing.size > 0) this.#set(key, { typing: new Set() })
    },

    /** Events were missed and will not be replayed. */
    missed: () => {
      for (const [key, { thread }] of this.chats) {
        this.#set(key, { thread: { ...thread, staleAfter: thread.staleAfter ?? newestId(thread.messages) } })
      }
    },

    /**
     * The server's history may be another one than what was read here, as after an older data file
     * was put in place: what is here may be gone there, and its ids may be those of other messages.
     * Only what comes from here stays.
     */
    rewound: () => {
      for (const [key, { thread }] of this.chats) {
        this.#set(key, { thread: { ...emptyThread(), messages: unsent(thread.messages) }, listed: null, unread: noneUnread() })
      }
      this.users.clear()
      this.nextChats = undefined
      this.listState = 'loading'
      this.dispatchEvent(new Event('rewound'))
    },
  }
}
