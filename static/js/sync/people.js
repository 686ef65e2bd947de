// Learns who the people of the chats are, and asks to hear when they come and go.

import { RETRY_MS, pause } from './codes.js'

/** How many people the server lets a socket watch. */
const WATCHED_MOST = 500

export class People {
  #store
  #socket
  #api
  #reader
  #failed
  /** Those who are watched, as one text. */
  #watched = ''
  #meeting = false

  /**
   * @param {{ store: import('../state/store.js').Store, socket: import('./sync.js').Socket,
   *   api: import('./sync.js').Api, reader: import('./reader.js').Reader,
   *   failed: (error: unknown) => string }} parts `failed` gives the code of an error
   */
  constructor({ store, socket, api, reader, failed }) {
    this.#store = store
    this.#socket = socket
    this.#api = api
    this.#reader = reader
    this.#failed = failed
  }

  /** Has everybody watched anew, as on a new connection. */
  watchAnew() {
    this.#watched = ''
    this.meet()
  }

  /** Looks who is new among the people of the chats. */
  async meet() {
    if (this.#meeting) return
    // A little later, so that all changes of this moment are one.
    this.#meeting = true
    await null
    this.#meeting = false
    const rows = this.#store.list()
    const ids = rows.map(({ chat }) => chat.peerId).filter(id => id > 0).slice(0, WATCHED_MOST - 1)
    const open = this.#reader.open === null ? null : this.#store.chat(this.#reader.open)
    if (open?.peerId && !ids.includes(open.peerId)) ids.push(open.peerId)
    // The list and the members of rooms name nearly everybody; only who is on neither is asked for
    // one by one.
    if (this.#store.listState !== 'loading') {
      const inRooms = rows.flatMap(({ chat, last }) => chat.room && last ? [last.senderId] : [])
      for (const id of new Set([...ids, ...inRooms, ...open?.room ? whoIsIn(open) : []])) this.#ask(id)
    }
    await this.#watch(ids.sort((a, b) => a - b))
  }

  /** @param {number[]} ids */
  async #watch(ids) {
    const watched = ids.join()
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
  #ask(id) {
    if (this.#store.users.has(id) || id === this.#store.me.id) return
    this.#reader.once(`user ${id}`, async isVoid => {
      try {
        const data = await this.#api.user(id)
        if (!isVoid()) this.#store.apply({ type: 'user', data })
      } catch (error) {
        if (this.#failed(error) === 'not_found') this.#store.apply({ type: 'user_unknown', data: { id } })
        else await pause(RETRY_MS)
      }
    })
  }
}

/**
 * @param {import('../state/chats.js').Chat} chat
 * @returns {number[]} those who wrote what is here of a room, who are quoted there, and its
 *   members: one who has just come in by themselves was in no list yet
 */
const whoIsIn = ({ room, thread: { messages } }) => [
  ...messages.flatMap(({ senderId, replyTo }) => replyTo?.senderId === undefined ? [senderId] : [senderId, replyTo.senderId]),
  ...room?.members.map(({ userId }) => userId) ?? [],
]
