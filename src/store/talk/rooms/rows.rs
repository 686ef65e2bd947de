//! The rows of rooms beside the log: JSON, so that keys can be added.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::all::Rooms;
use super::applying::RoomTable;
use super::changes::RoomRow;
use super::head::RoomHead;
use super::member::{Person, RoomMember, Stay};
use crate::model::{ChatSettings, EntryId, Notify, Role, RoomId, Timestamp, UserId};
use crate::store::changes::{Changing, Followed};
use crate::store::error::StoreError;
use crate::store::log::room_record::RoomRecord;
use crate::store::sealed::{seal, seal_under, unseal, unseal_under};
use crate::store::tables::{RELATIONS, ROOM_MEMBERS, ROOMS};

/// A membership, and those of the same person in the same room that ended before.
#[derive(Serialize, Deserialize)]
struct MemberRecord {
    /// Absent where there is none at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<EntryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joined_at_ms: Option<u64>,
    #[serde(flatten)]
    settings: SettingsRecord,
    /// From which entry to which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<(EntryId, EntryId)>,
}

#[derive(Default, Serialize, Deserialize)]
struct SettingsRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notify: Option<Notify>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    muted_until_ms: Option<u64>,
    /// Of a chat of two: the first has blocked the second.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    blocked: bool,
}

impl From<ChatSettings> for SettingsRecord {
    fn from(settings: ChatSettings) -> Self {
        Self {
            notify: settings.notify,
            muted_until_ms: settings.muted_until.map(Timestamp::as_ms),
            blocked: false,
        }
    }
}

impl From<SettingsRecord> for ChatSettings {
    fn from(record: SettingsRecord) -> Self {
        Self {
            notify: record.notify,
            muted_until: record.muted_until_ms.map(Timestamp::from_ms),
        }
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record of texts and numbers is valid JSON")
}

/// The value of a room's row.
fn encode_room(head: &RoomHead) -> Vec<u8> {
    let mut record = RoomRecord::of(&head.room);
    record.entries = Some((head.since, head.described));
    seal(head.id().get(), &json(&record))
}

/// The value of a membership's row; `None` where there is nothing to say.
fn encode_member(
    (room, user): (RoomId, UserId),
    member: Option<&RoomMember>,
    person: Option<&Person>,
) -> Option<Vec<u8>> {
    let stays = person.into_iter().flat_map(|person| person.stays_in(room));
    let earlier: Vec<_> = stays.map(|stay| (stay.since, stay.until)).collect();
    if member.is_none() && earlier.is_empty() {
        return None;
    }
    let record = MemberRecord {
        role: member.map(|member| member.role),
        since: member.map(|member| member.since),
        joined_at_ms: member.map(|member| member.joined_at.as_ms()),
        settings: member.map_or_else(SettingsRecord::default, |member| member.settings.into()),
        earlier,
    };
    Some(seal_under(&[room.get(), user.get()], &json(&record)))
}

/// What rows are made of.
pub(crate) trait RowSource {
    /// A room as it is to be.
    fn head(&self, room: RoomId) -> Option<&RoomHead>;
    /// A member as they are to be.
    fn member(&self, room: RoomId, user: UserId) -> Option<&RoomMember>;
    /// A person's rooms as they are to be.
    fn person(&self, user: UserId) -> Option<&Person>;
    /// The settings of a chat of two as they are to be.
    fn settings(&self, user: UserId, peer: UserId) -> ChatSettings;
    /// Whether a person is to have blocked another.
    fn blocks(&self, user: UserId, peer: UserId) -> bool;
}

impl RowSource for Rooms {
    fn head(&self, room: RoomId) -> Option<&RoomHead> {
        Rooms::head(self, room)
    }

    fn member(&self, room: RoomId, user: UserId) -> Option<&RoomMember> {
        Rooms::member(self, room, user)
    }

    fn person(&self, user: UserId) -> Option<&Person> {
        Rooms::person(self, user)
    }

    fn settings(&self, user: UserId, peer: UserId) -> ChatSettings {
        Rooms::settings(self, user, peer)
    }

    fn blocks(&self, user: UserId, peer: UserId) -> bool {
        Rooms::blocks(self, user, peer)
    }
}

/// Writes rows, and notes that they changed, after which the log ends with the entry `after`.
pub(crate) fn write<'a>(
    txn: &WriteTransaction,
    rows: impl Iterator<Item = &'a RoomRow>,
    source: &impl RowSource,
    after: u64,
) -> Result<(), StoreError> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut changing = Changing::begin(txn, after)?;
    let (mut rooms, mut members) = (txn.open_table(ROOMS)?, txn.open_table(ROOM_MEMBERS)?);
    let mut relations = txn.open_table(RELATIONS)?;
    for row in rows {
        match *row {
            RoomRow::Room(room) => {
                if let Some(head) = source.head(room) {
                    rooms.insert(room.get(), &encode_room(head)[..])?;
                }
                changing.note(Followed::Rooms, room.get())?;
            }
            RoomRow::Member(room, user) => {
                let (member, person) = (source.member(room, user), source.person(user));
                let key = (room.get(), user.get());
                match encode_member((room, user), member, person) {
                    Some(value) => drop(members.insert(key, &value[..])?),
                    None => drop(members.remove(key)?),
                }
                changing.note_of_two(Followed::RoomMembers, key)?;
            }
            RoomRow::Settings(user, peer) => {
                let key = (user.get(), peer.get());
                let settings = source.settings(user, peer);
                let value = json(&SettingsRecord {
                    blocked: source.blocks(user, peer),
                    ..settings.into()
                });
                relations.insert(key, &seal_under(&[key.0, key.1], &value)[..])?;
                changing.note_of_two(Followed::Relations, key)?;
            }
        }
    }
    Ok(())
}

/// Reads all rows of rooms, members and settings.
pub(crate) fn read(txn: &ReadTransaction) -> Result<Rooms, StoreError> {
    let mut all = Rooms::default();
    for row in txn.open_table(ROOMS)?.iter()? {
        let (key, value) = row?;
        all.put_head(decode_room(key.value(), value.value())?);
    }
    for row in txn.open_table(ROOM_MEMBERS)?.iter()? {
        let (key, value) = row?;
        take_member(&mut all, key.value(), value.value()).ok_or(StoreError::Damaged {
            table: "room_members",
            key: key.value().0,
        })?;
    }
    for row in txn.open_table(RELATIONS)?.iter()? {
        let (key, value) = row?;
        let key = key.value();
        let decode = || {
            let body = unseal_under(&[key.0, key.1], value.value())?;
            let record: SettingsRecord = serde_json::from_slice(body).ok()?;
            let (user, peer) = (UserId::new(key.0).ok()?, UserId::new(key.1).ok()?);
            Some((user, peer, record.blocked, record.into()))
        };
        let (user, peer, blocked, settings) = decode().ok_or(StoreError::Damaged {
            table: "relations",
            key: key.0,
        })?;
        all.set_settings(user, peer, settings);
        all.set_block(user, peer, blocked);
    }
    Ok(all)
}

/// Reads a room's row.
pub(crate) fn decode_room(key: u64, sealed: &[u8]) -> Result<RoomHead, StoreError> {
    let body = unseal("rooms", key, sealed)?;
    let decode = || {
        let record: RoomRecord = serde_json::from_slice(body).ok()?;
        let (since, described) = record.entries?;
        let room = record.into_room(RoomId::new(key).ok()?, 0);
        Some(RoomHead {
            described,
            ..RoomHead::new(since, Arc::new(room))
        })
    };
    decode().ok_or(StoreError::Damaged {
        table: "rooms",
        key,
    })
}

/// Takes in a membership's row.
pub(crate) fn take_member(all: &mut Rooms, key: (u64, u64), sealed: &[u8]) -> Option<()> {
    let body = unseal_under(&[key.0, key.1], sealed)?;
    let record: MemberRecord = serde_json::from_slice(body).ok()?;
    let (room, user) = (RoomId::new(key.0).ok()?, UserId::new(key.1).ok()?);
    for (since, until) in record.earlier {
        all.person_mut(user).note(Stay { room, since, until });
    }
    if let Some(role) = record.role {
        let joined_at = Timestamp::from_ms(record.joined_at_ms?);
        let member = RoomMember {
            settings: record.settings.into(),
            ..RoomMember::new(role, record.since?, joined_at, (0, None))
        };
        let head = all.head_mut(room)?;
        head.members += 1;
        head.owners += u64::from(role == Role::Owner);
        all.person_mut(user).enter(room);
        all.set_member(room, user, Some(member));
    }
    Some(())
}
