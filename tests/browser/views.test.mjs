// Every view, at a phone's and a desk's width, light and dark: axe finds nothing, nothing is wider
// than the window. With SHOTS=folder in the environment a picture of each is left there, to be
// looked at.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { isAccessible } from './axe.mjs'
import { DESK, PASSWORD, PHONE, bubble, composer, row, say, scene, state } from './harness.mjs'

const { SHOTS } = process.env

/** @param {import('playwright-core').Page} page */
async function look(page, view, look) {
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${view}-${look}.png` })
  const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }))
  assert.ok(wide <= window, `${view} is ${wide} px wide in a window of ${window}`)
  await isAccessible(page, `${view}, ${look}`)
}

for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK })) {
  for (const theme of ['light', 'dark']) {
    scene(`the ways in are accessible (${device}, ${theme})`, async stage => {
      const { server } = stage
      const page = await stage.open(null, { path: `/?setup=${server.setup}`, size, theme })
      const seen = view => look(page, view, `${device}-${theme}`)
      await page.getByRole('heading', { name: 'Set up chatd' }).waitFor()
      await seen('setup')
      await page.getByRole('button', { name: 'Create the administrator' }).click()
      await page.getByText('Enter your username').waitFor()
      await seen('setup-error')
      await page.getByLabel('Username').fill('ada')
      await page.locator('#password').fill(PASSWORD)
      await page.keyboard.press('Enter')
      await page.getByText('No chats yet').waitFor()
      assert.equal(new URL(page.url()).search, '')
      await seen('empty')
      await page.getByRole('button', { name: 'Menu' }).click()
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByText('Log out?').waitFor()
      await seen('log-out')
      await page.getByRole('dialog').getByRole('button', { name: 'Log out' }).click()
      await page.getByText('Welcome back').waitFor()
      await page.getByLabel('Username').fill('ada')
      await page.locator('#password').fill('not the password')
      await page.keyboard.press('Enter')
      await page.getByText('password is wrong').waitFor()
      await seen('login-error')
    })

    scene(`the chats and dialogs are accessible (${device}, ${theme})`, async stage => {
      const [ada, bob, cyd, dewi] = await stage.people('ada', 'bob', 'cyd', 'dewi.anggraini')
      await bob.write(ada, 'Shall we meet at the station?', 'I have the tickets.')
      await cyd.write(ada, 'Photos from Sunday: https://example.org/albums/2025/sunday')
      await dewi.write(ada, 'Selamat pagi!')
      const page = await stage.open(ada, { size, theme })
      const seen = view => look(page, view, `${device}-${theme}`)
      await row(page, 'dewi').waitFor()
      await seen('list')
      await row(page, 'bob').click()
      await bubble(page, 'tickets').waitFor()
      await bob.write(ada, 'Platform 4, then.')
      await say(page, 'Good. I will be there at ten, with coffee for both of us and something to eat on the way.')
      await say(page, 'Window seat?')
      await state(page, 'Window seat?', 'stored')
      await seen('chat')
      await page.locator('.messages').focus()
      await page.keyboard.press('ArrowUp')
      await seen('chat-message-focused')
      await page.keyboard.press('Escape')
      assert.ok(await composer(page).evaluate(field => field === document.activeElement))
      await page.keyboard.press('Control+k')
      await page.getByRole('button', { name: 'dewi.anggraini' }).waitFor()
      await seen('picker')
      await page.keyboard.press('Escape')
      await page.keyboard.press('Control+/')
      await page.getByText('Keyboard shortcuts').last().waitFor()
      await seen('keys')
      await page.keyboard.press('Escape')
      if (device === 'phone') await page.getByRole('link', { name: 'Back to the chats' }).click()
      await page.getByRole('button', { name: 'Menu' }).click()
      await page.waitForFunction(() => document.querySelector('#menu').matches(':popover-open'))
      await seen('menu')
      await page.getByRole('button', { name: 'Your profile' }).click()
      await page.getByRole('heading', { name: 'Your profile' }).waitFor()
      await seen('profile')
      await page.keyboard.press('Escape')
      await stage.server.kill()
      await page.getByText('No connection').waitFor()
      await seen('banner')
      await stage.server.start()
    })
  }
}

scene('at 320 px, 400 % zoom and twice the text size nothing is cut off', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'https://example.org/' + 'a-very-long-address/'.repeat(12), 'ok')
  const page = await stage.open(ada, { size: { width: 320, height: 256 } })
  await row(page, 'bob').click()
  await bubble(page, 'ok').waitFor()
  await look(page, 'chat', 'zoomed')
  assert.ok(await composer(page).evaluate(field => field.getBoundingClientRect().bottom <= innerHeight))
  await page.setViewportSize(PHONE)
  await page.evaluate(() => { document.documentElement.style.fontSize = '200%' })
  await look(page, 'chat', 'big-text')
  await page.getByRole('link', { name: 'Back to the chats' }).click()
  await look(page, 'list', 'big-text')
})

scene('forced colours keep what colours said', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'one')
  const page = await stage.open(ada, { forcedColors: 'active', path: `/#/chat/${bob.id}` })
  await say(page, 'two')
  await state(page, 'two', 'stored')
  await look(page, 'chat', 'forced-colours')
  assert.notEqual(await bubble(page, 'two').locator('.bubble').evaluate(node => getComputedStyle(node).borderStyle), 'none')
})

scene('words that are longer by two fifths, as other languages have them, are not cut off', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hello')
  for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK })) {
    const page = await stage.open(null, { path: '/readyz', size })
    // Every text of the catalogue is made longer, and accented, as it is loaded; for which the page
    // is loaded unjoined.
    await page.route(`${stage.server.url}/`, async route => {
      await route.fulfill({ response: await route.fetch(), body: readFileSync(new URL('../../static/index.html', import.meta.url), 'utf8') })
    })
    await page.route('**/i18n/en.js', async route => {
      const body = await (await route.fetch()).text()
      const stretch = `
        const longer = text => text.replace(/[aeiou]/g, letter => ({ a: 'åå', e: 'éé', i: 'îî', o: 'öö', u: 'ûû' })[letter])
          .replace(/\\{[^}]*\\}/g, hole => hole.replace(/åå|éé|îî|öö|ûû/g, two => ({ å: 'a', é: 'e', î: 'i', ö: 'o', û: 'u' })[two[0]]))
        for (const [key, text] of Object.entries(en)) en[key] = typeof text === 'string' ? longer(text)
          : Object.fromEntries(Object.entries(text).map(([form, words]) => [form, longer(words)]))`
      await route.fulfill({ contentType: 'text/javascript', body: body + stretch })
    })
    const isWhole = async view => {
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/pseudo-${view}-${device}.png` })
      const cut = await page.evaluate(() => [...document.querySelectorAll('body *')].filter(node => {
        if (!(node instanceof HTMLElement) || node.checkVisibility?.() === false || node.closest('.visually-hidden, [hidden]')) return false
        // What is shortened on purpose says so by its dots; a name and a text are not ours.
        const { textOverflow, overflowX } = getComputedStyle(node)
        const dots = textOverflow === 'ellipsis' && overflowX !== 'visible' && !node.matches('button, h1, h2')
        return !dots && node.textContent.trim() !== '' && node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== 'inline'
      }).map(node => `${node.tagName}.${node.className} ${node.textContent.trim().slice(0, 60)}`))
      assert.deepEqual(cut, [], `${view} on a ${device}`)
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
    }
    await page.goto(stage.server.url)
    await page.getByText('Wéélcöömé', { exact: false }).first().waitFor().catch(() => {})
    await page.locator('sign-in form').waitFor()
    await isWhole('sign-in')
    await page.evaluate(session => localStorage.setItem('chatd.session', JSON.stringify(session)), ada.session)
    await page.reload()
    await row(page, 'bob').waitFor()
    await isWhole('list')
    await page.locator('[popovertarget="menu"]').click()
    await isWhole('menu')
    await page.locator('#menu [data-part="profile"]').click()
    await page.locator('.sheet').waitFor()
    await isWhole('profile')
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    await page.locator('.keys').waitFor()
    await isWhole('keys')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+k')
    await page.locator('.picker').waitFor()
    await isWhole('picker')
    await page.keyboard.press('Escape')
    await row(page, 'bob').click()
    await bubble(page, 'hello').waitFor()
    await isWhole('chat')
  }
})

scene('a link reads as it leads, whatever is written before it', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, '\u202ehttps://example.org/a')
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  const [first, last] = await page.locator('.text a').evaluate(({ firstChild: text }) => [0, text.length - 1].map(at => {
    const range = new Range()
    range.setStart(text, at)
    range.setEnd(text, at + 1)
    return range.getBoundingClientRect().left
  }))
  assert.ok(first < last, `the h of https stands at ${first}, the end at ${last}`)
})
