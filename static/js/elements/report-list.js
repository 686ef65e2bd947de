// <report-list>: a dialog for administrators with the open reports, to be closed. It says
// `close-report` and `more-reports`; dialogs.js asks the server. Loaded when it is first asked for.

import { longTime } from '../i18n/dates.js'
import { word } from '../i18n/report-words.js'
import { errorText, t, translate } from '../i18n/words.js'
import { intend } from '../lib/intent.js'
import { keyed } from '../lib/keyed.js'
import { make, makeSheet } from '../lib/make.js'
import { part } from '../lib/template.js'
import { nameOf } from './names.js'

/** @typedef {import('./names.js').Named} Named */
/**
 * @typedef {{ id: number, by: Named, about: Named, reason: string, message?: { content: string },
 *   created_at: string }} Report
 */

export class ReportList extends HTMLElement {
  #sheet = makeSheet('reports')
  /** @type {Report[]} */
  #reports = []
  /** @type {string | undefined} */
  #next

  connectedCallback() {
    const { dialog, body } = this.#sheet
    body.append(
      make('p', { part: 'reports-hint', className: 'hint' }),
      make('p', { part: 'wrong', className: 'result wrong', role: 'alert', hidden: true }),
      make('ul', { part: 'reports', className: 'accounts' }),
      make('p', { part: 'none', role: 'status', hidden: true }),
      make('button', { part: 'more', type: 'button', className: 'link-button', hidden: true }),
    )
    this.replaceChildren(dialog)
    part(this, 'more').addEventListener('click', () => intend(this, { type: 'more-reports', after: this.#next }))
    part(this, 'reports').addEventListener('click', ({ target }) => {
      const id = Number(target instanceof Element ? target.closest('button')?.closest('li')?.dataset.key : undefined)
      if (id) intend(this, { type: 'close-report', id })
    })
  }

  // What dialogs.js asks.

  show() {
    translate(this)
    this.#sheet.title.textContent = t('reports')
    part(this, 'reports-hint').textContent = word('reportsHint')
    part(this, 'none').textContent = word('noReports')
    part(this, 'more').textContent = word('moreReports')
    this.#reports = []
    if (!this.#sheet.dialog.open) this.#sheet.dialog.showModal()
  }

  /** @param {Report[]} reports a page of them @param {string} [next] whereafter there are more */
  listed(reports, next) {
    this.#reports = [...this.#reports, ...reports]
    this.#next = next
    this.#render()
  }

  /** @param {number} id */
  closed(id) {
    this.#reports = this.#reports.filter(report => report.id !== id)
    this.#render()
  }

  /** @param {string} code */
  fail(code) {
    part(this, 'wrong').hidden = false
    part(this, 'wrong').textContent = errorText(code)
  }

  // Inside.

  #render() {
    part(this, 'wrong').hidden = true
    part(this, 'none').hidden = this.#reports.length > 0
    part(this, 'more').hidden = !this.#next
    keyed(part(this, 'reports'), this.#reports, {
      key: ({ id }) => String(id),
      create: () => make('li', {},
        make('div', { className: 'account-text' },
          make('p', { part: 'name', className: 'account-name', dir: 'auto' }),
          make('p', { part: 'reason', dir: 'auto' }),
          make('blockquote', { part: 'message', dir: 'auto' }),
          make('p', { part: 'note', className: 'account-note', dir: 'auto' })),
        make('button', { part: 'close-report', type: 'button', className: 'small-button' })),
      update: (node, report) => this.#fill(node, report),
    })
  }

  /** @param {HTMLElement} node @param {Report} report */
  #fill(node, { by, about, reason, message, created_at }) {
    const name = nameOf(about) ?? `#${about.id}`
    part(node, 'name').textContent = word('reportAbout', { name })
    part(node, 'reason').textContent = reason
    part(node, 'message').textContent = message?.content ?? ''
    part(node, 'message').hidden = !message
    part(node, 'note').textContent = word('reportBy', { name: nameOf(by) ?? `#${by.id}`, when: longTime(new Date(created_at), new Date()) })
    part(node, 'close-report').textContent = word('closeReport')
    part(node, 'close-report').setAttribute('aria-label', word('closeReportOf', { name }))
  }
}

customElements.define('report-list', ReportList)
