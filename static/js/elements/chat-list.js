// <chat-list>: the chats, the latest first, with who you are and the menu above them. It reads the
// store and says what the person wants; which chat is open it is told by `current`.

import { shortTime } from '../i18n/dates.js'
import { currentLanguage, languages, t, translate } from '../i18n/words.js'
import { paintAvatar, paintRoom } from '../lib/avatar.js'
import { choiceButtons } from '../lib/choices.js'
import { perFrame } from '../lib/frame.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { clone, part } from '../lib/template.js'
import { addressOf, idOf, isMuted } from '../state/chats.js'
import { nameOf, namesIn, titleOf } from './names.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../state/chats.js').Row} Row */

/** How often the relative times are written anew. */
const TIMES_MS = 60_000
/**
 * So long after the mouse has moved over the list no row moves: the one that is aimed at stays
 * under it.
 */
const HOLD_MS = 1_500
/** A preview shows one line; a text of thousands of characters need not be laid out for it. */
const PREVIEW_CHARS = 160

export class ChatList extends HTMLElement {
  /** @type {Store} */ store
  #listening = new AbortController()
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock
  /** @type {ChatKey | null} */
  #current = null
  #rows = document.createElement('ul')
  /** Many changes of one moment, such as a replay after a reconnect, are one rendering. */
  #schedule = perFrame(() => this.render())
  #showLanguage = (/** @type {string | undefined} */ _) => {}
  #showTheme = this.#showLanguage
  /** When the mouse last moved over the rows. */
  #aimedAt = -Infinity
  /** The chats in the order in which they are shown. @type {ChatKey[]} */
  #order = []
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #sortLater
  /** True until the row of the chat that was opened is in view. */
  #toShow = false

  /** @param {Store} store */
  constructor(store) {
    super()
    this.store = store
  }

  connectedCallback() {
    const { signal } = this.#listening
    this.replaceChildren(translate(clone('chat-list')))
    this.#rows = part(this, 'rows')
    this.#rows.addEventListener('pointermove', ({ pointerType }) => {
      if (pointerType === 'mouse') this.#aimedAt = performance.now()
    })
    const menu = part(this, 'menu')
    for (const name of ['new', 'first']) {
      part(this, name).addEventListener('click', () => intend(this, { type: 'find-people' }))
    }
    part(this, 'more').addEventListener('click', () => intend(this, { type: 'more-chats' }))
    part(this, 'again').addEventListener('click', () => intend(this, { type: 'refresh' }))
    for (const name of ['make-room', 'profile', 'admin', 'keys', 'log-out']) {
      part(this, name).addEventListener('click', () => intend(this, { type: name }))
    }
    // First: what a button opens gives the focus back to where it was.
    menu.addEventListener('click', () => menu.hidePopover(), { capture: true })
    // A popover is placed on the window, where the bar stands lower while the banner is shown.
    menu.addEventListener('beforetoggle', () => {
      intend(this, { type: 'menu' })
      this.#showTheme(document.documentElement.dataset.theme)
      menu.style.top = `${part(this, 'bar').getBoundingClientRect().bottom}px`
    })
    this.#showLanguage = choiceButtons(this, 'language')
    this.#showTheme = choiceButtons(this, 'theme')
    this.store.addEventListener('change', () => this.#schedule(), { signal })
    languages.addEventListener('change', () => this.render(), { signal })
    this.#clock = setInterval(() => this.render(), TIMES_MS)
    this.render()
  }

  disconnectedCallback() {
    this.#listening.abort()
    clearInterval(this.#clock)
    clearTimeout(this.#sortLater)
  }

  /** @param {ChatKey | null} key the chat that is open */
  set current(key) {
    this.#current = key
    this.#toShow = true
    this.render()
  }

  /** @param {boolean} can whether there is anything to administrate here, for this person */
  set canAdminister(can) {
    part(this, 'admin').hidden = !can
  }

  /** Stands where there are no chats yet, above the rest. @param {HTMLElement} element */
  welcome(element) {
    part(this, 'welcome').replaceChildren(element)
  }

  /** Puts the focus on a chat's row, for the way back from a conversation. @param {ChatKey} key */
  focusRow(key) {
    const row = this.#rows.querySelector(`[data-key="${key}"] a`)
    if (row instanceof HTMLElement) row.focus()
  }

  render() {
    if (!this.isConnected) return
    const { me, listState, nextChats } = this.store
    paintAvatar(part(this, 'me-avatar'), me)
    part(this, 'me-name').textContent = nameOf(me)
    this.#showLanguage(currentLanguage())
    this.#showTheme(document.documentElement.dataset.theme)
    const rows = this.#hold(this.store.list())
    const now = new Date()
    const names = namesIn(rows.flatMap(({ chat }) => chat.peerId ? [this.store.user(chat.peerId)] : []))
    keyed(this.#rows, rows, {
      key: row => row.chat.key,
      create: () => clone('chat-row'),
      update: (node, row) => this.#fill(node, row, now, names),
    })
    const row = this.#toShow && this.#rows.querySelector('[aria-current]')
    if (row) {
      row.scrollIntoView({ block: 'nearest' })
      this.#toShow = false
    }
    part(this, 'more').hidden = nextChats === undefined
    part(this, 'empty').hidden = rows.length > 0 || listState !== 'ready'
    part(this, 'failed').hidden = rows.length > 0 || listState !== 'failed'
  }

  /**
   * The rows in their order, or, while one of them may be aimed at, in the order in which they
   * stand.
   * @param {Row[]} rows
   */
  #hold(rows) {
    const left = this.#aimedAt + HOLD_MS - performance.now()
    if (left > 0) {
      const place = new Map(this.#order.map((key, at) => [key, at]))
      rows.sort((a, b) => (place.get(a.chat.key) ?? rows.length) - (place.get(b.chat.key) ?? rows.length))
      clearTimeout(this.#sortLater)
      this.#sortLater = setTimeout(() => this.render(), left)
    }
    this.#order = rows.map(({ chat }) => chat.key)
    return rows
  }

  /**
   * @param {HTMLElement} node
   * @param {Row} row
   * @param {Date} now
   * @param {(user: import('./names.js').Named) => string} names
   */
  #fill(node, { chat, last, unread, mentions }, now, names) {
    const { key, peerId } = chat
    const isRoom = peerId === 0
    const link = /** @type {HTMLAnchorElement} */ (node.firstElementChild)
    const muted = isMuted(chat, now.getTime())
    link.setAttribute('href', addressOf(key))
    if (key === this.#current) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
    link.classList.toggle('unread', unread > 0 && !muted)
    link.classList.toggle('muted', muted)

    if (isRoom) paintRoom(part(node, 'avatar'), idOf(key), chat.room?.avatar)
    else paintAvatar(part(node, 'avatar'), this.store.user(peerId))
    const online = !isRoom && this.store.presence.get(peerId)?.online
    part(node, 'dot').hidden = !online
    part(node, 'name').textContent = isRoom ? titleOf(this.store, chat) : names(this.store.user(peerId))
    part(node, 'kind').textContent = [isRoom && t('room'), online && t('online'), muted && t('muted')].filter(Boolean).join(', ')
    part(node, 'time').textContent = last ? shortTime(new Date(last.time), now) : ''
    this.#preview(part(node, 'preview'), chat, last)

    // In rooms a number is for those messages alone that call the reader; the rest is a dot.
    const counted = isRoom || muted ? mentions : unread
    const badge = part(node, 'badge')
    badge.hidden = unread === 0 && mentions === 0
    badge.classList.toggle('only-dot', counted === 0)
    part(node, 'count').textContent = counted > 0 ? counted.toLocaleString(currentLanguage()) : ''
    part(node, 'count-text').textContent = [t('unread', { count: unread }), mentions > 0 && t('mentionCount', { count: mentions })]
      .filter(Boolean).join(', ')
  }

  /**
   * @param {HTMLElement} preview
   * @param {import('../state/chats.js').Chat} chat
   * @param {import('../state/chats.js').Last | null} last
   */
  #preview(preview, { key, peerId, draft, typing }, last) {
    const isDraft = draft.trim() !== '' && key !== this.#current
    const [typist] = typing
    preview.classList.toggle('draft', isDraft)
    preview.classList.toggle('typing', typist !== undefined)
    const text = (isDraft ? draft : last?.text ?? '').slice(0, PREVIEW_CHARS)
    const name = (/** @type {number} */ id) => nameOf(this.store.user(id))
    preview.textContent = typist !== undefined ? peerId ? t('typingShort') : t('typing', { name: name(typist) })
      : isDraft ? t('draftPrefix', { text })
      : !last ? t('noMessageYet')
      : last.deleted ? t('messageDeleted')
      : last.senderId === this.store.me.id ? t('youPrefix', { text })
      : peerId ? text : t('announce', { name: name(last.senderId), text })
  }
}

customElements.define('chat-list', ChatList)
