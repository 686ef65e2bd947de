// Notifications of this device: whether they are on, and how that changes. The permission is asked
// for only where a person turns them on.

import { currentLanguage } from './i18n/words.js'
import { recall, remember } from './lib/memory.js'

/** @typedef {import('./net/api.js').Api} Api */
/** @typedef {'text' | 'sender' | 'nothing'} Show */
/**
 * @typedef {{ kind: 'none' | 'install' | 'denied' | 'off' | 'on', show: Show }} State how it
 *   stands: there are none here, the app is to be installed first, the browser forbids them
 */

/** The address of the page, which may lie below a path. */
export const scope = new URL('./', document.baseURI).href
const ADDRESS = new URL('sw.js', scope).href
/**
 * The one script that a worker may be: browsers that look at this let no text be one. There can be
 * one policy of a name.
 * @type {any}
 */
let policy
/** Who turned notifications on here: the id of an account. */
export const PUSHED = 'pushed'

/** @type {Promise<ServiceWorkerRegistration | undefined> | undefined} */
let registering

/**
 * @returns {Promise<ServiceWorkerRegistration | undefined>} nothing where there can be no worker,
 *   as on a page without TLS
 */
export const registered = () => registering ??= register().catch(() => {
  // Asked for again, there may be one.
  registering = undefined
  return undefined
})

async function register() {
  if (!navigator.serviceWorker) return undefined
  policy ??= /** @type {any} */ (window).trustedTypes?.createPolicy('worker', { createScriptURL: () => ADDRESS })
  return navigator.serviceWorker.register(policy?.createScriptURL('') ?? ADDRESS, { scope })
}

/** @param {ArrayBuffer} bytes */
const base64url = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

/** @param {string} endpoint @returns {Promise<string>} the id of its subscription at the server */
export const idOf = async endpoint => base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(endpoint)))

/** @returns {Show} */
const shown = () => recall(`${PUSHED}.show`) ?? 'text'

/** @param {number} myId @returns {Promise<State>} */
export async function stateOf(myId) {
  const show = shown()
  const isApple = /iPhone|iPad|iPod/.test(navigator.userAgent) || navigator.platform === 'MacIntel' && navigator.maxTouchPoints > 1
  const isInstalled = matchMedia('(display-mode: standalone)').matches
  if (isApple && !isInstalled && !('PushManager' in window)) return { kind: 'install', show }
  if (!navigator.serviceWorker || !('PushManager' in window) || !('Notification' in window)) return { kind: 'none', show }
  if (Notification.permission === 'denied') return { kind: 'denied', show }
  const registration = await registered()
  const subscription = await registration?.pushManager.getSubscription()
  const isOn = subscription && Notification.permission === 'granted' && recall(PUSHED) === myId
  return { kind: isOn ? 'on' : 'off', show }
}

/**
 * Turns notifications on, with what they show. The browser asks the person.
 * @param {Api} api @param {number} myId @param {Show} show
 * @returns {Promise<State>}
 */
export async function turnOn(api, myId, show) {
  // First of all: some browsers ask only in the moment of the click.
  const permission = await Notification.requestPermission()
  if (permission === 'granted') {
    const registration = await registered()
    if (!registration) return { kind: 'none', show }
    await navigator.serviceWorker.ready
    remember(`${PUSHED}.show`, show)
    await subscribe(api, registration)
    remember(PUSHED, myId)
  }
  return stateOf(myId)
}

/** @param {Api} api @param {number} myId @returns {Promise<State>} */
export async function turnOff(api, myId) {
  const registration = await registered()
  if (registration) await end(api, registration)
  return stateOf(myId)
}

/**
 * Sends a trial to this device.
 * @param {Api} api
 * @returns {Promise<{ status?: number, error?: string }>} what its push service answered
 */
export async function trial(api) {
  const registration = await registered()
  const subscription = await registration?.pushManager.getSubscription()
  if (!subscription) return { status: 410 }
  const { data } = await api.request('POST', 'api/push/test', { id: await idOf(subscription.endpoint) })
  return data[0]
}

/**
 * At a start: has the server know the subscription as it is by now, or ends one that another person
 * has left here.
 * @param {Api} api @param {number} myId @param {ServiceWorkerRegistration} registration
 */
export async function renew(api, myId, registration) {
  if (recall(PUSHED) === myId) return subscribe(api, registration)
  const subscription = await registration.pushManager.getSubscription()
  await subscription?.unsubscribe()
  remember(PUSHED, null)
}

/** @param {Api} api @param {ServiceWorkerRegistration} registration */
async function subscribe(api, registration) {
  const { data } = await api.request('GET', 'api/push')
  const wanted = { userVisibleOnly: true, applicationServerKey: data.public_key }
  let subscription = await registration.pushManager.getSubscription()
  const key = subscription?.options?.applicationServerKey
  if (subscription && key && base64url(key) !== data.public_key) {
    // The server is another one, or has lost its key.
    await subscription.unsubscribe()
    subscription = null
  }
  subscription ??= await registration.pushManager.subscribe(wanted)
  const { endpoint, keys } = subscription.toJSON()
  const wish = { endpoint, keys, lang: currentLanguage(), show: shown() }
  await api.request('PUT', `api/push/subscriptions/${await idOf(subscription.endpoint)}`, wish)
}

/**
 * Ends notifications on this device.
 * @param {Api} api
 * @param {ServiceWorkerRegistration} registration
 */
export async function end(api, registration) {
  remember(PUSHED, null)
  const subscription = await registration.pushManager?.getSubscription()
  if (!subscription) return
  // Where the server cannot be told, the push service tells it.
  const told = api.request('DELETE', `api/push/subscriptions/${await idOf(subscription.endpoint)}`).catch(() => {})
  await Promise.all([told, subscription.unsubscribe()])
}

/**
 * Joins the settings in the profile to this device and the server.
 * @param {import('./elements/push-settings.js').PushSettings} settings
 * @param {Api} api
 * @param {number} myId
 */
export async function present(settings, api, myId) {
  const show = async (/** @type {Promise<State>} */ asked) => {
    try {
      settings.show(await asked)
    } catch (error) {
      settings.fail(/** @type {any} */ (error).code ?? '')
    }
  }
  settings.answer({
    on: what => show(turnOn(api, myId, what)),
    off: () => show(turnOff(api, myId)),
    change: what => show(turnOn(api, myId, what)),
    trial: async () => {
      try {
        settings.tried(await trial(api))
      } catch (error) {
        settings.fail(/** @type {any} */ (error).code ?? '')
      }
    },
  })
  await show(stateOf(myId))
}

