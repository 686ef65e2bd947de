//! What a person missed: the entries of their conversations, of their rooms and of their own after
//! some place, in order.

use std::sync::Arc;

use super::chats::{Order, Pick};
use super::page::Page;
use super::snapshot::{Snapshot, SnapshotLog};
use crate::model::{
    Act, ChangedMessage, EntryId, Extras, Members, MessageId, MessagePart, Notice, Pair, Room,
    RoomHistory, RoomId, Stream, Timestamp, UserId,
};
use crate::store::error::ReadError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::state::State;
use crate::store::talk::conversation::{Conversation, notice_of, remains_of};
use crate::store::talk::quoting::quote;
use crate::store::talk::rooms::{RoomHead, remains_in_room};

/// 10,000 entries: whoever missed more reads their chats afresh, which costs less than being told
/// of each.
pub const MAX_MISSED: usize = 10_000;

/// 4 MiB: what is given of it at once. With the change that goes beyond that, a page ends.
const MAX_MISSED_BYTES: usize = 4 << 20;

/// The changes that a person missed.
#[derive(Debug)]
pub struct Missed {
    /// The changes, oldest first; `None` where there are more than [`MAX_MISSED`], or the person
    /// left more rooms than is known.
    pub page: Option<Page<Notice>>,
    /// The newest entry there was when this was asked.
    pub newest: u64,
    /// Rooms whose changes are left out, since there are too many of them.
    pub skipped: Vec<RoomId>,
    /// How many entries were read for it: all that was missed is gone through for each page.
    pub read: usize,
}

/// An entry that was missed.
#[derive(Debug, Clone, Copy)]
struct Found {
    id: EntryId,
    whose: Whose,
}

/// In whose midst an entry that was missed happened.
#[derive(Debug, Clone, Copy)]
enum Whose {
    /// Of two people; one of them has blocked the other.
    Pair(Pair, bool),
    Room(Reads),
    Own,
}

/// What a member of a room reads of it.
#[derive(Debug, Clone, Copy)]
struct Reads {
    history: RoomHistory,
    /// The entry by which they joined.
    since: EntryId,
    /// When that ended, where they may not read by now what was said until then.
    until: Option<Timestamp>,
    /// It was erased: what was said in it is nobody's to read.
    is_gone: bool,
}

impl Reads {
    /// Returns whether a change of this message is told to them.
    fn hears_of(self, message: MessageId) -> bool {
        !self.is_gone && (self.history == RoomHistory::All || EntryId::from(message) > self.since)
    }

    /// Returns whether a message is still as it was in their time: of what became of it since they
    /// hear nothing.
    fn knows<T>(self, extras: Option<&Extras<T>>) -> bool {
        let edited_at = extras.and_then(|extras| extras.edited_at);
        let ended = self.until.zip(edited_at);
        ended.is_none_or(|(until, edited_at)| edited_at < until)
    }
}

/// A part of a room's entries that a person heard: from the first to the last, both included.
struct Part {
    room: RoomId,
    reads: Reads,
    first: EntryId,
    last: EntryId,
    /// The last is the end of a membership, which may lie in the person's own stream.
    ends: bool,
    /// The person may read it by now.
    is_open: bool,
}

impl Snapshot<'_> {
    /// The messages and marks of a person's conversations from the entry `from` on, oldest first,
    /// as they are by now, and the newest entry there was when this was asked. `None` where there
    /// are more than [`MAX_MISSED`]. What else was done with messages is neither given nor counted.
    /// Costs one read a change, two for those given.
    pub fn missed(&self, user: UserId, from: u64, limit: usize) -> Result<Missed, ReadError> {
        let wanted = Wanted::MessagesAndMarks;
        let (found, newest, mut read) = self.missed_of_pairs(user, from, wanted)?;
        let mut page = None;
        if let Some(found) = found {
            let log = self.log();
            page = Some(self.given(&log, user, found, (from, limit))?);
            read += log.count.get();
        }
        Ok(Missed {
            page,
            newest,
            skipped: Vec::new(),
            read,
        })
    }

    /// The changes of a person's conversations, rooms and own, likewise. Of rooms at most `most`
    /// entries are gone through beside what else there is; rooms that bring more are skipped, those
    /// that bring most first.
    pub fn missed_of_all(
        &self,
        user: UserId,
        from: u64,
        limit: usize,
        most: usize,
    ) -> Result<Missed, ReadError> {
        let (found, newest, read) = self.missed_of_pairs(user, from, Wanted::All)?;
        let too_many = |more| Missed {
            page: None,
            newest,
            skipped: Vec::new(),
            read: read + more,
        };
        let Some(mut found) = found else {
            return Ok(too_many(0));
        };
        let (own, parts, knows_all) = {
            let state = self.state();
            let person = state.rooms.person(user);
            let knows_all = person.is_none_or(|person| person.knows_stays_from(from));
            (
                state.rooms.own(user),
                parts_of(&state, user, from),
                knows_all,
            )
        };
        if !knows_all {
            return Ok(too_many(0));
        }
        let log = self.log();
        let left = MAX_MISSED - found.len();
        let own = walk(&log, own, (from, newest), left, Wanted::All)?;
        let Some(own) = own else {
            return Ok(too_many(log.count.get()));
        };
        let whose = Whose::Own;
        found.extend(own.into_iter().map(|id| Found { id, whose }));
        let most = most.saturating_sub(found.len());
        let (of_rooms, skipped) = missed_of_rooms(&log, parts, newest, most)?;
        found.extend(of_rooms);
        let page = self.given(&log, user, found, (from, limit))?;
        Ok(Missed {
            page: Some(page),
            newest,
            skipped,
            read: read + log.count.get(),
        })
    }

    fn missed_of_pairs(
        &self,
        user: UserId,
        from: u64,
        wanted: Wanted,
    ) -> Result<(Option<Vec<Found>>, u64, usize), ReadError> {
        let mut chats = Vec::new();
        let mut count = 0;
        let pick = |state: &State, conversation: &Conversation| {
            let last = conversation.last_entry.filter(|last| last.get() >= from);
            let Some(last) = last else {
                return Pick::Enough;
            };
            count += 1;
            let whose = Whose::Pair(conversation.pair, state.are_apart(conversation.pair));
            // Each has an entry at least.
            match count > MAX_MISSED {
                true => Pick::Last((whose, last)),
                false => Pick::Take((whose, last)),
            }
        };
        let newest = self.go_through(user, Order::Entries, pick, |picked| {
            chats.extend(picked);
            Ok(())
        })?;
        let log = self.log();
        let mut found = Vec::new();
        for (whose, last) in chats {
            let left = MAX_MISSED - found.len();
            let ids = walk(&log, Some(last), (from, newest), left, wanted)?;
            let Some(ids) = ids else {
                return Ok((None, newest, log.count.get()));
            };
            found.extend(ids.into_iter().map(|id| Found { id, whose }));
        }
        Ok((Some(found), newest, log.count.get()))
    }

    /// Reads the oldest of what was found, for this person.
    fn given(
        &self,
        log: &SnapshotLog<'_>,
        user: UserId,
        mut found: Vec<Found>,
        (from, limit): (u64, usize),
    ) -> Result<Page<Notice>, ReadError> {
        found.sort_unstable_by_key(|found| found.id);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let mut left = found.iter();
        while rows.len() < limit
            && bytes < MAX_MISSED_BYTES
            && let Some(&Found { id, whose }) = left.next()
        {
            let pair = match whose {
                Whose::Pair(pair, _) => Some(pair),
                Whose::Room(_) | Whose::Own => None,
            };
            let mut notice = log.read(id, |record| notice_of(id, pair, &record))?;
            // Whether one reads is not for the other to know then.
            let is_anothers_mark = notice.entry.act.is_mark() && notice.entry.author != Some(user);
            if is_anothers_mark && matches!(whose, Whose::Pair(_, true)) {
                continue;
            }
            let Some(message) = changed(log, &notice, whose)? else {
                continue;
            };
            notice.message = message.map(Box::new);
            if let Act::Sent { extras, .. } = &mut notice.entry.act {
                let shows = match whose {
                    Whose::Pair(..) | Whose::Own => true,
                    Whose::Room(reads) if reads.until.is_some() => {
                        if !reads.knows(extras.as_deref()) {
                            continue;
                        }
                        if let Some(extras) = extras {
                            extras.reactions.clear();
                        }
                        reads.history == RoomHistory::All
                            && knows_what_it_answers(log, reads, extras.as_deref())?
                    }
                    Whose::Room(reads) => {
                        log.note_own(id.into(), user, extras.as_deref_mut())?;
                        // Told live, it was the same for all.
                        reads.history == RoomHistory::All
                    }
                };
                quote(log, extras.as_deref_mut(), pair, |_| shows)?;
            }
            notice.room = described(log, &notice)?;
            self.name_rooms(Some(user), &mut notice);
            // The first may be the one that was told last.
            if id.get() > from {
                bytes += notice.entry.act.bytes();
            }
            rows.push(notice);
        }
        let has_more = left.next().is_some();
        Ok(Page { rows, has_more })
    }

    /// Gives rooms that a notice describes, and that later entries describe anew, the name, the
    /// topic and the picture that they have by now; to a person only where they are in it.
    pub(super) fn name_rooms(&self, reader: Option<UserId>, notice: &mut Notice) {
        let changed = match &mut notice.entry.act {
            Act::RoomChanged { room, .. } => Some(room),
            _ => None,
        };
        let rooms = changed.into_iter().chain(&mut notice.room);
        for room in rooms.filter(|room| room.name.is_empty()) {
            let state = self.state();
            let is_theirs = |reader: UserId| state.rooms.member(room.id, reader).is_some();
            if let Some(head) = state.rooms.head(room.id)
                && reader.is_none_or(is_theirs)
            {
                let now = &head.room;
                *room = Arc::new(Room {
                    name: Arc::clone(&now.name),
                    topic: Arc::clone(&now.topic),
                    avatar: now.avatar.clone(),
                    ..Room::clone(room)
                });
            }
        }
    }
}

/// Returns which parts of which rooms a person heard from an entry on.
fn parts_of(state: &State, user: UserId, from: u64) -> Vec<Part> {
    let Some(person) = state.rooms.person(user) else {
        return Vec::new();
    };
    let first = |room: RoomId, since: EntryId| {
        // Who made a room hears that it was made.
        let head = state.rooms.head(room);
        let made = head.filter(|head| head.since.get() + 1 == since.get());
        let since = made.map_or(since, |head| head.since);
        EntryId::new(from).map_or(since, |from| from.max(since))
    };
    let reads = |room: RoomId, since: EntryId| Reads {
        // Of a room that is not there nobody reads anything.
        history: state
            .rooms
            .head(room)
            .map_or(RoomHistory::Joined, |head| head.room.history),
        since,
        until: None,
        is_gone: state.rooms.head(room).is_some_and(RoomHead::is_gone),
    };
    let now = person.rooms.iter().filter_map(|room| {
        let (head, member) = (state.rooms.head(*room)?, state.rooms.member(*room, user)?);
        Some(Part {
            room: *room,
            reads: reads(*room, member.since),
            first: first(*room, member.since),
            last: head.state.last_entry?,
            ends: false,
            is_open: true,
        })
    });
    let before = person.stays.iter().map(|stay| {
        let reads = reads(stay.room, stay.since);
        let is_member = state.rooms.member(stay.room, user).is_some();
        Part {
            room: stay.room,
            reads,
            first: first(stay.room, stay.since),
            last: stay.until,
            ends: true,
            is_open: is_member && reads.history == RoomHistory::All,
        }
    });
    let parts = now.chain(before);
    parts.filter(|part| part.last >= part.first).collect()
}

/// Returns the entries of such parts, and the rooms that are skipped so that there are at most
/// `most`.
fn missed_of_rooms(
    log: &SnapshotLog<'_>,
    parts: Vec<Part>,
    newest: u64,
    most: usize,
) -> Result<(Vec<Found>, Vec<RoomId>), ReadError> {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    let mut count = 0;
    for part in parts {
        let (last, ended) = match part.ends {
            false => (Some(part.last), None),
            true => log.read(part.last, |record| match (record.stream, &record.act) {
                (Stream::Own(_), Act::MemberChanged(change)) => (change.last, Some(record.at)),
                _ => (Some(part.last), Some(record.at)),
            })?,
        };
        let reads = Reads {
            until: ended.filter(|_| !part.is_open),
            ..part.reads
        };
        let span = (part.first.get(), newest);
        match walk(log, last, span, most, Wanted::All)? {
            Some(ids) => {
                count += ids.len();
                let whose = Whose::Room(reads);
                let ids: Vec<_> = ids.into_iter().map(|id| Found { id, whose }).collect();
                found.push((part.room, ids));
            }
            None => skipped.push(part.room),
        }
    }
    found.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    found.retain(|(room, ids)| {
        let skips = count > most;
        if skips {
            count -= ids.len();
            skipped.push(*room);
        }
        !skips
    });
    skipped.sort_unstable();
    skipped.dedup();
    found.retain(|(room, _)| !skipped.contains(room));
    let all = found.into_iter().flat_map(|(_, found)| found);
    Ok((all.collect(), skipped))
}

/// Which entries of a stream are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// All that version 1 hears: what else was done with messages is passed over.
    MessagesAndMarks,
}

/// Of what is passed over, so many times as much is read as may be given.
const PASSED_OVER: usize = 10;

/// Walks a stream back from its last entry to `from`. Gives what is not newer than `newest`: what
/// came while others were gone through is told the next time. `None` for more than `most`.
fn walk(
    log: &SnapshotLog<'_>,
    last: Option<EntryId>,
    (from, newest): (u64, u64),
    most: usize,
    wanted: Wanted,
) -> Result<Option<Vec<EntryId>>, ReadError> {
    let (mut ids, mut next, mut passed_over) = (Vec::new(), last, 0);
    while let Some(id) = next.filter(|id| id.get() >= from) {
        let (previous, is_change) =
            log.read(id, |record| (record.previous, record.act.is_change()))?;
        next = previous;
        if id.get() > newest {
            continue;
        }
        if is_change && wanted == Wanted::MessagesAndMarks {
            passed_over += 1;
        } else {
            ids.push(id);
        }
        if ids.len() > most || passed_over > PASSED_OVER * MAX_MISSED {
            return Ok(None);
        }
    }
    Ok(Some(ids))
}

/// Returns whether what a message answers is still as it was in the time of who left.
fn knows_what_it_answers(
    log: &SnapshotLog<'_>,
    reads: Reads,
    extras: Option<&Extras>,
) -> Result<bool, ReadError> {
    let Some(reply) = extras.and_then(|extras| extras.reply_to.as_ref()) else {
        return Ok(true);
    };
    log.read(reply.to.into(), |record| match &record.act {
        Act::Sent { extras, .. } => reads.knows(extras.as_deref()),
        _ => true,
    })
}

/// Returns the message that an entry changes, as it is by now, if it changes one; `None` where an
/// entry is not told of: the message that it is or changes is gone, or is not the person's to read;
/// or it has changed again, or may have, after they left its room.
fn changed(
    log: &SnapshotLog<'_>,
    notice: &Notice,
    whose: Whose,
) -> Result<Option<Option<ChangedMessage>>, ReadError> {
    let act = &notice.entry.act;
    if let Act::Erased { .. } = act {
        return Ok(None);
    }
    if let (Act::Sent { .. }, Whose::Room(Reads { is_gone: true, .. })) = (act, whose) {
        return Ok(None);
    }
    let Some(id) = act.changes() else {
        return Ok(Some(None));
    };
    if let Whose::Room(reads) = whose
        && !reads.hears_of(id)
    {
        return Ok(None);
    }
    let Act::MessageChanged { change, .. } = act else {
        return Ok(Some(None));
    };
    let left = match whose {
        Whose::Room(reads) if reads.until.is_some() => Some(reads),
        Whose::Room(_) | Whose::Pair(..) | Whose::Own => None,
    };
    let (is_deleted, left) = match change.part() {
        MessagePart::Whole => (true, None),
        MessagePart::Text => (false, left),
        // How much hangs on it is told as it is by now.
        MessagePart::Beside if left.is_some() => return Ok(None),
        MessagePart::Beside => (false, None),
    };
    let message = log.read_message(id, |record| {
        let is_told = is_deleted || matches!(record.act, Act::Sent { .. });
        let remains = match (notice.members, whose) {
            (Members::Pair(pair), _) => remains_of(id, pair, record),
            (Members::Room(room), Whose::Room(reads)) => {
                remains_in_room(id, room, reads.history, record)
            }
            _ => return None,
        };
        is_told.then_some(remains)
    })?;
    let message =
        message.filter(|message| left.is_none_or(|reads| reads.knows(message.extras.as_deref())));
    Ok(message.map(Some))
}

/// Returns the room as it was at a change of a membership.
pub(super) fn described(
    log: &SnapshotLog<'_>,
    notice: &Notice,
) -> Result<Option<Arc<Room>>, ReadError> {
    let (Act::MemberChanged(change), Members::Room(_) | Members::Own(_)) =
        (&notice.entry.act, notice.members)
    else {
        return Ok(None);
    };
    let room = log.read(change.described, |record: Record<&str>| match record.act {
        Act::RoomChanged { room, .. } => Some(room),
        _ => None,
    })?;
    Ok(room.map(|room| {
        Arc::new(Room {
            member_count: change.member_count,
            ..Room::clone(&room)
        })
    }))
}
