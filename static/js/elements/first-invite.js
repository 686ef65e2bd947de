// <first-invite>: a link to copy, and the same as a QR code, by which people come in.

import { shortDate } from '../i18n/dates.js'
import { word } from '../i18n/invite-words.js'
import { languages, t, translate } from '../i18n/words.js'
import { copyField } from '../lib/clipboard.js'
import { qrCode } from '../lib/qr.js'
import { clone, part } from '../lib/template.js'

const SVG = 'http://www.w3.org/2000/svg'
/** The light border that a reader needs, in modules. */
const BORDER = 4
/** The page came by an address that means another machine everywhere else. */
const isOnlyHere = /^(localhost|127\.|\[::1\]$)/.test(location.hostname)

export class FirstInvite extends HTMLElement {
  #invite
  #listening = new AbortController()

  /**
   * @param {{ link: string, left: number, expiresAt: string }} invite `left` is how many people may
   *   still use it
   */
  constructor(invite) {
    super()
    this.#invite = invite
  }

  connectedCallback() {
    this.replaceChildren(translate(clone('first-invite')))
    const link = /** @type {HTMLInputElement} */ (part(this, 'link'))
    link.value = this.#invite.link
    part(this, 'copy').addEventListener('click', async () => {
      if (await copyField(link)) part(this, 'copy').textContent = t('copied')
    })
    // A telephone would look for the server in itself.
    const code = isOnlyHere ? null : qrCode(this.#invite.link)
    if (code) part(this, 'code').append(drawing(code))
    part(this, 'code').hidden = !code
    languages.addEventListener('change', () => this.#render(), { signal: this.#listening.signal })
    this.#render()
  }

  disconnectedCallback() {
    this.#listening.abort()
    this.#listening = new AbortController()
  }

  #render() {
    translate(this)
    const { left, expiresAt } = this.#invite
    part(this, 'note').textContent = t('inviteNote', { count: left, date: shortDate(new Date(expiresAt)) })
    part(this, 'code').setAttribute('aria-label', t('qrCode'))
    part(this, 'only-here').textContent = isOnlyHere ? word('onlyHere') : ''
  }
}

/** @param {boolean[][]} code @returns {SVGElement} */
function drawing(code) {
  const svg = document.createElementNS(SVG, 'svg'), path = document.createElementNS(SVG, 'path')
  const size = code.length + 2 * BORDER
  svg.setAttribute('viewBox', `${-BORDER} ${-BORDER} ${size} ${size}`)
  path.setAttribute('d', code.flatMap((row, y) => row.flatMap((on, x) => on ? [`M${x} ${y}h1v1h-1z`] : [])).join(''))
  svg.append(path)
  return svg
}

customElements.define('first-invite', FirstInvite)
