// The words that the page shows, in the language that is chosen; en.js and id.js hold them, and
// only the one in use is loaded. The server sends codes; the words for them are here. Markup names
// its words with `data-t` (`data-t-label`, `data-t-placeholder`, `data-t-title` for attributes),
// code asks `t(key)`.

import { late } from '../lib/late.js'

/** @typedef {string | { one?: string, other: string }} Text */
/** @typedef {Record<string, Text>} Catalogue */

/** How the words of each language are loaded. @type {Record<string, () => Promise<Catalogue>>} */
const LANGUAGES = {
  en: async () => (await late(() => import('./en.js'))).en,
  id: async () => (await late(() => import('./id.js'))).id,
}

/** Says `change` when the language changes, so that words which code wrote are written anew. */
export const languages = new EventTarget()

/** The words of the present language. @type {Catalogue} */
let words = {}
/** The language that was asked for last: its words may still be on their way. */
let asked = ''
let language = 'en'
/**
 * The reader's own variety of the language, such as en-GB: it decides how dates and numbers look.
 */
let locale = 'en'
let plurals = new Intl.PluralRules(language)

export const currentLanguage = () => language
export const currentLocale = () => locale

/**
 * The first of the wanted languages that there are words for; regions (`id-ID`) do not matter.
 * @param {readonly string[]} wanted
 */
export function pickLanguage(wanted) {
  const spoken = wanted.map(tag => tag.toLowerCase().split('-')[0]).find(tag => tag in LANGUAGES)
  return spoken ?? 'en'
}

/**
 * Loads the words of a language, and has the page speak it. Of several that are asked for before
 * the words are here, the last counts; where they cannot be had the language stays as it is.
 * @param {string} wanted one of those that there are words for
 * @param {readonly string[]} [varieties] the languages of the browser, with their regions
 */
export async function setLanguage(wanted, varieties = []) {
  asked = wanted
  const loaded = await LANGUAGES[wanted]()
  if (asked !== wanted) return
  words = loaded
  language = wanted
  locale = varieties.find(tag => tag.toLowerCase().split('-')[0] === wanted) ?? wanted
  plurals = new Intl.PluralRules(language)
  languages.dispatchEvent(new Event('change'))
}

/**
 * The text for a key in the present language. `{count}` chooses the plural form and is written as
 * the language writes numbers.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = words[key]
  if (text === undefined) throw new Error(`no words for ${key} in ${language}`)
  return filled(typeof text === 'string' ? text
    : (plurals.select(Number(values.count)) === 'one' && text.one) || text.other, values)
}

/** @param {string} text @param {Record<string, string | number>} values */
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => {
  const value = values[name] ?? ''
  return typeof value === 'number' ? value.toLocaleString(locale) : value
})

/**
 * What gives the words that a part of the page brings along, in the present language.
 * @template {string} K
 * @param {{ en: Record<K, string> } & Record<string, Record<K, string>>} catalogues
 * @returns {(key: K, values?: Record<string, string | number>) => string}
 */
export const wordsOf = catalogues => (key, values = {}) => filled((catalogues[language] ?? catalogues.en)[key], values)

/** @param {string} code an error's code, of the server or of ours */
export function errorText(code) {
  const key = `error.${code}`
  return key in words ? t(key) : t('error.unknown', { code })
}

/**
 * Writes the words that markup asks for, under `root` and on it.
 * @template {ParentNode} T
 * @param {T} root
 * @returns {T}
 */
export function translate(root) {
  const all = [...root.querySelectorAll('*')]
  if (root instanceof HTMLElement) all.push(root)
  for (const node of all) {
    if (!(node instanceof HTMLElement)) continue
    const { t: text, tLabel, tPlaceholder, tTitle } = node.dataset
    if (text) node.textContent = t(text)
    if (tLabel) node.setAttribute('aria-label', t(tLabel))
    if (tPlaceholder) node.setAttribute('placeholder', t(tPlaceholder))
    if (tTitle) node.setAttribute('title', t(tTitle))
  }
  return root
}
