// The ways to carry packets: a WebSocket, and long-polling, which is loaded only where it is
// needed.

import { late } from '../lib/late.js'

/**
 * A transport carries Engine.IO packets, one string each. Opening starts it; the first packet that
 * arrives is the open packet. After `closed` nothing more is called.
 * @typedef {{ send(packet: string): void, close(): void }} Transport
 * @typedef {(
 *   url: URL, on: { packet(text: string): void, closed(): void }
 * ) => Transport | Promise<Transport>} OpenTransport
 */

/** @type {OpenTransport} */
export function openWebSocket(url, on) {
  const address = new URL('?EIO=4&transport=websocket', url)
  address.protocol = address.protocol.replace('http', 'ws')
  const socket = new WebSocket(address)
  socket.onmessage = ({ data }) => { if (typeof data === 'string') on.packet(data) }
  socket.onclose = () => on.closed()
  return {
    send: packet => socket.send(packet),
    close() {
      socket.onmessage = socket.onclose = null
      socket.close()
    },
  }
}

/** @type {OpenTransport} */
export function openPolling(url, on) {
  return late(() => import('./polling.js')).then(({ openPolling }) => openPolling(url, on))
}
