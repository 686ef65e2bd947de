// The words of the list of logins, in all languages: loaded with it.

import { wordsOf } from './words.js'

export const en = {
  sessionsHint: 'Each login on a device is listed here. Log out those that you do not know, and change your password then.',
  sessionCurrent: 'This device',
  sessionSince: 'since {date}',
  sessionUsed: 'last used {when}',
  sessionEarlier: 'Earlier logins',
  sessionApp: 'Your app',
  sessionUnknown: 'Unknown program',
  endSession: 'Log out',
  endOthers: 'Log out everywhere else',
  endFor: 'Log out: {name}',
}

/** @type {typeof en} */
export const id = {
  sessionsHint: 'Setiap kali masuk di sebuah perangkat tercatat di sini. Keluarkan yang tidak Anda kenal, lalu ganti kata sandi Anda.',
  sessionCurrent: 'Perangkat ini',
  sessionSince: 'sejak {date}',
  sessionUsed: 'terakhir dipakai {when}',
  sessionEarlier: 'Masuk sebelumnya',
  sessionApp: 'Aplikasi Anda',
  sessionUnknown: 'Program tak dikenal',
  endSession: 'Keluarkan',
  endOthers: 'Keluarkan semua yang lain',
  endFor: 'Keluarkan: {name}',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
