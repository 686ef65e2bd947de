//! Changes of messages where they lie: another text, none any more, other reactions.
//!
//! The entry that tells of a change is appended, and the message's own entry gets another value in
//! the same transaction. What is on its way to the disk is looked through first, the newest before
//! the older, so a message may be changed again before it is known whether the first change holds.

use std::time::Duration;

use crate::model::{Act, EntryId, Message, MessageId, Pair, Reaction, Timestamp, UserId};
use crate::store::change::Talk;
use crate::store::error::StoreError;
use crate::store::log::changed::{Parts, encode_reactions};
use crate::store::log::record::Record;
use crate::store::talk::conversation::remains_of;
use crate::store::talk::reactions::react;

/// So many kinds of reaction a message has at most.
const MAX_KINDS: usize = 20;
/// So many of them are one person's.
const MAX_KINDS_OF_PERSON: usize = 10;

/// A message that an act is to change.
pub(super) struct Changing {
    sealed: Vec<u8>,
    pair: Pair,
    /// As it is before; one that is gone has no text.
    pub(super) message: Message,
    is_gone: bool,
}

/// What a message becomes.
pub(super) struct Changed {
    /// Its sealed value.
    pub(super) sealed: Vec<u8>,
    /// As it is by then.
    pub(super) message: Message,
}

impl Changing {
    /// Reads a message of these two from its sealed value.
    pub(super) fn of(id: MessageId, pair: Pair, sealed: Vec<u8>) -> Result<Self, StoreError> {
        let record = Record::decode(id.into(), &sealed)?;
        if !record.is_message() {
            return Err(StoreError::NoSuchMessage);
        }
        let message = remains_of(id, pair, &record);
        let is_gone = matches!(record.act, Act::Erased { .. });
        Ok(Self {
            sealed,
            pair,
            message,
            is_gone,
        })
    }

    /// Judges what the conversation alone does not. Returns whether the act changes anything: to do
    /// again what was done changes nothing and is no mistake.
    pub(super) fn judge(
        &self,
        now: Timestamp,
        talk: &Talk,
        edit_window: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let is_moderated = matches!(talk.act, Act::Deleted { by: Some(_), .. });
        if !is_moderated && self.pair.place(talk.author).is_none() {
            return Err(StoreError::NoSuchMessage);
        }
        match &talk.act {
            Act::Deleted { .. } if !is_moderated && !self.is_of(talk.author) => {
                Err(StoreError::NotSender)
            }
            Act::Deleted { .. } => Ok(!self.is_gone),
            _ if self.is_gone => Err(StoreError::NoSuchMessage),
            Act::Edited { content, .. } => {
                if !self.is_of(talk.author) {
                    return Err(StoreError::NotSender);
                }
                if content.as_ref() == Some(&self.message.content) {
                    return Ok(false);
                }
                let is_over = |window| now >= self.message.created_at.plus(window);
                match edit_window.is_some_and(is_over) {
                    true => Err(StoreError::EditWindowOver),
                    false => Ok(true),
                }
            }
            Act::Reacted { emoji, on, .. } => self.judge_reaction(talk.author, emoji, *on),
            _ => Ok(true),
        }
    }

    fn judge_reaction(&self, author: UserId, emoji: &str, on: bool) -> Result<bool, StoreError> {
        let place = self.pair.place(author).ok_or(StoreError::NoSuchMessage)?;
        let reactions = self.reactions();
        let same = reactions.iter().find(|reaction| &*reaction.emoji == emoji);
        if on == same.is_some_and(|same| same.is_of(place)) {
            return Ok(false);
        }
        let own = reactions.iter().filter(|reaction| reaction.is_of(place));
        let is_full = on
            && (same.is_none() && reactions.len() >= MAX_KINDS
                || own.count() >= MAX_KINDS_OF_PERSON);
        match is_full {
            true => Err(StoreError::TooManyReactions),
            false => Ok(true),
        }
    }

    fn is_of(&self, user: UserId) -> bool {
        self.message.sender_id == user
    }

    fn reactions(&self) -> &[Reaction] {
        let extras = self.message.extras.as_ref();
        extras.map_or(&[][..], |extras| &extras.reactions)
    }

    /// Returns what the message becomes by an act of this time; `hash` gives the keyed hash of its
    /// text.
    pub(super) fn changed(
        self,
        at: Timestamp,
        talk: &Talk,
        hash: impl FnOnce(&str) -> u64,
    ) -> Result<Changed, StoreError> {
        let (id, pair) = (self.message.id, self.pair);
        let entry = EntryId::from(id);
        let mut parts = Parts::of(entry, &self.sealed)?;
        match &talk.act {
            Act::Edited {
                content: Some(content),
                ..
            } => parts.edit(content, at, hash(&self.message.content)),
            Act::Reacted { emoji, on, .. } => {
                let place = pair.place(talk.author).ok_or(StoreError::NoSuchMessage)?;
                let mut reactions = self.reactions().to_vec();
                react(&mut reactions, place, emoji, *on);
                parts.react(encode_reactions(&reactions));
            }
            _ => parts.erase(),
        }
        let sealed = parts.seal(entry);
        let message = remains_of(id, pair, &Record::decode(entry, &sealed)?);
        Ok(Changed { sealed, message })
    }
}
