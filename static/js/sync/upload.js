// Sends a file to the server by the tus protocol: in chunks that small proxies let through, and
// from where the server is after each cut. See https://tus.io/protocols/resumable-upload.

import { ChatError } from '../net/api.js'

/**
 * Below the 1 MB that nginx lets through unless it is told otherwise; halved where that is too
 * much.
 */
const CHUNK = 900 * 1024
const LEAST_CHUNK = 32 * 1024
/** So many refusals of a server that is there, without a byte of progress, are given up. */
const MAX_FAILURES = 8
/** A picture of more bytes gets a smaller one beside it. */
const SHOWN_ITSELF = 128 * 1024

const TUS = { 'tus-resumable': '1.0.0' }

/**
 * One request; it rejects where there was no answer.
 * @typedef {(
 *   method: string, path: string, headers: Record<string, string>, body?: Blob
 * ) => Promise<Response>} Ask
 */
/** An answer whose body has been read: until then its connection is of no use to others.
 * @typedef {{ status: number, ok: boolean, headers: Headers, text: string }} Answer */
/**
 * @typedef {{ path?: string, preview?: string, began: (path: string) => void,
 *   progress: (part: number) => void, rest: (failures: number) => Promise<void> }} Way `path` is
 *   where an earlier try began, `preview` a `data:` URL of a smaller picture; `rest` resolves when
 *   it is worth while to try again
 */

/** @param {string} text */
const base64 = text => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

/** @param {Answer} answer @returns {never} */
function refused({ text, headers }) {
  let error
  try { ({ error } = JSON.parse(text)) } catch {}
  const seconds = Number(headers.get('retry-after'))
  throw new ChatError(error?.code ?? 'unexpected_answer', error?.message, seconds > 0 ? seconds * 1000 : undefined)
}

/** What may be otherwise the next time. @param {number} status */
const isPassing = status => [409, 423, 429].includes(status) || status >= 500 && status !== 507

/**
 * Uploads a file to its end, and tells the server the smaller picture of it.
 * @param {Ask} send
 * @param {Blob} file
 * @param {string} name
 * @param {Way} way
 * @returns {Promise<import('../state/timeline.js').Attached>}
 */
export async function upload(send, file, name, { path, preview, began, progress, rest }) {
  /** @param {Parameters<Ask>} asked @returns {Promise<Answer | null>} */
  const tryOnce = async (...asked) => {
    try {
      const answer = await send(...asked)
      return { status: answer.status, ok: answer.ok, headers: answer.headers, text: await answer.text() }
    } catch {
      // The browser says the same of a network that is gone and of a file that cannot be read any
      // more.
      await file.slice(0, 1).arrayBuffer().catch(() => { throw new ChatError('file_gone') })
      return null
    }
  }
  let failures = 0
  /**
   * As often as it takes, as long as there is hope.
   * @param {Parameters<Ask>} asked
   * @returns {Promise<Answer>}
   */
  const ask = async (...asked) => {
    for (;;) {
      const answer = await tryOnce(...asked)
      if (answer && !isPassing(answer.status)) return answer
      if (answer && ++failures > MAX_FAILURES) return refused(answer)
      await rest(failures)
    }
  }
  let id = null, offset = 0, chunk = CHUNK
  const tell = () => progress(file.size > 0 ? offset / file.size : 1)
  /** Where the server is; false where it knows nothing of the upload. */
  const look = async () => {
    const head = await ask('HEAD', path ?? '', TUS)
    if (!head.ok) return false
    id = head.headers.get('upload-file')
    offset = Number(head.headers.get('upload-offset'))
    tell()
    return true
  }
  if (path === undefined || !await look()) {
    const made = await ask('POST', 'api/uploads', { ...TUS, 'upload-length': String(file.size), 'upload-metadata': `filename ${base64(name)}` })
    if (made.status !== 201) return refused(made)
    path = `api/${made.headers.get('location')}`
    id = made.headers.get('upload-file')
    offset = 0
    began(path)
  }
  while (id === null) {
    const headers = { ...TUS, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' }
    const answer = await tryOnce('PATCH', path, headers, file.slice(offset, offset + chunk))
    if (answer?.status === 204) {
      id = answer.headers.get('upload-file')
      offset = Number(answer.headers.get('upload-offset'))
      failures = 0
      tell()
    } else if (answer?.status === 413 && chunk > LEAST_CHUNK) {
      // A proxy's word: the server itself said at the beginning that the file may be that large.
      chunk = Math.max(LEAST_CHUNK, Math.floor(chunk / 2))
    } else {
      if (answer && !isPassing(answer.status)) return refused(answer)
      if (answer && ++failures > MAX_FAILURES) return refused(answer)
      await rest(failures)
      if (!await look()) throw new ChatError('not_found')
    }
  }
  // Without it the picture is shown as a link, which is no reason not to send it.
  if (preview && file.size > SHOWN_ITSELF) await tryOnce('PUT', `api/uploads/${id}/preview`, {}, blobOf(preview))
  const urls = await ask('POST', 'api/files/urls', { 'content-type': 'application/json' }, new Blob([JSON.stringify({ ids: [id] })]))
  if (!urls.ok) return refused(urls)
  const [attached] = JSON.parse(urls.text).data
  if (!attached) throw new ChatError('not_found')
  return attached
}

/** @param {string} url a `data:` URL in base64 */
function blobOf(url) {
  const [, type, data] = /^data:([^;,]*);base64,(.*)$/s.exec(url) ?? []
  return new Blob([Uint8Array.from(atob(data ?? ''), byte => byte.charCodeAt(0))], { type })
}
