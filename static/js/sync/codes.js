// What error codes mean for what is to be done next.

/**
 * No refusals of a message: it was not sent, or it is not known whether it was stored, or the
 * server asks for patience.
 */
export const TRY_AGAIN = ['offline', 'connection_lost', 'timeout', 'rate_limited', 'storage_unavailable']

/** The wait before something is tried again that the server could not do just now. */
export const RETRY_MS = 3_000

/** @param {number} ms */
export const pause = ms => new Promise(resolve => setTimeout(resolve, ms))
