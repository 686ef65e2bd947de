// <reader-list>: a dialog that names those who have read a message in a room, and those who have
// not.

import { translate } from '../i18n/words.js'
import { paintAvatar } from '../lib/avatar.js'
import { asDialog } from '../lib/dialog.js'
import { keyed } from '../lib/keyed.js'
import { clone, part } from '../lib/template.js'
import { readersOf } from '../state/rooms.js'
import { namesIn } from './names.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */

export class ReaderList extends HTMLElement {
  #store
  /** @type {{ chat: ChatKey, id: number } | null} */
  #of = null
  #listening = new AbortController()

  /** @param {import('../state/store.js').Store} store */
  constructor(store) {
    super()
    this.#store = store
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('readers')))
    asDialog(this.#dialog)
    this.#dialog.addEventListener('close', () => { this.#of = null })
    this.#store.addEventListener('change', () => this.#render(), { signal: this.#listening.signal })
  }

  disconnectedCallback() {
    this.#listening.abort()
  }

  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }

  /** @param {ChatKey} chat @param {number} id of the message */
  show(chat, id) {
    this.#of = { chat, id }
    translate(this)
    this.#render()
    this.#dialog.showModal()
  }

  #render() {
    const known = this.#of && this.#store.message(this.#of.id)
    if (!known?.chat.room) return
    const readers = readersOf(known.chat.room, known.message)
    const names = namesIn(known.chat.room.members.map(({ userId }) => this.#store.user(userId)))
    for (const list of /** @type {const} */ (['read', 'unread'])) {
      keyed(part(this, list), readers[list].map(id => this.#store.user(id)), {
        key: ({ id }) => String(id),
        create: () => clone('reader'),
        update(node, user) {
          paintAvatar(part(node, 'avatar'), user)
          part(node, 'name').textContent = names(user)
        },
      })
    }
  }
}

customElements.define('reader-list', ReaderList)
