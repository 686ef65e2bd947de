// What a list shows of a long text in which something was found. Pure.

/** How much is shown, and how much of it before the first place. */
const SHOWN = 140
const BEFORE = 30

/**
 * One line of a text around the first place where it has what was looked for, cut between words
 * where that is near.
 * @param {string} text
 * @param {[number, number][]} matches from and to, half open, ascending
 * @returns {{ text: string, marked: boolean }[]} runs that follow one another
 */
export function excerpt(text, matches) {
  const from = beginOf(text, matches[0]?.[0] ?? 0)
  const to = whole(text, Math.min(text.length, from + SHOWN))
  const runs = []
  let at = from
  for (const [begin, end] of matches.filter(([begin]) => begin >= from && begin < to)) {
    runs.push({ text: text.slice(at, begin), marked: false }, { text: text.slice(begin, Math.min(end, to)), marked: true })
    at = Math.min(end, to)
  }
  runs.push({ text: text.slice(at, to), marked: false })
  if (from > 0) runs.unshift({ text: '…', marked: false })
  if (to < text.length) runs.push({ text: '…', marked: false })
  return runs.filter(run => run.text !== '')
}

/** @param {string} text @param {number} first place @returns {number} */
function beginOf(text, first) {
  if (first <= BEFORE) return 0
  const from = first - BEFORE
  const space = text.slice(from, first).search(/\s/)
  return space < 0 ? whole(text, from) : from + space + 1
}

/**
 * @param {string} text
 * @param {number} at
 * @returns {number} a place that is not within a character
 */
const whole = (text, at) => /[\udc00-\udfff]/.test(text[at] ?? '') ? at - 1 : at
