// Hard numbers of a first load: how many requests, how many bytes when compressed.

import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { bubble, row, scene } from './harness.mjs'

const REQUESTS = 14
const BYTES = 60 * 1024

/** Opens a path in a fresh browser and gives what was asked for until nothing more was, WebSockets counted. */
async function firstLoad(stage, person, path, settled) {
  const page = await stage.open(person, { path: '/readyz' })
  const asked = [], bodies = []
  page.on('request', request => asked.push(new URL(request.url()).pathname))
  page.on('websocket', socket => asked.push(`${new URL(socket.url()).pathname} (WebSocket)`))
  page.on('response', response => bodies.push(response.body().catch(() => Buffer.alloc(0))))
  await page.goto(stage.server.url + path)
  await settled(page)
  await page.waitForLoadState('networkidle')
  const own = asked.filter(path => !path.startsWith('data:') && path !== '/favicon.ico')
  const bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + gzipSync(body, { level: 9 }).length, 0)
  return { asked: own, bytes }
}

scene('a first load stays within its budget, wherever it begins', async (stage, t) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...Array.from({ length: 50 }, (_, n) => `number ${n}`))
  const loads = {
    'the sign-in': await firstLoad(stage, null, '/', page => page.locator('sign-in form').waitFor()),
    'the list': await firstLoad(stage, bob, '/', page => row(page, 'ada').waitFor()),
    'a chat': await firstLoad(stage, bob, `/#/chat/${ada.id}`, page => bubble(page, 'number 49').waitFor()),
  }
  for (const [name, { asked, bytes }] of Object.entries(loads)) {
    t.diagnostic(`${name}: ${asked.length} requests, ${(bytes / 1024).toFixed(1)} KiB`)
    assert.ok(asked.length <= REQUESTS, `${name}: ${asked.join('\n')}`)
    assert.ok(bytes <= BYTES, `${name}: ${bytes} bytes`)
  }
})
