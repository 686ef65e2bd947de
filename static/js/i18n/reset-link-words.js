// The words of the link by which somebody gets a new password, in all languages: loaded with the
// list of accounts, where administrators make one.

import { wordsOf } from './words.js'

export const en = {
  resetLink: 'Reset link',
  resetLinkOf: 'Reset link for {name}',
  resetLinkHint: 'Give this link to {name}. It is good once, for 24 hours.',
}

/** @type {typeof en} */
export const id = {
  resetLink: 'Tautan sandi baru',
  resetLinkOf: 'Tautan sandi baru untuk {name}',
  resetLinkHint: 'Berikan tautan ini kepada {name}. Berlaku satu kali, selama 24 jam.',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
