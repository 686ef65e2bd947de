//! What two people share, and what is read in it.

use super::{EntryId, MessageId, UserId};

/// The two people of a direct conversation, smaller id first, so that each pair has one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    low: UserId,
    high: UserId,
}

impl Pair {
    /// The pair of two people, in either order; `None` for a person and themselves.
    pub fn new(one: UserId, other: UserId) -> Option<Self> {
        match one.cmp(&other) {
            std::cmp::Ordering::Less => Some(Self {
                low: one,
                high: other,
            }),
            std::cmp::Ordering::Greater => Some(Self {
                low: other,
                high: one,
            }),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// The two, smaller id first.
    pub fn members(self) -> [UserId; 2] {
        [self.low, self.high]
    }

    /// 0 for the one with the smaller id, 1 for the other; `None` for a stranger.
    pub fn side(self, user: UserId) -> Option<usize> {
        self.members().iter().position(|member| *member == user)
    }
}

/// One message was marked read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRead {
    /// The message's place in the log.
    pub message_id: MessageId,
    /// Who read it: its receiver.
    pub reader_id: UserId,
    /// Who wrote it.
    pub sender_id: UserId,
    /// The mark's own place in the log; `None` where the message was read before, so that nothing changed.
    pub entry: Option<EntryId>,
}

/// What a person had from another was marked read, up to some message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRead {
    /// Who read.
    pub reader_id: UserId,
    /// Whose messages they read.
    pub peer_id: UserId,
    /// The last message that the mark covers; `None` where the two have no message that it could cover.
    pub up_to: Option<MessageId>,
    /// How many messages changed from unread to read.
    pub count: u64,
    /// Those that changed, ascending by id: the newest [`ChatRead::NAMED`] of them.
    pub changed: Vec<MessageId>,
    /// The mark's own place in the log; `None` where nothing changed.
    pub entry: Option<EntryId>,
}

impl ChatRead {
    /// How many changed messages a mark names one by one: what a client could show at once. Beyond it the mark speaks
    /// for itself by `up_to`.
    pub const NAMED: usize = 100;
}
