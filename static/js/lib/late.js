// Modules that are loaded when they are wanted.

/** What was loaded by another address, by its own. @type {Map<string, Promise<any>>} */
const others = new Map()

/**
 * Loads a module, also one that could not be had before. Chromium takes a module whose load failed
 * for gone until the page is loaded again, and asks for it no more; its error names the address,
 * by another form of which it can be had. Other browsers ask again.
 * @template T
 * @param {() => Promise<T>} load `() => import('./module.js')`
 * @returns {Promise<T>}
 */
export const late = load => load().catch(error => {
  const [address] = /https?:\S+$/.exec(error.message) ?? []
  if (!address) throw error
  // One for all who ask, so that a module is here once.
  const other = others.get(address) ?? import(`${address}?${Date.now()}`)
  others.set(address, other)
  other.catch(() => others.delete(address))
  return other
})
