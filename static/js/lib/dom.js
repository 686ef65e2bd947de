// What the elements share of the page: templates, keyed lists, safe links, avatars, and the
// device's memory. It knows no words of the app and nothing about chats.

/**
 * A fresh copy of the one element inside `<template id="…">`.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function clone(id) {
  const template = document.getElementById(id)
  if (!(template instanceof HTMLTemplateElement)) throw new Error(`no template named ${id}`)
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild)
}

/**
 * The element marked `data-part="name"` under `root`. It throws where there is none, because a
 * template and its code that no longer fit should fail at once and not at the first click.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} name
 * @returns {T}
 */
export function part(root, name) {
  const found = root.querySelector(`[data-part="${name}"]`)
  if (!found) throw new Error(`no part named ${name}`)
  return /** @type {T} */ (found)
}

/**
 * Makes `parent`'s children stand for `items`, in order. A child with a known key is kept, so focus,
 * selection and scroll anchors survive; it is moved only when it is not already in place.
 * @template Item
 * @param {HTMLElement} parent
 * @param {Item[]} items
 * @param {{ key: (item: Item) => string, create: (item: Item) => HTMLElement,
 *   update: (node: HTMLElement, item: Item) => void }} how
 */
export function keyed(parent, items, { key, create, update }) {
  /** @type {Map<string, HTMLElement>} */
  const known = new Map()
  for (const child of parent.children) {
    if (child instanceof HTMLElement) known.set(child.dataset.key ?? '', child)
  }
  const wanted = new Set(items.map(key))
  // Children that go are taken out first: otherwise every later one would count as out of place.
  for (const [name, child] of known) if (!wanted.has(name)) child.remove()
  let place = parent.firstElementChild
  for (const item of items) {
    const name = key(item)
    const node = known.get(name) ?? create(item)
    node.dataset.key = name
    update(node, item)
    if (node === place) place = place.nextElementSibling
    else parent.insertBefore(node, place)
  }
}

const LINK = /https?:\/\/[^\s<>"'`]+/giu

/**
 * Splits text into plain runs and links. Only http and https are links; punctuation that ends a
 * sentence, and a closing bracket that was not opened inside the address, stay outside it.
 * @param {string} text
 * @returns {{ text: string, href?: string }[]}
 */
export function splitLinks(text) {
  const runs = []
  let end = 0
  for (const match of text.matchAll(LINK)) {
    let address = match[0]
    for (;;) {
      const last = address.at(-1) ?? ''
      const opened = last === ')' && address.includes('(')
      if (!'.,;:!?)]}*'.includes(last) || opened) break
      address = address.slice(0, -1)
    }
    if (!URL.canParse(address)) continue
    if (match.index > end) runs.push({ text: text.slice(end, match.index) })
    runs.push({ text: address, href: address })
    end = match.index + address.length
  }
  if (end < text.length) runs.push({ text: text.slice(end) })
  return runs
}

/**
 * Shows a peer's text inside `node`. Every character goes in as text; only links become elements.
 * @param {HTMLElement} node
 * @param {string} text
 */
export function fillWithText(node, text) {
  node.replaceChildren(...splitLinks(text).map(run => {
    if (!run.href) return run.text
    const link = document.createElement('a')
    link.href = run.href
    link.target = '_blank'
    link.rel = 'noopener noreferrer nofollow'
    link.textContent = run.text
    return link
  }))
}

/** The number of avatar colours that the style sheet defines, `hue-0` and up. */
const HUES = 8

/**
 * The first letters of a name's first two words, for an avatar without a picture.
 * @param {string} name
 */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean)
  return words.slice(0, 2).map(word => [...word][0]).join('').toLocaleUpperCase() || '?'
}

/**
 * Paints an avatar: the account's picture where this origin serves it, else initials on a colour
 * that follows from the id and so never changes. The content policy blocks foreign pictures, so
 * they are not even asked for: a peer must not learn by a picture who looks at it.
 * @param {HTMLElement} node
 * @param {{ id: number, username: string, avatar?: string | null }} user
 */
export function paintAvatar(node, { id, username, avatar }) {
  const face = `${id} ${username} ${avatar ?? ''}`
  if (node.dataset.face === face) return
  node.dataset.face = face
  node.className = `avatar hue-${id % HUES}`
  node.textContent = initials(username)
  if (!avatar || !URL.canParse(avatar, document.baseURI)) return
  const address = new URL(avatar, document.baseURI)
  if (address.origin !== location.origin) return
  const picture = new Image()
  picture.alt = ''
  picture.onload = () => node.replaceChildren(picture)
  picture.src = address.href
}

/**
 * Tells the page what a person wants; main.js answers. Elements never reach for the network.
 * @param {EventTarget} element
 * @param {{ type: string, [detail: string]: unknown }} detail
 */
export function intend(element, detail) {
  element.dispatchEvent(new CustomEvent('intent', { bubbles: true, detail }))
}

/**
 * Has the buttons of a view that choose among some values (`data-language`, `data-theme`) say what is chosen.
 * @param {ParentNode} view
 * @param {'language' | 'theme'} what
 * @returns {(present: string | undefined) => void} shows which is chosen at present
 */
export function choiceButtons(view, what) {
  const buttons = /** @type {HTMLElement[]} */ ([...view.querySelectorAll(`button[data-${what}]`)])
  for (const button of buttons) {
    button.addEventListener('click', () => intend(button, { type: what, [what]: button.dataset[what] }))
  }
  return present => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset[what] === present))
  }
}

/**
 * What every dialog does: its button closes it, and so does a click beside it.
 * @param {HTMLDialogElement} dialog
 */
export function asDialog(dialog) {
  part(dialog, 'close').addEventListener('click', () => dialog.close())
  dialog.addEventListener('click', event => {
    // A click on the dialog itself is one on its backdrop: what it shows fills it.
    if (event.target === dialog) dialog.close()
  })
}

/**
 * Copies what a field holds. On plain http the browser gives no clipboard; then it is selected, to be copied by hand.
 * @param {HTMLInputElement | HTMLTextAreaElement} field
 * @returns {Promise<boolean>} whether it is copied
 */
export async function copyField(field) {
  field.select()
  try {
    await navigator.clipboard.writeText(field.value)
    return true
  } catch {
    field.focus()
    return false
  }
}

/** @param {string} name of a style sheet in css/ @returns {Promise<unknown>} when it applies, or cannot be had */
export function loadStyle(name) {
  // Reckoned from this file, which like the style sheets stands below the page's version.
  const { href } = new URL(`../../css/${name}`, import.meta.url)
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href })
  const settled = new Promise(resolve => { link.onload = link.onerror = resolve })
  document.head.append(link)
  return settled
}

/** A UUID. `randomUUID` is missing where the page came over plain http from another machine. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = bytes[6] & 0x0f | 0x40
  bytes[8] = bytes[8] & 0x3f | 0x80
  const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

// The device's memory. All of it is convenience: where storage is full or forbidden (private
// windows), the page goes on without it.

const PREFIX = 'chatd.'

/** @param {boolean} tab whether only this tab remembers, and only until it is closed */
const storage = tab => tab ? sessionStorage : localStorage

/**
 * @param {string} key
 * @param {boolean} [tab]
 * @returns {any} what was remembered, or null
 */
export function recall(key, tab = false) {
  try {
    return JSON.parse(storage(tab).getItem(PREFIX + key) ?? 'null')
  } catch {
    return null
  }
}

/**
 * @param {string} key
 * @param {unknown} value null or an empty text forgets the key
 * @param {boolean} [tab]
 */
export function remember(key, value, tab = false) {
  try {
    if (value === null || value === '') storage(tab).removeItem(PREFIX + key)
    else storage(tab).setItem(PREFIX + key, JSON.stringify(value))
  } catch {
    // Nothing to do: see above.
  }
}

/**
 * The remembered keys that begin with `start`, given back without it.
 * @param {string} start
 * @returns {string[]}
 */
export function recallKeys(start) {
  try {
    return Object.keys(localStorage)
      .filter(key => key.startsWith(PREFIX + start))
      .map(key => key.slice(PREFIX.length + start.length))
  } catch {
    return []
  }
}

/** @typedef {{ recall(key: string): any, remember(key: string, value: unknown): void,
 *   recallKeys(start: string): string[], saved(): Promise<void> }} Memory */

/** The longest wait for the database; some browsers never answer where they forbid it. */
const SHELF_MS = 1_000

/**
 * A memory for what must not be lost, such as messages that are not sent yet: IndexedDB, which is on the
 * disk when it says so, and so outlives a crash of the browser too. It is read whole at the start and then
 * written behind; what is remembered in one go is written in one transaction, all of it or nothing.
 * Where there is no database it is the memory above.
 * @param {string} name of the database
 * @returns {Promise<Memory>}
 */
export async function openShelf(name) {
  /** @type {Map<string, any>} */
  const kept = new Map()
  /** @type {Map<string, any>} */
  const changed = new Map()
  /** @type {IDBDatabase} */
  let database
  try {
    database = await openDatabase(name)
    const shelf = database.transaction('kept').objectStore('kept')
    const [keys, values] = await Promise.all([answer(shelf.getAllKeys()), answer(shelf.getAll())])
    keys.forEach((key, at) => kept.set(String(key), values[at]))
  } catch {
    return { recall, remember, recallKeys, saved: async () => {} }
  }
  /** @type {Promise<void> | undefined} */
  let writing

  async function write() {
    // All that is remembered in this moment goes together.
    await null
    while (changed.size > 0) {
      const transaction = database.transaction('kept', 'readwrite', { durability: 'strict' })
      const shelf = transaction.objectStore('kept')
      for (const [key, value] of changed) value === null ? shelf.delete(key) : shelf.put(value, key)
      changed.clear()
      // Full or broken: nothing to do, as above.
      await new Promise(done => { transaction.oncomplete = transaction.onabort = done })
    }
    writing = undefined
  }

  return {
    recall: key => kept.get(key) ?? null,
    remember(key, value) {
      const gone = value === null || value === ''
      if (gone) kept.delete(key)
      else kept.set(key, value)
      changed.set(key, gone ? null : value)
      writing ??= write().catch(() => { writing = undefined })
    },
    recallKeys: start => [...kept.keys()].filter(key => key.startsWith(start)).map(key => key.slice(start.length)),
    saved: async () => writing,
  }
}

/** @param {string} name @returns {Promise<IDBDatabase>} */
function openDatabase(name) {
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => request.result.createObjectStore('kept')
  return Promise.race([answer(request), new Promise((_, reject) => setTimeout(reject, SHELF_MS))])
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})
