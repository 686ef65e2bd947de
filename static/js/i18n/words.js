// Every word the page shows, in every language it speaks, and the dates and numbers beside them.
// The server sends codes; the words for them are here. Markup names its words with `data-t`
// (`data-t-label`, `data-t-placeholder`, `data-t-title` for attributes), code asks `t(key)`.
//
// A text that depends on a number is an object of plural forms. Indonesian has one form only. It
// addresses the reader as "Anda" throughout.

/** @typedef {string | { one?: string, other: string }} Text */

/** @type {Record<string, Record<string, Text>>} */
export const CATALOGUE = {
  en: {
    skipToConversation: 'Skip to the conversation',
    chats: 'Chats',
    menu: 'Menu',
    language: 'Language',
    theme: 'Colours',
    themeSystem: 'System colours',
    themeLight: 'Light',
    themeDark: 'Dark',
    newChat: 'New chat',
    logOut: 'Log out',
    logOutQuestion: 'Log out?',
    logOutHint: 'Drafts and messages that were not sent are deleted from this device.',
    logOutEverywhere: 'Log out on all my other devices, too',
    logOutUnsent: {
      one: '{count} message has not been sent yet and will be deleted.',
      other: '{count} messages have not been sent yet and will be deleted.',
    },
    cancel: 'Cancel',
    close: 'Close',
    tryAgain: 'Try again',

    loginTitle: 'Log in',
    loginLead: 'Welcome back.',
    loginButton: 'Log in',
    registerTitle: 'Create an account',
    registerLead: 'Choose a name that others will find you by.',
    registerButton: 'Create account',
    setupTitle: 'Set up chatd',
    setupLead: 'Make the first account: the administrator’s.',
    setupButton: 'Create the administrator',
    username: 'Username',
    usernameHint: 'Letters a–z, digits, dot, dash or underscore.',
    password: 'Password',
    passwordHint: 'At least 8 characters.',
    showPassword: 'Show password',
    hidePassword: 'Hide password',
    toRegister: 'New here? Create an account',
    toLogin: 'Already have an account? Log in',
    inviteOnly: 'New here? Ask the administrator for an invite link.',
    freshTitle: 'Welcome to chatd',
    freshLead: 'A chat of your own, in one program. It is running; what it needs now is its first account, the administrator’s.',
    freshCode: 'Set-up code, or the whole link',
    freshHint: 'The server printed a link when it started: open it, or paste it here.',
    freshDemo: 'Only want to look around? Start this instead:',

    noChats: 'No chats yet',
    noChatsHint: 'Find somebody and write the first message.',
    chatsFailed: 'The chats could not be loaded.',
    olderChats: 'Show older chats',
    youPrefix: 'You: {text}',
    draftPrefix: 'Draft: {text}',
    unread: { one: '{count} unread message', other: '{count} unread messages' },

    findPeople: 'Find people',
    searchPeople: 'Search by username',
    searching: 'Searching…',
    nobodyFound: 'Nobody by that name here.',
    nobodyElse: 'Nobody else has an account here yet.',
    peopleFound: { one: '{count} person found', other: '{count} people found' },
    invitePerson: 'Create an invite link',
    inviteLink: 'Invite link',
    copyLink: 'Copy link',
    copied: 'Copied',

    profile: 'Your profile',
    picture: 'Picture',
    pictureHint: 'The address of a picture on this site, such as /pictures/me.png. Without one your initials are shown.',
    save: 'Save',
    saved: 'Saved.',
    administrator: 'Administrator',
    changePassword: 'Change the password',
    currentPassword: 'Current password',
    newPassword: 'New password',
    newPasswordHint: 'At least 8 characters. Your other devices will have to log in again.',
    passwordChanged: 'The password is changed.',
    wrongPassword: 'That is not your current password.',

    admin: 'People and invites',
    invites: 'Invite links',
    inviteUses: 'For',
    inviteDays: 'Valid for',
    people: { one: '{count} person', other: '{count} people' },
    days: { one: '{count} day', other: '{count} days' },
    inviteNote: { one: 'For {count} more person, until {date}', other: 'For {count} more people, until {date}' },
    revokeInvite: 'Take back',
    accounts: 'Accounts',
    moreAccounts: 'Show more accounts',
    nameYou: '{name} (you)',
    disabled: 'Disabled',
    joined: 'here since {date}',
    promote: 'Make administrator',
    demote: 'No longer administrator',
    disable: 'Disable',
    enable: 'Enable',
    buttonFor: '{button}: {name}',
    lastAdmin: 'Somebody has to remain administrator.',

    keys: 'Keyboard shortcuts',
    keySearch: 'Find people and chats',
    keyWalk: 'Previous or next chat',
    keyWalkUnread: 'Previous or next chat with unread messages',
    keyMessages: 'From message to message, while the messages have the focus',
    keySend: 'Send',
    keyLine: 'New line',
    keyEscape: 'Close; then back to the text; then to the list',
    keyLetter: 'Open this list by the ? key alone, too',

    demoTitle: 'chatd, to try out',
    demoLead: 'Two people side by side, both live: write on one side and watch it arrive, be ticked and be read on the other.',
    demoNotKept: 'This is a demonstration. Nothing is kept.',
    demoBack: 'Back to both people',
    demoPeople: 'Two people',
    demoOpen: 'Open the whole app',
    demoOpenAs: 'Open the whole app as {name}',
    demoSide: 'What {name} sees',
    demoDevelopers: 'For developers',
    demoSnippet: 'A program that joins in',
    demoSnippetHint: 'Run this with the stock client (npm install socket.io-client): it writes and listens as the person on the left. Its token is live.',
    demoCopy: 'Copy the program',
    demoDocs: 'How to use the API',

    backToChats: 'Back to the chats',
    chooseChat: 'Choose a chat',
    chooseChatHint: 'Or start a new one.',
    messages: 'Messages with {name}',
    historyFailed: 'The messages could not be loaded.',
    loadingOlder: 'Loading older messages…',
    beginning: 'This is the beginning of your conversation with {name}.',
    newDivider: 'New messages',
    newBelow: { one: '{count} new message', other: '{count} new messages' },
    toNewest: 'To the newest message',
    you: 'You',
    bySender: '{name}:',
    statePending: 'Waiting to be sent',
    stateStored: 'Sent',
    stateRead: 'Read',
    stateFailed: 'Not sent',
    retry: 'Send again',
    discard: 'Delete',
    messageTo: 'Message to {name}',
    writeMessage: 'Write a message',
    send: 'Send',
    tooLong: { one: '{count} character too long', other: '{count} characters too long' },
    charactersLeft: { one: '{count} character left', other: '{count} characters left' },
    tooFast: 'Too fast: goes on in {count} s',
    typing: '{name} is typing…',
    typingShort: 'typing…',
    online: 'online',
    lastSeen: 'last seen {when}',
    announce: '{name}: {text}',

    disconnected: 'No connection. Reconnecting…',
    nextTry: 'Next try in {count} s',
    tryNow: 'Try now',
    newer: 'There is a new version of this page.',
    reload: 'Load it',
    insecure: 'This connection is not encrypted: others on the way can read what is written here, passwords too. Ask whoever runs this server for an https address.',
    understood: 'I understand',

    today: 'Today',
    yesterday: 'Yesterday',
    justNow: 'now',

    'error.invalid_credentials': 'That username and password do not belong together.',
    'error.username_needed': 'Enter your username.',
    'error.username_bad': 'Use 1 to 32 of the letters a–z, digits, dot, dash or underscore.',
    'error.password_needed': 'Enter your password.',
    'error.password_short': 'Use 8 to 128 characters.',
    'error.registration_closed': 'This server takes no new accounts.',
    'error.invalid_invite': 'This link is used up or no longer valid. Ask for a new one.',
    'error.username_taken': 'Somebody already has this name. Choose another.',
    'error.invalid_payload': 'The server did not accept this.',
    'error.empty_message': 'An empty message cannot be sent.',
    'error.message_too_long': 'The message is too long.',
    'error.payload_too_large': 'The message is too large.',
    'error.invalid_receiver': 'You cannot write to yourself.',
    'error.not_found': 'That does not exist here, or no longer.',
    'error.forbidden': 'You may not do that.',
    'error.client_id_reused': 'This message was already sent with another text.',
    'error.rate_limited': 'That was too fast. Wait a moment.',
    'error.storage_unavailable': 'The server cannot store anything right now.',
    'error.token_expired': 'Your login has expired. Log in again; your drafts are kept.',
    'error.invalid_token': 'You have been logged out. Log in again; your drafts are kept.',
    'error.missing_token': 'You have been logged out. Log in again; your drafts are kept.',
    'error.account_disabled': 'This account has been disabled. Ask the administrator.',
    'error.offline': 'The server cannot be reached. Check your connection.',
    'error.timeout': 'The server did not answer in time.',
    'error.stale': 'This has been waiting since yesterday. Do you still want to send it?',
    'error.unknown': 'Something went wrong ({code}).',
  },

  id: {
    skipToConversation: 'Langsung ke percakapan',
    chats: 'Obrolan',
    menu: 'Menu',
    language: 'Bahasa',
    theme: 'Warna',
    themeSystem: 'Warna sistem',
    themeLight: 'Terang',
    themeDark: 'Gelap',
    newChat: 'Obrolan baru',
    logOut: 'Keluar',
    logOutQuestion: 'Keluar dari akun?',
    logOutHint: 'Draf dan pesan yang belum terkirim akan dihapus dari perangkat ini.',
    logOutEverywhere: 'Keluar juga di semua perangkat saya yang lain',
    logOutUnsent: { other: '{count} pesan belum terkirim dan akan dihapus.' },
    cancel: 'Batal',
    close: 'Tutup',
    tryAgain: 'Coba lagi',

    loginTitle: 'Masuk',
    loginLead: 'Selamat datang kembali.',
    loginButton: 'Masuk',
    registerTitle: 'Buat akun',
    registerLead: 'Pilih nama yang akan dipakai orang lain untuk menemukan Anda.',
    registerButton: 'Buat akun',
    setupTitle: 'Siapkan chatd',
    setupLead: 'Buat akun pertama. Akun ini menjadi administrator.',
    setupButton: 'Buat administrator',
    username: 'Nama pengguna',
    usernameHint: 'Huruf a–z, angka, titik, tanda hubung, atau garis bawah.',
    password: 'Kata sandi',
    passwordHint: 'Minimal 8 karakter.',
    showPassword: 'Tampilkan kata sandi',
    hidePassword: 'Sembunyikan kata sandi',
    toRegister: 'Baru di sini? Buat akun',
    toLogin: 'Sudah punya akun? Masuk',
    inviteOnly: 'Baru di sini? Mintalah tautan undangan kepada administrator.',
    freshTitle: 'Selamat datang di chatd',
    freshLead: 'Obrolan milik Anda sendiri, dalam satu program. Program sudah berjalan; sekarang dibutuhkan akun pertama, yaitu administrator.',
    freshCode: 'Kode penyiapan, atau seluruh tautannya',
    freshHint: 'Server menampilkan tautan saat dijalankan: bukalah, atau tempelkan di sini.',
    freshDemo: 'Hanya ingin melihat-lihat? Jalankan ini:',

    noChats: 'Belum ada obrolan',
    noChatsHint: 'Temukan seseorang dan tulis pesan pertama.',
    chatsFailed: 'Obrolan tidak dapat dimuat.',
    olderChats: 'Tampilkan obrolan lama',
    youPrefix: 'Anda: {text}',
    draftPrefix: 'Draf: {text}',
    unread: { other: '{count} pesan belum dibaca' },

    findPeople: 'Cari orang',
    searchPeople: 'Cari nama pengguna',
    searching: 'Mencari…',
    nobodyFound: 'Tidak ada yang bernama itu di sini.',
    nobodyElse: 'Belum ada orang lain yang punya akun di sini.',
    peopleFound: { other: '{count} orang ditemukan' },
    invitePerson: 'Buat tautan undangan',
    inviteLink: 'Tautan undangan',
    copyLink: 'Salin tautan',
    copied: 'Tersalin',

    profile: 'Profil Anda',
    picture: 'Gambar',
    pictureHint: 'Alamat gambar di situs ini, misalnya /pictures/saya.png. Tanpa gambar, inisial Anda yang ditampilkan.',
    save: 'Simpan',
    saved: 'Tersimpan.',
    administrator: 'Administrator',
    changePassword: 'Ganti kata sandi',
    currentPassword: 'Kata sandi saat ini',
    newPassword: 'Kata sandi baru',
    newPasswordHint: 'Minimal 8 karakter. Perangkat Anda yang lain harus masuk lagi.',
    passwordChanged: 'Kata sandi telah diganti.',
    wrongPassword: 'Itu bukan kata sandi Anda saat ini.',

    admin: 'Orang dan undangan',
    invites: 'Tautan undangan',
    inviteUses: 'Untuk',
    inviteDays: 'Berlaku selama',
    people: { other: '{count} orang' },
    days: { other: '{count} hari' },
    inviteNote: { other: 'Untuk {count} orang lagi, sampai {date}' },
    revokeInvite: 'Tarik kembali',
    accounts: 'Akun',
    moreAccounts: 'Tampilkan akun lainnya',
    nameYou: '{name} (Anda)',
    disabled: 'Dinonaktifkan',
    joined: 'di sini sejak {date}',
    promote: 'Jadikan administrator',
    demote: 'Bukan lagi administrator',
    disable: 'Nonaktifkan',
    enable: 'Aktifkan',
    buttonFor: '{button}: {name}',
    lastAdmin: 'Harus tetap ada administrator.',

    keys: 'Pintasan papan ketik',
    keySearch: 'Cari orang dan obrolan',
    keyWalk: 'Obrolan sebelumnya atau berikutnya',
    keyWalkUnread: 'Obrolan belum dibaca sebelumnya atau berikutnya',
    keyMessages: 'Dari pesan ke pesan, saat fokus ada di daftar pesan',
    keySend: 'Kirim',
    keyLine: 'Baris baru',
    keyEscape: 'Tutup; lalu kembali ke teks; lalu ke daftar',
    keyLetter: 'Buka daftar ini juga dengan tombol ? saja',

    demoTitle: 'chatd, untuk dicoba',
    demoLead: 'Dua orang berdampingan, keduanya langsung: tulislah di satu sisi dan lihat pesannya tiba, dicentang, dan dibaca di sisi lain.',
    demoNotKept: 'Ini demonstrasi. Tidak ada yang disimpan.',
    demoBack: 'Kembali ke dua orang',
    demoPeople: 'Dua orang',
    demoOpen: 'Buka aplikasi lengkap',
    demoOpenAs: 'Buka aplikasi lengkap sebagai {name}',
    demoSide: 'Yang dilihat {name}',
    demoDevelopers: 'Untuk pengembang',
    demoSnippet: 'Program yang ikut serta',
    demoSnippetHint: 'Jalankan ini dengan klien standar (npm install socket.io-client): program ini menulis dan mendengar sebagai orang di kiri. Tokennya berlaku.',
    demoCopy: 'Salin programnya',
    demoDocs: 'Cara memakai API',

    backToChats: 'Kembali ke obrolan',
    chooseChat: 'Pilih obrolan',
    chooseChatHint: 'Atau mulai yang baru.',
    messages: 'Pesan dengan {name}',
    historyFailed: 'Pesan tidak dapat dimuat.',
    loadingOlder: 'Memuat pesan lama…',
    beginning: 'Ini awal percakapan Anda dengan {name}.',
    newDivider: 'Pesan baru',
    newBelow: { other: '{count} pesan baru' },
    toNewest: 'Ke pesan terbaru',
    you: 'Anda',
    bySender: '{name}:',
    statePending: 'Menunggu dikirim',
    stateStored: 'Terkirim',
    stateRead: 'Dibaca',
    stateFailed: 'Tidak terkirim',
    retry: 'Kirim lagi',
    discard: 'Hapus',
    messageTo: 'Pesan untuk {name}',
    writeMessage: 'Tulis pesan',
    send: 'Kirim',
    tooLong: { other: 'Kelebihan {count} karakter' },
    charactersLeft: { other: 'Sisa {count} karakter' },
    tooFast: 'Terlalu cepat: dilanjutkan dalam {count} dtk',
    typing: '{name} sedang mengetik…',
    typingShort: 'sedang mengetik…',
    online: 'daring',
    lastSeen: 'terakhir dilihat {when}',
    announce: '{name}: {text}',

    disconnected: 'Tidak ada koneksi. Menyambung kembali…',
    nextTry: 'Dicoba lagi dalam {count} dtk',
    tryNow: 'Coba sekarang',
    newer: 'Ada versi baru halaman ini.',
    reload: 'Muat',
    insecure: 'Koneksi ini tidak dienkripsi: orang lain di jaringan dapat membaca yang ditulis di sini, termasuk kata sandi. Mintalah alamat https kepada pengelola server ini.',
    understood: 'Saya mengerti',

    today: 'Hari ini',
    yesterday: 'Kemarin',
    justNow: 'baru saja',

    'error.invalid_credentials': 'Nama pengguna dan kata sandi itu tidak cocok.',
    'error.username_needed': 'Isi nama pengguna Anda.',
    'error.username_bad': 'Gunakan 1 sampai 32 huruf a–z, angka, titik, tanda hubung, atau garis bawah.',
    'error.password_needed': 'Isi kata sandi Anda.',
    'error.password_short': 'Gunakan 8 sampai 128 karakter.',
    'error.registration_closed': 'Server ini tidak menerima akun baru.',
    'error.invalid_invite': 'Tautan ini sudah terpakai atau tidak berlaku lagi. Mintalah yang baru.',
    'error.username_taken': 'Nama ini sudah dipakai orang lain. Pilih nama lain.',
    'error.invalid_payload': 'Server tidak menerima isian ini.',
    'error.empty_message': 'Pesan kosong tidak dapat dikirim.',
    'error.message_too_long': 'Pesan terlalu panjang.',
    'error.payload_too_large': 'Pesan terlalu besar.',
    'error.invalid_receiver': 'Anda tidak dapat menulis kepada diri sendiri.',
    'error.not_found': 'Itu tidak ada di sini, atau sudah tidak ada.',
    'error.forbidden': 'Anda tidak boleh melakukan itu.',
    'error.client_id_reused': 'Pesan ini sudah terkirim dengan teks lain.',
    'error.rate_limited': 'Terlalu cepat. Tunggu sebentar.',
    'error.storage_unavailable': 'Server sedang tidak dapat menyimpan apa pun.',
    'error.token_expired': 'Masa masuk Anda telah habis. Masuklah lagi; draf Anda tetap tersimpan.',
    'error.invalid_token': 'Anda telah keluar. Masuklah lagi; draf Anda tetap tersimpan.',
    'error.missing_token': 'Anda telah keluar. Masuklah lagi; draf Anda tetap tersimpan.',
    'error.account_disabled': 'Akun ini dinonaktifkan. Hubungi administrator.',
    'error.offline': 'Server tidak dapat dijangkau. Periksa koneksi Anda.',
    'error.timeout': 'Server tidak menjawab tepat waktu.',
    'error.stale': 'Pesan ini menunggu sejak kemarin. Masih ingin mengirimnya?',
    'error.unknown': 'Terjadi kesalahan ({code}).',
  },
}

/** Says `change` when the language changes, so that whoever wrote words by code writes them anew. */
export const languages = new EventTarget()

let language = 'en'
/** The reader's own variety of the language, such as en-GB: it decides how dates and numbers look. */
let locale = 'en'
let plurals = new Intl.PluralRules(language)

export const currentLanguage = () => language

/**
 * The first of the wanted languages that the catalogue speaks; regions (`id-ID`) do not matter.
 * @param {readonly string[]} wanted
 */
export function pickLanguage(wanted) {
  const spoken = wanted.map(tag => tag.toLowerCase().split('-')[0]).find(tag => tag in CATALOGUE)
  return spoken ?? 'en'
}

/**
 * @param {string} wanted one of the catalogue's languages
 * @param {readonly string[]} [varieties] the languages of the browser, with their regions
 */
export function setLanguage(wanted, varieties = []) {
  language = wanted
  locale = varieties.find(tag => tag.toLowerCase().split('-')[0] === wanted) ?? wanted
  plurals = new Intl.PluralRules(language)
  formats.clear()
  languages.dispatchEvent(new Event('change'))
}

/**
 * The text for a key in the present language. `{count}` chooses the plural form and is written as
 * the language writes numbers.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = CATALOGUE[language][key]
  if (text === undefined) throw new Error(`no words for ${key} in ${language}`)
  const form = typeof text === 'string' ? text
    : (plurals.select(Number(values.count)) === 'one' && text.one) || text.other
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name]
    return typeof value === 'number' ? value.toLocaleString(locale) : value
  })
}

/** @param {string} code an error's code, of the server or of ours */
export function errorText(code) {
  const key = `error.${code}`
  return key in CATALOGUE[language] ? t(key) : t('error.unknown', { code })
}

/**
 * Writes the words that markup asks for, under `root` and on it.
 * @template {ParentNode} T
 * @param {T} root
 * @returns {T}
 */
export function translate(root) {
  const all = [...root.querySelectorAll('*')]
  if (root instanceof HTMLElement) all.push(root)
  for (const node of all) {
    if (!(node instanceof HTMLElement)) continue
    const { t: text, tLabel, tPlaceholder, tTitle } = node.dataset
    if (text) node.textContent = t(text)
    if (tLabel) node.setAttribute('aria-label', t(tLabel))
    if (tPlaceholder) node.setAttribute('placeholder', t(tPlaceholder))
    if (tTitle) node.setAttribute('title', t(tTitle))
  }
  return root
}

// Dates. All take a Date; `now` is an argument so that tests need no clock.

const DAY_MS = 86_400_000

/** Making a format costs far more than using it, and every bubble uses two. @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map()

/** @param {Date} date @param {Intl.DateTimeFormatOptions} options */
function format(date, options) {
  const key = JSON.stringify(options)
  const known = formats.get(key) ?? new Intl.DateTimeFormat(locale, options)
  formats.set(key, known)
  return known.format(date)
}

/** @param {Date} date e.g. 14:05, or 14.05 in Indonesian */
export const clockTime = date => format(date, { hour: 'numeric', minute: '2-digit' })

/** @param {Date} date a day, as short as it stays clear */
export const shortDate = date => format(date, { dateStyle: 'medium' })

/** @param {Date} date the date and time in full, for a tooltip */
export const fullTime = date => format(date, { dateStyle: 'full', timeStyle: 'short' })

/** @param {Date} date @param {Date} now @returns {number} calendar days between them, not 24-hour spans */
function daysAgo(date, now) {
  const midnight = (/** @type {Date} */ day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate())
  return (midnight(now) - midnight(date)) / DAY_MS
}

/** @param {Date} date @param {Date} now what a day chip says */
export function dayName(date, now) {
  const days = daysAgo(date, now)
  if (days === 0) return t('today')
  if (days === 1) return t('yesterday')
  if (days > 1 && days < 7) return format(date, { weekday: 'long' })
  return format(date, { day: 'numeric', month: 'long', year: 'numeric' })
}

/** @param {Date} date @param {Date} now the short time in a list: minutes, clock time, day, date */
export function shortTime(date, now) {
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000)
  if (minutes < 1) return t('justNow')
  if (minutes < 60) return new Intl.RelativeTimeFormat(locale, { style: 'narrow' }).format(-minutes, 'minute')
  const days = daysAgo(date, now)
  if (days === 0) return clockTime(date)
  if (days === 1) return t('yesterday')
  if (days < 7) return format(date, { weekday: 'short' })
  return format(date, { day: 'numeric', month: 'numeric', year: '2-digit' })
}

/** @param {Date} date @param {Date} now a moment inside a sentence, for "last seen …" */
export function longTime(date, now) {
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000)
  if (minutes < 60) return relative.format(-Math.max(minutes, 1), 'minute')
  if (minutes < 12 * 60) return relative.format(-Math.floor(minutes / 60), 'hour')
  const days = daysAgo(date, now)
  if (days < 30) return relative.format(-days, 'day')
  return format(date, { dateStyle: 'long' })
}
