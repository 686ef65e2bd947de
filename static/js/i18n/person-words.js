// The words of blocks and reports, in all languages: loaded with the details of a chat, where one
// blocks, and what a message is reported by.

import { wordsOf } from './words.js'

export const en = {
  block: 'Block',
  unblock: 'Unblock',
  blockHint: '{name} can then no longer write to you, nor see when you are here or when you read. They are not told; their messages are refused like a stranger’s. In rooms you both stay.',
  blockedHint: 'You have blocked {name}. Unblock them to write to each other again.',
  reportReason: 'What is wrong?',
  reportPersonHint: 'The administrators get your words and no message. They cannot read your chats. {name} is not told.',
  reportMessageHint: 'The administrators get your words and a copy of this one message. They cannot read your chats. {name} is not told.',
  sendReport: 'Send the report',
  reported: 'The administrators have your report.',
  reasonNeeded: 'Say what is wrong.',
}

/** @type {typeof en} */
export const id = {
  block: 'Blokir',
  unblock: 'Buka blokir',
  blockHint: '{name} tidak dapat lagi menulis kepada Anda, dan tidak melihat kapan Anda daring atau membaca. Ia tidak diberi tahu; pesannya ditolak seperti pesan orang asing. Di ruang keduanya tetap ada.',
  blockedHint: 'Anda memblokir {name}. Buka blokirnya untuk saling menulis lagi.',
  reportReason: 'Apa yang salah?',
  reportPersonHint: 'Administrator mendapat kata-kata Anda tanpa pesan apa pun. Mereka tidak dapat membaca obrolan Anda. {name} tidak diberi tahu.',
  reportMessageHint: 'Administrator mendapat kata-kata Anda dan salinan pesan yang satu ini. Mereka tidak dapat membaca obrolan Anda. {name} tidak diberi tahu.',
  sendReport: 'Kirim laporan',
  reported: 'Laporan Anda sudah di tangan administrator.',
  reasonNeeded: 'Tuliskan apa yang salah.',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
