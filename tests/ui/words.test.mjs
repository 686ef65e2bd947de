import { beforeEach, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { clockTime, dayName, longTime, shortTime } from '../../static/js/i18n/dates.js'
import { en } from '../../static/js/i18n/en.js'
import * as fileWords from '../../static/js/i18n/file-words.js'
import { id } from '../../static/js/i18n/id.js'
import * as inviteWords from '../../static/js/i18n/invite-words.js'
import * as keyWords from '../../static/js/i18n/key-words.js'
import * as personWords from '../../static/js/i18n/person-words.js'
import * as reportWords from '../../static/js/i18n/report-words.js'
import * as resetLinkWords from '../../static/js/i18n/reset-link-words.js'
import * as resetWords from '../../static/js/i18n/reset-words.js'
import * as sessionWords from '../../static/js/i18n/session-words.js'
import * as sheetWords from '../../static/js/i18n/sheet-words.js'
import * as switchWords from '../../static/js/i18n/switch-words.js'
import { currentLanguage, errorText, languages, pickLanguage, setLanguage, t } from '../../static/js/i18n/words.js'

const CATALOGUE = { en, id }
const STATIC = new URL('../../static/', import.meta.url)
const html = ['index.html', 'templates/dialogs.html', 'templates/demo.html']
  .map(name => readFileSync(new URL(name, STATIC), 'utf8')).join('\n')
const sources = readdirSync(new URL('js/', STATIC), { recursive: true })
  .filter(name => name.endsWith('.js') && !/^i18n\/(en|id)\.js$/.test(name))
  .map(name => readFileSync(new URL(`js/${name}`, STATIC), 'utf8'))
const forms = text => typeof text === 'string' ? [text] : Object.values(text)
const holes = text => [...new Set(forms(text).join(' ').match(/\{\w+\}/g) ?? [])].sort()

for (const [module, words, other = module] of [
  ['elements/file-tray', fileWords], ['elements/key-list', keyWords], ['elements/chat-sheet', sheetWords],
  ['elements/first-invite', inviteWords], ['entrance', switchWords], ['elements/session-list', sessionWords],
  ['elements/report-list', reportWords], ['elements/admin-panel', resetLinkWords], ['elements/reset-form', resetWords],
  ['elements/person-part', personWords, 'rooms'],
]) {
  test(`the words that ${module} brings along are the same in both languages, and those that it asks for`, () => {
    const source = [module, other].map(name => readFileSync(new URL(`js/${name}.js`, STATIC), 'utf8')).join('')
    assert.deepEqual(Object.keys(words.id).sort(), Object.keys(words.en).sort())
    for (const [key, text] of Object.entries(words.en)) {
      assert.deepEqual(holes(words.id[key]), holes(text), key)
      assert.ok(words.id[key].trim() && text.trim(), key)
      assert.ok(source.includes(`'${key}'`), `${key} is asked for by nothing`)
    }
  })
}

describe('the catalogue', () => {
  for (const language of Object.keys(CATALOGUE)) {
    test(`${language} has every key that English has, and no other`, () => {
      assert.deepEqual(Object.keys(CATALOGUE[language]).sort(), Object.keys(CATALOGUE.en).sort())
    })

    test(`${language} leaves nothing empty, and fills the same holes as English`, () => {
      for (const [key, text] of Object.entries(CATALOGUE[language])) {
        assert.ok(forms(text).every(form => form.trim() !== ''), key)
        assert.deepEqual(holes(text), holes(CATALOGUE.en[key]), key)
      }
    })

    test(`${language} has every plural form that it needs`, () => {
      const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories
      for (const [key, text] of Object.entries(CATALOGUE[language])) {
        if (typeof text !== 'string') assert.deepEqual(Object.keys(text).sort(), [...needed].sort(), key)
      }
    })
  }

  test('has every key that the markup asks for', () => {
    const asked = [...html.matchAll(/data-t(?:-label|-placeholder|-title)?="([^"]+)"/g)].map(([, key]) => key)
    assert.ok(asked.length > 20)
    assert.deepEqual(asked.filter(key => !(key in CATALOGUE.en)), [])
  })

  test('has every key that the code asks for', () => {
    const asked = sources.flatMap(source => [...source.matchAll(/\bt\('([^']+)'/g)].map(([, key]) => key))
    assert.ok(asked.length > 20)
    assert.deepEqual(asked.filter(key => !(key in CATALOGUE.en)), [])
  })

  test('has no key that nobody asks for', () => {
    const all = html + sources.join('')
    const composed = /^(login|register|setup)(Title|Lead|Button)$|^(username|password)Hint$|^(join|leave|archive)(Question|Hint|Room)$|^error\./
    const unused = Object.keys(CATALOGUE.en).filter(key =>
      !composed.test(key) && !all.includes(`"${key}"`) && !all.includes(`'${key}'`))
    assert.deepEqual(unused, [])
  })

  test('is where all words are: the markup itself holds none but a command, and languages in their own', () => {
    const body = html.slice(html.indexOf('<body>')).replace(/<!--.*?-->/gs, '').replace(/<noscript>.*?<\/noscript>/gs, '')
    const words = body.replace(/<[^>]+>/g, '\n').split('\n').map(line => line.trim()).filter(Boolean)
    assert.deepEqual([...new Set(words)].sort(), ['Bahasa Indonesia', 'English', 'chatd --demo'])
    assert.doesNotMatch(body, /\s(placeholder|aria-label|title)="/)
  })
})

test('the words that a part brings along are said in the present language', async () => {
  await setLanguage('id')
  assert.equal(sessionWords.word('endFor', { name: 'Firefox' }), 'Keluarkan: Firefox')
  await setLanguage('en')
  assert.equal(sessionWords.word('endFor', { name: 'Firefox' }), 'Log out: Firefox')
})

describe('t', () => {
  beforeEach(() => setLanguage('en'))

  test('chooses the plural form', async () => {
    assert.equal(t('unread', { count: 1 }), '1 unread message')
    assert.equal(t('unread', { count: 1234 }), '1,234 unread messages')
    await setLanguage('id')
    assert.equal(t('unread', { count: 1234 }), '1.234 pesan belum dibaca')
  })

  test('puts a value in as it is, braces and dollars too', () => {
    assert.equal(t('youPrefix', { text: '$& {name} $1' }), 'You: $& {name} $1')
  })

  test('throws for a key that is not there', () => {
    assert.throws(() => t('nonsense'), /no words for nonsense/)
  })

  test('says a code that it has no words for', () => {
    assert.equal(errorText('token_expired'), CATALOGUE.en['error.token_expired'])
    assert.match(errorText('brand_new'), /brand_new/)
  })
})

test('the language follows the browser, and else is English', () => {
  assert.equal(pickLanguage(['id-ID', 'en-US']), 'id')
  assert.equal(pickLanguage(['fr', 'ID']), 'id')
  assert.equal(pickLanguage(['fr', 'de']), 'en')
  assert.equal(pickLanguage([]), 'en')
})

test('a switch of the language is told once its words are here', async () => {
  await setLanguage('en')
  let told = ''
  languages.addEventListener('change', () => { told = currentLanguage() }, { once: true })
  await setLanguage('id')
  assert.equal(told, 'id')
})

test('of two languages that are asked for at once, the last is spoken', async () => {
  await Promise.all([setLanguage('id'), setLanguage('en')])
  assert.equal(currentLanguage(), 'en')
  assert.equal(t('cancel'), en.cancel)
})

test('only the words in use are loaded with the page', () => {
  const words = readFileSync(new URL('js/i18n/words.js', STATIC), 'utf8')
  assert.doesNotMatch(words, /^import .*\/(en|id)\.js/m)
})

describe('dates', () => {
  const now = new Date(2025, 5, 5, 14, 5)
  const ago = minutes => new Date(now.getTime() - minutes * 60_000)
  beforeEach(() => setLanguage('id'))

  test('the clock is written as the language does', async () => {
    assert.equal(clockTime(now), '14.05')
    await setLanguage('en', ['fr-FR', 'en-GB'])
    assert.equal(clockTime(now), '14:05')
  })

  test('days are named by the calendar, not by 24 hours', () => {
    assert.equal(dayName(ago(14 * 60), now), 'Hari ini')
    assert.equal(dayName(ago(15 * 60), now), 'Kemarin')
    assert.equal(dayName(ago(3 * 1440), now), 'Senin')
    assert.equal(dayName(ago(30 * 1440), now), '6 Mei 2025')
  })

  test('the list says how long ago, then when', () => {
    assert.deepEqual([0, 5, 120, 24 * 60, 3 * 1440].map(minutes => shortTime(ago(minutes), now)),
      ['baru saja', '5 mnt lalu', '12.05', 'Kemarin', 'Sen'])
  })

  test('a clock that runs ahead does not make messages come from the future', () => {
    assert.equal(shortTime(ago(-3), now), 'baru saja')
  })

  test('last seen is a sentence’s end', () => {
    assert.deepEqual([0, 5, 120, 24 * 60].map(minutes => longTime(ago(minutes), now)),
      ['1 menit yang lalu', '5 menit yang lalu', '2 jam yang lalu', 'kemarin'])
  })
})
