// The words about files that are to go with a message, in all languages: loaded with their tray.

import { wordsOf } from './words.js'

export const en = {
  leaveOut: 'Leave {name} out',
  leftOut: 'A message holds 10 files. Left out: {count}',
  describe: 'Describe the picture',
  describeNamed: 'Description of {name}',
}

/** @type {typeof en} */
export const id = {
  leaveOut: 'Batalkan {name}',
  leftOut: 'Satu pesan memuat 10 berkas. Tidak disertakan: {count}',
  describe: 'Jelaskan gambar ini',
  describeNamed: 'Penjelasan {name}',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
