//! What happened in chat, for the listener that tells the people concerned.

use crate::model::{Blocked, MessageId, Notice, Origin, RoomId, UserId};

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
        /// Nobody but this person hears of it: the other of the two is kept apart from them.
        only: Option<UserId>,
    },
    /// A message was sent again under its client id. Only the asking socket hears of it.
    Repeated {
        /// The message's entry.
        notice: &'a Notice,
        /// The socket that sent it.
        origin: Option<Origin>,
    },
    /// A member of a room is typing, or has stopped. The other members hear of it.
    RoomTyping {
        /// The room.
        room_id: RoomId,
        /// The one who types.
        user_id: UserId,
        /// `false` where they have stopped.
        is_typing: bool,
        /// Who does not hear of it: those whom the one who types has blocked.
        but: &'a Blocked,
    },
    /// A member of a room has read it up to a message. The other members hear of it.
    RoomSeen {
        /// The room.
        room_id: RoomId,
        /// The one who read.
        user_id: UserId,
        /// The message.
        up_to: MessageId,
        /// Who does not hear of it: those whom the reader has blocked.
        but: &'a Blocked,
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

/// How far a listener is behind what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// All was told.
    No,
    /// One event is on its way still.
    ByOne,
    /// Some are.
    Somewhat,
    /// So much is that it is to be told before anything else.
    TooFar,
}

/// Hears what happened, in order. Must not block: the next transaction's answers wait behind it.
pub trait Listener: Send + Sync {
    /// Called after the change is on disk, and before its reply.
    fn happened(&self, event: Event<'_>);

    /// Tells a part of what was too much to be told at once. Called again and again, after other
    /// things were told, until nothing is left.
    fn go_on(&self) -> Behind {
        Behind::No
    }
}
