// Who may be meant by the beginning of a name. Loaded where one is written. Pure.

/** @typedef {import('./mentions.js').Named} Named */

/**
 * The people whom a beginning may mean, those first whose name begins with it.
 * @template {Named & { name?: string }} Person
 * @param {string} begun
 * @param {Person[]} people
 * @param {number} most
 * @returns {Person[]}
 */
export function candidates(begun, people, most) {
  const wanted = begun.toLowerCase()
  const rank = (/** @type {Person} */ { username, name = '' }) => {
    const names = [username, name].map(text => text.toLowerCase())
    if (names.some(text => text.startsWith(wanted))) return 0
    return names.some(text => text.split(/[\s._-]/u).some(word => word.startsWith(wanted))) ? 1 : 2
  }
  return people.filter(person => rank(person) < 2).sort((a, b) => rank(a) - rank(b)).slice(0, most)
}
