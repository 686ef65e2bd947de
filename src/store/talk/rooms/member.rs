//! A member of a room, and what is known of a person with all their rooms.

use crate::model::{ChatSettings, EntryId, MessageId, Role, RoomId, Timestamp};
use crate::store::sealed::{Rest, put};
use crate::store::talk::numbers::NumberSet;

/// 64 stays that ended are kept of a person: those who leave more rooms within the time in which
/// one can catch up read their chats afresh.
pub(crate) const MAX_STAYS: usize = 64;

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomMember {
    /// What they may do.
    pub(crate) role: Role,
    /// The entry by which they joined.
    pub(crate) since: EntryId,
    /// When that was.
    pub(crate) joined_at: Timestamp,
    /// How the room makes itself heard to them.
    pub(crate) settings: ChatSettings,
    /// The numbers of the messages that they have read: up to their position, and their own.
    pub(crate) read: NumberSet,
    /// The message at their position.
    pub(crate) read_up_to: Option<MessageId>,
    /// The numbers of the unread messages that mention them by name.
    pub(crate) mentions: NumberSet,
}

impl RoomMember {
    /// Returns one who joins a room that has so many messages: they have read them all.
    pub(crate) fn new(
        role: Role,
        since: EntryId,
        joined_at: Timestamp,
        (number, newest): (u64, Option<MessageId>),
    ) -> Self {
        let mut read = NumberSet::default();
        read.mark_through(number);
        Self {
            role,
            since,
            joined_at,
            settings: ChatSettings::default(),
            read,
            read_up_to: newest,
            mentions: NumberSet::default(),
        }
    }

    /// Moves their position to a message of this number, unless it is there or beyond.
    pub(crate) fn read_through(&mut self, number: u64, message: MessageId) {
        self.read.mark_through(number);
        self.read_up_to = self.read_up_to.max(Some(message));
        self.mentions.unmark_through(number);
    }

    /// Notes a message that mentions them.
    pub(crate) fn mention(&mut self, number: u64) {
        if !self.read.contains(number) {
            self.mentions.mark(number);
        }
    }

    /// Appends what follows from the log as a row has it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.since.get());
        put(out, self.read_up_to.map_or(0, MessageId::get));
        self.read.encode(out);
        self.mentions.encode_list(out);
    }

    /// Takes over what such a row says, where it is of the same membership. `None` for a row that
    /// cannot be read.
    pub(crate) fn take(&mut self, rest: &mut Rest<'_>) -> Option<()> {
        let since = rest.take()?;
        let read_up_to = match rest.take()? {
            0 => None,
            number => Some(MessageId::new(number).ok()?),
        };
        let read = NumberSet::decode(rest)?;
        let mentions = NumberSet::decode_list(rest)?;
        if since == self.since.get() {
            (self.read_up_to, self.read, self.mentions) = (read_up_to, read, mentions);
        }
        Some(())
    }
}

/// A time that a person was in a room: from one entry to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay {
    /// The room.
    pub(crate) room: RoomId,
    /// The entry by which they joined.
    pub(crate) since: EntryId,
    /// The entry by which they left, or were removed.
    pub(crate) until: EntryId,
}

/// In which rooms a person is, and was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// Those that they are in, ascending.
    pub(crate) rooms: Vec<RoomId>,
    /// The newest times that have ended, the oldest first.
    pub(crate) stays: Vec<Stay>,
    /// The room of the time that was given up last for a newer one.
    forgotten: Option<RoomId>,
}

impl Person {
    /// Returns whether they are in a room with another.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let mut rest = other.rooms.iter().peekable();
        self.rooms.iter().any(|room| {
            while rest.next_if(|other| *other < room).is_some() {}
            rest.peek() == Some(&room)
        })
    }

    /// Notes that they are in a room.
    pub(crate) fn enter(&mut self, room: RoomId) {
        if let Err(place) = self.rooms.binary_search(&room) {
            self.rooms.insert(place, room);
        }
    }

    /// Notes that they are in it no more.
    pub(crate) fn leave(&mut self, stay: Stay) {
        if let Ok(place) = self.rooms.binary_search(&stay.room) {
            self.rooms.remove(place);
        }
        self.note(stay);
    }

    /// Notes a time that has ended.
    pub(crate) fn note(&mut self, stay: Stay) {
        if self.stays.contains(&stay) {
            return;
        }
        let place = self.stays.partition_point(|known| known.until < stay.until);
        self.stays.insert(place, stay);
        if self.stays.len() > MAX_STAYS {
            self.forgotten = Some(self.stays.remove(0).room);
        }
    }

    /// Returns whether all times that have ended are known: none of them was given up for a newer
    /// one.
    pub(crate) fn knows_all_stays(&self) -> bool {
        self.stays.len() < MAX_STAYS
    }

    /// Returns whether those are known that ended with this entry or after it.
    pub(crate) fn knows_stays_from(&self, entry: u64) -> bool {
        let oldest = self.stays.first();
        self.knows_all_stays() || oldest.is_some_and(|oldest| oldest.until.get() < entry)
    }

    /// Returns the room of the time that was given up last for a newer one.
    pub(crate) fn forgotten(&self) -> Option<RoomId> {
        self.forgotten
    }

    /// Returns the times in a room that have ended.
    pub(crate) fn stays_in(&self, room: RoomId) -> impl Iterator<Item = Stay> {
        let stays = self.stays.iter().copied();
        stays.filter(move |stay| stay.room == room)
    }
}
