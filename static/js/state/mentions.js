// Who is mentioned in a text. A mention is `@` and a username; the server is told by ids. Pure.

/** @typedef {{ id: number, username: string }} Named */

/** What calls all members of a room. */
export const ALL = 'all'

/** What may go on a name, so that `@ann` is not found in `@anna`. */
const GOES_ON = /^[\p{L}\p{N}_-]|^\.[\p{L}\p{N}]/u
/**
 * In lower case, each character at its place: `İ` alone would be two.
 * @param {string} text
 */
const low = text => text.replace(/[^\u0130]+/g, run => run.toLowerCase())

/** What makes `@` a part of something else, as in an address for mail. */
const WITHIN = /[\p{L}\p{N}._-]$/u

/**
 * Where a text mentions these people, in order.
 * @template {Named} Person
 * @param {string} text
 * @param {Person[]} people
 * @returns {{ from: number, to: number, person: Person }[]}
 */
export function findMentions(text, people) {
  if (people.length === 0 || !text.includes('@')) return []
  const folded = low(text)
  // The longest first, for a name may begin as another one does.
  const byLength = people.toSorted((a, b) => b.username.length - a.username.length)
  const found = []
  for (let from = folded.indexOf('@'); from >= 0; from = folded.indexOf('@', from + 1)) {
    if (WITHIN.test(text.slice(0, from))) continue
    const rest = folded.slice(from + 1)
    const person = byLength.find(({ username }) =>
      rest.startsWith(low(username)) && !GOES_ON.test(rest.slice(username.length)))
    if (person) found.push({ from, to: from + 1 + person.username.length, person })
  }
  return found
}

/**
 * What a message's `mentions` and `mention_all` are to be.
 * @param {string} text
 * @param {Named[]} people who can be mentioned there
 * @param {boolean} mayCallAll
 * @returns {{ mentions?: number[], mentionAll?: boolean }}
 */
export function mentionsIn(text, people, mayCallAll) {
  const all = { id: 0, username: ALL }
  const ids = findMentions(text, mayCallAll ? [...people, all] : people).map(({ person }) => person.id)
  const mentions = [...new Set(ids.filter(id => id !== 0))]
  return { ...(mentions.length > 0 && { mentions }), ...(ids.includes(0) && { mentionAll: true }) }
}

/**
 * @param {string} before the text up to the caret
 * @returns {string | null} the beginning of a name that is being written
 */
export const nameBegunIn = before => /(?:^|[\s(])@([^\s@]{0,32})$/u.exec(before)?.[1] ?? null
