// <name-list>: the names that are offered while `@` and the beginning of one are written in a room.
// The focus stays in the text; arrow keys choose, Enter or Tab takes, Escape closes.
// message-composer.js loads it when the first name is begun.

import { t } from '../i18n/words.js'
import { paintAvatar, paintRoom } from '../lib/avatar.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { loadStyle, loadTemplates } from '../lib/style.js'
import { clone, part } from '../lib/template.js'
import { candidates } from '../state/candidates.js'
import { ALL, nameBegunIn } from '../state/mentions.js'
import { nameOf } from './names.js'

/** @typedef {{ id: number, username: string, name?: string }} Person */

/** How many names are offered at once. */
const OFFERED_MOST = 6

export class NameList extends HTMLElement {
  #text
  /** @type {Person[]} */
  #offered = []
  #chosen = 0

  /** @param {HTMLTextAreaElement} text where names are written */
  static async make(text) {
    await Promise.all([loadStyle('names.css'), loadTemplates('composer.html')])
    return new NameList(text)
  }

  /** @param {HTMLTextAreaElement} text where names are written */
  constructor(text) {
    super()
    this.#text = text
  }

  connectedCallback() {
    this.id = 'name-list'
    this.setAttribute('role', 'listbox')
    this.className = 'name-list'
    this.#text.setAttribute('aria-autocomplete', 'list')
    this.#text.setAttribute('aria-controls', this.id)
    // Before the composer, for which Enter sends.
    this.#text.addEventListener('keydown', event => this.#onKey(event), { capture: true })
    this.#text.addEventListener('blur', () => this.hide())
    // Where the caret went elsewhere no name is being written.
    for (const type of ['keyup', 'click']) {
      this.#text.addEventListener(type, () => { if (this.#begun === null) this.hide() })
    }
    // The focus may stay where one writes while another chat is opened, with other people.
    window.addEventListener('popstate', () => this.hide())
    // The text must not lose the focus.
    this.addEventListener('pointerdown', event => event.preventDefault())
    this.addEventListener('click', ({ target }) => {
      const row = target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest('[role="option"]')) : null
      const person = this.#offered.find(({ id }) => String(id) === row?.dataset.key)
      if (person) this.#take(person)
    })
    this.hide()
  }

  /** What is begun of a name before the caret. */
  get begun() { return this.#begun ?? '' }

  /** The same; null where no name is begun there. */
  get #begun() { return nameBegunIn(this.#text.value.slice(0, this.#text.selectionStart)) }

  /**
   * Offers those of these people who may be meant.
   * @param {Person[]} people
   * @param {boolean} all whether all of them at once may be called
   */
  offer(people, all) {
    const begun = this.#begun
    const everybody = { id: 0, username: ALL, name: t('everybody') }
    this.#offered = begun === null ? [] : candidates(begun, all ? [...people, everybody] : people, OFFERED_MOST)
    this.#chosen = 0
    const shown = !this.hidden
    this.#render()
    if (!shown && this.#offered.length > 0) intend(this, { type: 'announce', text: t('namesOffered', { count: this.#offered.length }) })
  }

  hide() {
    this.#offered = []
    this.#render()
  }

  #render() {
    this.hidden = this.#offered.length === 0
    // Each time: the language may be another by then.
    this.setAttribute('aria-label', t('mention'))
    keyed(this, this.#offered, {
      key: ({ id }) => String(id),
      create: () => clone('name-offer'),
      update: (node, person) => {
        node.id = `name-${person.id}`
        node.setAttribute('aria-selected', String(person === this.#offered[this.#chosen]))
        if (person.id === 0) paintRoom(part(node, 'avatar'), 0)
        else paintAvatar(part(node, 'avatar'), person)
        part(node, 'name').textContent = nameOf(person)
        part(node, 'username').textContent = `@${person.username}`
      },
    })
    const chosen = this.#offered[this.#chosen]
    if (chosen) this.#text.setAttribute('aria-activedescendant', `name-${chosen.id}`)
    else this.#text.removeAttribute('aria-activedescendant')
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (this.hidden || event.isComposing || event.keyCode === 229) return
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const count = this.#offered.length
    if (step) {
      this.#chosen = (this.#chosen + step + count) % count
      this.#render()
    } else if (event.key === 'Enter' && !event.shiftKey || event.key === 'Tab' && !event.shiftKey) this.#take(this.#offered[this.#chosen])
    else if (event.key === 'Escape') this.hide()
    else return
    event.preventDefault()
    event.stopImmediatePropagation()
  }

  /** Writes a name out. @param {Person} person */
  #take({ username }) {
    const { value, selectionStart } = this.#text
    const from = selectionStart - this.begun.length
    const rest = value.slice(selectionStart)
    this.#text.setRangeText(/^\s/.test(rest) ? username : `${username} `, from, selectionStart, 'end')
    this.hide()
    this.#text.dispatchEvent(new Event('input', { bubbles: true }))
    this.hide()
  }
}

customElements.define('name-list', NameList)
