// The quiet notes above the page: no connection, a newer page, a demonstration, an open line.

import { languages, t } from './i18n/words.js'
import { recall, remember } from './lib/memory.js'
import { part } from './lib/template.js'

/** @typedef {import('./net/socket.js').Socket} Socket */

/** The banner waits: most interruptions are over before they need to be known of. */
const BANNER_AFTER_MS = 2_500
/**
 * After coming back, so long at the most until it is asked whether the page is still the newest:
 * all who come back with a restarted server do not ask in the same moment.
 */
const NEWER_WITHIN_MS = 5_000
/** The version of this page, which the server writes into the addresses of its files. */
const VERSION = /\/v\/([0-9a-f]{16})\/js\//.exec(import.meta.url)?.[1]

/** How long a word stays. */
const SAID_MS = 6_000
/** @type {ReturnType<typeof setTimeout> | undefined} */
let unsay
/** @type {HTMLElement} */
let toast

/** Says something once, to eyes and ears. @param {string} text */
export function say(text) {
  toast ??= noteOf('toast')
  // What is beside an open dialog lies below it, and no screen reader tells it.
  const dialog = [...document.querySelectorAll('dialog[open]')].at(-1)
  const place = dialog ?? document.body
  if (toast.parentNode !== place) place.append(toast)
  dialog?.addEventListener('close', () => document.body.append(toast), { once: true })
  toast.textContent = text
  clearTimeout(unsay)
  unsay = setTimeout(() => { toast.textContent = '' }, SAID_MS)
}

/** @param {string} id */
const noteOf = id => /** @type {HTMLElement} */ (document.getElementById(id))

/** Where others can read along, those who write are to know it. */
export function warnOfInsecurity() {
  const note = noteOf('insecure')
  note.hidden = isSecureContext || recall('insecure', true) === 'understood'
  part(note, 'close').addEventListener('click', () => {
    remember('insecure', 'understood', true)
    note.hidden = true
  })
}

/** One of the people of a demonstration: how to get back to both. @param {() => void} leave */
export function showDemoNote(leave) {
  const note = noteOf('not-kept')
  note.hidden = false
  part(note, 'leave').addEventListener('click', event => {
    event.preventDefault()
    leave()
  })
}

/** Says that the server has a newer page than this one, which it may have after any interruption.
 * @param {Socket} socket @param {import('./net/api.js').Api} api */
export function showNewer(socket, api) {
  if (!VERSION) return
  const note = noteOf('newer')
  let before = false
  // One that could not connect at once may be of before the server was updated, too.
  socket.addEventListener('waiting', () => { before = true })
  part(note, 'reload').addEventListener('click', () => location.reload())
  socket.addEventListener('connect', async () => {
    // A page that was kept on the device may be an earlier one from the start.
    const first = !before && !navigator.serviceWorker?.controller
    before = true
    if (first || !note.hidden) return
    await new Promise(resolve => setTimeout(resolve, Math.random() * NEWER_WITHIN_MS))
    const { page } = await api.server().catch(() => ({ page: VERSION }))
    if (page === VERSION) return
    note.hidden = false
    const say = () => { part(note, 'text').textContent = t('newer') }
    say()
    languages.addEventListener('change', say)
  })
}

/**
 * The quiet banner, and the moments at which a new attempt is worth while.
 * @param {Socket} socket
 */
export function showConnection(socket) {
  const banner = noteOf('banner')
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
