// Who is signed in on this device: the same in all its tabs.

import { recall, remember } from './lib/memory.js'

/** @typedef {import('./net/api.js').Session} Session */

/**
 * The end of a token by its age: the same person signs in again, and what was not sent yet goes out
 * then. After any other end the device keeps nothing of the account.
 */
export const EXPIRED = 'token_expired'

/** @type {{ now: Session | null }} */
export const session = { now: recall('session') }

/** @param {Session} signedIn */
export function enter(signedIn) {
  session.now = signedIn
  remember('session', signedIn)
}

/**
 * Starts the page anew, the surest way that nothing of the account is left on it.
 * @param {string} [reason]
 */
export function leave(reason) {
  // First, for other tabs read it when the session goes.
  remember('left', reason ?? null)
  remember('session', null)
  remember('notice', reason ?? null)
  // Put out by the server one comes back to the same chat; leaving by oneself leaves that, too. (An
  // address with a fragment would not be loaded anew by `replace`.)
  if (reason) location.reload()
  else location.replace(location.pathname)
}

/**
 * Follows what other tabs do.
 * @param {(lasts: boolean) => Promise<void>} end ends what is under way on the page before its
 *   account leaves; `lasts` where the same person may come back to it
 */
export function followOtherTabs(end) {
  window.addEventListener('storage', ({ key }) => {
    if (key !== 'chatd.session' || !session.now) return
    const now = /** @type {Session | null} */ (recall('session'))
    // The same person with a new token or name, another one, or none.
    if (now?.user.id === session.now.user.id) session.now = now
    else end(!now && recall('left') === EXPIRED).then(() => location.replace(location.pathname))
  })
}
