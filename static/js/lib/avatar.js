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
 * The pictures that this server keeps. No other is requested, wherever it is: its address is a
 * peer's word. Another site would learn who looks at it, and on this one it could name anything that
 * answers to a GET, with the cookies of whatever else the site serves.
 */
const KEPT = /^api\/avatars\/f[0-9a-f]{32}$/

/**
 * Paints an avatar: the picture, or initials on a colour that follows from the id and so never
 * changes.
 * @param {HTMLElement} node
 * @param {{ id: number, username: string, name?: string, avatar?: string | null }} user
 */
export function paintAvatar(node, { id, username, name, avatar }) {
  paint(node, id, initials(name || username), avatar)
}

/**
 * Paints what stands for a room: its picture, or a sign.
 * @param {HTMLElement} node
 * @param {number} id of the room
 * @param {string | null} [avatar]
 */
export function paintRoom(node, id, avatar) {
  paint(node, id, '#', avatar)
  node.classList.add('of-room')
}

/** @param {HTMLElement} node @param {number} id @param {string} sign @param {string | null} [avatar] */
function paint(node, id, sign, avatar) {
  const picture = avatar && KEPT.test(avatar) ? avatar : ''
  const face = `${id} ${sign} ${picture}`
  if (node.dataset.face === face) return
  node.dataset.face = face
  node.className = `avatar hue-${id % HUES}`
  node.textContent = sign
  if (!picture) return
  const image = new Image()
  image.alt = ''
  // Until it is there, and where it does not come, the sign stands.
  image.onload = () => node.dataset.face === face && node.replaceChildren(image)
  image.src = picture
}
