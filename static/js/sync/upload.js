// Sends a file to the server by the tus protocol: in chunks that small proxies let through, and from
// where the server is after each cut. See https://tus.io/protocols/resumable-upload.

import { ChatError } from '../net/api.js'
import { RETRY_MS, pause } from './codes.js'

/** Below the 1 MB that nginx lets through unless it is told otherwise; halved where that is too much. */
const CHUNK = 900 * 1024
const LEAST_CHUNK = 32 * 1024
/** So many failures without a byte of progress are given up. */
const MAX_FAILURES = 8
/** A picture of more bytes gets a smaller one beside it, at most so wide and so large. */
const SHOWN_ITSELF = 128 * 1024
const PREVIEW_SIDE = 640
const MAX_PREVIEW = 64 * 1024

const TUS = { 'tus-resumable': '1.0.0' }

/** @typedef {(method: string, path: string, headers: Record<string, string>, body?: Blob) => Promise<Response>} Ask */

/** @param {string} text */
const base64 = text => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

/** An answer whose body has been read: until then its connection is of no use to others.
 * @typedef {{ status: number, ok: boolean, headers: Headers, text: string }} Answer */

/** @param {Answer} answer @returns {never} */
function refused({ text }) {
  let error
  try { ({ error } = JSON.parse(text)) } catch {}
  throw new ChatError(error?.code ?? 'unexpected_answer', error?.message)
}

/**
 * A smaller picture of one; none where the browser cannot read it, or where it is small itself.
 * @param {File} file
 * @returns {Promise<Blob | null>}
 */
async function smaller(file) {
  if (!file.type.startsWith('image/') || file.size <= SHOWN_ITSELF) return null
  try {
    const image = await createImageBitmap(file)
    const scale = Math.min(1, PREVIEW_SIDE / Math.max(image.width, image.height))
    const canvas = document.createElement('canvas')
    canvas.width = Math.max(1, Math.round(image.width * scale))
    canvas.height = Math.max(1, Math.round(image.height * scale))
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height)
    for (const quality of [0.8, 0.6, 0.4, 0.2]) {
      /** @type {Blob | null} */
      const preview = await new Promise(done => canvas.toBlob(done, 'image/jpeg', quality))
      if (preview && preview.size <= MAX_PREVIEW) return preview
    }
  } catch {}
  return null
}

/**
 * Uploads a file to its end.
 * @param {Ask} send
 * @param {File} file
 * @param {{ signal: AbortSignal, progress: (part: number) => void }} watch
 * @returns {Promise<import('../state/timeline.js').Attached>}
 */
export async function upload(send, file, { signal, progress }) {
  /** @param {Parameters<Ask>} asked @returns {Promise<Answer>} */
  const ask = async (...asked) => {
    const answer = await send(...asked)
    return { status: answer.status, ok: answer.ok, headers: answer.headers, text: await answer.text() }
  }
  const made = await ask('POST', 'api/uploads', {
    ...TUS, 'upload-length': String(file.size), 'upload-metadata': `filename ${base64(file.name)}`,
  })
  if (made.status !== 201) return refused(made)
  const path = `api/${made.headers.get('location')}`
  let id = made.headers.get('upload-file'), offset = 0, chunk = CHUNK, failures = 0
  while (id === null) {
    if (signal.aborted) {
      await ask('DELETE', path, TUS).catch(() => {})
      throw new ChatError('aborted')
    }
    const answer = await ask('PATCH', path, { ...TUS, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      file.slice(offset, offset + chunk)).catch(() => null)
    if (answer?.status === 204) {
      id = answer.headers.get('upload-file')
      offset = Number(answer.headers.get('upload-offset'))
      failures = 0
      progress(offset / file.size)
    } else if (answer?.status === 413 && chunk > LEAST_CHUNK) {
      // A proxy's word: the server itself said at the beginning that the file may be that large.
      chunk = Math.max(LEAST_CHUNK, Math.floor(chunk / 2))
    } else {
      if (answer && ![409, 423].includes(answer.status) && answer.status < 500) return refused(answer)
      if (++failures > MAX_FAILURES) {
        if (answer) return refused(answer)
        throw new ChatError('connection_lost')
      }
      await pause(RETRY_MS * failures)
      const head = await ask('HEAD', path, TUS).catch(() => null)
      if (head?.status === 404) throw new ChatError('not_found')
      if (head?.ok) {
        offset = Number(head.headers.get('upload-offset'))
        id = head.headers.get('upload-file')
      }
    }
  }
  const preview = await smaller(file)
  // Without it the picture is shown as a link, which is no reason not to send it.
  if (preview) await ask('PUT', `api/uploads/${id}/preview`, {}, preview).catch(() => {})
  const urls = await ask('POST', 'api/files/urls', { 'content-type': 'application/json' }, new Blob([JSON.stringify({ ids: [id] })]))
  if (!urls.ok) return refused(urls)
  return JSON.parse(urls.text).data[0]
}
