// How people are called where they are shown.

import { t } from '../i18n/words.js'

/** @typedef {{ id: number, username: string, name?: string }} Named */

/** @param {Named} user */
export const nameOf = user => user.name || user.username

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
    return alike && user.name ? t('nameAlike', { name: user.name, username: user.username }) : nameOf(user)
  }
}
