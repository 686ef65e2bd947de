import { test } from 'node:test'
import assert from 'node:assert/strict'
import { excerpt } from '../../static/js/lib/excerpt.js'

/** The runs as one text, what is marked in brackets. */
const shown = (text, matches) => excerpt(text, matches).map(({ text, marked }) => marked ? `[${text}]` : text).join('')

test('a short text is shown whole, with what was found marked', () => {
  assert.equal(shown('Halo, halo dunia', [[0, 4], [6, 10]]), '[Halo], [halo] dunia')
  assert.equal(shown('no marks', []), 'no marks')
  assert.equal(shown('', []), '')
})

test('of a long text the part around the first place is shown, from a word on', () => {
  const text = `${'before '.repeat(30)}HERE ${'after '.repeat(60)}`
  const at = text.indexOf('HERE')
  const line = shown(text, [[at, at + 4], [text.length - 3, text.length]])
  assert.match(line, /^…(before )+\[HERE\] (after )+(a|af|aft|afte|after)?…$/)
  assert.ok(line.length < 160, line)
})

test('no character is cut in two, and what is found at the end of the line is marked as far as it is shown', () => {
  const faces = '😀'.repeat(200)
  for (const at of [0, 60, 61, 100, 101]) {
    const line = excerpt(faces, [[at * 2, at * 2 + 2]]).map(run => run.text).join('').replaceAll('…', '')
    assert.match(line, /^(😀)+$/u)
  }
  const long = 'a'.repeat(400)
  assert.equal(shown(long, [[0, 400]]), `[${'a'.repeat(140)}]…`)
})

test('whatever is found, the line is a part of the text', () => {
  const text = 'ab '.repeat(100)
  for (let begin = 0; begin < text.length; begin += 7) {
    for (const end of [begin + 1, begin + 40]) {
      const line = excerpt(text, [[begin, Math.min(end, text.length)]]).map(run => run.text).join('').replaceAll('…', '')
      assert.ok(line !== '' && text.includes(line), `${begin} to ${end}: ${line}`)
    }
  }
})
