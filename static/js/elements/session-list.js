// <session-list>: a dialog with what one is logged in by, on this device and on others, to be ended
// one by one or all others at once. It says `end-session` and `end-other-sessions`; dialogs.js asks
// the server. Loaded when it is first asked for.

import { longTime, shortDate } from '../i18n/dates.js'
import { word } from '../i18n/session-words.js'
import { errorText, t, translate } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { make, makeSheet } from '../lib/make.js'
import { part } from '../lib/template.js'

/**
 * @typedef {{ id: string, created_at: string | null, last_used_at: string | null,
 *   client: string | null, address: string | null, current: boolean }} Session
 */

export class SessionList extends HTMLElement {
  #sheet = makeSheet('sessions')

  connectedCallback() {
    const { dialog, body } = this.#sheet
    body.append(
      make('p', { part: 'sessions-hint', className: 'hint' }),
      make('p', { part: 'wrong', className: 'result wrong', role: 'alert', hidden: true }),
      make('ul', { part: 'sessions', className: 'accounts' }),
      make('button', { part: 'others', type: 'button', className: 'small-button', hidden: true }),
    )
    this.replaceChildren(dialog)
    part(this, 'others').addEventListener('click', () => intend(this, { type: 'end-other-sessions' }))
    part(this, 'sessions').addEventListener('click', ({ target }) => {
      const id = target instanceof Element ? target.closest('button')?.closest('li')?.dataset.key : undefined
      if (id) intend(this, { type: 'end-session', id })
    })
  }

  // What dialogs.js asks.

  show() {
    translate(this)
    this.#sheet.title.textContent = t('sessions')
    part(this, 'sessions-hint').textContent = word('sessionsHint')
    part(this, 'others').textContent = word('endOthers')
    if (!this.#sheet.dialog.open) this.#sheet.dialog.showModal()
  }

  /** @param {Session[]} sessions */
  listed(sessions) {
    part(this, 'wrong').hidden = true
    part(this, 'others').hidden = !sessions.some(({ current }) => !current)
    keyed(part(this, 'sessions'), sessions, {
      key: ({ id }) => id,
      create: () => make('li', {},
        make('div', { className: 'account-text' }, make('p', { part: 'name', className: 'account-name' }), make('p', { part: 'note', className: 'account-note' })),
        make('button', { part: 'end', type: 'button', className: 'small-button' })),
      update: (node, session) => this.#fill(node, session),
    })
  }

  /** @param {string} code */
  fail(code) {
    part(this, 'wrong').hidden = false
    part(this, 'wrong').textContent = errorText(code)
  }

  // Inside.

  /** @param {HTMLElement} node @param {Session} session */
  #fill(node, { id, created_at, last_used_at, client, address, current }) {
    const name = id === 'earlier' ? word('sessionEarlier') : id === 'app' ? word('sessionApp') : client ?? word('sessionUnknown')
    const used = !current && last_used_at && word('sessionUsed', { when: longTime(new Date(last_used_at), new Date()) })
    const since = created_at && word('sessionSince', { date: shortDate(new Date(created_at)) })
    part(node, 'name').textContent = name
    part(node, 'note').textContent = [current && word('sessionCurrent'), address, since, used].filter(Boolean).join(' · ')
    part(node, 'end').textContent = word('endSession')
    part(node, 'end').setAttribute('aria-label', word('endFor', { name }))
    part(node, 'end').hidden = current
  }
}

customElements.define('session-list', SessionList)
