// Joins the rest: who is signed in, which chat the address names, what the elements intend. The only
// file that does anything by being loaded.
//
// The way round: an element intends -> sync.js asks the socket or REST -> the answer goes into
// `store.apply` -> the elements show what changed.

import { ChatList } from './elements/chat-list.js'
import { ChatThread } from './elements/chat-thread.js'
import { languages, pickLanguage, setLanguage, t, translate } from './i18n/words.js'
import { newId } from './lib/id.js'
import { recall, remember } from './lib/memory.js'
import { openShelf } from './lib/shelf.js'
import { loadStyle } from './lib/style.js'
import { clone, part } from './lib/template.js'
import { Api } from './net/api.js'
import { Socket } from './net/socket.js'
import { Store } from './state/store.js'
import { Sync } from './sync.js'

/** @typedef {import('./net/api.js').Session} Session */

/** The banner waits: most interruptions are over before anybody needs to know of them. */
const BANNER_AFTER_MS = 2_500
/** Many changes of so short a time are one change of the title. */
const TITLE_MS = 50
/** A new password ends every token but its own; word of the new one may come later than that of the end. */
const NEW_TOKEN_MS = 1_500
/** After coming back, so long at the most until it is asked whether the page is still the newest: all who come back with
 * a restarted server do not ask in the same moment. */
const NEWER_WITHIN_MS = 5_000
/** The version of this page, which the server writes into the addresses of its files. */
const VERSION = /\/v\/([0-9a-f]{16})\/js\//.exec(import.meta.url)?.[1]
/** If the socket is not there by then, the chats are shown from REST without it. */
const SHOW_AFTER_MS = 1_500

const app = /** @type {HTMLElement} */ (document.getElementById('app'))

/** @type {Session | null} */
let session = recall('session')
const api = new Api(document.baseURI, () => session?.token)

/** What the elements may intend; opening the chats adds to it. @type {Record<string, (detail: any) => unknown>} */
const intents = {
  language({ language }) {
    remember('language', language)
    speak(language)
  },
  theme({ theme }) {
    remember('theme', theme)
    dress(theme)
  },
  announce({ text }) { /** @type {HTMLElement} */ (document.getElementById('announcer')).textContent = text },
}

/** @param {string} language */
function speak(language) {
  document.documentElement.lang = language
  setLanguage(language, navigator.languages)
}

/** @param {string} theme light, dark, or what the system has */
function dress(theme) {
  document.documentElement.dataset.theme = theme
  for (const meta of /** @type {NodeListOf<HTMLMetaElement>} */ (document.querySelectorAll('meta[data-theme]'))) {
    const own = meta.dataset.theme ?? ''
    meta.media = theme === 'system' ? `(prefers-color-scheme: ${own})` : own === theme ? 'all' : 'not all'
  }
}

/** Starts the page anew, the surest way that nothing of the account is left on it. @param {string} [reason] */
function signedOut(reason) {
  remember('session', null)
  remember('notice', reason ?? null)
  // Put out by the server one comes back to the same chat; leaving by oneself leaves that, too. (An
  // address with a fragment would not be loaded anew by `replace`.)
  if (reason) location.reload()
  else location.replace(location.pathname)
}

async function start() {
  const address = new URLSearchParams(location.search)
  const setup = address.get('setup'), invite = address.get('invite')
  if (!session || setup) {
    const { signIn } = await import('./entrance.js')
    session = await signIn(app, api, { setup, invite })
    remember('session', session)
  }
  await openChats(session)
}

/** @param {Session} signedIn */
async function openChats({ user: me, maxMessageChars, demo }) {
  // A message that waits in a demonstration is never sent to a server that is none.
  const memory = await openShelf(demo ? 'chatd-demo' : 'chatd')
  const store = new Store(me)
  let used = session?.token
  const socket = new Socket(new URL('socket.io/', document.baseURI), () => ({ token: used = session?.token }))
  const sync = new Sync({ store, socket, api, memory })
  const list = new ChatList(store)
  const pane = translate(clone('pane'))
  /** The conversation's element, once a conversation was opened. @type {ChatThread | undefined} */
  let thread
  /** A change of one's own account that is on its way. @type {Promise<unknown>} */
  let renewing = Promise.resolve()
  let leaving = false
  /** Whether the list is one step back in the browser's history. */
  let cameFromList = false

  sync.addEventListener('signed-out', event => putOut(/** @type {CustomEvent} */ (event).detail.code))
  socket.addEventListener('connect', () => thread?.render())
  showConnection(socket)
  if (VERSION) showNewer(socket, VERSION)
  if (demo) showDemoNote(() => sync.forget())
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let titling
  // Frames would not come in a tab that is behind another, and a title for each of a thousand messages costs.
  store.addEventListener('change', () => titling ??= setTimeout(() => {
    titling = undefined
    const count = store.totalUnread
    document.title = count > 0 ? `(${count}) chatd` : 'chatd'
  }, TITLE_MS))

  /** The server accepts the token no more. Where there is a newer one, as after a new password, it is used.
   * @param {string} code */
  async function putOut(code) {
    if (leaving) return
    leaving = true
    await renewing
    if (code === 'invalid_token' && session?.token === used) await new Promise(resolve => setTimeout(resolve, NEW_TOKEN_MS))
    if (session?.token === used) return signedOut(code)
    leaving = false
    socket.close()
    socket.connect()
  }

  /** @param {Promise<import('./net/api.js').User & { token?: string }>} change of one's own account */
  async function renew(change) {
    renewing = change.catch(() => {})
    const { token = session?.token ?? '', id, username, avatar, is_admin } = await change
    const user = { id, username, avatar, is_admin }
    session = { token, user, ...(maxMessageChars && { maxMessageChars }), ...(demo && { demo }) }
    remember('session', session)
    store.apply({ type: 'me', data: user })
    return user
  }

  /** The dialogs answer for themselves once they are here. @param {string} type */
  const opens = type => async () => {
    const { dialogIntents } = await import('./dialogs.js')
    if (intents[type] === more[type]) Object.assign(intents, dialogIntents({ app, api, store, renew }))
    await intents[type]({})
  }

  /** @type {typeof intents} */
  const more = {
    refresh: () => sync.refresh(),
    'more-chats': () => sync.readChats(store.nextChats),
    older: ({ peerId }) => sync.readOlder(peerId),
    send: ({ peerId, content }) =>
      sync.send({ clientId: newId(), peerId, content, createdAt: new Date().toISOString() }),
    retry: ({ peerId, clientId }) => sync.retry(peerId, clientId),
    discard: ({ peerId, clientId }) => sync.discard(peerId, clientId),
    draft: ({ peerId, text }) => sync.draft(peerId, text),
    typing: ({ peerId, isTyping }) => sync.typing(peerId, isTyping),
    read: ({ peerId, upTo }) => sync.read(peerId, upTo),

    'find-people': opens('find-people'),
    profile: opens('profile'),
    admin: opens('admin'),
    keys: opens('keys'),
    async menu() {
      // Somebody may have been promoted since; and a server without these routes offers no button that fails.
      const user = await renew(api.me()).catch(() => me)
      list.canAdminister = (user.is_admin ?? false) && await api.invites().then(() => true, () => false)
    },

    back() {
      if (cameFromList) history.back()
      else location.replace('#/')
    },
    async 'log-out'() {
      const { askToLogOut } = await import('./entrance.js')
      if (!await askToLogOut(store.pending().length, () => (leaving = true, api.signOut()))) return void (leaving = false)
      socket.close()
      await sync.forget()
      signedOut()
    },
  }
  Object.assign(intents, more)

  /** Shows what the address names: `#/chat/2` is a conversation, all else the list. */
  function follow() {
    const named = Number(/^#\/chat\/([1-9]\d{0,15})$/.exec(location.hash)?.[1])
    const next = named > 0 && named !== me.id ? named : null
    const before = sync.open
    sync.show(next)
    if (next !== null && !thread) {
      thread = new ChatThread(store)
      thread.maxChars = maxMessageChars ?? thread.maxChars
      if (kept) thread.keep(kept)
      pane.append(thread)
    }
    app.dataset.view = next === null ? 'list' : 'thread'
    cameFromList = before === null
    thread?.open(next)
    list.current = next
    if (next === null && before !== null) list.focusRow(before)
  }

  /** @param {1 | -1} step @param {boolean} unreadOnly */
  function walk(step, unreadOnly) {
    const rows = store.list()
    const at = rows.findIndex(({ chat }) => chat.peerId === sync.open)
    const ahead = step > 0 ? rows.slice(at + 1) : rows.slice(0, Math.max(at, 0)).reverse()
    const next = ahead.find(({ unread }) => !unreadOnly || unread > 0)
    if (next) location.hash = `#/chat/${next.chat.peerId}`
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    // A dialog has its own keys, and Escape closes it by itself.
    if (event.isComposing || document.querySelector('dialog[open], :popover-open')) return
    const command = event.ctrlKey || event.metaKey
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (command && event.key.toLowerCase() === 'k') intents['find-people']({})
    else if (command && event.key === '/' || event.key === '?' && letterKeys(event)) intents.keys({})
    else if (event.altKey && step) walk(/** @type {1 | -1} */ (step), event.shiftKey)
    else if (event.key === 'Escape' && sync.open !== null) {
      if (!thread?.focusText()) list.focusRow(sync.open)
    } else return
    event.preventDefault()
  }

  // Where one was when this tab was loaded anew.
  const kept = recall(`place.${me.id}`, true)
  if (kept) sync.reach(kept.peerId, kept.id)
  window.addEventListener('pagehide', () => remember(`place.${me.id}`, thread?.place ?? null, true))
  app.replaceChildren(list, pane)
  follow()
  cameFromList = false
  window.addEventListener('hashchange', follow)
  window.addEventListener('keydown', onKey)
  // The socket first, so that nothing falls between reading and listening. Where it takes long, the
  // chats are read without it; they are read again when it is there, and merged.
  socket.connect()
  setTimeout(() => { if (!socket.connected && store.listState === 'loading') sync.refresh() }, SHOW_AFTER_MS)
}

/** Whether a key that is a letter is a command: not where it is written, and not for whom it disturbs.
 * @param {KeyboardEvent} event */
function letterKeys({ target }) {
  const writing = target instanceof Element && target.matches('input, textarea, select')
  return !writing && recall('letterKeys') !== false
}

/** Says that the server has a newer page than this one, which it may have after any interruption.
 * @param {Socket} socket @param {string} version */
function showNewer(socket, version) {
  const note = /** @type {HTMLElement} */ (document.getElementById('newer'))
  let before = false
  part(note, 'reload').addEventListener('click', () => location.reload())
  socket.addEventListener('connect', async () => {
    const first = !before
    before = true
    if (first || !note.hidden) return
    await new Promise(resolve => setTimeout(resolve, Math.random() * NEWER_WITHIN_MS))
    const { page } = await api.server().catch(() => ({ page: version }))
    if (page === version) return
    note.hidden = false
    const say = () => { part(note, 'text').textContent = t('newer') }
    say()
    languages.addEventListener('change', say)
  })
}

/** One of the people of a demonstration: how to get back to both. @param {() => Promise<void>} forget */
function showDemoNote(forget) {
  const note = /** @type {HTMLElement} */ (document.getElementById('not-kept'))
  note.hidden = false
  part(note, 'leave').addEventListener('click', event => {
    event.preventDefault()
    forget().then(() => signedOut())
  })
}

/** Where others can read along, whoever writes is to know it. */
function warnOfInsecurity() {
  const note = /** @type {HTMLElement} */ (document.getElementById('insecure'))
  note.hidden = isSecureContext || recall('insecure', true) === 'understood'
  part(note, 'close').addEventListener('click', () => {
    remember('insecure', 'understood', true)
    note.hidden = true
  })
}

/** The quiet banner, and the moments at which a new attempt is worth while. @param {Socket} socket */
function showConnection(socket) {
  const banner = /** @type {HTMLElement} */ (document.getElementById('banner'))
  let nextTry = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let appear
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let countdown

  function countDown() {
    const count = Math.ceil((nextTry - Date.now()) / 1000)
    part(banner, 'text').textContent = t('disconnected')
    part(banner, 'countdown').textContent = count > 0 ? t('nextTry', { count }) : ''
  }
  function later() {
    appear = setTimeout(() => {
      banner.hidden = false
      countDown()
      countdown = setInterval(countDown, 1000)
    }, BANNER_AFTER_MS)
  }
  socket.addEventListener('waiting', event => { nextTry = /** @type {CustomEvent} */ (event).detail.at })
  socket.addEventListener('disconnect', later)
  socket.addEventListener('connect', () => {
    clearTimeout(appear)
    clearInterval(countdown)
    banner.hidden = true
  })
  later()
  part(banner, 'now').addEventListener('click', () => socket.connect())
  for (const sign of ['online', 'pageshow']) window.addEventListener(sign, () => socket.nudge())
  document.addEventListener('visibilitychange', () => { if (!document.hidden) socket.nudge() })
}

// The start.

speak(recall('language') ?? pickLanguage(navigator.languages))
dress(recall('theme') ?? 'system')
warnOfInsecurity()
translate(document)
languages.addEventListener('change', () => translate(document))
document.addEventListener('intent', event => {
  const { type, ...detail } = /** @type {CustomEvent} */ (event).detail
  intents[type]?.(detail)
})
document.querySelector('[data-skip]')?.addEventListener('click', event => {
  event.preventDefault()
  document.getElementById('conversation')?.focus()
})
window.addEventListener('storage', ({ key }) => {
  if (key !== 'chatd.session' || !session) return
  const now = /** @type {Session | null} */ (recall('session'))
  // Changed in another tab: the same person with a new token or name, somebody else, or nobody.
  if (now?.user.id === session.user.id) session = now
  else location.replace(location.pathname)
})
start()
