// The start: the language and the colours, who is signed in, and then the chats. The only file that
// does anything by being loaded.

import { App } from './app.js'
import { errorText, languages, pickLanguage, setLanguage, translate } from './i18n/words.js'
import { answerIntents, codeOf } from './intents.js'
import { late } from './lib/late.js'
import { linkIn } from './lib/links.js'
import { recall, remember } from './lib/memory.js'
import { Api } from './net/api.js'
import { say, warnOfInsecurity } from './notes.js'
import { enter, followOtherTabs, session } from './session.js'

const seat = /** @type {HTMLElement} */ (document.getElementById('app'))
const api = new Api(document.baseURI, () => session.now?.token)

/** @type {App | undefined} */
let app

/**
 * What the elements may intend; opening the chats adds to it.
 * @type {import('./intents.js').Intents}
 */
const intents = {
  language({ language }) {
    remember('language', language)
    return speak(language)
  },
  theme({ theme }) {
    remember('theme', theme)
    dress(theme)
  },
  announce({ text }) { /** @type {HTMLElement} */ (document.getElementById('announcer')).textContent = text },
}

/** @param {string} language */
async function speak(language) {
  await setLanguage(language, navigator.languages)
  document.documentElement.lang = language
}

/** @param {string} theme light, dark, or what the system has */
function dress(theme) {
  document.documentElement.dataset.theme = theme
  for (const meta of /** @type {NodeListOf<HTMLMetaElement>} */ (document.querySelectorAll('meta[data-theme]'))) {
    const own = meta.dataset.theme ?? ''
    meta.media = theme === 'system' ? `(prefers-color-scheme: ${own})` : own === theme ? 'all' : 'not all'
  }
}

async function start() {
  const address = new URLSearchParams(location.search)
  const setup = address.get('setup'), invite = address.get('invite')
  const { way, code, place } = linkIn(location.hash)
  if (way === 'sign-in') await signInByLink(code, place)
  if (way === 'reset') await resetByLink(code)
  if (!session.now || setup) {
    const { signIn } = await late(() => import('./entrance.js'))
    enter(await signIn(seat, api, { setup, invite, join: way === 'join' ? code : null }))
  }
  if (session.now) app = await App.open({ seat, api, intents }, session.now)
}

/** @param {string} code @param {string} place in the page, as addresses have it */
async function signInByLink(code, place) {
  // The code must not stay in the address, nor in the history.
  history.replaceState(null, '', place)
  const { redeem } = await late(() => import('./entrance.js'))
  const signedIn = await redeem(api, code)
  if (signedIn) enter(signedIn)
}

/** @param {string} code of a link by which one gives oneself another password */
async function resetByLink(code) {
  history.replaceState(null, '', '#/')
  const { reset } = await late(() => import('./reset.js'))
  enter(await reset(seat, api, code))
}

// What somebody asked for and nothing else answers for, as a dialog that could not be loaded.
window.addEventListener('unhandledrejection', event => {
  event.preventDefault()
  say(errorText(codeOf(event.reason)))
})
// First, since it asks the server for the words.
const speaking = speak(recall('language') ?? pickLanguage(navigator.languages))
dress(recall('theme') ?? 'system')
languages.addEventListener('change', () => translate(document))
answerIntents(document, intents)
document.querySelector('[data-skip]')?.addEventListener('click', event => {
  event.preventDefault()
  document.getElementById('conversation')?.focus()
})
// A file that is dropped where nothing takes it would be opened in the place of the page.
for (const type of ['dragover', 'drop']) {
  window.addEventListener(type, event => {
    const { dataTransfer, target } = /** @type {DragEvent} */ (event)
    const isTaken = event.defaultPrevented || target instanceof HTMLInputElement && target.type === 'file'
    if (isTaken || !dataTransfer?.types.includes('Files')) return
    dataTransfer.dropEffect = 'none'
    event.preventDefault()
  })
}
followOtherTabs(async lasts => app?.end(lasts))
// Until the words are here there is nothing to be seen.
speaking.then(() => {
  warnOfInsecurity()
  return start()
})
