// <people-choice>: chooses several people by searching for them. It says `search-people` and shows
// what is answered; `chosen` tells those around it that the choice changed.

import { t, translate } from '../i18n/words.js'
import { paintAvatar } from '../lib/avatar.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { clone, part } from '../lib/template.js'
import { namesIn } from './names.js'

/** @typedef {import('../net/api.js').User} User */

/** The wait after a key, so that fast typing is one search. */
const PAUSE_MS = 150

export class PeopleChoice extends HTMLElement {
  /** @type {Map<number, User>} */
  #chosen = new Map()
  /** @type {User[]} */
  #found = []
  /** What was searched for when they were found. */
  #foundFor = ''
  /** True from Enter until those are found who are searched for. */
  #takesFirst = false
  /** Those who are not offered: they are in already. @type {Set<number>} */
  #left = new Set()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause

  connectedCallback() {
    if (this.firstElementChild) return
    this.replaceChildren(translate(clone('people-choice')))
    this.#query.addEventListener('input', () => {
      this.#takesFirst = false
      clearTimeout(this.#pause)
      this.#pause = setTimeout(() => this.#search(), PAUSE_MS)
    })
    this.#query.addEventListener('keydown', event => {
      // That by which an input method takes a word is none (229 is how Safari says so).
      if (event.key !== 'Enter' || event.isComposing || event.keyCode === 229) return
      // It chooses, and does not send the form.
      event.preventDefault()
      this.#takesFirst = true
      this.#takeFirst()
    })
    part(this, 'people').addEventListener('click', event => this.#onClick(event))
    part(this, 'chosen').addEventListener('click', event => this.#onClick(event))
  }

  disconnectedCallback() {
    clearTimeout(this.#pause)
  }

  /** @returns {number[]} by id */
  get ids() { return [...this.#chosen.keys()] }

  /** @param {number[]} ids of those who are not offered from now on, and of no others */
  leave(ids) { this.#left = new Set(ids) }

  /** Begins anew. */
  clear() {
    this.#chosen.clear()
    this.#find('', [])
    this.#query.value = ''
    translate(this)
    this.#render()
  }

  get #query() { return /** @type {HTMLInputElement} */ (part(this, 'query')) }

  #search() {
    const query = this.#query.value.trim()
    if (query === '') {
      this.#find('', [])
      return this.#render()
    }
    intend(this, {
      type: 'search-people', query,
      done: (/** @type {User[]} */ users) => {
        if (query !== this.#query.value.trim()) return
        this.#find(query, users)
        this.#render()
        this.#takeFirst()
      },
    })
  }

  /** @param {string} query @param {User[]} users */
  #find(query, users) {
    this.#foundFor = query
    this.#found = users
  }

  /**
   * Takes the first of the people if that was asked for, once they are those who are searched for:
   * until then others may stand there.
   */
  #takeFirst() {
    if (!this.#takesFirst || this.#foundFor !== this.#query.value.trim()) return
    this.#takesFirst = false
    part(this, 'people').querySelector('button')?.click()
  }

  /** @param {Event} event */
  #onClick({ target }) {
    const row = target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest('li')) : null
    const id = Number(row?.dataset.key)
    const user = this.#found.find(user => user.id === id)
    if (this.#chosen.has(id)) this.#chosen.delete(id)
    else if (user) {
      this.#chosen.set(id, user)
      this.#query.value = ''
      this.#find('', [])
    }
    this.#render()
    this.#query.focus()
    this.dispatchEvent(new Event('chosen'))
  }

  #render() {
    const found = this.#found.filter(({ id }) => !this.#left.has(id) && !this.#chosen.has(id))
    const names = namesIn([...found, ...this.#chosen.values()])
    keyed(part(this, 'people'), found, {
      key: user => String(user.id),
      create: () => clone('person'),
      update(node, user) {
        paintAvatar(part(node, 'avatar'), user)
        part(node, 'name').textContent = names(user)
      },
    })
    keyed(part(this, 'chosen'), [...this.#chosen.values()], {
      key: user => String(user.id),
      create: () => clone('chosen'),
      update(node, user) {
        part(node, 'name').textContent = names(user)
        part(node, 'chip').setAttribute('aria-label', t('buttonFor', { button: t('removeChosen'), name: names(user) }))
      },
    })
    part(this, 'chosen').hidden = this.#chosen.size === 0
    part(this, 'status').textContent = this.#query.value.trim() === '' ? ''
      : found.length > 0 ? t('peopleFound', { count: found.length }) : t('nobodyFound')
  }
}

customElements.define('people-choice', PeopleChoice)
