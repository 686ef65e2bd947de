// The messages that a search found, as rows of the list of people-picker.js, which loads this with
// itself.

import { fullTime, shortTime } from '../i18n/dates.js'
import { t } from '../i18n/words.js'
import { paintAvatar, paintRoom } from '../lib/avatar.js'
import { excerpt } from '../lib/excerpt.js'
import { idOf, isRoom, keyOf } from '../state/chats.js'
import { nameOf, titleOf } from './names.js'

/** @typedef {import('../state/store.js').Store} Store */
/**
 * A message as the server answers a search with it.
 * @typedef {{ id: number, room_id?: number, sender_id: number, receiver_id?: number,
 *   content: string, created_at: string, matches: [number, number][] }} Hit
 */

/**
 * @param {string} tag
 * @param {string} name of its class and part
 * @param {(HTMLElement)[]} children
 */
function make(tag, name, ...children) {
  const node = document.createElement(tag)
  node.className = name
  node.dataset.part = name
  node.append(...children)
  return node
}

/** @returns {HTMLElement} a row without a message in it yet */
export function hitRow() {
  const avatar = make('span', 'avatar')
  avatar.setAttribute('aria-hidden', 'true')
  const name = make('span', 'hit-chat'), line = make('span', 'hit-text')
  name.dir = line.dir = 'auto'
  const button = make('button', 'person')
  button.setAttribute('type', 'button')
  button.append(avatar, make('span', 'hit', make('span', 'hit-head', name, make('time', 'hit-time')), line))
  const row = document.createElement('li')
  row.append(button)
  return row
}

/** @param {HTMLElement} row @param {Hit} hit @param {Store} store @param {Date} now */
export function fillHit(row, hit, store, now) {
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (row.querySelector(`[data-part="${name}"]`))
  const key = keyOf(hit, store.me.id)
  const room = store.chat(key).room
  if (isRoom(key)) paintRoom(part('avatar'), idOf(key), room?.avatar)
  else paintAvatar(part('avatar'), store.user(idOf(key)))
  part('hit-chat').textContent = titleOf(store, store.chat(key))
  const time = part('hit-time'), date = new Date(hit.created_at)
  time.textContent = shortTime(date, now)
  time.title = fullTime(date)
  const mine = hit.sender_id === store.me.id
  const by = mine ? t('youPrefix', { text: '' }) : isRoom(key) ? t('announce', { name: nameOf(store.user(hit.sender_id)), text: '' }) : ''
  part('hit-text').replaceChildren(by, ...excerpt(hit.content, hit.matches).map(run => run.marked ? marked(run.text) : run.text))
}

/** @param {string} text */
function marked(text) {
  const mark = document.createElement('mark')
  mark.textContent = text
  return mark
}
