// <typing-line>: who types in a conversation at the moment.

import { t } from '../i18n/words.js'
import { ChatPart } from './chat-part.js'
import { nameOf } from './names.js'

export class TypingLine extends ChatPart {
  connectedCallback() {
    super.connectedCallback()
    this.className = 'typing-line'
  }

  render() {
    const names = [...this.chat?.typing ?? []].map(id => nameOf(this.store.user(id)))
    this.textContent = names.map(name => t('typing', { name })).join(' ')
  }
}

customElements.define('typing-line', TypingLine)
