// What elements intend, and who answers. An element says `intent` with a type; it comes up through
// the document until a table has the type.

import { newId } from './lib/id.js'
import { ChatError } from './net/api.js'

/** @typedef {Record<string, (detail: any) => unknown>} Intents */

/**
 * Has a table answer what comes up to a node. What it has not goes on; what has gone up to the
 * document without an answer is a mistake of ours.
 * @param {Node} node
 * @param {Intents} intents may grow later
 */
export function answerIntents(node, intents) {
  node.addEventListener('intent', event => {
    const { type, ...detail } = /** @type {CustomEvent} */ (event).detail
    if (Object.hasOwn(intents, type)) {
      event.stopPropagation()
      intents[type](detail)
    } else if (node === document) throw new Error(`no intent named ${type}`)
  })
}

/**
 * What may be intended in a conversation.
 * @param {import('./sync/sync.js').Sync} sync
 * @param {() => Promise<import('./sync/deletions.js').Deletions>} deletions loads what deletes
 * @param {(code: string) => void} refused hears what the server refused and no form shows
 * @returns {Intents}
 */
export const talkIntents = (sync, deletions, refused) => ({
  refresh: () => sync.refresh(),
  older: ({ chat }) => sync.readOlder(chat),
  newer: ({ chat }) => sync.readNewer(chat),
  newest: ({ chat }) => sync.readNewest(chat),
  jump: ({ chat, id }) => sync.jump(chat, id).catch(error => refused(codeOf(error))),
  send: message => sync.send({ ...message, clientId: newId(), createdAt: new Date().toISOString() }),
  retry: ({ chat, clientId }) => sync.retry(chat, clientId),
  discard: ({ chat, clientId }) => sync.discard(chat, clientId),
  draft: ({ chat, text }) => sync.draft(chat, text),
  typing: ({ chat, isTyping }) => sync.typing(chat, isTyping),
  read: ({ chat, upTo }) => sync.read(chat, upTo),
  edit: ({ id, content, done }) => sync.edit(id, content).then(() => done(), error => done(codeOf(error))),
  delete: async ({ chat, id }) => (await deletions()).start(chat, id),
  'undo-deletion': async ({ chat, id }) => (await deletions()).undo(chat, id),
  react: ({ id, emoji, on }) => sync.react(id, emoji, on).catch(error => refused(codeOf(error))),
  reactors: ({ id, emoji, done }) => sync.reactors(id, emoji).then(done),
  rules: ({ done }) => sync.rules().then(done),
  'find-members': ({ chat, query, done }) => sync.findMembers(chat, query).then(done),
})

/**
 * @param {unknown} error
 * @returns {string} what the server neither refused nor failed to give is a mistake of ours
 */
export function codeOf(error) {
  if (error instanceof ChatError) return error.code
  // A module that could not be loaded. Browsers share no more of the words than this one.
  if (error instanceof TypeError && error.message.includes('module')) return 'offline'
  throw error
}
