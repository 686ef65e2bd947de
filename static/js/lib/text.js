// A peer's text in the document.

const LINK = /https?:\/\/[^\s<>"'`]+/giu

/**
 * Splits text into plain runs and links. Only http and https are links; punctuation that ends a
 * sentence, and a closing bracket that was not opened inside the address, stay outside it.
 * @param {string} text
 * @returns {{ text: string, href?: string }[]}
 */
export function splitLinks(text) {
  const runs = []
  let end = 0
  for (const match of text.matchAll(LINK)) {
    let address = match[0]
    for (;;) {
      const last = address.at(-1) ?? ''
      const opened = last === ')' && address.includes('(')
      if (!'.,;:!?)]}*'.includes(last) || opened) break
      address = address.slice(0, -1)
    }
    if (!URL.canParse(address)) continue
    if (match.index > end) runs.push({ text: text.slice(end, match.index) })
    runs.push({ text: address, href: address })
    end = match.index + address.length
  }
  if (end < text.length) runs.push({ text: text.slice(end) })
  return runs
}

/**
 * Shows a peer's text inside `node`. Every character goes in as text; only links become elements.
 * @param {HTMLElement} node
 * @param {string} text
 */
export function fillWithText(node, text) {
  node.replaceChildren(...splitLinks(text).map(run => {
    if (!run.href) return run.text
    const link = document.createElement('a')
    link.href = run.href
    link.target = '_blank'
    link.rel = 'noopener noreferrer nofollow'
    link.textContent = run.text
    return link
  }))
}
