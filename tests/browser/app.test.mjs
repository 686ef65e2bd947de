// The page as an app: its service worker, opened without a server, and notifications up to the
// browser's push service, which is made up: chromium has none here.

import assert from 'node:assert/strict'
import { PHONE, bubble, deadline, row, say, scene, withoutPatience } from './harness.mjs'

const APP = { serviceWorkers: 'allow' }
/**
 * Waits until something holds on a page, which may be later than other waits here: the app comes
 * once the page is at rest.
 */
async function until(page, what, arg) {
  // What is asked for is a promise, which waitForFunction would take for an answer.
  const holds = async () => { while (!await page.evaluate(what, arg)) await new Promise(done => setTimeout(done, 100)) }
  await deadline(holds(), () => String(what))
}

/** Whether the worker is there, and has kept a chat. */
const keeps = (page, path) => until(page, async path => {
  if (!navigator.serviceWorker.controller) return false
  const [kept] = (await caches.keys()).filter(name => name.endsWith(' kept'))
  return Boolean(kept && await (await caches.open(kept)).match(new URL(path, document.baseURI)))
}, path)

scene('the page opens without a server and without a wait, with what was said last, and sends later what is written', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...Array.from({ length: 60 }, (_, n) => `number ${n}`))
  const page = await stage.open(bob, { ...APP, size: PHONE })
  await keeps(page, `api/chats/history/${ada.id}`)
  const kept = await page.evaluate(async () => {
    const found = []
    for (const name of await caches.keys()) {
      for (const request of await (await caches.open(name)).keys()) {
        found.push([request.url, await (await (await caches.open(name)).match(request)).text()])
      }
    }
    return found
  })
  assert.ok(kept.length > 20, `${kept.length} files`)
  const token = bob.session.token
  for (const [url, text] of kept) assert.ok(!text.includes(token) && !url.includes(token), url)
  const history = kept.find(([url]) => url.endsWith(`/api/chats/history/${ada.id}`))[1]
  assert.equal(JSON.parse(history).data.length, 50)

  await stage.server.kill()
  const goOn = await withoutPatience(page)
  await page.reload()
  await row(page, 'ada').waitFor()
  await goOn()
  await row(page, 'ada').click()
  await bubble(page, 'number 59').waitFor()
  await say(page, 'written without a server')
  await stage.server.start()
  await page.locator('.message[data-state="stored"]').filter({ hasText: 'written without a server' }).waitFor()
})

scene('logging out leaves nothing of the account on the device', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, 'between us')
  const page = await stage.open(bob, APP)
  await keeps(page, `api/chats/history/${ada.id}`)
  await page.getByRole('button', { name: 'Menu', exact: true }).first().click()
  await page.locator('#menu').getByRole('button', { name: 'Log out' }).click()
  await page.locator('dialog.ask').getByRole('button', { name: 'Log out' }).click()
  await page.locator('sign-in form').waitFor()
  const left = await page.evaluate(async () => (await caches.keys()).filter(name => name.endsWith(' kept')))
  assert.deepEqual(left, [])
  assert.equal(await page.evaluate(() => localStorage.getItem('chatd.kept.owner')), null)
})

/** Stands for the browser's push service, and for the person who is asked. */
async function madeUp() {
  const { publicKey } = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits'])
  const text = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  const p256dh = text(await crypto.subtle.exportKey('raw', publicKey))
  const auth = text(crypto.getRandomValues(new Uint8Array(16)))
  const endpoint = 'https://push.example.invalid/here'
  window.asked = []
  let permission = 'default', subscription = null
  Object.defineProperty(Notification, 'permission', { get: () => permission })
  Notification.requestPermission = async () => {
    window.asked.push(navigator.userActivation.isActive)
    return permission = 'granted'
  }
  const made = options => ({
    endpoint, options,
    toJSON: () => ({ endpoint, keys: { p256dh, auth } }),
    async unsubscribe() { subscription = null; return true },
  })
  PushManager.prototype.getSubscription = async () => subscription
  PushManager.prototype.subscribe = async options => {
    window.key = options.applicationServerKey
    return subscription = made({ applicationServerKey: null })
  }
}

const profile = async page => {
  await page.getByRole('button', { name: 'Menu', exact: true }).first().click()
  await page.locator('#menu').getByRole('button', { name: 'Your profile' }).click()
  return page.locator('push-settings')
}

scene('notifications are asked for after a click alone, can be tried, changed and turned off', async stage => {
  const [bob] = await stage.people('bob')
  const page = await stage.open(bob, { ...APP, path: '/readyz' })
  const push = async () => (await stage.server.request('GET', '/api/push', { token: bob.session.token })).body.data
  await page.goto(stage.server.url)
  await page.evaluate(madeUp)
  const settings = await profile(page)
  const on = settings.getByRole('button', { name: 'Turn on on this device' })
  await on.waitFor()
  assert.deepEqual(await page.evaluate(() => window.asked), [], 'nobody was asked yet')
  await settings.getByLabel('A notification shows').selectOption('sender')
  await on.click()
  await settings.getByText('Notifications are on on this device.').waitFor()
  assert.deepEqual(await page.evaluate(() => window.asked), [true])
  const { public_key, subscriptions } = await push()
  assert.equal(await page.evaluate(() => window.key), public_key)
  assert.deepEqual(subscriptions.map(({ lang, show }) => [lang, show]), [['en', 'sender']])

  await settings.getByRole('button', { name: 'Send me a test' }).click()
  await settings.getByText('The push service could not be reached').waitFor()
  await settings.getByLabel('A notification shows').selectOption('nothing')
  await deadline((async () => { while ((await push()).subscriptions[0].show !== 'nothing') await new Promise(done => setTimeout(done, 50)) })(), 'the change')

  await settings.getByRole('button', { name: 'Turn off' }).click()
  await on.waitFor()
  assert.deepEqual((await push()).subscriptions, [])
})

scene('where the browser forbids notifications the profile says so and asks for nothing', async stage => {
  const [bob] = await stage.people('bob')
  const page = await stage.open(bob, APP)
  await page.evaluate(() => Object.defineProperty(Notification, 'permission', { get: () => 'denied' }))
  const settings = await profile(page)
  await settings.getByText('Your browser forbids notifications here.').waitFor()
  assert.equal(await settings.getByRole('button').count(), 0)
})

scene('the worker shows what is pushed and takes the place of what was said of the same chat', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, 'hello')
  const page = await stage.open(bob, APP)
  await page.context().grantPermissions(['notifications'], { origin: stage.server.url })
  await keeps(page, 'api/inbox')
  const devtools = await page.context().newCDPSession(page)
  const told = new Promise(done => {
    devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => registrations[0] && done(registrations[0]))
  })
  await devtools.send('ServiceWorker.enable')
  const registration = await deadline(told, 'the registration')
  const deliver = data => devtools.send('ServiceWorker.deliverPushMessage',
    { origin: stage.server.url, registrationId: registration.registrationId, data })
  const shown = () => page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications())
    .map(({ title, body, tag, silent }) => ({ title, body, tag, silent })))
  const notification = { title: 'ada', body: 'hello', lang: 'en', dir: 'auto', tag: `user-${ada.id}`, navigate: `${stage.server.url}/#/chat/${ada.id}` }
  await deliver(JSON.stringify({ web_push: 8030, notification }))
  await until(page, async () => (await (await navigator.serviceWorker.ready).getNotifications()).length === 1)
  assert.deepEqual(await shown(), [{ title: 'ada', body: 'hello', tag: `user-${ada.id}`, silent: false }])
  await deliver(JSON.stringify({ web_push: 8030, notification: { ...notification, body: 'Message deleted', silent: true } }))
  await until(page, async () => (await (await navigator.serviceWorker.ready).getNotifications())[0]?.body === 'Message deleted')
  assert.equal((await shown()).length, 1)
  // Looked at, a chat needs no notification.
  await row(page, 'ada').click()
  await until(page, async () => (await (await navigator.serviceWorker.ready).getNotifications()).length === 0)
  // What cannot be read is shown all the same: a browser takes the permission away from who shows
  // nothing.
  await deliver('nonsense')
  await until(page, async () => (await (await navigator.serviceWorker.ready).getNotifications()).length === 1)
  assert.equal((await shown())[0].title, 'chatd')
})

scene('a picture that was not there without a server comes with it', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(bob, APP)
  const drawn = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(40, 30)
    canvas.getContext('2d').fillRect(0, 0, 40, 30)
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
  })
  const answer = await fetch(`${stage.server.url}/api/uploads?name=trip.png`, {
    method: 'POST', headers: { authorization: `Bearer ${ada.session.token}` }, body: Buffer.from(drawn),
  })
  await ada.send({ receiver_id: bob.id, content: 'look', attachments: [(await answer.json()).data.id] })
  await keeps(page, `api/chats/history/${ada.id}`)
  await stage.server.kill()
  await page.goto(`${stage.server.url}/#/chat/${ada.id}`)
  await page.reload()
  await bubble(page, 'look').waitFor()
  await stage.server.start()
  await until(page, () => document.querySelector('.picture img')?.naturalWidth === 40)
})

scene('what another person left on the device goes, and that of the one who came is kept', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, 'hello')
  const page = await stage.open(bob, { ...APP, path: '/readyz' })
  await page.evaluate(async id => {
    localStorage.setItem('chatd.kept.owner', JSON.stringify(id))
    const kept = await caches.open(`chatd ${location.origin}/ kept`)
    await kept.put('/api/chats/history/1000', new Response('between others'))
  }, ada.id)
  await page.goto(stage.server.url)
  await keeps(page, `api/chats/history/${ada.id}`)
  assert.equal(await page.evaluate(() => caches.match('/api/chats/history/1000').then(Boolean)), false)
  assert.equal(await page.evaluate(() => localStorage.getItem('chatd.kept.owner')), String(bob.id))
})

scene('a worker that could not be had at first comes with the next connection', async stage => {
  const [bob] = await stage.people('bob')
  const page = await stage.open(bob, { ...APP, path: '/readyz' })
  await page.addInitScript(() => {
    const { register } = ServiceWorkerContainer.prototype
    ServiceWorkerContainer.prototype.register = function (...given) {
      if (window.refused) return register.apply(this, given)
      window.refused = true
      return Promise.reject(new TypeError('no network'))
    }
  })
  await page.goto(stage.server.url)
  await until(page, () => window.refused)
  await stage.server.kill()
  await stage.server.start()
  await until(page, () => navigator.serviceWorker.controller !== null)
})

scene('a notification opens the page, and leaves a document that is open beside it', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, 'hello')
  const page = await stage.open(bob, APP)
  await keeps(page, 'api/inbox')
  const documents = await page.context().newPage()
  await documents.goto(`${stage.server.url}/docs`)
  const [worker] = page.context().serviceWorkers()
  await worker.evaluate(async address => {
    // Only a click lets a worker do that.
    WindowClient.prototype.focus = async function () { return this }
    await open(address)
  }, `${stage.server.url}/#/chat/${ada.id}`)
  await bubble(page, 'hello').waitFor()
  assert.equal(new URL(documents.url()).pathname, '/docs')
})

// The page is as high as the window, and paper showed what stood in that.
scene('a conversation is printed whole, on as many sheets as it takes', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...Array.from({ length: 60 }, (_, n) => `number ${n}: ${'and so on '.repeat(30)}`))
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}`, theme: 'dark' })
  await bubble(page, 'number 59').waitFor()
  await until(page, () => [...document.styleSheets].some(({ href }) => href?.endsWith('css/print.css')))
  await page.emulateMedia({ media: 'print' })
  const { scrolls, height, dark } = await page.evaluate(() => ({
    scrolls: [...document.querySelectorAll('*')].filter(({ scrollHeight, clientHeight, localName }) =>
      localName !== 'html' && clientHeight > 100 && scrollHeight > clientHeight + 1).map(({ className }) => className),
    height: document.querySelector('.bubbles').getBoundingClientRect().height / innerHeight,
    dark: getComputedStyle(document.documentElement).colorScheme,
  }))
  assert.deepEqual([scrolls, dark], [[], 'light'])
  const sheets = (await page.pdf({ format: 'A4' })).toString('latin1').match(/\/Type \/Page\b/g).length
  assert.ok(height > 3 && sheets >= 3, `${sheets} sheets for ${height} windows`)
  for (const part of ['.composer', '.sidebar']) assert.equal(await page.locator(part).isVisible(), false, part)
})
