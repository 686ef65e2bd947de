// <push-settings>: a part of the profile in which notifications of this device are turned on, tried
// and turned off. What is to happen then is handed in; it asks for nothing by itself.

import { word } from '../i18n/push-words.js'

/** @typedef {'text' | 'sender' | 'nothing'} Show */
/** @typedef {{ kind: 'none' | 'install' | 'denied' | 'off' | 'on', show: Show }} State */
/**
 * @typedef {{ on(show: Show): unknown, off(): unknown, change(show: Show): unknown,
 *   trial(): unknown }} Answers
 */

const SHOWS = /** @type {const} */ (['text', 'sender', 'nothing'])

/** @param {string} name @param {object} properties @returns {any} */
const make = (name, properties) => Object.assign(document.createElement(name), properties)

export class PushSettings extends HTMLElement {
  /** @type {Answers | undefined} */
  #answers
  #heading = make('h3', {})
  #reason = make('p', { className: 'hint' })
  #label = make('label', { htmlFor: 'push-show' })
  #select = make('select', { id: 'push-show' })
  #on = make('button', { type: 'button', className: 'primary-button' })
  #off = make('button', { type: 'button', className: 'link-button' })
  #test = make('button', { type: 'button', className: 'small-button' })
  #note = make('p', { className: 'result' })

  connectedCallback() {
    if (this.firstChild) return
    this.#note.setAttribute('role', 'status')
    this.append(this.#heading, this.#reason, this.#label, this.#select, this.#on, this.#test, this.#off, this.#note)
    for (const control of this.#controls) control.hidden = true
    this.#on.addEventListener('click', () => this.#ask(answers => answers.on(this.#show)))
    this.#off.addEventListener('click', () => this.#ask(answers => answers.off()))
    this.#test.addEventListener('click', () => this.#ask(answers => answers.trial()))
    this.#select.addEventListener('change', () => {
      if (this.#on.hidden) this.#ask(answers => answers.change(this.#show))
    })
  }

  // What the page asks.

  /** @param {Answers} answers */
  answer(answers) {
    this.#answers = answers
  }

  /** @param {State} state */
  show({ kind, show }) {
    this.#words()
    this.#select.value = show
    this.#on.hidden = kind !== 'off'
    this.#off.hidden = this.#test.hidden = kind !== 'on'
    this.#select.hidden = this.#label.hidden = kind !== 'on' && kind !== 'off'
    this.#say(kind === 'on' ? word('isOn') : kind === 'off' ? '' : word(kind), false)
  }

  /**
   * What the push service answered to a trial.
   * @param {{ status?: number, error?: string }} answer
   */
  tried({ status, error }) {
    if (status === undefined) this.#say(word('unreached', error), true)
    else if (status < 300) this.#say(word('sent'), false)
    else this.#say(status === 404 || status === 410 ? word('gone') : word('refused', status), true)
  }

  /** @param {string} _code */
  fail(_code) {
    this.#words()
    this.#say(word('failed'), true)
  }

  // Inside.

  get #controls() { return [this.#label, this.#select, this.#on, this.#off, this.#test] }
  get #show() { return /** @type {Show} */ (this.#select.value) }

  /** @param {(answers: Answers) => unknown} what */
  async #ask(what) {
    if (!this.#answers) return
    this.#say('', false)
    const buttons = [this.#on, this.#off, this.#test]
    for (const button of buttons) button.disabled = true
    await what(this.#answers)
    for (const button of buttons) button.disabled = false
    // A button that is gone has taken the focus with it.
    if (document.activeElement === document.body) buttons.find(button => !button.hidden)?.focus()
  }

  #words() {
    this.#heading.textContent = word('title')
    this.#reason.textContent = word('reason')
    this.#label.textContent = word('show')
    this.#on.textContent = word('on')
    this.#off.textContent = word('off')
    this.#test.textContent = word('test')
    const { value } = this.#select
    this.#select.replaceChildren(...SHOWS.map(value => make('option', { value, textContent: word(value) })))
    this.#select.value = value || 'text'
  }

  /** @param {string} text @param {boolean} isWrong */
  #say(text, isWrong) {
    this.#note.textContent = text
    this.#note.classList.toggle('wrong', isWrong)
  }
}

customElements.define('push-settings', PushSettings)
