// Where things stand in a list of messages that scrolls, and what holds the reader's place in it.

/** Nearer to the end than this, new messages keep the end in view; farther away they only count. */
const NEAR_END_PX = 100

/**
 * Where the browser itself holds what is being read in its place, it does so best: also in
 * mid-fling.
 */
const anchors = CSS.supports('overflow-anchor: auto')

/** @typedef {{ node: HTMLElement, top: number }} Anchor */

export class ScrollAnchor {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} rows whose children are the messages and chips
   */
  constructor(scroller, rows) {
    this.scroller = scroller
    this.rows = rows
  }

  get isNearEnd() { return this.#left <= NEAR_END_PX }

  /** Where it stops is rounded. */
  get isAtEnd() { return this.#left < 2 }

  /** How much there is below the view, in pixels. */
  get #left() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller
    return scrollHeight - scrollTop - clientHeight
  }

  /**
   * True where the browser holds the place. At the very top it does not: it would show what is put
   * there.
   */
  get isHeld() {
    return anchors && this.scroller.scrollTop >= 1
  }

  /** Has the browser hold the place from now on, with something above the view. */
  leaveTop() {
    if (anchors && this.scroller.scrollTop < 1) this.scroller.scrollTop = 1
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight
  }

  /** @param {Element} node @param {number} top how far below the top of the view it is to begin */
  bring(node, top) {
    this.scroller.scrollTop += this.top(node) - top
  }

  /** @param {Element} node @returns {number} how far below the top of the view it begins */
  top(node) {
    return node.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top
  }

  /** The index of the last row that begins above a line of the view, or -1. @param {number} line */
  lastAbove(line) {
    const { children } = this.rows
    const limit = this.scroller.getBoundingClientRect().top + line
    let low = 0, high = children.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (children[middle].getBoundingClientRect().top < limit) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** The message at the top of the view, and where it stands. @returns {Anchor | null} */
  find() {
    const { children } = this.rows
    const top = this.scroller.getBoundingClientRect().top
    for (let at = Math.max(0, this.lastAbove(0)); at < children.length; at++) {
      const node = /** @type {HTMLElement} */ (children[at])
      // A chip may go when what is before it comes; a message stays.
      if (node.classList.contains('message') && node.getBoundingClientRect().bottom > top) return { node, top: this.top(node) }
    }
    return null
  }
}
