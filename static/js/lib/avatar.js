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
 * The pictures that this server keeps. Of others only those are requested whose origin the server
 * names: their address is a peer's word. Another site would learn who looks at it, and on this one
 * it could name anything that answers to a GET, with the cookies of whatever else the site serves.
 */
const KEPT = /^api\/avatars\/f[0-9a-f]{32}$/
/** The wait before it is asked again which origins those are, where there was no answer. */
const ASK_AGAIN_MS = 10_000

/** @type {() => Promise<string[]>} */
let askOrigins = async () => []
/** The origins once they were asked for, which they are for the first picture from elsewhere.
 * @type {Promise<string[]> | undefined} */
let origins

/**
 * Has pictures shown of the origins that the server names.
 * @param {() => Promise<string[]>} ask for them; it is called again where it rejects
 */
export function showPicturesOf(ask) {
  askOrigins = ask
  origins = undefined
}

/**
 * @param {string} avatar
 * @returns {Promise<boolean>} whether a picture from elsewhere may be requested
 */
async function isNamed(avatar) {
  const address = URL.canParse(avatar) ? new URL(avatar) : null
  if (address?.protocol !== 'https:' || address.username || address.password) return false
  return (await (origins ??= named())).includes(address.origin)
}

/** Asks which origins the server names; where that fails, it is asked again later. */
function named() {
  const asked = askOrigins()
  asked.catch(() => setTimeout(() => { if (origins === asked) origins = undefined }, ASK_AGAIN_MS))
  return asked
}

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

/**
 * @param {HTMLElement} node
 * @param {number} id
 * @param {string} sign
 * @param {string | null} [avatar]
 */
function paint(node, id, sign, avatar) {
  const face = `${id} ${sign} ${avatar ?? ''}`
  if (node.dataset.face === face) return
  node.dataset.face = face
  node.className = `avatar hue-${id % HUES}`
  node.textContent = sign
  if (!avatar) return
  if (KEPT.test(avatar)) return show(node, face, avatar)
  const isStill = () => node.dataset.face === face
  isNamed(avatar).then(
    named => { if (named && isStill()) show(node, face, avatar) },
    // Painted again, it is asked again.
    () => { if (isStill()) delete node.dataset.face },
  )
}

/** @param {HTMLElement} node @param {string} face that it has @param {string} picture */
function show(node, face, picture) {
  const image = new Image()
  image.alt = ''
  image.referrerPolicy = 'no-referrer'
  // Until it is there, and where it does not come, the sign stands.
  image.onload = () => node.dataset.face === face && node.replaceChildren(image)
  image.src = picture
}
