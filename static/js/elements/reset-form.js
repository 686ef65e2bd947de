// <reset-form>: a new password by a link. It checks what it can by itself, says `reset` with the
// password, and shows what reset.js answers.

import { word } from '../i18n/reset-words.js'
import { errorText, languages, t, translate } from '../i18n/words.js'
import { refusalOf } from '../lib/guessed.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'

export class ResetForm extends HTMLElement {
  #listening = new AbortController()
  #error = ''
  #name

  /** @param {string} [name] of the person who is logged in here */
  constructor(name) {
    super()
    this.#name = name
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('sign-in')))
    const username = /** @type {HTMLElement} */ (this.querySelector('input[name="username"]'))
    username.closest('.field')?.remove()
    this.querySelector('.languages')?.remove()
    part(this, 'other').hidden = true
    languages.addEventListener('change', () => this.render(), { signal: this.#listening.signal })
    this.querySelector('form')?.addEventListener('submit', event => {
      event.preventDefault()
      const { value } = this.#field
      const refusal = refusalOf(value)
      if (refusal) return this.fail(refusal)
      part(this, 'submit').toggleAttribute('disabled', true)
      intend(this, { type: 'reset', password: value })
    })
    part(this, 'reveal').addEventListener('click', () => {
      this.#field.type = this.#field.type === 'password' ? 'text' : 'password'
      this.render()
    })
    this.#field.autocomplete = 'new-password'
    this.render()
    this.#field.focus()
  }

  disconnectedCallback() {
    this.#listening.abort()
  }

  /** @param {string} code */
  fail(code) {
    this.#error = code
    part(this, 'submit').toggleAttribute('disabled', false)
    this.render()
    this.#field.focus()
  }

  get #field() { return /** @type {HTMLInputElement} */ (this.querySelector('input[name="password"]')) }

  render() {
    const isOfField = this.#error === 'password_short' || this.#error === 'password_weak'
    part(this, 'title').textContent = word('resetTitle')
    part(this, 'lead').textContent = this.#name ? word('resetSwitch', { name: this.#name }) : word('resetLead')
    part(this, 'submit').textContent = word('resetButton')
    part(this, 'reveal').textContent = this.#field.type === 'password' ? t('showPassword') : t('hidePassword')
    part(this, 'error').hidden = this.#error === '' || isOfField
    part(this, 'error').textContent = isOfField || this.#error === '' ? '' : errorText(this.#error)
    part(this, 'password-hint').textContent = isOfField ? errorText(this.#error) : t('passwordHint')
    part(this, 'password-hint').classList.toggle('wrong', isOfField)
    this.#field.setAttribute('aria-invalid', String(isOfField))
  }
}

customElements.define('reset-form', ResetForm)
