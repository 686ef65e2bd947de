// What dialogs share.

import { part } from './template.js'

/**
 * What every dialog does: its button closes it, and so does a click beside it.
 * @param {HTMLDialogElement} dialog
 */
export function asDialog(dialog) {
  part(dialog, 'close').addEventListener('click', () => dialog.close())
  dialog.addEventListener('click', event => {
    // A click on the dialog itself is one on its backdrop: what it shows fills it.
    if (event.target === dialog) dialog.close()
  })
}

/**
 * Asks before something that cannot be undone.
 * @param {HTMLDialogElement} dialog a copy of the template `ask`, with its words
 * @returns {Promise<boolean>}
 */
export function answerTo(dialog) {
  part(dialog, 'cancel').addEventListener('click', () => dialog.close())
  part(dialog, 'confirm').addEventListener('click', () => dialog.close('yes'))
  document.body.append(dialog)
  dialog.showModal()
  return new Promise(answered => dialog.addEventListener('close', () => {
    dialog.remove()
    answered(dialog.returnValue === 'yes')
  }))
}
