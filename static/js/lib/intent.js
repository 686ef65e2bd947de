// The way from an element to the page.

/**
 * Tells the page what a person wants; intents.js says who answers. Elements never reach for the
 * network.
 * @param {EventTarget} element
 * @param {{ type: string, [detail: string]: unknown }} detail
 */
export function intend(element, detail) {
  element.dispatchEvent(new CustomEvent('intent', { bubbles: true, detail }))
}
