// What the server tells of messages: that they were written, read, edited, deleted. Pure.

import { isRoom, keyNamed, keyOf, pairKey, roomKey } from './chats.js'
import { fromWire, messageOf, newestId, receivedAfter, withEdit, withReaction, withoutErased, withoutText } from './timeline.js'
import { addUnread, countedUnread, readOne, readUpTo, withoutMessage } from './unread.js'

/** @typedef {import('./book.js').Book} Book */
/** @typedef {import('./book.js').Reducer} Reducer */
/** @typedef {import('./timeline.js').Message} Message */

/** @param {Book} book @returns {Record<string, Reducer>} by the server's names of events */
export const ofMessages = book => ({
  receive_message: data => {
    const key = pairKey(data.sender_id)
    book.set(key, { unread: addUnread(book.chat(key).unread, data.id) })
    book.type(key, data.sender_id, false)
    return book.place(key, fromWire(data, book.me.id))
  },

  message_sent: data => book.place(pairKey(data.receiver_id), fromWire(data, book.me.id)),

  room_message: data => {
    const key = roomKey(data.room_id)
    if (data.sender_id !== book.me.id) {
      const { unread, mentions } = book.chat(key)
      const named = data.mention_all || data.mentions?.includes(book.me.id)
      book.set(key, { unread: addUnread(unread, data.id), ...(named && { mentions: addUnread(mentions, data.id) }) })
    }
    book.type(key, data.sender_id, false)
    return book.place(key, fromWire(data, book.me.id))
  },

  messege_read: ({ message_id, user_id }) => {
    // Of a message of ours, `user_id` is the peer. Of one that this account read elsewhere it is
    // our own, and the chat is the one whose timeline has the message; the list, read again,
    // knows the rest.
    const mine = user_id === book.me.id
    const key = mine ? book.message(message_id)?.chat.key : pairKey(user_id)
    if (key === undefined) return
    if (mine) book.set(key, { unread: readOne(book.chat(key).unread, message_id) })
    return book.changeEach(key, ({ id, isRead }) => id === message_id && !isRead, { isRead: true })
  },

  chat_read: ({ reader_id, peer_id, up_to }) => {
    const mine = reader_id === book.me.id
    const key = pairKey(mine ? peer_id : reader_id)
    if (mine) {
      const { unread, thread: { messages } } = book.chat(key)
      // Read, but not to the end: where the rest is here it is counted, and else the list will
      // tell.
      const rest = receivedAfter(messages, book.me.id, up_to).filter(({ id, isRead }) => !isRead && id <= unread.baseUpTo)
      book.set(key, { unread: readUpTo(unread, up_to, messages[0]?.id <= up_to ? rest.length : undefined) })
    }
    const received = (/** @type {Message} */ message) => message.senderId !== book.me.id
    return book.changeEach(key, message => message.id <= up_to && !message.isRead && received(message) === mine, { isRead: true })
  },

  room_read: ({ room_id, up_to, unread_count, mention_count }) => {
    const key = roomKey(room_id)
    const { unread, mentions, listed, thread } = book.chat(key)
    const newest = Math.max(listed?.id ?? 0, newestId(thread.messages))
    return book.set(key, {
      unread: countedUnread(unread, unread_count, up_to, newest),
      mentions: countedUnread(mentions, mention_count, up_to, newest),
    })
  },

  message_edited: data => {
    const { message_id: id, content, edited_at } = data
    const key = keyOf(data, book.me.id)
    const { listed } = book.chat(key)
    if (listed && listed.id === id) book.set(key, { listed: { ...listed, text: content } })
    return book.change(key, messages => withEdit(messages, { id, content, editedAt: edited_at ?? undefined, changed: book.heard }))
  },

  message_deleted: data => {
    const { message_id: id, deleted_at } = data
    const key = keyOf(data, book.me.id)
    book.deleted.add(id)
    const { listed, unread, mentions, thread } = book.chat(key)
    const message = messageOf(thread.messages, id)
    const wasUnread = message !== undefined && message.senderId !== book.me.id && id > unread.readUpTo
      && (isRoom(key) || !message.isRead)
    const named = message?.mentionAll || message?.mentions?.includes(book.me.id)
    book.set(key, {
      listed: listed && listed.id === id ? withoutWords(listed) : listed,
      unread: withoutMessage(unread, id, wasUnread),
      mentions: withoutMessage(mentions, id, wasUnread && named === true),
    })
    book.change(key, messages => withoutText(messages, id, deleted_at))
    book.tellGone(key)
    return key
  },

  reaction: data => {
    const mine = data.user_id === book.me.id
    return book.changeEach(keyOf(data, book.me.id), ({ id, deletedAt }) => id === data.message_id && !deletedAt,
      message => ({ reactions: withReaction(message.reactions ?? [], data, mine), changed: book.heard }))
  },

  messages_erased: data => {
    const { sender_id, before } = data
    const key = keyNamed(data)
    const goes = (/** @type {number} */ id, /** @type {number} */ sender) =>
      (sender_id === undefined || sender === sender_id) && (before === undefined || id < before)
    const { listed, thread: { messages } } = book.chat(key)
    if (listed && goes(listed.id, listed.senderId)) book.set(key, { listed: withoutWords(listed) })
    // An answer on its way may still have them.
    for (const { id, senderId } of messages) if (id !== Infinity && goes(id, senderId)) book.deleted.add(id)
    book.change(key, messages => withoutErased(messages, goes))
    book.tellGone(key)
    return key
  },
})

/**
 * @param {import('./chats.js').Last} last the row stays where it is until the list is read again
 */
const withoutWords = last => ({ ...last, text: '', deleted: true })
