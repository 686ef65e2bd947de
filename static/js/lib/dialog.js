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
