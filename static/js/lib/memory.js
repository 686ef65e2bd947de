// The device's memory. All of it is convenience: where storage is full or forbidden (private
// windows), the page goes on without it.

const PREFIX = 'chatd.'

/** @param {boolean} tab whether only this tab remembers, and only until it is closed */
const storage = tab => tab ? sessionStorage : localStorage

/**
 * @param {string} key
 * @param {boolean} [tab]
 * @returns {any} what was remembered, or null
 */
export function recall(key, tab = false) {
  try {
    return JSON.parse(storage(tab).getItem(PREFIX + key) ?? 'null')
  } catch {
    return null
  }
}

/**
 * @param {string} key
 * @param {unknown} value null or an empty text forgets the key
 * @param {boolean} [tab]
 */
export function remember(key, value, tab = false) {
  try {
    if (value === null || value === '') storage(tab).removeItem(PREFIX + key)
    else storage(tab).setItem(PREFIX + key, JSON.stringify(value))
  } catch {
    // Nothing to do: see above.
  }
}

/**
 * The remembered keys that begin with `start`, given back without it.
 * @param {string} start
 * @returns {string[]}
 */
export function recallKeys(start) {
  try {
    return Object.keys(localStorage)
      .filter(key => key.startsWith(PREFIX + start))
      .map(key => key.slice(PREFIX.length + start.length))
  } catch {
    return []
  }
}

/**
 * Forgets the keys that `isGone` says, those of this tab included.
 * @param {(key: string) => boolean} isGone
 */
export function forget(isGone) {
  for (const tab of [false, true]) {
    try {
      const keys = Object.keys(storage(tab)).filter(key => key.startsWith(PREFIX) && isGone(key.slice(PREFIX.length)))
      for (const key of keys) storage(tab).removeItem(key)
    } catch {
      // Nothing to do: see above.
    }
  }
}
