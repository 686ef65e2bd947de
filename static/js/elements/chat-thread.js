// <chat-thread>: one conversation: who it is with, the messages, and the composer. `open` shows a chat;
// the rest it reads from the store. It says what the person wants (send, older, read, …) and, while the
// conversation is visible and focused, that what is there has been read.

import { clone, fillWithText, intend, keyed, paintAvatar, part } from '../lib/dom.js'
import { clockTime, dayName, errorText, fullTime, languages, longTime, t, translate } from '../i18n/words.js'
import { layOut, newestFrom, newestId } from '../state/store.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/store.js').Message} Message */
/** @typedef {ReturnType<typeof layOut>[number]} Item */

/** Nearer to the end than this, new messages keep the end in view; farther away they only count. */
const NEAR_END_PX = 100
/** Older messages are asked for before the reader reaches the top: this many screens away. */
const PREFETCH_SCREENS = 1.5
/** While typing goes on the peer is told once in this time; their typing line lives twice as long. */
const TYPING_EVERY_MS = 3_000
/** The limit is mentioned when this few characters are left. */
const MENTION_LIMIT = 200

const STATE_WORDS = { pending: 'statePending', failed: 'stateFailed', stored: 'stateStored', read: 'stateRead' }
const touch = matchMedia('(pointer: coarse)')

export class ChatThread extends HTMLElement {
  /** @type {Store} */ store
  /** @type {number | null} */ peerId = null
  maxChars = 4_000

  #listening = new AbortController()
  #resizing = new ResizeObserver(() => this.#afterResize())
  #stuck = true
  #scheduled = false
  /** What each bubble shows, so that it is filled again only when that changed.
   * @type {WeakMap<HTMLElement, { message: Message, joined: boolean, name: string }>} */
  #shown = new WeakMap()
  /** Where the divider stands, from opening until leaving. @type {number | undefined} */
  #newFrom
  /** Whether the first view of this chat was found: at the divider, else at the end. */
  #placed = false
  /** The newest message from the peer that the reader has had in view. */
  #seen = 0
  /** The newest message from the peer that needs no announcement any more. */
  #announced = 0
  #typingSaidAt = -Infinity

  /** @param {Store} store */
  constructor(store) {
    super()
    this.store = store
  }

  connectedCallback() {
    const { signal } = this.#listening
    this.replaceChildren(translate(clone('chat-thread')))
    this.store.addEventListener('change', event => {
      const { peerId } = /** @type {CustomEvent} */ (event).detail
      if (peerId === undefined || peerId === this.peerId) this.#schedule()
    }, { signal })
    languages.addEventListener('change', () => {
      this.#shown = new WeakMap()
      this.render()
    }, { signal })
    window.addEventListener('focus', () => this.#markRead(), { signal })
    document.addEventListener('visibilitychange', () => this.#markRead(), { signal })
    this.#scroller.addEventListener('scroll', () => this.#onScroll(), { signal, passive: true })
    part(this, 'jump').addEventListener('click', () => this.#toEnd())
    part(this, 'again').addEventListener('click', () => intend(this, { type: 'refresh' }))
    part(this, 'back').addEventListener('click', event => {
      event.preventDefault()
      intend(this, { type: 'back' })
    })
    part(this, 'bubbles').addEventListener('click', event => this.#onBubbleClick(event))
    this.#resizing.observe(this.#scroller)
    this.#connectComposer()
  }

  disconnectedCallback() {
    this.#listening.abort()
    this.#resizing.disconnect()
  }

  /** @param {number | null} peerId the chat to show, or none */
  open(peerId) {
    if (peerId === this.peerId) return
    this.#sayStopped()
    this.peerId = peerId
    this.#stuck = true
    this.#newFrom = undefined
    this.#placed = false
    this.#announced = this.#seen = 0
    part(this, 'bubbles').replaceChildren()
    this.hidden = peerId === null
    if (peerId === null) return
    this.#text.value = this.store.chat(peerId).draft
    this.#grow()
    this.render()
    this.#focus()
  }

  // Messages.

  get #scroller() { return part(this, 'scroller') }
  get #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller
    return scrollHeight - scrollTop - clientHeight <= NEAR_END_PX
  }

  /** Many changes of one moment are one rendering. */
  #schedule() {
    if (this.#scheduled) return
    this.#scheduled = true
    requestAnimationFrame(() => {
      this.#scheduled = false
      this.render()
    })
  }

  render() {
    const { peerId, store } = this
    if (peerId === null || !this.isConnected) return
    const { thread } = store.chat(peerId)
    const user = store.users.get(peerId) ?? { id: peerId, username: '…' }
    this.#renderHead(user)

    // The divider is set once, when the history is there to be searched for the first unread one.
    const placing = !this.#placed && thread.loaded
    if (placing) this.#newFrom = thread.messages.find(message => message.senderId === peerId && !message.isRead)?.id
    const anchor = this.#stuck ? null : this.#anchor()
    const now = new Date()
    keyed(part(this, 'bubbles'), layOut(thread.messages, this.#newFrom), {
      key: item => item.key,
      create: item => translate(clone(item.kind)),
      update: (node, item) => this.#fill(node, item, user.username, now),
    })
    const top = part(this, 'top')
    part(this, 'failed').hidden = !thread.failed || thread.loaded
    top.hidden = !part(this, 'failed').hidden
    top.textContent = thread.hasMore || !thread.loaded ? t('loadingOlder') : t('beginning', { name: user.username })

    const divider = placing && this.querySelector('.divider')
    if (divider) divider.scrollIntoView({ block: 'center' })
    else if (this.#stuck) this.#scroller.scrollTop = this.#scroller.scrollHeight
    else if (anchor?.node.isConnected) this.#scroller.scrollTop += anchor.node.offsetTop - anchor.top
    if (placing) {
      this.#placed = true
      this.#seen = newestFrom(thread.messages, peerId)
    }
    this.#onScroll()
    this.#announce(thread.messages, user.username)
    this.#markRead()
  }

  /** @param {import('../net/api.js').User} user */
  #renderHead(user) {
    const { peerId, store } = this
    paintAvatar(part(this, 'avatar'), user)
    part(this, 'name').textContent = user.username
    this.#scroller.setAttribute('aria-label', t('messages', { name: user.username }))
    this.#text.setAttribute('aria-label', t('messageTo', { name: user.username }))
    const presence = store.presence.get(peerId ?? 0)
    const status = part(this, 'status')
    const when = presence?.lastSeen && longTime(new Date(presence.lastSeen), new Date())
    status.textContent = presence?.online ? t('online') : when ? t('lastSeen', { when }) : ''
    status.classList.toggle('is-online', presence?.online ?? false)
    const typing = part(this, 'typing')
    typing.textContent = store.typing.has(peerId ?? 0) ? t('typing', { name: user.username }) : ''
  }

  /** @param {HTMLElement} node @param {Item} item @param {string} name the peer's @param {Date} now */
  #fill(node, item, name, now) {
    if (item.kind === 'day') part(node, 'name').textContent = dayName(item.date, now)
    if (item.kind !== 'message') return
    const { message, joined } = item
    // Messages are never changed in place, so the same one looks the same: most of them, most times.
    const shown = this.#shown.get(node)
    if (shown?.message === message && shown.joined === joined && shown.name === name) return
    this.#shown.set(node, { message, joined, name })
    const mine = message.senderId === this.store.me.id
    const look = message.state === 'stored' && message.isRead ? 'read' : message.state
    node.classList.toggle('mine', mine)
    node.classList.toggle('joined', joined)
    node.dataset.state = look
    part(node, 'sender').textContent = t('bySender', { name: mine ? t('you') : name })
    // What is written does not change; a selection in it must survive a change of the tick.
    if (shown?.message.content !== message.content) fillWithText(part(node, 'text'), message.content)
    const date = new Date(message.createdAt)
    const time = part(node, 'time')
    time.textContent = clockTime(date)
    time.title = fullTime(date)
    part(node, 'tick').toggleAttribute('hidden', !mine)
    part(node, 'tick').firstElementChild?.setAttribute('href', `#icon-${look}`)
    part(node, 'state').textContent = mine ? t(STATE_WORDS[look]) : ''
    part(node, 'problem').hidden = message.state !== 'failed'
    if (message.state === 'failed') part(node, 'problem-text').textContent = errorText(message.problem ?? '')
  }

  /** @param {MouseEvent} event on one of the buttons of a message that was not sent */
  #onBubbleClick(event) {
    const button = event.target instanceof Element ? event.target.closest('button') : null
    const clientId = /** @type {HTMLElement | undefined} */ (button?.closest('.message') ?? undefined)?.dataset.key
    if (button && clientId) intend(this, { type: button.dataset.part ?? '', peerId: this.peerId, clientId })
  }

  // Scrolling: stick to the end while near it, else hold what is being read.

  /** The first message in view, and where it stands. */
  #anchor() {
    const { scrollTop } = this.#scroller
    for (const node of part(this, 'bubbles').children) {
      if (!(node instanceof HTMLElement) || node.offsetTop + node.offsetHeight <= scrollTop) continue
      return { node, top: node.offsetTop }
    }
    return null
  }

  #onScroll() {
    if (this.peerId === null || !this.#placed) return
    const { thread } = this.store.chat(this.peerId)
    this.#stuck = this.#nearEnd
    if (this.#stuck) this.#seen = newestFrom(thread.messages, this.peerId)
    const below = thread.messages.filter(message => message.senderId === this.peerId && message.id > this.#seen).length
    part(this, 'jump').hidden = this.#stuck
    part(this, 'jump-text').textContent = below > 0 ? t('newBelow', { count: below }) : ''
    part(this, 'jump').setAttribute('aria-label', below > 0 ? t('newBelow', { count: below }) : t('toNewest'))
    const near = this.#scroller.scrollTop < this.#scroller.clientHeight * PREFETCH_SCREENS
    // Asked for with every scroll; whoever answers sees to it that it is read once.
    if (near && thread.hasMore) intend(this, { type: 'older', peerId: this.peerId })
  }

  #toEnd() {
    this.#stuck = true
    const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior })
    this.#text.focus()
  }

  /** The composer grew, the window turned, a keyboard came up. */
  #afterResize() {
    if (this.#stuck) this.#scroller.scrollTop = this.#scroller.scrollHeight
  }

  /** @param {Message[]} messages @param {string} name */
  #announce(messages, name) {
    const newest = newestFrom(messages, this.peerId ?? 0)
    const fresh = messages.filter(message => message.senderId === this.peerId && message.id > this.#announced)
    // What the history brought is not announced, only what came while the conversation was open.
    if (this.#announced > 0 && fresh.length > 0) {
      intend(this, { type: 'announce', text: fresh.map(({ content }) => t('announce', { name, text: content })).join('\n') })
    }
    if (this.store.chat(this.peerId ?? 0).thread.loaded) this.#announced = Math.max(newest, 1)
  }

  #markRead() {
    if (this.peerId === null || document.visibilityState !== 'visible' || !document.hasFocus()) return
    const chat = this.store.chat(this.peerId)
    if (!chat.thread.loaded || this.store.unread(chat) === 0) return
    intend(this, { type: 'read', peerId: this.peerId, upTo: newestId(chat.thread.messages) })
  }

  // The composer.

  get #text() { return /** @type {HTMLTextAreaElement} */ (part(this, 'draft')) }

  #connectComposer() {
    this.#text.enterKeyHint = touch.matches ? 'enter' : 'send'
    part(this, 'composer').addEventListener('submit', event => {
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('keydown', event => {
      // While an input method composes, Enter belongs to it (229 is how Safari says so). On a touch
      // keyboard there is no Shift+Enter, so there Enter is a new line and the button sends.
      const composing = event.isComposing || event.keyCode === 229
      if (event.key !== 'Enter' || event.shiftKey || composing || touch.matches) return
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('input', () => {
      this.#grow()
      intend(this, { type: 'draft', peerId: this.peerId, text: this.#text.value })
      if (this.#text.value.trim() === '') return this.#sayStopped()
      if (performance.now() - this.#typingSaidAt < TYPING_EVERY_MS) return
      this.#typingSaidAt = performance.now()
      intend(this, { type: 'typing', peerId: this.peerId, isTyping: true })
    })
    this.#text.addEventListener('blur', () => this.#sayStopped())
  }

  #send() {
    const content = this.#text.value
    const tooLong = [...content].length > this.maxChars
    if (content.trim() === '' || tooLong) return this.#text.focus()
    this.#typingSaidAt = -Infinity
    this.#stuck = true
    this.#newFrom = undefined
    this.#text.value = ''
    this.#grow()
    intend(this, { type: 'send', peerId: this.peerId, content })
    // Painted now, not with the next frame's batch: the bubble is the answer to the key.
    this.render()
    this.#text.focus()
  }

  #sayStopped() {
    if (this.#typingSaidAt === -Infinity) return
    this.#typingSaidAt = -Infinity
    intend(this, { type: 'typing', peerId: this.peerId, isTyping: false })
  }

  /** Fits the field to its text (the style sheet ends the growth) and mentions the limit when near. */
  #grow() {
    this.#text.style.height = 'auto'
    this.#text.style.height = `${this.#text.scrollHeight}px`
    const left = this.maxChars - [...this.#text.value].length
    const note = part(this, 'note')
    note.textContent = left < 0 ? t('tooLong', { count: -left }) : left <= MENTION_LIMIT ? t('charactersLeft', { count: left }) : ''
    note.classList.toggle('too-long', left < 0)
  }

  /** On a touch screen the keyboard would cover what one came to read, so there the name is focused. */
  #focus() {
    const target = touch.matches ? part(this, 'name') : this.#text
    target.focus({ preventScroll: true })
  }
}

customElements.define('chat-thread', ChatThread)
