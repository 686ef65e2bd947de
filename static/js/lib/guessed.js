// Which passwords the server refuses, as it judges them: those that are too short or too long, and
// those that are guessed at once, since they say next to nothing or who the person is.

/** Counted as the server does: not in UTF-16 units, of which an emoji has two. */
const CHARS = { least: 8, most: 128 }
/** So many characters must be other ones, and so many must not follow from the one before. */
const FEWEST = 4

/**
 * @param {string} password
 * @param {...(string | undefined)} names of the person
 * @returns {'password_short' | 'password_weak' | ''} why the server refuses it, if it does
 */
export function refusalOf(password, ...names) {
  const { length } = [...password]
  if (length < CHARS.least || length > CHARS.most) return 'password_short'
  return isGuessed(password, ...names) ? 'password_weak' : ''
}

/** @param {string} password @param {...(string | undefined)} names of the person */
export function isGuessed(password, ...names) {
  const text = [...folded(password)]
  const code = (/** @type {string} */ character) => character.codePointAt(0) ?? 0
  const surprises = text.filter((character, at) => at === 0 || Math.abs(code(character) - code(text[at - 1])) > 1)
  return new Set(text).size < FEWEST || surprises.length < FEWEST || names.some(name => name && isOf(text.join(''), folded(name)))
}

/** @param {string} text */
const folded = text => text.normalize('NFC').toLowerCase()

/** @param {string} text @param {string} name */
function isOf(text, name) {
  const length = [...name].length, whole = [...text].length
  return (length >= FEWEST || length === whole) && text.includes(name) && whole < length + FEWEST
}
