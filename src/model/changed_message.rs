//! A message that an act has changed.

use std::sync::Arc;

use super::{Emoji, Extras, Members, MessageId, Reaction, RoomHistory, UserId};

/// A message that an act has changed, or found as it was to be: what it is by then. One that is
/// gone has no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedMessage {
    /// Which message.
    pub id: MessageId,
    /// Who share its chat.
    pub members: Members,
    /// Who wrote it.
    pub sender_id: UserId,
    /// The text that it has.
    pub content: Arc<str>,
    /// What it has beside that.
    pub extras: Option<Box<Extras>>,
    /// What those read of it who joined its room after it was sent, and so whether they hear of the
    /// change; `All` for a chat of two.
    pub history: RoomHistory,
}

impl ChangedMessage {
    /// The reactions to it.
    pub fn reactions(&self) -> &[Reaction] {
        let extras = self.extras.as_ref();
        extras.map_or(&[][..], |extras| &extras.reactions)
    }

    /// Returns an emoji as it is written among these reactions, if it is there.
    pub fn written(&self, emoji: &str) -> Option<&Arc<str>> {
        let mut written = self.reactions().iter().map(|reaction| &reaction.emoji);
        written.find(|written| Emoji::is_same(written, emoji))
    }
}
