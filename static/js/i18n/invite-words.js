// The words about the first invite, in all languages: loaded with it.

import { wordsOf } from './words.js'

export const en = {
  onlyHere: 'This address works on this machine only. Open this page by the address that others reach it by, and the link will be theirs.',
}

/** @type {typeof en} */
export const id = {
  onlyHere: 'Alamat ini hanya berfungsi di mesin ini. Bukalah halaman ini dengan alamat yang dapat dijangkau orang lain, maka tautannya berlaku bagi mereka.',
}

/** The text for a key in the present language. */
export const word = wordsOf({ en, id })
