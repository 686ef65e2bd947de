// Markup of what is loaded when it is wanted, which has no template in the page.

import { asDialog } from './dialog.js'
import { clone } from './template.js'

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] `part` names it as `data-part` does in a template
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, { part: name, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  if (typeof name === 'string') node.dataset.part = name
  node.append(...children)
  return node
}

/**
 * A dialog with a title, a button that closes it, and nothing in its body yet.
 * @param {string} id by which its title is known
 * @returns {{ dialog: HTMLDialogElement, title: HTMLElement, body: HTMLElement }}
 */
export function makeSheet(id) {
  const dialog = /** @type {HTMLDialogElement} */ (clone('readers'))
  const title = /** @type {HTMLElement} */ (dialog.querySelector('h2'))
  const body = /** @type {HTMLElement} */ (dialog.querySelector('.sheet-body'))
  delete title.dataset.t
  title.id = `${id}-title`
  dialog.setAttribute('aria-labelledby', title.id)
  body.replaceChildren()
  asDialog(dialog)
  return { dialog, title, body }
}
