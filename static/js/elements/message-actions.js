// What a reader does with single messages of a list: the buttons in them, their menu, and the names
// behind a reaction. The menu itself is loaded when the first one is asked for.

import { currentLocale, t, translate } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { late } from '../lib/late.js'
import { loadTemplates } from '../lib/style.js'
import { clone, part } from '../lib/template.js'
import { messageOf } from '../state/timeline.js'
import { whenHeld } from './held.js'
import { nameOf } from './names.js'

/** @typedef {import('./bubbles.js').Bubbles} Bubbles */
/** @typedef {import('./message-list.js').MessageList} MessageList */
/** @typedef {import('../state/timeline.js').Message} Message */
/**
 * For how long one may edit a message, in milliseconds, null for ever; undefined on a server on
 * which nothing of what was said can be changed.
 * @typedef {number | null | undefined} EditWindow
 */
/** @typedef {{ editWindow: EditWindow }} Rules */

/** Names that could not be had are asked for again after so long. */
const ASKED_AGAIN_MS = 1_000

/**
 * @param {EditWindow} editWindow
 * @param {Message} message
 * @returns {boolean} whether its writer may edit it still
 */
export const isEditable = (editWindow, { createdAt }) => editWindow !== undefined
  && (editWindow === null || Date.now() - Date.parse(createdAt) < editWindow)

export class MessageActions {
  #list
  #bubbles
  /** What the server lets be changed, once it was asked. @type {Promise<Rules> | undefined} */
  #rules
  /** What it answered. @type {Rules | undefined} */
  #known
  /** The button that opens the menu: of the message that is pointed at or has the focus. */
  #more = clone('more')
  /** @type {Promise<import('./message-menu.js').MessageMenu> | undefined} */
  #menu

  /** @type {Promise<import('./picture-viewer.js').PictureViewer> | undefined} */
  #viewer
  /** How often it was asked who is behind a reaction. */
  #questions = 0

  /** @param {MessageList} list @param {Bubbles} bubbles */
  constructor(list, bubbles) {
    this.#list = list
    this.#bubbles = bubbles
  }

  /** @param {HTMLElement} rows whose children are the messages */
  listen(rows) {
    rows.addEventListener('click', event => this.#onClick(event))
    whenHeld(rows, node => this.#openMenu(node))
    for (const type of ['pointerover', 'focusin']) {
      rows.addEventListener(type, event => {
        this.#offer(event)
        this.#nameReactors(event)
      })
    }
    rows.addEventListener('reaction', event => this.#nameReactors(event))
    rows.addEventListener('pointerleave', () => { if (document.activeElement !== this.#more) this.#more.remove() })
  }

  /** Has the button stand at a message. @param {Event} event */
  #offer({ target }) {
    const node = target instanceof Element ? target.closest('.message') : null
    const message = this.#messageIn(node)
    if (!node || !message || message.deletedAt || message.deleting || node.contains(this.#more)) return
    translate(this.#more)
    part(node, 'bubble').append(this.#more)
  }

  /** Opens the menu of the message that has the focus.
   * @param {KeyboardEvent} event @returns {boolean} whether the key was for that */
  onKey(event) {
    const node = event.target instanceof HTMLElement && event.target.matches('.message') ? event.target : null
    const opens = event.key === 'Enter' || event.key === 'ContextMenu' || event.key === 'F10' && event.shiftKey
    if (!node || !opens) return false
    event.preventDefault()
    this.#openMenu(node)
    return true
  }

  /**
   * @param {Element | null} node
   * @returns {Message | undefined} the message that it shows, if it is stored
   */
  #messageIn(node) {
    const { chat } = this.#list
    return node && chat ? messageOf(chat.thread.messages, this.#bubbles.idIn(node)) : undefined
  }

  /** @param {MouseEvent} event on one of the buttons of a message */
  #onClick(event) {
    const { target } = event
    const picture = target instanceof Element ? target.closest('a.picture') : null
    if (picture instanceof HTMLAnchorElement && picture.href && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault()
      return void this.#view(picture)
    }
    const button = target instanceof Element ? target.closest('button') : null
    const node = /** @type {HTMLElement | null} */ (button?.closest('.message') ?? null)
    if (!button || !node) return
    const chat = this.#list.key
    const message = this.#messageIn(node)
    switch (button.dataset.part) {
      case 'retry':
      case 'discard': return intend(this.#list, { type: button.dataset.part, chat, clientId: node.dataset.key })
      case 'more': return void this.#openMenu(node)
      case 'quote': return message?.replyTo && this.#list.showMessage(message.replyTo.id)
      case 'undo': return intend(this.#list, { type: 'undo-deletion', chat, id: message?.id })
      case 'reaction': return intend(this.#list, {
        type: 'react', id: message?.id, emoji: button.dataset.emoji, on: button.getAttribute('aria-pressed') !== 'true',
      })
    }
  }

  /**
   * Shows a picture large, and from it the others of the conversation.
   * @param {HTMLAnchorElement} picture
   */
  async #view(picture) {
    this.#viewer ??= late(() => import('./picture-viewer.js')).then(({ PictureViewer }) => PictureViewer.make(this.#list.store))
    // Asked for again, it may come.
    this.#viewer.catch(() => { this.#viewer = undefined })
    const viewer = await this.#viewer
    const files = this.#list.chat?.thread.messages.flatMap(({ attachments = [], deletedAt, deleting }) =>
      deletedAt || deleting ? [] : attachments.filter(({ type, url, width }) => type.startsWith('image/') && url && width)) ?? []
    const at = files.findIndex(({ id }) => id === picture.dataset.file)
    if (at < 0) return
    if (!viewer.isConnected) this.#list.append(viewer)
    viewer.show(files, at)
  }

  /** @param {HTMLElement} node of a message */
  async #openMenu(node) {
    const message = this.#messageIn(node)
    if (!message || message.deletedAt || message.deleting) return
    this.#menu ??= this.#loadMenu()
    // Asked for again, it may come.
    this.#menu.catch(() => { this.#menu = undefined })
    const [menu, { editWindow }] = await Promise.all([this.#menu, this.#askRules()])
    if (!menu.isConnected) this.#list.append(menu)
    if (this.#list.chat && node.isConnected) menu.show(node, this.#list.chat, message, editWindow)
  }

  async #loadMenu() {
    const [{ MessageMenu }] = await Promise.all([late(() => import('./message-menu.js')), loadTemplates('dialogs.html')])
    return new MessageMenu(this.#list.store, {
      edit: message => this.#tell('edit', message),
      reply: message => this.#tell('reply', message),
    })
  }

  /**
   * Has the newest message edited that the person here may edit. At once, since what is typed next
   * belongs to it: where it is not known yet whether it is too late, the server says so.
   */
  editLast() {
    const { chat, store } = this.#list
    const message = chat?.thread.messages.findLast(({ senderId, state, deletedAt, deleting }) =>
      senderId === store.me.id && state === 'stored' && !deletedAt && !deleting)
    const isOpen = message && !chat?.room?.archivedAt
    if (isOpen && (!this.#known || isEditable(this.#known.editWindow, message))) this.#tell('edit', message)
    this.#askRules()
  }

  /** @returns {Promise<Rules>} */
  #askRules() {
    this.#rules ??= new Promise(resolve => intend(this.#list, {
      type: 'rules',
      done: (/** @type {Rules | null} */ rules) => {
        // Asked for again, they may come.
        if (!rules) this.#rules = undefined
        else this.#known = rules
        resolve(rules ?? { editWindow: undefined })
      },
    }))
    return this.#rules
  }

  /** @param {'edit' | 'reply'} type what the composer is asked for @param {Message} message */
  #tell(type, message) {
    this.#list.dispatchEvent(new CustomEvent(type, { detail: { message } }))
  }

  /**
   * Asks who is behind a reaction that the reader looks at, unless that is known or asked.
   * @param {Pick<Event, 'target'>} event
   */
  #nameReactors({ target }) {
    const pill = target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest('.reaction')) : null
    const message = pill && this.#messageIn(pill.closest('.message'))
    if (!pill || !message || pill.dataset.named) return
    const { emoji = '' } = pill.dataset
    const question = pill.dataset.named = String(++this.#questions)
    intend(this.#list, {
      type: 'reactors', id: message.id, emoji,
      done: (/** @type {import('./names.js').Named[]} */ people) => {
        // It changed since, and may have been asked for anew.
        if (pill.dataset.named !== question) return
        const names = new Intl.ListFormat(currentLocale()).format(people.map(nameOf))
        if (names === '') {
          delete pill.dataset.named
          // It failed: who looks at it still may see them yet.
          if (pill.matches(':hover, :focus')) setTimeout(() => this.#nameReactors({ target: pill }), ASKED_AGAIN_MS)
          return
        }
        pill.dataset.names = names
        // Speech input says what is seen, so the number is in the name.
        const count = part(pill, 'number').textContent ?? ''
        pill.setAttribute('aria-label', t('reactionNamed', { emoji, count, names }))
      },
    })
  }
}
