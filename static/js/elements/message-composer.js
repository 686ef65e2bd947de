// <message-composer>: where a message is written. It says `send`, `draft` and `typing`, and keeps
// to the length that the server takes; after a message was sent, it tells those around it by
// `sent`.

import { t, translate } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'
import { ChatPart } from './chat-part.js'
import { nameOf } from './names.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */

/**
 * While typing goes on the peer is told once in this time; their typing line lives twice as long.
 */
const TYPING_EVERY_MS = 3_000
/** The limit is mentioned when this few characters are left. */
const MENTION_LIMIT = 200

/** On a touch keyboard there is no Shift+Enter. */
const touch = matchMedia('(pointer: coarse)')

export class MessageComposer extends ChatPart {
  maxChars = 4_000

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #countLater
  #typingSaidAt = -Infinity

  connectedCallback() {
    super.connectedCallback()
    this.replaceChildren(translate(clone('message-composer')))
    this.#text.enterKeyHint = touch.matches ? 'enter' : 'send'
    part(this, 'composer').addEventListener('submit', event => {
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('keydown', event => this.#onKey(event))
    this.#text.addEventListener('input', () => this.#onInput())
    this.#text.addEventListener('blur', () => this.#sayStopped())
  }

  disconnectedCallback() {
    super.disconnectedCallback()
    clearTimeout(this.#countLater)
  }

  /** @param {ChatKey | null} key the chat to write in, or none */
  open(key) {
    this.#sayStopped()
    this.key = key
    this.#text.value = this.chat?.draft ?? ''
    this.render()
    this.#grow()
  }

  /** Puts the focus where one writes. @returns {boolean} false where it was there already */
  focusText() {
    if (document.activeElement === this.#text) return false
    this.#text.focus({ preventScroll: true })
    return true
  }

  render() {
    if (!this.chat) return
    this.#text.setAttribute('aria-label', t('messageTo', { name: nameOf(this.peer) }))
    this.#note()
  }

  get #text() { return /** @type {HTMLTextAreaElement} */ (part(this, 'draft')) }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    // While an input method composes, Enter belongs to it (229 is how Safari says so). By touch
    // Enter is a new line and the button sends.
    const composing = event.isComposing || event.keyCode === 229
    if (event.key !== 'Enter' || event.shiftKey || composing || touch.matches) return
    event.preventDefault()
    this.#send()
  }

  #onInput() {
    this.#grow()
    intend(this, { type: 'draft', chat: this.key, text: this.#text.value })
    if (this.#text.value.trim() === '') return this.#sayStopped()
    if (performance.now() - this.#typingSaidAt < TYPING_EVERY_MS) return
    this.#typingSaidAt = performance.now()
    intend(this, { type: 'typing', chat: this.key, isTyping: true })
  }

  #send() {
    const content = this.#text.value
    const tooLong = [...content].length > this.maxChars
    if (content.trim() === '' || tooLong) return this.#text.focus()
    this.#typingSaidAt = -Infinity
    this.#text.value = ''
    this.#grow()
    intend(this, { type: 'send', chat: this.key, content })
    this.dispatchEvent(new Event('sent'))
    this.#text.focus()
  }

  #sayStopped() {
    if (this.#typingSaidAt === -Infinity) return
    this.#typingSaidAt = -Infinity
    intend(this, { type: 'typing', chat: this.key, isTyping: false })
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
}

customElements.define('message-composer', MessageComposer)
