// Markup that the page has ready in `<template>`s, and its parts by name.

/**
 * A fresh copy of the one element inside `<template id="…">`.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function clone(id) {
  const template = document.getElementById(id)
  if (!(template instanceof HTMLTemplateElement)) throw new Error(`no template named ${id}`)
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild)
}

/**
 * The element marked `data-part="name"` under `root`. It throws where there is none, because a
 * template and its code that no longer fit should fail at once and not at the first click.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} name
 * @returns {T}
 */
export function part(root, name) {
  const found = root.querySelector(`[data-part="${name}"]`)
  if (!found) throw new Error(`no part named ${name}`)
  return /** @type {T} */ (found)
}
