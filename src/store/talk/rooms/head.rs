//! A room without its members: all that a message to it needs. A transaction that changes it works
//! on a copy, so it is small however many members there are.

use std::sync::Arc;

use super::member::RoomMember;
use crate::model::{EntryId, MessageId, Room, RoomId, Stream, Timestamp};
use crate::store::log::chain::Chain;
use crate::store::log::record::{Author, Links, Record};
use crate::store::sealed::{Rest, put};
use crate::store::talk::numbers::NumberSet;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomHead {
    /// Its description. The number of members in it says nothing.
    pub(crate) room: Arc<Room>,
    /// The entry by which it was made.
    pub(crate) since: EntryId,
    /// The newest entry that changed its description.
    pub(crate) described: EntryId,
    /// How many members it has.
    pub(crate) members: u64,
    /// How many of them are owners.
    pub(crate) owners: u64,
    /// What follows from its messages.
    pub(crate) state: RoomState,
}

/// What follows from the entries of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RoomState {
    /// Its messages.
    pub(crate) chain: Chain,
    /// Its newest entry of any kind.
    pub(crate) last_entry: Option<EntryId>,
    /// The numbers of messages whose content is gone.
    pub(crate) erased: NumberSet,
    /// The numbers of messages that mention all members.
    pub(crate) all_at: NumberSet,
}

impl RoomHead {
    /// Returns a room in which nothing has happened but this.
    pub(crate) fn new(since: EntryId, room: Arc<Room>) -> Self {
        Self {
            room,
            since,
            described: since,
            members: 0,
            owners: 0,
            state: RoomState::default(),
        }
    }

    /// Which room it is.
    pub(crate) fn id(&self) -> RoomId {
        self.room.id
    }

    /// Returns its description, with the number of its members.
    pub(crate) fn described(&self) -> Arc<Room> {
        Arc::new(Room {
            member_count: self.members,
            ..Room::clone(&self.room)
        })
    }

    /// Returns how many messages it has.
    pub(crate) fn count(&self) -> u64 {
        self.state.chain.length()
    }

    /// Returns the newest message.
    pub(crate) fn newest(&self) -> Option<MessageId> {
        self.state.chain.last()
    }

    /// Returns how many messages a member has not read.
    pub(crate) fn unread(&self, member: &RoomMember) -> u64 {
        let read = member.read.count() + self.state.erased.count_outside(&member.read);
        self.count().saturating_sub(read)
    }

    /// Returns how many of those mention the member.
    pub(crate) fn mentions(&self, member: &RoomMember) -> u64 {
        member.mentions.len() as u64 + self.state.all_at.count_outside(&member.read)
    }

    /// Returns the record of an act in this room.
    pub(crate) fn record<T>(
        &self,
        author: Author,
        at: Timestamp,
        act: crate::model::Act<T>,
    ) -> Record<T> {
        let links = match act {
            crate::model::Act::Sent { .. } => self.state.chain.next(),
            _ => Links::default(),
        };
        Record {
            stream: Stream::Room(self.id()),
            author,
            at,
            previous: self.state.last_entry,
            rank: 0,
            links,
            act,
        }
    }
}

impl RoomState {
    /// Appends its form in a row.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.last_entry.map_or(0, EntryId::get));
        self.chain.encode(out);
        self.erased.encode(out);
        self.all_at.encode(out);
    }

    /// Reads it back.
    pub(crate) fn decode(rest: &mut Rest<'_>) -> Option<Self> {
        let last_entry = match rest.take()? {
            0 => None,
            number => Some(EntryId::new(number).ok()?),
        };
        Some(Self {
            last_entry,
            chain: Chain::decode(rest)?,
            erased: NumberSet::decode(rest)?,
            all_at: NumberSet::decode(rest)?,
        })
    }
}
