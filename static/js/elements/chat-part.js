// What the elements of a conversation share: the store, which chat they show, and when they render.

import { languages } from '../i18n/words.js'
import { perFrame } from '../lib/frame.js'
import { titleOf } from './names.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/chats.js').ChatKey} ChatKey */

export class ChatPart extends HTMLElement {
  /** @type {Store} */ store
  /** The chat that is shown. @type {ChatKey | null} */ key = null
  /** Has it rendered: many changes of one moment are one rendering. */
  schedule = perFrame(() => this.render())
  #listening = new AbortController()

  /** @param {Store} store */
  constructor(store) {
    super()
    this.store = store
  }

  connectedCallback() {
    const { signal } = this
    this.store.addEventListener('change', event => {
      const { chat } = /** @type {CustomEvent} */ (event).detail
      if (chat === undefined || chat === this.key) this.schedule()
    }, { signal })
    languages.addEventListener('change', () => this.render(), { signal })
  }

  disconnectedCallback() {
    this.#listening.abort()
  }

  /** Ends with the element: for what it listens to. */
  get signal() { return this.#listening.signal }

  /** The chat that is shown, if one is and the element is in the page. */
  get chat() { return this.key === null || !this.isConnected ? null : this.store.chat(this.key) }

  /** What the chat that is shown is called: by the room's name, or the other person's. */
  get called() { return titleOf(this.store, this.chat) }

  render() {}
}
