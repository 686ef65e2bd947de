// <chat-sheet>: a dialog with all that is to be known of a chat and done with it as a whole: what
// one is told of; of a room its members and their roles, its name and rules, and the ways out. It
// says what is wanted; rooms.js asks the server and hands in what it answered.

import { clockTime, longTime, shortDate } from '../i18n/dates.js'
import { word } from '../i18n/sheet-words.js'
import { errorText, t, translate } from '../i18n/words.js'
import { paintAvatar, paintRoom } from '../lib/avatar.js'
import { copyField } from '../lib/clipboard.js'
import { asDialog, fillSelect } from '../lib/dialog.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { onPicture } from '../lib/picture.js'
import { clone, part } from '../lib/template.js'
import { idOf, isMuted, isRoom } from '../state/chats.js'
import { mayManage } from '../state/rooms.js'
import { nameOf, namesIn, titleOf } from './names.js'
import { PeopleChoice } from './people-choice.js'
import { PersonPart } from './person-part.js'
import { CHOICES } from './room-form.js'

/** @typedef {import('../state/chats.js').Chat} Chat */
/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../state/rooms.js').Member} Member */
/** @typedef {import('../state/rooms.js').Room} Room */

const ROLES = { owner: 'roleOwner', admin: 'roleAdmin', member: 'roleMember' }
/** How long a chat is muted, in milliseconds; the longest is as good as for ever. */
const MUTES = { '': 'muteNot', 3600000: 'muteHour', 28800000: 'muteDay', 604800000: 'muteWeek', 3155760000000: 'muteAlways' }

/** The settings of a room, each with the name of its field. */
const SETTINGS = /** @type {const} */ ({ name: 'room-name', topic: 'topic', kind: 'kind', history: 'history', post: 'post' })
const DAY_MS = 86_400_000

export class ChatSheet extends HTMLElement {
  #store
  #people = new PeopleChoice()
  #person = new PersonPart()
  /** @type {ChatKey | null} */
  #key = null
  /** The settings of the room as they were put into their fields. @type {Record<string, string>} */
  #filled = {}
  #listening = new AbortController()

  /** @param {import('../state/store.js').Store} store */
  constructor(store) {
    super()
    this.#store = store
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('chat-sheet')))
    part(this, 'choice').append(this.#people)
    part(this, 'ways-out').after(this.#person)
    asDialog(this.#dialog)
    this.#store.addEventListener('change', event => {
      const { chat } = /** @type {CustomEvent} */ (event).detail
      if (this.#dialog.open && (chat === undefined || chat === this.#key || this.#isOfMember(chat))) this.#render()
    }, { signal: this.#listening.signal })
    this.#store.addEventListener('gone', event => {
      const { chat, left } = /** @type {CustomEvent} */ (event).detail
      // Of a room that one was put out of there is nothing left to see to.
      if (left && chat === this.#key) this.close()
    }, { signal: this.#listening.signal })
    this.#dialog.addEventListener('close', () => { this.#key = null })
    this.#say('notify', select => ({ type: 'chat-settings', change: { notify: select.value } }))
    this.#say('mute', ({ value }) => ({
      type: 'chat-settings',
      change: { muted_until: value === '' ? null : value === 'until' ? this.#chat.mutedUntil : new Date(Date.now() + Number(value)).toISOString() },
    }))
    this.#people.addEventListener('chosen', () => { part(this, 'add').hidden = this.#people.ids.length === 0 })
    this.#press('add', () => ({ type: 'add-members', ids: this.#people.ids }))
    this.#press('more', () => ({ type: 'more-members' }))
    this.#press('invite', () => ({ type: 'invite-to-room' }))
    part(this, 'copy').addEventListener('click', async () => {
      if (await copyField(this.#input('link'))) part(this, 'copy').textContent = t('copied')
    })
    this.#press('leave', () => ({ type: 'leave-room' }))
    this.#press('archive', () => ({ type: 'archive-room' }))
    onPicture(part(this, 'picture'), file => {
      this.#said('')
      this.#wrong('')
      intend(this, { type: 'change-room-picture', chat: this.#key, file })
    })
    part(this, 'no-picture').addEventListener('click', () => {
      // With its button goes the focus.
      part(this, 'picture').focus()
      this.#said('')
      this.#wrong('')
      intend(this, { type: 'change-room', chat: this.#key, change: { avatar: null } })
    })
    part(this, 'change').addEventListener('submit', event => {
      event.preventDefault()
      this.#saveChange()
    })
    part(this, 'members').addEventListener('click', event => this.#onMember(event))
    part(this, 'members').addEventListener('change', event => this.#onMember(event))
  }

  disconnectedCallback() {
    this.#listening.abort()
  }

  // What rooms.js asks.

  /** @param {ChatKey} key */
  show(key) {
    this.#key = key
    translate(this)
    this.#wrong('')
    this.#said('')
    part(this, 'add').hidden = part(this, 'invited').hidden = true
    part(this, 'invite-note').textContent = ''
    this.#people.clear()
    this.#filled = {}
    this.#showPerson()
    this.#render()
    this.#dialog.showModal()
    part(this, 'close').focus()
  }

  close() {
    if (this.#dialog.open) this.#dialog.close()
  }

  /** @param {string} code @param {boolean} [ofLeaving] whether the room was to be left */
  fail(code, ofLeaving = false) {
    this.#wrong(ofLeaving && code === 'forbidden' ? word('lastOwner') : errorText(code))
    this.#render()
  }

  /** The people that were chosen are in. */
  added() {
    // With its button goes the focus.
    if (document.activeElement === part(this, 'add')) part(this.#people, 'query').focus()
    part(this, 'add').hidden = true
    this.#people.clear()
  }

  /**
   * A link into the room was made.
   * @param {{ link: string, left: number, expiresAt: string }} invite `left` is how many people may
   *   use it
   */
  invited({ link, left, expiresAt }) {
    part(this, 'invited').hidden = false
    this.#input('link').value = link
    part(this, 'copy').textContent = t('copyLink')
    part(this, 'invite-note').textContent = t('inviteNote', { count: left, date: shortDate(new Date(expiresAt)) })
    part(this, 'copy').focus()
  }

  changed() {
    this.#said(t('saved'))
  }

  // Inside.

  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }
  get #chat() { return this.#store.chat(this.#key ?? 'user:0') }
  /**
   * @param {ChatKey} chat
   * @returns {boolean} whether it is the one with a member of the room: more is known of them then
   */
  #isOfMember(chat) {
    return !isRoom(chat) && (this.#chat.room?.members.some(({ userId }) => userId === idOf(chat)) ?? false)
  }
  /** @param {string} name */
  #input(name) { return /** @type {HTMLInputElement} */ (part(this, name)) }
  /** @param {string} name */
  #select(name) { return /** @type {HTMLSelectElement} */ (part(this, name)) }

  /**
   * @param {string} name of a button
   * @param {() => { type: string, [detail: string]: unknown }} wish
   */
  #press(name, wish) {
    part(this, name).addEventListener('click', () => {
      this.#wrong('')
      intend(this, { ...wish(), chat: this.#key })
    })
  }

  /**
   * @param {string} name of a choice
   * @param {(select: HTMLSelectElement) => { type: string, [detail: string]: unknown }} wish
   */
  #say(name, wish) {
    this.#select(name).addEventListener('change', () => {
      this.#wrong('')
      intend(this, { ...wish(this.#select(name)), chat: this.#key })
    })
  }

  /** @param {string} text */
  #wrong(text) {
    part(this, 'wrong').hidden = text === ''
    part(this, 'wrong').textContent = text
    // What was pressed may stand far below it.
    if (text !== '') part(this, 'wrong').scrollIntoView({ block: 'nearest' })
  }

  /** How the settings of the room fared. @param {string} text @param {boolean} [isWrong] */
  #said(text, isWrong = false) {
    part(this, 'saved').textContent = text
    part(this, 'saved').classList.toggle('wrong', isWrong)
    this.#input('room-name').setAttribute('aria-invalid', String(isWrong))
  }

  #saveChange() {
    const name = this.#input('room-name').value.trim()
    this.#wrong('')
    this.#said(name === '' ? errorText('room_name_needed') : '', name === '')
    if (name === '') return this.#input('room-name').focus()
    // What was left as it was may be another's by now.
    const changed = Object.entries(SETTINGS).filter(([what, field]) => this.#input(field).value.trim() !== this.#filled[what])
    if (changed.length === 0) return this.changed()
    const change = Object.fromEntries(changed.map(([what, field]) => [what, this.#input(field).value.trim()]))
    intend(this, { type: 'change-room', chat: this.#key, change })
  }

  /** @param {Event} event */
  #onMember(event) {
    const target = event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest('button, select')) : null
    const userId = Number(target?.closest('li')?.dataset.key)
    if (!target || !userId) return
    if (event.type === 'click' && target.dataset.part === 'remove') intend(this, { type: 'remove-member', chat: this.#key, userId })
    if (event.type === 'change') intend(this, { type: 'give-role', chat: this.#key, userId, role: /** @type {HTMLSelectElement} */ (target).value })
  }

  /** What may be done about the other person. */
  #showPerson() {
    const { room, peerId } = this.#chat
    this.#person.hidden = isRoom(this.#key ?? 'user:0') || room !== null
    const user = this.#store.user(peerId)
    if (!this.#person.hidden) this.#person.show(peerId, nameOf(user))
    this.#person.hidden ||= user.deleted ?? false
  }

  /** The settings as they are, but where another value was begun. @param {Room} room */
  #fillChange(room) {
    for (const [what, field] of /** @type {[keyof typeof SETTINGS, string][]} */ (Object.entries(SETTINGS))) {
      const input = this.#input(field), now = room[what]
      const isKept = what in this.#filled && input.value !== this.#filled[what] && input.value.trim() !== now
      if (what !== 'name' && what !== 'topic') fillSelect(this.#select(field), CHOICES[what], t, isKept ? input.value : now)
      if (isKept) continue
      this.#filled[what] = now
      if (input.value.trim() !== now || input !== document.activeElement) input.value = now
    }
  }

  #render() {
    if (this.#key === null) return
    const chat = this.#chat
    const { room } = chat
    const manages = mayManage(room) && room?.archivedAt === null
    if (isRoom(chat.key)) paintRoom(part(this, 'avatar'), idOf(chat.key), room?.avatar)
    else paintAvatar(part(this, 'avatar'), this.#store.user(chat.peerId))
    part(this, 'title').textContent = titleOf(this.#store, chat)
    this.#renderAbout(chat)
    this.#renderSettings(chat)
    part(this, 'members-part').hidden = !room
    part(this, 'choice').hidden = part(this, 'change-part').hidden = part(this, 'invite-part').hidden = !manages
    part(this, 'no-picture').hidden = !room?.avatar
    part(this, 'invite-hint').textContent = word(this.#store.me.is_admin ? 'roomInviteForAll' : 'roomInviteHint')
    part(this, 'settings').hidden = room !== null && room.role === null
    part(this, 'ways-out').hidden = !room?.role
    part(this, 'archive').hidden = room?.role !== 'owner' || room.archivedAt !== null
    if (!room) return
    this.#fillChange(room)
    this.#people.leave(room.members.map(({ userId }) => userId))
    this.#renderMembers(room)
  }

  /** @param {Chat} chat */
  #renderAbout({ room, peerId }) {
    const user = this.#store.user(peerId)
    const { online, lastSeen } = this.#store.presence.get(peerId) ?? { online: false, lastSeen: null }
    part(this, 'about').textContent = room ? room.topic : `@${user.username}`
    part(this, 'hint').textContent = room
      ? [`${t('roomKind')}: ${t(CHOICES.kind[room.kind])}`, `${t('roomHistory')}: ${t(CHOICES.history[room.history])}`, room.post === 'admins' && t('postAdmins'), room.archivedAt && t('archived')]
        .filter(Boolean).join(' · ')
      : online ? t('online') : lastSeen ? t('lastSeen', { when: longTime(new Date(lastSeen), new Date()) }) : ''
    part(this, 'about').hidden = part(this, 'about').textContent === ''
    // Who may change these reads them below.
    part(this, 'hint').hidden = mayManage(room) && room?.archivedAt === null
  }

  /** @param {Chat} chat */
  #renderSettings(chat) {
    /** @type {Record<string, string>} */
    const told = { all: 'tellAll', ...(isRoom(chat.key) && { mentions: 'tellMentions' }), none: 'tellNone' }
    fillSelect(this.#select('notify'), told, word, chat.notify)
    const until = isMuted(chat, Date.now()) ? chat.mutedUntil : null
    const isLong = until !== null && Date.parse(until) - Date.now() > 400 * DAY_MS
    /** @type {Record<string, string>} */
    const mutes = until && !isLong ? { until: 'muteUntil', ...MUTES } : MUTES
    // Of what ends today or in the night the day alone says nothing.
    const day = until && Date.parse(until) - Date.now() < DAY_MS ? clockTime : shortDate
    fillSelect(this.#select('mute'), mutes, key => word(key, { when: until ? day(new Date(until)) : '' }),
      until === null ? '' : isLong ? '3155760000000' : 'until')
  }

  /** @param {Room} room */
  #renderMembers(room) {
    const order = Object.keys(ROLES)
    const users = room.members.map(({ userId }) => this.#store.user(userId))
    const names = namesIn(users)
    const name = (/** @type {Member} */ { userId }) => names(this.#store.user(userId))
    const sorted = room.members.toSorted((a, b) => order.indexOf(a.role) - order.indexOf(b.role) || name(a).localeCompare(name(b)))
    part(this, 'members-title').textContent = t('memberCount', { count: room.memberCount })
    part(this, 'more').hidden = room.whole
    keyed(part(this, 'members'), sorted, {
      key: ({ userId }) => String(userId),
      create: () => clone('member'),
      update: (node, member) => this.#fillMember(node, member, name(member), room),
    })
  }

  /** @param {HTMLElement} node @param {Member} member @param {string} name @param {Room} room */
  #fillMember(node, { userId, role }, name, room) {
    const me = userId === this.#store.me.id
    const user = this.#store.user(userId)
    paintAvatar(part(node, 'avatar'), user)
    part(node, 'name').textContent = me ? t('nameYou', { name }) : name
    part(node, 'note').textContent = [user.is_bot && t('bot'), word(ROLES[role])].filter(Boolean).join(' · ')
    const manages = mayManage(room) && room.archivedAt === null && !me
    // Only owners name owners, and only they unmake one.
    const may = manages && (role !== 'owner' || room.role === 'owner')
    const select = /** @type {HTMLSelectElement} */ (part(node, 'role'))
    const { admin, member: plain } = ROLES
    fillSelect(select, room.role === 'owner' ? ROLES : { admin, member: plain }, word, role)
    select.setAttribute('aria-label', t('buttonFor', { button: t('role'), name }))
    part(node, 'remove').textContent = word('removeMember')
    part(node, 'remove').setAttribute('aria-label', t('buttonFor', { button: word('removeMember'), name }))
    select.hidden = part(node, 'remove').hidden = !may
  }
}

customElements.define('chat-sheet', ChatSheet)
