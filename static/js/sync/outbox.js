// Sees to it that what was written here is stored at the server: once, and in the order of writing.
//
// Messages to send are kept on the device until the server says that they are stored or refuses
// them. Trying again is always safe: the client id makes the server store one once. One with files
// waits until these are at the server (uploads.js), and holds up no other meanwhile.

import { late } from '../lib/late.js'
import { ChatError, SIGNED_OUT } from '../net/api.js'
import { naming } from '../state/chats.js'
import { isPartial } from '../state/timeline.js'
import { RETRY_MS, TRY_AGAIN, pause } from './codes.js'

/** @typedef {import('../state/chats.js').ChatKey} ChatKey */
/** @typedef {import('../state/chats.js').Chat} Chat */
/** @typedef {import('../state/timeline.js').Message} Message */
/** @typedef {import('./kept.js').Unsent} Unsent */

/**
 * The server knows a client id for 24 hours. After that a message could be stored twice: ask the
 * person.
 */
const RESEND_WITHIN_MS = 20 * 3_600_000

export class Outbox {
  #store
  #socket
  #kept
  #failed
  #sending = false
  #loadUploads
  /** @type {Promise<import('./uploads.js').Uploads> | undefined} */
  #uploads

  /**
   * @param {{ store: import('../state/store.js').Store, socket: import('./sync.js').Socket,
   *   api: import('./sync.js').Api, kept: import('./kept.js').Kept,
   *   failed: (error: unknown) => string }} parts `failed` gives the code of an error
   */
  constructor({ store, socket, api, kept, failed }) {
    this.#loadUploads = async () => {
      const { Uploads } = await late(() => import('./uploads.js'))
      return new Uploads({ store, socket, api, kept, failed })
    }
    this.#store = store
    this.#socket = socket
    this.#kept = kept
    this.#failed = failed
    this.#restore()
  }

  /** @param {Unsent} message */
  send(message) {
    // What waits goes out in the order of these times, and clocks are set back.
    const last = this.#store.pending().at(-1)?.message.createdAt ?? ''
    if (message.createdAt <= last) message = { ...message, createdAt: new Date(Date.parse(last) + 1).toISOString() }
    // Both at once, so that the text is never in neither: from the draft it goes to the outbox.
    // What it answers may be deleted meanwhile, so the device keeps of it no more than which it is.
    this.#kept.keepUnsent(message.replyTo ? { ...message, replyTo: { id: message.replyTo.id } } : message)
    message.files?.forEach((file, at) => this.#kept.keepFile(message.clientId, at, file))
    this.draft(message.chat, '')
    this.#store.apply({ type: 'send', data: message })
    this.sendPending()
  }

  /** Tries a refused message again. @param {ChatKey} chat @param {string} clientId */
  retry(chat, clientId) {
    const failed = this.#store.chat(chat).thread.messages.find(message => message.clientId === clientId)
    // What the server has let go of is brought there once more, where it is still here.
    if (failed?.problem === 'not_found') {
      failed.attachments?.forEach((_, at) => {
        if (!this.#kept.file(clientId, at)) return
        this.#kept.keepBegun(clientId, at)
        this.#store.apply({ type: 'uploading', data: { chat, clientId, at, change: { part: 0 } } })
      })
    }
    this.#store.apply({ type: 'retry', data: { chat, clientId } })
    this.sendPending()
  }

  /** @param {ChatKey} chat @param {string} clientId */
  discard(chat, clientId) {
    this.#uploads?.then(uploads => uploads.stop(clientId))
    this.#kept.dropUnsent(clientId)
    this.#store.apply({ type: 'discard', data: { chat, clientId } })
  }

  /** @param {ChatKey} chat @param {string} text */
  draft(chat, text) {
    this.#kept.keepDraft(chat, text)
    this.#store.apply({ type: 'draft', data: { chat, text } })
  }

  /** One message is on its way at a time: what was written first is stored first. */
  async sendPending() {
    this.#upload()
    if (this.#sending) return
    this.#sending = true
    const whole = () => this.#store.pending().find(({ message }) => !isPartial(message))
    try {
      for (let next; this.#socket.connected && (next = whole());) await this.#deliver(next)
    } finally {
      this.#sending = false
    }
  }

  /** Brings the files to the server that are not there yet. */
  async #upload() {
    if (!this.#socket.connected || !this.#store.pending().some(({ message }) => isPartial(message))) return
    this.#uploads ??= this.#loadUploads()
    // Asked for again, it may come: with the next connection, or the next message.
    this.#uploads.catch(() => { this.#uploads = undefined })
    const uploads = await this.#uploads.catch(() => null)
    await uploads?.run(() => this.sendPending())
  }

  /**
   * @param {any} data of `message_sent` or `room_message`, by event or by ack, whichever comes
   *   first
   */
  stored(data) {
    if (data.client_id) this.#kept.dropUnsent(data.client_id)
    this.#store.hear({ type: data.room_id === undefined ? 'message_sent' : 'room_message', data })
  }

  /** @param {{ chat: Chat, message: Message }} next */
  async #deliver({ chat: { key }, message: { clientId, content, autoContent, replyTo, attachments, mentions, mentionAll } }) {
    try {
      this.stored(await this.#socket.emit('send_message', {
        ...naming(key, 'receiver_id'), content: autoContent ? '' : content, client_id: clientId,
        ...(replyTo && { reply_to: replyTo.id }), ...(attachments && { attachments: attachments.map(({ id, alt }) => alt ? { id, alt } : id) }),
        ...(mentions && { mentions }), ...(mentionAll && { mention_all: true }),
      }))
    } catch (error) {
      const code = this.#failed(error)
      if (!TRY_AGAIN.includes(code) && !SIGNED_OUT.includes(code)) {
        this.#store.apply({ type: 'send_failed', data: { chat: key, clientId, code } })
      // After a lost connection the next one is reason enough; else the server needs a moment.
      } else if (code !== 'connection_lost') {
        const wait = error instanceof ChatError && error.retryAfterMs || RETRY_MS
        if (code === 'rate_limited') this.#store.apply({ type: 'send_waits', data: { until: Date.now() + wait } })
        await pause(wait)
      }
    }
  }

  #restore() {
    for (const [chat, text] of this.#kept.drafts()) this.#store.apply({ type: 'draft', data: { chat, text } })
    for (const data of this.#kept.unsent()) {
      this.#store.apply({ type: 'send', data })
      const tooOld = Date.now() - new Date(data.createdAt).getTime() > RESEND_WITHIN_MS
      if (tooOld) this.#store.apply({ type: 'send_failed', data: { ...data, code: 'stale' } })
    }
  }
}
