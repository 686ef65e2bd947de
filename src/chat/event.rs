//! What happened in chat, for the listener that tells the people concerned.

use crate::model::{Notice, Origin, UserId};

/// Something that people are to hear of.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// An entry is on disk. The members of its conversation hear of it; of a mark the asking socket
    /// does not.
    Happened {
        /// The entry.
        notice: &'a Notice,
        /// The socket that asked.
        origin: Option<Origin>,
    },
    /// A message was sent again under its client id. Only the asking socket hears of it.
    Repeated {
        /// The message's entry.
        notice: &'a Notice,
        /// The socket that sent it.
        origin: Option<Origin>,
    },
    /// A person is typing, or has stopped. The receiver hears of it.
    Typing {
        /// The one who types.
        user_id: UserId,
        /// The one who hears of it.
        receiver_id: UserId,
        /// `false` where they have stopped.
        is_typing: bool,
    },
}

/// Hears what happened, in order. Must not block: the next transaction's answers wait behind it.
pub trait Listener: Send + Sync {
    /// Called after the change is on disk, and before its reply.
    fn happened(&self, event: Event<'_>);
}
