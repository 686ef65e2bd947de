// What elements intend, and who answers. An element says `intent` with a type; it comes up through
// the document until a table has the type.

import { newId } from './lib/id.js'

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
 * @returns {Intents}
 */
export const talkIntents = sync => ({
  refresh: () => sync.refresh(),
  older: ({ chat }) => sync.readOlder(chat),
  send: ({ chat, content }) => sync.send({ clientId: newId(), chat, content, createdAt: new Date().toISOString() }),
  retry: ({ chat, clientId }) => sync.retry(chat, clientId),
  discard: ({ chat, clientId }) => sync.discard(chat, clientId),
  draft: ({ chat, text }) => sync.draft(chat, text),
  typing: ({ chat, isTyping }) => sync.typing(chat, isTyping),
  read: ({ chat, upTo }) => sync.read(chat, upTo),
})
