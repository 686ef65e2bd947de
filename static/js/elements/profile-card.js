// <profile-card>: a dialog with one's own name, picture and password, and the way out of the
// server. It says `change-profile`, `change-picture`, `change-password` and `delete-account`;
// dialogs.js asks the server and hands in how it went. Loaded when it is first asked for.

import { errorText, t, translate } from '../i18n/words.js'
import { paintAvatar } from '../lib/avatar.js'
import { answerTo, asDialog, fillSelect } from '../lib/dialog.js'
import { refusalOf } from '../lib/guessed.js'
import { intend } from '../lib/intent.js'
import { make } from '../lib/make.js'
import { onPicture } from '../lib/picture.js'
import { clone, part } from '../lib/template.js'
import { isUsername } from '../lib/usernames.js'
import { PushSettings } from './push-settings.js'

/** @typedef {import('../net/api.js').User} User */

/** What becomes of one's messages. */
const MESSAGES = { keep: 'keepMessages', erase: 'eraseMessages' }

export class ProfileCard extends HTMLElement {
  /** The notifications of this device. */
  push = new PushSettings()
  /** @type {User} */ #me
  /** Which of the two names was changed last, so that a refusal stands at it. */
  #renamed = 'name'

  /** @param {User} me */
  constructor(me) {
    super()
    this.#me = me
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('profile')))
    asDialog(this.#dialog)
    const section = document.createElement('section')
    section.append(this.push)
    part(this, 'leave').closest('section')?.before(section)
    part(this, 'about').addEventListener('submit', event => {
      event.preventDefault()
      this.#saveProfile()
    })
    // Between the password and the way out of the server.
    part(this, 'secret').closest('section')?.after(make('section', {}, make('button', { part: 'sessions', type: 'button', className: 'small-button' })))
    part(this, 'sessions').addEventListener('click', () => intend(this, { type: 'sessions' }))
    onPicture(part(this, 'picture'), file => intend(this, { type: 'change-picture', file }))
    part(this, 'no-picture').addEventListener('click', () =>
      intend(this, { type: 'change-profile', change: { avatar: null } }))
    part(this, 'secret').addEventListener('submit', event => {
      event.preventDefault()
      this.#savePassword()
    })
    part(this, 'leave').addEventListener('submit', event => {
      event.preventDefault()
      this.#leave()
    })
  }

  // What dialogs.js asks.

  /** @param {User} me */
  show(me) {
    this.#me = me
    translate(this)
    part(this, 'sessions').textContent = t('sessions')
    this.#paint()
    this.#input('called').value = me.name && me.name !== me.username ? me.name : ''
    this.#input('name').value = me.username
    this.#input('current').value = this.#input('fresh').value = this.#input('proof').value = ''
    fillSelect(this.#messages, MESSAGES, t, 'keep')
    for (const form of ['about', 'secret', 'leave']) this.#say(form, '')
    this.#dialog.showModal()
  }

  /** @param {User} me */
  profileSaved(me) {
    this.#me = me
    this.#paint()
    this.#say('about', t('saved'))
  }

  passwordSaved() {
    this.#input('current').value = this.#input('fresh').value = ''
    this.#say('secret', t('passwordChanged'))
  }

  /** @param {'about' | 'secret' | 'leave'} form @param {string} code */
  fail(form, code) {
    const isOfPicture = code === 'unsupported_type' || code === 'file_too_large'
    const field = form === 'about' ? (isOfPicture ? 'picture' : this.#renamed) : form === 'leave' ? 'proof' : code === 'password_short' || code === 'password_weak' ? 'fresh' : 'current'
    const text = code === 'invalid_credentials' ? t('wrongPassword')
      : form === 'leave' && code === 'forbidden' ? t('lastAdministrator') : errorText(code)
    this.#say(form, text, this.#input(field))
  }

  // Inside.

  get #messages() { return /** @type {HTMLSelectElement} */ (part(this, 'messages')) }
  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }
  /** @param {string} name */
  #input(name) { return /** @type {HTMLInputElement} */ (part(this, name)) }

  #paint() {
    paintAvatar(part(this, 'avatar'), this.#me)
    part(this, 'no-picture').hidden = !this.#me.avatar
    part(this, 'role').textContent = this.#me.is_admin ? t('administrator') : ''
  }

  /**
   * @param {string} form
   * @param {string} text
   * @param {HTMLInputElement} [wrong] the field to mend
   */
  #say(form, text, wrong) {
    const result = part(this, `${form}-result`)
    result.textContent = text
    result.classList.toggle('wrong', wrong !== undefined)
    for (const input of part(this, form).querySelectorAll('input')) input.setAttribute('aria-invalid', String(input === wrong))
    wrong?.focus()
  }

  #saveProfile() {
    const username = this.#input('name').value.trim()
    const called = this.#input('called').value.trim()
    /** @type {{ username?: string, name?: string }} */
    const change = {}
    // A name that came from another system may be one that cannot be chosen here; it may stay.
    if (username !== this.#me.username) change.username = username
    // Without a name of one's own the username is shown.
    if ((called || username) !== (this.#me.name ?? this.#me.username)) change.name = called || username
    this.#renamed = change.username === undefined ? 'called' : 'name'
    if (change.username !== undefined && !isUsername(username)) return this.fail('about', 'username_bad')
    if (Object.keys(change).length === 0) return this.#say('about', t('saved'))
    intend(this, { type: 'change-profile', change })
  }

  #savePassword() {
    const current_password = this.#input('current').value, password = this.#input('fresh').value
    if (current_password === '') return this.fail('secret', 'password_needed')
    const refusal = refusalOf(password, this.#me.username)
    if (refusal) return this.fail('secret', refusal)
    intend(this, { type: 'change-password', change: { password, current_password } })
  }

  async #leave() {
    const current_password = this.#input('proof').value, messages = this.#messages.value
    if (current_password === '') return this.fail('leave', 'password_needed')
    const dialog = /** @type {HTMLDialogElement} */ (translate(clone('ask')))
    part(dialog, 'question').textContent = t('deleteAccountAsk')
    part(dialog, 'hint').textContent = t(messages === 'erase' ? 'eraseMessagesHint' : 'keepMessagesHint')
    part(dialog, 'confirm').textContent = t('deleteAccount')
    if (await answerTo(dialog)) intend(this, { type: 'delete-account', wish: { current_password, messages } })
  }
}

customElements.define('profile-card', ProfileCard)
