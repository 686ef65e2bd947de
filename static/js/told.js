// The line below the chats where the operator's other systems are told of messages. Loaded only
// there.

import { word } from './i18n/hook-words.js'
import { languages } from './i18n/words.js'

/** @param {HTMLElement} list the chats */
export function showTold(list) {
  const note = document.createElement('p')
  note.className = 'told-note'
  const say = () => { note.textContent = word('told') }
  say()
  languages.addEventListener('change', say)
  list.querySelector('.sidebar')?.append(note)
}
