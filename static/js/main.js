// Joins the rest: who is signed in, which chat the address names, what the elements intend. The only
// file that does anything by being loaded.
//
// The way round: an element intends -> sync.js asks the socket or REST -> the answer goes into
// `store.apply` -> the elements show what changed.

import { languages, pickLanguage, setLanguage, t, translate } from './i18n/words.js'
import { clone, loadStyle, newId, openShelf, part, recall, remember } from './lib/dom.js'
import { Api, ChatError } from './net/api.js'

/** @typedef {import('./net/api.js').Session} Session */
/** @typedef {import('./net/socket.js').Socket} Socket */
/** @typedef {import('./elements/chat-thread.js').ChatThread} ChatThread */
/** @typedef {import('./elements/people-picker.js').PeoplePicker} PeoplePicker */

/** The banner waits: most interruptions are over before anybody needs to know of them. */
const BANNER_AFTER_MS = 2_500
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
  announce({ text }) { /** @type {HTMLElement} */ (document.getElementById('announcer')).textContent = text },
}

/** @param {string} language */
function speak(language) {
  document.documentElement.lang = language
  setLanguage(language, navigator.languages)
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
async function openChats({ user: me, maxMessageChars }) {
  const [{ Socket }, { Store }, { Sync }, { ChatList }, memory] = await Promise.all([
    import('./net/socket.js'),
    import('./state/store.js'),
    import('./sync.js'),
    import('./elements/chat-list.js'),
    openShelf(),
  ])
  const store = new Store(me)
  const socket = new Socket(new URL('socket.io/', document.baseURI), () => ({ token: session?.token }))
  const sync = new Sync({ store, socket, api, memory })
  const list = new ChatList(store)
  const pane = translate(clone('pane'))
  /** The conversation's element, once a conversation was opened. @type {ChatThread | undefined} */
  let thread
  /** @type {PeoplePicker | undefined} */
  let picker
  /** Whether the list is one step back in the browser's history. */
  let cameFromList = false

  sync.addEventListener('signed-out', event => signedOut(/** @type {CustomEvent} */ (event).detail.code))
  socket.addEventListener('connect', () => thread?.render())
  showConnection(socket)
  store.addEventListener('change', () => {
    const count = store.totalUnread
    document.title = count > 0 ? `(${count}) chatd` : 'chatd'
  })

  /** @param {(asked: PeoplePicker) => Promise<void>} work with the picker, which shows what fails */
  async function withPicker(work) {
    if (!picker) return
    try {
      await work(picker)
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      picker.fail(error.code)
    }
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

    async 'find-people'() {
      if (!picker) {
        const load = [import('./elements/people-picker.js'), loadStyle('css/people-picker.css')]
        const [{ PeoplePicker }] = /** @type {[typeof import('./elements/people-picker.js'), unknown]} */ (await Promise.all(load))
        const canInvite = (me.is_admin ?? false) && await api.hasInvites()
        picker ??= new PeoplePicker({ canInvite })
        app.append(picker)
      }
      picker.show()
    },
    search: ({ query }) => withPicker(async picker => {
      const users = await api.findUsers(query)
      for (const data of users) store.apply({ type: 'user', data })
      picker.found(query, users)
    }),
    invite: () => withPicker(async picker => picker.invited(new URL((await api.invite()).url, document.baseURI).href)),
    'start-chat'({ peerId }) { location.hash = `#/chat/${peerId}` },

    back() {
      if (cameFromList) history.back()
      else location.replace('#/')
    },
    async 'log-out'() {
      const { askToLogOut } = await import('./entrance.js')
      if (!await askToLogOut(store.pending().length)) return
      // Without the server the token stays valid, but it leaves this device all the same.
      await api.signOut().catch(() => {})
      await sync.forget()
      signedOut()
    },
  }
  Object.assign(intents, more)

  /** Shows what the address names: `#/chat/2` is a conversation, all else the list. */
  async function follow() {
    const named = Number(/^#\/chat\/([1-9]\d{0,15})$/.exec(location.hash)?.[1])
    const next = named > 0 && named !== me.id ? named : null
    const before = sync.open
    sync.show(next)
    if (next !== null && !thread) {
      const { ChatThread } = await loadThread()
      thread ??= new ChatThread(store)
      thread.maxChars = maxMessageChars ?? thread.maxChars
      pane.append(thread)
      // The address may have gone on while the module was loading.
      if (sync.open !== next) return
    }
    app.dataset.view = next === null ? 'list' : 'thread'
    cameFromList = before === null
    thread?.open(next)
    list.current = next
    if (next === null && before !== null) list.focusRow(before)
  }

  app.replaceChildren(list, pane)
  await follow()
  // Here before the first chat is chosen, so that it opens at once.
  idle(loadThread)
  cameFromList = false
  window.addEventListener('hashchange', follow)
  window.addEventListener('keydown', event => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault()
      intents['find-people']({})
    }
  })
  // The socket first, so that nothing falls between reading and listening. Where it takes long, the
  // chats are read without it; they are read again when it is there, and merged.
  socket.connect()
  setTimeout(() => { if (!socket.connected && store.listState === 'loading') sync.refresh() }, SHOW_AFTER_MS)
}

const loadThread = () => import('./elements/chat-thread.js')

/** @param {() => unknown} work for when nothing else is to be done */
const idle = work => (window.requestIdleCallback ?? setTimeout)(() => { work() })

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
  // Logged out, or in as somebody else, in another tab.
  if (key === 'chatd.session' && session) location.replace(location.pathname)
})
start()
