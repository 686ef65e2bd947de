// What the server tells of people and rooms: who comes and goes, who types, what a room is. Pure.

import { keyNamed, pairKey, roomKey, settingsIn } from './chats.js'
import { roomFrom, withMember, withSeen } from './rooms.js'

/** @typedef {import('./book.js').Book} Book */
/** @typedef {import('./book.js').Reducer} Reducer */

/** @param {Book} book @returns {Record<string, Reducer>} by the server's names of events */
export const ofPeople = book => ({
  room_seen: ({ room_id, user_id, up_to }) => book.setRoom(room_id, room => withSeen(room, user_id, up_to)),

  room_changed: ({ room_id, change, by, room }) => {
    const key = roomKey(room_id)
    const known = book.chat(key).room
    // Members alone hear of it, so that one is a member.
    const role = known?.role ?? (change === 'created' && by === book.me.id ? 'owner' : 'member')
    return book.set(key, { room: roomFrom(room, known, role) })
  },

  room_member: event => {
    const { room_id, user_id, change, role, room } = event
    const key = roomKey(room_id)
    if (user_id !== book.me.id) {
      if (change === 'left' || change === 'removed') book.type(key, user_id, false)
      return book.setRoom(room_id, known => withMember(known, event))
    }
    if (change === 'left' || change === 'removed') return book.forgetChat(key)
    const known = book.chat(key).room
    const wire = room ?? null
    if (wire) book.set(key, { room: roomFrom(wire, known, role ?? 'member') })
    else if (known) book.set(key, { room: withMember({ ...known, role: role ?? known.role }, event) })
    return key
  },

  room_typing: ({ room_id, user_id, is_typing }) =>
    user_id === book.me.id ? undefined : book.type(roomKey(room_id), user_id, is_typing),

  chat_settings: data => book.set(keyNamed(data), settingsIn(data)),

  /** More came there than could be replayed. */
  room_skipped: ({ room_id }) => book.miss(roomKey(room_id)),

  user_changed: ({ user_id: id, username, name, avatar, deleted }) => {
    if (book.users.has(id)) book.users.set(id, { ...book.user(id), username, name, avatar, deleted })
    if (id === book.me.id) book.me = { ...book.me, username, name, avatar }
  },

  typing: ({ user_id, is_typing }) => book.type(pairKey(user_id), user_id, is_typing),

  presence: ({ user_id, online, last_seen }) => {
    book.presence.set(user_id, { online, lastSeen: last_seen })
    const key = pairKey(user_id)
    return online ? key : book.type(key, user_id, false)
  },
})
