// What the page knows about chats and people, and the few ways in which it changes. What happens is
// in the tables of heard-of-messages.js, heard-of-people.js, read.js and done.js, which store.js
// joins.

import { newChat, roomKey, withTyping } from './chats.js'
import { messageOf, newestId, placeLive } from './timeline.js'

/** @typedef {import('../net/api.js').User} User */
/** @typedef {import('./timeline.js').Message} Message */
/** @typedef {import('./chats.js').Chat} Chat */
/** @typedef {import('./chats.js').ChatKey} ChatKey */
/** @typedef {{ type: string, data?: any, [detail: string]: any }} StoreEvent */
/** Takes an event's data and returns the key of the one chat that it concerns, if it is one.
 * @typedef {(data: any, event: StoreEvent) => ChatKey | void} Reducer */

export class Book extends EventTarget {
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

  /**
   * How many events of the server were heard. What was asked for at one count, and changed by an
   * event at a later one, is older than the event.
   */
  heard = 0
  /**
   * The messages that were deleted since the page began: an answer on its way may still have them.
   * @type {Set<number>}
   */
  deleted = new Set()

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

  /**
   * @param {number} id
   * @returns {User} the person, by a stand-in for the name while that is not known
   */
  user(id) {
    return this.users.get(id) ?? { id, username: '…' }
  }

  /**
   * @param {number} id
   * @returns {{ chat: Chat, message: Message } | undefined} a stored message that is here, and its
   *   chat
   */
  message(id) {
    for (const chat of this.chats.values()) {
      const message = messageOf(chat.thread.messages, id)
      if (message) return { chat, message }
    }
  }

  /** @param {ChatKey} key @param {Partial<Chat>} change */
  set(key, change) {
    this.chats.set(key, { ...this.chat(key), ...change })
    return key
  }

  /** @param {ChatKey} key @param {(messages: Message[]) => Message[]} change */
  change(key, change) {
    const { thread } = this.chat(key)
    return this.set(key, { changedAt: this.heard, thread: { ...thread, messages: change(thread.messages) } })
  }

  /** @param {ChatKey} key @param {Message} message that just came */
  place(key, message) {
    const { thread } = this.chat(key)
    if (this.deleted.has(message.id)) return key
    return this.set(key, { thread: { ...thread, messages: placeLive(thread, message) } })
  }

  /**
   * @param {ChatKey} key
   * @param {(message: Message) => boolean} which
   * @param {Partial<Message> | ((message: Message) => Partial<Message>)} change
   */
  changeEach(key, which, change) {
    const changed = (/** @type {Message} */ message) =>
      ({ ...message, ...(typeof change === 'function' ? change(message) : change) })
    return this.change(key, messages => messages.map(message => which(message) ? changed(message) : message))
  }

  /** @param {ChatKey} key @param {number} userId @param {boolean} types */
  type(key, userId, types) {
    this.chats.set(key, withTyping(this.chat(key), userId, types))
    return key
  }

  /**
   * @param {number} id
   * @param {(room: import('./rooms.js').Room) => import('./rooms.js').Room} change of a room that
   *   is known
   */
  setRoom(id, change) {
    const key = roomKey(id)
    const { room } = this.chat(key)
    if (room) this.set(key, { room: change(room) })
    return key
  }

  /** Lets go of a chat that the person here is in no more. @param {ChatKey} key */
  forgetChat(key) {
    this.chats.delete(key)
    this.dispatchEvent(new CustomEvent('gone', { detail: { chat: key, left: true } }))
    return key
  }

  /** @param {ChatKey} key where something was deleted */
  tellGone(key) {
    this.dispatchEvent(new CustomEvent('gone', { detail: { chat: key, left: false } }))
  }

  /** @param {ChatKey} key where something was missed */
  miss(key) {
    const { thread } = this.chat(key)
    return this.set(key, { thread: { ...thread, staleAfter: thread.staleAfter ?? newestId(thread.messages) } })
  }

  /** @param {any[]} rows of members, who are people with a name */
  meet(rows) {
    for (const row of rows) this.users.set(row.user_id, { ...this.users.get(row.user_id), ...userFrom(row) })
  }
}

/** @param {any} row of a member @returns {User} */
const userFrom = ({ user_id, role, joined_at, ...user }) => ({ id: user_id, ...user })
