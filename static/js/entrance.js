// The ways in and out: signing in, registering, the set-up of a new server; and logging out. Loaded
// only when it is wanted.

import { SignIn } from './elements/sign-in.js'
import { word } from './i18n/switch-words.js'
import { currentLanguage, errorText, languages, t, translate } from './i18n/words.js'
import { answerIntents } from './intents.js'
import { choiceButtons } from './lib/choices.js'
import { answerTo } from './lib/dialog.js'
import { late } from './lib/late.js'
import { recall, remember } from './lib/memory.js'
import { loadStyle, loadTemplates } from './lib/style.js'
import { clone, part } from './lib/template.js'
import { ChatError } from './net/api.js'
import { say } from './notes.js'
import { session } from './session.js'
import { addressOf, roomKey } from './state/chats.js'

/** @typedef {import('./net/api.js').Api} Api */
/** @typedef {import('./net/api.js').Session} Session */

/**
 * Shows the sign-in until a person has got in.
 * @param {HTMLElement} app where it is shown
 * @param {Api} api
 * @param {{ setup: string | null, invite: string | null, join: string | null }} codes from the
 *   address
 * @returns {Promise<Session>}
 */
export async function signIn(app, api, { setup, invite, join }) {
  const [server, into] = await Promise.all([api.server().catch(() => null), join ? look(api, join) : null, loadStyle('sign-in.css')])
  const room = into?.room ?? undefined
  if (into?.registers) invite = join
  if (server?.demo && !setup && !invite && !join) {
    remember('notice', null)
    const { showDemo } = await late(() => import('./demo.js'))
    await showDemo(app, server.demo.accounts)
    // Both people of the demo are in already.
    return new Promise(() => {})
  }
  // An app's users may be there before any administrator: what went wrong for one of them comes
  // first.
  if (server?.setup_required && !setup && !invite && !join && !recall('notice')) return showFresh(app)
  const form = new SignIn({
    mode: setup ? 'setup' : invite ? 'register' : 'login',
    canRegister: invite !== null || server?.registration === 'open',
    room: room?.name,
    error: server ? recall('notice') ?? '' : 'offline',
  })
  remember('notice', null)
  app.replaceChildren(form)

  return new Promise(entered => answerIntents(form, { async 'sign-in'({ door, username, password }) {
    const code = door === 'register' ? setup ?? invite : null
    try {
      const { token, user } = await api.signIn(door, { username, password, ...(code && { invite: code }) })
      const limit = server?.max_message_chars
      // The code is used up, or not needed: it must not stay in the address or the history.
      // Who registered by a link into a room is in it; others are asked whether they join.
      const place = code !== null && room ? addressOf(roomKey(room.id)) : location.hash
      history.replaceState(null, '', location.pathname + place)
      form.remove()
      entered({ token, user, ...(limit && { maxMessageChars: limit }) })
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      form.fail(error.code)
    }
  } }))
}

/**
 * Looks where a link into a room leads. What is wrong with it is said at the sign-in.
 * @param {Api} api
 * @param {string} code
 */
async function look(api, code) {
  try {
    return await api.lookAtInvite(code)
  } catch (error) {
    if (!(error instanceof ChatError)) throw error
    remember('notice', error.code)
    return null
  }
}

/**
 * Signs in by a link that an app made for one of its users. Where somebody is signed in already, it
 * asks first.
 * @param {Api} api
 * @param {string} code
 * @returns {Promise<Session | null>} null where the code is of no use, or not wanted
 */
export async function redeem(api, code) {
  const { now } = session
  if (now && !await askToSwitch(now.user)) return null
  try {
    const [{ token, user }, server] = await Promise.all([api.redeem(code), api.server().catch(() => null)])
    const limit = server?.max_message_chars
    return { token, user, ...(limit && { maxMessageChars: limit }) }
  } catch (error) {
    if (!(error instanceof ChatError)) throw error
    if (now) say(errorText(error.code))
    else remember('notice', error.code)
    return null
  }
}

/**
 * @param {import('./net/api.js').User} user who is signed in
 * @returns {Promise<boolean>} whether another one may take their place
 */
function askToSwitch(user) {
  const dialog = /** @type {HTMLDialogElement} */ (translate(clone('ask')))
  part(dialog, 'question').textContent = word('switchQuestion')
  part(dialog, 'hint').textContent = word('switchHint', { name: user.name || user.username })
  part(dialog, 'confirm').textContent = word('switchButton')
  return answerTo(dialog)
}

/**
 * Shows what a server without accounts waits for. With the code the page begins anew.
 * @param {HTMLElement} app
 * @returns {Promise<never>}
 */
async function showFresh(app) {
  await loadTemplates('dialogs.html')
  const fresh = translate(clone('fresh'))
  const showLanguage = choiceButtons(fresh, 'language')
  showLanguage(currentLanguage())
  languages.addEventListener('change', () => showLanguage(currentLanguage()))
  const field = /** @type {HTMLInputElement} */ (part(fresh, 'code'))
  fresh.querySelector('form')?.addEventListener('submit', event => {
    event.preventDefault()
    // The whole link may be pasted as well.
    const code = field.value.trim().replace(/^.*[?&]setup=/, '')
    if (code !== '') return location.assign(`?${new URLSearchParams({ setup: code })}`)
    field.setAttribute('aria-invalid', 'true')
    part(fresh, 'hint').classList.add('wrong')
    field.focus()
  })
  app.replaceChildren(fresh)
  field.focus()
  return new Promise(() => {})
}

/**
 * Asks before logging out, for it deletes what is unsent; and whether the other devices go, too,
 * which only the server can see to.
 * @param {number} unsent
 * @param {() => Promise<unknown>} everywhere ends every session of the account
 * @returns {Promise<boolean>} whether to go
 */
export async function askToLogOut(unsent, everywhere) {
  await loadTemplates('dialogs.html')
  const dialog = /** @type {HTMLDialogElement} */ (translate(clone('log-out')))
  part(dialog, 'unsent').hidden = unsent === 0
  part(dialog, 'unsent').textContent = t('logOutUnsent', { count: unsent })
  part(dialog, 'cancel').addEventListener('click', () => dialog.close())
  window.addEventListener('popstate', () => dialog.close(), { once: true })
  part(dialog, 'confirm').addEventListener('click', async () => {
    try {
      if (/** @type {HTMLInputElement} */ (part(dialog, 'everywhere')).checked) await everywhere()
      dialog.close('yes')
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      part(dialog, 'error').hidden = false
      part(dialog, 'error').textContent = errorText(error.code)
    }
  })
  document.body.append(dialog)
  dialog.showModal()
  return new Promise(answered => dialog.addEventListener('close', () => {
    dialog.remove()
    answered(dialog.returnValue === 'yes')
  }))
}
