import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { en, id, word } from '../../static/js/i18n/hook-words.js'
import * as making from '../../static/js/i18n/making-words.js'
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

test('the words of the forms that make bots and hooks are the same in both languages, and those that the code asks for', async () => {
  assert.deepEqual(Object.keys(making.id), Object.keys(making.en))
  const source = readFileSync(new URL('elements/hook-maker.js', JS), 'utf8')
  for (const key of Object.keys(making.en)) {
    assert.deepEqual(holes(making.id[key]), holes(making.en[key]), key)
    assert.ok(making.en[key].trim() && making.id[key].trim(), key)
    assert.ok(source.includes(`'${key}'`), `${key} is asked for by nothing`)
  }
  await setLanguage('id')
  assert.equal(making.word('keyOf', { name: 'monitor' }), 'Kunci monitor')
  await setLanguage('en')
  assert.equal(making.word('keyOf', { name: 'monitor' }), 'Key of monitor')
})
