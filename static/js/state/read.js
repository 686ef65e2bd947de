// What was read from the server by REST: the list, conversations, rooms, people. Pure.

import { idOf, pairKey, roomKey, settingsIn } from './chats.js'
import { roomFrom, withMembers, withMoreMembers, withSeen } from './rooms.js'
import { fromWire, takePage } from './timeline.js'
import { listUnread } from './unread.js'

/** @typedef {import('./book.js').Book} Book */
/** @typedef {import('./book.js').Reducer} Reducer */

/** The username of one whom the server does not know, or does not let be found. */
export const NOBODY = '?'

/** @param {Book} book @returns {Record<string, Reducer>} */
export const read = book => ({
  inbox: (rows, { meta, more }) => {
    for (const row of rows) list(book, row)
    // Reading the list's head again must not forget how far down it was already read.
    if (more || book.listState !== 'ready') book.nextChats = meta.next_before ?? undefined
    book.listState = 'ready'
  },

  inbox_failed: () => { if (book.listState !== 'ready') book.listState = 'failed' },

  /**
   * A room as the server has it now, the person's own part of it, and the first page of its
   * members.
   */
  room: ({ room, members, next }) => {
    const key = roomKey(room.id)
    const { unread } = book.chat(key)
    const known = roomFrom(room, book.chat(key).room, room.mine?.role ?? null)
    book.meet(members ?? [])
    return book.set(key, {
      room: members ? withMembers(known, members, next) : known,
      unread: { ...unread, readUpTo: Math.max(unread.readUpTo, room.mine?.read_up_to ?? 0) },
    })
  },

  /** Members of a room who were looked for. */
  members_found: (rows, { chat: key }) => {
    book.meet(rows)
    return book.setRoom(idOf(key), room => withMoreMembers(room, rows))
  },

  /** The next page of a room's members. */
  members: (rows, { chat: key, next }) => {
    book.meet(rows)
    return book.setRoom(idOf(key), room => ({ ...withMoreMembers(room, rows), next, whole: next === undefined }))
  },

  /** How far each member has read. */
  reads: (rows, { chat: key }) => {
    for (const { user_id, up_to } of rows) book.setRoom(idOf(key), room => withSeen(room, user_id, up_to))
    return key
  },

  /** The person is no member, as a page that was kept open may learn late. */
  room_left: (_, { chat: key }) => book.forgetChat(key),

  history: (rows, { chat: key, ...about }) => {
    const page = rows.filter((/** @type {any} */ row) => !book.deleted.has(row.id))
      .map((/** @type {any} */ row) => fromWire(row, book.me.id))
    return book.set(key, { thread: takePage(book.chat(key).thread, page, { hasMore: false, ...about }) })
  },

  /** Something is new about the files of all messages. */
  files: change => {
    for (const key of book.chats.keys()) {
      book.changeEach(key, ({ attachments }) => attachments !== undefined, ({ attachments }) => ({ attachments: attachments?.map(change) }))
    }
  },

  history_failed: ({ chat: key }) => book.set(key, { thread: { ...book.chat(key).thread, failed: true } }),

  me: user => { book.me = user },

  user: user => {
    book.users.set(user.id, user)
    return pairKey(user.id)
  },

  /**
   * There is no account of this id; so that it is not asked for again, the name stays what it was
   * shown as.
   */
  user_unknown: ({ id }) => {
    book.users.set(id, { id, username: NOBODY })
    return pairKey(id)
  },
})

/** Takes in a row of the list. @param {Book} book @param {any} row */
function list(book, row) {
  const key = row.room ? roomKey(row.room.id) : pairKey(row.user.id)
  const { unread, mentions, room } = book.chat(key)
  if (row.user) book.users.set(row.user.id, { ...book.users.get(row.user.id), ...row.user })
  const last = row.last_message && !book.deleted.has(row.last_message.id) ? row.last_message : null
  const upTo = last?.id ?? 0
  const role = row.room && (row.mine?.role ?? row.role ?? room?.role ?? 'member')
  const known = { ...unread, readUpTo: Math.max(unread.readUpTo, row.mine?.read_up_to ?? row.read_up_to ?? 0) }
  book.set(key, {
    unread: listUnread(known, row.unread_count, upTo),
    mentions: listUnread(mentions, row.mention_count ?? 0, upTo),
    ...settingsIn(row),
    ...(row.room && { room: roomFrom(row.room, room, role) }),
    listed: last && { id: upTo, text: last.content, time: last.created_at, senderId: last.sender_id ?? book.me.id },
  })
}
