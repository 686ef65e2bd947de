// <picture-viewer>: a picture of a conversation as large as the window, and the others before and
// after it. It zooms by the wheel, two fingers, a double click, keys and buttons, and what is
// larger than the window is moved by a finger or the mouse. message-actions.js loads it with the
// first one.

import { t } from '../i18n/words.js'
import { loadStyle } from '../lib/style.js'

/** @typedef {import('../state/timeline.js').Attached} Attached */
/** @typedef {{ x: number, y: number }} Point */

const MOST = 8
/** A double click; a key or a button; and so many pixels of the wheel. */
const DOUBLE = 2.5
const STEP = 1.5
const WHEEL_PX = 300

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} className
 * @returns {HTMLElementTagNameMap[T]}
 */
const make = (tag, className) => Object.assign(document.createElement(tag), { className })

export class PictureViewer extends HTMLElement {
  #dialog = make('dialog', 'viewer')
  #stage = make('div', 'viewer-stage')
  #image = make('img', 'viewer-image')
  #text = make('p', 'viewer-text')
  #place = make('span', 'viewer-place')
  #link = make('a', 'link-button')
  /** @type {Record<'previous' | 'next' | 'in' | 'out' | 'close', HTMLButtonElement>} */
  #buttons
  /** @type {Attached[]} */
  #files = []
  #at = 0
  #scale = 1
  /** How far the middle of the picture is from that of the window, in pixels. @type {Point} */
  #shift = { x: 0, y: 0 }
  /** The fingers that rest on it. @type {Map<number, Point>} */
  #fingers = new Map()

  /** @param {import('../state/store.js').Store} store */
  static async make(store) {
    await loadStyle('viewer.css')
    return new PictureViewer(store)
  }

  /** @param {import('../state/store.js').Store} store that has the messages of the pictures */
  constructor(store) {
    super()
    for (const end of ['gone', 'rewound']) store.addEventListener(end, () => this.#letGo(store))
    const button = (/** @type {string} */ sign, /** @type {() => void} */ work) => {
      const made = Object.assign(make('button', 'viewer-button'), { type: 'button', textContent: sign })
      made.addEventListener('click', work)
      return made
    }
    this.#buttons = {
      previous: button('‹', () => this.#go(-1)),
      next: button('›', () => this.#go(1)),
      in: button('+', () => this.#zoom(STEP)),
      out: button('−', () => this.#zoom(1 / STEP)),
      close: button('×', () => this.#dialog.close()),
    }
    Object.assign(this.#link, { target: '_blank', rel: 'noopener' })
    this.#place.role = this.#text.role = 'status'
    const bar = make('div', 'viewer-bar')
    bar.append(this.#place, this.#link, this.#buttons.out, this.#buttons.in, this.#buttons.close)
    this.#stage.append(this.#image)
    this.#dialog.append(bar, this.#buttons.previous, this.#stage, this.#buttons.next, this.#text)
    this.#dialog.addEventListener('keydown', event => this.#onKey(event))
    this.#stage.addEventListener('wheel', event => {
      event.preventDefault()
      this.#zoom(2 ** (-event.deltaY / WHEEL_PX), event)
    }, { passive: false })
    this.#stage.addEventListener('dblclick', event => this.#zoom(this.#scale > 1 ? 1 / this.#scale : DOUBLE, event))
    this.#stage.addEventListener('pointerdown', event => {
      this.#stage.setPointerCapture(event.pointerId)
      this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY })
    })
    this.#stage.addEventListener('pointermove', event => this.#onMove(event))
    for (const type of ['pointerup', 'pointercancel']) {
      this.#stage.addEventListener(type, event => this.#fingers.delete(/** @type {PointerEvent} */ (event).pointerId))
    }
    this.#image.draggable = false
    this.#image.addEventListener('error', () => { this.#text.textContent = t('pictureGone') })
    this.#dialog.addEventListener('close', () => {
      this.#fingers.clear()
      this.#image.removeAttribute('src')
    })
    // Whoever goes back is elsewhere: with the conversation the dialog would be hidden, and go on
    // to hold the rest of the page. Before the page follows, which then finds a place for the
    // focus.
    window.addEventListener('popstate', () => this.#dialog.close())
  }

  connectedCallback() {
    this.append(this.#dialog)
  }

  /** @param {Attached[]} files the pictures @param {number} at which of them */
  show(files, at) {
    this.#files = files
    const { previous, next, in: larger, out, close } = this.#buttons
    const words = /** @type {const} */ ([[previous, 'previousPicture'], [next, 'nextPicture'], [larger, 'zoomIn'], [out, 'zoomOut'], [close, 'close']])
    for (const [button, key] of words) button.title = button.ariaLabel = t(key)
    this.#link.textContent = t('openFile')
    this.#dialog.ariaLabel = t('files')
    this.#show(at)
    this.#dialog.showModal()
    close.focus()
  }

  /** @param {number} at */
  #show(at) {
    this.#at = at
    const { url, name, alt, width, height } = this.#files[at]
    Object.assign(this.#image, { alt: alt || name, width, height, src: url })
    this.#link.href = url
    this.#text.textContent = alt || name
    this.#showPlace()
    this.#scale = 1
    this.#move({ x: 0, y: 0 })
  }

  /** Says which of how many it is, and offers those beside it. */
  #showPlace() {
    const { previous, next } = this.#buttons
    const count = this.#files.length
    this.#place.textContent = count > 1 ? t('pictureOf', { at: this.#at + 1, count }) : ''
    const last = document.activeElement
    previous.hidden = this.#at === 0
    next.hidden = this.#at === count - 1
    if (last === previous && previous.hidden || last === next && next.hidden) this.#buttons.close.focus()
  }

  /**
   * Shows nothing more of messages that are gone.
   * @param {import('../state/store.js').Store} store
   */
  #letGo(store) {
    if (!this.#dialog.open) return
    const messages = [...store.chats.values()].flatMap(({ thread }) => thread.messages)
    const there = new Set(messages.flatMap(({ attachments = [] }) => attachments.map(({ id }) => id)))
    const shown = this.#files[this.#at]
    this.#files = this.#files.filter(({ id }) => there.has(id))
    this.#at = this.#files.indexOf(shown)
    if (this.#at < 0) this.#dialog.close()
    else this.#showPlace()
  }

  /** @param {1 | -1} step */
  #go(step) {
    if (this.#files[this.#at + step]) this.#show(this.#at + step)
  }

  /**
   * @param {number} factor
   * @param {{ clientX: number, clientY: number }} [around] the point that stays where it is; else
   *   the middle
   */
  #zoom(factor, around) {
    const before = this.#scale
    this.#scale = Math.min(MOST, Math.max(1, before * factor))
    const by = this.#scale / before
    const { left, top, width, height } = this.#stage.getBoundingClientRect()
    const x = around ? around.clientX - left - width / 2 : 0, y = around ? around.clientY - top - height / 2 : 0
    this.#move({ x: x - (x - this.#shift.x) * by, y: y - (y - this.#shift.y) * by })
  }

  /** Moves the picture, no farther than its edges. @param {Point} shift */
  #move({ x, y }) {
    const { clientWidth, clientHeight } = this.#stage
    const room = (/** @type {number} */ size, /** @type {number} */ window) => Math.max(0, (size * this.#scale - window) / 2)
    const [most, mostDown] = [room(this.#image.offsetWidth, clientWidth), room(this.#image.offsetHeight, clientHeight)]
    this.#shift = { x: Math.min(most, Math.max(-most, x)), y: Math.min(mostDown, Math.max(-mostDown, y)) }
    this.#image.style.transform = `translate(${this.#shift.x}px, ${this.#shift.y}px) scale(${this.#scale})`
    this.#stage.classList.toggle('is-larger', this.#scale > 1)
    const { in: larger, out } = this.#buttons
    larger.ariaDisabled = String(this.#scale >= MOST)
    out.ariaDisabled = String(this.#scale <= 1)
  }

  /** @param {PointerEvent} event */
  #onMove({ pointerId, clientX, clientY }) {
    const before = this.#fingers.get(pointerId)
    if (!before) return
    const now = { x: clientX, y: clientY }
    const other = [...this.#fingers].find(([id]) => id !== pointerId)?.[1]
    this.#fingers.set(pointerId, now)
    if (!other) return this.#move({ x: this.#shift.x + now.x - before.x, y: this.#shift.y + now.y - before.y })
    const far = (/** @type {Point} */ { x, y }) => Math.hypot(x - other.x, y - other.y)
    if (far(before) > 0) this.#zoom(far(now) / far(before), { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 })
  }

  /** @param {KeyboardEvent} event Escape closes it by itself */
  #onKey(event) {
    const { key } = event
    event.stopPropagation()
    if (key === 'ArrowLeft') this.#go(-1)
    else if (key === 'ArrowRight') this.#go(1)
    else if (key === '+' || key === '=') this.#zoom(STEP)
    else if (key === '-') this.#zoom(1 / STEP)
    else if (key === '0') this.#zoom(1 / this.#scale)
    else return
    event.preventDefault()
  }
}

customElements.define('picture-viewer', PictureViewer)
