// The device's memory for what must not be lost, such as messages that are not sent yet.

import { forget, recall, recallKeys, remember } from './memory.js'

/**
 * @typedef {{ recall(key: string): any, remember(key: string, value: unknown): void,
 *   recallKeys(start: string): string[], forget(isGone: (key: string) => boolean): Promise<void>,
 *   keepsFiles?: boolean }} Memory `keepsFiles` where a value may be a Blob
 */

/**
 * The longest wait for the database: after a crash of the browser, on a busy machine, it takes
 * seconds, and what is in it would not be sent meanwhile. Some browsers never answer where they
 * forbid it.
 */
const SHELF_MS = 4_000

/**
 * A memory for what must not be lost, such as messages that are not sent yet: IndexedDB, which is
 * on the disk when it says so, and so outlives a crash of the browser too. It is read whole at the
 * start and then written behind; what is remembered in one go is written in one transaction, all of
 * it or nothing. Where there is no database it is the memory above.
 * @param {string} name of the database
 * @param {(key: string) => boolean} isPassing what soon becomes something else, as a draft does:
 *   written when there is time, and for that the disk is not waited for
 * @returns {Promise<Memory>}
 */
export async function openShelf(name, isPassing) {
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
    return {
      recall,
      remember,
      recallKeys,
      // The database may only have been slow, and hold what an earlier page left in it.
      async forget(isGone) {
        forget(isGone)
        await openDatabase(name).then(late => sweep(late, isGone).finally(() => late.close())).catch(() => {})
      },
    }
  }
  /** @type {Set<Promise<void>>} */
  const writing = new Set()

  function begin() {
    const one = write().catch(() => {}).finally(() => writing.delete(one))
    writing.add(one)
  }

  async function write() {
    // All that is remembered in this moment goes together.
    await null
    while (changed.size > 0) {
      // Each file by itself, after the rest: one that there is no room for takes no text along.
      const texts = [...changed].filter(([, value]) => !(value instanceof Blob))
      const durability = [...changed.keys()].every(isPassing) ? 'relaxed' : 'strict'
      const transaction = database.transaction('kept', 'readwrite', { durability })
      const shelf = transaction.objectStore('kept')
      for (const [key, value] of texts.length > 0 ? texts : [...changed].slice(0, 1)) {
        changed.delete(key)
        value === null ? shelf.delete(key) : shelf.put(value, key)
      }
      // Else it would wait for an answer, and end with a page that crashes meanwhile.
      transaction.commit()
      // Full or broken: nothing to do, as above.
      await new Promise(done => { transaction.oncomplete = transaction.onabort = done })
    }
  }

  return {
    keepsFiles: true,
    recall: key => kept.get(key) ?? null,
    remember(key, value) {
      const gone = value === null || value === ''
      if (gone) kept.delete(key)
      else kept.set(key, value)
      changed.set(key, gone ? null : value)
      // A message does not wait for what is being written of a draft.
      if (writing.size === 0 || !isPassing(key)) begin()
    },
    recallKeys: start => [...kept.keys()].filter(key => key.startsWith(start)).map(key => key.slice(start.length)),
    async forget(isGone) {
      for (const known of [kept, changed]) for (const key of known.keys()) if (isGone(key)) known.delete(key)
      // What an earlier page left where it had no database.
      forget(isGone)
      await Promise.all(writing)
      await sweep(database, isGone).catch(() => {})
    },
  }
}

/**
 * Deletes what is in the database itself: other tabs have written there what this one does not know
 * of.
 * @param {IDBDatabase} database
 * @param {(key: string) => boolean} isGone
 */
async function sweep(database, isGone) {
  const transaction = database.transaction('kept', 'readwrite', { durability: 'strict' })
  const done = new Promise(ended => { transaction.oncomplete = transaction.onabort = ended })
  const shelf = transaction.objectStore('kept')
  for (const key of await answer(shelf.getAllKeys())) if (isGone(String(key))) shelf.delete(key)
  await done
}

/**
 * Where databases are forbidden, even asking for one may throw.
 * @param {string} name
 * @returns {Promise<IDBDatabase>}
 */
async function openDatabase(name) {
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => request.result.createObjectStore('kept')
  return Promise.race([answer(request), new Promise((_, reject) => setTimeout(reject, SHELF_MS))])
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})
