// <message-menu>: what can be done with one message: react, answer, copy, edit, delete, see who has
// read it.
// message-actions.js loads it when the first one is asked for.

import { languages, t, translate } from '../i18n/words.js'
import { copyText } from '../lib/clipboard.js'
import { intend } from '../lib/intent.js'
import { make } from '../lib/make.js'
import { clone, part } from '../lib/template.js'
import { SMALL, mayManage, mayPost } from '../state/rooms.js'
import { isEditable } from './message-actions.js'

/** @typedef {import('../state/chats.js').Chat} Chat */
/** @typedef {import('../state/timeline.js').Message} Message */

/** The reactions that are one click away. */
const EMOJI = ['👍', '❤️', '😂', '😮', '😢', '🎉']
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** @param {string} text @returns {string | null} the one emoji in it */
export function emojiIn(text) {
  const [first, ...more] = [...graphemes.segment(text.trim())].map(({ segment }) => segment)
  const isEmoji = first !== undefined && /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(first)
  return isEmoji && more.length === 0 ? first : null
}

/**
 * The server keeps an emoji in one form, and people type it in several.
 * @param {Message} message @param {string | null} emoji
 */
export function reactionOf(message, emoji) {
  const bare = (/** @type {string | null} */ text) => text?.replaceAll(/[\ufe0e\ufe0f]/g, '')
  return message.reactions?.find(reaction => bare(reaction.emoji) === bare(emoji))
}

export class MessageMenu extends HTMLElement {
  #store
  #edit
  #reply
  #listening = new AbortController()
  /** @type {{ node: HTMLElement, id: number } | null} */
  #of = null

  /**
   * @param {import('../state/store.js').Store} store
   * @param {{ edit: (message: Message) => void, reply: (message: Message) => void }} asked what is
   *   done elsewhere
   */
  constructor(store, { edit, reply }) {
    super()
    this.#store = store
    this.#edit = edit
    this.#reply = reply
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('message-menu')))
    part(this, 'delete').before(make('button', { part: 'report', type: 'button' }))
    languages.addEventListener('change', () => translate(this), { signal: this.#listening.signal })
    part(this, 'emoji').replaceChildren(...EMOJI.map(emoji => {
      const button = Object.assign(document.createElement('button'), { type: 'button', className: 'emoji', textContent: emoji })
      button.addEventListener('click', () => this.#react(emoji))
      return button
    }))
    /** @type {Record<string, (of: { chat: Chat, message: Message }) => void>} */
    const does = {
      reply: ({ message }) => this.#reply(message),
      edit: ({ message }) => this.#edit(message),
      copy: ({ message }) => copyText(message.content),
      readers: ({ chat, message }) => intend(this, { type: 'readers', chat: chat.key, id: message.id }),
      report: ({ message }) => intend(this, { type: 'report-message', id: message.id, userId: message.senderId }),
      delete: ({ chat, message }) => intend(this, { type: 'delete', chat: chat.key, id: message.id }),
    }
    for (const [name, work] of Object.entries(does)) {
      part(this, name).addEventListener('click', () => {
        const of = this.#now
        this.#menu.hidePopover()
        if (of) work(of)
      })
    }
    this.#other.addEventListener('input', () => {
      const emoji = emojiIn(this.#other.value)
      if (emoji) this.#react(emoji)
    })
    this.#menu.addEventListener('keydown', event => this.#onKey(event))
    // By itself the browser would close it as soon as the finger that opened it is lifted.
    document.addEventListener('pointerdown', event => {
      if (this.#of && !event.composedPath().includes(this.#menu)) this.#menu.hidePopover()
    }, { signal: this.#listening.signal, capture: true })
    // Of what was said before nothing is left to be done.
    for (const end of ['gone', 'rewound']) {
      this.#store.addEventListener(end, () => { if (this.#of && !this.#now) this.#menu.hidePopover() }, { signal: this.#listening.signal })
    }
    // Whoever goes back leaves the conversation, and would find it open in the next one.
    window.addEventListener('popstate', () => { if (this.#of) this.#menu.hidePopover() }, { signal: this.#listening.signal })
    this.#menu.addEventListener('focusout', ({ relatedTarget }) => {
      if (this.#of && relatedTarget instanceof Node && !this.#menu.contains(relatedTarget)) this.#menu.hidePopover()
    })
    this.#menu.addEventListener('toggle', event => {
      if (/** @type {ToggleEvent} */ (event).newState === 'closed') this.#closed()
    })
  }

  disconnectedCallback() {
    this.#listening.abort()
    this.#listening = new AbortController()
  }

  /**
   * @param {HTMLElement} node the message's
   * @param {Chat} chat
   * @param {Message} message
   * @param {import('./message-actions.js').EditWindow} editWindow
   */
  show(node, chat, message, editWindow) {
    this.#of = { node, id: message.id }
    const mine = message.senderId === this.#store.me.id
    const { room } = chat
    const changes = editWindow !== undefined
    // What was said in an archived room can only be taken back.
    const open = changes && !room?.archivedAt
    part(this, 'reactions').hidden = !open
    const writes = room === null || mayPost(room)
    part(this, 'reply').hidden = !writes
    // The names of files in place of a text are none.
    part(this, 'copy').hidden = message.autoContent === true
    part(this, 'report').textContent = t('report')
    part(this, 'report').hidden = mine
    part(this, 'edit').hidden = !mine || !open || !writes || !isEditable(editWindow, message)
    part(this, 'delete').hidden = !changes || !mine && !mayManage(room)
    part(this, 'readers').hidden = !room?.whole || room.memberCount > SMALL
    this.#other.value = ''
    for (const button of part(this, 'emoji').querySelectorAll('button')) {
      const known = reactionOf(message, button.textContent)
      button.setAttribute('aria-pressed', String(known?.me ?? false))
    }
    node.classList.add('chosen')
    this.#menu.showPopover()
    this.#place(node)
    this.#controls()[0]?.focus()
  }

  /** The message that it is of, as it is by now: it may have been changed since, or deleted. */
  get #now() {
    const now = this.#of ? this.#store.message(this.#of.id) : undefined
    return now?.message.deletedAt ? undefined : now
  }

  get #menu() { return /** @type {HTMLElement} */ (this.firstElementChild) }
  get #other() { return /** @type {HTMLInputElement} */ (part(this, 'other')) }

  /** @returns {HTMLElement[]} */
  #controls() {
    const all = /** @type {HTMLElement[]} */ ([...this.#menu.querySelectorAll('button, input')])
    return all.filter(control => control.offsetParent !== null)
  }

  /** Beside its message, within the window. @param {HTMLElement} node */
  #place(node) {
    const bubble = (node.querySelector('.bubble') ?? node).getBoundingClientRect()
    const { offsetWidth: width, offsetHeight: height } = this.#menu
    const below = bubble.bottom + 4 + height <= innerHeight
    const top = below ? bubble.bottom + 4 : Math.max(8, bubble.top - height - 4)
    const left = Math.min(Math.max(8, node.classList.contains('mine') ? bubble.right - width : bubble.left), innerWidth - width - 8)
    Object.assign(this.#menu.style, { top: `${top}px`, left: `${left}px`, right: 'auto' })
  }

  /** @param {string} emoji */
  #react(emoji) {
    const of = this.#now
    this.#menu.hidePopover()
    if (!of) return
    intend(this, { type: 'react', id: of.message.id, emoji, on: !reactionOf(of.message, emoji)?.me })
  }

  #closed() {
    const of = this.#of
    this.#of = null
    of?.node.classList.remove('chosen')
    // Back to the message, unless what was chosen took the focus elsewhere.
    const active = document.activeElement
    if (!active || active === document.body || this.contains(active)) of?.node.focus({ preventScroll: true })
  }

  /** Arrow keys walk from one to the next. @param {KeyboardEvent} event */
  #onKey(event) {
    event.stopPropagation()
    if (event.key === 'Escape') return this.#menu.hidePopover()
    const inField = event.target === this.#other
    const step = { ArrowDown: 1, ArrowUp: -1, ...(!inField && { ArrowRight: 1, ArrowLeft: -1 }) }[event.key]
    if (!step) return
    event.preventDefault()
    const all = this.#controls()
    const at = all.findIndex(control => control === document.activeElement)
    all[(at + step + all.length) % all.length]?.focus()
  }
}

customElements.define('message-menu', MessageMenu)
