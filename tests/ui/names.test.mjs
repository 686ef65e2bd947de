import { beforeEach, test } from 'node:test'
import assert from 'node:assert/strict'
import { nameOf, namesIn } from '../../static/js/elements/names.js'
import { setLanguage } from '../../static/js/i18n/words.js'
import { isUsername } from '../../static/js/lib/usernames.js'

beforeEach(() => setLanguage('en'))

test('a person is called by their name, and by the username where they have none', () => {
  assert.equal(nameOf({ id: 1, username: 'eve1', name: 'Eve Smith' }), 'Eve Smith')
  assert.equal(nameOf({ id: 1, username: 'eve1' }), 'eve1')
})

test('two who look alike in one list carry their usernames, and nobody else does', () => {
  const people = [{ id: 1, username: 'eve1', name: 'Eve Smith' }, { id: 2, username: 'eve2', name: 'eve smith' }, { id: 3, username: 'ada', name: 'Ada' }]
  const names = namesIn(people)
  assert.deepEqual(people.map(names), ['Eve Smith (@eve1)', 'eve smith (@eve2)', 'Ada'])
  assert.equal(namesIn([people[0], people[0]])(people[0]), 'Eve Smith', 'the same person twice is one')
})

test('a name that is another’s username is told apart as well', () => {
  const people = [{ id: 1, username: 'ada', name: 'ada' }, { id: 2, username: 'eve', name: 'Ada' }]
  assert.deepEqual(people.map(namesIn(people)), ['ada (@ada)', 'Ada (@eve)'])
})

test('what the server takes for a username is one, and neither a number nor a name that it gives itself', () => {
  for (const name of ['ada', 'Ada-Lovelace_1.2', '7up', 'user', 'users-7', 'my-user-7', 'x'.repeat(32)]) assert.ok(isUsername(name), name)
  for (const name of ['', '12345', 'user-5', 'User-x', 'deleted-7', 'a b', 'Ünal', 'x'.repeat(33)]) assert.ok(!isUsername(name), name)
})
