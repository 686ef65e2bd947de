// A chat's unread count, kept right while the list and live events overtake each other. Pure.

/**
 * `base` counts up to the message `baseUpTo`, as the list said; `live` are the ids that arrived
 * later.
 * @typedef {{ base: number, baseUpTo: number, live: number[], readUpTo: number }} Unread
 */

/** @returns {Unread} */
export const noneUnread = () => ({ base: 0, baseUpTo: 0, live: [], readUpTo: 0 })

/** @param {Unread} unread @returns {number} */
export const countOf = ({ base, live }) => base + live.length

/** @param {Unread} unread @param {number} id a message by others @returns {Unread} */
export function addUnread(unread, id) {
  const counted = id <= unread.baseUpTo || id <= unread.readUpTo || unread.live.includes(id)
  return counted ? unread : { ...unread, live: [...unread.live, id] }
}

/**
 * @param {Unread} unread
 * @param {number} id of a message that was read by itself
 * @returns {Unread}
 */
export const readOne = (unread, id) => ({ ...unread, live: unread.live.filter(known => known !== id) })

/**
 * @param {Unread} unread
 * @param {number} upTo
 * @param {number} [left] how many of those that `base` counts are newer than `upTo`, where that is
 *   known
 * @returns {Unread}
 */
export function readUpTo(unread, upTo, left = unread.base) {
  return {
    ...unread,
    readUpTo: Math.max(unread.readUpTo, upTo),
    base: upTo >= unread.baseUpTo || unread.base === 0 ? 0 : left,
    live: unread.live.filter(id => id > upTo),
  }
}

/**
 * @param {Unread} unread
 * @param {number} count
 * @param {number} upTo the list's last message
 * @returns {Unread}
 */
export function listUnread(unread, count, upTo) {
  const live = unread.live.filter(id => id > upTo)
  return { ...unread, base: unread.readUpTo >= upTo ? 0 : count, baseUpTo: upTo, live }
}

/**
 * The count after the reader's position moved, as the server says it: it is of that moment, and so
 * has counted all that came before.
 * @param {Unread} unread
 * @param {number} count
 * @param {number} upTo the position
 * @param {number} newest the newest message that is known
 * @returns {Unread}
 */
export function countedUnread(unread, count, upTo, newest) {
  const baseUpTo = Math.max(unread.baseUpTo, newest, ...unread.live)
  return { base: count, baseUpTo, live: [], readUpTo: Math.max(unread.readUpTo, upTo) }
}

/**
 * A deleted message counts no more.
 * @param {Unread} unread
 * @param {number} id
 * @param {boolean} wasUnread where the message is known: whether it had not been read
 * @returns {Unread}
 */
export function withoutMessage(unread, id, wasUnread) {
  if (unread.live.includes(id)) return readOne(unread, id)
  return wasUnread && id <= unread.baseUpTo ? { ...unread, base: Math.max(0, unread.base - 1) } : unread
}
