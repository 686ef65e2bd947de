// How people and rooms are called where they are shown.

import { t } from '../i18n/words.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {{ id: number, username: string, name?: string, deleted?: boolean }} Named */

/** @param {Named} user */
export const nameOf = user => user.deleted ? t('deletedAccount') : user.name || user.username

/**
 * How the people of one list are called: by their names, and by their usernames too where two of
 * them would look alike.
 * @param {Named[]} users
 * @returns {(user: Named) => string}
 */
export function namesIn(users) {
  /** @type {Map<string, Set<number>>} */
  const bearers = new Map()
  const fold = (/** @type {Named} */ user) => nameOf(user).toLocaleLowerCase()
  for (const user of users) bearers.set(fold(user), (bearers.get(fold(user)) ?? new Set()).add(user.id))
  return user => {
    const alike = (bearers.get(fold(user))?.size ?? 0) > 1
    return alike && !user.deleted && user.name ? t('nameAlike', { name: user.name, username: user.username }) : nameOf(user)
  }
}

/**
 * @param {Store} store
 * @param {import('../state/chats.js').Chat | null} chat
 * @returns {string} the room's name, or the other person's
 */
export function titleOf(store, chat) {
  if (chat?.key.startsWith('room:')) return chat.room?.name ?? '…'
  return nameOf(store.user(chat?.peerId ?? 0))
}
