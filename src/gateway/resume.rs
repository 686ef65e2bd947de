//! How a socket begins: afresh, or as one that was lost, by telling its client what it missed.

use std::sync::Arc;

use super::chat_socket::{ChatSocket, Resumed, enter_rooms};
use super::door::Door;
use super::groups::user_group;
use super::recovery::Taken;
use crate::accounts::Caller;
use crate::chat::{CatchUp, ChatError, MAX_MISSED};
use crate::contract::{ROOM_SKIPPED, RoomSkipped, USER_CHANGED, UserChanged, Version, updates_of};
use crate::hub::{Socket, SocketHandler, SocketId};
use crate::limits::{BYTES_A_COUNT, Key, Kind, ROWS_A_COUNT};
use crate::model::{Cursor, EntryId, PrivateId, RoomId, Timestamp, User, UserId};
use crate::transport::Frame;

/// The changes of which a client that comes back is told at once. With more it is a new socket,
/// whose client reads its chats afresh.
const MAX_CHANGES: usize = 2_000;
/// 4 MiB: the same in bytes as they are sent, a quarter of what may wait for one client. So much
/// has room for certain, since that is asked for first: a client that was told of what did not fit
/// would come back for it again and again.
const MAX_BYTES: usize = 4 << 20;

/// A lost socket that was taken over, to be resumed.
pub(super) struct Lost {
    id: PrivateId,
    /// The last event that its client had.
    since: Cursor,
    taken: Taken,
    /// Its person is counted already among those who are there in their rooms.
    is_in_rooms: bool,
}

impl Lost {
    /// Takes over the lost socket of this private id, for `socket`, if the person may. From then on
    /// `socket` takes the events of its person, but holds them.
    pub(super) fn find(
        door: &Door,
        now: Timestamp,
        socket: &Socket,
        user: UserId,
        pid: &str,
        offset: Option<&str>,
    ) -> Option<Self> {
        let chat = &door.verbs.chat;
        let id = chat.open_private_id(pid, user)?;
        let first = Cursor::through(id.entry);
        let since = match offset {
            // It had no event yet.
            None => first,
            // It may be from before this socket, which began afresh.
            Some(offset) => chat.open_cursor(offset, user)?.max(first),
        };
        let taken = door.recovery.take(now, &id, socket)?;
        socket.hold();
        socket.join(user_group(user));
        let is_in_rooms = enter_rooms(door, socket, user);
        Some(Self {
            id,
            since,
            taken,
            is_in_rooms,
        })
    }

    /// Returns the events that a client missed, but for the read marks that it has asked for
    /// itself, and then how these people are shown; `None` where there is no room for them.
    fn encode(
        &self,
        door: &Door,
        socket: &Socket,
        user: UserId,
        missed: &CatchUp,
        (profiles, skipped): (&[Arc<User>], &[RoomId]),
    ) -> Option<Vec<Frame>> {
        let keys = door.verbs.chat.cursor_keys();
        let version = Version::at_most(socket.version());
        let mut room = MAX_BYTES.min(socket.room());
        let is_own = |entry: EntryId| self.taken.memory.lock().has_marked(entry.get());
        let missed = missed.missed.iter();
        let updates = missed
            .filter(|missed| !is_own(missed.entry.id))
            .flat_map(|missed| updates_of(missed, user, version));
        let mut events = Vec::new();
        for room_id in skipped {
            let skipped = RoomSkipped { room_id: *room_id };
            let event = socket.encode(ROOM_SKIPPED.name, &(skipped,))?;
            room = room.checked_sub(event.cost())?;
            events.push(event);
        }
        for (cursor, update) in updates.filter(|(cursor, _)| *cursor > self.since) {
            let event = socket.encode(update.name(), &(update, cursor.seal(keys)))?;
            room = room.checked_sub(event.cost())?;
            events.push(event);
        }
        for user in profiles {
            let event = socket.encode(USER_CHANGED.name, &(UserChanged::of(user),))?;
            room = room.checked_sub(event.cost())?;
            events.push(event);
        }
        Some(events)
    }
}

/// Returns the handler of a new socket.
pub(super) fn start(door: Arc<Door>, socket: Socket, caller: &Caller) -> ChatSocket {
    let recovery = (!socket.is_plain()).then(|| {
        let id = PrivateId {
            // Before it joins its group: what is told after this reaches it, or is missed.
            entry: door.outbound.told(),
            socket: *socket.id().as_bytes(),
        };
        let memory = door.recovery.open(&id, &socket);
        (id, memory)
    });
    ChatSocket::new(door, socket, caller, recovery, None)
}

/// Returns the handler of a socket that goes on as the one that was lost, or as a new one where too
/// much was missed.
pub(super) async fn resume(
    door: Arc<Door>,
    socket: Socket,
    caller: &Caller,
    lost: Lost,
) -> Box<dyn SocketHandler> {
    let now = (door.verbs.clock)();
    let user = caller.user.id;
    let chat = &door.verbs.chat;
    let missed = match Version::at_most(socket.version()) {
        Version::First => {
            let missed = chat.missed(now, user, lost.since, MAX_CHANGES).await;
            missed.map(|missed| (missed, Vec::new(), Vec::new()))
        }
        Version::Second => missed_of_all(&door, now, user, lost.since).await,
    };
    let read = missed
        .as_ref()
        .map_or(MAX_MISSED, |(missed, ..)| missed.read);
    let missed = missed.and_then(|(missed, profiles, skipped)| {
        let events = match missed.has_more {
            true => None,
            false => lost.encode(&door, &socket, user, &missed, (&profiles, &skipped)),
        };
        let events = events.ok_or(ChatError::CursorExpired)?;
        Ok((events, missed.newest))
    });
    let events = missed.iter().flat_map(|(events, _)| events);
    let bytes: usize = events.map(Frame::cost).sum();
    // A client that comes back all the time to be told the same would take a processor from
    // everybody else.
    let more = read / ROWS_A_COUNT + bytes / BYTES_A_COUNT;
    let limits = &door.verbs.limits;
    limits.charge(Kind::Connections, Key::User(user), more);
    let id = std::str::from_utf8(&lost.id.socket).ok();
    let ((events, newest), id) = match (missed, id.and_then(SocketId::parse)) {
        (Ok(missed), Some(id)) => (missed, id),
        (missed, _) => {
            tracing::debug!(%user, error = ?missed.err(), "a socket was not resumed");
            door.recovery.give_up(now, user, &lost.id);
            door.verbs.metrics.events.came_back(false);
            let mut socket = start(door, socket, caller);
            socket.has_entered_rooms(lost.is_in_rooms);
            return Box::new(socket);
        }
    };
    door.verbs.metrics.events.came_back(true);
    socket.continue_as(id);
    let resumed = Box::new(Resumed {
        events,
        newest,
        left_at: lost.taken.left_at,
    });
    let recovery = Some((lost.id, lost.taken.memory));
    let mut socket = ChatSocket::new(door, socket, caller, recovery, Some(resumed));
    socket.has_entered_rooms(lost.is_in_rooms);
    Box::new(socket)
}

/// Returns what a person missed of all that version 2 hears: the changes, those who are shown
/// otherwise by now, and the rooms that brought too much.
async fn missed_of_all(
    door: &Door,
    now: Timestamp,
    user: UserId,
    since: Cursor,
) -> Result<(CatchUp, Vec<Arc<User>>, Vec<RoomId>), ChatError> {
    let chat = &door.verbs.chat;
    let missed = chat.missed_of_all(now, user, since, MAX_CHANGES, MAX_CHANGES);
    let (missed, skipped) = missed.await?;
    let profiles = chat.profiles_since(user, since).await?;
    Ok((missed, profiles, skipped))
}
