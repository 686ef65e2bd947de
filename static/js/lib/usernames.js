// Which usernames can be chosen here, as the server judges it.

const CHARS = /^[a-z0-9._-]{1,32}$/i
/** Digits alone are an id, and names that begin like this are the server's to give. */
const OF_SERVER = /^(\d+$|user-|deleted-)/i

/** @param {string} name */
export const isUsername = name => CHARS.test(name) && !OF_SERVER.test(name)
