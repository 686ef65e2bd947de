// Blocks, reports, sessions and reset links by the page.

import assert from 'node:assert/strict'
import { isAccessible } from './axe.mjs'
import { PASSWORD, PHONE, bubble, composer, say, scene } from './harness.mjs'

const menu = async (page, item) => {
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('#menu').getByRole('button', { name: item }).click()
}

scene('a person is blocked, cannot write any more, and is reported; the administrator closes the report', async stage => {
  const root = await stage.server.user('root', { invite: stage.server.setup })
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'rude words')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await bubble(page, 'rude words').waitFor()
  await page.locator('.head-name').click()
  await page.getByText('can then no longer write to you').waitFor()
  await isAccessible(page)
  await page.getByRole('button', { name: 'Block' }).click()
  await page.getByText('You have blocked bob').waitFor()
  await page.getByRole('button', { name: 'Report', exact: true }).click()
  await page.getByLabel('What is wrong?').fill('It is rude.')
  await page.keyboard.press('Enter')
  await page.getByText('The administrators have your report.').waitFor()
  await page.keyboard.press('Escape')
  const other = await stage.open(bob, { path: `/#/chat/${ada.id}` })
  await composer(other).waitFor()
  await say(other, 'again')
  await other.getByText('This person does not accept it.').first().waitFor()
  const office = await stage.open(root)
  await menu(office, 'People and invites')
  await office.getByRole('button', { name: 'Reports' }).click()
  await office.locator('report-list').getByText('It is rude.').waitFor()
  await isAccessible(office)
  await office.getByRole('button', { name: 'Close the report about bob' }).click()
  await office.getByText('There are no open reports.').waitFor()
})

scene('sessions are listed on a phone and ended one by one and all others', async stage => {
  const [ada] = await stage.people('ada')
  await stage.server.login('ada')
  await stage.server.login('ada')
  const page = await stage.open(ada, { size: PHONE })
  await menu(page, 'Your profile')
  await page.getByRole('button', { name: 'Where you are logged in' }).click()
  const list = page.locator('session-list [data-part="sessions"] > li')
  await page.waitForFunction(() => document.querySelectorAll('session-list li').length === 3)
  await isAccessible(page)
  const wide = await page.evaluate(() => document.querySelector('session-list dialog').scrollWidth <= innerWidth)
  assert.ok(wide, 'nothing is wider than the phone')
  await list.getByRole('button').first().click()
  await page.waitForFunction(() => document.querySelectorAll('session-list li').length === 2)
  await page.getByRole('button', { name: 'Log out everywhere else' }).click()
  await page.waitForFunction(() => document.querySelectorAll('session-list li').length === 1)
  await page.locator('session-list').getByText('This device').waitFor()
})

scene('a reset link gives another password and logs in', async stage => {
  const root = await stage.server.user('root', { invite: stage.server.setup })
  const [ada] = await stage.people('ada')
  const path = `/api/admin/users/${ada.id}/reset-link`
  const { body } = await stage.server.request('POST', path, { token: root.session.token })
  const page = await stage.open(null, { path: `/${new URL(body.data.url).hash}` })
  await page.getByText('Choose a new password').waitFor()
  await page.locator('#password').fill(`${PASSWORD} 2`)
  await page.keyboard.press('Enter')
  await page.getByText('No chats yet').waitFor()
  assert.equal(await page.evaluate(() => location.hash), '#/')
})

scene('whether somebody is blocked is asked again where it could not be learned', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'hello')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  await bubble(page, 'hello').waitFor()
  await page.route('**/api/blocks?*', route => route.abort())
  await page.locator('.head-name').click()
  await page.getByText('The server cannot be reached').waitFor()
  assert.ok(await page.getByRole('button', { name: 'Block' }).isDisabled())
  await page.keyboard.press('Escape')
  await page.unroute('**/api/blocks?*')
  await page.locator('.head-name').click()
  await page.getByRole('button', { name: 'Block' }).click()
  await page.getByText('You have blocked bob').waitFor()
})
