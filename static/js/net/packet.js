// The packets of Engine.IO and, within its messages, of Socket.IO: text only, of the namespace `/`.

export const ENGINE = { OPEN: '0', CLOSE: '1', PING: '2', PONG: '3', MESSAGE: '4' }
export const PACKET = { CONNECT: 0, DISCONNECT: 1, EVENT: 2, ACK: 3, CONNECT_ERROR: 4 }

/** @typedef {{ type: number, id?: number, data?: any }} Packet */

/** @param {Packet} packet @returns {string} a Socket.IO packet of the namespace `/` */
export function encodePacket({ type, id, data }) {
  return `${type}${id ?? ''}${data === undefined ? '' : JSON.stringify(data)}`
}

/**
 * @param {string} text
 * @returns {Packet | null} null for what is no packet of ours: another namespace, binary, malformed
 */
export function decodePacket(text) {
  const parts = /^([0-4])(?:\/,)?(\d*)(.*)$/s.exec(text)
  if (!parts) return null
  const [, type, id, body] = parts
  try {
    const data = body ? JSON.parse(body) : undefined
    const isList = Number(type) === PACKET.EVENT || Number(type) === PACKET.ACK
    if (isList && !Array.isArray(data)) return null
    return { type: Number(type), ...(id && { id: Number(id) }), ...(body && { data }) }
  } catch {
    return null
  }
}
