// What the person does here, and what becomes of the connection. Pure.

import { newChat } from './chats.js'
import { emptyThread, unsent } from './timeline.js'

/** @typedef {import('./book.js').Book} Book */
/** @typedef {import('./book.js').Reducer} Reducer */

/**
 * @param {import('./timeline.js').Attached[]} files
 * @returns {string} what stands for a message without a text, as the server says it
 */
const namesOf = files => files.map(({ name }) => name).join(', ')

/** @param {Book} book @returns {Record<string, Reducer>} */
export const done = book => ({
  send: ({ chat: key, clientId, content, createdAt, replyTo, attachments, mentions, mentionAll }) => book.place(key, {
    id: Infinity, clientId, senderId: book.me.id, createdAt, isRead: false, state: 'pending',
    ...(attachments && content === '' ? { content: namesOf(attachments), autoContent: true } : { content }),
    ...(replyTo && { replyTo }), ...(attachments && { attachments }),
    ...(mentions?.length && { mentions }), ...(mentionAll && { mentionAll }),
  }),

  /** A deletion waits for a moment in which it can be undone. */
  deleting: ({ chat: key, id, on }) => book.changeEach(key, message => message.id === id, { deleting: on }),

  /** A file of a message is further on its way to the server, or there. */
  uploading: ({ chat: key, clientId, at, change }) => book.changeEach(key,
    message => message.clientId === clientId && message.state !== 'stored',
    ({ attachments = [] }) => ({ attachments: attachments.map((file, place) => place === at ? { ...file, ...change } : file) })),

  send_failed: ({ chat: key, clientId, code }) => book.changeEach(key,
    message => message.clientId === clientId && message.state === 'pending', { state: 'failed', problem: code }),

  send_waits: ({ until }) => { book.sendsAgainAt = until },

  retry: ({ chat: key, clientId }) => book.changeEach(key,
    message => message.clientId === clientId && message.state === 'failed', { state: 'pending' }),

  discard: ({ chat: key, clientId }) => book.change(key, messages =>
    messages.filter(message => message.clientId !== clientId || message.state === 'stored')),

  draft: ({ chat: key, text }) => book.set(key, { draft: text }),

  /** The connection is gone: what was fleeting is no longer known. */
  disconnected: () => {
    book.presence.clear()
    for (const [key, { typing }] of book.chats) if (typing.size > 0) book.set(key, { typing: new Set() })
  },

  /** Events were missed and will not be replayed. */
  missed: () => {
    for (const key of book.chats.keys()) book.miss(key)
  },

  /**
   * The server's history may be another one than what was read here, as after an older data file
   * was put in place: what is here may be gone there, and its ids may be those of other messages.
   * Only what comes from here stays.
   */
  rewound: () => {
    for (const [key, { thread, draft }] of book.chats) {
      book.chats.set(key, { ...newChat(key), draft, thread: { ...emptyThread(), messages: unsent(thread.messages) } })
    }
    book.deleted.clear()
    book.users.clear()
    book.nextChats = undefined
    book.listState = 'loading'
    book.dispatchEvent(new Event('rewound'))
  },
})
