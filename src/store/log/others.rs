//! The kinds of entries that have a number of their own behind the head: those of rooms, and of a
//! person's own.

use std::sync::Arc;

use super::record::{Record, put_back};
use super::room_record::RoomRecord;
use crate::model::{
    Act, ChatId, ChatSettings, EntryId, Membership, MembershipChange, MessageId, Notify, Role,
    RoomChange, RoomId, RoomRead, Stream, Timestamp, UserId,
};
use crate::store::sealed::{Rest, put};

/// Of a person's own: a further number says what.
const OWN: u64 = 4;
const OWN_ROOM_READ: u64 = 1;
const OWN_SETTINGS: u64 = 2;
/// Of a room: a further number says what.
const ROOM: u64 = 5;
/// What is said of the room itself; behind these the changes of memberships.
const ROOM_CHANGES: [RoomChange; 3] = [
    RoomChange::Created,
    RoomChange::Updated,
    RoomChange::Archived,
];
const MEMBERSHIP_CHANGES: [MembershipChange; 4] = [
    MembershipChange::Joined,
    MembershipChange::Left,
    MembershipChange::Removed,
    MembershipChange::Role,
];
const ROLES: [Role; 3] = [Role::Member, Role::Admin, Role::Owner];
const NOTIFIES: [Notify; 3] = [Notify::All, Notify::Mentions, Notify::None];

/// Returns the place of one of these, counted from 1.
fn number_of<T: PartialEq>(all: &[T], one: &T) -> u64 {
    let place = all.iter().position(|known| known == one);
    place.map_or(0, |place| place as u64 + 1)
}

/// Returns the one at such a place.
fn numbered<T: Copy>(all: &[T], number: u64) -> Option<T> {
    let place = usize::try_from(number.checked_sub(1)?).ok()?;
    all.get(place).copied()
}

/// Appends what an entry of these kinds has behind what all entries have.
pub(super) fn encode<T>(id: EntryId, record: &Record<T>, out: &mut Vec<u8>) {
    match &record.act {
        Act::RoomChanged { change, room } => {
            put(out, ROOM);
            put(out, number_of(&ROOM_CHANGES, change));
            put(out, room.member_count);
            let json = serde_json::to_vec(&RoomRecord::of(room));
            out.extend(json.expect("a record of texts and numbers is valid JSON"));
        }
        Act::MemberChanged(membership) => {
            put(out, ROOM);
            let change = number_of(&MEMBERSHIP_CHANGES, &membership.change);
            put(out, ROOM_CHANGES.len() as u64 + change);
            encode_membership(id, record.stream, membership, out);
        }
        Act::RoomRead(read) => {
            put(out, OWN);
            put(out, OWN_ROOM_READ);
            put(out, read.room.get());
            put_back(out, id, Some(read.message.into()));
            for number in [read.number, read.unread_count, read.mention_count] {
                put(out, number);
            }
        }
        Act::Settings { chat, settings, .. } => {
            put(out, OWN);
            put(out, OWN_SETTINGS);
            let (kind, chat) = match chat {
                ChatId::Person(user) => (0, user.get()),
                ChatId::Room(room) => (1, room.get()),
            };
            let notify = settings.notify;
            put(out, kind);
            put(out, chat);
            put(out, notify.map_or(0, |one| number_of(&NOTIFIES, &one)));
            let until = settings.muted_until.map(Timestamp::as_ms);
            put(out, until.map_or(0, |until| until.saturating_add(1)));
        }
        _ => {}
    }
}

/// Passes over what stands before the description of a room, behind what all entries have. Returns
/// whether there is one.
pub(super) fn describes_room(rest: &mut Rest<'_>) -> Option<bool> {
    if rest.take()? != ROOM || numbered(&ROOM_CHANGES, rest.take()?).is_none() {
        return Some(false);
    }
    // How many members it had.
    rest.take()?;
    Some(true)
}

fn encode_membership(id: EntryId, stream: Stream, membership: &Membership, out: &mut Vec<u8>) {
    let Membership {
        room,
        user,
        change: _,
        role,
        member_count,
        number,
        newest,
        last,
        described,
    } = membership;
    if let Stream::Own(_) = stream {
        put(out, room.get());
        put_back(out, id, *last);
    } else {
        put(out, user.get());
    }
    put(out, number_of(&ROLES, role));
    put(out, *member_count);
    put(out, *number);
    put_back(out, id, newest.map(EntryId::from));
    put_back(out, id, Some(*described));
}

/// Reads an act of these kinds back, with what its optional fields say of a block.
pub(super) fn decode<T>(
    id: EntryId,
    stream: Stream,
    blocked: Option<bool>,
    rest: &mut Rest<'_>,
) -> Option<Act<T>> {
    match (rest.take()?, stream) {
        (ROOM, stream) => {
            let what = rest.take()?;
            match (numbered(&ROOM_CHANGES, what), stream) {
                (Some(change), Stream::Room(room)) => {
                    let member_count = rest.take()?;
                    let record: RoomRecord = serde_json::from_slice(rest.0).ok()?;
                    let room = Arc::new(record.into_room(room, member_count));
                    Some(Act::RoomChanged { change, room })
                }
                (Some(_), _) => None,
                (None, stream) => {
                    let change = what.checked_sub(ROOM_CHANGES.len() as u64)?;
                    let change = numbered(&MEMBERSHIP_CHANGES, change)?;
                    let membership = decode_membership(id, stream, change, rest)?;
                    ends(rest, Act::MemberChanged(Box::new(membership)))
                }
            }
        }
        (OWN, Stream::Own(_)) => match rest.take()? {
            OWN_ROOM_READ => {
                let read = RoomRead {
                    room: RoomId::new(rest.take()?).ok()?,
                    message: rest.take_back(id)??.into(),
                    number: rest.take()?,
                    unread_count: rest.take()?,
                    mention_count: rest.take()?,
                };
                ends(rest, Act::RoomRead(read))
            }
            OWN_SETTINGS => {
                let chat = match (rest.take()?, rest.take()?) {
                    (0, user) => ChatId::Person(UserId::new(user).ok()?),
                    (1, room) => ChatId::Room(RoomId::new(room).ok()?),
                    _ => return None,
                };
                let notify = match rest.take()? {
                    0 => None,
                    number => Some(numbered(&NOTIFIES, number)?),
                };
                let muted_until = rest.take()?.checked_sub(1).map(Timestamp::from_ms);
                let settings = ChatSettings {
                    notify,
                    muted_until,
                };
                let blocks = blocked.filter(|_| matches!(chat, ChatId::Person(_)));
                let act = Act::Settings {
                    chat,
                    settings,
                    blocks,
                };
                ends(rest, act)
            }
            _ => None,
        },
        _ => None,
    }
}

fn decode_membership(
    id: EntryId,
    stream: Stream,
    change: MembershipChange,
    rest: &mut Rest<'_>,
) -> Option<Membership> {
    let named = rest.take()?;
    let (room, user, last) = match stream {
        Stream::Room(room) => (room, UserId::new(named).ok()?, None),
        Stream::Own(user) => (RoomId::new(named).ok()?, user, rest.take_back(id)?),
        Stream::Pair(_) => return None,
    };
    Some(Membership {
        room,
        user,
        change,
        role: numbered(&ROLES, rest.take()?)?,
        member_count: rest.take()?,
        number: rest.take()?,
        newest: rest.take_back(id)?.map(MessageId::from),
        last,
        described: rest.take_back(id)??,
    })
}

/// Gives an act whose bytes have ended.
fn ends<T>(rest: &Rest<'_>, act: Act<T>) -> Option<Act<T>> {
    rest.0.is_empty().then_some(act)
}
