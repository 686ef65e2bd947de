// What the reader of a conversation has seen, and what they are told: `read` while the conversation
// is visible and focused, and `announce` for those who hear the page.

import { t } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { newestReceived, receivedAfter } from '../state/timeline.js'
import { countOf } from '../state/unread.js'
import { nameOf } from './names.js'

/** @typedef {import('../state/timeline.js').Thread} Thread */

/** Reading along is told at once, and then at most once in this time. */
const READ_EVERY_MS = 200
/** More new messages than this at once are announced by their number. */
const ANNOUNCED_MOST = 3

export class ReadAlong {
  /** The newest message that the reader has had in view. */
  seen = 0
  #list
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later
  /** The newest message by others that needs no announcement any more. */
  #announced = 0

  /** @param {import('./chat-part.js').ChatPart} list for which it speaks */
  constructor(list) {
    this.#list = list
  }

  /** Begins with another conversation, or ends. */
  startOver() {
    clearTimeout(this.#later)
    this.#later = undefined
    this.#announced = this.seen = 0
  }

  /** Says what has been read, if anything unread was seen. */
  mark() {
    const { chat } = this.#list
    if (!chat || document.visibilityState !== 'visible' || !document.hasFocus()) return
    const upTo = this.seen
    if (upTo === 0 || this.#later !== undefined || countOf(chat.unread) === 0) return
    intend(this.#list, { type: 'read', chat: chat.key, upTo })
    this.#later = setTimeout(() => {
      this.#later = undefined
      if (this.seen > upTo) this.mark()
    }, READ_EVERY_MS)
  }

  /** Announces what came while the conversation was open, and not what the history brought.
   * @param {Thread} thread */
  announce({ messages, loaded }) {
    if (!loaded) return
    const { me } = this.#list.store
    const fresh = this.#announced > 0 ? receivedAfter(messages, me.id, this.#announced) : []
    if (fresh.length > ANNOUNCED_MOST) this.#say(t('newBelow', { count: fresh.length }))
    else if (fresh.length > 0) {
      const name = (/** @type {number} */ id) => nameOf(this.#list.store.user(id))
      this.#say(fresh.map(({ senderId, as, content }) => t('announce', { name: as ? `${as} (${t('bot')})` : name(senderId), text: content })).join('\n'))
    }
    this.#announced = Math.max(newestReceived(messages, me.id), 1)
  }

  /** @param {string} text */
  #say(text) {
    intend(this.#list, { type: 'announce', text })
  }
}
