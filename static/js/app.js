// The page of a person who is signed in: joins the store, what keeps it true, and the elements.
//
// The way round: an element intends -> sync asks the socket or REST -> the answer goes into
// `store.apply` -> the elements show what changed.

import { ChatList } from './elements/chat-list.js'
import { ChatThread } from './elements/chat-thread.js'
import { errorText, t, translate } from './i18n/words.js'
import { codeOf, talkIntents } from './intents.js'
import { showPicturesOf } from './lib/avatar.js'
import { late } from './lib/late.js'
import { linkIn } from './lib/links.js'
import { recall, remember } from './lib/memory.js'
import { openShelf } from './lib/shelf.js'
import { clone } from './lib/template.js'
import { Socket } from './net/socket.js'
import { say, showConnection, showDemoNote, showNewer } from './notes.js'
import { EXPIRED, enter, leave, session } from './session.js'
import { addressOf, keyIn, pairKey, toldOf } from './state/chats.js'
import { Store } from './state/store.js'
import { Sync } from './sync/sync.js'

/** @typedef {import('./intents.js').Intents} Intents */
/** @typedef {import('./net/api.js').Api} Api */
/** @typedef {import('./net/api.js').Session} Session */
/** @typedef {import('./net/api.js').User} User */
/** @typedef {import('./sync/deletions.js').Deletions} Deletions */

/** Many changes of so short a time are one change of the title. */
const TITLE_MS = 50
/**
 * A new password ends every token but its own; word of the new one may come later than that of the
 * end.
 */
const NEW_TOKEN_MS = 1_500
/** If the socket is not there by then, the chats are shown from REST without it. */
const SHOW_AFTER_MS = 1_500
/** After so long the first view is there, and what makes the page an app can be loaded. */
const SETTLED_MS = 8_000

/** After the page is at rest it is asked whether others are told of what is written. */
const TOLD_AFTER_MS = 5_000

/** The dialogs of dialogs.js, and of rooms.js, by the intent that opens each. */
const DIALOGS = ['find-people', 'profile', 'admin', 'keys']
const ROOM_DIALOGS = ['make-room', 'details', 'readers', 'report-message', 'join-room', 'join-by']

export class App {
  #seat
  #api
  #me
  #maxChars
  #isDemo
  #store
  #socket
  #sync
  /** What deletes, once something was to be deleted. @type {Deletions | undefined} */
  #deletions
  #list
  #pane = translate(clone('pane'))
  /** The conversation's element, once a conversation was opened. @type {ChatThread | undefined} */
  #thread
  /**
   * What elements may intend, in which the dialogs' answers take the place of what loads them.
   * @type {Intents}
   */
  #intents
  /** @type {Promise<unknown> | undefined} */
  #dialogs
  /** @type {Promise<unknown> | undefined} */
  #roomDialogs
  /** The token with which the socket connected last. */
  #used = session.now?.token
  /** A change of one's own account that is on its way. @type {Promise<unknown>} */
  #renewing = Promise.resolve()
  #leaving = false
  /** True as long as this device keeps where the chats were read. */
  #lasts = true
  /** True once it was seen to whether there is anybody to talk with. */
  #welcomed = false
  /** True where the list is one step back in the browser's history. */
  #cameFromList = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #titling
  /**
   * Where one was when this tab was loaded anew.
   * @type {import('./elements/message-list.js').Place | null}
   */
  #kept = null
  /**
   * What was begun then.
   * @type {ChatThread['begun']}
   */
  #begun = []

  /**
   * Shows the chats of the person who is signed in.
   * @param {{ seat: HTMLElement, api: Api, intents: Intents }} page `intents` grows by what may be
   *   intended then
   * @param {Session} signedIn
   */
  static async open(page, signedIn) {
    // A message that waits in a demonstration is never sent to a server that is none.
    const memory = await openShelf(signedIn.demo ? 'chatd-demo' : 'chatd', key => key.startsWith('draft.'))
    const app = new App(page, signedIn, memory)
    app.#start()
    return app
  }

  /**
   * @param {{ seat: HTMLElement, api: Api, intents: Intents }} page
   * @param {Session} signedIn
   * @param {import('./lib/shelf.js').Memory} memory
   */
  constructor({ seat, api, intents }, { user, maxMessageChars, demo }, memory) {
    this.#seat = seat
    this.#api = api
    this.#me = user
    this.#maxChars = maxMessageChars
    this.#isDemo = demo ?? false
    this.#store = new Store(user)
    this.#socket = new Socket(new URL('socket.io/', document.baseURI), () => ({ token: this.#used = session.now?.token, v: 2 }))
    this.#sync = new Sync({ store: this.#store, socket: this.#socket, api, memory })
    const refused = (/** @type {string} */ code) => say(errorText(code))
    const deletions = async () => {
      const { Deletions } = await late(() => import('./sync/deletions.js'))
      return this.#deletions ??= new Deletions({ store: this.#store, sync: this.#sync, failed: error => refused(codeOf(error)) })
    }
    showPicturesOf(async () => (await api.server()).avatar_origins ?? [])
    this.#list = new ChatList(this.#store)
    this.#intents = Object.assign(intents, talkIntents(this.#sync, deletions, refused), this.#ownIntents())
  }

  #start() {
    const socket = this.#socket
    this.#sync.addEventListener('signed-out', event => this.#putOut(/** @type {CustomEvent} */ (event).detail.code))
    socket.addEventListener('connect', () => {
      this.#sync.hasKept = false
      this.#thread?.render()
      if (!socket.recovered) setTimeout(() => this.#quietly(() => this.#learnMe()), TOLD_AFTER_MS)
    })
    socket.addEventListener('event', event => {
      const { name, data } = /** @type {CustomEvent} */ (event).detail
      if (name === 'user_changed' && data.user_id === this.#me.id && !data.deleted) this.#quietly(() => this.#learnMe())
    })
    this.#store.addEventListener('gone', event => this.#gone(/** @type {CustomEvent} */ (event).detail))
    this.#store.addEventListener('change', () => {
      this.#titleSoon()
      this.#welcome()
    })
    showConnection(socket)
    showNewer(socket, this.#api)
    if (this.#isDemo) showDemoNote(() => this.end(false).then(() => leave()))
    // Those whose token expired did not come back to this device; another person did.
    else {
      this.#sync.forgetOthers()
      const owner = recall('kept.owner')
      if (owner !== null && owner !== this.#me.id) this.#forgetDevice()
    }
    this.#findPlace()
    this.#seat.replaceChildren(this.#list, this.#pane)
    this.#follow()
    this.#cameFromList = false
    window.addEventListener('hashchange', () => this.#follow())
    window.addEventListener('keydown', event => this.#onKey(event))
    const look = () => this.#sync.look(document.visibilityState === 'visible' && document.hasFocus())
    for (const sign of ['focus', 'blur']) window.addEventListener(sign, look)
    document.addEventListener('visibilitychange', look)
    look()
    // The socket first, so that nothing falls between reading and listening. Where it takes long,
    // the chats are read without it; they are read again when it is there, and merged.
    socket.connect()
    setTimeout(() => this.#quietly(() => this.#sayWhoIsTold()), TOLD_AFTER_MS)
    const read = () => { if (!socket.connected && this.#store.listState === 'loading') this.#sync.refresh() }
    // Without a server there is nothing to wait for: the service worker has what was said last.
    setTimeout(read, SHOW_AFTER_MS)
    socket.addEventListener('waiting', () => {
      this.#sync.hasKept = Boolean(navigator.serviceWorker?.controller)
      read()
    })
    if (!this.#isDemo) setTimeout(() => this.#quietly(() => this.#settle()), SETTLED_MS)
  }

  /**
   * Does what nobody asked for: with the next connection where the server cannot be had.
   * @param {() => Promise<void>} work
   */
  #quietly(work) {
    work().catch(error => codeOf(error) && this.#socket.addEventListener('connect', () => this.#quietly(work), { once: true }))
  }

  /** Says that the operator's other systems are told of messages, where they are. */
  async #sayWhoIsTold() {
    const { hook_direct } = await this.#api.server()
    if (hook_direct) (await late(() => import('./told.js'))).showTold(this.#list)
  }

  /** Ends what is under way before the account leaves the page.
   * @param {boolean} lasts whether the same person may come back to what is not sent yet */
  async end(lasts) {
    this.#lasts = lasts
    this.#deletions?.flush()
    this.#socket.close()
    if (!lasts) await Promise.all([this.#sync.forget(), this.#isDemo || this.#forgetDevice()])
  }

  async #settle() {
    const { settle } = await late(() => import('./installed.js'))
    if (!this.#leaving) await settle({ api: this.#api, store: this.#store, socket: this.#socket })
  }

  /** Takes away what makes the page the person's app. */
  async #forgetDevice() {
    try {
      await (await late(() => import('./installed.js'))).forgetDevice(this.#api)
    } catch {
      // Without a network it may not be here; what is kept goes with the next person at the latest.
    }
  }

  /** @returns {Intents} */
  #ownIntents() {
    return {
      'more-chats': () => this.#sync.readMoreChats(),
      ...Object.fromEntries(DIALOGS.map(type => [type, detail => this.#openDialog(type, detail)])),
      ...Object.fromEntries(ROOM_DIALOGS.map(type => [type, detail => this.#openRoomDialog(type, detail)])),
      menu: () => this.#lookForAdmin(),
      back: () => {
        if (this.#cameFromList) history.back()
        else location.replace('#/')
      },
      'log-out': () => this.#logOut(),
    }
  }

  // Going about.

  /** Shows what the address names: a conversation, or else the list. */
  #follow() {
    const { way, code } = linkIn(location.hash)
    // A link to get in by, opened where somebody is signed in: the page begins with it.
    if (way === 'sign-in' || way === 'reset') return location.reload()
    if (way === 'join') {
      // Gone back to, it would ask again.
      history.replaceState(null, '', '#/')
      this.#intents['join-by']({ code })
    }
    const named = keyIn(location.hash)
    const next = named === pairKey(this.#me.id) ? null : named
    const before = this.#sync.open
    this.#sync.show(next)
    if (next !== null && !this.#thread) {
      this.#thread = new ChatThread(this.#store, this.#maxChars)
      if (this.#kept) this.#thread.keep(this.#kept)
      this.#thread.begun = this.#begun
      this.#pane.append(this.#thread)
    }
    // Left while it is in view and opened once it is, or there would be nothing to measure.
    if (next === null) this.#thread?.open(null)
    this.#seat.dataset.view = next === null ? 'list' : 'thread'
    if (next !== null) this.#thread?.open(next)
    this.#cameFromList = before === null
    this.#list.current = next
    if (next === null && before !== null) this.#list.focusRow(before)
  }

  /** What was said in a chat is gone, or the whole chat is for the person here.
   * @param {{ chat: import('./state/chats.js').ChatKey, left: boolean }} what */
  #gone({ chat, left }) {
    // What a screen reader was given to read out may be it.
    this.#intents.announce({ text: '' })
    if (!left) return
    say(t('noMember'))
    if (this.#sync.open === chat) location.replace('#/')
  }

  /** @param {1 | -1} step @param {boolean} unreadOnly */
  #walk(step, unreadOnly) {
    const rows = this.#store.list()
    const at = rows.findIndex(({ chat }) => chat.key === this.#sync.open)
    const ahead = step > 0 ? rows.slice(at + 1) : rows.slice(0, Math.max(at, 0)).reverse()
    const next = ahead.find(({ chat }) => !unreadOnly || toldOf(chat, Date.now()) > 0)
    if (next) location.hash = addressOf(next.chat.key)
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    // A dialog has its own keys, and Escape closes it by itself.
    if (event.isComposing || document.querySelector('dialog[open], :popover-open')) return
    const command = event.ctrlKey || event.metaKey
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const { open } = this.#sync
    if (command && event.key.toLowerCase() === 'k') this.#intents['find-people']({})
    else if (command && event.key === '/' || event.key === '?' && letterKeys(event)) this.#intents.keys({})
    else if (event.altKey && step) this.#walk(/** @type {1 | -1} */ (step), event.shiftKey)
    else if (event.key === 'Escape' && open !== null) {
      if (!this.#thread?.focusText()) this.#list.focusRow(open)
    } else return
    event.preventDefault()
  }

  /** Finds again where this tab was, and keeps that when it is loaded anew. */
  #findPlace() {
    const name = `place.${this.#me.id}`
    const { peerId, ...kept } = recall(name, true) ?? {}
    // An earlier page kept the other person's id in place of the chat.
    const place = kept.id ? { chat: pairKey(peerId), ...kept } : null
    this.#kept = place
    if (place) this.#sync.reach(place.chat, place.id)
    const begun = `begun.${this.#me.id}`
    this.#begun = recall(begun, true) ?? []
    const keep = () => {
      remember(name, this.#lasts && this.#thread?.place || null, true)
      remember(begun, this.#lasts ? this.#thread?.begun ?? this.#begun : null, true)
    }
    window.addEventListener('pagehide', () => {
      this.#deletions?.flush()
      keep()
    })
    // A page that is behind others may end without a word.
    document.addEventListener('visibilitychange', keep)
  }

  /** An administrator who is alone is offered a link by which others come in. */
  #welcome() {
    if (this.#welcomed || this.#store.listState !== 'ready') return
    this.#welcomed = true
    if (!this.#me.is_admin || this.#isDemo || this.#store.list().length > 0) return
    this.#quietly(async () => {
      const { firstInvite } = await late(() => import('./welcome.js'))
      const invite = await firstInvite(this.#api)
      if (invite) this.#list.welcome(invite)
    })
  }

  #titleSoon() {
    // Frames would not come in a tab that is behind another, and a title for each of a thousand
    // messages costs.
    this.#titling ??= setTimeout(() => {
      this.#titling = undefined
      const count = this.#store.unreadTotal(Date.now())
      document.title = count > 0 ? `(${count}) chatd` : 'chatd'
      const badge = /** @type {any} */ (navigator)
      badge.setAppBadge?.(count).catch(() => {})
    }, TITLE_MS)
  }

  // The account.

  /**
   * The server accepts the token no more. Where there is a newer one, as after a new password, it
   * is used.
   * @param {string} code
   */
  async #putOut(code) {
    if (this.#leaving) return
    this.#leaving = true
    await this.#renewing
    const isLast = () => session.now?.token === this.#used
    if (code === 'invalid_token' && isLast()) await new Promise(resolve => setTimeout(resolve, NEW_TOKEN_MS))
    if (isLast()) {
      await this.end(code === EXPIRED)
      return leave(code)
    }
    this.#leaving = false
    this.#socket.close()
    this.#socket.connect()
  }

  /**
   * Takes over what the server answers about one's own account.
   * @param {Promise<User & { token?: string }>} change
   */
  async #renew(change) {
    this.#renewing = change.catch(() => {})
    const { token = session.now?.token ?? '', id, username, name, avatar, is_admin } = await change
    const user = { id, username, avatar, is_admin, ...(name && { name }) }
    enter({ token, user, ...(this.#maxChars && { maxMessageChars: this.#maxChars }), ...(this.#isDemo && { demo: true }) })
    this.#store.apply({ type: 'me', data: user })
    return user
  }

  /** Has this device know who one is by now: that may have been changed on another one. */
  async #learnMe() {
    const { me } = this.#store
    const now = await this.#api.me()
    // Another tab may have logged out meanwhile, and this one may have heard more.
    if (recall('session')?.token === session.now?.token && this.#store.me === me) await this.#renew(Promise.resolve(now))
  }

  async #logOut() {
    const { askToLogOut } = await late(() => import('./entrance.js'))
    const everywhere = async () => {
      await this.#deletions?.finish()
      this.#leaving = true
      await this.#api.signOut()
    }
    if (!await askToLogOut(this.#store.pending().length, everywhere)) return void (this.#leaving = false)
    await this.#deletions?.finish()
    // Without the server one is logged out of this device all the same.
    this.#leaving = true
    if (!this.#isDemo) await this.#api.request('DELETE', 'api/auth/sessions/current').catch(() => {})
    await this.end(false)
    leave()
  }

  /** Goes once the account is deleted. @param {() => Promise<unknown>} ask */
  async #depart(ask) {
    await this.#deletions?.finish()
    // The sockets are closed before the answer is here.
    this.#leaving = true
    try {
      await ask()
    } catch (error) {
      this.#leaving = false
      throw error
    }
    await this.end(false)
    leave()
  }

  // Dialogs.

  /**
   * The dialogs answer for themselves once they are here.
   * @param {string} type
   * @param {object} detail
   */
  async #openDialog(type, detail) {
    this.#dialogs ??= this.#loadDialogs()
    try {
      await this.#dialogs
    } catch (error) {
      // Asked for again, they may come.
      this.#dialogs = undefined
      throw error
    }
    await this.#intents[type](detail)
  }

  /** The same of the dialogs of rooms. @param {string} type @param {object} detail */
  async #openRoomDialog(type, detail) {
    this.#roomDialogs ??= this.#loadRoomDialogs()
    try {
      await this.#roomDialogs
    } catch (error) {
      this.#roomDialogs = undefined
      throw error
    }
    await this.#intents[type](detail)
  }

  async #loadDialogs() {
    const { dialogIntents } = await late(() => import('./dialogs.js'))
    const renew = (/** @type {Promise<User & { token?: string }>} */ change) => this.#renew(change)
    const depart = (/** @type {() => Promise<unknown>} */ ask) => this.#depart(ask)
    const show = (/** @type {import('./state/chats.js').ChatKey} */ chat, /** @type {number} */ id) =>
      this.#sync.open === chat && (this.#thread?.showMessage(id), true)
    Object.assign(this.#intents, dialogIntents({ app: this.#seat, api: this.#api, store: this.#store, renew, depart, show }))
  }

  async #loadRoomDialogs() {
    const { roomIntents } = await late(() => import('./rooms.js'))
    const refused = (/** @type {string} */ code) => say(errorText(code))
    Object.assign(this.#intents, await roomIntents({
      app: this.#seat, api: this.#api, store: this.#store, refused, finish: async () => this.#deletions?.finish(),
    }))
  }

  async #lookForAdmin() {
    // One may have been promoted since; and a server without these routes offers no button that
    // fails.
    const user = await this.#renew(this.#api.me()).catch(() => this.#me)
    this.#list.canAdminister = (user.is_admin ?? false) && await this.#api.invites().then(() => true, () => false)
  }
}

/**
 * True where a key that is a letter is a command: not where one writes, nor for those whom it
 * disturbs.
 * @param {KeyboardEvent} event
 */
function letterKeys({ target }) {
  const writing = target instanceof Element && target.matches('input, textarea, select')
  return !writing && recall('letterKeys') !== false
}
