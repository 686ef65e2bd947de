import { test } from 'node:test'
import assert from 'node:assert/strict'
import { answerIntents, talkIntents } from '../../static/js/intents.js'

/** A node whose events come up to its parent, and whose listeners' errors are thrown. */
class Node {
  #listeners = []
  constructor(parent) { this.parent = parent }
  addEventListener(_, listener) { this.#listeners.push(listener) }
  intend(detail) {
    let stopped = false
    const event = { detail, stopPropagation() { stopped = true } }
    for (let node = this; node && !stopped; node = node.parent) for (const listener of node.#listeners) listener(event)
  }
}

test('an intent is answered by the nearest table that has it, and by one only', () => {
  const outer = new Node(), inner = new Node(outer)
  globalThis.document = outer
  const answered = []
  const table = name => ({ both: detail => answered.push([name, detail]) })
  answerIntents(inner, table('inner'))
  const grows = table('outer')
  answerIntents(outer, grows)
  inner.intend({ type: 'both', chat: 'user:2' })
  outer.intend({ type: 'both' })
  grows.late = () => answered.push('late')
  inner.intend({ type: 'late' })
  assert.deepEqual(answered, [['inner', { chat: 'user:2' }], ['outer', {}], 'late'])
})

test('an intent that is misspelt throws, wherever it comes from', () => {
  const outer = new Node(), inner = new Node(outer)
  globalThis.document = outer
  answerIntents(inner, talkIntents(null))
  answerIntents(outer, {})
  for (const type of ['sned', 'constructor']) assert.throws(() => inner.intend({ type }), { message: `no intent named ${type}` })
})
