//! What a transaction changes of rooms: copies of what it touches, one by one, never of all the
//! members of a room.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::head::RoomHead;
use super::member::{Person, RoomMember};
use crate::model::{Act, ChatId, ChatSettings, EntryId, MembershipChange, RoomId, Stream, UserId};
use crate::store::log::record::Record;

/// A row beside the log that is to be written with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RoomRow {
    /// The description of a room.
    Room(RoomId),
    /// A membership.
    Member(RoomId, UserId),
    /// How a chat of two makes itself heard to the first of them.
    Settings(UserId, UserId),
}

/// What a transaction changes.
#[derive(Debug, Default)]
pub(crate) struct RoomChanges {
    pub(crate) heads: FxHashMap<RoomId, RoomHead>,
    /// `None` for one who is a member no more.
    pub(crate) members: FxHashMap<(RoomId, UserId), Option<RoomMember>>,
    pub(crate) people: FxHashMap<UserId, Person>,
    pub(crate) own: FxHashMap<UserId, EntryId>,
    pub(crate) settings: FxHashMap<(UserId, UserId), ChatSettings>,
    /// Whether the first has blocked the second.
    pub(crate) blocks: FxHashMap<(UserId, UserId), bool>,
    /// The rows that it writes beside the log.
    pub(crate) rows: BTreeSet<RoomRow>,
    /// The greatest id of a room that it makes; 0 for none.
    pub(crate) greatest: u64,
}

impl RoomChanges {
    /// Notes the rows that an entry changes.
    pub(crate) fn note_rows<T>(&mut self, record: &Record<T>) {
        match &record.act {
            Act::RoomChanged { room, .. } => {
                self.rows.insert(RoomRow::Room(room.id));
                self.greatest = self.greatest.max(room.id.get());
            }
            Act::MemberChanged(change) => {
                self.rows.insert(RoomRow::Member(change.room, change.user));
                if change.change != MembershipChange::Role {
                    // A stay that is kept no longer leaves the row of another room.
                    let rows = self.people.get(&change.user).and_then(Person::forgotten);
                    let rows = rows.map(|room| RoomRow::Member(room, change.user));
                    self.rows.extend(rows);
                }
            }
            Act::Settings { chat, .. } => {
                if let Stream::Own(user) = record.stream {
                    self.rows.insert(match chat {
                        ChatId::Person(peer) => RoomRow::Settings(user, *peer),
                        ChatId::Room(room) => RoomRow::Member(*room, user),
                    });
                }
            }
            _ => {}
        }
    }

    /// Returns the keys of the rows of what is derived that it changes.
    pub(crate) fn derived(&self) -> impl Iterator<Item = (u64, u64)> {
        let rooms = self.heads.keys().map(|room| (room.get(), 0));
        let members = self.members.keys();
        let members = members.map(|(room, user)| (room.get(), user.get()));
        let own = self.own.keys().map(|user| (0, user.get()));
        rooms.chain(members).chain(own)
    }
}
