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
 * Paints an avatar: initials on a colour that follows from the id and so never changes. The
 * account's picture is not requested, wherever it is: its address is a peer's word. Another site
 * would learn who looks at it, and on this one it could name anything that answers to a GET, with
 * the cookies of whatever else the site serves.
 * @param {HTMLElement} node
 * @param {{ id: number, username: string, name?: string }} user
 */
export function paintAvatar(node, { id, username, name }) {
  paint(node, id, initials(name || username))
}

/** Paints the sign that stands for a room. @param {HTMLElement} node @param {number} id of the room */
export function paintRoom(node, id) {
  paint(node, id, '#')
  node.classList.add('of-room')
}

/** @param {HTMLElement} node @param {number} id @param {string} sign */
function paint(node, id, sign) {
  const face = `${id} ${sign}`
  if (node.dataset.face === face) return
  node.dataset.face = face
  node.className = `avatar hue-${id % HUES}`
  node.textContent = sign
}
