// Style sheets that a first view does not need.

/** @param {string} name of a style sheet in css/ @returns {Promise<unknown>} when it applies, or cannot be had */
export function loadStyle(name) {
  // Reckoned from this file, which like the style sheets stands below the page's version.
  const { href } = new URL(`../../css/${name}`, import.meta.url)
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href })
  const settled = new Promise(resolve => { link.onload = link.onerror = resolve })
  document.head.append(link)
  return settled
}
