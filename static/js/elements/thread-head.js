// <thread-head>: whom a conversation is with, or in which room it is, the way to all that is to be
// known of it, and the way back to the list.

import { longTime } from '../i18n/dates.js'
import { t, translate } from '../i18n/words.js'
import { paintAvatar, paintRoom } from '../lib/avatar.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'
import { idOf, isRoom } from '../state/chats.js'
import { ChatPart } from './chat-part.js'

export class ThreadHead extends ChatPart {
  connectedCallback() {
    super.connectedCallback()
    this.replaceChildren(translate(clone('thread-head')))
    part(this, 'back').addEventListener('click', event => {
      event.preventDefault()
      intend(this, { type: 'back' })
    })
    part(this, 'details').addEventListener('click', () => intend(this, { type: 'details', chat: this.key }))
  }

  /** Puts the focus on the name. */
  focusName() {
    part(this, 'name').focus({ preventScroll: true })
  }

  render() {
    const { chat } = this
    if (!chat) return
    if (isRoom(chat.key)) paintRoom(part(this, 'avatar'), idOf(chat.key), chat.room?.avatar)
    else paintAvatar(part(this, 'avatar'), this.store.user(chat.peerId))
    part(this, 'details').textContent = this.called
    const status = part(this, 'status')
    status.textContent = isRoom(chat.key) ? roomStatus(chat) : this.#presence(chat.peerId)
    status.classList.toggle('is-online', this.store.presence.get(chat.peerId)?.online ?? false)
  }

  /** @param {number} id */
  #presence(id) {
    const presence = this.store.presence.get(id)
    const when = presence?.lastSeen && longTime(new Date(presence.lastSeen), new Date())
    return presence?.online ? t('online') : when ? t('lastSeen', { when }) : ''
  }
}

/** @param {import('../state/chats.js').Chat} chat */
function roomStatus({ room }) {
  if (!room) return ''
  const about = room.archivedAt ? t('archived') : room.topic
  return [t('memberCount', { count: room.memberCount }), about].filter(Boolean).join(' · ')
}

customElements.define('thread-head', ThreadHead)
