// What an administrator who is alone on the server is offered before anything else: a link by which
// the first people come in. app.js loads it where there is nobody to talk with yet.

import { FirstInvite } from './elements/first-invite.js'
import { loadTemplates } from './lib/style.js'
import { ChatError } from './net/api.js'

/** The link is for a whole team, and for long enough to hand it round. */
const FIRST = { max_uses: 25, expires_in: 7 * 86_400 }

/**
 * @param {import('./net/api.js').Api} api
 * @returns {Promise<FirstInvite | null>} null where there are others already
 */
export async function firstInvite(api) {
  try {
    const { data: accounts } = await api.accounts()
    if (accounts.length > 1) return null
    // Loaded again, the page offers the same link and makes no further one.
    const usable = (await api.invites()).find(({ uses, max_uses, room }) => uses < max_uses && !room)
    const { code, max_uses, uses, expires_at } = usable ?? (await api.invite(FIRST)).data
    await loadTemplates('dialogs.html')
    const link = new URL(`?${new URLSearchParams({ invite: code })}`, document.baseURI).href
    return new FirstInvite({ link, left: max_uses - uses, expiresAt: expires_at })
  } catch (error) {
    if (!(error instanceof ChatError)) throw error
    // The list says what else can be done.
    return null
  }
}
