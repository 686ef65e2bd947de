// <key-list>: a dialog that names the keys by which the whole page can be used. It does nothing else.
// Loaded when it is first asked for.

import { asDialog, clone, part } from '../lib/dom.js'
import { t, translate } from '../i18n/words.js'

const command = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl'

/** What the keys do, and which they are: pressed together, or the one or the other. */
const KEYS = [
  ['keySearch', [`${command} K`]],
  ['keyWalk', ['Alt ↑', 'Alt ↓']],
  ['keyWalkUnread', ['Alt Shift ↑', 'Alt Shift ↓']],
  ['keyMessages', ['↑', '↓']],
  ['keySend', ['Enter']],
  ['keyLine', ['Shift Enter']],
  ['keyEscape', ['Esc']],
  ['keys', [`${command} /`]],
]

export class KeyList extends HTMLElement {
  connectedCallback() {
    this.replaceChildren(translate(clone('keys')))
    asDialog(this.#dialog)
  }

  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }

  show() {
    translate(this)
    part(this, 'keys').replaceChildren(...KEYS.flatMap(([word, combinations]) => {
      const name = document.createElement('dt'), does = document.createElement('dd')
      name.append(...[...combinations].flatMap((text, at) => {
        const key = document.createElement('kbd')
        key.textContent = text
        return at > 0 ? [' ', key] : [key]
      }))
      does.textContent = t(String(word))
      return [name, does]
    }))
    this.#dialog.showModal()
  }
}

customElements.define('key-list', KeyList)
