// The round picture that stands for a person.

/** The number of avatar colours that the style sheet defines, `hue-0` and up. */
const HUES = 8

/**
 * The first letters of a name's first two words, for an avatar without a picture.
 * @param {string} name
 */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean)
  return words.slice(0, 2).map(word => [...word][0]).join('').toLocaleUpperCase() || '?'
}

/**
 * Paints an avatar: the account's picture where this origin serves it, else initials on a colour
 * that follows from the id and so never changes. The content policy blocks foreign pictures, so
 * they are not even asked for: a peer must not learn by a picture who looks at it.
 * @param {HTMLElement} node
 * @param {{ id: number, username: string, avatar?: string | null }} user
 */
export function paintAvatar(node, { id, username, avatar }) {
  const face = `${id} ${username} ${avatar ?? ''}`
  if (node.dataset.face === face) return
  node.dataset.face = face
  node.className = `avatar hue-${id % HUES}`
  node.textContent = initials(username)
  if (!avatar || !URL.canParse(avatar, document.baseURI)) return
  const address = new URL(avatar, document.baseURI)
  if (address.origin !== location.origin) return
  const picture = new Image()
  picture.alt = ''
  picture.onload = () => node.replaceChildren(picture)
  picture.src = address.href
}
