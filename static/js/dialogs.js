// The dialogs of a person who is signed in: finding people, the profile, administration, the keys.
// Makes each when it is first asked for, asks the server what a dialog wants, and hands in the
// answer or what went wrong. app.js loads it with the first dialog; no first view needs it.

import { loadStyle } from './lib/style.js'
import { ChatError } from './net/api.js'
import { addressOf, roomKey } from './state/chats.js'
import { putPicture } from './sync/picture.js'

/** @typedef {import('./net/api.js').Api} Api */
/** @typedef {import('./net/api.js').User} User */
/** @typedef {import('./state/store.js').Store} Store */
/** @typedef {{ fail(code: string): void }} Dialog */

/**
 * @param {{ app: HTMLElement, api: Api, store: Store, renew(change: Promise<User & { token?: string }>): Promise<User>,
 *   depart(asked: Promise<unknown>): Promise<void> }} parts
 *   `renew` takes over what the server answers about one's own account, `depart` that it is no more
 * @returns {Record<string, (detail: any) => unknown>} what the dialogs, and who opens them, may intend
 */
export function dialogIntents({ app, api, store, renew, depart }) {
  const styled = loadStyle('dialogs.css')
  /** @type {Map<string, Promise<any>>} */
  const made = new Map()

  /** The dialog of a name, made once; or the next time, where it could not be loaded.
   * @param {string} name @param {() => Promise<HTMLElement>} make */
  function dialog(name, make) {
    if (!made.has(name)) {
      const making = Promise.all([make(), styled]).then(([element]) => {
        app.append(element)
        return element
      })
      making.catch(() => made.delete(name))
      made.set(name, making)
    }
    return /** @type {Promise<any>} */ (made.get(name))
  }
  /** The archived rooms, asked for at most once while the picker is shown. @type {Promise<any[]> | undefined} */
  let archived
  const picker = () => dialog('picker', async () => new (await import('./elements/people-picker.js')).PeoplePicker())
  const profile = () => dialog('profile', async () => new (await import('./elements/profile-card.js')).ProfileCard(store.me))
  const admin = () => dialog('admin', async () => new (await import('./elements/admin-panel.js')).AdminPanel(store.me.id))
  const keys = () => dialog('keys', async () => new (await import('./elements/key-list.js')).KeyList())

  /**
   * Asks the server; a refusal goes to the dialog.
   * @param {Promise<Dialog>} asked
   * @param {(asked: any) => Promise<void>} work
   */
  async function ask(asked, work) {
    const shown = await asked
    try {
      await work(shown)
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      shown.fail(error.code)
    }
  }

  /** @param {'about' | 'secret' | 'leave'} form so that a refusal stands in the form that it concerns */
  const profileForm = form => profile().then(card => ({ card, fail: (/** @type {string} */ code) => card.fail(form, code) }))
  const readInvites = () => ask(admin(), async panel => panel.invited(await api.invites()))
  /** @param {number} [after] */
  const readAccounts = after => ask(admin(), async panel => {
    const { data, meta } = await api.accounts(after)
    panel.listed(data, meta.has_more ?? false)
  })

  return {
    'find-people': async () => {
      archived = undefined
      return (await picker()).show()
    },
    search: ({ query }) => ask(picker(), async shown => {
      const rooms = query === '' ? [[], []] : [api.openRooms(query), archived ??= api.archivedRooms()]
      const [users, open, past] = await Promise.all([api.findUsers(query), ...rooms])
      for (const data of users) store.apply({ type: 'user', data })
      shown.found(query, users, [...roomsOf(store, query), ...open.map(toJoin), ...pastOf(past, query)])
    }),
    'start-chat'({ chat }) { location.hash = addressOf(chat) },

    async profile() {
      const card = await profile()
      card.show(store.me)
      const { presentPush } = await import('./installed.js')
      await presentPush(card.push, api, store.me.id)
    },
    'change-profile': ({ change }) => ask(profileForm('about'), async ({ card }) =>
      card.profileSaved(await renew(api.changeMe(change)))),
    'change-picture': ({ file }) => ask(profileForm('about'), async ({ card }) =>
      card.profileSaved(await renew(putPicture(api, 'api/auth/me/avatar', file)))),
    'change-password': ({ change }) => ask(profileForm('secret'), async ({ card }) => {
      await renew(api.changeMe(change))
      card.passwordSaved()
    }),
    'delete-account': ({ wish }) => ask(profileForm('leave'), () => depart(api.deleteMe(wish))),

    async admin() {
      const panel = await admin()
      panel.show()
      await Promise.all([readInvites(), readAccounts()])
    },
    accounts: ({ after }) => readAccounts(after),
    invite: ({ wish }) => ask(admin(), async () => {
      await api.invite(wish)
      await readInvites()
    }),
    'revoke-invite': ({ code }) => ask(admin(), async () => {
      await api.revokeInvite(code)
      await readInvites()
    }),
    'change-account': ({ id, change }) => ask(admin(), async panel => panel.changed([await api.changeAccount(id, change)])),

    keys: async () => (await keys()).show(),
  }
}

/**
 * The rooms of the person here whose name has a text in it.
 * @param {Store} store
 * @param {string} query
 */
function roomsOf(store, query) {
  if (query === '') return []
  const isWanted = nameHas(query)
  return store.list().flatMap(({ chat: { key, room } }) =>
    room?.role && !room.archivedAt && isWanted(room) ? [{ key, id: room.id, name: room.name, avatar: room.avatar, isMine: true }] : [])
}

/** @param {any[]} rooms that are archived @param {string} query */
const pastOf = (rooms, query) => rooms.filter(nameHas(query))
  .map(({ id, name, avatar }) => ({ key: roomKey(id), id, name, avatar, isMine: true, archived: true }))

/** @param {string} query @returns {(room: { name: string }) => boolean} whether a room's name has a text in it */
function nameHas(query) {
  const wanted = query.toLocaleLowerCase()
  return ({ name }) => name.toLocaleLowerCase().includes(wanted)
}

/** @param {any} room that one may enter, as the server answers it */
const toJoin = ({ id, name, avatar }) => ({ key: roomKey(id), id, name, avatar, isMine: false })
