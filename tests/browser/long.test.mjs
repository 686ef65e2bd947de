// Long conversations: the document stays small, opening is quick, scrolling is smooth, and what is
// read keeps its place.

import assert from 'node:assert/strict'
import { row, scene } from './harness.mjs'

const COUNT = 50_000

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
  await ada.write(bob, ...lines(COUNT))
  const page = await stage.open(bob)
  await row(page, 'ada').waitFor()
  // Of all of it one page of the history is asked for, and no more is built than can be seen soon.
  const asked = []
  page.on('request', request => { if (request.url().includes('/history/')) asked.push(request.url()) })
  await measure(page)
  const opened = await page.evaluate(() => new Promise(done => {
    const start = performance.now()
    const look = () => requestAnimationFrame(document.querySelector('.message') ? () => done(performance.now() - start) : look)
    document.querySelector('.chat-row').click()
    look()
  }))
  t.diagnostic(`opened in ${Math.round(opened)} ms`)
  assert.equal(asked.length, 1, asked.join(', '))
  assert.ok(await page.locator('.message').count() <= 300)

  await page.evaluate(() => new Promise(done => requestIdleCallback(done)))
  await page.evaluate(() => { window.measured.tasks = [] })
  // One turn of the wheel, at which older messages are asked for; then many more.
  const before = await page.locator('.message').count()
  await page.locator('.messages').hover()
  await page.mouse.wheel(0, -200)
  await page.waitForFunction(count => document.querySelectorAll('.message').length > count, before)
  // Between two frames, as a wheel or a finger does it, the list is moved by a third of a view.
  // What stood in the view must have moved by just that, whatever was put before it or taken away
  // behind it meanwhile.
  const turn = target => page.evaluate(async target => {
    measured.tasks = []
    const scroller = document.querySelector('.messages')
    const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)))
    const seen = { most: 0, drift: 0, frames: 0, number: Infinity, ...measured }
    while (seen.number > target && seen.frames++ < 2_000) {
      const top = scroller.getBoundingClientRect().top
      const held = [...document.querySelectorAll('.message')].find(node => node.getBoundingClientRect().top >= top)
      const expected = held.getBoundingClientRect().top + scroller.scrollTop
      scroller.scrollTop -= scroller.clientHeight / 3
      const now = expected - scroller.scrollTop
      await frame()
      seen.drift = Math.max(seen.drift, Math.abs(held.getBoundingClientRect().top - now))
      seen.most = Math.max(seen.most, document.querySelectorAll('.message').length)
      seen.number = Number(/\d+/.exec(document.querySelector('.message .text').textContent)[0])
    }
    return { ...seen, ...measured }
  }, target)
  // Smooth is what the list can be: a busy machine delays some turn or other, but not each of many.
  const turns = []
  const allDelayed = () => turns.every(({ tasks }) => tasks.length > 0)
  for (let part = 1; part <= 3 || part <= 10 && allDelayed(); part++) turns.push(await turn(COUNT - part * 500))
  const seen = {
    most: Math.max(...turns.map(({ most }) => most)),
    drift: Math.max(...turns.map(({ drift }) => drift)),
    number: turns.at(-1).number,
    shift: turns.at(-1).shift,
    tasks: turns.map(({ tasks }) => tasks),
  }
  t.diagnostic(JSON.stringify(seen))
  assert.ok(seen.most <= 300, `${seen.most} bubbles`)
  assert.ok(seen.number <= COUNT - 1_500, `came to ${seen.number} only`)
  assert.ok(seen.drift <= 1.5, `what was read moved by ${seen.drift} px`)
  assert.ok(seen.shift < 0.02, `layout shift ${seen.shift}`)
  assert.ok(!allDelayed(), `long tasks: ${seen.tasks.join('; ')}`)

  // As many as in an hour of five a second.
  await page.locator('.jump-button').click()
  await ada.write(bob, ...lines(18_000, COUNT))
  // All of them in some seconds, which no person sees: it may take a while.
  await page.getByText(`number ${COUNT + 17_999}`).first().waitFor({ timeout: 60_000 })
  const device = await page.context().newCDPSession(page)
  await device.send('HeapProfiler.collectGarbage')
  const { usedSize } = await device.send('Runtime.getHeapUsage')
  t.diagnostic(`heap ${(usedSize / 1e6).toFixed(1)} MB`)
  assert.ok(usedSize <= 60e6, `${usedSize} bytes`)

  // To another chat and back: what was read already is there in the frame after the click.
  const cyd = await stage.server.user('cyd')
  await cyd.write(bob, 'hello')
  await row(page, 'cyd').click()
  await page.getByRole('heading', { name: 'cyd' }).waitFor()
  await page.getByText('hello').first().waitFor()
  const switched = await page.evaluate(() => new Promise(done => {
    const link = [...document.querySelectorAll('.chat-row')].find(node => node.textContent.includes('ada'))
    let frames = 0
    const look = () => requestAnimationFrame(() => {
      frames++
      if (document.querySelectorAll('.message').length > 20) done(frames)
      else look()
    })
    link.click()
    look()
  }))
  t.diagnostic(`switched in ${switched} frames`)
  assert.ok(switched <= 2, `${switched} frames`)
})
