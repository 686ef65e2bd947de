// The words of the sheet about a chat alone, in all languages: loaded with it.

import { wordsOf } from './words.js'

export const en = {
  roomInviteHint: 'Anyone with an account here who opens it can join this room.',
  roomInviteForAll: 'Anyone who opens it can join this room. Those without an account can create one, for you are an administrator.',
  roleOwner: 'Owner',
  roleAdmin: 'Admin',
  roleMember: 'Member',
  removeMember: 'Remove',
  lastOwner: 'You are the last owner: make somebody else one first.',
  tellAll: 'Every message',
  tellMentions: 'Mentions only',
  tellNone: 'Nothing',
  muteNot: 'Not muted',
  muteHour: 'For 1 hour',
  muteDay: 'For 8 hours',
  muteWeek: 'For 1 week',
  muteAlways: 'Always',
  muteUntil: 'Until {when}',
}

/** @type {typeof en} */
export const id = {
  roomInviteHint: 'Siapa pun yang punya akun di sini dan membukanya dapat masuk ke ruang ini.',
  roomInviteForAll: 'Siapa pun yang membukanya dapat masuk ke ruang ini. Yang belum punya akun dapat membuatnya, karena Anda administrator.',
  roleOwner: 'Pemilik',
  roleAdmin: 'Admin',
  roleMember: 'Anggota',
  removeMember: 'Keluarkan',
  lastOwner: 'Anda pemilik terakhir: jadikan orang lain pemilik dahulu.',
  tellAll: 'Setiap pesan',
  tellMentions: 'Sebutan saja',
  tellNone: 'Tidak ada',
  muteNot: 'Tidak dibisukan',
  muteHour: 'Selama 1 jam',
  muteDay: 'Selama 8 jam',
  muteWeek: 'Selama 1 minggu',
  muteAlways: 'Selalu',
  muteUntil: 'Sampai {when}',
}

/** The text for a key in the present language. */
export const word = wordsOf(/** @type {Record<'en' | 'id', Record<string, string>>} */ ({ en, id }))
