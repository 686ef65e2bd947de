// A conversation's messages in order. Pure: plain functions over a timeline (messages, oldest
// first) and over a thread (a timeline and how far it reaches).
//
// Three sources tell of the same messages (live events, pages of history, our own sending), in any
// order and more than once. So everything here merges by id and by client id, and only grows: a
// message once stored is not pending again, and a message once read is not unread again.

/** @typedef {'pending' | 'failed' | 'stored'} State */
/** What a message answers; its text and sender where it is there and may be seen.
 * @typedef {{ id: number, senderId?: number, content?: string }} Quote */
/** @typedef {{ emoji: string, count: number, me: boolean }} Reaction */
/**
 * A file that hangs on a message; its URLs are relative to the page. `alt` is what is to be seen or
 * heard in it. One that is on its way to the server has in `part` how much of it is there, of 1,
 * and with `waits` a lost connection holds it up.
 * @typedef {{ id: string, name: string, type: string, size: number, width?: number,
 *   height?: number, alt?: string, url: string, preview?: string, part?: number, waits?: boolean }}
 *   Attached
 */
/**
 * `id` is Infinity until the server has stored the message and given it one. Of a deleted message
 * its place alone is left. `deleting` is one that is deleted in a moment, unless that is undone.
 * `changed` is when an event changed it, as the store counts events.
 * @typedef {{ id: number, clientId: string | null, senderId: number, content: string,
 *   createdAt: string, isRead: boolean, state: State, problem?: string, replyTo?: Quote,
 *   editedAt?: string, attachments?: Attached[], autoContent?: boolean, reactions?: Reaction[],
 *   mentions?: number[], mentionAll?: boolean, as?: string, deletedAt?: string, deleting?: boolean,
 *   changed?: number }} Message
 */
/**
 * A conversation's messages as far as they are here, without a hole. `staleAfter` is the newest id
 * from before a gap in the live events; what came after it may be missing until the newest page has
 * been read again. With `hasNewer` they end somewhere in the past, and what comes is not put behind
 * them.
 * @typedef {{ messages: Message[], loaded: boolean, failed: boolean, hasMore: boolean,
 *   hasNewer: boolean, staleAfter: number | null }} Thread
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
    // Most messages have none of these.
    ...(wire.reply_to && { replyTo: quoteFrom(wire.reply_to) }),
    ...(wire.edited_at && { editedAt: wire.edited_at }),
    ...(wire.attachments?.length && { attachments: wire.attachments }),
    ...(wire.auto_content && { autoContent: true }),
    ...(wire.reactions?.length && { reactions: wire.reactions }),
    ...(wire.mentions?.length && { mentions: wire.mentions }),
    ...(wire.mention_all && { mentionAll: true }),
    ...(wire.as && { as: wire.as.name }),
  }
}

/** @param {{ id: number, sender_id?: number, content?: string }} wire @returns {Quote} */
const quoteFrom = ({ id, sender_id, content }) =>
  ({ id, ...(content !== undefined && { senderId: sender_id, content }) })

/** How many code points of a message stand in what answers it. */
const QUOTED = 200

/** @param {string} content */
const quoted = content => [...content].slice(0, QUOTED).join('')

/** @param {Message} message @returns {Quote} what stands above an answer to it */
export const quoteOf = ({ id, senderId, content }) => ({ id, senderId, content: quoted(content) })

/**
 * What stands above an answer: what the server told of it, and else what is here. In a room that
 * hides its past the server tells all of its members alike, and names the message alone.
 * @param {Message[]} timeline
 * @param {Quote} quote
 * @returns {Quote}
 */
export function quoteIn(timeline, quote) {
  const known = quote.content === undefined ? messageOf(timeline, quote.id) : undefined
  return known && !known.deletedAt ? quoteOf(known) : quote
}

/**
 * A timeline after a message was edited, and with it what quotes it.
 * @param {Message[]} timeline
 * @param {{ id: number, content: string, editedAt?: string, changed: number }} edit
 * @returns {Message[]}
 */
export const withEdit = (timeline, { id, content, ...edit }) => timeline.map(message => {
  if (message.id === id && !message.deletedAt) {
    const { autoContent: _, ...rest } = message
    return { ...rest, content, ...edit }
  }
  const { replyTo } = message
  if (!replyTo || replyTo.id !== id || replyTo.content === undefined) return message
  return { ...message, replyTo: { ...replyTo, content: quoted(content) } }
})

/**
 * A message of which nothing is left but its place.
 * @param {Message} message
 * @param {string} deletedAt
 * @returns {Message}
 */
export function tombstone({ id, clientId, senderId, createdAt }, deletedAt) {
  return { id, clientId, senderId, content: '', createdAt, isRead: true, state: 'stored', deletedAt }
}

/**
 * A timeline after a message was deleted: its place is left, and nothing of it in what answers it.
 * @param {Message[]} timeline
 * @param {number} id
 * @param {string} deletedAt
 */
export const withoutText = (timeline, id, deletedAt) => timeline.map(message => message.id === id
  ? tombstone(message, deletedAt)
  : message.replyTo?.id === id ? { ...message, replyTo: { id } } : message)

/**
 * A timeline without messages that were erased, and nothing of them in what answers them.
 * @param {Message[]} timeline
 * @param {(id: number, senderId: number) => boolean} goes
 * @returns {Message[]}
 */
export const withoutErased = (timeline, goes) => timeline.filter(({ id, senderId }) => id === Infinity || !goes(id, senderId))
  .map(message => {
    const { replyTo } = message
    return replyTo?.senderId !== undefined && goes(replyTo.id, replyTo.senderId) ? { ...message, replyTo: { id: replyTo.id } } : message
  })

/**
 * @param {Reaction[]} reactions in the order of the first that stands
 * @param {{ emoji: string, on: boolean, count: number }} change
 * @param {boolean} mine whether it is by the person here
 * @returns {Reaction[]}
 */
export function withReaction(reactions, { emoji, on, count }, mine) {
  const known = reactions.find(reaction => reaction.emoji === emoji)
  const now = { emoji, count, me: mine ? on : known?.me ?? false }
  if (count === 0) return reactions.filter(reaction => reaction !== known)
  return known ? reactions.map(reaction => reaction === known ? now : reaction) : [...reactions, now]
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
 * Puts a page of history into a timeline; as `place` for each, but in one walk along both. What an
 * event changed after the page was asked for is newer than the page.
 * @param {Message[]} timeline
 * @param {Message[]} page ascending by id, all stored
 * @param {number} [asked] when it was asked for, as the store counts events
 * @returns {Message[]}
 */
export function placePage(timeline, page, asked = Infinity) {
  const all = []
  let at = 0
  for (const message of page) {
    while (at < timeline.length && timeline[at].id < message.id) all.push(timeline[at++])
    const known = timeline[at]?.id === message.id ? timeline[at++] : null
    if (known?.deletedAt || known && (known.changed ?? 0) > asked) all.push(merge(known, message))
    else all.push(known ? merge(message, known) : message)
  }
  while (at < timeline.length) all.push(timeline[at++])
  return all
}

/** @param {Message} fresh @param {Message} known @returns {Message} */
function merge(fresh, known) {
  const base = fresh.state !== 'stored' && known.state === 'stored' || known.deletedAt ? known : fresh
  return {
    ...base,
    clientId: fresh.clientId ?? known.clientId,
    isRead: fresh.isRead || known.isRead,
    ...(known.deleting && !base.deletedAt && { deleting: true }),
  }
}

/** @param {Message[]} timeline @returns {number} the newest stored message's id, or 0 */
export const newestId = timeline => timeline[indexOf(timeline, Infinity) - 1]?.id ?? 0

/**
 * @param {Message} message
 * @returns {boolean} whether some of its files are not at the server yet
 */
export const isPartial = ({ attachments }) => attachments?.some(({ part }) => part !== undefined) ?? false

/** @param {Message[]} timeline @returns {Message[]} the messages that are not stored */
export const unsent = timeline => timeline.slice(indexOf(timeline, Infinity))

/**
 * @param {Message[]} timeline
 * @param {number} id
 * @returns {Message | undefined} the stored message of that id
 */
export function messageOf(timeline, id) {
  const message = timeline[indexOf(timeline, id)]
  return message?.id === id && id !== Infinity ? message : undefined
}

/**
 * @param {Message[]} timeline
 * @param {number} myId
 * @returns {number} the newest id of a message by others, or 0
 */
export const newestReceived = (timeline, myId) => timeline.findLast(message => message.senderId !== myId)?.id ?? 0

/**
 * @param {Message[]} timeline
 * @param {number} myId
 * @param {number} after an id
 * @returns {Message[]} later messages by others
 */
export function receivedAfter(timeline, myId, after) {
  return timeline.slice(indexOf(timeline, after + 1)).filter(({ senderId, deletedAt }) => senderId !== myId && !deletedAt)
}

/** @returns {Thread} */
export const emptyThread = () =>
  ({ messages: [], loaded: false, failed: false, hasMore: true, hasNewer: false, staleAfter: null })

/**
 * Puts a message that just came where it belongs; where the timeline ends in the past, only one
 * that lies within it or is not stored yet.
 * @param {Thread} thread
 * @param {Message} message
 * @returns {Message[]}
 */
export function placeLive({ messages, hasNewer }, message) {
  const beyond = hasNewer && message.id !== Infinity && message.id > newestId(messages)
  if (!beyond) return place(messages, message)
  // Its pending twin has gone out all the same.
  return message.clientId === null ? messages : messages.filter(({ clientId, state }) => clientId !== message.clientId || state === 'stored')
}

/**
 * Takes in a page of history. The newest page after a gap either reaches back to what was known, or
 * there are messages between that were never read; then the older part is let go, so that a
 * timeline never has a hole. Scrolling up reads it again.
 * @param {Thread} thread
 * @param {Message[]} page ascending by id
 * @param {{ hasMore: boolean, older?: boolean, newer?: boolean, hasNewer?: boolean,
 *   asked?: number }} about `older`: a page before what is known; `newer`: one after it; with
 *   `hasNewer` told: one around a message; else the newest. `asked`: see `placePage`
 * @returns {Thread}
 */
export function takePage(thread, page, { hasMore, older, newer, hasNewer, asked }) {
  thread = { ...thread, messages: stillThere(thread.messages, page, older || newer || hasNewer !== undefined ? null : thread.staleAfter) }
  if (older) return { ...thread, messages: placePage(thread.messages, page, asked), failed: false, hasMore }
  if (newer) return { ...thread, messages: placePage(thread.messages, page, asked), failed: false, hasNewer: hasNewer ?? false }
  if (hasNewer !== undefined) return takeAround(thread, page, { hasMore, hasNewer, asked })
  let { messages } = thread
  const { staleAfter } = thread
  const pageStart = page[0]?.id ?? Infinity
  // What ended in the past may reach to the page or not.
  const reached = thread.hasNewer ? newestId(messages) : staleAfter
  const gap = reached !== null && hasMore && pageStart > reached
  if (gap) messages = thread.hasNewer ? unsent(messages) : messages.filter(message => message.id > reached)
  const oldestKnown = messages[0]?.id ?? Infinity
  const reachesFurther = !thread.loaded || gap || pageStart <= oldestKnown
  return {
    messages: placePage(messages, page, asked),
    loaded: true,
    failed: false,
    hasMore: reachesFurther ? hasMore : thread.hasMore,
    hasNewer: false,
    staleAfter: null,
  }
}

/**
 * The messages without those that a page should have and has not: they were deleted while nothing
 * was heard.
 * @param {Message[]} timeline
 * @param {Message[]} page
 * @param {number | null} staleAfter where it is the newest page: what it should have reaches that
 *   far at least
 */
function stillThere(timeline, page, staleAfter) {
  if (page.length === 0) return staleAfter === null ? timeline : timeline.filter(({ id }) => id > staleAfter)
  const from = page[0].id, to = Math.max(page[page.length - 1].id, staleAfter ?? 0)
  const there = new Set(page.map(({ id }) => id))
  return timeline.filter(({ id, deletedAt }) => id < from || id > to || deletedAt || there.has(id))
}

/**
 * Takes in a page around a message: joined to what is known where the two meet, and else in place
 * of it.
 * @param {Thread} thread
 * @param {Message[]} page
 * @param {{ hasMore: boolean, hasNewer: boolean, asked?: number }} about
 * @returns {Thread}
 */
function takeAround(thread, page, { hasMore, hasNewer, asked }) {
  const { messages } = thread
  const oldest = messages[0]?.id ?? Infinity, newest = newestId(messages)
  const start = page[0]?.id ?? Infinity, end = page.at(-1)?.id ?? 0
  const meets = thread.loaded && start <= newest && end >= oldest
  if (!meets) {
    const kept = placePage(unsent(messages), page, asked)
    return { messages: kept, loaded: true, failed: false, hasMore, hasNewer, staleAfter: null }
  }
  return {
    ...thread,
    messages: placePage(messages, page, asked),
    failed: false,
    hasMore: start <= oldest ? hasMore : thread.hasMore,
    hasNewer: end >= newest ? hasNewer : thread.hasNewer,
  }
}
