// The page of a server that was started to be looked at (`--demo`): two people side by side, both
// live, so that ticks and typing are seen at once; what a developer needs to join in; and a note
// that nothing is kept. entrance.js loads it where the server says that it is one.

import { ChatThread } from './elements/chat-thread.js'
import { currentLanguage, errorText, languages, t, translate } from './i18n/words.js'
import { answerIntents, codeOf, talkIntents } from './intents.js'
import { choiceButtons } from './lib/choices.js'
import { copyField } from './lib/clipboard.js'
import { remember } from './lib/memory.js'
import { loadStyle, loadTemplates } from './lib/style.js'
import { clone, part } from './lib/template.js'
import { Api } from './net/api.js'
import { Socket } from './net/socket.js'
import { say } from './notes.js'
import { pairKey } from './state/chats.js'
import { Store } from './state/store.js'
import { Deletions } from './sync/deletions.js'
import { Sync } from './sync/sync.js'

/** @typedef {import('./net/api.js').Session} Session */

/** @param {string} code of what the server refused */
const refused = code => say(errorText(code))

/** Both sides keep nothing on the device. */
const forgetful = { recall: () => null, remember() {}, recallKeys: () => [], async forget() {} }

/**
 * One person's side: the conversation that is shown, and all that keeps it true.
 * @param {HTMLElement} seat
 * @param {Session} session
 * @returns {{ store: Store, show(key: import('./state/chats.js').ChatKey): void }}
 */
function side(seat, session) {
  const { token, user } = session
  const store = new Store(user)
  const api = new Api(document.baseURI, () => token)
  const socket = new Socket(new URL('socket.io/', document.baseURI), () => ({ token, v: 2 }))
  const sync = new Sync({ store, socket, api, memory: forgetful })
  const thread = new ChatThread(store)
  const deletions = new Deletions({ store, sync, failed: error => refused(codeOf(error)) })
  // What is beyond the conversation itself is in the whole app.
  answerIntents(seat, { ...talkIntents(sync, async () => deletions, refused), details() {}, readers() {} })
  const name = () => {
    part(seat, 'who').textContent = t('demoSide', { name: user.username })
    part(seat, 'open').setAttribute('aria-label', t('demoOpenAs', { name: user.username }))
  }
  name()
  languages.addEventListener('change', name)
  part(seat, 'open').addEventListener('click', () => {
    remember('session', { ...session, demo: true })
    location.reload()
  })
  socket.addEventListener('connect', () => thread.render())
  // Started anew, the server knows other tokens; so does the page, when it is loaded anew.
  sync.addEventListener('signed-out', () => location.reload())
  part(seat, 'seat').append(thread)
  socket.connect()
  return {
    store,
    show(key) {
      sync.show(key)
      thread.open(key)
    },
  }
}

/** @param {Session} session @param {number} peerId @returns {string} what a developer can paste */
const snippet = (session, peerId) => `import { io } from "socket.io-client";

// ${session.user.username}'s, good until the server stops.
const token = "${session.token}";
const socket = io("${location.origin}", { auth: { token } });

socket.on("receive_message", (message) => console.log(message));
socket.emit("send_message", { receiver_id: ${peerId}, content: "Halo!" }, console.log);
`

/** Tabs as a screen reader knows them: one is in the order of focus, arrow keys go to the next.
 * @param {HTMLElement} list @param {(tab: HTMLElement) => void} chose */
function asTabs(list, chose) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('[role="tab"]')])
  /** @param {HTMLElement} chosen */
  function choose(chosen) {
    for (const tab of tabs) {
      tab.setAttribute('aria-selected', String(tab === chosen))
      tab.tabIndex = tab === chosen ? 0 : -1
      const panel = panelOf(tab)
      if (panel) panel.hidden = panel !== panelOf(chosen)
    }
    // Two conversations have one panel: the sides are the same.
    panelOf(chosen)?.setAttribute('aria-labelledby', chosen.id)
    chose(chosen)
    chosen.focus()
  }
  for (const tab of tabs) {
    tab.addEventListener('click', () => choose(tab))
    tab.addEventListener('keydown', ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key]
      if (!step) return
      const shown = tabs.filter(tab => !tab.hidden)
      choose(shown[(shown.indexOf(tab) + step + shown.length) % shown.length])
    })
  }
  choose(tabs[0])
}

/** @param {HTMLElement} tab */
const panelOf = tab => document.getElementById(tab.getAttribute('aria-controls') ?? '')

/**
 * @param {HTMLElement} app
 * @param {[Session, Session]} accounts
 */
export async function showDemo(app, accounts) {
  await Promise.all([loadStyle('demo.css'), loadTemplates('demo.html')])
  const demo = translate(clone('demo'))
  app.replaceChildren(demo)
  const showLanguage = choiceButtons(demo, 'language')
  showLanguage(currentLanguage())
  languages.addEventListener('change', () => showLanguage(currentLanguage()))
  const [left, right] = accounts
  const sides = [side(part(demo, 'side-0'), left), side(part(demo, 'side-1'), right)]
  const pair = [right, left].map(({ user }) => pairKey(user.id))
  const roomTab = part(demo, 'room-tab')
  /** The room in which both are, as soon as it is known. */
  const room = () => sides[0].store.list().find(({ chat }) => chat.room)?.chat.key
  sides[0].store.addEventListener('change', () => { roomTab.hidden = !room() })
  asTabs(/** @type {HTMLElement} */ (demo.querySelector('[role="tablist"]')), tab => {
    for (const [at, side] of sides.entries()) side.show(tab === roomTab ? room() ?? pair[at] : pair[at])
  })
  // One may write at once.
  demo.querySelector('textarea')?.focus()
  const code = /** @type {HTMLTextAreaElement} */ (part(demo, 'snippet'))
  code.value = snippet(left, right.user.id)
  part(demo, 'copy').addEventListener('click', async () => {
    if (await copyField(code)) part(demo, 'copy').textContent = t('copied')
  })
}
