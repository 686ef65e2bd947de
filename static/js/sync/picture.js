// Sending the picture of a person or a room, made small before. Loaded with the first dialog.

import { ChatError } from '../net/api.js'

/** Pixels of each side: twice what the largest avatar is wide, on a fine screen. */
const SIDE = 256
/** What the server takes, in bytes. */
const MAX_BYTES = 64 * 1024

/**
 * The middle of a picture as a small square.
 * @param {File} file
 * @returns {Promise<Blob>}
 */
async function small(file) {
  const image = await createImageBitmap(file).catch(() => null)
  if (!image) throw new ChatError('unsupported_type')
  const side = Math.min(image.width, image.height)
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = Math.min(SIDE, side)
  const place = /** @type {const} */ ([(image.width - side) / 2, (image.height - side) / 2, side, side])
  canvas.getContext('2d')?.drawImage(image, ...place, 0, 0, canvas.width, canvas.height)
  // A browser that makes no WebP makes PNG of it, which may be too large: then JPEG.
  for (const [type, quality] of /** @type {const} */ ([['image/webp', 0.85], ['image/jpeg', 0.8], ['image/jpeg', 0.4]])) {
    /** @type {Blob | null} */
    const picture = await new Promise(done => canvas.toBlob(done, type, quality))
    if (picture && picture.size <= MAX_BYTES) return picture
  }
  throw new ChatError('file_too_large')
}

/**
 * Sends a picture, made small.
 * @param {import('../net/api.js').Api} api
 * @param {string} path
 * @param {File} file
 * @returns {Promise<any>} the account or the room, as the server answers it
 */
export async function putPicture(api, path, file) {
  const picture = await small(file)
  const answer = await api.ask('PUT', path, { 'content-type': picture.type }, picture).catch(() => null)
  if (!answer) throw new ChatError('offline')
  const { data, error } = await answer.json().catch(() => ({}))
  if (!answer.ok || !data) throw new ChatError(error?.code ?? 'unexpected_answer', error?.message)
  return data
}
