// What the device keeps of an account until the server has it: drafts, and messages that are not stored
// yet. It survives a reload, a crash, and an upgrade of the page.

import { pairKey } from '../state/chats.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {Omit<import('../lib/shelf.js').Memory, 'saved'> & { saved?(): Promise<void> }} Memory */
/** A message on its way to the server. @typedef {{ chat: ChatKey, clientId: string, content: string, createdAt: string }} Unsent */

export class Kept {
  #memory
  #drafts
  #outbox

  /** @param {Memory} memory @param {number} myId */
  constructor(memory, myId) {
    this.#memory = memory
    this.#drafts = `draft.${myId}.`
    this.#outbox = `outbox.${myId}.`
    this.#carryOver()
  }

  /** @returns {[ChatKey, string][]} the drafts, each with its chat */
  drafts() {
    const keys = /** @type {ChatKey[]} */ (this.#memory.recallKeys(this.#drafts))
    return keys.map(key => [key, this.#memory.recall(this.#drafts + key)])
  }

  /** @param {ChatKey} key @param {string} text */
  keepDraft(key, text) {
    this.#memory.remember(this.#drafts + key, text)
  }

  /** @returns {Unsent[]} in the order of writing */
  unsent() {
    return this.#memory.recallKeys(this.#outbox).flatMap(clientId => {
      const { peerId, ...kept } = this.#memory.recall(this.#outbox + clientId) ?? {}
      // An earlier page kept the other person's id in place of the chat.
      return kept.content ? { clientId, chat: pairKey(peerId), ...kept } : []
    }).sort((a, b) => a.createdAt < b.createdAt ? -1 : 1)
  }

  /** @param {Unsent} message */
  keepUnsent({ clientId, ...kept }) {
    this.#memory.remember(this.#outbox + clientId, kept)
  }

  /** @param {string} clientId of a message that is stored, or given up */
  dropUnsent(clientId) {
    this.#memory.remember(this.#outbox + clientId, null)
  }

  /** Forgets all of it. */
  async forget() {
    for (const start of [this.#drafts, this.#outbox]) {
      for (const key of this.#memory.recallKeys(start)) this.#memory.remember(start + key, null)
    }
    await this.#memory.saved?.()
  }

  /** An earlier page kept drafts under the other person's id alone. */
  #carryOver() {
    for (const id of this.#memory.recallKeys(this.#drafts)) {
      if (!/^\d+$/.test(id)) continue
      const key = pairKey(Number(id))
      const texts = [key, id].map(name => this.#memory.recall(this.#drafts + name)).filter(Boolean)
      // Both are there where pages of both kinds were open side by side.
      this.keepDraft(key, [...new Set(texts)].join('\n'))
      this.#memory.remember(this.#drafts + id, null)
    }
  }
}
