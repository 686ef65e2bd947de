// What is done with chats as a whole: rooms made, entered, changed and left, and what one is told
// of. Asks the server what a dialog wants, and hands in the answer or what went wrong. app.js loads
// it with the first of these dialogs; no first view needs it.

import { ChatSheet } from './elements/chat-sheet.js'
import { nameOf, titleOf } from './elements/names.js'
import { ReaderList } from './elements/reader-list.js'
import { RoomForm } from './elements/room-form.js'
import { word } from './i18n/person-words.js'
import { t, translate } from './i18n/words.js'
import { codeOf } from './intents.js'
import { answerTo } from './lib/dialog.js'
import { make } from './lib/make.js'
import { loadStyle, loadTemplates } from './lib/style.js'
import { clone, part } from './lib/template.js'
import { say } from './notes.js'
import { addressOf, idOf, naming, roomKey } from './state/chats.js'
import { putPicture } from './sync/picture.js'

/** @typedef {import('./net/api.js').Api} Api */
/** @typedef {import('./state/store.js').Store} Store */
/** @typedef {import('./state/chats.js').ChatKey} ChatKey */

/** A link into a room is for a whole team, and for long enough to hand it round. */
const INVITE = { max_uses: 25, expires_in: 7 * 86_400 }

/**
 * @param {{ app: HTMLElement, api: Api, store: Store, refused(code: string): void,
 *   finish(): Promise<void> }} parts `refused` hears what no dialog shows; `finish` ends what waits
 *   and can only be done by a member
 * @returns {Promise<import('./intents.js').Intents>} what these dialogs, and who opens them, may
 *   intend
 */
export async function roomIntents({ app, api, store, refused, finish }) {
  await Promise.all([loadStyle('dialogs.css'), loadTemplates('dialogs.html')])
  const sheet = new ChatSheet(store), form = new RoomForm(), readers = new ReaderList(store)
  app.append(sheet, form, readers)

  /**
   * A refusal goes to the sheet.
   * @param {() => Promise<unknown>} work
   * @param {boolean} [ofLeaving] whether the room is to be left
   */
  const ask = (work, ofLeaving) => work().catch(error => sheet.fail(codeOf(error), ofLeaving))
  /** @param {any} room as the server answered it */
  const take = room => store.apply({ type: 'room', data: { room: { mine: { role: store.chat(roomKey(room.id)).room?.role ?? 'member' }, ...room } } })
  /**
   * What happened to a member. In large rooms no event tells of it, and in others it comes a second
   * time: the number of members is the server's.
   * @param {ChatKey} chat
   * @param {{ user_id: number, change: string, role?: string }} event
   */
  const hear = (chat, event) => store.apply({ type: 'room_member', data: { room_id: idOf(chat), ...event } })
  /** @param {ChatKey} chat */
  const count = async chat => take(await api.room(idOf(chat)))

  /** @param {number} id @returns {Promise<boolean>} whether the person of this id is blocked */
  const known = async id => {
    const { data } = await api.request('GET', `api/blocks?limit=1${id > 1 ? `&after=${id - 1}` : ''}`)
    return data[0]?.user_id === id
  }
  /**
   * Says how something went, which the element shows.
   * @param {Promise<unknown>} asked
   * @param {(code: string | null) => void} done
   */
  const told = (asked, done) => asked.then(() => done(null), error => done(codeOf(error)))

  /** @param {'join' | 'leave' | 'archive'} what @param {string} name of the room */
  function sure(what, name) {
    const dialog = /** @type {HTMLDialogElement} */ (translate(clone('ask')))
    part(dialog, 'question').textContent = t(`${what}Question`, { name })
    part(dialog, 'hint').textContent = t(`${what}Hint`)
    part(dialog, 'confirm').textContent = t(`${what}Room`)
    return answerTo(dialog)
  }

  /** Enters a room that is open, and shows it. @param {number} id */
  async function enter(id) {
    try {
      await api.passRoom(id, 'join')
      store.apply({ type: 'room', data: { room: await api.room(id) } })
      location.hash = addressOf(roomKey(id))
    } catch (error) {
      refused(codeOf(error))
    }
  }

  return {
    'make-room': () => form.show(),
    details: ({ chat }) => sheet.show(chat),
    readers: ({ chat, id }) => readers.show(chat, id),

    'search-people': async ({ query, done }) => {
      try {
        const users = await api.findUsers(query)
        for (const data of users) store.apply({ type: 'user', data })
        done(users)
      } catch (error) {
        refused(codeOf(error))
      }
    },

    async 'create-room'({ wish }) {
      try {
        const room = await api.makeRoom(wish)
        store.apply({ type: 'room', data: { room: { mine: { role: 'owner' }, ...room } } })
        form.close()
        location.hash = addressOf(roomKey(room.id))
      } catch (error) {
        form.fail(codeOf(error))
      }
    },

    'join-room': ({ id }) => enter(id),

    async 'join-by'({ code }) {
      try {
        const { room } = await api.lookAtInvite(code)
        if (!room) return refused('invalid_invite')
        if (!store.chat(roomKey(room.id)).room?.role && !await sure('join', room.name)) return
        await api.joinBy(code)
        store.apply({ type: 'room', data: { room: await api.room(room.id) } })
        location.hash = addressOf(roomKey(room.id))
      } catch (error) {
        refused(codeOf(error))
      }
    },

    'know-block': ({ id, done }) => known(id).then(done, error => refused(codeOf(error))),
    block: ({ id, blocked, done }) => told(api.request(blocked ? 'PUT' : 'DELETE', `api/blocks/${id}`), done),
    report: ({ what, reason, done }) => told(api.request('POST', 'api/reports', { ...what, reason }), done),

    async 'report-message'({ id, userId }) {
      const dialog = /** @type {HTMLDialogElement} */ (translate(clone('ask')))
      const reason = make('input', { id: 'report-why', autocomplete: 'off', maxLength: 1000, dir: 'auto' })
      const lacks = make('p', { className: 'form-error', role: 'alert', hidden: true })
      part(dialog, 'question').textContent = t('report')
      part(dialog, 'hint').textContent = word('reportMessageHint', { name: nameOf(store.user(userId)) })
      part(dialog, 'hint').after(make('label', { htmlFor: reason.id }, word('reportReason')), reason, lacks)
      part(dialog, 'confirm').textContent = word('sendReport')
      // Before the dialog hears of it, and closes.
      part(dialog, 'confirm').addEventListener('click', event => {
        if (reason.value.trim() !== '') return
        event.stopImmediatePropagation()
        lacks.hidden = false
        lacks.textContent = word('reasonNeeded')
        reason.setAttribute('aria-invalid', 'true')
        reason.focus()
      })
      reason.addEventListener('keydown', event => {
        if (event.key === 'Enter' && !event.isComposing) part(dialog, 'confirm').click()
      })
      if (!await answerTo(dialog)) return
      await told(api.request('POST', 'api/reports', { message_id: id, reason: reason.value }), code => code === null ? say(word('reported')) : refused(code))
    },

    'invite-to-room': ({ chat }) => ask(async () => {
      const { code, max_uses, uses, expires_at } = await api.inviteToRoom(idOf(chat), INVITE)
      // Of the page's own address: the server does not know below what path of a proxy it lies.
      const link = new URL(`#/join/${code}`, document.baseURI).href
      sheet.invited({ link, left: max_uses - uses, expiresAt: expires_at })
    }),

    'chat-settings': ({ chat, change }) => ask(async () => {
      const data = await api.settings(naming(chat), change)
      store.apply({ type: 'chat_settings', data: { ...naming(chat), ...data } })
    }),

    'add-members': ({ chat, ids }) => ask(async () => {
      await api.addMembers(idOf(chat), ids)
      for (const user_id of ids) hear(chat, { user_id, change: 'joined', role: 'member' })
      sheet.added()
      await count(chat)
    }),
    'more-members': ({ chat }) => ask(async () => {
      const { room } = store.chat(chat)
      const { data, meta } = await api.members(idOf(chat), { after: room?.next })
      store.apply({ type: 'members', data, chat, next: meta.next_after })
    }),
    'give-role': ({ chat, userId, role }) => ask(async () => {
      await api.giveRole(idOf(chat), userId, role)
      hear(chat, { user_id: userId, change: 'role', role })
    }),
    'remove-member': ({ chat, userId }) => ask(async () => {
      await api.removeMember(idOf(chat), userId)
      hear(chat, { user_id: userId, change: 'removed' })
      await count(chat)
    }),
    'change-room-picture': ({ chat, file }) => ask(async () => {
      take(await putPicture(api, `api/rooms/${idOf(chat)}/avatar`, file))
      sheet.changed()
    }),
    'change-room': ({ chat, change }) => ask(async () => {
      take(await api.changeRoom(idOf(chat), change))
      sheet.changed()
    }),
    async 'leave-room'({ chat }) {
      if (!await sure('leave', titleOf(store, store.chat(chat)))) return
      await ask(async () => {
        await finish()
        await api.passRoom(idOf(chat), 'leave')
        sheet.close()
        hear(chat, { user_id: store.me.id, change: 'left' })
      }, true)
    },
    async 'archive-room'({ chat }) {
      if (!await sure('archive', titleOf(store, store.chat(chat)))) return
      await ask(async () => {
        await api.archiveRoom(idOf(chat))
        const room = await api.room(idOf(chat))
        store.apply({ type: 'room', data: { room } })
        sheet.close()
      })
    },
  }
}
