// Buttons of which one is chosen.

import { intend } from './intent.js'

/**
 * Has the buttons of a view that choose among some values (`data-language`, `data-theme`) say what
 * is chosen.
 * @param {ParentNode} view
 * @param {'language' | 'theme'} what
 * @returns {(present: string | undefined) => void} shows which is chosen at present
 */
export function choiceButtons(view, what) {
  const buttons = /** @type {HTMLElement[]} */ ([...view.querySelectorAll(`button[data-${what}]`)])
  for (const button of buttons) {
    button.addEventListener('click', () => intend(button, { type: what, [what]: button.dataset[what] }))
  }
  return present => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset[what] === present))
  }
}
