// <person-part>: in the sheet of a chat with a person, what one may do about them: block and
// report, with one sentence of what the other sees. It says `know-block`, `block` and `report`,
// each with `done`; rooms.js asks the server.

import { word } from '../i18n/person-words.js'
import { errorText, t } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { make } from '../lib/make.js'
import { part } from '../lib/template.js'

export class PersonPart extends HTMLElement {
  #id = 0
  #name = ''
  /** @type {boolean | null} not known yet */
  #blocked = null
  /** Counts what may tell it, of which the last counts. */
  #asked = 0

  connectedCallback() {
    if (this.firstChild) return
    this.append(
      make('p', { part: 'block-hint', className: 'hint', dir: 'auto' }),
      make('div', { className: 'ways-out' },
        make('button', { part: 'block', type: 'button', className: 'small-button' }),
        make('button', { part: 'report', type: 'button', className: 'small-button' })),
      make('form', { part: 'complaint', noValidate: true, hidden: true },
        make('label', { part: 'reason-label', htmlFor: 'report-reason' }),
        make('input', { part: 'reason', id: 'report-reason', autocomplete: 'off', maxLength: 1000, dir: 'auto' }),
        make('p', { part: 'report-hint', className: 'hint', dir: 'auto' }),
        make('button', { part: 'send-report', className: 'primary-button' })),
      make('p', { part: 'person-result', className: 'result', role: 'status' }),
    )
    part(this, 'block').addEventListener('click', () => this.#block(this.#id, !this.#blocked))
    part(this, 'report').addEventListener('click', () => {
      part(this, 'complaint').hidden = false
      this.#reason.focus()
    })
    part(this, 'complaint').addEventListener('submit', event => {
      event.preventDefault()
      this.#report()
    })
  }

  /** @param {number} id of the person @param {string} name */
  show(id, name) {
    if (this.#id !== id) this.#blocked = null
    this.#id = id
    // Each time: it may have changed elsewhere, or could not be had the last time.
    const asked = ++this.#asked
    intend(this, {
      type: 'know-block', id,
      done: (/** @type {boolean} */ blocked) => {
        if (this.#asked !== asked) return
        this.#blocked = blocked
        this.#render()
      },
    })
    this.#name = name
    this.#reason.value = ''
    part(this, 'complaint').hidden = true
    this.#say('')
    this.#render()
  }

  // Inside.

  get #reason() { return /** @type {HTMLInputElement} */ (part(this, 'reason')) }

  #render() {
    const name = this.#name
    const words = {
      'block-hint': word(this.#blocked ? 'blockedHint' : 'blockHint', { name }),
      block: word(this.#blocked ? 'unblock' : 'block'),
      report: t('report'), 'reason-label': word('reportReason'), 'send-report': word('sendReport'),
      'report-hint': word('reportPersonHint', { name }),
    }
    for (const [key, text] of Object.entries(words)) part(this, key).textContent = text
    part(this, 'block').toggleAttribute('disabled', this.#blocked === null)
  }

  /** @param {string} text @param {boolean} [isWrong] */
  #say(text, isWrong = false) {
    part(this, 'person-result').textContent = text
    part(this, 'person-result').classList.toggle('wrong', isWrong)
    this.#reason.setAttribute('aria-invalid', String(isWrong && !part(this, 'complaint').hidden))
  }

  /** @param {string | null} code of what went wrong @param {() => void} took */
  #told(code, took) {
    this.#say(code === null ? '' : errorText(code), code !== null)
    if (code === null) took()
    this.#render()
  }

  /** @param {number} id @param {boolean} blocked whether they are to be */
  #block(id, blocked) {
    intend(this, {
      type: 'block', id, blocked,
      done: (/** @type {string | null} */ code) => {
        // Another person's part may be shown by now.
        if (this.#id === id) this.#told(code, () => {
          this.#asked++
          this.#blocked = blocked
        })
      },
    })
  }

  #report() {
    const reason = this.#reason.value.trim()
    if (reason === '') {
      this.#say(word('reasonNeeded'), true)
      return this.#reason.focus()
    }
    intend(this, {
      type: 'report', what: { user_id: this.#id }, reason,
      done: (/** @type {string | null} */ code) => this.#told(code, () => {
        part(this, 'complaint').hidden = true
        // With its form goes the focus.
        part(this, 'report').focus()
        this.#say(word('reported'))
      }),
    })
  }
}

customElements.define('person-part', PersonPart)
