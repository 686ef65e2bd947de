// <chat-thread>: one conversation: who it is with, the messages, and the composer. `open` shows a chat;
// the rest it reads from the store. It says what the person wants (send, older, read, …) and, while the
// conversation is visible and focused, that what was in view has been read.
//
// Only a window of the messages has bubbles (see `windowOf`): it moves along with the reader, and the
// message at the top of the view keeps its place to the pixel while bubbles come and go around it.

import { clockTime, dayName, fullTime, longTime } from '../i18n/dates.js'
import { errorText, languages, t, translate } from '../i18n/words.js'
import { paintAvatar } from '../lib/avatar.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { clone, part } from '../lib/template.js'
import { fillWithText } from '../lib/text.js'
import { STEP, indexOf, laterFrom, layOut, messageKey, moveWindow, newestFrom, newestId, windowOf } from '../state/store.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/store.js').Message} Message */
/** @typedef {ReturnType<typeof layOut>[number]} Item */

/** Nearer to the end than this, new messages keep the end in view; farther away they only count. */
const NEAR_END_PX = 100
/** Older messages are asked for before the reader reaches the top: this many screens away. */
const PREFETCH_SCREENS = 1.5
/** While typing goes on the peer is told once in this time; their typing line lives twice as long. */
const TYPING_EVERY_MS = 3_000
/** Reading along is told at once, and then at most once in this time. */
const READ_EVERY_MS = 200
/** More new messages than this at once are announced by their number. */
const ANNOUNCED_MOST = 3
/** The limit is mentioned when this few characters are left. */
const MENTION_LIMIT = 200

const STATE_WORDS = { pending: 'statePending', failed: 'stateFailed', stored: 'stateStored', read: 'stateRead' }
/** The ticks, drawn in 20 by 14: a clock, one tick, two, and an exclamation mark. */
const TICKS = {
  pending: 'M12 1.8a5.2 5.2 0 1 0 .01 0M12 4.2V7l1.9 1.4',
  failed: 'M12 1.8a5.2 5.2 0 1 0 .01 0M12 4.3v3m0 2.3v.01',
  stored: 'm6 7.6 3.4 3.4L17 3.2',
  read: 'm1.4 7.6 3.4 3.4 7.6-7.8M8.8 9.6l1.4 1.4 7.9-7.8',
}
/** Where the browser itself holds what is being read in its place, it does so best: also in mid-fling. */
const anchors = CSS.supports('overflow-anchor: auto')
const touch = matchMedia('(pointer: coarse)')

export class ChatThread extends HTMLElement {
  /** @type {Store} */ store
  /** @type {number | null} */ peerId = null
  maxChars = 4_000

  #listening = new AbortController()
  #resizing = new ResizeObserver(() => this.#afterResize())
  #stuck = true
  #scheduled = false
  /** The first message with a bubble, by its id; null: as many as may be, up to the end. @type {number | null} */
  #first = null
  /** What each bubble shows, so that it is filled again only when that changed.
   * @type {WeakMap<HTMLElement, { message: Message, joined: boolean, name: string }>} */
  #shown = new WeakMap()
  /** Where the divider stands, from opening until leaving. @type {number | undefined} */
  #newFrom
  /** Whether the first view of this chat was found: at the divider, else at the end. */
  #placed = false
  /** The newest message that the reader has had in view. */
  #seen = 0
  /** The id of the first and the key of the last message that had bubbles at the last rendering. @type {number | null} */
  #topId = null
  /** @type {string | undefined} */
  #end
  /** Where the reader was in the other chats, while away from the end. @type {Map<number, { id: number, top: number }>} */
  #places = new Map()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #readLater
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #countLater
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
    this.store.addEventListener('rewound', () => {
      this.#places.clear()
      this.#startOver()
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
    this.#scroller.addEventListener('keydown', event => this.#onKey(event))
    this.#resizing.observe(this.#scroller)
    this.#connectComposer()
  }

  disconnectedCallback() {
    this.#listening.abort()
    this.#resizing.disconnect()
    clearTimeout(this.#readLater)
    clearTimeout(this.#countLater)
  }

  /** Where the reader is: at which message of which chat, and how far down the view it stands; null at the end. */
  get place() {
    const anchor = this.peerId === null || !this.#placed || this.#stuck ? null : this.#anchor()
    const id = anchor && this.#shown.get(anchor.node)?.message.id
    return anchor && id && id !== Infinity ? { peerId: /** @type {number} */ (this.peerId), id, top: anchor.top } : null
  }

  /** A place to be found again when its chat is opened. @param {{ peerId: number, id: number, top: number }} place */
  keep({ peerId, id, top }) {
    this.#places.set(peerId, { id, top })
  }

  /** @param {number | null} peerId the chat to show, or none */
  open(peerId) {
    if (peerId === this.peerId) return
    this.#sayStopped()
    this.#keepPlace()
    this.peerId = peerId
    this.#startOver()
    this.hidden = peerId === null
    if (peerId === null) return
    this.#text.value = this.store.chat(peerId).draft
    this.#grow()
    this.render()
    this.#focus()
  }

  /** Forgets where the reader is and what was seen, as it all goes by the ids of messages. */
  #startOver() {
    clearTimeout(this.#readLater)
    this.#readLater = undefined
    this.#stuck = true
    this.#first = null
    this.#newFrom = undefined
    this.#placed = false
    this.#announced = this.#seen = 0
    part(this, 'bubbles').replaceChildren()
  }

  /** Puts the focus where one writes. @returns {boolean} false where it was there already */
  focusText() {
    if (document.activeElement === this.#text) return false
    this.#text.focus()
    return true
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
    this.#note()

    const placing = !this.#placed && thread.loaded
    const place = placing ? this.#findPlace(thread) : undefined
    // At the very top the browser holds nothing: it would show what is put there.
    const held = anchors && this.#scroller.scrollTop >= 1
    const anchor = this.#stuck || held ? null : this.#anchor()
    const now = new Date()
    const window = windowOf(thread.messages, this.#first)
    const last = thread.messages[window.to - 1]
    // With more before it only, the end is where it was.
    const sameEnd = this.#placed && last !== undefined && messageKey(last) === this.#end
    this.#end = last && messageKey(last)
    this.#topId = thread.messages[window.from]?.id ?? null
    keyed(part(this, 'bubbles'), layOut(thread.messages, this.#newFrom, window), {
      key: item => item.key,
      create: item => item.kind === 'divider' ? translate(clone('divider')) : clone(item.kind),
      update: (node, item) => this.#fill(node, item, user.username, now),
    })
    const top = part(this, 'top')
    part(this, 'failed').hidden = !thread.failed || thread.loaded
    top.hidden = !part(this, 'failed').hidden
    top.textContent = thread.hasMore || !thread.loaded ? t('loadingOlder') : t('beginning', { name: user.username })

    const node = place && part(this, 'bubbles').querySelector(`[data-key="${CSS.escape(place.key)}"]`)
    const left = !node && held && !(this.#stuck && !sameEnd)
    if (node) this.#scroller.scrollTop += this.#top(node) - (place.top ?? this.#scroller.clientHeight / 3)
    else if (left) requestAnimationFrame(() => this.#onScroll())
    else if (this.#stuck) this.#scroller.scrollTop = this.#scroller.scrollHeight
    else if (anchor?.node.isConnected) this.#scroller.scrollTop += this.#top(anchor.node) - anchor.top
    if (placing) this.#placed = true
    // What is left to the browser it does after this, so only then is it known where things stand.
    if (!left) this.#onScroll()
    this.#announce(thread.messages, user.username)
    this.#markRead()
  }

  /** Where to begin: at the first unread message, else where the reader was, else at the end.
   * @param {import('../state/store.js').Thread} thread @returns {{ key: string, top?: number } | undefined} */
  #findPlace({ messages, hasMore }) {
    const unread = messages.findIndex(message => message.senderId === this.peerId && !message.isRead)
    const kept = this.#places.get(this.peerId ?? 0)
    // Where even the oldest message here is unread the first one is not known, so nothing is said of it.
    if (unread > 0 || unread === 0 && !hasMore) {
      this.#newFrom = messages[unread].id
      this.#first = moveWindow(messages, messages[unread].id, -STEP)
      this.#stuck = false
      return { key: 'divider' }
    }
    const message = kept && messages[indexOf(messages, kept.id)]
    if (!message || unread === 0) return undefined
    this.#first = moveWindow(messages, message.id, -STEP)
    this.#stuck = false
    return { key: messageKey(message), top: kept.top }
  }

  #keepPlace() {
    if (this.peerId === null || !this.#placed) return
    const { place } = this
    this.#places.delete(this.peerId)
    if (place) this.keep(place)
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
    if (!mine) node.querySelector('.tick')?.remove()
    else part(node, 'tick').setAttribute('d', TICKS[look])
    part(node, 'state').textContent = mine ? t(STATE_WORDS[look]) : ''
    node.querySelector('.problem')?.remove()
    if (message.state !== 'failed') return
    const problem = translate(clone('problem'))
    part(problem, 'problem-text').textContent = errorText(message.problem ?? '')
    node.append(problem)
  }

  /** @param {MouseEvent} event on one of the buttons of a message that was not sent */
  #onBubbleClick(event) {
    const button = event.target instanceof Element ? event.target.closest('button') : null
    const clientId = /** @type {HTMLElement | undefined} */ (button?.closest('.message') ?? undefined)?.dataset.key
    if (button && clientId) intend(this, { type: button.dataset.part ?? '', peerId: this.peerId, clientId })
  }

  // Scrolling: stick to the end while near it, else hold what is being read.

  /** @param {Element} node @returns {number} how far below the top of the view it begins */
  #top(node) {
    return node.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top
  }

  /** The last bubble or chip that begins above a line of the view. @param {number} line */
  #lastAbove(line) {
    const { children } = part(this, 'bubbles')
    const limit = this.#scroller.getBoundingClientRect().top + line
    let low = 0, high = children.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (children[middle].getBoundingClientRect().top < limit) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** The message at the top of the view, and where it stands. */
  #anchor() {
    const { children } = part(this, 'bubbles')
    for (let at = Math.max(0, this.#lastAbove(0)); at < children.length; at++) {
      const node = /** @type {HTMLElement} */ (children[at])
      // A chip may go when what is before it comes; a message stays.
      if (node.classList.contains('message') && node.getBoundingClientRect().bottom > this.#scroller.getBoundingClientRect().top) {
        return { node, top: this.#top(node) }
      }
    }
    return null
  }

  #onScroll() {
    if (this.peerId === null || !this.#placed) return
    const { messages, hasMore } = this.store.chat(this.peerId).thread
    const { from, to } = windowOf(messages, this.#first)
    const atEnd = to === messages.length
    const wasStuck = this.#stuck
    this.#stuck = atEnd && this.#nearEnd
    // Away from the end the window is held by its first message, or what arrives would push it along.
    if (this.#stuck) this.#first = null
    else if (wasStuck || this.#first === null) this.#first = this.#topId
    this.#seen = this.#stuck ? newestId(messages) : Math.max(this.#seen, this.#lastSeen())
    const below = laterFrom(messages, this.peerId, this.#seen).length
    part(this, 'jump').hidden = this.#stuck
    part(this, 'jump-text').textContent = below > 0 ? t('newBelow', { count: below }) : ''
    part(this, 'jump').setAttribute('aria-label', below > 0 ? t('newBelow', { count: below }) : t('toNewest'))
    this.#markRead()

    const { scrollTop, scrollHeight, clientHeight } = this.#scroller
    // What has come meanwhile is not in the view yet: where the window is to go is seen after that.
    if (this.#scheduled) return
    if (anchors && scrollTop < 1 && (from > 0 || hasMore)) this.#scroller.scrollTop = 1
    // In a very high view both ends are near at once; then the window does not run to and fro.
    const margin = Math.min(clientHeight * PREFETCH_SCREENS, (scrollHeight - clientHeight) / 3)
    const atTop = scrollTop < margin, atBottom = scrollHeight - scrollTop - clientHeight < margin
    // As soon as one scrolls up at all, there is always more than the window above.
    // Asked for with every scroll; whoever answers sees to it that it is read once.
    if ((!this.#stuck || scrollHeight <= clientHeight) && from < 3 * STEP && hasMore) intend(this, { type: 'older', peerId: this.peerId })
    if (atTop && from > 0 && !this.#stuck) this.#first = moveWindow(messages, this.#first, -STEP)
    else if (atBottom && !atEnd) this.#first = moveWindow(messages, this.#first, STEP)
    else return
    this.#schedule()
  }

  /** The newest message that stands in the view, or above it. */
  #lastSeen() {
    const { children } = part(this, 'bubbles')
    for (let at = this.#lastAbove(this.#scroller.clientHeight); at >= 0; at--) {
      const id = this.#shown.get(/** @type {HTMLElement} */ (children[at]))?.message.id
      if (id !== undefined && id !== Infinity) return id
    }
    return 0
  }

  #toEnd() {
    this.#stuck = true
    this.#first = null
    // Whatever is rendered, the end is to be shown.
    this.#end = undefined
    this.render()
    this.#text.focus()
  }

  /** Arrow keys walk from message to message, so that each can be heard by itself.
   * @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const nodes = [...part(this, 'bubbles').querySelectorAll('.message')]
    const inside = document.activeElement?.closest('.message')
    const at = inside ? nodes.indexOf(inside) + step : nodes.findLastIndex(node => this.#top(node) < this.#scroller.clientHeight)
    const node = nodes[at]
    if (node instanceof HTMLElement) node.focus()
  }

  /** The composer grew, the window turned, a keyboard came up. */
  #afterResize() {
    if (this.#stuck) this.#scroller.scrollTop = this.#scroller.scrollHeight
  }

  /** @param {Message[]} messages @param {string} name */
  #announce(messages, name) {
    const { peerId } = this
    if (peerId === null || !this.store.chat(peerId).thread.loaded) return
    const fresh = this.#announced > 0 ? laterFrom(messages, peerId, this.#announced) : []
    // What the history brought is not announced, only what came while the conversation was open.
    if (fresh.length > ANNOUNCED_MOST) intend(this, { type: 'announce', text: t('newBelow', { count: fresh.length }) })
    else if (fresh.length > 0) {
      intend(this, { type: 'announce', text: fresh.map(({ content }) => t('announce', { name, text: content })).join('\n') })
    }
    this.#announced = Math.max(newestFrom(messages, peerId), 1)
  }

  #markRead() {
    if (this.peerId === null || document.visibilityState !== 'visible' || !document.hasFocus()) return
    const chat = this.store.chat(this.peerId)
    const upTo = this.#seen
    if (!this.#placed || upTo === 0 || this.#readLater !== undefined || this.store.unread(chat) === 0) return
    intend(this, { type: 'read', peerId: this.peerId, upTo })
    this.#readLater = setTimeout(() => {
      this.#readLater = undefined
      if (this.#seen > upTo) this.#markRead()
    }, READ_EVERY_MS)
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
    this.#first = null
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

  /** Fits the field to its text; the style sheet ends the growth. */
  #grow() {
    this.#text.style.height = 'auto'
    this.#text.style.height = `${this.#text.scrollHeight}px`
    this.#note()
  }

  /** Mentions the limit of length when it is near, and the wait when the server asks for one. */
  #note() {
    const left = this.maxChars - [...this.#text.value].length
    const wait = Math.ceil((this.store.sendsAgainAt - Date.now()) / 1000)
    const note = part(this, 'note')
    note.textContent = left < 0 ? t('tooLong', { count: -left })
      : wait > 0 ? t('tooFast', { count: wait })
      : left <= MENTION_LIMIT ? t('charactersLeft', { count: left }) : ''
    note.classList.toggle('too-long', left < 0)
    clearTimeout(this.#countLater)
    if (wait > 0) this.#countLater = setTimeout(() => this.#note(), 1_000)
  }

  /** On a touch screen the keyboard would cover what one came to read, so there the name is focused. */
  #focus() {
    const target = touch.matches ? part(this, 'name') : this.#text
    target.focus({ preventScroll: true })
  }
}

customElements.define('chat-thread', ChatThread)
