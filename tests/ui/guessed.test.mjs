import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isGuessed, refusalOf } from '../../static/js/lib/guessed.js'

test('what says next to nothing, or who one is, is guessed; what people think of is not', () => {
  for (const guessed of ['aaaaaaaa', 'abababab', '12345678', '87654321', 'abcd1234', 'AbcdEFGH', '19901990', 'ada.lovelace', 'Ada.Lovelace1', '1ada.lovelace']) {
    assert.ok(isGuessed(guessed, 'ada.lovelace', undefined), guessed)
  }
  for (const fine of ['password1', 'correct horse battery', 'gudang-garam', 'ada.lovelace and more', 'пароль-мой']) {
    assert.ok(!isGuessed(fine, 'ada.lovelace', 'a', ''), fine)
  }
})

test('a password has as many characters as the server counts, whatever they are written in', () => {
  // Of emoji eight are sixteen UTF-16 units, and four are eight.
  for (const short of ['pagi-7!', '🎈🌵🚲🧵']) assert.equal(refusalOf(short, 'ada'), 'password_short', short)
  for (const fine of ['pagi-7!x', '🎈🌵🚲🧵🎈🌵🚲🧵', '🎈🌵🚲🧵'.repeat(32)]) assert.equal(refusalOf(fine, 'ada'), '', fine)
  assert.equal(refusalOf('🎈🌵🚲🧵'.repeat(33), 'ada'), 'password_short')
  assert.equal(refusalOf('aaaaaaaa', 'ada'), 'password_weak')
})
