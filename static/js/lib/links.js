// Links that do something once: their codes stand in the fragment, which no server sees.

/**
 * @param {string} hash of an address
 * @returns {{ way?: 'sign-in' | 'join' | 'reset', code: string, place: string }} `place` is where
 *   in the page a sign-in leads, as a hash
 */
export function linkIn(hash) {
  const [, way, code = '', place = ''] = /^#\/(sign-in|join|reset)\/([^/]+)(\/.*)?$/s.exec(hash) ?? []
  return { ...(way && { way: /** @type {'sign-in' | 'join' | 'reset'} */ (way) }), code: decoded(code), place: `#${place || '/'}` }
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    // The server says that it is none.
    return text
  }
}
