// The part of a timeline that has bubbles, and how it is laid out. A long conversation is in
// memory, but never all of it in the document. Pure.

import { indexOf } from './timeline.js'

/** @typedef {import('./timeline.js').Message} Message */

/** How many messages have bubbles at the most, and by how many the window moves. */
export const WINDOW = 120
export const STEP = 20

/** Messages of one person closer together than this look like one turn. */
const GROUP_MS = 5 * 60_000

/**
 * The window, named by the id of its first message, so that what is put before or behind it does
 * not move it.
 * @param {Message[]} timeline
 * @param {number | null} first id of the first message with a bubble; null: the window ends with
 *   the timeline
 * @returns {{ from: number, to: number }}
 */
export function windowOf(timeline, first) {
  const last = Math.max(0, timeline.length - WINDOW)
  const from = first === null ? last : Math.min(indexOf(timeline, first), last)
  return { from, to: Math.min(timeline.length, from + WINDOW) }
}

/**
 * The window a step further up (negative) or down; where it comes to the end it stays with the end.
 * @param {Message[]} timeline
 * @param {number | null} first as above
 * @param {number} by
 * @returns {number | null} the new first
 */
export function moveWindow(timeline, first, by) {
  const from = Math.max(0, windowOf(timeline, first).from + by)
  return from + WINDOW >= timeline.length ? null : timeline[from].id
}

/**
 * What the message list shows, in order: day chips, the divider before what was new on opening, and
 * the messages; `joined` ones follow closely on one by the same person. A part of a timeline is
 * laid out as it is in the whole, so a bubble looks the same wherever the window begins.
 * @param {Message[]} timeline
 * @param {number} [newFrom] id of the first message that was unread on opening
 * @param {{ from: number, to: number }} [window]
 * @returns {({ key: string, kind: 'day', date: Date } | { key: string, kind: 'divider' }
 *   | { key: string, kind: 'message', message: Message, joined: boolean })[]}
 */
export function layOut(timeline, newFrom, { from, to } = { from: 0, to: timeline.length }) {
  const items = []
  let before = timeline[from - 1] ?? null
  let day = before === null ? '' : new Date(before.createdAt).toDateString()
  for (const message of timeline.slice(from, to)) {
    const date = new Date(message.createdAt)
    const thisDay = date.toDateString()
    if (thisDay !== day) items.push({ key: `day ${thisDay}`, kind: /** @type {const} */ ('day'), date })
    if (message.id === newFrom) items.push({ key: 'divider', kind: /** @type {const} */ ('divider') })
    const joined = before !== null && thisDay === day && message.id !== newFrom
      && before.senderId === message.senderId
      && date.getTime() - new Date(before.createdAt).getTime() < GROUP_MS
    items.push({ key: messageKey(message), kind: /** @type {const} */ ('message'), message, joined })
    day = thisDay
    before = message
  }
  return items
}

/**
 * @param {Message} message
 * @returns {string} the name of its bubble, the same before and after it is stored
 */
export const messageKey = ({ clientId, id }) => clientId ?? `id ${id}`
