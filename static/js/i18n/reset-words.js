// The words of the form for a new password, in all languages: loaded with it.

import { wordsOf } from './words.js'

export const en = {
  resetTitle: 'Choose a new password',
  resetLead: 'You are then logged in here, and logged out everywhere else.',
  resetButton: 'Save and log in',
  resetSwitch: '{name} is logged in here. With the new password you log in to the account of the link, and drafts and unsent messages of {name} are deleted from this device.',
}

/** @type {typeof en} */
export const id = {
  resetTitle: 'Pilih kata sandi baru',
  resetLead: 'Setelah itu Anda masuk di sini, dan keluar di semua tempat lain.',
  resetButton: 'Simpan dan masuk',
  resetSwitch: '{name} sedang masuk di sini. Dengan kata sandi baru Anda masuk ke akun tautan ini, dan draf serta pesan {name} yang belum terkirim dihapus dari perangkat ini.',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
