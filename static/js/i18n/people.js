// The words of what is loaded when it is wanted: blocks, reports, sessions and reset links, in
// every language. `w` asks for them as `t` asks for those of the whole page.

import { currentLanguage } from './words.js'

/** @type {Record<string, Record<string, string>>} */
export const PEOPLE = {
  en: {
    block: 'Block',
    unblock: 'Unblock',
    blockHint: '{name} can then no longer write to you, nor see when you are here or when you read. They are not told; their messages are refused like a stranger’s. In rooms you both stay.',
    blockedHint: 'You have blocked {name}. Unblock them to write to each other again.',
    report: 'Report',
    reportReason: 'What is wrong?',
    reportPersonHint: 'The administrators get your words and no message. They cannot read your chats. {name} is not told.',
    reportMessageHint: 'The administrators get your words and a copy of this one message. They cannot read your chats. {name} is not told.',
    sendReport: 'Send the report',
    reported: 'The administrators have your report.',
    reasonNeeded: 'Say what is wrong.',
    sessions: 'Where you are logged in',
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
    reports: 'Reports',
    reportsHint: 'A report brings the reporter’s words and a copy of at most that one message. It is deleted when you close it, and after 90 days. No administrator can read chats here.',
    noReports: 'There are no open reports.',
    moreReports: 'Show more reports',
    reportAbout: 'About {name}',
    reportBy: 'From {name}, {when}',
    closeReport: 'Close',
    closeReportOf: 'Close the report about {name}',
    resetLink: 'Reset link',
    resetLinkOf: 'Reset link for {name}',
    resetLinkHint: 'Give this link to {name}. It is good once, for 24 hours.',
    resetTitle: 'Choose a new password',
    resetLead: 'You are then logged in here, and logged out everywhere else.',
    resetButton: 'Save and log in',
    resetSwitch: '{name} is logged in here. With the new password you log in to the account of the link, and drafts and unsent messages of {name} are deleted from this device.',
  },
  id: {
    block: 'Blokir',
    unblock: 'Buka blokir',
    blockHint: '{name} tidak dapat lagi menulis kepada Anda, dan tidak melihat kapan Anda daring atau membaca. Ia tidak diberi tahu; pesannya ditolak seperti pesan orang asing. Di ruang keduanya tetap ada.',
    blockedHint: 'Anda memblokir {name}. Buka blokirnya untuk saling menulis lagi.',
    report: 'Laporkan',
    reportReason: 'Apa yang salah?',
    reportPersonHint: 'Pengelola mendapat kata-kata Anda tanpa pesan apa pun. Mereka tidak dapat membaca obrolan Anda. {name} tidak diberi tahu.',
    reportMessageHint: 'Pengelola mendapat kata-kata Anda dan salinan pesan yang satu ini. Mereka tidak dapat membaca obrolan Anda. {name} tidak diberi tahu.',
    sendReport: 'Kirim laporan',
    reported: 'Laporan Anda sudah di tangan pengelola.',
    reasonNeeded: 'Tuliskan apa yang salah.',
    sessions: 'Tempat Anda masuk',
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
    reports: 'Laporan',
    reportsHint: 'Laporan membawa kata-kata pelapor dan paling banyak salinan satu pesan itu. Laporan dihapus saat Anda menutupnya, dan setelah 90 hari. Tidak ada pengelola yang dapat membaca obrolan di sini.',
    noReports: 'Tidak ada laporan terbuka.',
    moreReports: 'Tampilkan laporan lain',
    reportAbout: 'Tentang {name}',
    reportBy: 'Dari {name}, {when}',
    closeReport: 'Tutup',
    closeReportOf: 'Tutup laporan tentang {name}',
    resetLink: 'Tautan sandi baru',
    resetLinkOf: 'Tautan sandi baru untuk {name}',
    resetLinkHint: 'Berikan tautan ini kepada {name}. Berlaku satu kali, selama 24 jam.',
    resetTitle: 'Pilih kata sandi baru',
    resetLead: 'Setelah itu Anda masuk di sini, dan keluar di semua tempat lain.',
    resetButton: 'Simpan dan masuk',
    resetSwitch: '{name} sedang masuk di sini. Dengan kata sandi baru Anda masuk ke akun tautan ini, dan draf serta pesan {name} yang belum terkirim dihapus dari perangkat ini.',
  },
}

/**
 * The text for a key in the present language.
 * @param {string} key
 * @param {Record<string, string>} [values]
 */
export function w(key, values = {}) {
  const text = PEOPLE[currentLanguage()]?.[key] ?? PEOPLE.en[key]
  if (text === undefined) throw new Error(`no words for ${key}`)
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name])
}
