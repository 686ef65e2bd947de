//! Rooms as their members see them: which there are, who is in them, and what was said.

use std::sync::Arc;

use super::history::{HistoryPage, HistoryQuery, Messages, RowBefore, after_one, around, end_of};
use super::page::Page;
use super::present;
use super::snapshot::{Snapshot, SnapshotLog};
use crate::model::{
    Act, ChatId, ChatSettings, ClientId, EntryId, Extras, MessageId, Notify, Role, Room,
    RoomHistory, RoomId, RoomKind, Stream, Timestamp, User, UserId, Username, row_bytes,
};
use crate::store::error::ReadError;
use crate::store::log::chain::{Chain, ReadLog};
use crate::store::log::record::{Author, Record};
use crate::store::room_act::RoomRefusal;
use crate::store::state::State;
use crate::store::talk::numbers::NumberSet;
use crate::store::talk::quoting::quote;
use crate::store::talk::refusal::TalkRefusal;
use crate::store::talk::rooms::{RoomHead, RoomMember};

/// 1,024 members are gone through at a time, so that others have a turn at the state.
const MEMBERS_A_TURN: usize = 1_024;

/// 1,024 open rooms likewise.
const ROOMS_A_TURN: usize = 1_024;
/// 10,000 open rooms are looked at for one page; the next page begins with those after them.
const MAX_LOOKED_AT: usize = 10_000;

/// A message of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMessage {
    /// Its id.
    pub id: MessageId,
    /// The room.
    pub room_id: RoomId,
    /// Its number in the room, from 1.
    pub number: u64,
    /// Who wrote it.
    pub sender_id: UserId,
    /// Byte for byte as sent.
    pub content: Arc<str>,
    /// When the server took it.
    pub created_at: Timestamp,
    /// The sender's own name for it, where one was given.
    pub client_id: Option<ClientId>,
    /// What it has beside its text.
    pub extras: Option<Box<Extras>>,
}

impl RoomMessage {
    /// Returns about how many bytes a row of it takes as JSON.
    pub fn row_bytes(&self) -> usize {
        row_bytes(&self.content) + self.extras.as_ref().map_or(0, |extras| extras.bytes())
    }
}

/// A room, and how it stands with one of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MyRoom {
    /// The room.
    pub room: Arc<Room>,
    /// What the member may do.
    pub role: Role,
    /// When they joined.
    pub joined_at: Timestamp,
    /// The entry by which they did.
    pub since: EntryId,
    /// How many messages they have not read.
    pub unread_count: u64,
    /// How many of these mention them.
    pub mention_count: u64,
    /// The message at their position.
    pub read_up_to: Option<MessageId>,
    /// Of what the room notifies them.
    pub notify: Notify,
    /// Until when it is silent.
    pub muted_until: Option<Timestamp>,
    /// The newest message that they may read, or might if it were not erased.
    pub newest: Option<MessageId>,
}

/// A page of rooms to join, which may have fewer than were asked for although there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRooms {
    /// By their ids, ascending.
    pub rows: Vec<Arc<Room>>,
    /// The number after which there may be more.
    pub next_after: Option<u64>,
    /// How many were gone through for it.
    pub looked_at: usize,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Who.
    pub user: Arc<User>,
    /// What they may do.
    pub role: Role,
    /// When they joined.
    pub joined_at: Timestamp,
    /// The message at their position.
    pub read_up_to: Option<MessageId>,
}

/// The messages of a room, as one of its members reads them.
pub(super) struct RoomMessages {
    room: RoomId,
    reader: UserId,
    chain: Chain,
    /// The numbers of those that are gone.
    erased: NumberSet,
    floor: Option<MessageId>,
}

impl Messages for RoomMessages {
    type Row = RoomMessage;

    fn last(&self) -> Option<MessageId> {
        self.chain.last()
    }

    fn length(&self) -> u64 {
        self.chain.length()
    }

    fn newest_through(&self, number: u64) -> u64 {
        let mut there = self.erased.unmarked_before(number);
        there.next().unwrap_or(0)
    }

    fn number_after(&self, number: u64, count: u64) -> u64 {
        let count = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut there = self.erased.unmarked_after(number, self.length());
        there.nth(count).unwrap_or(self.length())
    }

    fn floor(&self) -> Option<MessageId> {
        self.floor
    }

    fn row(
        &self,
        log: &SnapshotLog<'_>,
        id: MessageId,
    ) -> Result<RowBefore<RoomMessage>, ReadError> {
        let (mut row, number, previous) = log.read_message(id, |record| {
            let row = room_message(self.room, id, record);
            (row, record.links.number, record.links.previous)
        })?;
        if let Some(row) = &mut row {
            log.note_own(id, self.reader, row.extras.as_deref_mut())?;
            let shows = |message| Some(message) > self.floor;
            quote(log, row.extras.as_deref_mut(), None, shows)?;
        }
        let previous = present::older(log, self, number, previous)?;
        Ok((row, previous))
    }

    fn bytes(row: &RoomMessage) -> usize {
        row.row_bytes()
    }
}

/// Returns the newest message of a room that is there and that its member may read.
pub(super) fn newest_of(
    log: &SnapshotLog<'_>,
    messages: &RoomMessages,
) -> Result<Option<RoomMessage>, ReadError> {
    let beyond = messages.length() + 1;
    let mut next = present::older(log, messages, beyond, messages.last())?;
    while let Some(id) = next.filter(|id| Some(*id) > messages.floor) {
        let (row, previous) = messages.row(log, id)?;
        if row.is_some() {
            return Ok(row);
        }
        // It was erased since the room was looked at.
        next = previous;
    }
    Ok(None)
}

/// Returns the message that a record is; `None` where it is something else.
fn room_message(room: RoomId, id: MessageId, record: &Record<&str>) -> Option<RoomMessage> {
    let (
        Act::Sent {
            content,
            client_id,
            extras,
        },
        Author::Account(sender_id),
    ) = (&record.act, record.author)
    else {
        return None;
    };
    Some(RoomMessage {
        id,
        room_id: room,
        number: record.links.number,
        sender_id,
        content: (*content).into(),
        created_at: record.at,
        client_id: client_id.as_ref().map(ClientId::to_shared),
        extras: extras.as_ref().map(|extras| Box::new(extras.to_shared())),
    })
}

/// Returns the entry from which on a member may read, as the greatest id that they may not.
fn floor(head: &RoomHead, member: &RoomMember) -> Option<MessageId> {
    match head.room.history {
        RoomHistory::All => None,
        RoomHistory::Joined => Some(member.since.into()),
    }
}

fn my_room(head: &RoomHead, member: &RoomMember) -> MyRoom {
    let floor = floor(head, member);
    MyRoom {
        room: head.described(),
        role: member.role,
        joined_at: member.joined_at,
        since: member.since,
        unread_count: head.unread(member),
        mention_count: head.mentions(member),
        read_up_to: member.read_up_to,
        notify: member.settings.notify_in(head.members),
        muted_until: member.settings.muted_until,
        newest: head.newest().filter(|newest| Some(*newest) > floor),
    }
}

fn membership(
    state: &State,
    user: UserId,
    room: RoomId,
) -> Result<(&RoomHead, &RoomMember), ReadError> {
    let both = state.rooms.head(room).zip(state.rooms.member(room, user));
    let both = both.filter(|(head, _)| !head.is_gone());
    Ok(both.ok_or(RoomRefusal::NoSuchRoom)?)
}

impl Snapshot<'_> {
    /// Returns a room as one of its members sees it.
    pub fn my_room(&self, user: UserId, room: RoomId) -> Result<MyRoom, ReadError> {
        let state = self.state();
        let (head, member) = membership(&state, user, room)?;
        Ok(my_room(head, member))
    }

    /// Returns a room that a person is in, or may join.
    pub fn room(&self, user: UserId, room: RoomId) -> Result<Arc<Room>, ReadError> {
        let state = self.state();
        let head = state.rooms.head(room).ok_or(RoomRefusal::NoSuchRoom)?;
        let is_open = head.room.kind == RoomKind::Open && head.room.archived_at.is_none();
        match is_open || membership(&state, user, room).is_ok() {
            true => Ok(head.described()),
            false => Err(RoomRefusal::NoSuchRoom.into()),
        }
    }

    /// Returns a person's rooms whose id is greater than this number, ascending; those that are
    /// archived, or those that are not.
    pub fn my_rooms(
        &self,
        user: UserId,
        archived: bool,
        after: u64,
        limit: usize,
    ) -> Result<Page<MyRoom>, ReadError> {
        let state = self.state();
        let rooms = state.rooms.person(user);
        let rooms = rooms.map_or(&[][..], |person| &person.rooms);
        let rooms = rooms.iter().filter(|room| room.get() > after);
        let rows = rooms.filter_map(|room| {
            let (head, member) = membership(&state, user, *room).ok()?;
            let is_wanted = head.room.archived_at.is_some() == archived;
            is_wanted.then(|| my_room(head, member))
        });
        Ok(page_of(rows, limit))
    }

    /// Returns the open rooms whose name contains a text, by their ids, which are greater than this
    /// number; those that the person is in are left out.
    pub fn open_rooms(&self, user: UserId, query: &str, after: u64, limit: usize) -> OpenRooms {
        let wanted = query.to_lowercase();
        let wanted = memchr::memmem::Finder::new(&wanted);
        let (mut rows, mut next, mut looked_at) = (Vec::new(), after, 0);
        loop {
            let state = self.state();
            let mut seen = 0;
            for (room, name) in state.rooms.open_after(next).take(ROOMS_A_TURN) {
                let is_found = wanted.find(name.as_bytes()).is_some()
                    && state.rooms.member(room, user).is_none();
                if looked_at == MAX_LOOKED_AT || is_found && rows.len() == limit {
                    let next_after = Some(next);
                    return OpenRooms {
                        rows,
                        next_after,
                        looked_at,
                    };
                }
                let head = state.rooms.head(room).filter(|_| is_found);
                rows.extend(head.map(RoomHead::described));
                (seen, looked_at, next) = (seen + 1, looked_at + 1, room.get());
            }
            if seen < ROOMS_A_TURN {
                let next_after = None;
                return OpenRooms {
                    rows,
                    next_after,
                    looked_at,
                };
            }
        }
    }

    /// Returns all rooms whose id is greater than this number, for who operates the server; none
    /// that was erased.
    pub fn all_rooms(&self, after: u64, limit: usize) -> Page<Arc<Room>> {
        let state = self.state();
        let heads = state.rooms.heads_after(after);
        let there = heads.filter(|head| !head.is_gone());
        page_of(there.map(RoomHead::described), limit)
    }

    /// Returns the members of a room whose id is greater than this number and whose name contains a
    /// text, ascending by id, and how many were gone through for them.
    pub fn room_members(
        &self,
        user: UserId,
        room: RoomId,
        query: &str,
        after: u64,
        limit: usize,
    ) -> Result<(Page<MemberRow>, usize), ReadError> {
        membership(&self.state(), user, room)?;
        Ok(self.members_of(room, query, after, limit))
    }

    /// Returns those of any room, for who operates the server.
    pub fn members_of(
        &self,
        room: RoomId,
        query: &str,
        after: u64,
        limit: usize,
    ) -> (Page<MemberRow>, usize) {
        let wanted = Username::key_of(query);
        let (mut rows, mut next, mut looked_at) = (Vec::new(), after, 0);
        let has_more = loop {
            let state = self.state();
            let mut seen = 0;
            let mut members = state.rooms.members_after(room, next).take(MEMBERS_A_TURN);
            let is_full = members.any(|(id, member)| {
                (seen, next) = (seen + 1, id.get());
                let user = state.people.directory.get(id);
                let user = user.filter(|user| user.is_found_by(&wanted));
                let Some(user) = user else { return false };
                if rows.len() == limit {
                    return true;
                }
                rows.push(MemberRow {
                    user: Arc::clone(user),
                    role: member.role,
                    joined_at: member.joined_at,
                    read_up_to: member.read_up_to,
                });
                false
            });
            looked_at += seen;
            if is_full || seen < MEMBERS_A_TURN {
                break is_full;
            }
        };
        (Page { rows, has_more }, looked_at)
    }

    /// Returns a page of a room's messages, ascending by id.
    pub fn room_history(
        &self,
        user: UserId,
        room: RoomId,
        query: HistoryQuery,
    ) -> Result<HistoryPage<RoomMessage>, ReadError> {
        let messages = self.messages(user, room)?;
        let log = &self.log();
        match query.after {
            None => end_of(log, &messages, query.before, query.limit),
            Some(after) => after_one(log, &messages, after, query.before, query.limit),
        }
    }

    /// Returns the messages of a room around a place.
    pub fn room_history_around(
        &self,
        user: UserId,
        room: RoomId,
        message: MessageId,
        limit: usize,
    ) -> Result<HistoryPage<RoomMessage>, ReadError> {
        around(&self.log(), &self.messages(user, room)?, message, limit)
    }

    /// Returns the greatest message of a room that one of its members may not read, if there is
    /// one; `None` where the person is no member.
    pub(super) fn floor_in(&self, user: UserId, room: RoomId) -> Option<Option<MessageId>> {
        let state = self.state();
        let known = membership(&state, user, room);
        known.ok().map(|(head, member)| floor(head, member))
    }

    pub(super) fn messages(&self, user: UserId, room: RoomId) -> Result<RoomMessages, ReadError> {
        let state = self.state();
        let (head, member) = membership(&state, user, room)?;
        Ok(RoomMessages {
            room,
            reader: user,
            chain: head.state.chain.clone(),
            erased: head.state.erased.clone(),
            floor: floor(head, member),
        })
    }

    /// Returns one message of a room that this person may read.
    pub fn room_message(&self, user: UserId, id: MessageId) -> Result<RoomMessage, ReadError> {
        let (mut message, floor) = self.readable_in_room(user, id)?;
        let log = self.log();
        let mut extras = message.extras.as_deref_mut();
        log.note_own(id, user, extras.as_deref_mut())?;
        quote(&log, extras, None, |message| Some(message) > floor)?;
        Ok(message)
    }

    /// The same without what is looked up for its reader, which asks the disk where somebody has
    /// reacted to it; and the greatest message of its room that they may not read.
    pub fn readable_in_room(
        &self,
        user: UserId,
        id: MessageId,
    ) -> Result<(RoomMessage, Option<MessageId>), ReadError> {
        if id.get() > self.state().last_entry {
            return Err(TalkRefusal::NoSuchMessage.into());
        }
        let found = self.log().read(id.into(), |record| match record.stream {
            Stream::Room(room) => room_message(room, id, &record),
            Stream::Pair(_) | Stream::Own(_) => None,
        })?;
        let message = found.ok_or(TalkRefusal::NoSuchMessage)?;
        let floor = self.floor_in(user, message.room_id);
        let floor = floor.filter(|floor| Some(id) > *floor);
        let floor = floor.ok_or(TalkRefusal::NoSuchMessage)?;
        Ok((message, floor))
    }

    /// Returns how a chat makes itself heard to one of its members, and how many these are.
    pub fn settings(&self, user: UserId, chat: ChatId) -> Result<(ChatSettings, u64), ReadError> {
        let state = self.state();
        match chat {
            ChatId::Person(peer) => Ok((state.rooms.settings(user, peer), 2)),
            ChatId::Room(room) => {
                let (head, member) = membership(&state, user, room)?;
                Ok((member.settings, head.members))
            }
        }
    }
}

/// Returns the first of these, and whether there are more.
fn page_of<T>(rows: impl Iterator<Item = T>, limit: usize) -> Page<T> {
    let mut rows: Vec<T> = rows.take(limit.saturating_add(1)).collect();
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Page { rows, has_more }
}
