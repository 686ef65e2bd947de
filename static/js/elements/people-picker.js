// <people-picker>: a dialog that finds a person to write to, one's own rooms, archived ones among
// them, those that one may enter, and what was said. It says `search`, `more-hits`, `start-chat`,
// `join-room` and `open-hit`; dialogs.js hands in what the server answered, and loads it when it is
// first asked for.

import { errorText, languages, t, translate } from '../i18n/words.js'
import { paintAvatar, paintRoom } from '../lib/avatar.js'
import { asDialog } from '../lib/dialog.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { clone, part } from '../lib/template.js'
import { keyOf, pairKey } from '../state/chats.js'
import { fillHit, hitRow } from './message-hits.js'
import { nameOf, namesIn } from './names.js'

/** @typedef {import('../net/api.js').User} User */
/**
 * @typedef {{ key: import('../state/chats.js').ChatKey, id: number, name: string,
 *   avatar?: string | null, isMine: boolean, archived?: boolean }} FoundRoom
 */

/** @typedef {import('./message-hits.js').Hit} Hit */

/** The wait after a key, so that fast typing is one search. */
const PAUSE_MS = 150

export class PeoplePicker extends HTMLElement {
  #listening = new AbortController()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause
  /** @type {{ query?: string, users?: User[], rooms?: FoundRoom[], code?: string }} */
  #answer = {}
  /**
   * What was said; `next` is where there is more of it, `code` why there is none.
   * @type {{ query?: string, hits: Hit[], next?: string, code?: string }}
   */
  #said = { hits: [] }
  /** True from Enter until the first row is one of what is typed. */
  #takesFirst = false
  /** True where one went from here to a message: the way back leads to the same list. */
  #hasOpened = false
  #store

  /** @param {import('../state/store.js').Store} store */
  constructor(store) {
    super()
    this.#store = store
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('people-picker')))
    languages.addEventListener('change', () => this.render(), { signal: this.#listening.signal })
    // Who wrote, and where, may be learned later.
    this.#store.addEventListener('change', () => { if (this.#dialog.open) this.render() }, { signal: this.#listening.signal })
    asDialog(this.#dialog)
    this.#query.addEventListener('input', () => {
      this.#takesFirst = false
      clearTimeout(this.#pause)
      this.#pause = setTimeout(() => this.#search(), PAUSE_MS)
    })
    this.#dialog.addEventListener('keydown', event => this.#onKey(event))
    part(this, 'people').addEventListener('click', event => {
      const row = event.target instanceof Element ? event.target.closest('li') : null
      if (row) this.#choose(row.dataset.key ?? '')
    })
    part(this, 'make-room').addEventListener('click', () => {
      this.#dialog.close()
      intend(this, { type: 'make-room' })
    })
  }

  disconnectedCallback() {
    this.#listening.abort()
    clearTimeout(this.#pause)
  }

  // What dialogs.js asks.

  show() {
    if (!this.#hasOpened) {
      this.#query.value = ''
      this.#answer = {}
      this.#said = { hits: [] }
    }
    this.#hasOpened = this.#takesFirst = false
    this.render()
    this.#dialog.showModal()
    this.#query.focus()
    this.#query.select()
    this.#search()
  }

  /**
   * @param {string} query what was searched for: an answer that was overtaken is not shown
   * @param {User[]} users
   * @param {FoundRoom[]} rooms
   */
  found(query, users, rooms) {
    if (query !== this.#query.value.trim()) return
    this.#answer = { query, users, rooms }
    this.render()
    this.#takeFirst()
  }

  /**
   * @param {string} query as above
   * @param {{ hits: Hit[], next?: string, code?: string }} said
   * @param {boolean} [more] of the same
   */
  said(query, { hits, next, code }, more) {
    if (query !== this.#query.value.trim()) return
    const rows = part(this, 'people')
    const hadFocus = rows.contains(document.activeElement)
    this.#said = { query, hits: more ? [...this.#said.hits, ...hits] : hits, next, code }
    this.render()
    this.#takeFirst()
    // With the button for more goes the focus: on to what it brought.
    if (more && hadFocus && !rows.contains(document.activeElement)) {
      const first = /** @type {HTMLElement | null} */ (rows.querySelector(`[data-key="said ${hits[0]?.id}"] button`))
      const next = first ?? this.#query
      next.focus()
    }
  }

  /** @param {string} query as above @param {string} code */
  fail(query, code) {
    if (query !== this.#query.value.trim()) return
    this.#answer = { query, code }
    this.#takesFirst = false
    this.render()
  }

  // Inside.

  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }
  get #query() { return /** @type {HTMLInputElement} */ (part(this, 'query')) }

  #search() {
    intend(this, { type: 'search', query: this.#query.value.trim() })
  }

  /** @param {string} key of a row */
  #choose(key) {
    if (key === 'more') return intend(this, { type: 'more-hits', query: this.#query.value.trim(), before: this.#said.next })
    this.#dialog.close()
    const hit = this.#said.hits.find(({ id }) => key === `said ${id}`)
    if (hit) {
      this.#hasOpened = true
      return intend(this, { type: 'open-hit', chat: keyOf(hit, this.#store.me.id), id: hit.id })
    }
    const room = this.#answer.rooms?.find(room => room.key === key)
    if (!room) intend(this, { type: 'start-chat', chat: key })
    else if (room.isMine) intend(this, { type: 'start-chat', chat: room.key })
    else intend(this, { type: 'join-room', id: room.id })
  }

  /**
   * Takes the first row if that was asked for, once it is of what is typed: until then there are
   * rows of what was typed before. People and rooms stand before what was said.
   */
  #takeFirst() {
    const query = this.#query.value.trim()
    const { users = [], rooms = [] } = this.#answer
    const isThere = this.#answer.query === query && (users.length > 0 || rooms.length > 0 || this.#said.query === query)
    if (!this.#takesFirst || !isThere || !this.#dialog.open) return
    this.#takesFirst = false
    part(this, 'people').querySelector('button')?.click()
  }

  /**
   * Arrow keys walk from the field through the people; Enter in the field takes the first.
   * @param {KeyboardEvent} event
   */
  #onKey(event) {
    const buttons = [...part(this, 'people').querySelectorAll('button')]
    if (event.key === 'Enter' && event.target === this.#query && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault()
      this.#takesFirst = true
      return this.#takeFirst()
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step === undefined || buttons.length === 0) return
    event.preventDefault()
    this.#takesFirst = false
    const at = buttons.findIndex(button => button === document.activeElement) + step
    const target = buttons[at] ?? (at < 0 ? this.#query : buttons.at(-1))
    target?.focus()
  }

  render() {
    const { users, rooms = [], code } = this.#answer
    const names = namesIn(users ?? [])
    const { next, code: silent } = this.#said
    const hits = this.#said.hits.filter(({ id }) => !this.#store.deleted.has(id))
    const now = new Date()
    /** @type {{ key: string, room?: FoundRoom, user?: User, hit?: Hit }[]} */
    const rows = [...rooms.map(room => ({ key: String(room.key), room })), ...(users ?? []).map(user => ({ key: String(pairKey(user.id)), user })),
      ...hits.map(hit => ({ key: `said ${hit.id}`, hit })), ...next ? [{ key: 'more' }] : []]
    keyed(part(this, 'people'), rows, {
      key: ({ key }) => key,
      create: ({ key, hit }) => hit ? hitRow() : key === 'more' ? moreRow() : clone('person'),
      update: (node, { room, user, hit }) => {
        if (hit) return fillHit(node, hit, this.#store, now)
        if (!room && !user) return
        if (room) paintRoom(part(node, 'avatar'), room.id, room.avatar)
        else if (user) paintAvatar(part(node, 'avatar'), user)
        part(node, 'name').textContent = room ? room.name : user ? names(user) : ''
        part(node, 'note').textContent = room ? room.archived ? t('archived') : room.isMine ? t('room') : t('roomToJoin')
          : user?.is_bot ? t('bot') : user && nameOf(user) !== user.username ? `@${user.username}` : ''
      },
    })
    const messages = silent ? errorText(silent) : hits.length > 0 ? t('messagesFound', { count: hits.length }) : ''
    part(this, 'status').textContent = code ? errorText(code)
      : !users ? t('searching')
      : [users.length > 0 ? t('peopleFound', { count: users.length })
        : rooms.length > 0 || hits.length > 0 ? '' : this.#query.value.trim() ? t('nobodyFound') : t('nobodyElse'),
      messages].filter(Boolean).join(' · ')
  }
}

/** @returns {HTMLElement} the row by which more of what was said is had */
function moreRow() {
  const row = document.createElement('li'), button = document.createElement('button')
  button.type = 'button'
  button.className = 'link-button'
  button.textContent = t('moreMessages')
  row.append(button)
  return row
}

customElements.define('people-picker', PeoplePicker)
