// The REST side of the server: one fetch, one error type. The socket uses the same error type, so a
// caller who catches one only ever looks at its `code`; the words for a code are in the catalogue.

/** How long a request may take before it counts as lost, in milliseconds. */
const REQUEST_TIMEOUT_MS = 15_000

/** With one of these codes the token is of no use any more, and will be refused again. */
export const SIGNED_OUT = ['missing_token', 'invalid_token', 'token_expired', 'account_disabled']

/**
 * A refusal or a failure with a stable code: the server's own (`invalid_token`, `rate_limited`, …),
 * or one of ours: `offline` (nothing was sent), `connection_lost` and `timeout` (it is not known
 * whether the server did it), `unexpected_answer`.
 */
export class ChatError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   * @param {number} [retryAfterMs] how long the server asks to wait
   */
  constructor(code, message = code, retryAfterMs) {
    super(message)
    this.name = 'ChatError'
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * `name` is how they are called, and is shown; `username` is by what they log in.
 * @typedef {{ id: number, username: string, name?: string, avatar?: string | null,
 *   is_admin?: boolean, is_bot?: boolean, deleted?: boolean, online?: boolean,
 *   last_seen?: string | null }} User
 */
/**
 * Who is signed in here. The length limit is what the server said at the sign-in; `demo` where it
 * is one to be looked at.
 * @typedef {{ token: string, user: User, maxMessageChars?: number, demo?: boolean }} Session
 */

/** A chat as requests name it. @typedef {{ room_id?: number, user_id?: number }} Chat */
/** @typedef {{ before?: number, after?: number, around?: number, limit?: number }} Page */

export class Api {
  #base
  #token

  /**
   * @param {string} base the address of the page; every path is relative to it, so that the whole
   *   app also works below a path of a reverse proxy
   * @param {() => string | undefined} token
   */
  constructor(base, token) {
    this.#base = base
    this.#token = token
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<{ data: any, meta: any }>}
   */
  async request(method, path, body) {
    /** @type {Record<string, string>} */
    const headers = { accept: 'application/json' }
    const token = this.#token()
    if (token) headers.authorization = `Bearer ${token}`
    if (body) headers['content-type'] = 'application/json'
    let response, answer
    try {
      response = await fetch(new URL(path, this.#base), {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: 'no-store',
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
      answer = await response.json()
    } catch (error) {
      const name = error instanceof Error ? error.name : ''
      if (name === 'TimeoutError') throw new ChatError('timeout')
      if (response) throw new ChatError('unexpected_answer', `status ${response.status}`)
      throw new ChatError('offline')
    }
    if (response.ok && answer?.success !== false) {
      return { data: answer?.data ?? answer, meta: answer?.meta ?? {} }
    }
    const { code = 'unexpected_answer', message } = answer?.error ?? {}
    const seconds = Number(response.headers.get('retry-after'))
    throw new ChatError(code, message, seconds > 0 ? seconds * 1000 : undefined)
  }

  /**
   * One request as it is, for what is no JSON.
   * @param {string} method
   * @param {string} path
   * @param {Record<string, string>} headers
   * @param {Blob} [body]
   * @param {AbortSignal} [signal] that ends it
   */
  ask(method, path, headers, body, signal) {
    const token = this.#token()
    return fetch(new URL(path, this.#base), {
      method, body, signal, cache: 'no-store', headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
    })
  }

  /** What the server says without a token: its name, whether one may register, the length limit. */
  async server() {
    return (await this.request('GET', 'api/server')).data
  }

  /**
   * @param {'login' | 'register'} door
   * @param {{ username: string, password: string, invite?: string }} credentials
   * @returns {Promise<Session>}
   */
  async signIn(door, credentials) {
    return (await this.request('POST', `api/auth/${door}`, credentials)).data
  }

  /** @param {string} code of a sign-in link @returns {Promise<Session>} */
  async redeem(code) {
    return (await this.request('POST', 'api/auth/sign-in', { code })).data
  }

  signOut() {
    return this.request('POST', 'api/auth/logout')
  }

  /** @param {string} [before] the cursor of the next page, as the last page's `meta` gave it */
  inbox(before) {
    return this.request('GET', withQuery('api/inbox', { limit: 50, before }))
  }

  /** @param {Chat} chat @param {Page} [page] */
  history(chat, page = {}) {
    return this.request('GET', withQuery(pathOf(chat, 'history'), { limit: 50, ...page }))
  }

  /** @param {string} query @returns {Promise<User[]>} */
  async findUsers(query) {
    return (await this.request('GET', withQuery('api/users', { query, limit: 20 }))).data
  }

  /** @param {number} id @returns {Promise<User>} */
  async user(id) {
    return (await this.request('GET', `api/users/${id}`)).data
  }

  /** @returns {Promise<User>} who one is, as the server knows it now */
  async me() {
    return (await this.request('GET', 'api/auth/me')).data
  }

  /**
   * @param {{ username?: string, name?: string, avatar?: string | null, password?: string,
   *   current_password?: string }} change
   * @returns {Promise<User & { token?: string }>} with a new password the old tokens end, and a new
   *   one comes
   */
  async changeMe(change) {
    return (await this.request('PATCH', 'api/auth/me', change)).data
  }

  /** @param {{ current_password: string, messages: string }} wish to be no more on this server */
  deleteMe(wish) {
    return this.request('DELETE', 'api/auth/me', wish)
  }

  // For administrators.

  /** @returns {Promise<any[]>} the links by which people can register */
  async invites() {
    return (await this.request('GET', 'api/admin/invites')).data
  }

  /** @param {{ max_uses: number, expires_in: number }} wish */
  invite(wish) {
    return this.request('POST', 'api/admin/invites', wish)
  }

  /** @param {string} code */
  revokeInvite(code) {
    return this.request('DELETE', `api/admin/invites/${encodeURIComponent(code)}`)
  }

  /** @param {number} [after] the last id of the page before */
  accounts(after) {
    return this.request('GET', withQuery('api/admin/users', { limit: 50, after }))
  }

  /** @param {number} id @param {{ disabled?: boolean, is_admin?: boolean }} change */
  async changeAccount(id, change) {
    return (await this.request('PATCH', `api/admin/users/${id}`, change)).data
  }

  /** What happened after a cursor, to catch up with. @param {string} since */
  updates(since) {
    return this.request('GET', withQuery('api/updates', { since, limit: 200 }))
  }

  // Chats.

  /** @param {Chat} chat @param {{ notify?: string, muted_until?: string | null }} change */
  async settings(chat, change) {
    return (await this.request('PATCH', pathOf(chat, 'me'), change)).data
  }

  /**
   * @param {number} messageId
   * @param {string} emoji
   * @returns {Promise<{ user_id: number, username: string, name?: string }[]>}
   */
  async reactors(messageId, emoji) {
    return (await this.request('GET', withQuery(`api/messages/${messageId}/reactions`, { emoji, limit: 50 }))).data
  }

  // Rooms.

  /** @param {object} wish */
  async makeRoom(wish) {
    return (await this.request('POST', 'api/rooms', wish)).data
  }

  /** @param {string} query those that one may join */
  async openRooms(query) {
    return (await this.request('GET', withQuery('api/rooms/open', { query, limit: 20 }))).data
  }

  /** The archived rooms of the person here: the first 200. @returns {Promise<any[]>} */
  async archivedRooms() {
    return (await this.request('GET', withQuery('api/rooms', { archived: 'true', limit: 200 }))).data
  }

  /** @param {number} id */
  async room(id) {
    return (await this.request('GET', `api/rooms/${id}`)).data
  }

  /** @param {number} id @param {object} change */
  async changeRoom(id, change) {
    return (await this.request('PATCH', `api/rooms/${id}`, change)).data
  }

  /** @param {number} id */
  archiveRoom(id) {
    return this.request('DELETE', `api/rooms/${id}`)
  }

  /** @param {number} id @param {{ query?: string, after?: string, limit?: number }} [page] */
  members(id, page = {}) {
    return this.request('GET', withQuery(`api/rooms/${id}/members`, { limit: 100, ...page }))
  }

  /** @param {number} id @param {number[]} userIds */
  addMembers(id, userIds) {
    return this.request('PUT', `api/rooms/${id}/members`, userIds)
  }

  /** @param {number} id @param {number} userId @param {string} role */
  giveRole(id, userId, role) {
    return this.request('PUT', `api/rooms/${id}/members/${userId}`, { role })
  }

  /** @param {number} id @param {number} userId */
  removeMember(id, userId) {
    return this.request('DELETE', `api/rooms/${id}/members/${userId}`)
  }

  /** @param {number} id @param {'join' | 'leave'} way */
  async passRoom(id, way) {
    return (await this.request('POST', `api/rooms/${id}/${way}`)).data
  }

  /** @param {number} id @param {{ max_uses: number, expires_in: number }} wish */
  async inviteToRoom(id, wish) {
    return (await this.request('POST', `api/rooms/${id}/invites`, wish)).data
  }

  /** @param {string} invite the code of a link into a room */
  async joinBy(invite) {
    return (await this.request('POST', 'api/rooms/join', { invite })).data
  }

  /**
   * @param {string} code
   * @returns {Promise<{ room: { id: number, name: string } | null, registers: boolean }>} where an
   *   invite leads
   */
  async lookAtInvite(code) {
    return (await this.request('POST', 'api/invites/look', { code })).data
  }

  /** @param {number} id @returns {Promise<{ user_id: number, up_to: number }[]>} */
  async reads(id) {
    return (await this.request('GET', `api/rooms/${id}/reads`)).data
  }
}

/** @param {Chat} chat @param {'history' | 'me'} what */
function pathOf({ room_id, user_id }, what) {
  if (room_id !== undefined) return `api/rooms/${room_id}/${what}`
  return what === 'history' ? `api/chats/history/${user_id}` : `api/chats/${user_id}/${what}`
}

/**
 * @param {string} path
 * @param {Record<string, string | number | undefined>} query
 */
function withQuery(path, query) {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) search.set(key, String(value))
  }
  return `${path}?${search}`
}
