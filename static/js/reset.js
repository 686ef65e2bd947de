// A way back in: a new password by the link that an administrator made. Loaded only when it is
// wanted.

import { ResetForm } from './elements/reset-form.js'
import { answerIntents } from './intents.js'
import { loadStyle } from './lib/style.js'
import { ChatError } from './net/api.js'
import { session } from './session.js'

/** @typedef {import('./net/api.js').Session} Session */

/**
 * Shows the form until the person has another password.
 * @param {HTMLElement} app where it is shown
 * @param {import('./net/api.js').Api} api
 * @param {string} code of the link
 * @returns {Promise<Session>}
 */
export async function reset(app, api, code) {
  const [server] = await Promise.all([api.server().catch(() => null), loadStyle('sign-in.css')])
  const { now } = session
  const form = new ResetForm(now?.user.name || now?.user.username)
  app.replaceChildren(form)
  return new Promise(entered => answerIntents(form, { async reset({ password }) {
    try {
      const { data: { token, user } } = await api.request('POST', 'api/auth/reset', { code, password })
      const limit = server?.max_message_chars
      form.remove()
      entered({ token, user, ...(limit && { maxMessageChars: limit }) })
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      form.fail(error.code)
    }
  } }))
}
