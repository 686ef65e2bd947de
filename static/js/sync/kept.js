// What the device keeps of an account until the server has it: drafts, and messages that are not
// stored yet. It survives a reload, a crash, and an upgrade of the page.

import { pairKey } from '../state/chats.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../lib/shelf.js').Memory} Memory */
/**
 * A message on its way to the server.
 * @typedef {{ chat: ChatKey, clientId: string, content: string, createdAt: string,
 *   replyTo?: import('../state/timeline.js').Quote,
 *   attachments?: import('../state/timeline.js').Attached[], mentions?: number[],
 *   mentionAll?: boolean, files?: Blob[] }} Unsent
 */

/** What is kept of one account, whose id follows. */
const OF_AN_ACCOUNT = /^(?:draft|outbox|place|begun|file)\.(\d+)(?:\.|$)/
/** So many bytes of files outlive the page, at most; what is more is sent as long as it is open. */
const MAX_FILE_BYTES = 256 << 20

export class Kept {
  #memory
  #myId
  #drafts
  #outbox
  #files
  /** The files of unsent messages, by message and place. @type {Map<string, Blob>} */
  #chosen = new Map()
  /** Where each upload began, likewise. @type {Map<string, string>} */
  #begun = new Map()
  /** True once this device keeps nothing of the account any more. */
  #forgotten = false

  /** @param {Memory} memory @param {number} myId */
  constructor(memory, myId) {
    this.#memory = memory
    this.#myId = String(myId)
    this.#drafts = `draft.${myId}.`
    this.#outbox = `outbox.${myId}.`
    this.#files = `file.${myId}.`
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
  keepUnsent({ clientId, files: _, ...kept }) {
    this.#remember(this.#outbox + clientId, kept)
  }

  /** @param {string} clientId of a message that is stored, or given up */
  dropUnsent(clientId) {
    this.#remember(this.#outbox + clientId, null)
    for (const name of this.#namesOf(clientId)) {
      this.#chosen.delete(name)
      this.#begun.delete(name)
      this.#remember(this.#files + name, null)
    }
  }

  /**
   * @param {string} clientId of the message
   * @param {number} at its place among the files
   * @param {Blob} file
   */
  keepFile(clientId, at, file) {
    const name = `${clientId}.${at}`
    this.#chosen.set(name, file)
    const all = this.#memory.recallKeys(this.#files).map(name => this.#memory.recall(this.#files + name))
    const bytes = all.reduce((sum, { size }) => sum + size, file.size)
    if (this.#memory.keepsFiles && bytes <= MAX_FILE_BYTES) this.#remember(this.#files + name, file)
  }

  /**
   * @param {string} clientId
   * @param {number} at
   * @returns {Blob | null} null where it did not outlive the page
   */
  file(clientId, at) {
    const name = `${clientId}.${at}`
    return this.#chosen.get(name) ?? this.#memory.recall(this.#files + name)
  }

  /**
   * @param {string} clientId
   * @param {number} at
   * @returns {string | undefined} where its upload began
   */
  begun(clientId, at) {
    return this.#begun.get(`${clientId}.${at}`) ?? this.#memory.recall(this.#outbox + clientId)?.begun?.[at]
  }

  /**
   * @param {string} clientId
   * @param {number} at
   * @param {string} [path] where its upload began; none where it is to begin anew
   */
  keepBegun(clientId, at, path) {
    if (path === undefined) this.#begun.delete(`${clientId}.${at}`)
    else this.#begun.set(`${clientId}.${at}`, path)
    const kept = this.#memory.recall(this.#outbox + clientId)
    if (kept) this.#remember(this.#outbox + clientId, { ...kept, begun: { ...kept.begun, [at]: path } })
  }

  /**
   * @param {string} clientId
   * @param {number} at
   * @param {import('../state/timeline.js').Attached} file that is at the server
   */
  keepUploaded(clientId, at, file) {
    const kept = this.#memory.recall(this.#outbox + clientId)
    if (kept?.attachments) this.#remember(this.#outbox + clientId, { ...kept, attachments: kept.attachments.with(at, file) })
  }

  /** @param {string} clientId @returns {string[]} the names of the files of a message */
  #namesOf(clientId) {
    const names = [...this.#chosen.keys(), ...this.#memory.recallKeys(this.#files)]
    return [...new Set(names)].filter(name => name.startsWith(`${clientId}.`))
  }

  /**
   * Forgets what waits to be sent in a chat that the person is in no more, and the draft.
   * @param {ChatKey} key
   */
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
    this.#chosen.clear()
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
