// The words by which somebody is asked whether another is to take their place, in all languages:
// loaded with the ways in and out.

import { wordsOf } from './words.js'

export const en = {
  switchQuestion: 'Sign in as somebody else?',
  switchHint: '{name} is signed in here. The link may be for another account; drafts and unsent messages of {name} are then deleted from this device.',
  switchButton: 'Sign in by the link',
}

/** @type {typeof en} */
export const id = {
  switchQuestion: 'Masuk sebagai orang lain?',
  switchHint: '{name} sedang masuk di sini. Tautan ini mungkin untuk akun lain; draf dan pesan {name} yang belum terkirim lalu dihapus dari perangkat ini.',
  switchButton: 'Masuk dengan tautan',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
