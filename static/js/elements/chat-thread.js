// <chat-thread>: one conversation, made of its head, its messages, the typing line and the
// composer.

import { MessageComposer } from './message-composer.js'
import { MessageList } from './message-list.js'
import { ThreadHead } from './thread-head.js'
import { TypingLine } from './typing-line.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */

/** How often what is said relative to now is written anew. */
const TIMES_MS = 60_000

const touch = matchMedia('(pointer: coarse)')

export class ChatThread extends HTMLElement {
  /** @type {ChatKey | null} */ #key = null
  #head
  #list
  #typing
  #composer
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock

  /**
   * @param {import('../state/store.js').Store} store
   * @param {number} [maxChars] that a message may have
   */
  constructor(store, maxChars) {
    super()
    this.#head = new ThreadHead(store)
    this.#list = new MessageList(store)
    this.#typing = new TypingLine(store)
    this.#composer = new MessageComposer(store)
    this.#composer.maxChars = maxChars ?? this.#composer.maxChars
    this.#composer.addEventListener('sent', () => this.#list.showSent())
    this.#list.addEventListener('ended', () => this.#composer.focusText())
    this.#list.addEventListener('edit', event => this.#composer.edit(messageIn(event)))
    this.#list.addEventListener('reply', event => this.#composer.reply(messageIn(event)))
    this.#composer.addEventListener('edit-last', () => this.#list.editLast())
    this.#composer.addEventListener('show', event => this.#list.showMessage(messageIn(event).id))
  }

  connectedCallback() {
    const section = document.createElement('section')
    section.className = 'thread'
    section.append(this.#head, this.#list, this.#composer)
    this.#list.scroller.append(this.#typing)
    this.replaceChildren(section)
    let day = new Date().toDateString()
    this.#clock = setInterval(() => {
      const before = day
      day = new Date().toDateString()
      this.#head.render()
      // What was today is yesterday.
      if (day !== before) this.#list.render()
    }, TIMES_MS)
  }

  disconnectedCallback() {
    clearInterval(this.#clock)
  }

  /** Where the reader is; null at the end. */
  get place() { return this.#list.place }

  /**
   * A place to be found again when its chat is opened.
   * @param {import('./message-list.js').Place} place
   */
  keep(place) { this.#list.keep(place) }

  /** The edits and answers that are begun. */
  get begun() { return this.#composer.begun }
  set begun(begun) { this.#composer.begun = begun }

  /** @param {ChatKey | null} key the chat to show, or none */
  open(key) {
    if (key === this.#key) return
    this.#key = key
    // What is hidden has no measures: of the place that is left, and of the composer's text.
    this.#list.keepPlace()
    this.hidden = key === null
    this.#composer.open(key)
    this.#head.key = this.#typing.key = key
    this.#head.render()
    this.#typing.render()
    this.#list.open(key)
    if (key === null) return
    // On a touch screen the keyboard would cover what one came to read, so there the name is
    // focused.
    if (touch.matches) this.#head.focusName()
    else this.#composer.focusText()
  }

  /** Puts the focus where one writes. @returns {boolean} false where it was there already */
  focusText() { return this.#composer.focusText() }

  /** @param {number} id of a message of this chat */
  showMessage(id) { this.#list.showMessage(id) }

  render() {
    for (const part of [this.#head, this.#list, this.#typing, this.#composer]) part.render()
  }
}

/** @param {Event} event @returns {import('../state/timeline.js').Message} */
const messageIn = event => /** @type {CustomEvent} */ (event).detail.message

customElements.define('chat-thread', ChatThread)
