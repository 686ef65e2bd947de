// <message-composer>: where a message is written, answered or edited. It says `send`, `edit`,
// `draft` and `typing`, and keeps to the length that the server takes; it tells those around it by
// `sent` that a message was sent, by `edit-last` that the last one is to be edited, and by `show`
// that the one that is being edited or answered is to be shown.

import { errorText, t, translate } from '../i18n/words.js'
import { newId } from '../lib/id.js'
import { intend } from '../lib/intent.js'
import { late } from '../lib/late.js'
import { clone, part } from '../lib/template.js'
import { isRoom } from '../state/chats.js'
import { mentionsIn, nameBegunIn } from '../state/mentions.js'
import { mayCallAll, mayPost } from '../state/rooms.js'
import { messageOf, quoteOf } from '../state/timeline.js'
import { ChatPart } from './chat-part.js'
import { nameOf } from './names.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../state/timeline.js').Message} Message */
/**
 * An edit with its text, or an answer, by the message that it is of: an id may be another one's in
 * an older data file.
 * @typedef {{ id: number, createdAt: string, text?: string }} Begun
 */

/**
 * While typing goes on the peer is told once in this time; their typing line lives twice as long.
 */
const TYPING_EVERY_MS = 3_000
/** The limit is mentioned when this few characters are left. */
const MENTION_LIMIT = 200

/** On a touch keyboard there is no Shift+Enter. */
const touch = matchMedia('(pointer: coarse)')

export class MessageComposer extends ChatPart {
  maxChars = 4_000

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #countLater
  #typingSaidAt = -Infinity
  /**
   * What is being edited in each chat, with the text so far.
   * @type {Map<ChatKey | null, { message: Message, text: string }>}
   */
  #edits = new Map()
  /** What is being answered in each chat. @type {Map<ChatKey | null, Message>} */
  #answers = new Map()
  /**
   * What was begun in each chat before the page was loaded anew, until its message is here.
   * @type {Map<ChatKey | null, Begun>}
   */
  #begun = new Map()
  /** Why what was edited last could not be saved. */
  #refusal = ''
  /**
   * The files that go with the text, once one was chosen.
   * @type {Promise<import('./file-tray.js').FileTray> | undefined}
   */
  #tray
  /** The same once it is there. @type {import('./file-tray.js').FileTray | undefined} */
  #files
  /**
   * What completes names, once one was begun.
   * @type {Promise<import('./name-list.js').NameList> | undefined}
   */
  #names

  connectedCallback() {
    super.connectedCallback()
    this.replaceChildren(translate(clone('message-composer')))
    this.#text.enterKeyHint = touch.matches ? 'enter' : 'send'
    part(this, 'composer').addEventListener('submit', event => {
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('keydown', event => this.#onKey(event))
    this.#text.addEventListener('input', () => this.#onInput())
    this.#text.addEventListener('blur', () => this.#sayStopped())
    part(this, 'leave').addEventListener('click', () => this.#leave())
    part(this, 'join').addEventListener('click', () => intend(this, { type: 'join-room', id: this.chat?.room?.id }))
    for (const [button, field] of [['attach', 'pick'], ['camera', 'shoot']]) {
      const pick = /** @type {HTMLInputElement} */ (part(this, field))
      part(this, button).addEventListener('click', () => pick.click())
      pick.addEventListener('change', () => {
        this.#attach(pick.files)
        pick.value = ''
      })
    }
    this.#text.addEventListener('paste', event => this.#takeFiles(event, event.clipboardData))
    const place = this.closest('chat-thread') ?? this
    const { signal } = this
    place.addEventListener('dragover', event => {
      if (/** @type {DragEvent} */ (event).dataTransfer?.types.includes('Files')) event.preventDefault()
    }, { signal })
    place.addEventListener('drop', event => this.#takeFiles(event, /** @type {DragEvent} */ (event).dataTransfer), { signal })
    part(this, 'about').addEventListener('click', () => {
      const message = this.#edited ?? this.#answered
      if (message) this.dispatchEvent(new CustomEvent('show', { detail: { message } }))
    })
    // What was deleted is neither edited nor answered any more.
    this.store.addEventListener('gone', () => this.#dropGone(), { signal })
    this.store.addEventListener('rewound', () => {
      if (this.#edited) this.#text.value = this.chat?.draft ?? ''
      for (const begun of [this.#answers, this.#edits, this.#begun]) begun.clear()
    }, { signal })
  }

  disconnectedCallback() {
    super.disconnectedCallback()
    clearTimeout(this.#countLater)
  }

  /** @param {ChatKey | null} key the chat to write in, or none */
  open(key) {
    this.#sayStopped()
    this.#refusal = ''
    this.key = key
    const { deleted } = this.store
    if (deleted.has(this.#answered?.id ?? 0)) this.#answered = null
    if (deleted.has(this.#edited?.id ?? 0)) this.#edits.delete(key)
    this.#files?.show(key)
    this.#text.value = this.#ownText
    this.render()
    this.#grow()
  }

  /** The edits and answers that are begun. @returns {[ChatKey | null, Begun][]} */
  get begun() {
    const begun = new Map(this.#begun)
    for (const [key, { id, createdAt }] of this.#answers) begun.set(key, { id, createdAt })
    for (const [key, { message: { id, createdAt }, text }] of this.#edits) begun.set(key, { id, createdAt, text })
    return [...begun]
  }

  set begun(begun) { this.#begun = new Map(begun) }

  /** Edits a message. @param {Message} message */
  edit(message) {
    this.#sayStopped()
    const text = message.autoContent ? '' : message.content
    this.#edits.set(this.key, { message, text })
    this.#answered = null
    this.#refusal = ''
    this.#text.value = text
    this.render()
    this.#grow()
    this.#text.focus()
    this.#text.setSelectionRange(text.length, text.length)
  }

  /** Answers a message: what is written goes on. @param {Message} message */
  reply(message) {
    if (this.#edited) this.#leave()
    this.#answered = message
    this.render()
    this.#text.focus()
  }

  /** Puts the focus where one writes. @returns {boolean} false where it was there already */
  focusText() {
    if (document.activeElement === this.#text) return false
    this.#text.focus({ preventScroll: true })
    return true
  }

  render() {
    const { chat } = this
    if (!chat) return
    const closed = closedBecause(chat.room)
    part(this, 'composer').hidden = closed !== ''
    part(this, 'closed').hidden = closed === ''
    part(this, 'closed-why').textContent = closed && t(closed)
    part(this, 'join').hidden = closed !== 'closedStranger'
    this.#takeUp(chat.thread.messages)
    this.#text.setAttribute('aria-label', t(isRoom(chat.key) ? 'messageToRoom' : 'messageTo', { name: this.called }))
    this.#showAbout()
    this.#note()
  }

  /** Goes on with what was begun here. @param {Message[]} timeline */
  #takeUp(timeline) {
    const { key } = this
    const begun = this.#begun.get(key)
    const message = begun && messageOf(timeline, begun.id)
    if (!message) return
    this.#begun.delete(key)
    if (message.deletedAt || message.createdAt !== begun.createdAt || this.#edited || this.#answered) return
    const { text } = begun
    if (text === undefined) return void (this.#answered = message)
    this.#edits.set(key, { message, text })
    this.#text.value = text
    this.#grow()
  }

  /** The message that is being answered here: as the draft, it waits for whoever comes back. */
  get #answered() { return this.#answers.get(this.key) ?? null }
  set #answered(message) { message ? this.#answers.set(this.key, message) : this.#answers.delete(this.key) }

  /** The message that is being edited here; it waits likewise. */
  get #edited() { return this.#edits.get(this.key)?.message ?? null }

  /** What the field has in it whenever one comes to it. */
  get #ownText() { return this.#edits.get(this.key)?.text ?? this.chat?.draft ?? '' }

  get #text() { return /** @type {HTMLTextAreaElement} */ (part(this, 'draft')) }

  /** Those who can be mentioned here, as far as they are known. */
  get #people() {
    const members = this.chat?.room?.members ?? []
    return members.map(({ userId }) => this.store.user(userId)).filter(({ id, username }) => id !== this.store.me.id && username !== '…')
  }

  /** What the text is about: the message that is being edited or answered. */
  #showAbout() {
    const about = this.#edited ?? this.#answered
    part(this, 'context').hidden = !about
    // Where the text stands, a screen reader is told too.
    if (about) this.#text.setAttribute('aria-describedby', part(this, 'context').id ||= newId())
    else this.#text.removeAttribute('aria-describedby')
    if (!about) return
    const { senderId, as, content } = this.#asNow(about)
    const name = as ?? (senderId === this.store.me.id ? t('you') : nameOf(this.store.user(senderId)))
    part(this, 'about-what').textContent = this.#edited ? t('editing') : t('replyingTo', { name })
    part(this, 'about-text').textContent = content
  }

  /** It may have been edited since. @param {Message} message */
  #asNow(message) { return this.store.message(message.id)?.message ?? message }

  #dropGone() {
    const about = this.#edited ?? this.#answered
    if (about && this.store.deleted.has(about.id)) this.#leave()
    else this.render()
  }

  /** Edits, or answers, no more. */
  #leave() {
    if (!this.#edited) {
      this.#answered = null
      this.render()
      return this.#text.focus()
    }
    this.#edits.delete(this.key)
    this.#refusal = ''
    this.#text.value = this.#ownText
    this.#grow()
    this.render()
    this.#text.focus()
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    // While an input method composes, Enter belongs to it (229 is how Safari says so). By touch
    // Enter is a new line and the button sends.
    const composing = event.isComposing || event.keyCode === 229
    if (event.key === 'Escape' && !composing && (this.#edited || this.#answered)) {
      event.preventDefault()
      event.stopPropagation()
      return this.#leave()
    }
    if (event.key === 'ArrowUp' && this.#text.value === '' && !event.altKey && !this.#edited) {
      event.preventDefault()
      return void this.dispatchEvent(new Event('edit-last'))
    }
    if (event.key !== 'Enter' || event.shiftKey || composing || touch.matches) return
    event.preventDefault()
    this.#send()
  }

  #onInput() {
    this.#grow()
    if (this.#names || nameBegunIn(this.#text.value.slice(0, this.#text.selectionStart)) !== null) this.#complete()
    const edit = this.#edits.get(this.key)
    if (edit) return void (edit.text = this.#text.value)
    intend(this, { type: 'draft', chat: this.key, text: this.#text.value })
    if (this.#text.value.trim() === '') return this.#sayStopped()
    if (performance.now() - this.#typingSaidAt < TYPING_EVERY_MS) return
    this.#typingSaidAt = performance.now()
    intend(this, { type: 'typing', chat: this.key, isTyping: true })
  }

  /** Offers the names that may be meant, in a room. */
  async #complete() {
    if (!this.chat?.room || this.#edited) return
    this.#names ??= late(() => import('./name-list.js')).then(({ NameList }) => NameList.make(this.#text)).then(list => {
      part(this, 'composer').prepend(list)
      return list
    })
    // Asked for again, it may come.
    this.#names.catch(() => { this.#names = undefined })
    const names = await this.#names
    const { chat } = this
    if (!chat?.room) return names.hide()
    const { room } = chat
    const offer = () => names.offer(this.#people, mayCallAll(room))
    offer()
    if (!room.whole && names.begun !== '') intend(this, { type: 'find-members', chat: chat.key, query: names.begun, done: offer })
  }

  /** @param {Event} event @param {DataTransfer | null} transfer */
  #takeFiles(event, transfer) {
    if (!transfer?.files.length) return
    // Of what is copied from a table or a document, programs put a picture beside the text.
    if (event.type === 'paste' && ['text/plain', 'text/html'].every(type => transfer.types.includes(type))) return
    // An edit takes none. A text that is pasted beside them is for the field.
    if (this.#edited) return
    event.preventDefault()
    this.#attach(transfer.files)
  }

  /** Has files go with what is written. @param {FileList | null} files */
  async #attach(files) {
    // What was chosen is gone from the list in a moment.
    const chosen = [...files ?? []]
    if (chosen.length === 0) return
    this.#tray ??= late(() => import('./file-tray.js')).then(({ FileTray }) => FileTray.make()).then(tray => {
      part(this, 'note').before(tray)
      tray.show(this.key)
      tray.addEventListener('left', () => {
        this.#note()
        this.#text.focus()
      })
      return tray
    })
    // Asked for again, it may come.
    this.#tray.catch(() => { this.#tray = undefined })
    const { key } = this
    this.#files = await this.#tray
    if (this.key === key) this.#files.add(chosen)
    this.#note()
    this.#text.focus()
  }

  #send() {
    const content = this.#text.value
    const tooLong = [...content].length > this.maxChars
    const alone = this.#edited || (this.#files?.isEmpty ?? true)
    const isEmpty = content.trim() === ''
    if (isEmpty && alone || tooLong) return this.#text.focus()
    if (this.#edited) return this.#saveEdit(this.#edited, content)
    const { chat } = this
    if (!chat) return
    this.#typingSaidAt = -Infinity
    this.#text.value = ''
    this.#grow()
    const mentions = chat.room ? mentionsIn(content, this.#people, mayCallAll(chat.room)) : {}
    const replyTo = this.#answered ? quoteOf(this.#asNow(this.#answered)) : undefined
    this.#answered = null
    this.#showAbout()
    const send = (/** @type {object} */ files) => {
      intend(this, { type: 'send', chat: chat.key, content: isEmpty ? '' : content, ...(replyTo && { replyTo }), ...mentions, ...files })
      if (this.key === chat.key) this.dispatchEvent(new Event('sent'))
    }
    if (alone) send({})
    // As soon as it is known how large the pictures are.
    else this.#files?.take().then(send)
    this.#note()
    this.#text.focus()
  }

  /** @param {Message} message @param {string} content */
  #saveEdit(message, content) {
    if (content === message.content) return this.#leave()
    const { key } = this
    intend(this, {
      type: 'edit', id: message.id, content,
      done: (/** @type {string | undefined} */ code) => {
        if (this.#edits.get(key)?.message !== message) return
        // Elsewhere by now: what was refused waits there.
        if (key !== this.key) return void (code === undefined && this.#edits.delete(key))
        if (code === undefined) return this.#leave()
        this.#refusal = code
        this.#note()
      },
    })
  }

  #sayStopped() {
    if (this.#typingSaidAt === -Infinity) return
    this.#typingSaidAt = -Infinity
    intend(this, { type: 'typing', chat: this.key, isTyping: false })
  }

  /** Fits the field to its text; the style sheet ends the growth. */
  #grow() {
    this.#text.style.height = 'auto'
    this.#text.style.height = `${this.#text.scrollHeight}px`
    this.#note()
  }

  /**
   * Mentions the limit of length when it is near, the wait when the server asks for one, files that
   * had no room, and why an edit was refused.
   */
  #note() {
    const left = this.maxChars - [...this.#text.value].length
    const wait = Math.ceil((this.store.sendsAgainAt - Date.now()) / 1000)
    const note = part(this, 'note')
    note.textContent = left < 0 ? t('tooLong', { count: -left })
      : this.#refusal ? errorText(this.#refusal)
      : this.#files?.note ? this.#files.note
      : wait > 0 ? t('tooFast', { count: wait })
      : left <= MENTION_LIMIT ? t('charactersLeft', { count: left }) : ''
    note.classList.toggle('too-long', left < 0 || this.#refusal !== '')
    clearTimeout(this.#countLater)
    if (wait > 0) this.#countLater = setTimeout(() => this.#note(), 1_000)
  }
}

/**
 * @param {import('../state/rooms.js').Room | null} room
 * @returns {string} the words that say why nothing can be written there
 */
function closedBecause(room) {
  if (!room || mayPost(room)) return ''
  if (room.archivedAt) return 'closedArchived'
  return room.role === null ? 'closedStranger' : 'closedToMembers'
}

customElements.define('message-composer', MessageComposer)
