//! What one person has sent, in all chats in which they ever were: what is to be erased with them,
//! and what is theirs to take along.

use redb::ReadableDatabase;
use rustc_hash::FxHashMap;

use super::chats::{Order, Pick};
use super::snapshot::Snapshot;
use crate::model::{Act, MessageId, Pair, RoomId, Stream, Timestamp, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::blocks::{Log, decode};
use crate::store::log::chain::{ReadLog, newest_older};
use crate::store::log::record::{Author, Record};
use crate::store::state::State;
use crate::store::talk::rooms::RoomHead;

/// 256 messages of a chat are looked at in one query, and erased in one go.
const LOOKED_AT: usize = 256;

/// A chat of which messages are to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Erasable {
    /// That of two people.
    Pair(Pair),
    /// A room.
    Room(RoomId),
}

/// Messages of a chat that are to be erased.
#[derive(Debug)]
pub struct ToErase {
    /// Which, ascending; there may be none among those that were looked at.
    pub messages: Vec<MessageId>,
    /// There is nothing to be erased after them.
    pub is_last: bool,
    /// The number of the last message that was looked at.
    pub through: u64,
}

/// What is older than retention allows.
#[derive(Debug, Clone, Copy)]
pub struct Older {
    /// When it was sent at the latest, this moment excluded.
    pub than: Timestamp,
    /// The time at present. What was sent later is of a clock that was ahead: it is as old as what
    /// came after it.
    pub now: Timestamp,
}

impl Older {
    fn is_young(self, at: Timestamp) -> bool {
        (self.than..=self.now).contains(&at)
    }
}

/// 128 entries of the log are gone through at once, some four of its blocks: the writer has them
/// for a millisecond, and whoever sends meanwhile waits for that.
const EXPIRED_AT_ONCE: usize = 128;
/// And so many, where they are of a clock that was ahead.
const LOOKED_THROUGH: usize = 1 << 16;

/// What retention finds at the beginning of the log.
#[derive(Debug)]
pub struct Expired {
    /// The messages that are to be erased, of each chat together, ascending.
    pub chats: Vec<Vec<MessageId>>,
    /// Up to this entry all that is there is so old.
    pub through: u64,
    /// What comes after it is not, or there is nothing.
    pub is_last: bool,
}

impl Erasable {
    fn place_of(self, user: Option<UserId>) -> Option<usize> {
        match self {
            Self::Pair(pair) => pair.place(user?),
            Self::Room(_) => None,
        }
    }
}

/// A chat in which a person may have sent something.
#[derive(Debug, Clone, Copy)]
pub struct SentIn {
    /// The two, where it is a chat of two.
    pair: Option<Pair>,
    /// The room, else.
    room: Option<RoomId>,
    /// The message from which on, backwards, it is to be gone through.
    from: MessageId,
}

/// A message that a person sent.
#[derive(Debug, Clone)]
pub struct SentText {
    /// Its id.
    pub id: MessageId,
    /// Who it is for, in a chat of two.
    pub receiver: Option<UserId>,
    /// The room, else.
    pub room: Option<RoomId>,
    /// The text as it is now.
    pub content: Box<str>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
}

impl Snapshot<'_> {
    /// Returns the chats of a person, those with rooms that they left among them, from their newest
    /// messages.
    pub fn chats_of(&self, user: UserId) -> Result<Vec<SentIn>, ReadError> {
        let mut chats = Vec::new();
        self.go_through(
            user,
            Order::Messages,
            |_, conversation| match conversation.last_message() {
                Some(last) => Pick::Take(SentIn {
                    pair: Some(conversation.pair),
                    room: None,
                    from: last.into(),
                }),
                None => Pick::Skip,
            },
            |picked| {
                chats.extend(picked);
                Ok(())
            },
        )?;
        let state = self.state();
        chats.extend(rooms_with(&state, user).into_iter().filter_map(|room| {
            let from = state.rooms.head(room)?.newest()?;
            Some(SentIn {
                pair: None,
                room: Some(room),
                from,
            })
        }));
        Ok(chats)
    }

    /// Returns the chats of a person, likewise, in which what they sent may be erased.
    pub fn erasable_chats_of(&self, user: UserId) -> Result<Vec<Erasable>, ReadError> {
        let chats = self.chats_of(user)?;
        let named = chats.into_iter().map(|chat| match (chat.pair, chat.room) {
            (Some(pair), _) => Some(Erasable::Pair(pair)),
            (None, room) => room.map(Erasable::Room),
        });
        Ok(named.flatten().collect())
    }

    /// Returns some messages of a chat that are not erased yet, the oldest of those whose numbers
    /// are greater than `after`: those of one sender where one is given, and that were sent before
    /// a time where one is. `None` where none is left.
    pub fn to_erase(
        &self,
        chat: Erasable,
        sender: Option<UserId>,
        sent_before: Option<Older>,
        after: u64,
    ) -> Result<Option<ToErase>, ReadError> {
        let Some((last, first, length)) = self.left_in(chat, after) else {
            return Ok(None);
        };
        let end = length.min(first + LOOKED_AT as u64 - 1);
        let log = self.log();
        if let Some(older) = sent_before {
            let oldest = newest_older(&log, last, |place| place.number <= first)?;
            let at = oldest.map(|place| log.read(place.id.into(), |record| record.at));
            if at.transpose()?.is_none_or(|at| older.is_young(at)) {
                return Ok(None);
            }
        }
        let top = newest_older(&log, last, |place| place.number <= end)?;
        let (mut found, mut next) = (Vec::new(), top.map(|place| place.id));
        let (mut is_last, place) = (end == length, chat.place_of(sender));
        let mut is_old = sent_before.is_none();
        while let Some(id) = next {
            let (number, previous) = log.read(id.into(), |record| {
                let is_theirs = match record.author {
                    _ if sender.is_none() => true,
                    Author::Member(at) => Some(at) == place,
                    Author::Account(author) => Some(author) == sender,
                    Author::Server => false,
                };
                if sent_before.is_some_and(|older| older.is_young(record.at)) {
                    // What came before it may go, and this and all that came after it stays.
                    found.clear();
                    (is_last, is_old) = (true, false);
                    return (record.links.number, record.links.previous);
                }
                is_old |= sent_before.is_some_and(|older| record.at < older.than);
                if is_old && is_theirs && matches!(record.act, Act::Sent { .. }) {
                    found.push(id);
                }
                (record.links.number, record.links.previous)
            })?;
            next = previous.filter(|_| number > first);
        }
        found.reverse();
        Ok(Some(ToErase {
            messages: found,
            is_last,
            through: end,
        }))
    }

    /// Returns the messages at the beginning of the log that are older than retention allows, some
    /// hundreds at once, from where it was last gone through.
    pub fn expired(&self, older: Older) -> Result<Expired, ReadError> {
        let from = self.state().retained + 1;
        let txn = self.database()?.begin_read().map_err(StoreError::from)?;
        let log = Log::open(&txn).map_err(StoreError::from)?;
        let mut walk = log.walk(from).map_err(StoreError::from)?;
        let (mut found, mut expired, mut through) = (Vec::new(), 0, from - 1);
        let (mut walked, mut is_last) = (0, true);
        while let Some(row) = walk.next() {
            let read = row.and_then(|(id, sealed)| decode(id, sealed));
            let (id, record) = match read {
                Ok(read) => read,
                // It cannot be erased, and is no reason to keep the others.
                Err(StoreError::Damaged { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            if older.is_young(record.at) {
                break;
            }
            if let Act::Sent { .. } = record.act {
                found.push((record.stream, MessageId::from(id)));
            }
            let is_old = record.at < older.than;
            if is_old {
                (through, expired) = (id.get(), found.len());
            }
            walked += 1;
            if walked >= EXPIRED_AT_ONCE && is_old || walked >= LOOKED_THROUGH {
                is_last = through < from;
                break;
            }
        }
        found.truncate(expired);
        let mut chats: Vec<Vec<MessageId>> = Vec::new();
        let mut places = FxHashMap::default();
        for (stream, message) in found {
            let place = *places.entry(stream).or_insert_with(|| {
                chats.push(Vec::new());
                chats.len() - 1
            });
            chats[place].push(message);
        }
        Ok(Expired {
            chats,
            through,
            is_last,
        })
    }

    /// Returns the newest message of a chat, the number of the oldest that is not erased of those
    /// after a number, and how many there are; `None` where none is left.
    fn left_in(&self, chat: Erasable, after: u64) -> Option<(Option<MessageId>, u64, u64)> {
        let state = self.state();
        let (chain, first) = match chat {
            Erasable::Pair(pair) => {
                let known = state.conversation(state.conversation_id(pair)?)?;
                let length = known.chain.length();
                let first = match &known.erased {
                    Some(erased) => erased.unmarked_after(after, length).next()?,
                    None => after + 1,
                };
                (&known.chain, first)
            }
            Erasable::Room(room) => {
                let known = &state.rooms.head(room)?.state;
                let length = known.chain.length();
                let first = known.erased.unmarked_after(after, length).next()?;
                (&known.chain, first)
            }
        };
        (first <= chain.length()).then(|| (chain.last(), first, chain.length()))
    }

    /// The same with the messages themselves.
    pub fn texts_by(
        &self,
        user: UserId,
        chat: SentIn,
    ) -> Result<(Vec<SentText>, Option<SentIn>), ReadError> {
        let other = chat.pair.and_then(|pair| pair.other(user));
        self.walk_sent(user, chat, |id, record| match record.act {
            Act::Sent {
                content, extras, ..
            } => Some(SentText {
                id,
                receiver: other,
                room: match record.stream {
                    Stream::Room(room) => Some(room),
                    Stream::Pair(_) | Stream::Own(_) => None,
                },
                content: content.into(),
                created_at: record.at,
                edited_at: extras.and_then(|extras| extras.edited_at),
            }),
            _ => None,
        })
    }

    fn walk_sent<T>(
        &self,
        user: UserId,
        chat: SentIn,
        take: impl Fn(MessageId, Record<&str>) -> Option<T>,
    ) -> Result<(Vec<T>, Option<SentIn>), ReadError> {
        let place = chat.pair.and_then(|pair| pair.place(user));
        let log = self.log();
        let (mut found, mut next) = (Vec::new(), Some(chat.from));
        for _ in 0..LOOKED_AT {
            let Some(id) = next else {
                break;
            };
            next = log.read(id.into(), |record| {
                let is_sent = matches!(record.act, Act::Sent { .. });
                let is_theirs = match record.author {
                    Author::Member(at) => Some(at) == place,
                    Author::Account(author) => author == user,
                    Author::Server => false,
                };
                let previous = record.links.previous;
                if is_sent && is_theirs {
                    found.extend(take(id, record));
                }
                previous
            })?;
        }
        let rest = next.map(|from| SentIn { from, ..chat });
        Ok((found, rest))
    }
}

/// Returns the rooms in which a person may have sent something.
fn rooms_with(state: &State, user: UserId) -> Vec<RoomId> {
    let Some(person) = state.rooms.person(user) else {
        return Vec::new();
    };
    if !person.knows_all_stays() {
        // It may have been in any other one, too, before those that are known.
        return state.rooms.heads_after(0).map(RoomHead::id).collect();
    }
    let left = person.stays.iter().map(|stay| stay.room);
    let mut rooms: Vec<_> = person.rooms.iter().copied().chain(left).collect();
    rooms.sort_unstable();
    rooms.dedup();
    rooms
}
