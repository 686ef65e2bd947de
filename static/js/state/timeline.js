// A conversation's messages in order. Pure: plain functions over a timeline (messages, oldest
// first) and over a thread (a timeline and how far it reaches).
//
// Three sources tell of the same messages (live events, pages of history, our own sending), in any
// order and more than once. So everything here merges by id and by client id, and only grows: a
// message once stored is not pending again, and a message once read is not unread again.

/** @typedef {'pending' | 'failed' | 'stored'} State */
/**
 * @typedef {{ id: number, clientId: string | null, senderId: number, content: string,
 *   createdAt: string, isRead: boolean, state: State, problem?: string }} Message
 * `id` is Infinity until the server has stored the message and given it one.
 */
/**
 * A conversation's messages as far as they are here. `staleAfter` is the newest id from before a
 * gap in the live events; what came after it may be missing until the newest page has been read
 * again.
 * @typedef {{ messages: Message[], loaded: boolean, failed: boolean, hasMore: boolean, staleAfter: number | null }} Thread
 */

/**
 * The message as the page holds it, from any of the server's shapes.
 * @param {any} wire
 * @param {number} myId the sender where the shape names none: only `message_sent` does not
 * @returns {Message}
 */
export function fromWire(wire, myId) {
  return {
    id: wire.id,
    clientId: wire.client_id ?? null,
    senderId: wire.sender_id ?? myId,
    content: wire.content,
    createdAt: wire.created_at,
    isRead: wire.is_read ?? false,
    state: 'stored',
  }
}

/**
 * Where a stored message stands in a timeline, or would: the first place whose id is not smaller.
 * What is not stored has the id Infinity and so stands behind all that is.
 * @param {Message[]} timeline
 * @param {number} id
 */
export function indexOf(timeline, id) {
  let low = 0, high = timeline.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (timeline[middle].id < id) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Puts a message where it belongs. Pending ones (id Infinity) come last, in the order of sending;
 * the confirmed twin takes the pending one's place and keeps its client id, by which its bubble is
 * known, so that nothing flickers.
 * @param {Message[]} timeline
 * @param {Message} message
 * @returns {Message[]}
 */
export function place(timeline, message) {
  const at = indexOf(timeline, message.id)
  const twins = []
  if (message.id !== Infinity && timeline[at]?.id === message.id) twins.push(at)
  if (message.clientId !== null) {
    const named = timeline.findLastIndex(known => known.clientId === message.clientId)
    if (named >= 0 && !twins.includes(named)) twins.push(named)
  }
  const merged = twins.reduce((fresh, twin) => merge(fresh, timeline[twin]), message)
  const next = timeline.slice()
  if (twins.length === 1 && timeline[twins[0]].id === merged.id) {
    next[twins[0]] = merged
    return next
  }
  for (const twin of twins.sort((a, b) => b - a)) next.splice(twin, 1)
  next.splice(merged.id === Infinity ? next.length : indexOf(next, merged.id), 0, merged)
  return next
}

/**
 * Puts a page of history into a timeline; as `place` for each, but in one walk along both.
 * @param {Message[]} timeline
 * @param {Message[]} page ascending by id, all stored
 * @returns {Message[]}
 */
export function placePage(timeline, page) {
  const all = []
  let at = 0
  for (const message of page) {
    while (at < timeline.length && timeline[at].id < message.id) all.push(timeline[at++])
    const known = timeline[at]?.id === message.id ? timeline[at++] : null
    all.push(known ? merge(message, known) : message)
  }
  while (at < timeline.length) all.push(timeline[at++])
  return all
}

/** @param {Message} fresh @param {Message} known @returns {Message} */
function merge(fresh, known) {
  const base = fresh.state !== 'stored' && known.state === 'stored' ? known : fresh
  return { ...base, clientId: fresh.clientId ?? known.clientId, isRead: fresh.isRead || known.isRead }
}

/** @param {Message[]} timeline @returns {number} the newest stored message's id, or 0 */
export const newestId = timeline => timeline[indexOf(timeline, Infinity) - 1]?.id ?? 0

/** @param {Message[]} timeline @returns {Message[]} the messages that are not stored */
export const unsent = timeline => timeline.slice(indexOf(timeline, Infinity))

/** @param {Message[]} timeline @param {number} myId @returns {number} the newest id of a message by others, or 0 */
export const newestReceived = (timeline, myId) => timeline.findLast(message => message.senderId !== myId)?.id ?? 0

/** @param {Message[]} timeline @param {number} myId @param {number} after an id @returns {Message[]} later messages by others */
export function receivedAfter(timeline, myId, after) {
  return timeline.slice(indexOf(timeline, after + 1)).filter(message => message.senderId !== myId)
}

/** @returns {Thread} */
export const emptyThread = () => ({ messages: [], loaded: false, failed: false, hasMore: true, staleAfter: null })

/**
 * Takes in a page of history. The newest page after a gap either reaches back to what was known, or
 * there are messages between that were never read; then the older part is let go, so that a
 * timeline never has a hole. Scrolling up reads it again.
 * @param {Thread} thread
 * @param {Message[]} page ascending by id
 * @param {{ hasMore: boolean, older: boolean }} about `older`: a page before what is known, else the newest
 * @returns {Thread}
 */
export function takePage(thread, page, { hasMore, older }) {
  let { messages } = thread
  const oldestKnown = messages[0]?.id ?? Infinity
  const pageStart = page[0]?.id ?? Infinity
  if (older) {
    return { ...thread, messages: placePage(messages, page), failed: false, hasMore }
  }
  const { staleAfter } = thread
  const gap = staleAfter !== null && hasMore && pageStart > staleAfter
  if (gap) messages = messages.filter(message => message.id > staleAfter)
  const reachesFurther = !thread.loaded || gap || pageStart <= oldestKnown
  return {
    messages: placePage(messages, page),
    loaded: true,
    failed: false,
    hasMore: reachesFurther ? hasMore : thread.hasMore,
    staleAfter: null,
  }
}
