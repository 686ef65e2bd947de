// What was said and is changed: edited, deleted, answered, reacted to, by mouse and by keyboard, on
// both sides.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { isAccessible } from './axe.mjs'
import { CHATD, PASSWORD, PHONE, bubble, composer, row, say, scene as anyScene, state, withoutPatience } from './harness.mjs'

/** A server that lets nothing be changed has no such flag, and the page offers nothing of it. */
const CHANGES = spawnSync(CHATD, ['--help'], { encoding: 'utf8' }).stdout?.includes('--edit-window')
const scene = CHANGES ? anyScene : name => test(name, { skip: 'this server lets nothing be changed' })

const menu = page => page.locator('.message-menu')
const choose = async (page, text, item) => {
  // It stands before those that quote it.
  await bubble(page, text).first().focus()
  await page.keyboard.press('Enter')
  await menu(page).getByRole('button', { name: item }).click()
}
/** A person and their friend, each with the other's conversation open. */
const both = async (stage, size) => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'a question')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const theirs = await stage.open(bob, { path: `/#/chat/${ada.id}`, ...(size && { size }) })
  await bubble(page, 'a question').waitFor()
  return { ada, bob, page, theirs }
}

/** These pages show the answer as it was edited, and no more as it was. */
async function areEdited(...pages) {
  for (const page of pages) {
    await bubble(page, 'an answer').getByText('edited', { exact: true }).waitFor()
    assert.equal(await bubble(page, 'anwser').count(), 0)
  }
}

scene('the last message is edited by the arrow key, and both sides see it', async stage => {
  const { page, theirs } = await both(stage)
  await say(page, 'an anwser')
  // The friend reads along.
  await state(page, 'an anwser', 'read')
  await composer(page).press('ArrowUp')
  await page.getByText('Edit message').waitFor()
  await isAccessible(page, 'editing')
  assert.equal(await composer(page).inputValue(), 'an anwser')
  await composer(page).fill('never mind')
  await composer(page).press('Escape')
  assert.equal(await composer(page).inputValue(), '')
  await composer(page).press('ArrowUp')
  await composer(page).fill('an answer')
  await composer(page).press('Enter')
  await areEdited(page, theirs)
  await row(theirs, 'ada').getByText('an answer').waitFor()
  await page.reload()
  await bubble(page, 'an answer').getByText('edited', { exact: true }).waitFor()
})

// The page asked the server first for how long that may be done, and then put the old text over
// what had been typed meanwhile, or sent that as a message of its own.
scene('what is typed right behind the arrow key is the edit, however slow the network is', async stage => {
  const { page, theirs } = await both(stage)
  await say(page, 'an anwser')
  await state(page, 'an anwser', 'read')
  await page.route('**/api/server', () => {})
  await composer(page).press('ArrowUp')
  await composer(page).fill('an answer')
  await composer(page).press('Enter')
  await areEdited(page, theirs)
})

scene('an edit waits in its chat while one is in another, and so do the drafts of both', async stage => {
  const { ada, page } = await both(stage)
  const [cleo] = await stage.people('cleo')
  await cleo.write(ada, 'from elsewhere')
  await say(page, 'an anwser')
  await state(page, 'an anwser', 'read')
  await composer(page).press('ArrowUp')
  await composer(page).fill('an answer, much longer')
  await row(page, 'cleo').click()
  await bubble(page, 'from elsewhere').waitFor()
  assert.equal(await composer(page).inputValue(), '')
  assert.equal(await page.getByText('Edit message').isVisible(), false)
  await composer(page).fill('to cleo')
  await row(page, 'bob').click()
  await page.getByText('Edit message').waitFor()
  assert.equal(await composer(page).inputValue(), 'an answer, much longer')
  await composer(page).press('Enter')
  await bubble(page, 'an answer, much longer').getByText('edited', { exact: true }).waitFor()
  assert.equal(await composer(page).inputValue(), '')
  await row(page, 'cleo').click()
  await bubble(page, 'from elsewhere').waitFor()
  assert.equal(await composer(page).inputValue(), 'to cleo')
})

// Drafts were kept, but of an edit or an answer nothing, and the draft went out without its
// question.
scene('an edit and an answer that are begun come back with the page, unless their message is gone', async stage => {
  const { ada, bob, page } = await both(stage)
  const [cleo] = await stage.people('cleo')
  await cleo.write(ada, 'from elsewhere')
  await say(page, 'an anwser')
  await state(page, 'an anwser', 'read')
  await composer(page).press('ArrowUp')
  await composer(page).fill('an answer')
  await row(page, 'cleo').click()
  const answer = () => page.getByText('Reply to cleo')
  await choose(page, 'from elsewhere', 'Reply')
  await composer(page).fill('a draft')
  await answer().waitFor()
  // Twice: what was not looked at meanwhile is kept as well.
  for (const _ of ['once', 'twice']) {
    await page.reload()
    await answer().waitFor()
    assert.equal(await composer(page).inputValue(), 'a draft')
  }
  const kept = await page.evaluate(() => JSON.stringify(Object.entries(sessionStorage)))
  assert.ok(kept.includes('an answer') && !/anwser|from elsewhere/.test(kept), `of the messages themselves nothing is kept: ${kept}`)
  await cleo.emit('delete_message', { message_id: (await ada.history(cleo))[0].id })
  await page.reload()
  await page.getByText('This is the beginning').waitFor()
  assert.equal(await answer().isVisible(), false)
  assert.equal(await composer(page).inputValue(), 'a draft')
  await row(page, 'bob').click()
  await page.getByText('Edit message').waitFor()
  assert.equal(await composer(page).inputValue(), 'an answer')
  await composer(page).press('Enter')
  await bubble(page, 'an answer').getByText('edited', { exact: true }).waitFor()
  assert.equal((await ada.history(bob)).at(-1).content, 'an answer')
  await page.reload()
  await bubble(page, 'an answer').waitFor()
  assert.equal(await page.getByText('Edit message').isVisible(), false, 'what was saved is begun no more')
})

scene('a deletion can be undone for a moment; then the text is gone on both sides', async stage => {
  const { page, theirs } = await both(stage)
  await say(page, 'the password is swordfish')
  await say(page, 'and more')
  await bubble(theirs, 'swordfish').waitFor()
  await choose(page, 'swordfish', 'Delete')
  await page.getByText('Message deleted').waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await bubble(page, 'swordfish').waitFor()
  await bubble(theirs, 'swordfish').waitFor()
  await choose(page, 'swordfish', 'Delete')
  await isAccessible(page, 'a deletion that can be undone')
  await theirs.locator('.message', { hasText: 'Message deleted' }).waitFor()
  for (const one of [page, theirs]) await one.waitForFunction(() => !document.documentElement.outerHTML.includes('swordfish'))
  await page.reload()
  await bubble(page, 'and more').waitFor()
  assert.equal(await bubble(page, 'swordfish').count(), 0)
})

scene('one that waits when the page is closed is deleted all the same', async stage => {
  const { page, theirs } = await both(stage)
  await say(page, 'gone with me')
  await bubble(theirs, 'gone with me').waitFor()
  await choose(page, 'gone with me', 'Delete')
  await page.getByRole('button', { name: 'Undo' }).waitFor()
  await page.close({ runBeforeUnload: true })
  await theirs.locator('.message', { hasText: 'Message deleted' }).waitFor()
})

// The session was ended first, and what was shown as deleted stayed where everybody read it.
for (const way of ['Log out', 'Log out everywhere', 'Delete the account']) {
  scene(`one that waits is deleted all the same when the account leaves the page (${way})`, async stage => {
    const { page, theirs } = await both(stage)
    // As long as it can be undone nothing is asked for by itself.
    await withoutPatience(page)
    await page.reload()
    await say(page, 'gone with me')
    await bubble(theirs, 'gone with me').waitFor()
    await choose(page, 'gone with me', 'Delete')
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await page.getByRole('button', { name: 'Menu' }).click()
    const deletes = way === 'Delete the account'
    await page.locator('#menu').getByRole('button', { name: deletes ? 'Your profile' : 'Log out' }).click()
    if (deletes) {
      await page.getByLabel('Your password').fill(PASSWORD)
      await page.getByLabel('Your password').press('Enter')
    } else if (way === 'Log out everywhere') await page.getByLabel('Also log out on all my other devices').check()
    await page.locator('dialog.ask').getByRole('button', { name: deletes ? way : 'Log out' }).click()
    await page.getByRole('button', { name: 'Log in' }).waitFor()
    await theirs.locator('.message', { hasText: 'Message deleted' }).waitFor()
  })
}

scene('one that waits in a room is deleted before its writer leaves that', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  const room = await bob.room('Trips', ada)
  const [page, theirs] = [await stage.open(ada), await stage.open(bob, { path: `/#/room/${room.id}` })]
  await withoutPatience(page)
  await page.goto(`${stage.server.url}/#/room/${room.id}`)
  await page.reload()
  await say(page, 'gone with me')
  await bubble(theirs, 'gone with me').waitFor()
  await choose(page, 'gone with me', 'Delete')
  await page.locator('.head-name').click()
  await page.locator('chat-sheet').getByRole('button', { name: 'Leave the room' }).click()
  await page.locator('dialog.ask').getByRole('button', { name: 'Leave the room' }).click()
  await row(page, 'Trips').waitFor({ state: 'detached' })
  await theirs.locator('.message', { hasText: 'Message deleted' }).waitFor()
})

scene('a message is answered with a line above it, which leads back, by keyboard alone', async stage => {
  const { page, theirs } = await both(stage)
  const context = page.locator('message-composer .context')
  await say(theirs, 'shall we meet?')
  await bubble(page, 'shall we meet?').waitFor()
  await composer(page).fill('half a thought')
  await choose(page, 'a question', 'Reply')
  await context.getByText('Reply to bob').waitFor()
  await context.getByText('a question').waitFor()
  await isAccessible(page, 'answering')
  const about = await composer(page).evaluate(field => document.getElementById(field.getAttribute('aria-describedby'))?.textContent)
  assert.match(about, /Reply to bob\s+a question/)
  // What was written stays, and Escape gives up the answer alone.
  assert.equal(await composer(page).inputValue(), 'half a thought')
  await composer(page).press('Escape')
  await context.waitFor({ state: 'hidden' })
  assert.equal(await composer(page).inputValue(), 'half a thought')
  await choose(page, 'shall we meet?', 'Reply')
  await composer(page).fill('at noon')
  await composer(page).press('Enter')
  await context.waitFor({ state: 'hidden' })
  const quote = one => bubble(one, 'at noon').locator('.quote')
  for (const one of [page, theirs]) {
    await quote(one).getByText('shall we meet?').waitFor()
    await isAccessible(one, 'an answer')
  }
  assert.equal(await quote(theirs).locator('.quoted-name').textContent(), 'You')
  await quote(page).click()
  await page.locator('.message.flash', { hasText: 'shall we meet?' }).waitFor()
  // What is answered changes with its message, and goes with it.
  await composer(theirs).press('ArrowUp')
  await composer(theirs).fill('shall we meet today?')
  await composer(theirs).press('Enter')
  await quote(page).getByText('shall we meet today?').waitFor()
  await page.reload()
  await quote(page).getByText('shall we meet today?').waitFor()
  await choose(theirs, 'shall we meet today?', 'Delete')
  await quote(page).getByText('Earlier message').waitFor()
  await page.reload()
  await quote(page).getByText('Earlier message').waitFor()
})

scene('an answer that is begun shows what it answers as that was edited', async stage => {
  const { ada, bob, page } = await both(stage)
  await choose(page, 'a question', 'Reply')
  await composer(page).fill('half a thought')
  const [{ id }] = await ada.history(bob)
  await bob.emit('edit_message', { message_id: id, content: 'another one' })
  await page.locator('.context-text', { hasText: 'another one' }).waitFor()
  await stage.server.kill()
  await composer(page).press('Enter')
  await state(page, 'half a thought', 'pending')
  assert.equal(await bubble(page, 'half a thought').locator('.quoted-text').innerText(), 'another one')
  await stage.server.start()
  await state(page, 'half a thought', 'read')
})

scene('an answer to what is deleted meanwhile is given up', async stage => {
  const { page, theirs } = await both(stage)
  await say(theirs, 'never mind')
  await bubble(page, 'never mind').waitFor()
  await choose(page, 'never mind', 'Reply')
  await page.getByText('Reply to bob').waitFor()
  await choose(theirs, 'never mind', 'Delete')
  await page.getByText('Reply to bob').waitFor({ state: 'hidden' })
  await say(page, 'a new thought')
  assert.equal(await bubble(page, 'a new thought').locator('.quote').count(), 0)
})

scene('an answer that is begun waits with its draft while one looks into another chat, unless its question goes', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  for (const person of [bob, cyd]) await person.write(ada, `a question of ${person.name}`)
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const replying = page.getByText('Reply to bob')
  await choose(page, 'a question of bob', 'Reply')
  await composer(page).fill('an answer')
  await row(page, 'cyd').click()
  await replying.waitFor({ state: 'hidden' })
  await row(page, 'bob').click()
  await replying.waitFor()
  await composer(page).press('Enter')
  await state(page, 'an answer', 'stored')
  assert.equal((await ada.history(bob)).at(-1).reply_to.content, 'a question of bob')
  await choose(page, 'a question of bob', 'Reply')
  await row(page, 'cyd').click()
  await bob.emit('delete_message', { message_id: (await ada.history(bob))[0].id })
  await row(page, 'bob').click()
  await bubble(page, 'Message deleted').waitFor()
  await replying.waitFor({ state: 'hidden' })
})

scene('reactions are pills with the names behind them, by a finger as well', async stage => {
  const { page, theirs } = await both(stage, PHONE)
  await bubble(page, 'a question').hover()
  await bubble(page, 'a question').getByRole('button', { name: 'Actions' }).click()
  await menu(page).waitFor()
  await isAccessible(page, 'the menu of a message')
  await menu(page).getByRole('button', { name: '👍' }).click()
  const pill = one => bubble(one, 'a question').locator('.reaction', { hasText: '👍' })
  await pill(theirs).waitFor()
  assert.equal(await pill(page).getAttribute('aria-pressed'), 'true')
  assert.equal(await pill(theirs).getAttribute('aria-pressed'), 'false')
  await pill(theirs).click()
  await pill(page).getByText('2').waitFor()
  await pill(page).focus()
  await page.locator('.reaction[data-names="ada and bob"]').waitFor()
  await isAccessible(page, 'reactions')
  // The names stay while others react otherwise, and follow while one looks.
  const react = async (one, emoji) => {
    await bubble(one, 'a question').focus()
    await one.keyboard.press('Enter')
    await one.getByLabel('Another emoji').fill(emoji)
  }
  await react(theirs, '🎉')
  await bubble(page, 'a question').locator('.reaction', { hasText: '🎉' }).waitFor()
  await page.locator('.reaction[data-names="ada and bob"]').waitFor()
  await pill(theirs).click()
  await page.locator('.reaction[data-names="ada"]').waitFor()
  await pill(theirs).waitFor()
  await pill(theirs).click()
  await page.locator('.reaction[data-names="ada and bob"]').waitFor()
  await pill(page).press('Enter')
  await pill(theirs).getByText('1').waitFor()
  await react(page, '🦀')
  await bubble(theirs, 'a question').locator('.reaction', { hasText: '🦀' }).waitFor()
})

scene('the names behind the last of many reactions are in view, and the list grows no wider', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await stage.server.request('PATCH', '/api/auth/me', { token: bob.session.token, body: { name: 'Robert with quite a long name that goes on' } })
  await bob.write(ada, 'a question that is long enough for all that is said of it')
  await ada.write(bob, 'an answer')
  for (const { id } of await ada.history(bob)) {
    for (const emoji of ['👍', '🎉', '😂', '😮', '😢', '🦀']) await bob.emit('react', { message_id: id, emoji, on: true })
  }
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}`, size: PHONE })
  await page.locator('.mine').waitFor()
  for (const pill of await page.locator('.reaction').all()) {
    await pill.focus()
    await page.keyboard.press('Shift')
    await page.locator('.reaction[data-names]:focus-visible').waitFor()
    assert.ok(await page.locator('.messages').evaluate(at => at.scrollWidth <= at.clientWidth))
  }
})

scene('whoever takes a reaction or a refused message away by the keyboard goes on from where it was', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await bob.write(ada, 'a question')
  const page = await stage.open(ada, { path: `/#/chat/${bob.id}` })
  const id = (await ada.history(bob))[0].id
  await ada.emit('react', { message_id: id, emoji: '👍', on: true })
  await page.locator('.reaction').press('Enter')
  await page.locator('.reaction').waitFor({ state: 'detached' })
  await page.locator('.message:focus').waitFor()
  const blocked = await stage.server.request('PUT', `/api/blocks/${ada.id}`, { token: bob.session.token })
  assert.ok(blocked.status < 300, JSON.stringify(blocked.body))
  await say(page, 'an answer')
  await page.getByRole('button', { name: 'Send again' }).press('Enter')
  await page.locator('.mine:focus').waitFor()
  await page.getByRole('button', { name: 'Delete' }).press('Enter')
  await page.locator('.messages:focus').waitFor()
  assert.equal(await bubble(page, 'an answer').count(), 0)
})

scene('a finger that rests on a link has the browser’s menu of links', async stage => {
  const [ada, bob] = await stage.people('ada', 'bob')
  await ada.write(bob, 'see https://example.org/a')
  const page = await stage.open(bob, { path: `/#/chat/${ada.id}`, size: PHONE })
  const isTaken = node => node.evaluate(at => !at.dispatchEvent(new PointerEvent('contextmenu', { bubbles: true, cancelable: true, pointerType: 'touch' })))
  assert.deepEqual([await isTaken(page.locator('.text a')), await isTaken(page.locator('.text'))], [false, true])
})

scene('whoever goes back while the menu of a message is open does not find it elsewhere', async stage => {
  const [ada, bob, cyd] = await stage.people('ada', 'bob', 'cyd')
  for (const person of [bob, cyd]) await person.write(ada, 'a question')
  const page = await stage.open(ada, { size: PHONE })
  await row(page, 'bob').click()
  await bubble(page, 'a question').focus()
  await page.keyboard.press('Enter')
  await menu(page).waitFor()
  await page.goBack()
  await row(page, 'cyd').click()
  await bubble(page, 'a question').waitFor()
  assert.ok(await menu(page).isHidden())
  // The keys are the page's again.
  await page.keyboard.press('Control+k')
  await page.getByRole('searchbox').waitFor()
})

// What was chosen was done with the message as it was: a deleted text was copied, an answer to it
// could not be sent, and the edit began with what another device had changed since.
scene('the menu of a message is of the message as it is by now, and goes with it', async stage => {
  const { ada, bob, page } = await both(stage)
  await say(page, 'an anwser')
  await state(page, 'an anwser', 'read')
  const [question, answer] = await ada.history(bob)
  const open = async text => {
    await bubble(page, text).focus()
    await page.keyboard.press('Enter')
    await menu(page).waitFor()
  }
  await open('an anwser')
  await ada.emit('edit_message', { message_id: answer.id, content: 'an answer' })
  await bubble(page, 'an answer').waitFor()
  await menu(page).getByRole('button', { name: 'Edit' }).click()
  assert.equal(await composer(page).inputValue(), 'an answer')
  await composer(page).press('Escape')
  await open('a question')
  await bob.emit('delete_message', { message_id: question.id })
  await bubble(page, 'Message deleted').waitFor()
  await menu(page).waitFor({ state: 'hidden' })
  assert.ok(await bubble(page, 'Message deleted').evaluate(node => node === document.activeElement), 'the focus is where it was')
})
