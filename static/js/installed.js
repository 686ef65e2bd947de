// What makes the page an app: its service worker, and what is kept for when there is no network,
// which is the last 50 messages of 20 chats. Loaded when the page has nothing else to do.

import { recall, remember } from './lib/memory.js'
import { loadStyle } from './lib/style.js'
import { ChatError } from './net/api.js'
import { end, present, PUSHED, registered, renew, scope } from './push.js'
import { session } from './session.js'
import { idOf, isRoom, keyIn, pairKey, roomKey } from './state/chats.js'

/** @typedef {import('./net/api.js').Api} Api */
/** @typedef {import('./state/chats.js').ChatKey} ChatKey */
/** @typedef {import('./state/store.js').Store} Store */

const CHATS = 20
const MESSAGES = 50
/** What has changed is kept at most so often. */
const KEEP_EVERY_MS = 5 * 60_000

const KEPT = `chatd ${scope} kept`
/**
 * Whose what is kept is, the id of an account; and since when, with the last message of each chat.
 */
const OWNER = 'kept.owner'
const LASTS = 'kept.lasts'
/**
 * After a day all is read anew: what was edited or deleted while the page was closed is gone then.
 */
const ANEW_MS = 24 * 3_600_000

/** How a conversation looks on paper. @type {Promise<unknown> | undefined} */
let onPaper
/** True once this device keeps nothing of the person who is signed in any more. */
let isForgotten = false

/**
 * Makes the page an app for the person who is signed in.
 * @param {{ api: Api, store: Store, socket: { connected: boolean } }} parts
 */
export async function settle({ api, store, socket }) {
  onPaper ??= loadStyle('print.css')
  const registration = await registered()
  if (!registration) {
    // Where there can be one it is tried again with the next connection.
    if (navigator.serviceWorker) throw new ChatError('offline')
    return
  }
  followNotifications(registration)
  if (globalThis.Notification?.permission === 'granted' && recall(PUSHED) !== null) {
    await renew(api, store.me.id, registration).catch(() => {})
  }
  keepUp(api, store, socket)
}

/**
 * Takes away a notification whose chat is looked at.
 * @param {ServiceWorkerRegistration} registration
 */
function followNotifications(registration) {
  const look = async () => {
    const key = keyIn(location.hash)
    if (key === null || document.visibilityState !== 'visible') return
    for (const shown of await registration.getNotifications({ tag: key.replace(':', '-') })) shown.close()
  }
  window.addEventListener('hashchange', look)
  document.addEventListener('visibilitychange', look)
  look()
}

/**
 * Keeps what changes, from time to time.
 * @param {Api} api
 * @param {Store} store
 * @param {{ connected: boolean }} socket
 */
function keepUp(api, store, socket) {
  const { at = 0, lasts = [] } = recall(OWNER) === store.me.id && recall(LASTS) || {}
  const isYoung = Date.now() - at < ANEW_MS
  /** The chats that are kept as they are. @type {Map<ChatKey, number>} */
  const kept = new Map(isYoung ? lasts : [])
  const since = isYoung ? at : Date.now()
  let isChanged = true
  store.addEventListener('change', event => {
    isChanged = true
    const { chat } = /** @type {CustomEvent} */ (event).detail
    kept.delete(chat)
  })
  const keep = async () => {
    if (!isChanged || isForgotten || !socket.connected || document.visibilityState !== 'visible') return
    isChanged = false
    try {
      await keepChats(api, store.me.id, kept)
      if (!isForgotten) remember(LASTS, { at: since, lasts: [...kept] })
    } catch {
      // No network, or no room: tried again with the next change.
    }
  }
  setInterval(keep, KEEP_EVERY_MS)
  keep()
}

/**
 * @param {Api} api
 * @param {number} myId
 * @param {Map<ChatKey, number>} kept the chats that are kept as they are, each with its last
 *   message
 */
async function keepChats(api, myId, kept) {
  const cache = await caches.open(KEPT)
  if (isForgotten) return
  remember(OWNER, myId)
  // A browser that lacks room takes away what it likes.
  if (!await cache.match(new URL('api/inbox', scope))) kept.clear()
  const put = (/** @type {string} */ path, /** @type {object} */ answer) =>
    cache.put(new URL(path, scope), new Response(JSON.stringify({ success: true, ...answer }), { headers: { 'content-type': 'application/json' } }))
  const inbox = await api.inbox()
  const rows = inbox.data.slice(0, CHATS)
  await put('api/inbox', { data: rows.map(withoutFiles), meta: { ...inbox.meta, next_before: undefined } })
  const paths = new Set(['api/inbox'])
  for (const row of rows) {
    const key = row.room ? roomKey(row.room.id) : pairKey(row.user.id)
    const id = idOf(key)
    const history = isRoom(key) ? `api/rooms/${id}/history` : `api/chats/history/${id}`
    const further = isRoom(key) ? [`api/rooms/${id}`, `api/rooms/${id}/members`] : []
    for (const path of [history, ...further]) paths.add(path)
    const last = row.last_message?.id ?? 0
    if (kept.get(key) === last) continue
    const { data, meta } = await api.history(isRoom(key) ? { room_id: id } : { user_id: id }, { limit: MESSAGES })
    await put(history, { data: data.map(withoutFiles), meta })
    for (const path of further) {
      const { data, meta } = await api.request('GET', path)
      await put(path, { data, meta: { ...meta, next_after: undefined } })
    }
    kept.set(key, last)
  }
  for (const request of await cache.keys()) {
    if (!paths.has(request.url.slice(scope.length))) await cache.delete(request)
  }
}

/** A row without the addresses of files, by which anybody could open them. @param {any} row */
export function withoutFiles(row) {
  const bare = (/** @type {any} */ message) => message?.attachments
    ? { ...message, attachments: message.attachments.map((/** @type {any} */ { url: _, preview: __, ...file }) => ({ ...file, url: '' })) } : message
  return 'last_message' in row ? { ...row, last_message: bare(row.last_message) } : bare(row)
}

/**
 * Keeps nothing of an account on this device any more, and ends its notifications.
 * @param {Api} api
 */
export async function forgetDevice(api) {
  // What another person left here goes; what is kept of the one who came after them goes on.
  const owner = recall(OWNER)
  isForgotten ||= owner === null || owner === session.now?.user.id
  for (const key of [OWNER, LASTS]) remember(key, null)
  await globalThis.caches?.delete(KEPT)
  const registration = await navigator.serviceWorker?.getRegistration(scope)
  if (registration) {
    await end(api, registration).catch(() => {})
    for (const shown of await registration.getNotifications()) shown.close()
  }
  await /** @type {any} */ (navigator).clearAppBadge?.().catch(() => {})
}

/**
 * Joins the settings of notifications in the profile to this device and the server.
 * @param {import('./elements/push-settings.js').PushSettings} settings
 * @param {Api} api
 * @param {number} myId
 */
export const presentPush = (settings, api, myId) => present(settings, api, myId)
