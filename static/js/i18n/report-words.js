// The words of the list of reports, in all languages: loaded with it.

import { wordsOf } from './words.js'

export const en = {
  reportsHint: 'A report brings the reporter’s words and a copy of at most that one message. It is deleted when you close it, and after 90 days. No administrator can read chats here.',
  noReports: 'There are no open reports.',
  moreReports: 'Show more reports',
  reportAbout: 'About {name}',
  reportBy: 'From {name}, {when}',
  closeReport: 'Close',
  closeReportOf: 'Close the report about {name}',
}

/** @type {typeof en} */
export const id = {
  reportsHint: 'Laporan membawa kata-kata pelapor dan paling banyak salinan satu pesan itu. Laporan dihapus saat Anda menutupnya, dan setelah 90 hari. Tidak ada administrator yang dapat membaca obrolan di sini.',
  noReports: 'Tidak ada laporan terbuka.',
  moreReports: 'Tampilkan laporan lain',
  reportAbout: 'Tentang {name}',
  reportBy: 'Dari {name}, {when}',
  closeReport: 'Tutup',
  closeReportOf: 'Tutup laporan tentang {name}',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
