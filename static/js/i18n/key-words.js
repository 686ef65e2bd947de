// What the keys do, in all languages: loaded with the list of them.

import { wordsOf } from './words.js'

export const en = {
  keySearch: 'Find people and chats',
  keyWalk: 'Previous or next chat',
  keyWalkUnread: 'Previous or next chat with unread messages',
  keyMessages: 'Previous or next message, while the messages have the focus',
  keyActions: 'Actions for the message that has the focus',
  keyEdit: 'Edit your last message, in the empty text field',
  keyMention: 'Mention somebody in a room',
  keySend: 'Send',
  keyLine: 'New line',
  keyEscape: 'Close the dialog; end the edit; go to the text field; go to the list',
  keyList: 'Keyboard shortcuts',
}

/** @type {typeof en} */
export const id = {
  keySearch: 'Cari orang dan obrolan',
  keyWalk: 'Obrolan sebelumnya atau berikutnya',
  keyWalkUnread: 'Obrolan belum dibaca sebelumnya atau berikutnya',
  keyMessages: 'Pesan sebelumnya atau berikutnya, saat fokus ada di daftar pesan',
  keyActions: 'Tindakan untuk pesan yang difokus',
  keyEdit: 'Ubah pesan terakhir Anda, di kolom teks yang kosong',
  keyMention: 'Sebut seseorang di ruang',
  keySend: 'Kirim',
  keyLine: 'Baris baru',
  keyEscape: 'Tutup dialog; akhiri perubahan; ke kolom teks; ke daftar',
  keyList: 'Pintasan papan ketik',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
