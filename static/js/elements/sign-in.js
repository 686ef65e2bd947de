// <sign-in>: log in, register, or make the first account. It checks what it can by itself, says
// `sign-in` with what was entered, and shows what entrance.js answers.

import { currentLanguage, errorText, languages, t, translate } from '../i18n/words.js'
import { choiceButtons } from '../lib/choices.js'
import { refusalOf } from '../lib/guessed.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'
import { isUsername } from '../lib/usernames.js'

/** @typedef {'login' | 'register' | 'setup'} Mode */

/**
 * The errors that belong beside a field rather than above the form.
 * @type {Record<string, string>}
 */
const FIELD_OF = {
  username_taken: 'username', username_needed: 'username', username_bad: 'username',
  password_needed: 'password', password_short: 'password', password_weak: 'password',
}

export class SignIn extends HTMLElement {
  #listening = new AbortController()
  /** @type {Mode} */ #mode
  #canRegister
  #room
  #showLanguage = (/** @type {string | undefined} */ _) => {}
  /** The code of what went wrong. */
  #error

  /**
   * @param {{ mode: Mode, canRegister: boolean, room?: string, error?: string }} start `room` is
   *   whereto one is invited
   */
  constructor({ mode, canRegister, room, error = '' }) {
    super()
    this.#mode = mode
    this.#canRegister = canRegister
    this.#room = room
    this.#error = error
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('sign-in')))
    const { signal } = this.#listening
    languages.addEventListener('change', () => this.render(), { signal })
    this.querySelector('form')?.addEventListener('submit', event => {
      event.preventDefault()
      this.#submit()
    })
    part(this, 'other').addEventListener('click', () => {
      this.#mode = this.#mode === 'login' ? 'register' : 'login'
      this.#error = ''
      this.render()
      this.#field('username').focus()
    })
    part(this, 'reveal').addEventListener('click', () => {
      const field = this.#field('password')
      field.type = field.type === 'password' ? 'text' : 'password'
      this.render()
    })
    this.#showLanguage = choiceButtons(this, 'language')
    this.render()
    this.#field('username').focus()
  }

  disconnectedCallback() {
    this.#listening.abort()
  }

  /** Shows why it did not work, and lets the person try again. @param {string} code */
  fail(code) {
    this.#error = code
    this.#busy(false)
    this.render()
    this.#field(FIELD_OF[code] ?? 'password').focus()
  }

  #submit() {
    const username = this.#field('username').value.trim()
    const password = this.#field('password').value
    const making = this.#mode !== 'login'
    const wrong = username === '' ? 'username_needed'
      : making && !isUsername(username) ? 'username_bad'
      : password === '' ? 'password_needed'
      : making ? refusalOf(password, username)
      : ''
    if (wrong) return this.fail(wrong)
    this.#error = ''
    this.#busy(true)
    this.render()
    intend(this, { type: 'sign-in', door: making ? 'register' : 'login', username, password })
  }

  /** @param {'username' | 'password' | string} name */
  #field(name) {
    return /** @type {HTMLInputElement} */ (this.querySelector(`input[name="${name}"]`))
  }

  /** @param {boolean} busy */
  #busy(busy) {
    part(this, 'submit').toggleAttribute('disabled', busy)
  }

  render() {
    const mode = this.#mode
    const making = mode !== 'login'
    part(this, 'title').textContent = t(`${mode}Title`)
    part(this, 'lead').textContent = this.#room ? t('invitedTo', { name: this.#room }) : t(`${mode}Lead`)
    part(this, 'submit').textContent = t(`${mode}Button`)
    part(this, 'other').textContent = making ? t('toLogin') : t('toRegister')
    part(this, 'other').hidden = mode === 'setup' || !this.#canRegister
    part(this, 'note').textContent = mode === 'setup' || this.#canRegister ? '' : t('inviteOnly')

    const password = this.#field('password')
    password.autocomplete = making ? 'new-password' : 'current-password'
    part(this, 'reveal').textContent = password.type === 'password' ? t('showPassword') : t('hidePassword')
    this.#showLanguage(currentLanguage())

    const at = FIELD_OF[this.#error]
    const text = this.#error && errorText(this.#error)
    part(this, 'error').hidden = text === '' || at !== undefined
    part(this, 'error').textContent = at ? '' : text
    for (const name of ['username', 'password']) {
      const wrong = at === name
      this.#field(name).setAttribute('aria-invalid', String(wrong))
      part(this, `${name}-hint`).classList.toggle('wrong', wrong)
      part(this, `${name}-hint`).textContent = wrong ? text : making ? t(`${name}Hint`) : ''
    }
  }
}

customElements.define('sign-in', SignIn)
