// The files of a message: pictures, films and sound in their place, all else as a link. The room of
// a picture is kept before it is there, so that nothing moves when it comes.

import { currentLanguage } from '../i18n/words.js'
import { keyed } from '../lib/keyed.js'

/** @typedef {import('../state/timeline.js').Attached} Attached */

/** A picture without a smaller one is shown itself up to so many bytes. */
const SHOWN_ITSELF = 512 << 10
const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte']

/** @param {number} bytes */
function sizeOf(bytes) {
  const step = bytes > 0 ? Math.min(3, Math.floor(Math.log10(bytes) / 3)) : 0
  const style = { style: /** @type {const} */ ('unit'), unit: UNITS[step], maximumFractionDigits: step > 1 ? 1 : 0 }
  return (bytes / 1000 ** step).toLocaleString(currentLanguage(), style)
}

/** @param {Attached} file @returns {HTMLElement} */
function create(file) {
  const kind = file.type.split('/')[0]
  const source = file.preview ?? (file.size <= SHOWN_ITSELF ? file.url : undefined)
  if (kind === 'audio' || kind === 'video') {
    const player = document.createElement(kind)
    Object.assign(player, { controls: true, preload: 'metadata', className: 'file-player' })
    player.setAttribute('aria-label', file.name)
    return player
  }
  const link = document.createElement('a')
  Object.assign(link, { className: 'file', target: '_blank', rel: 'noopener' })
  if (kind === 'image' && source && file.width && file.height) {
    const picture = Object.assign(document.createElement('img'), { alt: file.name, width: file.width, height: file.height })
    picture.style.aspectRatio = `${file.width} / ${file.height}`
    picture.decoding = 'async'
    link.classList.add('picture')
    link.append(picture)
  } else {
    const name = Object.assign(document.createElement('span'), { textContent: file.name, dir: 'auto', className: 'file-name' })
    const size = Object.assign(document.createElement('span'), { textContent: sizeOf(file.size), className: 'file-size' })
    link.append(name, ' ', size)
  }
  return link
}

/** A URL is fresh with each reading; what is shown already stays. @param {HTMLElement} node @param {Attached} file */
function update(node, file) {
  if (node instanceof HTMLAnchorElement) node.href = file.url
  const media = /** @type {HTMLImageElement | HTMLMediaElement | null} */ (node.matches('a') ? node.querySelector('img') : node)
  if (media && !media.hasAttribute('src')) media.src = media instanceof HTMLImageElement ? file.preview ?? file.url : file.url
}

/**
 * Shows the files of a message before its text.
 * @param {HTMLElement} text
 * @param {Attached[]} files
 */
export function showAttached(text, files) {
  const known = /** @type {HTMLElement | null} */ (text.parentElement?.querySelector('.files') ?? null)
  if (files.length === 0) return known?.remove()
  const box = known ?? Object.assign(document.createElement('div'), { className: 'files' })
  keyed(box, files, { key: ({ id }) => id, create, update })
  if (!known) text.before(box)
}
