// The device's memory for what must not be lost, such as messages that are not sent yet.

import { recall, recallKeys, remember } from './memory.js'

/** @typedef {{ recall(key: string): any, remember(key: string, value: unknown): void,
 *   recallKeys(start: string): string[], saved(): Promise<void> }} Memory */

/** The longest wait for the database; some browsers never answer where they forbid it. */
const SHELF_MS = 1_000

/**
 * A memory for what must not be lost, such as messages that are not sent yet: IndexedDB, which is on the
 * disk when it says so, and so outlives a crash of the browser too. It is read whole at the start and then
 * written behind; what is remembered in one go is written in one transaction, all of it or nothing.
 * Where there is no database it is the memory above.
 * @param {string} name of the database
 * @returns {Promise<Memory>}
 */
export async function openShelf(name) {
  /** @type {Map<string, any>} */
  const kept = new Map()
  /** @type {Map<string, any>} */
  const changed = new Map()
  /** @type {IDBDatabase} */
  let database
  try {
    database = await openDatabase(name)
    const shelf = database.transaction('kept').objectStore('kept')
    const [keys, values] = await Promise.all([answer(shelf.getAllKeys()), answer(shelf.getAll())])
    keys.forEach((key, at) => kept.set(String(key), values[at]))
  } catch {
    return { recall, remember, recallKeys, saved: async () => {} }
  }
  /** @type {Promise<void> | undefined} */
  let writing

  async function write() {
    // All that is remembered in this moment goes together.
    await null
    while (changed.size > 0) {
      const transaction = database.transaction('kept', 'readwrite', { durability: 'strict' })
      const shelf = transaction.objectStore('kept')
      for (const [key, value] of changed) value === null ? shelf.delete(key) : shelf.put(value, key)
      changed.clear()
      // Full or broken: nothing to do, as above.
      await new Promise(done => { transaction.oncomplete = transaction.onabort = done })
    }
    writing = undefined
  }

  return {
    recall: key => kept.get(key) ?? null,
    remember(key, value) {
      const gone = value === null || value === ''
      if (gone) kept.delete(key)
      else kept.set(key, value)
      changed.set(key, gone ? null : value)
      writing ??= write().catch(() => { writing = undefined })
    },
    recallKeys: start => [...kept.keys()].filter(key => key.startsWith(start)).map(key => key.slice(start.length)),
    saved: async () => writing,
  }
}

/** @param {string} name @returns {Promise<IDBDatabase>} */
function openDatabase(name) {
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => request.result.createObjectStore('kept')
  return Promise.race([answer(request), new Promise((_, reject) => setTimeout(reject, SHELF_MS))])
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})
