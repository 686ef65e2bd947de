// The service worker: has the page and the last messages ready where there is no network, and shows
// what is pushed. It keeps no token and no file. What it keeps of the account, installed.js puts
// there and takes away.

/**
 * The version of the page that it keeps, and its files; the build writes both. Without, it keeps no
 * page.
 */
const VERSION = ''
/** @type {string[]} */
const FILES = []

const worker = /** @type {any} */ (self)
/** @type {string} the address of the page, which may lie below a path */
const SCOPE = worker.registration.scope
const SHELLS = `chatd ${SCOPE} shell `
const SHELL = SHELLS + VERSION
const KEPT = `chatd ${SCOPE} kept`
/** The network is given so long before the page that is kept is shown. */
const PATIENCE_MS = 3_000
/** What installed.js keeps of the server's answers. */
const KEEPS = /^api\/(inbox|chats\/history\/\d+|rooms\/\d+(\/(history|members))?)$/

worker.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(install()))
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(activate()))

async function install() {
  if (VERSION) {
    const cache = await caches.open(SHELL)
    const page = await fetch(SCOPE, { cache: 'no-cache' })
    const text = await page.clone().text()
    // A page of another version has other files: its own worker comes with it.
    if (!page.ok || !text.includes(`v/${VERSION}/`)) throw new Error('the server has another page')
    await cache.put(SCOPE, page)
    await cache.addAll(FILES.map(path => new URL(`v/${VERSION}/${path}`, SCOPE)))
  }
  await worker.skipWaiting()
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(SHELLS) && name !== SHELL) await caches.delete(name)
  }
  await worker.clients.claim()
}

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event
  if (!VERSION || request.method !== 'GET' || !request.url.startsWith(SCOPE)) return
  const url = new URL(request.url)
  const path = url.pathname.slice(new URL(SCOPE).pathname.length)
  if (request.mode === 'navigate') {
    if (path === '') event.respondWith(page(request))
  } else if (path.startsWith(`v/${VERSION}/`)) event.respondWith(file(request))
  else if (KEEPS.test(path)) event.respondWith(answer(request, url, path))
})

/**
 * The page as the server has it, so that no earlier one meets a newer server; where that does not
 * answer, as it was.
 * @param {Request} request
 */
async function page(request) {
  const known = await (await caches.open(SHELL)).match(SCOPE)
  if (!known) return fetch(request)
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE_MS))
  try {
    const response = await Promise.race([fetch(request), late])
    return response.status < 500 ? response : known
  } catch {
    return known
  }
}

/** @param {Request} request for a file of this version, which never changes */
async function file(request) {
  return await (await caches.open(SHELL)).match(request.url) ?? fetch(request)
}

/** What the server says, or said. @param {Request} request @param {URL} url @param {string} path */
async function answer(request, url, path) {
  try {
    return await fetch(request)
  } catch (error) {
    // Of further pages nothing is kept.
    const isFirst = [...url.searchParams.keys()].every(key => key === 'limit')
    const known = isFirst && await (await caches.open(KEPT)).match(new URL(path, SCOPE))
    if (known) return known
    throw error
  }
}

worker.addEventListener('push', (/** @type {any} */ event) => event.waitUntil(show(event.data)))
worker.addEventListener('notificationclick', (/** @type {any} */ event) => {
  event.notification.close()
  event.waitUntil(open(event.notification.data?.navigate))
})

/**
 * Shows what is pushed: something each time, or the browser takes the permission away.
 * @param {any} data
 */
async function show(data) {
  let told
  try {
    told = data.json().notification
  } catch {
    // No text of ours.
  }
  const { title = 'chatd', body = '', lang, dir, tag, silent = false, navigate } = told ?? {}
  await worker.registration.showNotification(title, {
    body, lang, dir, tag, silent, renotify: Boolean(tag) && !silent, icon: new URL('icons/any-192.png', SCOPE).href, data: { navigate },
  })
  if (!silent) await worker.navigator.setAppBadge?.()
}

/**
 * Opens a place in the page, in a window that is there or in a new one.
 * @param {string | undefined} navigate
 */
async function open(navigate) {
  // The place alone is taken from what is pushed: the server may be reached by another name here.
  const place = /#\/[\w/-]*$/.exec(navigate ?? '')?.[0] ?? ''
  const address = new URL(place, SCOPE).href
  const windows = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true })
  // The page alone: below it are documents and files, too, and maybe another server's page.
  const known = windows.find((/** @type {any} */ { url }) => url.split(/[?#]/, 1)[0] === SCOPE)
  if (!known) return worker.clients.openWindow(address)
  await known.focus()
  await known.navigate(address).catch(() => worker.clients.openWindow(address))
}
