//! Rooms: each entry held against the room before it, and what a start would know against what the
//! log says.

use std::collections::BTreeSet;

use super::report::Report;
use crate::model::{
    Act, EntryId, Erasure, Membership, MembershipChange, MessagePart, ReplyTo, Room, RoomChange,
    RoomRead, Stream, UserId,
};
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::{Author, Links, Record};
use crate::store::state::State;
use crate::store::talk::rooms::{Person, RoomHead, RoomMember, Rooms};

/// Holds an entry of a room, or of a person's own, against the rooms before it. Returns what is
/// wrong with it.
pub(in crate::store::maintain) fn judge_room(
    rooms: &Rooms,
    record: &Record<&str>,
) -> Option<&'static str> {
    let head = match record.stream {
        Stream::Pair(_) => return None,
        Stream::Own(user) if rooms.own(user) != record.previous => {
            return Some("does not point back to the entry before it");
        }
        Stream::Own(_) => None,
        Stream::Room(room) => match (rooms.head(room), &record.act) {
            (None, Act::RoomChanged { change, room: made })
                if *change == RoomChange::Created && made.id == room =>
            {
                return None;
            }
            (None, _) => return Some("is of a room that was never made"),
            (Some(head), _) if head.state.last_entry != record.previous => {
                return Some("does not point back to the entry before it");
            }
            (head, _) => head,
        },
    };
    match (&record.act, head) {
        (Act::Sent { .. } | Act::Erased { .. }, Some(head)) => judge_message(rooms, head, record),
        // What they name is held against the log, see below.
        (Act::MessageChanged { change, .. }, Some(head)) => match change.part() {
            MessagePart::Whole => head
                .is_erased(record.links.number)
                .then_some("erases what was erased before"),
            MessagePart::Text | MessagePart::Beside => {
                (!is_member(rooms, head, record.author)).then_some("is of one who was no member")
            }
        },
        (Act::ErasedMany(erasure), Some(head)) => {
            let mut messages = erasure.messages.iter();
            messages
                .any(|message| head.is_erased(message.number))
                .then_some("erases what was erased before")
        }
        (Act::RoomChanged { change, .. }, Some(_)) if *change == RoomChange::Created => {
            Some("makes a room that there is")
        }
        (Act::RoomChanged { .. }, Some(_)) => None,
        (Act::MemberChanged(change), _) => judge_membership(rooms, change),
        (Act::RoomRead(read), None) => judge_mark(rooms, read, record.stream),
        (Act::Settings { .. }, None) => None,
        _ => Some("is of a stream that has no such entries"),
    }
}

/// Holds a change of a membership against the room before it.
fn judge_membership(rooms: &Rooms, change: &Membership) -> Option<&'static str> {
    let Some(head) = rooms.head(change.room) else {
        return Some("is of a room that was never made");
    };
    let known = rooms.member(change.room, change.user);
    let joins = change.change == MembershipChange::Joined;
    let members = match change.change {
        MembershipChange::Joined => head.members + 1,
        MembershipChange::Role => head.members,
        MembershipChange::Left | MembershipChange::Removed => head.members.saturating_sub(1),
    };
    let says = (change.number, change.newest, change.described);
    if known.is_some() == joins {
        Some("changes a membership that is not so")
    } else if change.member_count != members {
        Some("says another number of members than there are")
    } else if says != (head.count(), head.newest(), head.described) {
        Some("says another state of the room than it had")
    } else {
        None
    }
}

/// Holds a mark of a room against what its author had read.
fn judge_mark(rooms: &Rooms, read: &RoomRead, stream: Stream) -> Option<&'static str> {
    let Stream::Own(user) = stream else {
        return Some("is a mark of nobody");
    };
    let both = rooms.head(read.room).zip(rooms.member(read.room, user));
    let Some((head, member)) = both else {
        return Some("marks a room that its author is not in");
    };
    let mut after = member.clone();
    after.read_through(read.number, read.message);
    let counts = (head.unread(&after), head.mentions(&after));
    let says = (read.unread_count, read.mention_count);
    let is_there = read.number <= head.count() && Some(read.message) > member.read_up_to;
    (!is_there || counts != says).then_some("marks what was not so")
}

/// Holds an entry that changes a message of a room against that message. Returns what is wrong with
/// it.
pub(in crate::store::maintain) fn judge_change<L: ReadLog<Error = StoreError>>(
    log: &L,
    record: &Record<&str>,
) -> Result<Option<&'static str>, StoreError> {
    let (message, change) = match &record.act {
        Act::ErasedMany(erasure) => return judge_erasure(log, record.stream, erasure),
        Act::MessageChanged { message, change } => (*message, change),
        _ => return Ok(None),
    };
    let found = log.read(message.into(), |found| {
        let is_here = found.is_message() && found.stream == record.stream;
        is_here.then_some((found.author, found.links.number))
    });
    Ok(match found {
        Ok(None) => Some("changes what is no message of its room"),
        Ok(Some((author, number))) => match change.part() {
            MessagePart::Text => {
                (author != record.author).then_some("changes a message of another author")
            }
            MessagePart::Whole => {
                (number != record.links.number).then_some("erases a message of another number")
            }
            MessagePart::Beside => None,
        },
        // A link that leads nowhere is found where it stands.
        Err(StoreError::Damaged { .. }) => Some("names messages that are not found"),
        Err(error) => return Err(error),
    })
}

/// Holds an entry that erased many messages of a room against these, likewise.
fn judge_erasure<L: ReadLog<Error = StoreError>>(
    log: &L,
    stream: Stream,
    erasure: &Erasure,
) -> Result<Option<&'static str>, StoreError> {
    for message in &erasure.messages {
        let found = log.read(message.id.into(), |found| {
            let is_here = found.is_message() && found.stream == stream;
            let sender = erasure.sender.map(Author::Account);
            let is_theirs = sender.is_none_or(|sender| sender == found.author);
            is_here && is_theirs && found.links.number == message.number
        });
        match found {
            Ok(true) => {}
            Ok(false) | Err(StoreError::Damaged { .. }) => {
                return Ok(Some("erases messages that are none of those it says"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Holds a message of a room against the one that it answers, which must be of the room and be
/// there still. Returns what is wrong with it.
pub(in crate::store::maintain) fn judge_reply<L: ReadLog<Error = StoreError>>(
    rooms: &Rooms,
    log: &L,
    id: EntryId,
    record: &Record<&str>,
) -> Result<Option<&'static str>, StoreError> {
    let (Act::Sent { extras, .. }, Stream::Room(room)) = (&record.act, record.stream) else {
        return Ok(None);
    };
    let reply = extras.as_ref().and_then(|extras| extras.reply_to.as_ref());
    let Some(ReplyTo { to, .. }) = reply else {
        return Ok(None);
    };
    if EntryId::from(*to) >= id {
        return Ok(Some("answers a message that comes later"));
    }
    let found = log.read((*to).into(), |found| {
        let is_here = found.is_message() && found.stream == record.stream;
        is_here.then_some(found.links.number)
    });
    let head = rooms.head(room);
    Ok(match found {
        Ok(Some(number)) if head.is_some_and(|head| !head.is_erased(number)) => None,
        Ok(_) => Some("answers what is no message of its room"),
        Err(StoreError::Damaged { .. }) => Some("names messages that are not found"),
        Err(error) => return Err(error),
    })
}

fn is_member(rooms: &Rooms, head: &RoomHead, author: Author) -> bool {
    matches!(author, Author::Account(user) if rooms.member(head.id(), user).is_some())
}

fn judge_message(rooms: &Rooms, head: &RoomHead, record: &Record<&str>) -> Option<&'static str> {
    let Links {
        previous,
        jump,
        number,
    } = head.state.chain.next();
    let links = record.links;
    if !is_member(rooms, head, record.author) {
        Some("is of one who was no member")
    } else if links.number != number {
        Some("has another number than it must have")
    } else if (links.previous, links.jump) != (previous, jump) {
        Some("points back to other messages than it must")
    } else {
        None
    }
}

/// Holds the rooms that a start would know against those of the log.
pub(super) fn compare_rooms(known: &State, right: &State, report: &mut Report) {
    let (known, right) = (&known.rooms, &right.rooms);
    let ids: BTreeSet<_> = known
        .heads_after(0)
        .chain(right.heads_after(0))
        .map(RoomHead::id)
        .collect();
    for room in ids {
        let (Some(one), Some(other)) = (known.head(room), right.head(room)) else {
            let there = right.head(room).is_some();
            let wrong = if there {
                "missing"
            } else {
                "is of no entry of the log"
            };
            report.add("rooms", room, wrong);
            continue;
        };
        if !is_same_room(&one.room, &other.room) || one.described != other.described {
            report.add("rooms", room, "is not as the log says");
        }
        if one.state != other.state {
            report.add("stream_states", room, "is not as the log says");
        }
        let users: BTreeSet<UserId> = [known, right]
            .into_iter()
            .flat_map(|rooms| rooms.members_after(room, 0))
            .map(|(user, _)| user)
            .collect();
        for user in users {
            let (one, other) = (known.member(room, user), right.member(room, user));
            let place = format!("({room}, {user})");
            if one.map(truth) != other.map(truth) {
                report.add("room_members", place, "is not as the log says");
            } else if one != other {
                report.add("stream_states", place, "is not as the log says");
            }
        }
    }
    let people: BTreeSet<UserId> = [known, right]
        .into_iter()
        .flat_map(Rooms::people)
        .map(|(user, _)| user)
        .collect();
    let stays = |person: Option<&Person>| person.map(|person| person.stays.clone());
    for user in people {
        let (one, other) = (stays(known.person(user)), stays(right.person(user)));
        if one.unwrap_or_default() != other.unwrap_or_default() {
            let place = format!("user {user}");
            report.add("room_members", place, "the times that ended are others");
        }
    }
    if known.all_own() != right.all_own() {
        report.add("stream_states", "", "people's own streams end elsewhere");
    }
    if known.all_settings() != right.all_settings() {
        report.add("relations", "", "settings are not as the log says");
    }
    if known.all_blocks() != right.all_blocks() {
        report.add("relations", "", "blocks are not as the log says");
    }
}

/// Returns what the row of a membership says.
fn truth(member: &RoomMember) -> impl PartialEq + use<> {
    (member.role, member.since, member.settings)
}

/// Returns whether two descriptions are the same, the number of members aside.
fn is_same_room(one: &Room, other: &Room) -> bool {
    let other = Room {
        member_count: one.member_count,
        ..other.clone()
    };
    *one == other
}
