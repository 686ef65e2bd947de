import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isGuessed } from '../../static/js/lib/guessed.js'

test('what says next to nothing, or who one is, is guessed; what people think of is not', () => {
  for (const guessed of ['aaaaaaaa', 'abababab', '12345678', '87654321', 'abcd1234', 'AbcdEFGH', '19901990', 'ada.lovelace', 'Ada.Lovelace1', '1ada.lovelace']) {
    assert.ok(isGuessed(guessed, 'ada.lovelace', undefined), guessed)
  }
  for (const fine of ['password1', 'correct horse battery', 'gudang-garam', 'ada.lovelace and more', 'пароль-мой']) {
    assert.ok(!isGuessed(fine, 'ada.lovelace', 'a', ''), fine)
  }
})
