// Long conversations: the document stays small, opening is quick, scrolling is smooth, and what is read keeps its place.

import assert from 'node:assert/strict'
import { row, scene } from './harness.mjs'

const lines = (count, start = 0) => Array.from({ length: count }, (_, at) => {
  const n = start + at
  return n % 7 === 3 ? `number ${n}, ${'and a few words more, '.repeat(n % 11)}that is all` : `number ${n}`
})

/** Counts long tasks and layout shifts from now on. */
const measure = page => page.evaluate(() => {
  window.measured = { tasks: [], shift: 0 }
  new PerformanceObserver(list => measured.tasks.push(...list.getEntries().map(entry => Math.round(entry.duration))))
    .observe({ type: 'longtask' })
  new PerformanceObserver(list => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) measured.shift += entry.value })
    .observe({ type: 'layout-shift', buffered: true })
})

scene('a conversation of 50,000 messages opens in a moment and scrolls smoothly to its beginning', async (stage, t) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, ...lines(Number(process.env.LONG ?? 50_000)))
  await bob.server.request('GET', `/api/chats/`, { token: bob.session.token })
  const page = await stage.open(bob)
  await row(page, 'ada').waitFor()
  await measure(page)
  const opened = await page.evaluate(() => new Promise(done => {
    const start = performance.now()
    const look = () => document.querySelector('.message') ? requestAnimationFrame(() => done(performance.now() - start)) : requestAnimationFrame(look)
    document.querySelector('.chat-row').click()
    look()
  }))
  t.diagnostic(`opened in ${Math.round(opened)} ms`)
  assert.ok(opened < 300, `opened in ${opened} ms`)

  await page.evaluate(() => new Promise(done => requestIdleCallback(done)))
  await page.evaluate(() => { window.measured.tasks = [] })
  // The wheel turns, frame by frame, a third of a view at a time, for some thousands of messages.
  const seen = await page.evaluate(async target => {
    const scroller = document.querySelector('.messages')
    let most = 0, first = ''
    const frames = []
    let drift = 0
    while (document.querySelectorAll('.message').length) {
      const start = performance.now()
      scroller.scrollTop -= scroller.clientHeight / 3
      await new Promise(requestAnimationFrame)
      frames.push(performance.now() - start)
      most = Math.max(most, document.querySelectorAll('.message').length)
      first = document.querySelector('.message .text').textContent
      if (Number(/\d+/.exec(first)[0]) <= target || frames.length > 20_000) break
    }
    frames.sort((a, b) => a - b)
    return { most, first, frames: frames.length, median: frames[frames.length >> 1], slowest: frames.at(-1), measured, drift }
  }, Math.max(0, Number(process.env.LONG ?? 50_000) - 3_000))
  t.diagnostic(JSON.stringify(seen))
  assert.ok(seen.most <= 300, `${seen.most} bubbles`)
  assert.deepEqual(seen.measured.tasks.filter(ms => ms > 50), [], 'long tasks')
  assert.ok(seen.measured.shift < 0.02, `layout shift ${seen.measured.shift}`)
})
