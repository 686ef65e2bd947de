// Rooms as values: what is known of one, its members, and how far each of them has read. Pure.

/** @typedef {'owner' | 'admin' | 'member'} Role */
/** @typedef {{ userId: number, role: Role }} Member */
/**
 * `role` is that of the person here, null where they are no member. `members` are those that were
 * read, `whole` says whether that is all of them, and `next` where else the next ones are;
 * `seen` holds up to which message each has read.
 * @typedef {{ id: number, name: string, topic: string, avatar: string | null,
 *   kind: 'open' | 'closed', history: 'all' | 'joined', post: 'all' | 'admins', createdAt: string,
 *   archivedAt: string | null, memberCount: number, role: Role | null, members: Member[],
 *   whole: boolean, next?: string, seen: ReadonlyMap<number, number> }} Room
 */

/** In rooms of at most so many members it is told who has read, and who types. */
export const SMALL = 100
/** In rooms of at most so many members everybody may call all of them. */
const ALL_MAY_CALL = 20

/**
 * A room as the page holds it, from the server's object; of one that is known already the members
 * stay.
 * @param {any} wire
 * @param {Room | null} known
 * @param {Role | null} [role] of the person here, where it is told
 * @returns {Room}
 */
export function roomFrom(wire, known, role) {
  return {
    id: wire.id,
    name: wire.name,
    topic: wire.topic ?? '',
    avatar: wire.avatar ?? null,
    kind: wire.kind,
    history: wire.history,
    post: wire.post,
    createdAt: wire.created_at,
    archivedAt: wire.archived_at ?? null,
    memberCount: wire.member_count,
    role: role === undefined ? known?.role ?? null : role,
    members: known?.members ?? [],
    whole: known?.whole ?? false,
    ...(known?.next && { next: known.next }),
    seen: known?.seen ?? new Map(),
  }
}

/** @param {any} row @returns {Member} */
const memberFrom = ({ user_id, role }) => ({ userId: user_id, role })

/**
 * @param {Room} room
 * @param {any[]} rows the first page of its members
 * @param {string} [next] where the next page begins
 * @returns {Room}
 */
export const withMembers = (room, rows, next) =>
  withMoreMembers({ ...room, members: [], next, whole: next === undefined }, rows)

/** @param {Room} room @param {any[]} rows of members, in whatever order @returns {Room} */
export function withMoreMembers(room, rows) {
  const fresh = new Set(rows.map(({ user_id }) => user_id))
  return { ...room, members: [...room.members.filter(({ userId }) => !fresh.has(userId)), ...rows.map(memberFrom)] }
}

/**
 * A room after somebody came, went or was given a role.
 * @param {Room} room
 * @param {{ user_id: number, change: 'joined' | 'left' | 'removed' | 'role', role?: Role }} event
 * @returns {Room}
 */
export function withMember(room, { user_id, change, role }) {
  const others = room.members.filter(({ userId }) => userId !== user_id)
  const known = others.length < room.members.length
  if (change === 'joined' || change === 'role') {
    const more = change === 'joined' && !known ? 1 : 0
    // Of those who were not read, a new role says nothing that is shown.
    const members = change === 'joined' || known ? [...others, { userId: user_id, role: role ?? 'member' }] : others
    return { ...room, members, memberCount: room.memberCount + more }
  }
  const fewer = known || !room.whole ? 1 : 0
  const seen = new Map(room.seen)
  seen.delete(user_id)
  return { ...room, members: others, seen, memberCount: Math.max(0, room.memberCount - fewer) }
}

/** @param {Room} room @param {number} userId @param {number} upTo @returns {Room} */
export function withSeen(room, userId, upTo) {
  if ((room.seen.get(userId) ?? 0) >= upTo) return room
  return { ...room, seen: new Map(room.seen).set(userId, upTo) }
}

/** @param {Room | null} room */
export const mayManage = room => room?.role === 'owner' || room?.role === 'admin'

/** @param {Room} room @returns {boolean} whether the person here may write there */
export const mayPost = room => room.role !== null && room.archivedAt === null && (room.post === 'all' || mayManage(room))

/** @param {Room} room @returns {boolean} whether the person here may mention all members at once */
export const mayCallAll = room => mayManage(room) || room.memberCount <= ALL_MAY_CALL

/**
 * Those who have read a message, and those who have not, its sender left out.
 * @param {Room} room
 * @param {{ id: number, senderId: number }} message
 * @returns {{ read: number[], unread: number[] }} by id
 */
export function readersOf(room, { id, senderId }) {
  const others = room.members.map(({ userId }) => userId).filter(userId => userId !== senderId)
  const has = (/** @type {number} */ userId) => (room.seen.get(userId) ?? 0) >= id
  return { read: others.filter(has), unread: others.filter(userId => !has(userId)) }
}

/**
 * @param {Room | null} room
 * @param {{ id: number, senderId: number }} message
 * @returns {boolean} whether all others have read it
 */
export function isReadByAll(room, message) {
  if (!room?.whole || room.memberCount > SMALL || message.id === Infinity) return false
  const { read, unread } = readersOf(room, message)
  return read.length > 0 && unread.length === 0
}
