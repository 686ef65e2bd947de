// What the device keeps of an account until the server has it: drafts, and messages that are not
// stored yet. It survives a reload, a crash, and an upgrade of the page.

import { pairKey } from '../state/chats.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../lib/shelf.js').Memory} Memory */
/**
 * A message on its way to the server.
 * @typedef {{ chat: ChatKey, clientId: string, content: string, createdAt: string,
 *   replyTo?: import('../state/timeline.js').Quote, attachments?: import('../state/timeline.js').Attached[], mentions?: number[], mentionAll?: boolean }} Unsent
 */

/** What is kept of one account, whose id follows. */
const OF_AN_ACCOUNT = /^(?:draft|outbox|place)\.(\d+)(?:\.|$)/

export class Kept {
  #memory
  #myId
  #drafts
  #outbox
  /** True once this device keeps nothing of the account any more. */
  #forgotten = false

  /** @param {Memory} memory @param {number} myId */
  constructor(memory, myId) {
    this.#memory = memory
    this.#myId = String(myId)
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
    this.#remember(this.#drafts + key, text)
  }

  /** @returns {Unsent[]} in the order of writing */
  unsent() {
    return this.#memory.recallKeys(this.#outbox).flatMap(clientId => {
      const { peerId, ...kept } = this.#memory.recall(this.#outbox + clientId) ?? {}
      // An earlier page kept the other person's id in place of the chat.
      return kept.content || kept.attachments ? { clientId, chat: pairKey(peerId), ...kept } : []
    }).sort((a, b) => a.createdAt < b.createdAt ? -1 : 1)
  }

  /** @param {Unsent} message */
  keepUnsent({ clientId, ...kept }) {
    this.#remember(this.#outbox + clientId, kept)
  }

  /** @param {string} clientId of a message that is stored, or given up */
  dropUnsent(clientId) {
    this.#remember(this.#outbox + clientId, null)
  }

  /** Forgets what waits to be sent in a chat that the person is in no more, and the draft. @param {ChatKey} key */
  dropChat(key) {
    this.keepDraft(key, '')
    for (const { clientId, chat } of this.unsent()) if (chat === key) this.dropUnsent(clientId)
  }

  /**
   * Forgets for good what this device keeps of the account: all of it, and where its chats were
   * read. Nothing is kept from then on, whatever is still typed before the page is gone.
   */
  async forget() {
    this.#forgotten = true
    await this.#memory.forget(key => OF_AN_ACCOUNT.exec(key)?.[1] === this.#myId)
  }

  /** Forgets what is kept of all others who were signed in on this device. */
  async forgetOthers() {
    await this.#memory.forget(key => (OF_AN_ACCOUNT.exec(key)?.[1] ?? this.#myId) !== this.#myId)
  }

  /** @param {string} key @param {unknown} value */
  #remember(key, value) {
    if (!this.#forgotten) this.#memory.remember(key, value)
  }

  /** An earlier page kept drafts under the other person's id alone. */
  #carryOver() {
    for (const id of this.#memory.recallKeys(this.#drafts)) {
      if (!/^\d+$/.test(id)) continue
      const key = pairKey(Number(id))
      const texts = [key, id].map(name => this.#memory.recall(this.#drafts + name)).filter(Boolean)
      // Both are there where pages of both kinds were open side by side.
      this.keepDraft(key, [...new Set(texts)].join('\n'))
      this.#remember(this.#drafts + id, null)
    }
  }
}
