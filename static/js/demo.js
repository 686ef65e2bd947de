// The page of a server that was started to be looked at (`--demo`): two people side by side, both live, so
// that ticks and typing are seen at once; what a developer needs to join in; and a note that nothing is kept.
// entrance.js loads it where the server says that it is one. It keeps nothing on the device.

import { ChatThread } from './elements/chat-thread.js'
import { currentLanguage, languages, t, translate } from './i18n/words.js'
import { clone, copyField, loadStyle, newId, part } from './lib/dom.js'
import { Api } from './net/api.js'
import { Socket } from './net/socket.js'
import { Store } from './state/store.js'
import { Sync } from './sync.js'

/** @typedef {import('./net/api.js').Session} Session */

const forgetful = { recall: () => null, remember() {}, recallKeys: () => [] }

/**
 * One person's side: the conversation with the other, and all that keeps it true.
 * @param {HTMLElement} seat
 * @param {Session} session
 * @param {number} peerId
 */
function side(seat, { token, user }, peerId) {
  const store = new Store(user)
  const api = new Api(document.baseURI, () => token)
  const socket = new Socket(new URL('socket.io/', document.baseURI), () => ({ token }))
  const sync = new Sync({ store, socket, api, memory: forgetful })
  const thread = new ChatThread(store)
  /** @type {Record<string, (detail: any) => unknown>} */
  const intents = {
    refresh: () => sync.refresh(),
    older: ({ peerId }) => sync.readOlder(peerId),
    send: ({ peerId, content }) => sync.send({ clientId: newId(), peerId, content, createdAt: new Date().toISOString() }),
    retry: ({ peerId, clientId }) => sync.retry(peerId, clientId),
    discard: ({ peerId, clientId }) => sync.discard(peerId, clientId),
    draft: ({ peerId, text }) => sync.draft(peerId, text),
    typing: ({ peerId, isTyping }) => sync.typing(peerId, isTyping),
    read: ({ peerId, upTo }) => sync.read(peerId, upTo),
  }
  seat.addEventListener('intent', event => {
    const { type, ...detail } = /** @type {CustomEvent} */ (event).detail
    if (!(type in intents)) return
    event.stopPropagation()
    intents[type](detail)
  })
  socket.addEventListener('connect', () => thread.render())
  part(seat, 'seat').append(thread)
  sync.show(peerId)
  thread.open(peerId)
  socket.connect()
  return thread
}

/** @param {Session} session @param {number} peerId @returns {string} what a developer can paste */
const snippet = ({ token }, peerId) => `import { io } from "socket.io-client";

const socket = io("${location.origin}", { auth: { token: "${token}" } });
socket.on("receive_message", (message) => console.log(message));
socket.emit("send_message", { receiver_id: ${peerId}, content: "Halo!" }, console.log);
`

/**
 * @param {HTMLElement} app
 * @param {[Session, Session]} accounts
 */
export async function showDemo(app, accounts) {
  await loadStyle('demo.css')
  const demo = translate(clone('demo'))
  app.replaceChildren(demo)
  const [left, right] = accounts
  const label = () => {
    for (const [at, { user }] of accounts.entries()) part(demo, `name-${at}`).textContent = t('demoSide', { name: user.username })
    for (const button of demo.querySelectorAll('button[data-language]')) {
      button.setAttribute('aria-pressed', String(/** @type {HTMLElement} */ (button).dataset.language === currentLanguage()))
    }
  }
  label()
  languages.addEventListener('change', label)
  side(part(demo, 'side-1'), right, left.user.id)
  side(part(demo, 'side-0'), left, right.user.id)
  const code = /** @type {HTMLTextAreaElement} */ (part(demo, 'snippet'))
  code.value = snippet(left, right.user.id)
  part(demo, 'copy').addEventListener('click', async () => {
    if (await copyField(code)) part(demo, 'copy').textContent = t('copied')
  })
  for (const button of demo.querySelectorAll('button[data-language]')) {
    button.addEventListener('click', () => button.dispatchEvent(new CustomEvent('intent', {
      bubbles: true, detail: { type: 'language', language: /** @type {HTMLElement} */ (button).dataset.language },
    })))
  }
}
