// Which passwords are guessed at once, as the server judges it: those that say next to nothing, and
// those that say who the person is.

/** So many characters must be other ones, and so many must not follow from the one before. */
const FEWEST = 4

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
