// The files of a message: pictures, films and sound in their place, all else as a link. The room of
// each is kept before it is there, so that nothing moves when it comes, and that of one which is on
// its way to the server is the same as after it.

import { currentLanguage } from '../i18n/words.js'
import { keyed } from '../lib/keyed.js'

/** @typedef {import('../state/timeline.js').Attached} Attached */
/** @typedef {{ at: number, file: Attached, look: string }} Shown */

/** A picture without a smaller one is shown itself up to so many bytes. */
const SHOWN_ITSELF = 512 << 10
/** The width of a film that does not tell, as a part of its height. */
const USUAL = '16 / 9'
const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte']

/** @param {number} bytes */
function sizeOf(bytes) {
  const step = bytes > 0 ? Math.min(3, Math.floor(Math.log10(bytes) / 3)) : 0
  // In short 5 byte would be read, and not 5 bytes.
  const unitDisplay = /** @type {'short' | 'long'} */ (step > 0 ? 'short' : 'long')
  const style = { style: /** @type {const} */ ('unit'), unit: UNITS[step], unitDisplay, maximumFractionDigits: step > 1 ? 1 : 0 }
  return (bytes / 1000 ** step).toLocaleString(currentLanguage(), style)
}

/** @param {Attached} file @returns {string} what shows it in its place */
function lookOf({ type, part, preview, size, width, height }) {
  const [kind] = type.split('/')
  if (kind === 'image' && width && height && (preview || size <= SHOWN_ITSELF)) return 'picture'
  if (part !== undefined || kind !== 'audio' && kind !== 'video') return 'link'
  // An MP4 that measures nothing has no picture.
  return type === 'video/mp4' && !width ? 'audio' : kind
}

/** @param {Shown} shown @returns {HTMLElement} */
function create({ file, look }) {
  const { name, width, height } = file
  const ratio = width && height ? `${width} / ${height}` : USUAL
  if (look === 'audio' || look === 'video') {
    const player = document.createElement(look)
    Object.assign(player, { controls: true, preload: 'metadata', className: `file-player of-${look}` })
    if (look === 'video') player.style.aspectRatio = ratio
    return player
  }
  const link = Object.assign(document.createElement('a'), { className: 'file', target: '_blank', rel: 'noopener' })
  if (look === 'picture') {
    const picture = Object.assign(document.createElement('img'), { width, height, decoding: 'async' })
    picture.style.aspectRatio = ratio
    picture.style.inlineSize = `min(20rem, ${Math.max(width ?? 0, 96)}px)`
    link.classList.add('picture')
    link.append(picture)
  } else {
    const named = Object.assign(document.createElement('span'), { textContent: name, dir: 'auto', className: 'file-name' })
    const size = Object.assign(document.createElement('span'), { textContent: sizeOf(file.size), className: 'file-size' })
    link.append(named, ' ', size)
  }
  return link
}

/**
 * A URL is fresh with each reading; what is shown already stays, and what plays. What is still to
 * be played is read later, by a URL that holds.
 * @param {HTMLElement} node
 * @param {Shown} shown
 */
function update(node, { file }) {
  const { name, alt, url, preview } = file
  const link = node instanceof HTMLAnchorElement ? node : null
  if (link && url) link.href = url
  if (link) link.dataset.file = file.id
  const media = /** @type {HTMLImageElement | HTMLMediaElement | null} */ (link ? link.querySelector('img') : node)
  if (media instanceof HTMLImageElement) media.alt = alt || name
  else media?.setAttribute('aria-label', alt || name)
  const source = media instanceof HTMLImageElement ? preview ?? url : url
  const isAtRest = media instanceof HTMLMediaElement && media.paused && media.currentTime === 0
  const known = media?.getAttribute('src')
  if (media && (!known || isAtRest && known !== source)) media.src = source
  showPart(node, file)
}

/**
 * The thin ring that shows how much of a file is at the server.
 * @param {HTMLElement} node
 * @param {Attached} file
 */
function showPart(node, { name, part, waits }) {
  const known = /** @type {HTMLElement | null} */ (node.querySelector('.ring'))
  if (part === undefined) return known?.remove()
  const ring = known ?? Object.assign(document.createElement('span'), { className: 'ring', role: 'progressbar', ariaLabel: name })
  ring.classList.toggle('waits', waits === true)
  ring.style.setProperty('--part', String(part))
  ring.setAttribute('aria-valuenow', String(Math.round(part * 100)))
  if (!known) node.append(ring)
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
  // By their places, which last: a file that was on its way gets another id.
  const shown = files.map((file, at) => ({ at, file, look: lookOf(file) }))
  keyed(box, shown, { key: ({ at, look }) => `${at} ${look}`, create, update })
  if (!known) text.before(box)
}
