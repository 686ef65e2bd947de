import { beforeEach, test } from 'node:test'
import assert from 'node:assert/strict'
import { pairKey } from '../../static/js/state/chats.js'
import { Store } from '../../static/js/state/store.js'
import { Deletions } from '../../static/js/sync/deletions.js'

const ME = 1, ADA = 2, WITH_ADA = pairKey(ADA)
let store, deletions, removed, atOnce, failures, refuse

beforeEach(t => {
  store = new Store({ id: ME, username: 'me' })
  store.apply({ type: 'message_sent', data: { id: 5, receiver_id: ADA, content: 'x', created_at: '2025-06-05T12:00:00.000Z' } })
  removed = []
  atOnce = []
  failures = []
  refuse = null
  const sync = { async remove(id) { if (refuse) throw refuse; removed.push(id) }, removeAtOnce: id => atOnce.push(id) }
  deletions = new Deletions({ store, sync, failed: error => failures.push(error) })
})
const isDeleting = () => store.message(5).message.deleting ?? false
const settled = () => new Promise(resolve => setImmediate(resolve))

test('a deletion is asked for after a moment in which it can be undone', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  deletions.start(WITH_ADA, 5)
  t.mock.timers.tick(4_999)
  assert.deepEqual([isDeleting(), removed], [true, []])
  t.mock.timers.tick(1)
  assert.deepEqual(removed, [5])
})

test('one that was undone is not asked for', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  deletions.start(WITH_ADA, 5)
  deletions.undo(WITH_ADA, 5)
  t.mock.timers.tick(10_000)
  assert.deepEqual([isDeleting(), removed], [false, []])
})

test('one that waits when the page ends is asked for then, once', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  deletions.start(WITH_ADA, 5)
  deletions.flush()
  t.mock.timers.tick(10_000)
  assert.deepEqual([atOnce, removed], [[5], []])
})

test('those that wait when the account leaves are answered before it does', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  deletions.start(WITH_ADA, 5)
  await deletions.finish()
  assert.deepEqual([atOnce, removed], [[], [5]])
  t.mock.timers.tick(10_000)
  refuse = new Error('no')
  deletions.start(WITH_ADA, 5)
  await deletions.finish()
  assert.deepEqual([isDeleting(), failures, removed], [false, [refuse], [5]])
})

test('one that is refused shows the message again, and says so', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  refuse = new Error('no')
  deletions.start(WITH_ADA, 5)
  t.mock.timers.tick(5_000)
  await settled()
  assert.deepEqual([isDeleting(), failures], [false, [refuse]])
})
