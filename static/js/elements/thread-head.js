// <thread-head>: whom a conversation is with, whether they are there, and the way back to the list.

import { longTime } from '../i18n/dates.js'
import { t, translate } from '../i18n/words.js'
import { paintAvatar } from '../lib/avatar.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'
import { ChatPart } from './chat-part.js'
import { nameOf } from './names.js'

export class ThreadHead extends ChatPart {
  connectedCallback() {
    super.connectedCallback()
    this.replaceChildren(translate(clone('thread-head')))
    part(this, 'back').addEventListener('click', event => {
      event.preventDefault()
      intend(this, { type: 'back' })
    })
  }

  /** Puts the focus on the name. */
  focusName() {
    part(this, 'name').focus({ preventScroll: true })
  }

  render() {
    const { chat, peer } = this
    if (!chat) return
    paintAvatar(part(this, 'avatar'), peer)
    part(this, 'name').textContent = nameOf(peer)
    const presence = this.store.presence.get(chat.peerId)
    const when = presence?.lastSeen && longTime(new Date(presence.lastSeen), new Date())
    const status = part(this, 'status')
    status.textContent = presence?.online ? t('online') : when ? t('lastSeen', { when }) : ''
    status.classList.toggle('is-online', presence?.online ?? false)
  }
}

customElements.define('thread-head', ThreadHead)
