// The words of the settings of notifications, in both languages: they come with these settings.

import { currentLanguage } from './words.js'

const en = {
  title: 'Notifications',
  reason: 'This device tells you of messages while the page is closed. The push service of your browser passes them on and cannot read them.',
  on: 'Turn on on this device',
  off: 'Turn off',
  test: 'Send me a test',
  show: 'A notification shows',
  text: 'The sender and the message',
  sender: 'The sender',
  nothing: 'That there is a message',
  isOn: 'Notifications are on on this device.',
  denied: 'Your browser forbids notifications here. Allow them in its settings for this site, then come back.',
  none: 'This browser has no notifications for this page.',
  install: 'On an iPhone or iPad, add chatd to the home screen first: tap Share, then “Add to Home Screen”. Open it there and come back here.',
  sent: 'Sent. It should be here in a moment.',
  gone: 'The push service does not know this device any more. Turn notifications off and on again.',
  refused: 'The push service refused the test ({status}).',
  unreached: 'The push service could not be reached: {status}.',
  failed: 'That did not work. Try again in a moment.',
}

/** @type {typeof en} */
const id = {
  title: 'Notifikasi',
  reason: 'Perangkat ini memberi tahu Anda tentang pesan saat halaman ditutup. Layanan push peramban Anda meneruskannya dan tidak dapat membacanya.',
  on: 'Nyalakan di perangkat ini',
  off: 'Matikan',
  test: 'Kirim uji coba kepada saya',
  show: 'Notifikasi menampilkan',
  text: 'Pengirim dan isi pesan',
  sender: 'Pengirim',
  nothing: 'Bahwa ada pesan',
  isOn: 'Notifikasi menyala di perangkat ini.',
  denied: 'Peramban Anda melarang notifikasi di sini. Izinkan di setelannya untuk situs ini, lalu kembali.',
  none: 'Peramban ini tidak punya notifikasi untuk halaman ini.',
  install: 'Di iPhone atau iPad, tambahkan dulu chatd ke layar utama: ketuk Bagikan, lalu “Tambah ke Layar Utama”. Buka dari sana dan kembali ke sini.',
  sent: 'Terkirim. Akan segera sampai.',
  gone: 'Layanan push tidak mengenal perangkat ini lagi. Matikan lalu nyalakan lagi notifikasi.',
  refused: 'Layanan push menolak uji coba ini ({status}).',
  unreached: 'Layanan push tidak terjangkau: {status}.',
  failed: 'Itu tidak berhasil. Coba lagi sebentar lagi.',
}

export const catalogues = { en, id }

/** @param {keyof typeof en} key @param {string | number} [status] */
export const word = (key, status = '') =>
  (currentLanguage() === 'id' ? id : en)[key].replace('{status}', () => String(status))
