// <room-form>: a dialog in which a room is made: its name, who may enter it, and the first people
// in it. It says `create-room`; rooms.js asks the server and hands in what it refused.

import { errorText, t, translate } from '../i18n/words.js'
import { asDialog, fillSelect } from '../lib/dialog.js'
import { intend } from '../lib/intent.js'
import { clone, part } from '../lib/template.js'
import { PeopleChoice } from './people-choice.js'

/** What may be chosen of a room, and the words for each. */
export const CHOICES = {
  kind: { closed: 'kindClosed', open: 'kindOpen' },
  history: { all: 'historyAll', joined: 'historyJoined' },
  post: { all: 'postAll', admins: 'postAdmins' },
}

export class RoomForm extends HTMLElement {
  #people = new PeopleChoice()
  /** True while the server is asked: another press of the key would make another room. */
  #isAsked = false

  connectedCallback() {
    this.replaceChildren(translate(clone('room-form')))
    part(this, 'choice').append(this.#people)
    asDialog(this.#dialog)
    part(this, 'form').addEventListener('submit', event => {
      event.preventDefault()
      if (this.#isAsked) return
      const name = this.#name.value.trim()
      if (name === '') return this.fail('room_name_needed')
      this.#say('')
      this.#isAsked = true
      intend(this, {
        type: 'create-room',
        wish: { name, kind: this.#select('kind').value, history: this.#select('history').value, member_ids: this.#people.ids },
      })
    })
  }

  // What rooms.js asks.

  show() {
    translate(this)
    this.#isAsked = false
    this.#name.value = ''
    this.#say('')
    this.#people.clear()
    for (const name of /** @type {const} */ (['kind', 'history'])) fillSelect(this.#select(name), CHOICES[name], t)
    this.#dialog.showModal()
    this.#name.focus()
  }

  close() {
    this.#dialog.close()
  }

  /** @param {string} code */
  fail(code) {
    this.#isAsked = false
    this.#say(errorText(code))
    this.#name.setAttribute('aria-invalid', String(code === 'room_name_needed'))
    this.#name.focus()
  }

  // Inside.

  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }
  get #name() { return /** @type {HTMLInputElement} */ (part(this, 'name')) }
  /** @param {string} name */
  #select(name) { return /** @type {HTMLSelectElement} */ (part(this, name)) }

  /** @param {string} text */
  #say(text) {
    part(this, 'wrong').hidden = text === ''
    part(this, 'wrong').textContent = text
    this.#name.setAttribute('aria-invalid', 'false')
  }
}

customElements.define('room-form', RoomForm)
