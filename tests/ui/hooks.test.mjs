import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { en, id, word } from '../../static/js/i18n/hook-words.js'
import { setLanguage } from '../../static/js/i18n/words.js'

const JS = new URL('../../static/js/', import.meta.url)
const holes = text => (text.match(/\{\w+\}/g) ?? []).sort()

test('the words about hooks are the same in both languages, and leave nothing empty', () => {
  assert.deepEqual(Object.keys(id), Object.keys(en))
  for (const key of Object.keys(en)) {
    assert.deepEqual(holes(id[key]), holes(en[key]), key)
    assert.ok(en[key].trim() && id[key].trim(), key)
  }
})

test('the words about hooks are those that the code asks for', () => {
  const sources = ['elements/hook-list.js', 'told.js'].map(name => readFileSync(new URL(name, JS), 'utf8')).join('')
  const isAsked = key => sources.includes(`'${key}'`)
  assert.deepEqual(Object.keys(en).filter(key => !isAsked(key)), [])
})

test('a word about hooks follows the language of the page', async () => {
  await setLanguage('en')
  assert.equal(word('setAside', { count: 3 }), 'Refused and set aside: 3')
  await setLanguage('id')
  assert.equal(word('setAside', { count: 3 }), 'Ditolak dan disisihkan: 3')
  await setLanguage('en')
})
