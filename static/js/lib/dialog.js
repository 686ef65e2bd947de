// What dialogs share.

import { part } from './template.js'

/**
 * What every dialog does: its button closes it, and so do a click beside it and going back, by
 * which one is elsewhere.
 * @param {HTMLDialogElement} dialog
 */
export function asDialog(dialog) {
  part(dialog, 'close').addEventListener('click', () => dialog.close())
  dialog.addEventListener('click', event => {
    // A click on the dialog itself is one on its backdrop: what it shows fills it.
    if (event.target === dialog) dialog.close()
  })
  window.addEventListener('popstate', () => dialog.close())
  keepFocus(dialog)
}

/** What one comes to by the keyboard. */
const CONTROLS = 'button, input, select, textarea, summary, a[href]'

/**
 * With a row that is taken away goes the focus, and a keyboard would begin at the top again: it
 * moves to the same button of the row that stands there then, or else to the one that closes. With
 * a button that is hidden it goes, too: it moves to what is behind that.
 * @param {HTMLDialogElement} dialog
 */
function keepFocus(dialog) {
  /** @type {EventTarget | null} */
  let held = null
  dialog.addEventListener('focusin', ({ target }) => { held = target })
  new MutationObserver(changes => {
    // What is hidden has the focus until the next frame.
    const isLost = document.activeElement === document.body || document.activeElement === held
    const lost = held instanceof HTMLElement && isLost && held.offsetParent === null ? held : null
    if (!lost || !dialog.open) return
    if (lost.isConnected) {
      const all = /** @type {HTMLElement[]} */ ([...dialog.querySelectorAll(CONTROLS)])
      const behind = all.slice(all.indexOf(lost) + 1).find(control => control.offsetParent !== null)
      return (behind ?? part(dialog, 'close')).focus()
    }
    const change = changes.find(({ removedNodes }) => [...removedNodes].some(node => node.contains(lost)))
    const row = [change?.nextSibling, change?.previousSibling].find(node => node instanceof HTMLElement && node.isConnected)
    const same = /** @type {HTMLElement | null | undefined} */ (
      row instanceof HTMLElement ? row.querySelector(`[data-part="${lost.dataset.part}"]`) : null)
    const next = same && !same.hidden ? same : part(dialog, 'close')
    next.focus()
  }).observe(dialog, { childList: true, subtree: true, attributeFilter: ['hidden'] })
}

/**
 * Offers values, each by its words; what is chosen stays. The same ones are left as they are: a
 * list that the reader has open would close.
 * @param {HTMLSelectElement} select
 * @param {Record<string, string>} choices the key of the words for each value
 * @param {(key: string) => string} words
 * @param {string} [chosen]
 */
export function fillSelect(select, choices, words, chosen = select.value) {
  const offered = Object.entries(choices).map(([value, key]) => new Option(words(key), value))
  const same = offered.length === select.options.length && offered.every(({ text, value }, at) =>
    text === select.options[at].text && value === select.options[at].value)
  if (!same) select.replaceChildren(...offered)
  const value = chosen in choices ? chosen : Object.keys(choices)[0]
  if (select.value !== value) select.value = value
}

/**
 * Asks before something that cannot be undone.
 * @param {HTMLDialogElement} dialog a copy of the template `ask`, with its words
 * @returns {Promise<boolean>}
 */
export function answerTo(dialog) {
  part(dialog, 'cancel').addEventListener('click', () => dialog.close())
  part(dialog, 'confirm').addEventListener('click', () => dialog.close('yes'))
  window.addEventListener('popstate', () => dialog.close(), { once: true })
  document.body.append(dialog)
  dialog.showModal()
  return new Promise(answered => dialog.addEventListener('close', () => {
    dialog.remove()
    answered(dialog.returnValue === 'yes')
  }))
}
