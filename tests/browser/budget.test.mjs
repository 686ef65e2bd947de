// Hard numbers: what a first load asks for and brings over the wire, what loading again does. How
// soon something is seen is told, not demanded: that is the machine's.

import assert from 'node:assert/strict'
import { PHONE, bubble, row, scene } from './harness.mjs'

const REQUESTS = 14
const FIRST_BYTES = 60 * 1024
const AGAIN_BYTES = 5 * 1000
const SLOW_4G = { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 }

/**
 * Counts what a page asks for and what comes over the wire, headers and all; what its cache has
 * does not come.
 */
async function meter(page) {
  const network = await page.context().newCDPSession(page)
  await network.send('Network.enable')
  const counted = { asked: [], bytes: 0, data: 0 }
  const addresses = new Map()
  network.on('Network.requestWillBeSent', ({ requestId, request }) => {
    if (request.url.startsWith('http') && !request.url.endsWith('/favicon.ico')) addresses.set(requestId, new URL(request.url).pathname)
  })
  network.on('Network.webSocketCreated', ({ url }) => counted.asked.push(`${new URL(url).pathname} (WebSocket)`))
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (!addresses.has(requestId) || encodedDataLength === 0) return
    counted.asked.push(`${addresses.get(requestId)} ${encodedDataLength}`)
    counted.bytes += encodedDataLength
    if (addresses.get(requestId).startsWith('/api/')) counted.data += encodedDataLength
  })
  return { network, counted }
}

/** Opens a path and gives what that took. */
async function load(page, address, settled) {
  const { network, counted } = await meter(page)
  await page.goto('about:blank')
  Object.assign(counted, { asked: [], bytes: 0, data: 0 })
  await page.goto(address)
  await settled(page)
  await page.waitForLoadState('networkidle')
  const seen = await page.evaluate(() => new Promise(done => {
    new PerformanceObserver(list => done(list.getEntries().at(-1).startTime)).observe({ type: 'largest-contentful-paint', buffered: true })
  }))
  await network.detach()
  return { ...counted, seen }
}

scene('a first load stays within its budget wherever it begins, and loading again brings next to nothing', async (stage, t) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...Array.from({ length: 50 }, (_, n) => `number ${n}`))
  for (const [name, person, path, settled] of [
    ['the sign-in', null, '/', page => page.locator('sign-in form').waitFor()],
    ['the list', bob, '/', page => row(page, 'ada').waitFor()],
    ['a chat', bob, `/#/chat/${ada.id}`, page => bubble(page, 'number 49').waitFor()],
  ]) {
    const page = await stage.open(person, { path: '/readyz' })
    const address = stage.server.url + path
    const first = await load(page, address, settled)
    const again = await load(page, address, settled)
    t.diagnostic(`${name}: ${first.asked.length} requests, ${(first.bytes / 1024).toFixed(1)} KiB, seen after ${Math.round(first.seen)} ms; `
      + `again: ${again.asked.length} requests, ${(again.bytes / 1000).toFixed(1)} kB, of which messages and such ${(again.data / 1000).toFixed(1)} kB, ${Math.round(again.seen)} ms`)
    assert.ok(first.asked.length <= REQUESTS, `${name}:\n${first.asked.join('\n')}`)
    assert.ok(first.bytes > 10_000 && first.bytes <= FIRST_BYTES, `${name}: ${first.bytes} bytes:\n${first.asked.join('\n')}`)
    // The messages themselves are read afresh each time.
    assert.ok(again.bytes - again.data <= AGAIN_BYTES, `${name} again: ${again.bytes} bytes:\n${again.asked.join('\n')}`)
  }
})

scene('on a slow network a middling phone shows a chat', async (stage, t) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...Array.from({ length: 50 }, (_, n) => `number ${n}`))
  const page = await stage.open(bob, { path: '/readyz', size: PHONE })
  const device = await page.context().newCDPSession(page)
  await device.send('Network.enable')
  await device.send('Network.emulateNetworkConditions', SLOW_4G)
  await device.send('Emulation.setCPUThrottlingRate', { rate: 4 })
  const { seen } = await load(page, `${stage.server.url}/#/chat/${ada.id}`, page => bubble(page, 'number 49').waitFor())
  t.diagnostic(`seen after ${Math.round(seen)} ms`)
})
