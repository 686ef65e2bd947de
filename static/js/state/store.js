// All that the page knows about chats, and the only place where it changes: `hear` takes the
// server's events under their own names, `apply` those and the answers of REST and what the person
// does here; then `change` tells the elements. Pure: no network, no clock, no document.

import { Book } from './book.js'
import { listed, toldOf } from './chats.js'
import { done } from './done.js'
import { ofMessages } from './heard-of-messages.js'
import { ofPeople } from './heard-of-people.js'
import { read } from './read.js'
import { unsent } from './timeline.js'

/** @typedef {import('./book.js').StoreEvent} StoreEvent */

/**
 * `change` events carry `{ chat }`: the key of the chat that changed, or undefined where several
 * may have. Before it, `rewound` says that no id of a message means what it did, and `gone`
 * `{ chat }` that what was said there is deleted, or that the person here is no member any more
 * (`left`).
 */
export class Store extends Book {
  #fromServer = { ...ofMessages(this), ...ofPeople(this) }
  #fromHere = { ...read(this), ...done(this) }

  /** The chats that have something to show, the latest first. */
  list() {
    return listed(this.chats.values())
  }

  /**
   * The number of messages that the person here is to be told of.
   * @param {number} [now] as `Date.now()` counts; without it no chat is muted
   */
  unreadTotal(now = Infinity) {
    return [...this.chats.values()].reduce((sum, chat) => sum + toldOf(chat, now), 0)
  }

  get totalUnread() { return this.unreadTotal() }

  /** Our messages that wait to be stored, in the order of sending, each with its chat. */
  pending() {
    const all = [...this.chats.values()].flatMap(chat => unsent(chat.thread.messages).map(message => ({ chat, message })))
    return all.filter(({ message }) => message.state === 'pending')
      .sort((a, b) => a.message.createdAt < b.message.createdAt ? -1 : 1)
  }

  /**
   * Takes in an event of the server's; one that it does not know, as a newer server may have,
   * changes nothing.
   * @param {StoreEvent} event
   */
  hear(event) {
    this.heard++
    if (Object.hasOwn(this.#fromServer, event.type)) this.apply(event)
  }

  /** @param {StoreEvent} event throws where there is none of that type */
  apply(event) {
    const table = [this.#fromServer, this.#fromHere].find(table => Object.hasOwn(table, event.type))
    if (!table) throw new Error(`no event named ${event.type}`)
    const chat = table[event.type](event.data, event)
    this.dispatchEvent(new CustomEvent('change', { detail: { chat } }))
  }
}
