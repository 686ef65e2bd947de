// Conversations as values: the keys that name them, a chat and what the list shows of it. Pure.

import { emptyThread } from './timeline.js'
import { countOf, noneUnread } from './unread.js'

/** @typedef {import('./rooms.js').Room} Room */
/** @typedef {import('./timeline.js').Message} Message */
/** @typedef {import('./timeline.js').Thread} Thread */
/** @typedef {import('./unread.js').Unread} Unread */

/**
 * What names a conversation everywhere on the page, in memory and on the device: of two people, by
 * the other one's id; of a room, by the room's.
 * @typedef {`user:${number}` | `room:${number}`} ChatKey
 */

/**
 * @typedef {{ id: number, text: string, time: string, senderId: number, deleted?: boolean }} Last
 */
/** What a person wants to be told of a chat. @typedef {'all' | 'mentions' | 'none'} Notify */
/**
 * `peerId` is whom it is with, 0 in a room; `room` is what is known of the room; `mentions` are the
 * unread messages that mention the person here; `mutedUntil` is a time of the server's;
 * `typing` who types there at the moment, by id. `changedAt` when something of its messages was
 * changed last, as the store counts events.
 * @typedef {{ key: ChatKey, peerId: number, room: Room | null, listed: Last | null, thread: Thread,
 *   unread: Unread, mentions: Unread, notify: Notify, mutedUntil: string | null, draft: string,
 *   typing: ReadonlySet<number>, changedAt: number }} Chat
 */
/** @typedef {{ chat: Chat, last: Last | null, unread: number, mentions: number }} Row */

/** @param {number} peerId @returns {ChatKey} */
export const pairKey = peerId => `user:${peerId}`

/** @param {number} roomId @returns {ChatKey} */
export const roomKey = roomId => `room:${roomId}`

/** @param {ChatKey} key */
export const isRoom = key => key.startsWith('room:')

/** @param {ChatKey} key @returns {number} of the other person, or of the room */
export const idOf = key => Number(key.slice('user:'.length))

/**
 * The chat of a message that the server's data tells of.
 * @param {{ room_id?: number, sender_id?: number, receiver_id?: number }} data
 * @param {number} myId
 * @returns {ChatKey}
 */
export function keyOf({ room_id, sender_id, receiver_id }, myId) {
  if (room_id !== undefined) return roomKey(room_id)
  return pairKey((sender_id === myId ? receiver_id : sender_id) ?? 0)
}

/**
 * @param {{ room_id?: number, user_id?: number }} data that names a chat itself
 * @returns {ChatKey}
 */
export const keyNamed = ({ room_id, user_id }) => room_id === undefined ? pairKey(user_id ?? 0) : roomKey(room_id)

/**
 * How a request names a chat.
 * @param {ChatKey} key
 * @param {'user_id' | 'receiver_id'} [person] the name of a person's id
 * @returns {Record<string, number>}
 */
export const naming = (key, person = 'user_id') => ({ [isRoom(key) ? 'room_id' : person]: idOf(key) })

/** @param {ChatKey} key @returns {string} the address of the conversation on the page */
export const addressOf = key => `#/${isRoom(key) ? 'room' : 'chat'}/${idOf(key)}`

/** @param {string} hash of an address @returns {ChatKey | null} the conversation that it names */
export function keyIn(hash) {
  const [, kind, digits] = /^#\/(chat|room)\/([1-9]\d{0,15})$/.exec(hash) ?? []
  // No id is larger than that.
  if (!kind || !Number.isSafeInteger(Number(digits))) return null
  return kind === 'room' ? roomKey(Number(digits)) : pairKey(Number(digits))
}

/** @param {ChatKey} key @returns {Chat} */
export const newChat = key => ({
  key, peerId: isRoom(key) ? 0 : idOf(key), room: null, listed: null, thread: emptyThread(), unread: noneUnread(),
  mentions: noneUnread(), notify: 'all', mutedUntil: null, draft: '', typing: new Set(), changedAt: 0,
})

/**
 * @param {Chat} chat
 * @returns {Last | null} its last message, from the list or the timeline, whichever is newer
 */
export function lastOf({ listed, thread }) {
  const message = thread.messages.findLast(({ deletedAt }) => !deletedAt)
  if (!message || listed && listed.id > message.id) return listed
  return { id: message.id, text: message.content, time: message.createdAt, senderId: message.senderId }
}

/**
 * @param {Iterable<Chat>} chats
 * @returns {Row[]} those that have something to show, the latest first
 */
export function listed(chats) {
  return [...chats].map(chat => ({ chat, last: lastOf(chat), unread: countOf(chat.unread), mentions: countOf(chat.mentions) }))
    .filter(({ chat, last }) => chat.room?.archivedAt ? chat.draft : last || chat.draft || chat.room?.role)
    .sort(later)
}

/** @param {Row} a @param {Row} b */
function later(a, b) {
  // What is being sent has the id Infinity, and Infinity less itself is no order.
  if (a.last && b.last) return a.last.id === b.last.id ? 0 : b.last.id - a.last.id
  // A room in which there is no message yet stands by the time at which it was made.
  const time = (/** @type {Row} */ { chat, last }) => last?.id === Infinity ? '~' : last?.time ?? chat.room?.createdAt ?? ''
  return time(a) === time(b) ? 0 : time(a) < time(b) ? 1 : -1
}

/** @param {any} data of the server's @returns {{ notify: Notify, mutedUntil: string | null }} */
export const settingsIn = ({ notify, muted_until }) => ({ notify: notify ?? 'all', mutedUntil: muted_until ?? null })

/** @param {Chat} chat @param {number} now as `Date.now()` counts */
export const isMuted = ({ mutedUntil }, now) => mutedUntil !== null && Date.parse(mutedUntil) > now

/**
 * How many messages a chat adds to the number in the page's title: of one that is muted, those
 * alone that mention the person here; of an archived one, which stands in no list, none.
 * @param {Chat} chat
 * @param {number} now
 */
export const toldOf = (chat, now) =>
  chat.room?.archivedAt ? 0 : countOf(isMuted(chat, now) ? chat.mentions : chat.unread)

/**
 * @param {Chat} chat
 * @param {Message} message
 * @param {number} myId
 * @returns {boolean} whether the person here has not read it
 */
export function isUnread({ key, unread }, { id, senderId, isRead, deletedAt }, myId) {
  if (senderId === myId || deletedAt) return false
  return isRoom(key) ? id > unread.readUpTo : !isRead
}

/** @param {Chat} chat @param {number} userId @param {boolean} types @returns {Chat} */
export function withTyping(chat, userId, types) {
  if (chat.typing.has(userId) === types) return chat
  const typing = new Set(chat.typing)
  if (types) typing.add(userId)
  else typing.delete(userId)
  return { ...chat, typing }
}
