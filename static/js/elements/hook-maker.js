// <hook-maker>: a form, closed until it is wanted, by which an administrator makes a bot, a hook by
// which another system writes here, or one by which it is told. It says `make-program`; dialogs.js
// asks the server, and hands in the secret that is shown this once, or what was refused. Loaded
// with the list of bots and hooks.

import { word } from '../i18n/making-words.js'
import { errorText, t } from '../i18n/words.js'
import { copyField } from '../lib/clipboard.js'
import { intend } from '../lib/intent.js'
import { make } from '../lib/make.js'
import { part } from '../lib/template.js'

/** @typedef {keyof typeof import('../i18n/making-words.js').en} Word */
/** @typedef {'bot' | 'in' | 'out'} Kind */
/** @typedef {{ id: number, username: string, disabled: boolean }} Bot */
/** @typedef {{ id: number, name: string, archived_at: string | null }} Room */
/**
 * A refusal: its code, and what the server says of it.
 * @typedef {{ code: string, message: string }} Wrong
 */

/** The words of each kind: for what opens the form, what it is for, and what is shown this once.
 * @type {Record<Kind, { open: Word, hint: Word, once: Word, secretOf: Word }>} */
const KINDS = {
  bot: { open: 'makeBot', hint: 'botHint', once: 'keyOnce', secretOf: 'keyOf' },
  in: { open: 'makeIn', hint: 'inHint', once: 'urlOnce', secretOf: 'urlOf' },
  out: { open: 'makeOut', hint: 'outHint', once: 'secretOnce', secretOf: 'secretOf' },
}

/** Of what a hook may be told; the first of them only where the operator allows it.
 * @type {Word[]} */
const EVENTS = ['direct_message', 'room_message', 'message_edited', 'message_deleted', 'reaction', 'room_changed', 'room_member', 'user_created', 'user_deleted']

/** What is wrong with a field, by the name that the server gives it, which is that of its part too.
 * @type {Record<string, Word>} */
const WRONG = {
  username: 'wrongUsername', name: 'wrongName', url: 'wrongUrl', user_id: 'wrongPerson', room_id: 'wrongRoom', bot_id: 'wrongBot',
}

/**
 * A part whose text is a word.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Word} key
 * @param {Record<string, unknown>} [more]
 */
function worded(tag, key, more = {}) {
  const node = make(tag, more)
  node.dataset.word = key
  return node
}

export class HookMaker extends HTMLElement {
  #kind
  #isBusy = false
  #listening = new AbortController()

  /** @param {Kind} kind what it makes */
  constructor(kind) {
    super()
    this.#kind = kind
  }

  connectedCallback() {
    // What is shown once is not there when the dialog is opened again.
    this.closest('dialog')?.addEventListener('close', () => this.#clear(), { signal: this.#listening.signal })
    if (this.firstElementChild) return
    const { open, hint } = KINDS[this.#kind]
    const form = make('form', { part: 'form', noValidate: true },
      worded('p', hint, { className: 'hint' }),
      ...this.#fields(),
      make('p', { part: 'wrong', className: 'result wrong', role: 'alert', id: this.#id('wrong'), hidden: true }),
      worded('button', 'make', { part: 'make', className: 'primary-button' }))
    const field = make('input', { part: 'secret', readOnly: true, spellcheck: false })
    field.setAttribute('aria-describedby', this.#id('once'))
    const copy = worded('button', 'copy', { part: 'copy', type: 'button', className: 'small-button' })
    const shown = make('div', { part: 'shown', hidden: true },
      make('p', { part: 'once', id: this.#id('once'), className: 'account-note' }), make('div', { className: 'with-copy' }, field, copy))
    const whole = make('details', { part: 'whole' }, worded('summary', open), form, shown)
    this.replaceChildren(whole)
    form.addEventListener('submit', event => {
      event.preventDefault()
      this.#send()
    })
    form.addEventListener('change', () => this.#showFields())
    copy.addEventListener('click', async () => {
      if (await copyField(field)) copy.textContent = t('copied')
    })
    whole.addEventListener('toggle', () => {
      if (whole.open && this.#kind === 'in') intend(this, { type: 'rooms-for-hooks', done: (/** @type {Room[]} */ rooms) => this.#offerRooms(rooms) })
    })
  }

  disconnectedCallback() {
    this.#listening.abort()
    this.#listening = new AbortController()
  }

  // What the list of bots and hooks asks.

  /**
   * Says all words anew.
   * @param {Bot[]} bots as which a hook may write
   * @param {boolean} direct whether hooks are told of messages between two
   */
  show(bots, direct) {
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll('[data-word]'))) {
      node.textContent = word(/** @type {Word} */ (node.dataset.word))
    }
    if (this.#kind === 'out') part(this, 'direct').hidden = !direct
    if (this.#kind !== 'in') return
    const able = bots.filter(({ disabled }) => !disabled)
    const select = this.#field('bot_id'), chosen = select.value
    select.replaceChildren(...able.map(({ id, username }) => new Option(username, String(id))))
    if (able.some(({ id }) => String(id) === chosen)) select.value = chosen
    part(this, 'no-bot').hidden = able.length > 0
    part(this, 'make').hidden = able.length === 0
  }

  // Inside.

  /** @param {string} name */
  #id(name) { return `hook-maker-${this.#kind}-${name}` }
  /** @param {string} name @returns {HTMLInputElement | HTMLSelectElement} */
  #field(name) { return part(this, name) }

  /**
   * @param {string} name of the part and of the field as the server knows it
   * @param {Word} label
   * @param {HTMLElement} field
   */
  #labelled(name, label, field) {
    field.id = this.#id(name)
    field.dataset.part = name
    return make('div', { part: `${name}-field` }, worded('label', label, { htmlFor: field.id }), field)
  }

  /** @param {Record<string, unknown>} [more] */
  #input(more = {}) {
    return make('input', { autocomplete: 'off', autocapitalize: 'none', spellcheck: false, maxLength: 64, ...more })
  }

  /** @returns {HTMLElement[]} */
  #fields() {
    if (this.#kind === 'bot') {
      return [this.#labelled('username', 'botUsername', this.#input({ maxLength: 32 })), this.#labelled('name', 'botName', this.#input({ dir: 'auto' }))]
    }
    if (this.#kind === 'in') {
      const [person, room] = [this.#labelled('user_id', 'personName', this.#input()), this.#labelled('room_id', 'roomNumber', this.#input({ inputMode: 'numeric' }))]
      const into = make('select', {}, ...this.#otherChats())
      into.setAttribute('aria-describedby', this.#id('into-hint'))
      return [
        worded('p', 'noBotYet', { part: 'no-bot', className: 'hint' }),
        this.#labelled('name', 'hookName', this.#input({ dir: 'auto' })),
        this.#labelled('bot_id', 'asBot', make('select')),
        this.#labelled('into', 'into', into),
        worded('p', 'intoHint', { className: 'hint', id: this.#id('into-hint') }),
        person, Object.assign(room, { hidden: true }),
      ]
    }
    const choices = EVENTS.map(event => {
      const choice = make('label', { className: 'choice', ...event === 'direct_message' && { part: 'direct' } }, make('input', { type: 'checkbox', value: event }))
      choice.append(worded('span', event))
      return choice
    })
    const events = make('fieldset', { part: 'events' }, worded('legend', 'events'), worded('p', 'eventsHint', { className: 'hint', id: this.#id('events-hint') }), ...choices)
    events.setAttribute('aria-describedby', this.#id('events-hint'))
    return [this.#labelled('url', 'url', this.#input({ type: 'url', maxLength: 2048 })), events]
  }

  /** The chats that are named by what is typed. */
  #otherChats() {
    const other = (/** @type {Word} */ key, /** @type {string} */ value) => Object.assign(worded('option', key), { value })
    return [other('aPerson', 'person'), other('aRoom', 'room')]
  }

  /** @param {Room[]} rooms all, or the first of very many */
  #offerRooms(rooms) {
    const select = this.#field('into'), chosen = select.value, isFresh = select.childElementCount === 2
    const options = rooms.filter(({ archived_at }) => !archived_at).map(({ id, name }) => new Option(name, String(id)))
    select.replaceChildren(...options, ...this.#otherChats())
    for (const option of select.querySelectorAll('option')) if (option.dataset.word) option.textContent = word(/** @type {Word} */ (option.dataset.word))
    select.value = isFresh && options.length > 0 ? options[0].value : chosen
    if (select.value === '') select.value = 'person'
    this.#showFields()
  }

  /** Only what the choice of a chat asks for is to be filled in. */
  #showFields() {
    if (this.#kind !== 'in') return
    part(this, 'user_id-field').hidden = this.#field('into').value !== 'person'
    part(this, 'room_id-field').hidden = this.#field('into').value !== 'room'
  }

  /**
   * @returns {Record<string, unknown>} what is asked of the server; `to` is the username of a
   *   person
   */
  #wish() {
    const text = (/** @type {string} */ name) => this.#field(name).value.trim()
    if (this.#kind === 'bot') return { username: text('username'), ...text('name') && { name: text('name') } }
    if (this.#kind === 'in') {
      const into = text('into')
      const chat = into === 'person' ? { to: text('user_id') } : { room_id: into === 'room' ? text('room_id') : Number(into) }
      return { bot_id: Number(text('bot_id')), name: text('name'), ...chat }
    }
    const chosen = /** @type {NodeListOf<HTMLInputElement>} */ (part(this, 'events').querySelectorAll('input:checked'))
    const events = [...chosen].map(({ value }) => value)
    return { url: text('url'), ...events.length > 0 && { events } }
  }

  #send() {
    // Pressed twice it is made once.
    if (this.#isBusy) return
    this.#isBusy = true
    this.#say('')
    const wish = this.#wish()
    intend(this, {
      type: 'make-program', kind: this.#kind, wish,
      done: (/** @type {string} */ secret) => this.#showOnce(secret, String(wish.username ?? wish.name ?? wish.url)),
      fail: (/** @type {Wrong} */ wrong) => this.#fail(wrong),
    })
  }

  /** @param {string} secret @param {string} name of what was made */
  #showOnce(secret, name) {
    this.#isBusy = false
    const { once, secretOf } = KINDS[this.#kind]
    const field = /** @type {HTMLInputElement} */ (this.#field('secret'))
    this.#form.reset()
    this.#showFields()
    ;/** @type {HTMLDetailsElement} */ (part(this, 'whole')).open = true
    part(this, 'shown').hidden = false
    part(this, 'once').textContent = word(once)
    part(this, 'copy').textContent = word('copy')
    field.value = secret
    field.setAttribute('aria-label', word(secretOf, { name }))
    field.focus()
    field.select()
  }

  /** @param {Wrong} wrong */
  #fail({ code, message }) {
    this.#isBusy = false
    const named = /^\w+/.exec(message)?.[0] ?? ''
    const first = this.#kind === 'bot' ? 'username' : this.#kind === 'in' ? 'name' : 'url'
    const name = code === 'username_taken' ? 'username' : code !== 'invalid_payload' ? '' : named in WRONG && this.querySelector(`[data-part="${named}"]`) ? named : first
    this.#say(code === 'invalid_payload' ? word(message.includes('--hook-private') ? 'wrongPrivate' : WRONG[name])
      : code === 'forbidden' && /\bmany\b/.test(message) ? word('tooMany') : errorText(code))
    if (name === '') return
    const field = name === 'room_id' && part(this, 'room_id-field').hidden ? this.#field('into') : this.#field(name)
    field.setAttribute('aria-invalid', 'true')
    field.setAttribute('aria-errormessage', this.#id('wrong'))
    field.focus()
  }

  get #form() { return /** @type {HTMLFormElement} */ (part(this, 'form')) }

  /** @param {string} text */
  #say(text) {
    part(this, 'wrong').hidden = text === ''
    part(this, 'wrong').textContent = text
    for (const field of this.querySelectorAll('[aria-invalid]')) {
      field.removeAttribute('aria-invalid')
      field.removeAttribute('aria-errormessage')
    }
  }

  #clear() {
    this.#isBusy = false
    this.#form.reset()
    this.#showFields()
    this.#say('')
    part(this, 'shown').hidden = true
    ;/** @type {HTMLInputElement} */ (this.#field('secret')).value = ''
    ;/** @type {HTMLDetailsElement} */ (part(this, 'whole')).open = false
  }
}

customElements.define('hook-maker', HookMaker)
