//! What happened in chat, for whoever tells the people concerned.

use crate::model::{ChatRead, Message, MessageRead, Origin, UserId};

/// Something that people are to hear of. The first three are on disk.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A message was sent, or, unless `fresh`, sent again under its client id: then only the asking socket hears of it.
    Sent {
        /// The message.
        message: &'a Message,
        /// Whether it is new.
        fresh: bool,
        /// The socket that sent it.
        origin: Option<Origin>,
    },
    /// A message was read. Its sender hears of it, and the reader's other sockets.
    Read {
        /// Which, and by whom.
        read: &'a MessageRead,
        /// The socket that asked.
        origin: Option<Origin>,
    },
    /// A chat was read. Both hear of it, except for the asking socket.
    ChatRead {
        /// Whose, and how far.
        read: &'a ChatRead,
        /// The socket that asked.
        origin: Option<Origin>,
    },
    /// Somebody is typing, or has stopped. The receiver hears of it.
    Typing {
        /// Who.
        user_id: UserId,
        /// To whom.
        receiver_id: UserId,
        /// Whether they are.
        is_typing: bool,
    },
}

/// Hears what happened, in order. Must not block: the next transaction's answers wait behind it.
pub trait Listener: Send + Sync {
    /// Called after the change is on disk, and before its reply.
    fn happened(&self, event: Event<'_>);
}
