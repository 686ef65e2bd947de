// The words of the forms by which administrators make bots and hooks, in all languages: loaded with
// these.

import { currentLanguage } from './words.js'

export const en = {
  makeBot: 'Make a bot',
  makeIn: 'Make a hook that writes here',
  makeOut: 'Make a hook that tells another system',
  botHint: 'A bot is the account of a program. It has a key in place of a password, and reads only the chats that it is in.',
  inHint: 'Another system posts to the hook’s URL, as to an incoming webhook of Slack, and the bot says it here.',
  outHint: 'The server posts each event to the URL, signed as Standard Webhooks are.',
  botUsername: 'Username of the bot',
  botName: 'Name that is shown, if another',
  hookName: 'Name, for administrators',
  asBot: 'Writes as',
  into: 'Writes to',
  intoHint: 'Into a room it writes once the bot is a member there.',
  aPerson: 'A person, by username',
  aRoom: 'A room, by number',
  personName: 'Username of the person',
  roomNumber: 'Number of the room',
  noBotYet: 'A hook writes as a bot: make one first.',
  url: 'URL of the other system',
  events: 'It is told of',
  eventsHint: 'If none is chosen, it is told of everything.',
  direct_message: 'Messages between two people',
  room_message: 'Messages in rooms',
  message_edited: 'Edited messages',
  message_deleted: 'Deleted messages',
  reaction: 'Reactions',
  room_changed: 'Rooms: made, changed, archived',
  room_member: 'Members of rooms: joined, left, new role',
  user_created: 'New accounts',
  user_deleted: 'Deleted accounts',
  make: 'Make',
  copy: 'Copy',
  keyOnce: 'The key is shown this once. Copy it now.',
  urlOnce: 'The URL has a secret in it and is shown this once. Copy it now.',
  secretOnce: 'The secret by which the other system checks signatures is shown this once. Copy it now.',
  keyOf: 'Key of {name}',
  urlOf: 'URL of {name}',
  secretOf: 'Secret of {name}',
  wrongUsername: 'Give 1 to 32 characters: a to z, 0 to 9, dot, underscore, hyphen.',
  wrongName: 'Give a name of 1 to 64 characters.',
  wrongUrl: 'Give an address that begins with https:// or http://, without a login in it.',
  wrongPrivate: 'This address is of a private network. The server calls such ones only with --hook-private.',
  wrongPerson: 'There is no other person of this username.',
  wrongRoom: 'There is no room of this number.',
  wrongBot: 'This bot is not there any more.',
  tooMany: 'There are as many as there may be. Take one away first.',
}

export const id = {
  makeBot: 'Buat bot',
  makeIn: 'Buat hook yang menulis di sini',
  makeOut: 'Buat hook yang memberi tahu sistem lain',
  botHint: 'Bot adalah akun untuk sebuah program. Bot memakai kunci sebagai ganti kata sandi, dan hanya membaca obrolan yang diikutinya.',
  inHint: 'Sistem lain mengirim ke URL hook ini, seperti ke incoming webhook Slack, dan bot menyampaikannya di sini.',
  outHint: 'Server mengirim setiap peristiwa ke URL ini, dengan tanda tangan Standard Webhooks.',
  botUsername: 'Nama pengguna bot',
  botName: 'Nama yang ditampilkan, jika berbeda',
  hookName: 'Nama, untuk administrator',
  asBot: 'Menulis sebagai',
  into: 'Menulis ke',
  intoHint: 'Ke sebuah ruang hook ini menulis setelah bot menjadi anggotanya.',
  aPerson: 'Seseorang, dengan nama pengguna',
  aRoom: 'Sebuah ruang, dengan nomor',
  personName: 'Nama pengguna orang itu',
  roomNumber: 'Nomor ruang',
  noBotYet: 'Hook menulis sebagai bot: buat bot lebih dulu.',
  url: 'URL sistem lain',
  events: 'Diberi tahu tentang',
  eventsHint: 'Jika tidak ada yang dipilih, hook ini diberi tahu tentang semuanya.',
  direct_message: 'Pesan antara dua orang',
  room_message: 'Pesan di ruang',
  message_edited: 'Pesan yang diubah',
  message_deleted: 'Pesan yang dihapus',
  reaction: 'Reaksi',
  room_changed: 'Ruang: dibuat, diubah, diarsipkan',
  room_member: 'Anggota ruang: masuk, keluar, peran baru',
  user_created: 'Akun baru',
  user_deleted: 'Akun yang dihapus',
  make: 'Buat',
  copy: 'Salin',
  keyOnce: 'Kunci ini hanya ditampilkan sekali. Salin sekarang.',
  urlOnce: 'URL ini memuat rahasia dan hanya ditampilkan sekali. Salin sekarang.',
  secretOnce: 'Rahasia untuk memeriksa tanda tangan ini hanya ditampilkan sekali. Salin sekarang.',
  keyOf: 'Kunci {name}',
  urlOf: 'URL {name}',
  secretOf: 'Rahasia {name}',
  wrongUsername: 'Isi 1 sampai 32 karakter: a sampai z, 0 sampai 9, titik, garis bawah, tanda hubung.',
  wrongName: 'Isi nama dengan 1 sampai 64 karakter.',
  wrongUrl: 'Isi alamat yang diawali https:// atau http://, tanpa login di dalamnya.',
  wrongPrivate: 'Alamat ini milik jaringan pribadi. Server memanggil alamat seperti itu hanya dengan --hook-private.',
  wrongPerson: 'Tidak ada orang lain dengan nama pengguna ini.',
  wrongRoom: 'Tidak ada ruang dengan nomor ini.',
  wrongBot: 'Bot ini sudah tidak ada.',
  tooMany: 'Jumlahnya sudah sebanyak yang diperbolehkan. Hapus salah satu lebih dulu.',
}

const WORDS = { en, id }

/**
 * The text for a key in the present language.
 * @param {keyof typeof en} key
 * @param {Record<string, string>} [values]
 */
export function word(key, values = {}) {
  const words = WORDS[/** @type {keyof typeof WORDS} */ (currentLanguage())] ?? en
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name])
}
