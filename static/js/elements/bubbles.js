// The rows of a message list: bubbles, day chips and the divider, filled from what `layOut` says.

import { clockTime, dayName, fullTime } from '../i18n/dates.js'
import { currentLanguage, errorText, t, translate } from '../i18n/words.js'
import { keyed } from '../lib/keyed.js'
import { clone, part } from '../lib/template.js'
import { fillWithText } from '../lib/text.js'
import { ALL, findMentions } from '../state/mentions.js'
import { isReadByAll } from '../state/rooms.js'
import { isPartial, quoteIn } from '../state/timeline.js'
import { showAttached } from './attached.js'
import { nameOf, namesIn } from './names.js'

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/chats.js').Chat} Chat */
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
   * @type {WeakMap<Element, { message: Message, look: string }>} */
  #shown = new WeakMap()
  /**
   * What each pill shows: its names stand as long as that does.
   * @type {WeakMap<Element, NonNullable<Message['reactions']>[number]>}
   */
  #reactions = new WeakMap()

  /** @param {Store} store @param {HTMLElement} rows */
  constructor(store, rows) {
    this.#store = store
    this.#rows = rows
  }

  /** @param {Chat} chat @param {Item[]} items */
  show(chat, items) {
    const now = new Date()
    const { room } = chat
    const names = room ? namesIn(room.members.map(({ userId }) => this.#store.user(userId))) : nameOf
    keyed(this.#rows, items, {
      key: item => item.key,
      create: item => item.kind === 'divider' ? translate(clone('divider')) : clone(item.kind),
      update: (node, item) => {
        if (item.kind === 'day') part(node, 'name').textContent = dayName(item.date, now)
        else if (item.kind === 'message') this.#fill(node, chat, item, names)
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

  /**
   * @param {Element | undefined} node
   * @returns {number} the id of the message that it shows; 0 where it shows none, or one not stored
   */
  idIn(node) {
    const id = node && this.#shown.get(node)?.message.id
    return id === undefined || id === Infinity ? 0 : id
  }

  /**
   * @param {HTMLElement} node
   * @param {Chat} chat
   * @param {{ message: Message, joined: boolean }} item
   * @param {(user: import('./names.js').Named) => string} names
   */
  #fill(node, { room, peerId, thread }, { message, joined }, names) {
    const nameBy = (/** @type {number} */ id) => id === this.#store.me.id ? t('you') : names(this.#store.user(id))
    const mine = message.senderId === this.#store.me.id
    // Who speaks through a bot is none of the people here, whatever they are called.
    const name = message.as ? `${message.as} (${t('bot')})` : nameBy(message.senderId)
    const gone = message.deletedAt !== undefined || message.deleting === true
    const isRead = message.isRead || mine && isReadByAll(room, message)
    const state = message.state === 'stored' && isRead ? 'read' : message.state
    const quote = message.replyTo && quoteIn(thread.messages, message.replyTo)
    const quoted = quote?.senderId === undefined ? '' : nameBy(quote.senderId)
    const mentions = gone ? [] : this.#mentionsIn(message)
    // Messages are never changed in place, so the same one looks the same where what is said of it
    // does: most of them, most times.
    const look = [joined, name, state, quoted, quote?.content, mentions.map(({ from }) => from)].join('\n')
    const shown = this.#shown.get(node)
    if (shown?.message === message && shown.look === look) return
    this.#shown.set(node, { message, look })
    node.classList.toggle('mine', mine)
    node.classList.toggle('joined', joined)
    node.classList.toggle('gone', gone)
    // Not by the text, which another app may have written, or one by an earlier name.
    const calls = message.mentionAll || message.mentions?.includes(this.#store.me.id)
    node.classList.toggle('calls-me', calls === true && !mine && !gone)
    node.dataset.state = gone ? 'gone' : state
    const sender = part(node, 'sender')
    sender.textContent = peerId ? t('bySender', { name }) : name
    sender.className = peerId || mine || joined ? 'visually-hidden' : 'sender'
    this.#fillText(node, shown?.message, message, gone, mentions)
    const date = new Date(message.createdAt)
    const time = part(node, 'time')
    time.textContent = clockTime(date)
    time.title = fullTime(date)
    const ticked = mine && !gone
    const tick = part(node, 'tick')
    tick.parentElement?.toggleAttribute('hidden', !ticked)
    if (ticked) tick.setAttribute('d', TICKS[state])
    part(node, 'state').textContent = ticked ? t(STATE_WORDS[state]) : ''
    this.#fillEdited(node, message.editedAt !== undefined && !gone)
    this.#fillQuote(node, gone ? undefined : quote, quoted)
    this.#fillReactions(node, gone ? [] : message.reactions ?? [])
    this.#fillProblem(node, message, peerId)
  }

  /**
   * @param {HTMLElement} node
   * @param {Message | undefined} before
   * @param {Message} message
   * @param {boolean} gone
   * @param {{ from: number, to: number, mine: boolean }[]} mentions
   */
  #fillText(node, before, message, gone, mentions) {
    const text = part(node, 'text')
    if (gone) {
      text.textContent = t('messageDeleted')
      node.querySelector('.more')?.remove()
    }
    text.hidden = !gone && message.autoContent === true
    showAttached(text, gone ? [] : message.attachments ?? [])
    // A selection in what is written must survive a change of the tick.
    if (gone) return
    const content = message.autoContent ? '' : message.content
    if (before?.content !== message.content || mentions.length > 0 || text.textContent !== content) fillWithText(text, content, mentions)
  }

  /** Where the message mentions those whom it was sent to mention. @param {Message} message */
  #mentionsIn({ content, mentions = [], mentionAll }) {
    if (mentions.length === 0 && !mentionAll) return []
    const { me } = this.#store
    const people = mentions.map(id => id === me.id ? me : this.#store.user(id))
    if (mentionAll) people.push({ id: 0, username: ALL })
    return findMentions(content, people)
      .map(({ from, to, person: { id } }) => ({ from, to, mine: id === me.id || id === 0 }))
  }

  /** @param {HTMLElement} node @param {boolean} edited */
  #fillEdited(node, edited) {
    const known = node.querySelector('[data-part="edited"]')
    if (!edited) return known?.remove()
    const word = known ?? clone('edited')
    word.textContent = t('edited')
    if (!known) part(node, 'time').before(word)
  }

  /** The line above a message that answers another one.
   * @param {HTMLElement} node @param {Message['replyTo']} quote @param {string} name */
  #fillQuote(node, quote, name) {
    const known = node.querySelector('.quote')
    if (!quote) return known?.remove()
    const line = /** @type {HTMLElement} */ (known ?? clone('quote'))
    const there = quote.content !== undefined
    line.classList.toggle('gone', !there)
    part(line, 'quoted-name').textContent = there ? name : ''
    part(line, 'quoted-text').textContent = there ? quote.content ?? '' : t('earlierMessage')
    if (!known) part(node, 'text').before(line)
  }

  /** @param {HTMLElement} node @param {NonNullable<Message['reactions']>} reactions */
  #fillReactions(node, reactions) {
    const known = node.querySelector('.reactions')
    if (reactions.length === 0) return known?.remove()
    const row = /** @type {HTMLElement} */ (known ?? translate(clone('reactions')))
    keyed(row, reactions, {
      key: ({ emoji }) => emoji,
      create: () => clone('reaction'),
      update: (pill, reaction) => {
        const { emoji, count, me } = reaction
        const button = part(pill, 'reaction')
        if (this.#reactions.get(button) === reaction) return
        this.#reactions.set(button, reaction)
        button.dataset.emoji = emoji
        button.setAttribute('aria-pressed', String(me))
        // Those who are named there are no longer all.
        delete button.dataset.names
        delete button.dataset.named
        part(pill, 'emoji').textContent = emoji
        part(pill, 'number').textContent = count.toLocaleString(currentLanguage())
        button.setAttribute('aria-label', t('reactionBy', { emoji, count }))
        // Who looks at it goes on seeing names.
        if (button.matches(':hover, :focus')) button.dispatchEvent(new CustomEvent('reaction', { bubbles: true }))
      },
    })
    if (!known) part(node, 'bubble').after(row)
  }

  /** How far the files are that are on their way, and the way to stop them, which keeps the focus.
   * @param {HTMLElement} node @param {Message} message */
  #fillSending(node, message) {
    const known = /** @type {HTMLElement | null} */ (node.querySelector('.sending'))
    if (message.state !== 'pending' || !isPartial(message)) return known?.remove()
    const line = known ?? translate(clone('sending'))
    const waits = message.attachments?.some(file => file.waits)
    const text = waits ? t('sendingWaits') : ''
    if (part(line, 'sending-text').textContent !== text) part(line, 'sending-text').textContent = text
    if (!known) part(node, 'bubble').append(line)
  }

  /**
   * @param {HTMLElement} node
   * @param {Message} message
   * @param {number} peerId of the other person, 0 in a room
   */
  #fillProblem(node, message, peerId) {
    this.#fillSending(node, message)
    node.querySelector('.problem')?.remove()
    const gives = message.deleting ? 'undo-deletion' : message.state === 'failed' ? 'problem' : null
    if (!gives) return
    const problem = translate(clone(gives))
    // Nothing else keeps one from writing to a person who is there.
    const code = peerId && message.problem === 'forbidden' ? 'blocking' : message.problem ?? ''
    if (gives === 'problem') part(problem, 'problem-text').textContent = errorText(code)
    node.append(problem)
  }
}
