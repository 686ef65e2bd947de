//! What is done to one message: what it must be for that, and what it makes of the message and of
//! the rows beside it.
//!
//! The writer, an import and the check of a file stand on these, so a change is understood in one
//! place. Who may do it is told by the part of the message that it is about, and by the chat.

use super::reactions::{Own, react};
use super::refusal::TalkRefusal;
use crate::model::{ChangedMessage, Emoji, MessageChange, Reaction, Timestamp};
use crate::store::log::changed::{Parts, encode_reactions};

/// So many kinds of reaction a message has at most.
const MAX_KINDS: usize = 20;
/// So many of them are one person's.
const MAX_KINDS_OF_PERSON: usize = 10;

/// What a message became since it was sent, its text aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// When it got the text that it has, where that is not the first one.
    pub(crate) edited_at: Option<Timestamp>,
    /// What hangs on it.
    pub(crate) reactions: Vec<Reaction>,
    /// It is gone, and so are the two above.
    pub(crate) is_erased: bool,
}

impl Since {
    /// Returns what a message that is gone became.
    pub(crate) fn erased() -> Self {
        Self {
            is_erased: true,
            ..Self::default()
        }
    }

    /// Returns what a message became by then.
    pub(crate) fn of(message: &ChangedMessage) -> Self {
        Self {
            edited_at: message.extras.as_ref().and_then(|extras| extras.edited_at),
            reactions: message.reactions().to_vec(),
            is_erased: false,
        }
    }

    /// Takes in a change of this time, by the member at this place of a pair, or by a member of a
    /// room.
    pub(crate) fn take<T: AsRef<str>>(
        &mut self,
        change: &MessageChange<T>,
        place: Option<usize>,
        at: Timestamp,
    ) {
        match change {
            MessageChange::Edited { .. } => self.edited_at = Some(at),
            MessageChange::Deleted { .. } => *self = Self::erased(),
            MessageChange::Reacted { emoji, on } => {
                react(&mut self.reactions, place, emoji.as_ref(), *on);
            }
        }
    }

    /// Writes what hangs on the message.
    pub(crate) fn put_beside(&self, parts: &mut Parts) {
        parts.react(encode_reactions(&self.reactions));
    }
}

/// What a change makes of the row in which stands what one person has put on a room's message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// It has nothing to do with it.
    Same,
    /// The row of the change's author is this.
    Own(Own),
    /// Nobody's row of that message is left.
    Gone,
}

/// Returns whether it has to be known what the author of a change has put on the message.
pub(crate) const fn asks_for_own<T>(change: &MessageChange<T>) -> bool {
    match change {
        MessageChange::Reacted { .. } => true,
        MessageChange::Edited { .. } | MessageChange::Deleted { .. } => false,
    }
}

/// Returns a change as the message knows it, on which its author has put `own`: with the emoji as
/// it is written there, where that is not as one is written now. `None`, where that is the same.
pub(crate) fn as_known(
    change: &MessageChange,
    message: &ChangedMessage,
    own: &Own,
) -> Option<MessageChange> {
    let MessageChange::Reacted { emoji, on } = change else {
        return None;
    };
    let mut own = own.iter();
    let own = own.find(|own| Emoji::is_same(own, emoji));
    let known = own.or_else(|| message.written(emoji))?;
    (known != emoji).then(|| MessageChange::Reacted {
        emoji: known.clone(),
        on: *on,
    })
}

/// Returns whether a change does anything to a message on which its author has put `own`, as far as
/// that tells it.
pub(crate) fn does_anything<T: AsRef<str>>(change: &MessageChange<T>, own: &Own) -> bool {
    match change {
        MessageChange::Reacted { emoji, on } => {
            *on != own.iter().any(|own| **own == *emoji.as_ref())
        }
        MessageChange::Edited { .. } | MessageChange::Deleted { .. } => true,
    }
}

/// Refuses what would be too much on a message, where the author of the change has put `own` on it.
pub(crate) fn check_amount(
    message: &ChangedMessage,
    change: &MessageChange,
    own: &Own,
) -> Result<(), TalkRefusal> {
    let (emoji, on) = match change {
        MessageChange::Reacted { emoji, on } => (emoji, *on),
        MessageChange::Edited { .. } | MessageChange::Deleted { .. } => return Ok(()),
    };
    let reactions = message.reactions();
    let is_new = reactions.iter().all(|reaction| reaction.emoji != *emoji);
    let is_full =
        on && (is_new && reactions.len() >= MAX_KINDS || own.len() >= MAX_KINDS_OF_PERSON);
    match is_full {
        true => Err(TalkRefusal::TooManyReactions),
        false => Ok(()),
    }
}

/// Returns what a change makes of the row of its author, which is `own`.
pub(crate) fn row_after<T: AsRef<str>>(change: &MessageChange<T>, mut own: Own) -> Row {
    match change {
        MessageChange::Edited { .. } => Row::Same,
        MessageChange::Deleted { .. } => Row::Gone,
        MessageChange::Reacted { emoji, on } => {
            let emoji = emoji.as_ref();
            own.retain(|own| **own != *emoji);
            own.extend(on.then(|| emoji.into()));
            Row::Own(own)
        }
    }
}
