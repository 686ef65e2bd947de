// The words about bots and hooks, in all languages: few people see them, so they are loaded with
// what shows them, and not with the page.

import { wordsOf } from './words.js'

export const en = {
  bots: 'Bots',
  noBots: 'There are no bots yet.',
  botKeys: 'Keys: {count}',
  hooks: 'Hooks',
  noHooks: 'There are no hooks yet.',
  incoming: 'Writes as {bot}, {chat}',
  toRoom: 'in room {id}',
  toPerson: 'to {name}',
  outgoing: 'Is told: {events}',
  everything: 'everything',
  active: 'Works',
  failing: 'Fails since {when}, and is tried again',
  paused: 'Paused',
  byAdministrator: 'Paused by an administrator',
  byGone: 'Paused: the receiver said that it is gone',
  byFailing: 'Paused: it failed for three days',
  byRestore: 'Paused: a backup was restored. Confirm that it is still wanted',
  neverAsked: 'Nothing was sent yet',
  answered: 'Last answer: {status}, {when}',
  unanswered: 'No answer {when}: {error}',
  behind: 'Not told yet, entries: {count}',
  setAside: 'Refused and set aside: {count}',
  resume: 'Resume',
  pause: 'Pause',
  confirm: 'Confirm',
  remove: 'Remove',
  removeAsk: 'Really remove?',
  told: 'This server’s operator has other systems told of messages, those between two people too.',
}

export const id = {
  bots: 'Bot',
  noBots: 'Belum ada bot.',
  botKeys: 'Kunci: {count}',
  hooks: 'Hook',
  noHooks: 'Belum ada hook.',
  incoming: 'Menulis sebagai {bot}, {chat}',
  toRoom: 'di ruang {id}',
  toPerson: 'kepada {name}',
  outgoing: 'Diberi tahu: {events}',
  everything: 'semuanya',
  active: 'Berjalan',
  failing: 'Gagal sejak {when}, dan dicoba lagi',
  paused: 'Dijeda',
  byAdministrator: 'Dijeda oleh administrator',
  byGone: 'Dijeda: penerima menyatakan sudah tidak ada',
  byFailing: 'Dijeda: gagal selama tiga hari',
  byRestore: 'Dijeda: cadangan dipulihkan. Pastikan hook ini masih diperlukan',
  neverAsked: 'Belum ada yang dikirim',
  answered: 'Jawaban terakhir: {status}, {when}',
  unanswered: 'Tidak ada jawaban {when}: {error}',
  behind: 'Belum disampaikan, entri: {count}',
  setAside: 'Ditolak dan disisihkan: {count}',
  resume: 'Lanjutkan',
  pause: 'Jeda',
  confirm: 'Pastikan',
  remove: 'Hapus',
  removeAsk: 'Benar-benar hapus?',
  told: 'Operator server ini membuat sistem lain diberi tahu tentang pesan, termasuk pesan antara dua orang.',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
