// The dialogs of a person who is signed in: finding people, the profile, administration, the keys.
// Makes each when it is first asked for, asks the server what a dialog wants, and hands in the
// answer or what went wrong. app.js loads it with the first dialog; no first view needs it.

import { late } from './lib/late.js'
import { loadStyle, loadTemplates } from './lib/style.js'
import { ChatError } from './net/api.js'
import { addressOf, keyIn, roomKey } from './state/chats.js'
import { putPicture } from './sync/picture.js'

/** Longer names there are none. */
const NAME_MOST = 64
/** So many pages of 500 rooms are offered to a new hook; others are named by their number. */
const ROOM_PAGES = 4

/** @typedef {import('./net/api.js').Api} Api */
/** @typedef {import('./net/api.js').User} User */
/** @typedef {import('./state/store.js').Store} Store */
/** @typedef {{ fail(code: string): void }} Dialog */
/** @typedef {import('./state/chats.js').ChatKey} ChatKey */

/**
 * @param {{ app: HTMLElement, api: Api, store: Store,
 *   renew(change: Promise<User & { token?: string }>): Promise<User>,
 *   depart(ask: () => Promise<unknown>): Promise<void>, show(chat: ChatKey, id: number): boolean }}
 *   parts `renew` takes over what the server answers about one's own account, `depart` that it is
 *   no more; `show` shows a message of the chat that is open, and says whether that is this one
 * @returns {Record<string, (detail: any) => unknown>} what the dialogs, and who opens them, may
 *   intend
 */
export function dialogIntents({ app, api, store, renew, depart, show }) {
  const styled = loadStyle('dialogs.css')
  /** @type {Map<string, Promise<any>>} */
  const made = new Map()

  /** The dialog of a name, made once; or the next time, where it could not be loaded.
   * @param {string} name @param {() => Promise<HTMLElement>} make */
  function dialog(name, make) {
    if (!made.has(name)) {
      const making = Promise.all([loadTemplates('dialogs.html').then(make), styled]).then(([element]) => {
        app.append(element)
        return element
      })
      making.catch(() => made.delete(name))
      made.set(name, making)
    }
    return /** @type {Promise<any>} */ (made.get(name))
  }
  /**
   * The archived rooms, asked for at most once while the picker is shown.
   * @type {Promise<any[]> | undefined}
   */
  let archived
  function readArchived() {
    archived ??= api.archivedRooms()
    // Asked for again, they may come.
    archived.catch(() => { archived = undefined })
    return archived
  }
  const picker = () => dialog('picker', async () => new (await late(() => import('./elements/people-picker.js'))).PeoplePicker(store))
  const profile = () => dialog('profile', async () => new (await late(() => import('./elements/profile-card.js'))).ProfileCard(store.me))
  const admin = () => dialog('admin', async () => new (await late(() => import('./elements/admin-panel.js'))).AdminPanel(store.me.id))
  const sessions = () => dialog('sessions', async () => new (await late(() => import('./elements/session-list.js'))).SessionList())
  const reports = () => dialog('reports', async () => new (await late(() => import('./elements/report-list.js'))).ReportList())
  const keys = () => dialog('keys', async () => new (await late(() => import('./elements/key-list.js'))).KeyList())

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

  /**
   * @param {'about' | 'secret' | 'leave'} form so that a refusal stands in the form that it
   *   concerns
   */
  const profileForm = form => profile().then(card => ({ card, fail: (/** @type {string} */ code) => card.fail(form, code) }))
  /** So that a refusal is understood as one of what was to be done to an account. */
  const accountsIn = () => admin().then(panel => ({ panel, fail: (/** @type {string} */ code) => panel.fail(code, true) }))
  /** @param {string} query that is answered: another one may be typed by then */
  const searchFor = query => picker().then(shown => ({ shown, fail: (/** @type {string} */ code) => shown.fail(query, code) }))
  const readInvites = () => ask(admin(), async panel => panel.invited(await api.invites()))
  /**
   * What was said with these words.
   * @param {string} query
   * @param {string} [before] where more of it is
   */
  async function readHits(query, before) {
    const shown = await picker()
    if (query === '') return shown.said(query, { hits: [] })
    try {
      const { data, meta } = await api.request('GET', `api/search?${new URLSearchParams({ q: query, ...before && { before } })}`)
      shown.said(query, { hits: data, next: meta.next_before }, before !== undefined)
      await meetOf(api, store, data)
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      // What has no letter in it is searched for among people alone, and an older server has no
      // such route.
      const quiet = ['invalid_payload', 'not_found'].includes(error.code)
      // What is there already stays, and so does the way to more of it.
      shown.said(query, { hits: [], next: before, code: quiet ? undefined : error.code }, before !== undefined)
    }
  }

  /** @param {number} [after] */
  const readAccounts = after => ask(admin(), async panel => {
    const { data, meta } = await api.accounts(after)
    panel.listed(data, meta.has_more ?? false)
  })

  const readSessions = () => ask(sessions(), async list => list.listed((await api.request('GET', 'api/auth/sessions')).data))
  /** @param {string} [after] */
  const readReports = after => ask(reports(), async list => {
    const { data, meta } = await api.request('GET', `api/admin/reports?limit=50${after ? `&after=${after}` : ''}`)
    list.listed(data, meta.next_after)
  })
  /** @param {string} path what ends */
  const endSessions = path => ask(sessions(), async () => {
    await api.request('DELETE', `api/auth/sessions${path}`)
    await readSessions()
  })
  const hooks = () => made.get('hooks') ?? makeHooks()
  function makeHooks() {
    const make = async () => new (await late(() => import('./elements/hook-list.js'))).HookList()
    const making = make()
    making.catch(() => made.delete('hooks'))
    made.set('hooks', making)
    return making
  }
  /** The bots and hooks, below the accounts. */
  const readHooks = () => ask(admin(), async panel => {
    const read = (/** @type {string} */ what) => api.request('GET', `api/admin/${what}`)
    const [list, bots, incoming, outgoing, server] = await Promise.all([hooks(), read('bots'), read('hooks/in'), read('hooks/out'), api.server()])
    panel.below(list)
    list.show({
      bots: bots.data, incoming: incoming.data, outgoing: outgoing.data, direct: server.hook_direct,
      nameOf: (/** @type {number} */ id) => bots.data.find((/** @type {User} */ bot) => bot.id === id)?.username ?? store.user(id)?.username ?? String(id),
    })
  })
  /** @param {string} method @param {string} path @param {object} [body] */
  const changeHooks = (method, path, body) => ask(admin(), async () => {
    await api.request(method, `api/admin/${path}`, body)
    await readHooks()
  })
  /**
   * Has the server make a bot or a hook.
   * @param {'bot' | 'in' | 'out'} kind
   * @param {Record<string, any>} wish
   * @returns {Promise<string>} what is shown once
   */
  async function makeProgram(kind, { to, ...wish }) {
    if (to !== undefined) {
      const isMeant = (/** @type {User} */ { username }) => username.toLowerCase() === to.toLowerCase()
      // Names that begin with the query come first, in order: the whole name is among them.
      const { data } = to === '' ? { data: [] } : await api.request('GET', `api/users?${new URLSearchParams({ query: to, limit: '100' })}`)
      const person = isMeant(store.me) ? store.me : data.find(isMeant)
      if (!person) throw new ChatError('invalid_payload', 'user_id: no account has this username')
      wish.user_id = person.id
    }
    const { data } = await api.request('POST', `api/admin/${kind === 'bot' ? 'bots' : `hooks/${kind}`}`, wish)
    if (kind !== 'in') return kind === 'bot' ? data.key : data.secret
    // Of the page's own address, as with invites.
    return new URL(new URL(data.url).pathname.split('/').slice(-4).join('/'), document.baseURI).href
  }

  return {
    'find-people': async () => {
      archived = undefined
      return (await picker()).show()
    },
    search: ({ query }) => Promise.all([readHits(query), ask(searchFor(query), async ({ shown }) => {
      const rooms = query === '' ? [[], []] : [api.openRooms(query), readArchived()]
      const [users, open, past] = await Promise.all([api.findUsers(query.slice(0, NAME_MOST)), ...rooms])
      for (const data of users) store.apply({ type: 'user', data })
      shown.found(query, users, [...roomsOf(store, query), ...open.map(toJoin), ...pastOf(past, query)])
    })]),
    'more-hits': ({ query, before }) => readHits(query, before),
    'open-hit': ({ chat, id }) => openHit(store, show, chat, id),
    'start-chat'({ chat }) { location.hash = addressOf(chat) },

    async profile() {
      const card = await profile()
      card.show(store.me)
      const { presentPush } = await late(() => import('./installed.js'))
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
    'delete-account': ({ wish }) => ask(profileForm('leave'), () => depart(() => api.deleteMe(wish))),

    async sessions() {
      const list = await sessions()
      list.show()
      await readSessions()
    },
    'end-session': ({ id }) => endSessions(`/${id}`),
    'end-other-sessions': () => endSessions('?others=true'),

    async admin() {
      const panel = await admin()
      panel.show()
      await Promise.all([readInvites(), readAccounts(), readHooks()])
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
    'change-account': ({ id, change }) => ask(accountsIn(), async ({ panel }) => panel.changed([await api.changeAccount(id, change)])),

    'reset-link': ({ id }) => ask(admin(), async panel => {
      const { data } = await api.request('POST', `api/admin/users/${id}/reset-link`)
      // Of the page's own address, as with invites.
      panel.resetLinked(id, new URL(new URL(data.url).hash, document.baseURI).href)
    }),
    async reports() {
      const list = await reports()
      list.show()
      await readReports()
    },
    'more-reports': ({ after }) => readReports(after),
    'close-report': ({ id }) => ask(reports(), async list => {
      await api.request('PATCH', `api/admin/reports/${id}`, { closed: true })
      list.closed(id)
    }),
    'change-hook': ({ way, id, paused }) => changeHooks('PATCH', `hooks/${way}/${id}`, { paused }),
    'remove-hook': ({ way, id }) => changeHooks('DELETE', `hooks/${way}/${id}`),
    async 'make-program'({ kind, wish, done, fail }) {
      try {
        done(await makeProgram(kind, wish))
      } catch (error) {
        if (!(error instanceof ChatError)) throw error
        return fail(error)
      }
      await readHooks()
    },
    'rooms-for-hooks': ({ done }) => ask(admin(), async () => {
      const rooms = []
      /** @type {string | undefined} */
      let after
      for (let page = 0; page < ROOM_PAGES; page++) {
        const { data, meta } = await api.request('GET', `api/admin/rooms?limit=500${after ? `&after=${after}` : ''}`)
        rooms.push(...data)
        after = meta.next_after
        if (!after) break
      }
      done(rooms)
    }),
    'confirm-keys': ({ keys }) => ask(admin(), async () => {
      for (const id of keys) await api.request('PATCH', `api/admin/keys/${id}`, { paused: false })
      await readHooks()
    }),

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

/**
 * @param {string} query
 * @returns {(room: { name: string }) => boolean} whether a room's name has a text in it
 */
function nameHas(query) {
  const wanted = query.toLocaleLowerCase()
  return ({ name }) => name.toLocaleLowerCase().includes(wanted)
}

/** @param {any} room that one may enter, as the server answers it */
const toJoin = ({ id, name, avatar }) => ({ key: roomKey(id), id, name, avatar, isMine: false })

/**
 * Learns who the people and rooms are of what was found.
 * @param {Api} api
 * @param {Store} store
 * @param {import('./elements/message-hits.js').Hit[]} hits
 */
async function meetOf(api, store, hits) {
  const people = new Set(hits.flatMap(({ sender_id, receiver_id }) => receiver_id === undefined ? [sender_id] : [sender_id, receiver_id]))
  const unknown = [...people].filter(id => id !== store.me.id && !store.users.has(id))
  const rooms = new Set(hits.flatMap(({ room_id }) => room_id === undefined || store.chat(roomKey(room_id)).room ? [] : [room_id]))
  if (unknown.length > 0) {
    const { data } = await api.request('GET', `api/users?ids=${unknown.join()}`)
    for (const user of data) store.apply({ type: 'user', data: user })
  }
  for (const id of rooms) store.apply({ type: 'room', data: { room: await api.room(id) } })
}

/**
 * Opens the chat of a message, and shows that once the chat is there.
 * @param {Store} store
 * @param {(chat: ChatKey, id: number) => boolean} show
 * @param {ChatKey} chat
 * @param {number} id
 */
function openHit(store, show, chat, id) {
  const waiting = new AbortController()
  const { signal } = waiting
  const look = () => {
    // Whoever has gone elsewhere meanwhile is left there.
    const isOver = keyIn(location.hash) !== chat || store.chat(chat).thread.loaded && show(chat, id)
    if (isOver) waiting.abort()
  }
  location.hash = addressOf(chat)
  store.addEventListener('change', look, { signal })
  // After the page has followed the address.
  window.addEventListener('hashchange', look, { signal })
  look()
}
