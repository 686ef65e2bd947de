// <file-tray>: the files that are to go with what is being written, each with how far it is and a
// button to leave it out. It says `upload`.

import { errorText, t } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'

/** @typedef {import('../state/timeline.js').Attached} Attached */
/** @typedef {{ chip: HTMLElement, stop: AbortController, done?: Attached }} Begun */

/** A message has at most so many. */
const MOST = 10

export class FileTray extends HTMLElement {
  /** @type {Begun[]} */
  #begun = []

  connectedCallback() {
    this.role = 'list'
    this.ariaLabel = t('files')
  }

  /** @param {Iterable<File>} files */
  add(files) {
    for (const file of files) if (this.#begun.length < MOST) this.#begin(file)
  }

  /** Whether some are still on their way. */
  get busy() { return this.#begun.some(({ done }) => !done) }

  /** Those that are whole. */
  get attachments() { return this.#begun.flatMap(({ done }) => done ?? []) }

  /** Takes them all out: they go with a message, or are left. @param {boolean} sent */
  clear(sent) {
    if (!sent) for (const { stop } of this.#begun) stop.abort()
    this.#begun = []
    this.replaceChildren()
  }

  /** @param {File} file */
  #begin(file) {
    const chip = clone('file-chip')
    const bar = /** @type {HTMLProgressElement} */ (part(chip, 'progress'))
    const begun = /** @type {Begun} */ ({ chip, stop: new AbortController() })
    part(chip, 'name').textContent = file.name
    const leave = part(chip, 'leave')
    leave.setAttribute('aria-label', t('leaveOut', { name: file.name }))
    leave.addEventListener('click', () => this.#drop(begun))
    this.#begun.push(begun)
    this.append(chip)
    intend(this, {
      type: 'upload', file, signal: begun.stop.signal,
      progress: (/** @type {number} */ part) => { bar.value = part },
      done: (/** @type {Attached | undefined} */ attached, /** @type {string | undefined} */ code) => {
        bar.remove()
        begun.done = attached
        if (code) part(chip, 'refusal').textContent = errorText(code)
        this.dispatchEvent(new Event('ready'))
      },
    })
  }

  /** @param {Begun} begun */
  #drop(begun) {
    begun.stop.abort()
    begun.chip.remove()
    this.#begun = this.#begun.filter(one => one !== begun)
    this.dispatchEvent(new Event('ready'))
  }
}

customElements.define('file-tray', FileTray)
