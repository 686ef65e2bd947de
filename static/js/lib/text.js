// A peer's text in the document.

/**
 * Some scripts put no space behind a sentence or a quotation: their signs end an address, too; and
 * so do those that are not seen, some of which would show it turned round.
 */
const LINK = /https?:\/\/[^\s<>"'`\u060c\u061b\u061f\u06d4\u0964\u200b\u200e\u200f\u2018-\u202e\u2066-\u2069\u3001\u3002\u3008-\u3011\uff01\uff08-\uff0c\uff1a-\uff1f]+/giu
/** What closes each opening bracket. @type {Record<string, string>} */
const CLOSING = { '(': ')', '[': ']', '{': '}' }

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
    const address = withoutEnd(match[0])
    if (!URL.canParse(address)) continue
    if (match.index > end) runs.push({ text: text.slice(end, match.index) })
    runs.push({ text: address, href: address })
    end = match.index + address.length
  }
  if (end < text.length) runs.push({ text: text.slice(end) })
  return runs
}

/** @param {string} address @returns {string} the same without what belongs to the sentence */
function withoutEnd(address) {
  // Looked through once: it may be nothing but brackets.
  /** @type {Record<string, number>} */
  const open = { ')': 0, ']': 0, '}': 0 }
  let end = 0
  for (let at = 0; at < address.length; at++) {
    const sign = address[at]
    if (sign in CLOSING) open[CLOSING[sign]]++
    if (sign in open ? open[sign]-- > 0 : !'.,;:!?*'.includes(sign)) end = at + 1
  }
  return address.slice(0, end)
}

/**
 * Shows a peer's text inside `node`. Every character goes in as text; only links and mentions
 * become elements.
 * @param {HTMLElement} node
 * @param {string} text
 * @param {{ from: number, to: number, mine: boolean }[]} [mentions] where people are mentioned, in
 *   order; whether it is the reader
 */
export function fillWithText(node, text, mentions = []) {
  const nodes = []
  let at = 0
  for (const run of splitLinks(text)) {
    const end = at + run.text.length
    if (run.href) nodes.push(linkTo(run.href, run.text))
    else {
      let from = at
      for (const mention of mentions.filter(({ from, to }) => from >= at && to <= end)) {
        nodes.push(text.slice(from, mention.from), mentionOf(text.slice(mention.from, mention.to), mention.mine))
        from = mention.to
      }
      nodes.push(text.slice(from, end))
    }
    at = end
  }
  node.replaceChildren(...nodes.filter(part => part !== ''))
}

/** @param {string} href @param {string} text */
function linkTo(href, text) {
  const link = document.createElement('a')
  link.href = href
  link.target = '_blank'
  link.rel = 'noopener noreferrer nofollow'
  link.textContent = text
  return link
}

/** @param {string} text @param {boolean} mine */
function mentionOf(text, mine) {
  const mention = document.createElement('span')
  mention.className = mine ? 'mention of-me' : 'mention'
  mention.textContent = text
  return mention
}
