// Conversations as values: the keys that name them, a chat and what the list shows of it. Pure.

import { emptyThread } from './timeline.js'
import { countOf, noneUnread } from './unread.js'

/** @typedef {import('./timeline.js').Thread} Thread */
/** @typedef {import('./unread.js').Unread} Unread */

/**
 * What names a conversation everywhere on the page, in memory and on the device: of two people, by
 * the other one's id.
 * @typedef {`user:${number}`} ChatKey
 */

/** @typedef {{ id: number, text: string, time: string, senderId: number }} Last */
/**
 * `peerId` is whom it is with, `typing` who types there at the moment, by id.
 * @typedef {{ key: ChatKey, peerId: number, listed: Last | null, thread: Thread, unread: Unread, draft: string,
 *   typing: ReadonlySet<number> }} Chat
 */
/** @typedef {{ chat: Chat, last: Last | null, unread: number }} Row */

/** @param {number} peerId @returns {ChatKey} */
export const pairKey = peerId => `user:${peerId}`

/** @param {ChatKey} key @returns {string} the address of the conversation on the page */
export const addressOf = key => `#/chat/${peerOf(key)}`

/** @param {string} hash of an address @returns {ChatKey | null} the conversation that it names */
export function keyIn(hash) {
  const named = Number(/^#\/chat\/([1-9]\d{0,15})$/.exec(hash)?.[1])
  return named > 0 ? pairKey(named) : null
}

/** @param {ChatKey} key */
export const peerOf = key => Number(key.slice('user:'.length))

/** @param {ChatKey} key @returns {Chat} */
export const newChat = key => ({
  key, peerId: peerOf(key), listed: null, thread: emptyThread(), unread: noneUnread(), draft: '', typing: new Set(),
})

/** @param {Chat} chat @returns {Last | null} its last message, from the list or the timeline, whichever is newer */
export function lastOf({ listed, thread }) {
  const message = thread.messages.at(-1)
  if (!message || listed && listed.id > message.id) return listed
  return { id: message.id, text: message.content, time: message.createdAt, senderId: message.senderId }
}

/** @param {Iterable<Chat>} chats @returns {Row[]} those that have something to show, the latest first */
export function listed(chats) {
  return [...chats].map(chat => ({ chat, last: lastOf(chat), unread: countOf(chat.unread) }))
    .filter(({ chat, last }) => last || chat.draft)
    // What is being sent has the id Infinity, and Infinity less itself is no order.
    .sort((a, b) => (b.last?.id ?? 0) === (a.last?.id ?? 0) ? 0 : (b.last?.id ?? 0) - (a.last?.id ?? 0))
}

/** @param {Chat} chat @param {number} userId @param {boolean} types @returns {Chat} */
export function withTyping(chat, userId, types) {
  if (chat.typing.has(userId) === types) return chat
  const typing = new Set(chat.typing)
  if (types) typing.add(userId)
  else typing.delete(userId)
  return { ...chat, typing }
}
