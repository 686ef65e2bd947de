// <file-tray>: the files that are to go with what is being written, each with a button to leave it
// out, and pictures with a field for what is to be seen in them. What was chosen in a chat stays
// there as long as the page is open.

import { word } from '../i18n/file-words.js'
import { languages, t } from '../i18n/words.js'
import { lookAt } from '../lib/shrink.js'
import { loadStyle, loadTemplates } from '../lib/style.js'
import { clone, part } from '../lib/template.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../state/timeline.js').Attached} Attached */
/**
 * @typedef {{ file: File, chip: HTMLElement,
 *   about?: { width?: number, height?: number, preview?: string } }} Chosen
 */

/** A message has at most so many. */
const MOST = 10

export class FileTray extends HTMLElement {
  /** So many of those that were chosen last had no room. */
  leftOut = 0
  /** @type {Map<ChatKey | null, Chosen[]>} */
  #chosen = new Map()
  /** @type {ChatKey | null} */
  #key = null

  static async make() {
    await Promise.all([loadStyle('tray.css'), loadTemplates('composer.html')])
    return new FileTray()
  }

  connectedCallback() {
    this.role = 'list'
    const name = () => {
      this.ariaLabel = t('files')
      for (const chosen of this.#chosen.values()) chosen.forEach(nameChip)
    }
    languages.addEventListener('change', name)
    name()
  }

  /** Shows what was chosen in a chat. @param {ChatKey | null} key */
  show(key) {
    this.#key = key
    this.leftOut = 0
    this.#render()
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const here = this.#here, chosen = [...files], room = MOST - here.length
    this.leftOut = Math.max(0, chosen.length - room)
    const all = [...here, ...chosen.slice(0, room).map(file => this.#choose(file))]
    this.#chosen.set(this.#key, all)
    this.#render()
    for (const one of all) if (!one.about) this.#look(one)
  }

  /** What is to be said of those that had no room. */
  get note() { return this.leftOut > 0 ? word('leftOut', { count: this.leftOut }) : '' }

  get isEmpty() { return this.#here.length === 0 }

  /** Takes out what is there, once each was looked at: it goes with a message.
   * @returns {Promise<{ attachments: Attached[], files: File[] }>} in the same order */
  async take() {
    const all = this.#here
    this.#chosen.delete(this.#key)
    this.leftOut = 0
    this.#render()
    await Promise.all(all.map(one => this.#look(one)))
    return {
      files: all.map(({ file }) => file),
      attachments: all.map(({ file, chip, about }, at) => {
        const alt = /** @type {HTMLInputElement} */ (part(chip, 'alt')).value.trim()
        return { id: String(at), name: file.name, type: file.type, size: file.size, url: '', part: 0, ...about, ...(alt && { alt }) }
      }),
    }
  }

  get #here() { return this.#chosen.get(this.#key) ?? [] }

  #render() {
    this.replaceChildren(...this.#here.map(({ chip }) => chip))
  }

  /** @param {File} file @returns {Chosen} */
  #choose(file) {
    const chip = clone('file-chip')
    part(chip, 'name').textContent = file.name
    nameChip({ chip, file })
    part(chip, 'leave').addEventListener('click', () => {
      this.#chosen.set(this.#key, this.#here.filter(one => one.chip !== chip))
      this.leftOut = 0
      this.#render()
      this.dispatchEvent(new Event('left'))
    })
    return { file, chip }
  }

  /** @param {Chosen} one */
  async #look(one) {
    one.about ??= await lookAt(one.file)
    const { preview } = one.about
    part(one.chip, 'alt').hidden = !preview
    if (preview && !one.chip.querySelector('img')) one.chip.prepend(Object.assign(new Image(), { alt: '', src: preview }))
  }
}

/** Says what the fields of a chip are for, in the present language. @param {Chosen} chosen */
function nameChip({ chip, file: { name } }) {
  const alt = part(chip, 'alt')
  alt.setAttribute('placeholder', word('describe'))
  alt.setAttribute('aria-label', word('describeNamed', { name }))
  part(chip, 'leave').setAttribute('aria-label', word('leaveOut', { name }))
}

customElements.define('file-tray', FileTray)
