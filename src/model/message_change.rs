//! What is done to a message that was sent before, where it lies: one by one, and by whom.

use std::sync::Arc;

use super::{HookEvent, UserId};

/// What is done to one message of a chat of either kind.
///
/// Most of the house asks only of which [`MessagePart`] a change is, so that a further change of a
/// part that there is concerns few: the walk in `entry.rs` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageChange<T = Arc<str>> {
    /// It got another text.
    Edited {
        /// The text; `None` as the log has it, where the message itself says it.
        content: Option<T>,
    },
    /// It was erased.
    Deleted {
        /// Who did it in a conversation of two, where that was not the message's sender.
        by: Option<Moderator>,
    },
    /// An emoji was put on it, or taken away again.
    Reacted {
        /// The emoji.
        emoji: T,
        /// `false` where it was taken away.
        on: bool,
    },
}

/// What of a message a change is about. By that is told who may do it, and who is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagePart {
    /// What it says. Its author alone changes that, and only where they may write. Those who were
    /// pushed to and those who search find the new text; those who left its room do not.
    Text,
    /// All of it: it is gone. Its author takes it back at any time, and whoever moderates does. All
    /// are told who may have read it.
    Whole,
    /// What others hang on it. Each of its readers does, where they may write. What it says is the
    /// same, so nobody is pushed to or finds anything else, and those who left its room are not
    /// told: how much hangs there is said as it is by now.
    Beside,
}

/// Who erases a message of two others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moderator {
    /// The server itself.
    Server,
    /// This account.
    Account(UserId),
}

impl Moderator {
    /// Returns the account; `None` for the server itself.
    pub const fn account(self) -> Option<UserId> {
        match self {
            Self::Server => None,
            Self::Account(user) => Some(user),
        }
    }
}

impl<T> MessageChange<T> {
    /// Returns what of the message it is about.
    pub const fn part(&self) -> MessagePart {
        match self {
            Self::Edited { .. } => MessagePart::Text,
            Self::Deleted { .. } => MessagePart::Whole,
            Self::Reacted { .. } => MessagePart::Beside,
        }
    }

    /// Returns the event that it is to outgoing hooks.
    pub const fn hook_event(&self) -> HookEvent {
        match self {
            Self::Edited { .. } => HookEvent::MessageEdited,
            Self::Deleted { .. } => HookEvent::MessageDeleted,
            Self::Reacted { .. } => HookEvent::Reaction,
        }
    }

    /// Returns who did it in a conversation of two, where that was not the one whose entry it is.
    pub const fn moderator(&self) -> Option<Moderator> {
        match self {
            Self::Deleted { by } => *by,
            Self::Edited { .. } | Self::Reacted { .. } => None,
        }
    }
}

impl<T: AsRef<str>> MessageChange<T> {
    /// Returns the change with its texts copied.
    pub fn to_shared(&self) -> MessageChange {
        match self {
            Self::Edited { content } => MessageChange::Edited {
                content: content.as_ref().map(|content| content.as_ref().into()),
            },
            Self::Deleted { by } => MessageChange::Deleted { by: *by },
            Self::Reacted { emoji, on } => MessageChange::Reacted {
                emoji: emoji.as_ref().into(),
                on: *on,
            },
        }
    }

    /// Returns how many bytes its texts take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Edited { content } => {
                content.as_ref().map_or(0, |content| content.as_ref().len())
            }
            Self::Deleted { .. } => 0,
            Self::Reacted { emoji, .. } => emoji.as_ref().len(),
        }
    }
}
