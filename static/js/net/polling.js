// HTTP long-polling, the transport for networks that let no WebSocket through: one GET that waits
// for packets, and POSTs that bring ours. transport.js loads this file only when it needs it.

/** Between packets in one body: Engine.IO's record separator. */
const SEPARATOR = '\x1e'
/**
 * Packets a POST carries at most. The longest message is some 24 kB as JSON, and a body may have 1
 * MB.
 */
const PACKETS_PER_POST = 16

/** @type {import('./transport.js').OpenTransport} */
export function openPolling(url, on) {
  const abort = new AbortController()
  /** @type {string[]} */
  const queue = []
  let sid = ''
  let posting = false

  const address = () => new URL(`?EIO=4&transport=polling${sid && `&sid=${sid}`}`, url)

  /** @param {RequestInit} [request] */
  async function exchange(request) {
    const response = await fetch(address(), { cache: 'no-store', signal: abort.signal, ...request })
    if (!response.ok) throw new Error(`polling answered ${response.status}`)
    return response.text()
  }

  function fail() {
    if (abort.signal.aborted) return
    abort.abort()
    on.closed()
  }

  async function receive() {
    while (!abort.signal.aborted) {
      for (const packet of (await exchange()).split(SEPARATOR)) {
        if (packet[0] === '0') sid = JSON.parse(packet.slice(1)).sid
        if (!abort.signal.aborted) on.packet(packet)
      }
    }
  }

  // One POST at a time: two at once could overtake each other, and the server refuses the second.
  async function post() {
    if (posting || sid === '') return
    posting = true
    while (queue.length > 0) {
      const body = queue.splice(0, PACKETS_PER_POST).join(SEPARATOR)
      await exchange({ method: 'POST', body, headers: { 'content-type': 'text/plain;charset=UTF-8' } })
    }
    posting = false
  }

  receive().catch(fail)
  return {
    send(packet) {
      queue.push(packet)
      post().catch(fail)
    },
    close() {
      if (abort.signal.aborted) return
      abort.abort()
      if (sid === '') return
      // The polite goodbye. The GET just aborted ends the session as well, so a failure is no loss.
      fetch(address(), { method: 'POST', body: [...queue, '1'].join(SEPARATOR), keepalive: true }).catch(() => {})
    },
  }
}
