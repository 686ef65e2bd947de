// Searching: by keyboard alone, what is found is marked, a hit opens its chat at that message, and
// one comes back to the list.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { DESK, PHONE, bubble, row, scene } from './harness.mjs'

const hits = page => page.locator('people-picker li:has(mark)')

/** Types what is searched for, once it can be found. */
async function search(page, text, count) {
  await page.keyboard.press('Control+k')
  const field = page.getByPlaceholder('Search people and messages')
  await field.fill(text)
  while (await hits(page).count() !== count) {
    await page.waitForTimeout(100)
    await field.fill(`${text} `)
    await field.fill(text)
    await page.waitForTimeout(400)
  }
}

for (const [device, size] of Object.entries({ phone: PHONE, desk: DESK })) {
  scene(`messages are found as one types, by the keyboard alone (${device})`, async stage => {
    const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
    await bob.write(ada, 'The tickets for the Café are here', ...Array.from({ length: 300 }, (_, n) => `number ${n}`))
    const room = await ada.room('Trips', bob)
    await bob.say(room, 'Who has the tickets?')
    await cyd.write(bob, 'tickets that are none of hers')
    const page = await stage.open(ada, { size })
    await row(page, 'Trips').waitFor()
    await search(page, 'ticket', 2)
    assert.deepEqual(await hits(page).locator('mark').allTextContents(), ['ticket', 'ticket'])
    assert.match(await hits(page).first().textContent(), /Trips.*bob: Who has the tickets/)
    await page.getByText('2 messages').waitFor()
    await isAccessible(page, `what is found, ${device}`)
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    // 300 messages back: what is around it is read, and it is in view.
    const found = bubble(page, 'The tickets for the Café')
    await found.waitFor()
    await page.waitForFunction(node => {
      const { top, bottom } = node.getBoundingClientRect()
      return top >= 0 && bottom <= innerHeight
    }, await found.elementHandle())
    assert.equal(new URL(page.url()).hash, `#/chat/${bob.id}`)
    // The way back: to the same list, and to where one was.
    await page.keyboard.press('Control+k')
    assert.equal(await page.getByPlaceholder('Search people and messages').inputValue(), 'ticket')
    await hits(page).first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await bubble(page, 'Who has the tickets?').waitFor()
    assert.equal(new URL(page.url()).hash, `#/room/${room.id}`)
    await page.goBack()
    await bubble(page, 'number').first().waitFor()
  })
}

scene('what was deleted is not found, in Indonesian words', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'rahasia')
  const page = await stage.open(ada, { locale: 'id-ID' })
  await row(page, 'bob').waitFor()
  await page.keyboard.press('Control+k')
  const field = page.getByPlaceholder('Cari orang dan pesan')
  await field.fill('RAHAS')
  await page.getByText('1 pesan').waitFor()
  const [{ id }] = await bob.history(ada)
  const { status } = await stage.server.request('DELETE', `/api/messages/${id}`, { token: bob.session.token })
  assert.equal(status, 200)
  await field.fill('rahasia')
  await page.getByText('Tidak ada yang bernama seperti itu di sini.').waitFor()
  assert.equal(await hits(page).count(), 0)
})
