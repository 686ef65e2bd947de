// <admin-panel>: a dialog for administrators: invite links to hand out or take back, and the
// accounts, to be disabled, enabled, promoted or demoted. It says what is wanted; dialogs.js asks
// the server and hands in what it answered. Loaded when it is first asked for.

import { longTime, shortDate } from '../i18n/dates.js'
import { word } from '../i18n/reset-link-words.js'
import { errorText, t, translate } from '../i18n/words.js'
import { paintAvatar } from '../lib/avatar.js'
import { copyField } from '../lib/clipboard.js'
import { asDialog } from '../lib/dialog.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { make } from '../lib/make.js'
import { clone, part } from '../lib/template.js'
import { nameOf } from './names.js'

/** @typedef {import('../net/api.js').User & { disabled: boolean, created_at: string }} Account */
/**
 * @typedef {{ code: string, url: string, max_uses: number, uses: number, expires_at: string,
 *   room?: { name: string } }} Invite
 */

const USES = [1, 5, 25, 100]
const DAYS = [1, 7, 30]
const DAY_S = 86_400

export class AdminPanel extends HTMLElement {
  #myId
  /** @type {Account[]} */ #accounts = []
  /** @type {Invite[]} */ #invites = []

  /** @param {number} myId */
  constructor(myId) {
    super()
    this.#myId = myId
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('admin')))
    asDialog(this.#dialog)
    part(this, 'invite').addEventListener('click', () => intend(this, {
      type: 'invite',
      wish: { max_uses: Number(this.#select('uses').value), expires_in: Number(this.#select('days').value) * DAY_S },
    }))
    part(this, 'accounts').before(make('button', { part: 'reports', type: 'button', className: 'small-button' }))
    part(this, 'reports').addEventListener('click', () => intend(this, { type: 'reports' }))
    part(this, 'more').addEventListener('click', () => intend(this, { type: 'accounts', after: this.#accounts.at(-1)?.id }))
    part(this, 'invites').addEventListener('click', event => this.#onInvite(event))
    part(this, 'accounts').addEventListener('click', event => this.#onAccount(event))
  }

  // What dialogs.js asks.

  show() {
    translate(this)
    part(this, 'reports').textContent = t('reports')
    this.#choices('uses', USES, 'people')
    this.#choices('days', DAYS, 'days')
    this.#accounts = []
    this.#say('')
    this.render()
    this.#dialog.showModal()
    part(this, 'invite').focus()
  }

  /** @param {Account[]} accounts a page of them @param {boolean} hasMore */
  listed(accounts, hasMore) {
    this.changed(accounts)
    part(this, 'more').hidden = !hasMore
  }

  /** @param {Account[]} accounts as they are now */
  changed(accounts) {
    const fresh = new Map(accounts.map(account => [account.id, account]))
    const kept = this.#accounts.filter(({ id }) => !fresh.has(id))
    this.#accounts = [...kept, ...fresh.values()].sort((a, b) => a.id - b.id)
    this.#say('')
    this.render()
  }

  /** @param {Invite[]} invites */
  invited(invites) {
    this.#invites = invites
    this.#say('')
    this.render()
  }

  /**
   * A link was made by which somebody gives their account another password.
   * @param {number} id
   * @param {string} link
   */
  resetLinked(id, link) {
    this.#say('')
    const row = [...part(this, 'accounts').children].find(node => /** @type {HTMLElement} */ (node).dataset.key === String(id))
    if (!row) return
    const name = nameOf(/** @type {Account} */ (this.#accounts.find(account => account.id === id)))
    const field = make('input', { readOnly: true, value: link, ariaLabel: word('resetLinkOf', { name }) })
    row.querySelector('.with-copy')?.remove()
    row.append(make('div', { className: 'with-copy' }, make('p', { className: 'account-note', role: 'status' }, word('resetLinkHint', { name })), field))
    copyField(field)
    row.scrollIntoView({ block: 'nearest' })
  }

  /** @param {HTMLElement} section what stands below the accounts */
  below(section) {
    if (!section.isConnected) part(this, 'accounts').closest('section')?.after(section)
  }

  /** @param {string} code @param {boolean} [ofAccount] whether an account was to be changed */
  fail(code, ofAccount = false) {
    this.#say(ofAccount && code === 'forbidden' ? t('lastAdmin') : errorText(code))
    this.render()
  }

  // Inside.

  get #dialog() { return /** @type {HTMLDialogElement} */ (this.firstElementChild) }
  /** @param {string} name */
  #select(name) { return /** @type {HTMLSelectElement} */ (part(this, name)) }

  /** @param {string} text */
  #say(text) {
    part(this, 'wrong').hidden = text === ''
    part(this, 'wrong').textContent = text
    // What was pressed may stand far below it.
    if (text !== '') part(this, 'wrong').scrollIntoView({ block: 'nearest' })
  }

  /** @param {string} name @param {number[]} values @param {string} words */
  #choices(name, values, words) {
    const chosen = this.#select(name).value || String(values[0])
    this.#select(name).replaceChildren(...values.map(count => new Option(t(words, { count }), String(count))))
    this.#select(name).value = name === 'days' && !this.#invites.length ? '7' : chosen
  }

  /**
   * @param {Event} event
   * @returns {{ key: string, does: string, row: HTMLElement } | null} the button that was pressed,
   *   and whose
   */
  #pressed(event) {
    const button = event.target instanceof Element ? event.target.closest('button') : null
    const row = button?.closest('li')
    if (!button || !row) return null
    return { key: row.dataset.key ?? '', does: button.dataset.part ?? '', row }
  }

  /** @param {Event} event */
  #onInvite(event) {
    const pressed = this.#pressed(event)
    if (pressed?.does === 'revoke') intend(this, { type: 'revoke-invite', code: pressed.key })
    if (pressed?.does !== 'copy') return
    const copied = copyField(/** @type {HTMLInputElement} */ (part(pressed.row, 'link')))
    copied.then(done => { if (done) part(pressed.row, 'copy').textContent = t('copied') })
  }

  /** @param {Event} event */
  #onAccount(event) {
    const pressed = this.#pressed(event)
    const account = this.#accounts.find(({ id }) => String(id) === pressed?.key)
    if (!pressed || !account) return
    if (pressed.does === 'reset') return intend(this, { type: 'reset-link', id: account.id })
    const change = pressed.does === 'disable' ? { disabled: !account.disabled } : { is_admin: !account.is_admin }
    intend(this, { type: 'change-account', id: account.id, change })
  }

  render() {
    const now = new Date()
    keyed(part(this, 'invites'), this.#invites.filter(({ uses, max_uses }) => uses < max_uses), {
      key: invite => invite.code,
      create: () => translate(clone('invite')),
      update: (node, { code, uses, max_uses, expires_at, room }) => {
        const link = /** @type {HTMLInputElement} */ (part(node, 'link'))
        // Of the page's own address: what path of a proxy the server lies below, it does not know
        // itself.
        const place = room ? `#/join/${code}` : `?${new URLSearchParams({ invite: code })}`
        link.value = new URL(place, document.baseURI).href
        const note = t('inviteNote', { count: max_uses - uses, date: shortDate(new Date(expires_at)) })
        part(node, 'note').textContent = room ? `${room.name} · ${note}` : note
      },
    })
    keyed(part(this, 'accounts'), this.#accounts, {
      key: account => String(account.id),
      create: () => {
        const node = clone('account')
        node.append(make('button', { part: 'reset', type: 'button', className: 'small-button' }))
        return node
      },
      update: (node, account) => this.#fill(node, account, now),
    })
  }

  /** @param {HTMLElement} node @param {Account} account @param {Date} now */
  #fill(node, account, now) {
    const me = account.id === this.#myId
    // Administrators tell accounts apart by what is unique.
    const name = nameOf(account) === account.username ? account.username : t('nameAlike', { name: nameOf(account), username: account.username })
    paintAvatar(part(node, 'avatar'), account)
    node.classList.toggle('is-disabled', account.disabled)
    part(node, 'name').textContent = me ? t('nameYou', { name }) : name
    const seen = account.online ? t('online') : account.last_seen ? t('lastSeen', { when: longTime(new Date(account.last_seen), now) })
      : t('joined', { date: shortDate(new Date(account.created_at)) })
    const roles = [account.disabled && t('disabled'), account.is_admin && t('administrator'), seen]
    part(node, 'note').textContent = roles.filter(Boolean).join(' · ')
    this.#label(part(node, 'promote'), account.is_admin ? 'demote' : 'promote', name)
    this.#label(part(node, 'disable'), account.disabled ? 'enable' : 'disable', name)
    part(node, 'reset').textContent = word('resetLink')
    part(node, 'reset').setAttribute('aria-label', word('resetLinkOf', { name }))
    // One does not lock oneself out by a slip, and knows one's own password.
    part(node, 'reset').hidden = me || account.disabled || (account.is_bot ?? false)
    part(node, 'disable').hidden = part(node, 'promote').hidden = me
    part(node, 'promote').hidden ||= account.disabled
  }

  /**
   * @param {HTMLElement} button
   * @param {string} key
   * @param {string} name whom it concerns, for who does not see the row
   */
  #label(button, key, name) {
    button.textContent = t(key)
    button.setAttribute('aria-label', t('buttonFor', { button: t(key), name }))
  }
}

customElements.define('admin-panel', AdminPanel)
