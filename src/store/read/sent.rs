//! What one person has sent, in all chats in which they ever were: what is to be erased with them.

use super::chats::{Order, Pick};
use super::snapshot::Snapshot;
use crate::model::{Act, MessageId, Pair, UserId};
use crate::store::error::ReadError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Author;

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

    /// Returns some messages that a person sent in a chat and that are not erased, newest first,
    /// and where to go on; `None` at the beginning of the chat.
    pub fn sent_by(
        &self,
        user: UserId,
        chat: SentIn,
    ) -> Result<(Vec<MessageId>, Option<SentIn>), ReadError> {
        let place = chat.pair.and_then(|pair| pair.place(user));
        let log = self.log();
        let (mut found, mut next) = (Vec::new(), Some(chat.from));
        for _ in 0..LOOKED_AT {
            let Some(id) = next else {
                break;
            };
            let (is_theirs, previous) = log.read(id.into(), |record| {
                let is_sent = matches!(record.act, Act::Sent { .. });
                let is_theirs = match record.author {
                    Author::Member(at) => Some(at) == place,
                    Author::Account(author) => author == user,
                    Author::Server => false,
                };
                (is_sent && is_theirs, record.links.previous)
            })?;
            found.extend(is_theirs.then_some(id));
            next = previous;
        }
        let rest = next.map(|from| SentIn { from, ..chat });
        Ok((found, rest))
    }
}
