//! What one person has sent, in all chats in which they ever were: what is to be erased with them,
//! and what is theirs to take along.

use super::chats::{Order, Pick};
use super::snapshot::Snapshot;
use crate::model::{Act, MessageId, Pair, RoomId, Stream, Timestamp, UserId};
use crate::store::error::ReadError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::{Author, Record};
use crate::store::talk::rooms::RoomHead;

/// 512 messages of a chat are looked at in one query.
const LOOKED_AT: usize = 512;

/// A chat in which a person may have sent something.
#[derive(Debug, Clone, Copy)]
pub struct SentIn {
    /// The two, where it is a chat of two.
    pair: Option<Pair>,
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
        let person = state.rooms.person(user).into_iter();
        let rooms = person.flat_map(|person| {
            let left = person.stays.iter().map(|stay| stay.room);
            person.rooms.iter().copied().chain(left)
        });
        let mut rooms: Vec<_> = rooms.collect();
        rooms.sort_unstable();
        rooms.dedup();
        chats.extend(rooms.into_iter().filter_map(|room| {
            let from = state.rooms.head(room)?.newest()?;
            Some(SentIn { pair: None, from })
        }));
        Ok(chats)
    }

    /// Returns a room, to be gone through from its newest message; `None` where there is none.
    pub fn room_from_its_end(&self, room: RoomId) -> Result<Option<SentIn>, ReadError> {
        let newest = self.state().rooms.head(room).and_then(RoomHead::newest);
        Ok(newest.map(|from| SentIn { pair: None, from }))
    }

    /// Returns some messages of a chat that are not erased, newest first, whoever sent them, and
    /// where to go on.
    pub fn sent_by_all(&self, chat: SentIn) -> Result<(Vec<MessageId>, Option<SentIn>), ReadError> {
        self.walk_sent(None, chat, |id, _| Some(id))
    }

    /// Returns some messages that a person sent in a chat and that are not erased, newest first,
    /// and where to go on; `None` at the beginning of the chat.
    pub fn sent_by(
        &self,
        user: UserId,
        chat: SentIn,
    ) -> Result<(Vec<MessageId>, Option<SentIn>), ReadError> {
        self.walk_sent(Some(user), chat, |id, _| Some(id))
    }

    /// The same with the messages themselves.
    pub fn texts_by(
        &self,
        user: UserId,
        chat: SentIn,
    ) -> Result<(Vec<SentText>, Option<SentIn>), ReadError> {
        let other = chat.pair.and_then(|pair| pair.other(user));
        self.walk_sent(Some(user), chat, |id, record| match record.act {
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
        user: Option<UserId>,
        chat: SentIn,
        take: impl Fn(MessageId, Record<&str>) -> Option<T>,
    ) -> Result<(Vec<T>, Option<SentIn>), ReadError> {
        let place = chat.pair.zip(user);
        let place = place.and_then(|(pair, user)| pair.place(user));
        let log = self.log();
        let (mut found, mut next) = (Vec::new(), Some(chat.from));
        for _ in 0..LOOKED_AT {
            let Some(id) = next else {
                break;
            };
            next = log.read(id.into(), |record| {
                let is_sent = matches!(record.act, Act::Sent { .. });
                let is_theirs = match record.author {
                    _ if user.is_none() => true,
                    Author::Member(at) => Some(at) == place,
                    Author::Account(author) => Some(author) == user,
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
