// <typing-line>: who types in a conversation at the moment.

import { t } from '../i18n/words.js'
import { ChatPart } from './chat-part.js'
import { nameOf } from './names.js'

/** So many who type are named, and more are counted. */
const NAMED_MOST = 2

export class TypingLine extends ChatPart {
  connectedCallback() {
    super.connectedCallback()
    this.className = 'typing-line'
  }

  render() {
    const names = [...this.chat?.typing ?? []].map(id => nameOf(this.store.user(id)))
    // More than a few would be a crowd of names that come and go.
    this.textContent = names.length > NAMED_MOST ? t('manyType', { count: names.length })
      : names.map(name => t('typing', { name })).join(' ')
  }
}

customElements.define('typing-line', TypingLine)
