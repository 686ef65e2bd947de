// The rows of a message list: bubbles, day chips and the divider, filled from what `layOut` says.

import { clockTime, dayName, fullTime } from '../i18n/dates.js'
import { errorText, t, translate } from '../i18n/words.js'
import { keyed } from '../lib/keyed.js'
import { clone, part } from '../lib/template.js'
import { fillWithText } from '../lib/text.js'
import { nameOf } from './names.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/timeline.js').Message} Message */
/** @typedef {ReturnType<typeof import('../state/window.js').layOut>[number]} Item */

const STATE_WORDS = { pending: 'statePending', failed: 'stateFailed', stored: 'stateStored', read: 'stateRead' }
/** The ticks, drawn in 20 by 14: a clock, one tick, two, and an exclamation mark. */
const TICKS = {
  pending: 'M12 1.8a5.2 5.2 0 1 0 .01 0M12 4.2V7l1.9 1.4',
  failed: 'M12 1.8a5.2 5.2 0 1 0 .01 0M12 4.3v3m0 2.3v.01',
  stored: 'm6 7.6 3.4 3.4L17 3.2',
  read: 'm1.4 7.6 3.4 3.4 7.6-7.8M8.8 9.6l1.4 1.4 7.9-7.8',
}

export class Bubbles {
  #store
  #rows
  /** What each bubble shows, so that it is filled again only when that changed.
   * @type {WeakMap<Element, { message: Message, joined: boolean, name: string }>} */
  #shown = new WeakMap()

  /** @param {Store} store @param {HTMLElement} rows */
  constructor(store, rows) {
    this.#store = store
    this.#rows = rows
  }

  /** @param {Item[]} items */
  show(items) {
    const now = new Date()
    keyed(this.#rows, items, {
      key: item => item.key,
      create: item => item.kind === 'divider' ? translate(clone('divider')) : clone(item.kind),
      update: (node, item) => {
        if (item.kind === 'day') part(node, 'name').textContent = dayName(item.date, now)
        else if (item.kind === 'message') this.#fill(node, item.message, item.joined)
      },
    })
  }

  clear() {
    this.#rows.replaceChildren()
  }

  /** Has every bubble filled anew, as in another language. */
  forget() {
    this.#shown = new WeakMap()
  }

  /** @param {string} key of an item @returns {Element | null} */
  node(key) {
    return this.#rows.querySelector(`[data-key="${CSS.escape(key)}"]`)
  }

  /** @param {Element | undefined} node @returns {number} the id of the message that it shows; 0 where it shows none, or one not stored */
  idIn(node) {
    const id = node && this.#shown.get(node)?.message.id
    return id === undefined || id === Infinity ? 0 : id
  }

  /** @param {HTMLElement} node @param {Message} message @param {boolean} joined */
  #fill(node, message, joined) {
    const mine = message.senderId === this.#store.me.id
    const name = mine ? t('you') : nameOf(this.#store.user(message.senderId))
    // Messages are never changed in place, so the same one looks the same: most of them, most
    // times.
    const shown = this.#shown.get(node)
    if (shown?.message === message && shown.joined === joined && shown.name === name) return
    this.#shown.set(node, { message, joined, name })
    const look = message.state === 'stored' && message.isRead ? 'read' : message.state
    node.classList.toggle('mine', mine)
    node.classList.toggle('joined', joined)
    node.dataset.state = look
    part(node, 'sender').textContent = t('bySender', { name })
    // What is written does not change; a selection in it must survive a change of the tick.
    if (shown?.message.content !== message.content) fillWithText(part(node, 'text'), message.content)
    const date = new Date(message.createdAt)
    const time = part(node, 'time')
    time.textContent = clockTime(date)
    time.title = fullTime(date)
    if (!mine) node.querySelector('.tick')?.remove()
    else part(node, 'tick').setAttribute('d', TICKS[look])
    part(node, 'state').textContent = mine ? t(STATE_WORDS[look]) : ''
    node.querySelector('.problem')?.remove()
    if (message.state !== 'failed') return
    const problem = translate(clone('problem'))
    part(problem, 'problem-text').textContent = errorText(message.problem ?? '')
    node.append(problem)
  }
}
