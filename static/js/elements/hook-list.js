// <hook-list>: the bots and the hooks of the server, for administrators, below what else they see:
// how each fares, with the way to resume it or to take it away, and the forms that make them. It
// says what is wanted; dialogs.js asks the server and hands in what it answered. Loaded with the
// first look at it.

import { longTime } from '../i18n/dates.js'
import { word } from '../i18n/hook-words.js'
import { t } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { HookMaker } from './hook-maker.js'

/**
 * @typedef {{ id: number, username: string, name: string, disabled: boolean,
 *   keys: { id: number, paused: boolean }[] }} Bot
 */
/**
 * @typedef {{ id: number, bot_id: number, room_id?: number, user_id?: number, name: string,
 *   paused: boolean }} HookIn
 */
/** @typedef {{ at: string, status: number | null, error: string | null }} Answer */
/**
 * @typedef {{ id: number, url: string, events: string[], state: 'active' | 'failing' | 'paused',
 *   paused_by: string | null, failing_since: string | null, set_aside: number, behind: number,
 *   last_answer: Answer | null }} HookOut
 */
/**
 * @typedef {{ bots: Bot[], incoming: HookIn[], outgoing: HookOut[], direct: boolean,
 *   nameOf: (id: number) => string }} Programs
 */

/** @type {Record<string, 'byAdministrator' | 'byGone' | 'byFailing' | 'byRestore'>} */
const PAUSED_BY = { administrator: 'byAdministrator', gone: 'byGone', failing: 'byFailing', restore: 'byRestore' }

/**
 * A part of a row, or a button in it.
 * @param {string} tag
 * @param {string} name
 * @param {string} look
 */
function made(tag, name, look) {
  const node = document.createElement(tag)
  node.dataset.part = name
  node.className = look
  return node
}

/** One row: a name, a note, and the buttons that concern it. */
function row() {
  const item = document.createElement('li'), text = made('div', 'about', 'account-text')
  const name = made('p', 'name', 'account-name')
  name.dir = 'auto'
  text.append(name, made('p', 'note', 'account-note'))
  const buttons = ['resume', 'remove'].map(does => {
    const button = /** @type {HTMLButtonElement} */ (made('button', does, 'small-button'))
    button.type = 'button'
    return button
  })
  item.append(text, ...buttons)
  return item
}

/** @param {Element} node @param {string} name */
const partOf = (node, name) => /** @type {HTMLElement} */ (node.querySelector(`[data-part="${name}"]`))

export class HookList extends HTMLElement {
  /** @type {Programs} */
  #programs = { bots: [], incoming: [], outgoing: [], direct: false, nameOf: String }
  /** The row that is to be removed at the next press. */
  #sure = ''
  /** What makes bots, and hooks of both ways. */
  #makers = { bots: [new HookMaker('bot')], hooks: [new HookMaker('in'), new HookMaker('out')] }

  connectedCallback() {
    if (this.firstElementChild) return
    for (const name of /** @type {const} */ (['bots', 'hooks'])) {
      const section = document.createElement('section')
      section.append(made('h3', `${name}-title`, ''), made('p', `${name}-none`, 'account-note'), made('ul', name, 'accounts'), ...this.#makers[name])
      this.append(section)
    }
    partOf(this, 'hooks-title').after(made('p', 'told', 'account-note'))
    this.addEventListener('click', event => this.#onPress(event))
  }

  // What dialogs.js asks.

  /** @param {Programs} programs */
  show(programs) {
    this.#programs = programs
    this.#sure = ''
    this.render()
    for (const maker of [...this.#makers.bots, ...this.#makers.hooks]) maker.show(programs.bots, programs.direct)
  }

  // Inside.

  /** @param {Event} event */
  #onPress(event) {
    const button = event.target instanceof Element ? event.target.closest('button') : null
    const key = button?.closest('li')?.dataset.key
    if (!button || !key) return
    const [way, id] = key.split(' ')
    if (button.dataset.part === 'resume') return void intend(this, this.#resumption(way, Number(id)))
    // What cannot be undone is asked for twice, in the same place.
    if (this.#sure === key) return void intend(this, { type: 'remove-hook', way, id: Number(id) })
    this.#sure = key
    this.render()
  }

  /** @param {string} way @param {number} id */
  #resumption(way, id) {
    if (way === 'bot') {
      const bot = this.#programs.bots.find(bot => bot.id === id)
      return { type: 'confirm-keys', keys: bot?.keys.filter(({ paused }) => paused).map(key => key.id) ?? [] }
    }
    const hook = this.#programs.outgoing.find(hook => hook.id === id)
    return { type: 'change-hook', way, id, paused: way === 'out' && hook?.state !== 'paused' }
  }

  render() {
    const { bots, incoming, outgoing, direct } = this.#programs
    const now = new Date()
    partOf(this, 'told').textContent = word('told')
    partOf(this, 'told').hidden = !direct
    const hooks = [...incoming.map(hook => ({ key: `in ${hook.id}`, hook })), ...outgoing.map(hook => ({ key: `out ${hook.id}`, hook }))]
    this.#head('bots', word('bots'), bots.length ? '' : word('noBots'))
    this.#head('hooks', word('hooks'), hooks.length ? '' : word('noHooks'))
    keyed(partOf(this, 'bots'), bots, {
      key: bot => `bot ${bot.id}`,
      create: row,
      update: (node, bot) => this.#fillBot(node, bot),
    })
    keyed(partOf(this, 'hooks'), hooks, {
      key: ({ key }) => key,
      create: row,
      update: (node, { hook, key }) => 'url' in hook ? this.#fillOut(node, key, hook, now) : this.#fillIn(node, key, hook),
    })
  }

  /** @param {string} name @param {string} title @param {string} none */
  #head(name, title, none) {
    partOf(this, `${name}-title`).textContent = title
    partOf(this, `${name}-none`).textContent = none
    partOf(this, `${name}-none`).hidden = none === ''
  }

  /** @param {Element} node @param {Bot} bot */
  #fillBot(node, bot) {
    const waits = bot.keys.some(({ paused }) => paused)
    const notes = [bot.disabled && t('disabled'), word('botKeys', { count: bot.keys.length }), waits && word('byRestore')]
    this.#fill(node, bot.name === bot.username ? bot.username : `${bot.name} (${bot.username})`, notes)
    this.#label(node, 'resume', waits ? word('confirm') : '', bot.username)
    this.#label(node, 'remove', '', bot.username)
  }

  /** @param {Element} node @param {string} key @param {HookIn} hook */
  #fillIn(node, key, hook) {
    const { nameOf } = this.#programs
    const chat = hook.room_id === undefined ? word('toPerson', { name: nameOf(hook.user_id ?? 0) }) : word('toRoom', { id: hook.room_id })
    const notes = [word('incoming', { bot: nameOf(hook.bot_id), chat }), hook.paused && word('byRestore')]
    this.#fill(node, hook.name, notes)
    this.#label(node, 'resume', hook.paused ? word('confirm') : '', hook.name)
    this.#label(node, 'remove', word(this.#sure === key ? 'removeAsk' : 'remove'), hook.name)
  }

  /** @param {Element} node @param {string} key @param {HookOut} hook @param {Date} now */
  #fillOut(node, key, hook, now) {
    const when = (/** @type {string} */ at) => longTime(new Date(at), now)
    const { state, paused_by, failing_since, last_answer: last, events } = hook
    const fares = state === 'paused' ? word(PAUSED_BY[paused_by ?? ''] ?? 'paused')
      : state === 'failing' && failing_since ? word('failing', { when: when(failing_since) }) : word('active')
    const answer = !last ? word('neverAsked')
      : last.status === null ? word('unanswered', { when: when(last.at), error: last.error ?? '' })
      : word('answered', { when: when(last.at), status: last.status })
    this.#fill(node, hook.url, [
      fares, answer,
      word('outgoing', { events: events.length ? events.join(', ') : word('everything') }),
      hook.behind > 0 && word('behind', { count: hook.behind }),
      hook.set_aside > 0 && word('setAside', { count: hook.set_aside }),
    ])
    node.classList.toggle('is-disabled', state === 'paused')
    const resume = state !== 'paused' ? word('pause') : word(paused_by === 'restore' ? 'confirm' : 'resume')
    this.#label(node, 'resume', resume, hook.url)
    this.#label(node, 'remove', word(this.#sure === key ? 'removeAsk' : 'remove'), hook.url)
  }

  /** @param {Element} node @param {string} name @param {(string | false)[]} notes */
  #fill(node, name, notes) {
    partOf(node, 'name').textContent = name
    partOf(node, 'note').textContent = notes.filter(Boolean).join(' · ')
  }

  /**
   * @param {Element} node
   * @param {string} does
   * @param {string} text none for a button that is not to be had
   * @param {string} name
   */
  #label(node, does, text, name) {
    const button = partOf(node, does)
    button.hidden = text === ''
    button.textContent = text
    button.setAttribute('aria-label', t('buttonFor', { button: text, name }))
  }
}

customElements.define('hook-list', HookList)
