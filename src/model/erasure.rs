//! Many messages of one chat that are erased at once.

use super::{MessageId, UserId};

/// What an entry says that erased many messages of one chat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Whose they are; `None` for those of all.
    pub sender: Option<UserId>,
    /// All of those before this one are gone by then; `None` for all that there were.
    pub before: Option<MessageId>,
    /// Those that went by this entry, ascending. None, where it announces what is done after it.
    pub messages: Vec<ErasedMessage>,
}

/// One of them, as its chat knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedMessage {
    /// Which.
    pub id: MessageId,
    /// Its number in the chat.
    pub number: u64,
    /// The place of its sender among two people; 0 in a room.
    pub place: usize,
    /// Its number among those of this sender; 0 in a room.
    pub rank: u64,
}

impl Erasure {
    /// Returns the newest message that went by it.
    pub fn newest(&self) -> Option<MessageId> {
        self.messages.last().map(|message| message.id)
    }
}
