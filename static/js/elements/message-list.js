// <message-list>: the messages of a conversation. It says `older`, `newer`, `newest` and `jump`
// when others of them are wanted, and what read-along.js says; when the reader asks for the newest
// message it tells those around it by `ended`, and of a message that is to be edited by `edit`, or
// answered by `reply`.
//
// Only a window of the messages has bubbles (see `windowOf`): it moves along with the reader, and
// the message at the top of the view keeps its place to the pixel while bubbles come and go around
// it.

import { languages, t, translate } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'
import { isRoom, isUnread } from '../state/chats.js'
import { NOBODY } from '../state/read.js'
import { indexOf, messageOf, newestId, receivedAfter } from '../state/timeline.js'
import { STEP, layOut, messageKey, moveWindow, windowOf } from '../state/window.js'
import { Bubbles } from './bubbles.js'
import { ChatPart } from './chat-part.js'
import { MessageActions } from './message-actions.js'
import { ReadAlong } from './read-along.js'
import { ScrollAnchor } from './scroll-anchor.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../state/timeline.js').Message} Message */
/** @typedef {import('../state/timeline.js').Thread} Thread */
/**
 * @typedef {{ chat: ChatKey, id: number, top: number }} Place a message, and how far down the view
 *   it stands
 */

/** Older messages are asked for before the reader reaches the top: this many screens away. */
const PREFETCH_SCREENS = 1.5
/** How long a message stands out that was asked for. */
const FLASH_MS = 1_600

export class MessageList extends ChatPart {
  #seat
  /** @type {ScrollAnchor} */ #view
  /** @type {Bubbles} */ #bubbles
  #reading = new ReadAlong(this)
  #resizing = new ResizeObserver(() => { if (this.#stuck) this.#view.toEnd() })
  /** True while the end is in view and stays there. */
  #stuck = true
  /**
   * The first message with a bubble, by its id; null: as many as may be, up to the end.
   * @type {number | null}
   */
  #first = null
  /** Where the divider stands, from opening until leaving. @type {number | undefined} */
  #newFrom
  /** True once the first view of this chat was found: at the divider, else at the end. */
  #placed = false
  /**
   * The id of the first and the key of the last message that had bubbles at the last rendering.
   * @type {number | null}
   */
  #topId = null
  /** @type {string | undefined} */
  #end
  /**
   * Where the reader was in the other chats, while away from the end.
   * @type {Map<ChatKey, Place>}
   */
  #places = new Map()
  /** The message that is to be shown as soon as it is here. @type {number | null} */
  #goal = null
  /** True from asking for the end of a conversation that is shown somewhere in the past. */
  #wantsEnd = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #unflash
  /** @type {MessageActions} */
  #actions

  /** @param {import('../state/store.js').Store} store */
  constructor(store) {
    super(store)
    this.#seat = translate(clone('message-list'))
    this.#view = new ScrollAnchor(part(this.#seat, 'scroller'), part(this.#seat, 'bubbles'))
    this.#bubbles = new Bubbles(store, this.#view.rows)
    this.#actions = new MessageActions(this, this.#bubbles)
  }

  connectedCallback() {
    const { signal } = this
    // Before it is rendered in the other language.
    languages.addEventListener('change', () => this.#bubbles.forget(), { signal })
    super.connectedCallback()
    this.replaceChildren(this.#seat)
    this.store.addEventListener('rewound', () => {
      this.#places.clear()
      this.#startOver()
    }, { signal })
    window.addEventListener('focus', () => this.#reading.mark(), { signal })
    document.addEventListener('visibilitychange', () => this.#reading.mark(), { signal })
    this.scroller.addEventListener('scroll', () => this.#onScroll(), { signal, passive: true })
    this.scroller.addEventListener('keydown', event => this.#onKey(event))
    this.#actions.listen(part(this, 'bubbles'))
    part(this, 'again').addEventListener('click', () => {
      // With the button goes the focus.
      this.scroller.focus()
      intend(this, { type: 'refresh' })
    })
    part(this, 'jump').addEventListener('click', () => {
      this.toEnd()
      this.dispatchEvent(new Event('ended'))
    })
    this.#resizing.observe(this.scroller)
  }

  disconnectedCallback() {
    super.disconnectedCallback()
    this.#resizing.disconnect()
    clearTimeout(this.#unflash)
    this.#reading.startOver()
  }

  /** What scrolls, at whose end something may stand. */
  get scroller() { return this.#view.scroller }

  /** Where the reader is; null at the end. @returns {Place | null} */
  get place() {
    const anchor = this.key === null || !this.#placed || this.#stuck ? null : this.#view.find()
    const id = this.#bubbles.idIn(anchor?.node)
    return this.key !== null && anchor && id ? { chat: this.key, id, top: anchor.top } : null
  }

  /** A place to be found again when its chat is opened. @param {Place} place */
  keep(place) {
    this.#places.set(place.chat, place)
  }

  /** Keeps where the reader is, for when this chat is opened again. */
  keepPlace() {
    if (this.key === null || !this.#placed) return
    const { place } = this
    this.#places.delete(this.key)
    if (place) this.keep(place)
  }

  /** @param {ChatKey | null} key the chat to show, or none */
  open(key) {
    this.key = key
    this.#startOver()
    this.render()
  }

  /** Shows the newest message, whatever is rendered. */
  toEnd() {
    this.#goal = null
    this.#wantsEnd = this.chat?.thread.hasNewer ?? false
    this.#reading.seen = newestId(this.chat?.thread.messages ?? [])
    this.#stuck = true
    this.#first = null
    this.#end = undefined
    this.render()
  }

  /** Shows the message that was just written: nothing above it is new any more. */
  showSent() {
    this.#newFrom = undefined
    // Painted now, not with the next frame's batch: the bubble is the answer to the key.
    this.toEnd()
  }

  /** Shows a message, reading what is around it where it is not here. @param {number} id */
  showMessage(id) {
    const { chat } = this
    if (!chat) return
    this.#goal = id
    this.#wantsEnd = false
    if (messageOf(chat.thread.messages, id)) this.render()
    else intend(this, { type: 'jump', chat: this.key, id })
  }

  /** Has the newest message edited that the person here may edit. */
  editLast() {
    this.#actions.editLast()
  }

  /** Forgets where the reader is and what was seen, as it all goes by the ids of messages. */
  #startOver() {
    this.#reading.startOver()
    this.#stuck = true
    this.#first = null
    this.#newFrom = undefined
    this.#placed = false
    this.#goal = null
    this.#wantsEnd = false
    this.#bubbles.clear()
  }

  // Rendering.

  render() {
    const { chat } = this
    if (!chat) return
    const { thread } = chat
    this.scroller.setAttribute('aria-label', t(isRoom(chat.key) ? 'messagesIn' : 'messages', { name: this.called }))
    // Until it is there it is asked for: without a connection, or where that failed, it was not
    // had.
    if (this.#wantsEnd && thread.hasNewer) intend(this, { type: 'newest', chat: this.key })
    else if (this.#wantsEnd) {
      this.#wantsEnd = false
      this.#stuck = true
      this.#first = null
      this.#reading.seen = newestId(thread.messages)
    }
    const goal = this.#goal === null ? undefined : messageOf(thread.messages, this.#goal)
    const placing = !this.#placed && thread.loaded
    const place = goal ? this.#placeOf(goal, thread) : placing ? this.#findPlace(thread) : undefined
    const held = this.#view.isHeld
    const anchor = this.#stuck || held ? null : this.#view.find()
    const wasAtEnd = this.#stuck && this.#view.isAtEnd
    const focused = this.#view.rows.querySelector('.message:focus-within')
    const [fresh] = this.#placed && this.#stuck ? receivedAfter(thread.messages, this.store.me.id, this.#reading.seen) : []
    const sameEnd = this.#showWindow(thread.messages)
    this.#showTop(thread)
    this.#keepFocus(focused)

    const node = place && this.#bubbles.node(place.key)
    // What is left to the browser it does after this, so only then is it known where things stand.
    const left = !node && held && !wasAtEnd && !(this.#stuck && !sameEnd)
    if (node) this.#view.bring(node, place.top ?? this.scroller.clientHeight / 3)
    else if (left) requestAnimationFrame(() => this.#onScroll())
    else if (this.#stuck) {
      this.#view.toEnd()
      if (fresh && this.#isAbove(fresh)) return this.#placeAnew()
    } else if (anchor?.node.isConnected) this.#view.bring(anchor.node, anchor.top)
    if (placing) this.#placed = true
    if (goal && node) this.#flash(node)
    if (!left) this.#onScroll()
    this.#reading.announce(thread)
    this.#reading.mark()
  }

  /**
   * Where what had the focus is gone, as the button for what was just done, its message has it, or
   * else the list.
   * @param {Element | null} node of the message in which the focus was
   */
  #keepFocus(node) {
    if (!node || document.activeElement !== document.body) return
    const next = node.isConnected ? node : this.scroller
    if (next instanceof HTMLElement) next.focus({ preventScroll: true })
  }

  /** @param {Message} message @returns {boolean} whether all of it stands above the view */
  #isAbove(message) {
    const node = this.#bubbles.node(messageKey(message))
    return !node || node.getBoundingClientRect().bottom < this.scroller.getBoundingClientRect().top
  }

  /**
   * Shows again where to begin: more than the view holds came at once, as after the page was behind
   * others for a while, and nobody has seen it.
   */
  #placeAnew() {
    if (this.key) this.#places.delete(this.key)
    this.#placed = false
    this.render()
  }

  /**
   * @param {Message[]} messages
   * @returns {boolean} whether the end is where it was: only before it something came
   */
  #showWindow(messages) {
    const window = windowOf(messages, this.#first)
    const last = messages[window.to - 1]
    const sameEnd = this.#placed && last !== undefined && messageKey(last) === this.#end
    this.#end = last && messageKey(last)
    this.#topId = messages[window.from]?.id ?? null
    if (this.chat) this.#bubbles.show(this.chat, layOut(messages, this.#newFrom, window))
    return sameEnd
  }

  /** What stands above the messages. @param {Thread} thread */
  #showTop({ failed, loaded, hasMore }) {
    // Of a room that one may join nothing can be read yet; the composer says so.
    const outside = this.chat?.room?.role === null
    const couldNot = failed && !loaded && !outside
    part(this, 'failed').hidden = !couldNot
    const nobody = this.store.user(this.chat?.peerId ?? 0).username === NOBODY
    part(this, 'failed-text').textContent = t(nobody ? 'error.not_found' : 'historyFailed')
    part(this, 'top').hidden = couldNot || outside
    part(this, 'top').classList.toggle('waiting', !loaded)
    const beginning = this.key !== null && isRoom(this.key) ? 'beginningOfRoom' : 'beginning'
    part(this, 'top').textContent = hasMore || !loaded ? t('loadingOlder') : t(beginning, { name: this.called })
  }

  /** Where to begin: at the first unread message, else where the reader was, else at the end.
   * @param {Thread} thread @returns {{ key: string, top?: number } | undefined} */
  #findPlace({ messages, hasMore }) {
    const { chat } = this
    const unread = messages.findIndex(message => chat && isUnread(chat, message, this.store.me.id))
    const kept = this.key === null ? undefined : this.#places.get(this.key)
    // Where even the oldest message here is unread the first one is not known, so nothing is said
    // of it.
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

  /** Where a message is to stand that was asked for.
   * @param {Message} goal @param {Thread} thread @returns {{ key: string, top?: number }} */
  #placeOf(goal, { messages }) {
    this.#first = moveWindow(messages, goal.id, -STEP)
    this.#stuck = false
    return { key: messageKey(goal) }
  }

  /** Has a message that was asked for stand out for a moment. @param {Element} node */
  #flash(node) {
    this.#goal = null
    for (const other of this.querySelectorAll('.flash')) other.classList.remove('flash')
    node.classList.add('flash')
    if (node instanceof HTMLElement) node.focus({ preventScroll: true })
    clearTimeout(this.#unflash)
    this.#unflash = setTimeout(() => node.classList.remove('flash'), FLASH_MS)
  }

  // Scrolling: stick to the end while near it, else hold what is being read.

  #onScroll() {
    const { chat } = this
    if (!chat || !this.#placed) return
    const { messages, hasMore, hasNewer } = chat.thread
    const { from, to } = windowOf(messages, this.#first)
    const atEnd = to === messages.length && !hasNewer
    const wasStuck = this.#stuck
    this.#stuck = atEnd && this.#view.isNearEnd
    // Away from the end the window is held by its first message, or what arrives would push it
    // along.
    if (this.#stuck) this.#first = null
    else if (wasStuck || this.#first === null) this.#first = this.#topId
    this.#reading.seen = this.#stuck ? newestId(messages) : Math.max(this.#reading.seen, this.#lastSeen())
    this.#showJump(messages)
    this.#reading.mark()
    // What has come meanwhile is not in the view yet: where the window is to go is seen after that.
    if (!this.schedule.waits()) this.#moveAlong(messages, { from, atEnd, hasMore, hasNewer: hasNewer && to === messages.length })
  }

  /**
   * Asks for older messages in time, and moves the window towards where the reader goes.
   * @param {Message[]} messages
   * @param {{ from: number, atEnd: boolean, hasMore: boolean, hasNewer: boolean }} window
   */
  #moveAlong(messages, { from, atEnd, hasMore, hasNewer }) {
    if (from > 0 || hasMore) this.#view.leaveTop()
    const { scrollTop, scrollHeight, clientHeight } = this.scroller
    // In a very high view both ends are near at once; then the window does not run to and fro.
    const margin = Math.min(clientHeight * PREFETCH_SCREENS, (scrollHeight - clientHeight) / 3)
    const atTop = scrollTop < margin, atBottom = scrollHeight - scrollTop - clientHeight < margin
    // As soon as one scrolls up at all, there is always more than the window above.
    // Asked for with every scroll; what answers sees to it that it is read once.
    if ((!this.#stuck || scrollHeight <= clientHeight) && from < 3 * STEP && hasMore) intend(this, { type: 'older', chat: this.key })
    if (atBottom && hasNewer) return intend(this, { type: 'newer', chat: this.key })
    if (atTop && from > 0 && !this.#stuck) this.#first = moveWindow(messages, this.#first, -STEP)
    else if (atBottom && !atEnd) this.#first = moveWindow(messages, this.#first, STEP)
    else return
    this.schedule()
  }

  /** The newest message that stands in the view, or above it. */
  #lastSeen() {
    const { children } = this.#view.rows
    for (let at = this.#view.lastAbove(this.scroller.clientHeight); at >= 0; at--) {
      const id = this.#bubbles.idIn(children[at])
      if (id > 0) return id
    }
    return 0
  }

  /** @param {Message[]} messages */
  #showJump(messages) {
    const below = receivedAfter(messages, this.store.me.id, this.#reading.seen).length
    const jump = part(this, 'jump')
    jump.hidden = this.#stuck
    part(this, 'jump-text').textContent = below > 0 ? t('newBelow', { count: below }) : ''
    jump.setAttribute('aria-label', below > 0 ? t('newBelow', { count: below }) : t('toNewest'))
  }

  // What the reader does.

  /** Arrow keys walk from message to message, so that each can be heard by itself; Enter opens its
   * menu.
   * @param {KeyboardEvent} event */
  #onKey(event) {
    if (this.#actions.onKey(event)) return
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const nodes = [...this.#view.rows.querySelectorAll('.message')]
    const inside = document.activeElement?.closest('.message')
    const at = inside ? nodes.indexOf(inside) + step : nodes.findLastIndex(node => this.#view.top(node) < this.scroller.clientHeight)
    const node = nodes[at]
    if (node instanceof HTMLElement) node.focus()
  }
}

customElements.define('message-list', MessageList)
