// The connection breaks and comes back: nothing missing, nothing doubled, no reload.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { block, replaced } from '../clients/readme.mjs'
import { isAccessible } from './axe.mjs'
import { PASSWORD, PHONE, bubble, bubbles, composer, proxied, row, say, scene, state } from './harness.mjs'

const texts = page => page.locator('.message .text').allInnerTexts()
/** A mark that a reload of the page would wipe out. */
const mark = page => page.evaluate(() => { window.notReloaded = true })
const isSamePage = async page => assert.equal(await page.evaluate(() => window.notReloaded), true)

scene('the server is killed and comes back: both go on by themselves', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const hers = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const his = await stage.open(bob, { path: `/#/chat/${ada.id}`, size: PHONE })
  await say(hers, 'before')
  await state(hers, 'before', 'read')
  await Promise.all([hers, his].map(mark))
  const banner = hers.getByText('No connection')
  for (const round of ['first', 'second']) {
    await stage.server.kill()
    await say(hers, `hers, ${round}`)
    await say(his, `his, ${round}`)
    if (round === 'first') await banner.waitFor()
    await stage.server.start()
    await hers.getByText('Try now').click({ timeout: 500 }).catch(() => {})
    await bubble(his, `hers, ${round}`).waitFor()
    await bubble(hers, `his, ${round}`).waitFor()
    await state(hers, `hers, ${round}`, 'read')
    await banner.waitFor({ state: 'hidden' })
  }
  await Promise.all([hers, his].map(isSamePage))
  const stored = (await ada.history(bob)).map(({ content }) => content)
  assert.equal(stored.length, 5)
  assert.deepEqual(await texts(hers), stored)
  assert.deepEqual(await texts(his), stored)
})

scene('offline and back: what was missed is there in order, the banner comes late and goes at once', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  await ada.write(bob, 'one')
  await bubble(page, 'one').waitFor()
  await mark(page)
  // The kernel says nothing when a network goes; only silence tells. The page's socket is cut as a
  // router would.
  await page.context().setOffline(true)
  await page.evaluate(() => window.dispatchEvent(new Event('offline')))
  await ada.write(bob, 'two', 'three')
  await say(page, 'from the tunnel')
  await page.context().setOffline(false)
  await bubble(page, 'three').waitFor()
  await state(page, 'from the tunnel', 'stored')
  await isSamePage(page)
  assert.deepEqual([...await texts(page)].sort(), ['from the tunnel', 'one', 'three', 'two'])
  assert.deepEqual(await texts(page), (await bob.history(ada)).map(({ content }) => content))
})

scene('rooms that were left elsewhere are gone, and people have the names that they took, where the page was away', async stage => {
  const { server } = stage
  const [ada, bob] = await stage.people('ada', 'bob')
  const ask = (person, method, path, body) => server.request(method, path, { token: person.session.token, body })
  const [open, closed, kept] = [await bob.room('Open', ada), await bob.room('Closed', ada), await bob.room('Kept', ada)]
  await ask(bob, 'PATCH', `/api/rooms/${open.id}`, { kind: 'open' })
  const page = await stage.open(ada, { path: '/readyz' })
  // It never goes on as the socket that it was.
  await page.routeWebSocket(/socket\.io/, ws => {
    const there = ws.connectToServer()
    ws.onMessage(packet => there.send(typeof packet === 'string' ? packet.replace(/,"pid":"[^"]*"/, '') : packet))
  })
  await page.goto(stage.server.url)
  for (const { name } of [open, closed, kept]) await row(page, name).waitFor()
  await bob.say(open, 'something is heard')
  await row(page, 'something is heard').waitFor()
  /** What is done while the page cannot reach the server: it is at another port meanwhile. */
  const away = async work => {
    const { port } = server
    await server.kill()
    server.port = 0
    await server.start()
    await work()
    await server.kill()
    server.port = port
    await server.start()
    await page.getByText('Try now').click({ timeout: 500 }).catch(() => {})
  }
  await away(async () => {
    await ask(ada, 'PATCH', '/api/auth/me', { name: 'Ada Lovelace' })
    await ask(bob, 'PATCH', '/api/auth/me', { name: 'Robert' })
    await bob.write(ada, 'a few')
  })
  await row(page, 'a few').getByText('Robert').waitFor()
  await page.locator('.sidebar .bar-title', { hasText: 'Ada Lovelace' }).waitFor()
  // More than is caught up with.
  await away(async () => {
    await bob.write(ada, ...Array.from({ length: 1_100 }, (_, n) => `number ${n}`))
    for (const { id } of [open, closed]) await ask(ada, 'POST', `/api/rooms/${id}/leave`)
  })
  await row(page, 'number 1099').waitFor()
  for (const { name } of [open, closed]) await row(page, name).waitFor({ state: 'detached' })
  await row(page, 'Kept').waitFor()
})

scene('where no WebSocket gets through the page polls', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const page = await stage.open(bob, { path: '/#/' })
  await page.addInitScript(() => {
    window.WebSocket = class { constructor() { setTimeout(() => this.onclose?.()) } close() {} }
  })
  await page.goto(`${stage.server.url}/#/chat/${ada.id}`)
  await page.reload()
  await say(page, 'by post')
  await state(page, 'by post', 'stored')
  await ada.write(bob, 'by poll')
  await bubble(page, 'by poll').waitFor()
})

scene('a thousand messages arrive while one reads further up: the place is kept, and nothing unseen is read', async (stage, t) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const line = n => `number ${n}${' and some more words'.repeat(n % 5)}`
  await ada.write(bob, ...Array.from({ length: 300 }, (_, n) => line(n)))
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  // All of it is unread, so it opens at the first one, with the divider before it.
  await page.locator('.divider').waitFor()
  assert.equal(await page.locator('.divider + .message .text').innerText(), 'number 0')
  await page.locator('.jump-button').click()
  await bubble(page, line(299)).waitFor()
  await page.waitForFunction(() => document.title === 'chatd')

  const scroller = page.locator('.messages')
  await scroller.hover()
  for (let turn = 0; turn < 8; turn++) await page.mouse.wheel(0, -500)
  await page.locator('.jump-button').waitFor()
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
  const top = () => page.evaluate(() => {
    const scroller = document.querySelector('.messages').getBoundingClientRect()
    const first = [...document.querySelectorAll('.message')].find(node => node.getBoundingClientRect().top >= scroller.top)
    return { text: first.querySelector('.text').textContent, top: first.getBoundingClientRect().top }
  })
  const before = await top()
  await page.evaluate(() => {
    window.tasks = []
    new PerformanceObserver(list => tasks.push(...list.getEntries().map(entry => Math.round(entry.duration)))).observe({ type: 'longtask' })
  })
  await ada.write(bob, ...Array.from({ length: 1_000 }, (_, n) => line(1_000 + n)))
  await page.getByText('1,000 new messages').first().waitFor()
  const after = await top()
  assert.equal(after.text, before.text)
  assert.ok(Math.abs(after.top - before.top) <= 1, `moved by ${after.top - before.top} px`)
  t.diagnostic(`long tasks: ${await page.evaluate(() => tasks)}`)
  const unread = (await ada.history(bob)).filter(message => !message.is_read).length
  assert.equal(unread, 500, 'of the newest 500 none was seen')
  await page.waitForFunction(() => document.title.startsWith('(1,000)') || document.title.startsWith('(1000)'))
  assert.ok(await bubbles(page).count() <= 300)

  await page.locator('.jump-button').click()
  await bubble(page, line(1_999)).waitFor()
  await page.waitForFunction(() => document.title === 'chatd')
  const all = await ada.history(bob)
  assert.equal(all.filter(message => !message.is_read).length, 0)
})

scene('whoever comes back to the page goes on at the first of what came, and has read no more than that', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, 'before')
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  await bubble(page, 'before').waitFor()
  await page.waitForFunction(() => document.title === 'chatd')
  // Behind other tabs a page has no frames; headless, none is behind another.
  const look = visible => page.evaluate(visible => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: visible ? 'visible' : 'hidden' })
    document.dispatchEvent(new Event('visibilitychange'))
    window.frame ??= requestAnimationFrame
    window.requestAnimationFrame = visible ? window.frame : work => window.waiting.push(work)
    for (const work of (window.waiting ??= []).splice(0)) window.frame(work)
  }, visible)
  await look(false)
  await ada.write(bob, ...Array.from({ length: 60 }, (_, n) => `meanwhile ${n}`))
  await page.waitForFunction(() => document.title === '(60) chatd')
  await look(true)
  await page.locator('.divider + .message').filter({ hasText: 'meanwhile 0' }).waitFor()
  assert.ok(await page.locator('.divider').evaluate(at => at.getBoundingClientRect().top > 0))
  const left = await page.waitForFunction(() => document.title !== '(60) chatd' && /\d+/.exec(document.title)?.[0])
  const unread = (await ada.history(bob)).filter(message => !message.is_read).length
  assert.ok(unread > 30 && unread < 60, `${unread} are unread`)
  assert.equal(await left.jsonValue(), String(unread))
  await say(page, 'an answer')
  await page.waitForFunction(() => document.title === 'chatd')
  assert.equal(await page.locator('.divider').count(), 0)
})

scene('what was said before comes after a failure without a move of the reader’s, and a failure that leaves nothing to see is told', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, ...Array.from({ length: 400 }, (_, n) => `number ${n}`))
  const first = (await stage.server.request('GET', `/api/chats/history/${ada.id}?limit=500`, { token: bob.session.token })).body.data[0]
  await bob.send({ receiver_id: ada.id, content: 'an answer', reply_to: first.id })
  const page = await stage.open(bob)
  await row(page, 'ada').waitFor()
  await page.route('**/api/chats/history/*', route => route.abort())
  await row(page, 'ada').click()
  const again = page.getByRole('button', { name: 'Try again' }).locator('visible=true')
  await again.waitFor()
  await page.unrouteAll()
  const failing = way => new Promise(done => page.route(url => url.searchParams.has(way), route => route.abort().then(done)))
  failing('around')
  const failed = failing('before')
  await again.press('Enter')
  await page.locator('.messages:focus').waitFor()
  await page.locator('.quote').click()
  await page.locator('#toast').getByText('cannot be reached').waitFor()
  await page.locator('.messages').evaluate(at => { at.scrollTop = 0 })
  await failed
  await page.unrouteAll()
  await page.locator('.message').getByText('number 300', { exact: true }).waitFor({ state: 'attached' })
})

// The end was asked for once, in vain: the message went from view as it was stored, and the reader
// stayed in the past.
scene('what is written without a connection, somewhere in the past, is in view once it is stored', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const first = await bob.send({ receiver_id: ada.id, content: 'the first of all' })
  await bob.write(ada, ...Array.from({ length: 300 }, (_, n) => `number ${n}`))
  await bob.send({ receiver_id: ada.id, content: 'an answer', reply_to: first.id })
  await ada.emit('mark_chat_as_read', { user_id: bob.id })
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await bubble(page, 'an answer').locator('.quote').click()
  await bubble(page, 'the first of all').first().waitFor()
  await bubble(page, 'an answer').waitFor({ state: 'detached' })
  await stage.server.kill()
  await say(page, 'from the past')
  await state(page, 'from the past', 'pending')
  await stage.server.start()
  await state(page, 'from the past', 'stored')
  await bubble(page, 'an answer').waitFor()
  await page.waitForFunction(() => {
    const { top, bottom } = [...document.querySelectorAll('.message')].at(-1).getBoundingClientRect()
    return top >= 0 && bottom <= innerHeight
  })
  assert.equal(await bubbles(page).last().locator('.text').innerText(), 'from the past')
})

scene('the end stays in view when the last message grows', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...Array.from({ length: 30 }, (_, n) => `number ${n}`))
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  await page.locator('.jump-button').click()
  await page.waitForFunction(() => document.title === 'chatd')
  await ada.emit('edit_message', { message_id: (await ada.history(bob)).at(-1).id, content: 'and so on '.repeat(150) })
  await bubble(page, 'and so on').waitFor()
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
  const left = await page.locator('.messages').evaluate(at => at.scrollHeight - at.clientHeight - at.scrollTop)
  assert.ok(left < 2, `${left} px are below the view`)
})

scene('a page that is older than its server still gets its files, and says that there is a newer one', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada, { path: '/readyz' })
  // As the page of an earlier version would have been: its files have another version in their
  // addresses.
  await page.route(`${stage.server.url}/`, async route => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, body: (await answer.text()).replaceAll(/"v\/[0-9a-f]{16}\//g, '"v/0123456789abcdef/') })
  })
  await page.goto(stage.server.url)
  await row(page, 'bob').waitFor()
  const note = page.getByText('There is a new version')
  assert.ok(await note.isHidden(), 'not before the server was away')
  await stage.server.kill()
  await stage.server.start()
  // It comes back within some seconds, and asks within some more.
  await note.waitFor({ timeout: 30_000 })
  await isAccessible(page, 'the note of a new version')
  // What is loaded late comes, too; and what was begun is not lost by loading the page anew.
  await row(page, 'bob').click()
  await bubble(page, 'hi').waitFor()
  await composer(page).fill('half a thought')
  await page.keyboard.press('Control+k')
  await page.getByRole('searchbox').waitFor()
  await page.keyboard.press('Escape')
  await page.unroute(`${stage.server.url}/`)
  await page.getByRole('button', { name: 'Load it' }).click()
  await bubble(page, 'hi').waitFor()
  assert.equal(await composer(page).inputValue(), 'half a thought')
  const asked = page.waitForResponse(response => response.url().endsWith('/api/server'))
  await stage.server.kill()
  await stage.server.start()
  await asked
  await say(page, 'still the newest')
  await state(page, 'still the newest', 'stored')
  assert.ok(await note.isHidden())
})

scene('a page that could not connect before its server was updated says so, too', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada, { path: '/readyz' })
  await page.route(`${stage.server.url}/`, async route => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, body: (await answer.text()).replaceAll(/"v\/[0-9a-f]{16}\//g, '"v/0123456789abcdef/') })
  })
  let isUpdated = false
  await page.routeWebSocket(/socket\.io/, socket => isUpdated ? void socket.connectToServer() : socket.close())
  await page.route(/socket\.io/, route => isUpdated ? route.continue() : route.abort())
  await page.goto(stage.server.url)
  await page.getByText('No connection').waitFor()
  isUpdated = true
  await page.getByText('There is a new version').waitFor({ timeout: 30_000 })
})

scene('what is loaded late is loaded once the server is back, and what is asked for meanwhile is answered', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const page = await stage.open(ada)
  await row(page, 'bob').waitFor()
  const isLate = request => request.url().includes('/js/installed.js')
  const failed = page.waitForEvent('requestfailed', { predicate: isLate })
  await stage.server.kill()
  await page.keyboard.press('Control+k')
  await page.getByText('The server cannot be reached').waitFor()
  // Nobody asked for it: nothing is said, and nothing thrown.
  await failed
  // The page waits for up to 10 s until it tries to connect again.
  const loaded = page.waitForResponse(response => isLate(response.request()), { timeout: 30_000 })
  await stage.server.start()
  assert.equal((await loaded).status(), 200)
  await page.keyboard.press('Control+k')
  await page.getByRole('searchbox').waitFor()
})

scene('below a path of a reverse proxy the page works as well', async (stage, t) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hi')
  const below = '/team/chat/'
  const page = await stage.open(null, { url: await proxied(stage.server, below, t), path: '' })
  const sockets = []
  page.on('websocket', socket => sockets.push(new URL(socket.url()).pathname))
  await page.getByLabel('Username').fill('ada')
  await page.locator('#password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await row(page, 'bob').click()
  await say(page, 'from below')
  await state(page, 'from below', 'stored')
  await page.keyboard.press('Control+k')
  await page.getByRole('searchbox').waitFor()
  assert.deepEqual([...new Set(sockets)], [`${below}socket.io/`])
})

scene('a page of another site imports the socket’s module from here, and uses it by itself', async (stage, t) => {
  const site = createServer((request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>another</title>'))
  await new Promise(done => site.listen(0, '127.0.0.1', done))
  t.after(() => site.closeAllConnections() ?? site.close())
  const origin = `http://127.0.0.1:${site.address().port}`
  const [ada, bob] = await stage.people('ada', 'bob')
  await stage.server.end()
  stage.server.flags.push('--allow-origin', origin)
  await stage.server.start()
  const page = await stage.open(null, { url: origin })
  const program = replaced(await block('js', 'js/net/socket.js'), {
    'http://127.0.0.1:8080': stage.server.url,
    'receiver_id: 2': `receiver_id: ${bob.id}`,
  })
  const said = page.waitForEvent('console', message => message.type() === 'log' && message.args().length === 1)
  await page.addScriptTag({ type: 'module', content: `const token = ${JSON.stringify(ada.session.token)}\n${program}` })
  const sent = await (await said).args()[0].jsonValue()
  assert.equal((await ada.history(bob))[0].id, sent.id)
})
