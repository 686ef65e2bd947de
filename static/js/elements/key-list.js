// <key-list>: a dialog that names the keys by which the whole page can be used. The one among them
// that is a single character can be turned off here, for those who dictate (WCAG 2.1.4). Loaded
// when it is first asked for.

import { word } from '../i18n/key-words.js'
import { translate } from '../i18n/words.js'
import { asDialog } from '../lib/dialog.js'
import { recall, remember } from '../lib/memory.js'
import { clone, part } from '../lib/template.js'

const command = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl'

/**
 * What the keys do, and which they are: pressed together, or the one or the other.
 * @type {[keyof typeof import('../i18n/key-words.js').en, string[]][]}
 */
const KEYS = [
  ['keySearch', [`${command} K`]],
  ['keyWalk', ['Alt ↑', 'Alt ↓']],
  ['keyWalkUnread', ['Alt Shift ↑', 'Alt Shift ↓']],
  ['keyMessages', ['↑', '↓']],
  ['keyActions', ['Enter']],
  ['keySend', ['Enter']],
  ['keyLine', ['Shift Enter']],
  ['keyEdit', ['↑']],
  ['keyMention', ['@']],
  ['keyEscape', ['Esc']],
  ['keyList', [`${command} /`]],
]

export class KeyList extends HTMLElement {
  connectedCallback() {
    this.replaceChildren(translate(clone('keys')))
    asDialog(this.#dialog)
    this.#letter.addEventListener('change', () => remember('letterKeys', this.#letter.checked))
  }

  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }

  get #letter() { return /** @type {HTMLInputElement} */ (part(this, 'letter')) }

  show() {
    translate(this)
    this.#letter.checked = recall('letterKeys') !== false
    part(this, 'keys').replaceChildren(...KEYS.flatMap(([does, combinations]) => {
      const name = document.createElement('dt'), text = document.createElement('dd')
      name.append(...combinations.flatMap((pressed, at) => {
        const key = document.createElement('kbd')
        key.textContent = pressed
        return at > 0 ? [' ', key] : [key]
      }))
      text.textContent = word(does)
      return [name, text]
    }))
    this.#dialog.showModal()
  }
}

customElements.define('key-list', KeyList)
