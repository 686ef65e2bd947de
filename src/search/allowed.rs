//! The chats that a person may read, and from where on: what a search is cut to before any message
//! is looked at.

use crate::model::{MessageId, Stream};

/// A chat as the index numbers it.
pub(super) type ChatKey = u64;

/// Returns the key of a chat; `None` for what is no chat.
pub(super) fn key_of(stream: Stream) -> Option<ChatKey> {
    match stream {
        Stream::Pair(conversation) => Some(conversation.get() << 1),
        Stream::Room(room) => Some(room.get() << 1 | 1),
        Stream::Own(_) => None,
    }
}

/// The chats that a person may read.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// Ascending by key, each with the greatest id that they may not read of it.
    chats: Vec<(ChatKey, u64)>,
}

impl Allowed {
    /// Takes the chats, each with the greatest message that may not be read.
    pub(super) fn of(chats: impl IntoIterator<Item = (Stream, Option<MessageId>)>) -> Self {
        let keyed = chats.into_iter().filter_map(|(stream, floor)| {
            let floor = floor.map_or(0, MessageId::get);
            Some((key_of(stream)?, floor))
        });
        let mut chats: Vec<_> = keyed.collect();
        chats.sort_unstable();
        chats.dedup_by_key(|(key, _)| *key);
        Self { chats }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.chats.len()
    }

    /// The chats, ascending.
    pub(super) fn chats(&self) -> &[(ChatKey, u64)] {
        &self.chats
    }

    /// Returns the greatest message that may not be read of a chat, 0 where each may; `None` for a
    /// chat that may not.
    pub(super) fn floor(&self, chat: ChatKey) -> Option<u64> {
        let place = self.chats.binary_search_by_key(&chat, |(key, _)| *key);
        Some(self.chats[place.ok()?].1)
    }

    /// Returns whether a message of a chat may be read.
    pub(super) fn has(&self, chat: ChatKey, message: u64) -> bool {
        self.floor(chat).is_some_and(|floor| message > floor)
    }
}
