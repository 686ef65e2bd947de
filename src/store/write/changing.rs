//! Changes of messages where they lie: another text, none any more, other reactions.
//!
//! The entry that tells of a change is appended, and the message's own entry gets another value in
//! the same transaction. What is on its way to the disk is looked through first, the newest before
//! the older, so a message may be changed again before it is known whether the first change holds.

use std::time::Duration;

use super::staging::Staging;
use crate::model::{
    Act, Attachment, ChangedMessage, EntryId, ErasedMessage, Members, MessageChange, MessageId,
    MessagePart, Pair, Reactors, RoomHistory, RoomId, Timestamp, UserId,
};
use crate::store::change::Talk;
use crate::store::error::StoreError;
use crate::store::log::changed::Parts;
use crate::store::log::record::Record;
use crate::store::talk::client_ids::is_old;
use crate::store::talk::conversation::remains_of;
use crate::store::talk::message_changes::{Since, as_known, check_amount, does_anything};
use crate::store::talk::reactions::Own;
use crate::store::talk::refusal::TalkRefusal;
use crate::store::talk::rooms::remains_in_room;

/// A message that an act is to change.
pub(super) struct Changing {
    sealed: Vec<u8>,
    created_at: Timestamp,
    /// Its number in its chat.
    pub(super) number: u64,
    /// The place of its sender among two people, and its number among theirs; 0 in a room.
    place_and_rank: (usize, u64),
    /// As it is before.
    pub(super) message: ChangedMessage,
    is_gone: bool,
}

/// What the author of an act is to a message.
pub(super) struct Standing {
    /// They may read it.
    pub(super) is_reader: bool,
    /// They may erase it.
    pub(super) may_erase: bool,
    /// Their place among two people.
    pub(super) place: Option<usize>,
    /// The emoji that they have put on it, where the act asks for that.
    pub(super) own: Own,
}

/// What a message becomes.
pub(super) struct Changed {
    /// Its sealed value.
    pub(super) sealed: Vec<u8>,
    /// As it is by then.
    pub(super) message: ChangedMessage,
    /// The files that hung on it, and no more.
    pub(super) freed: Vec<Attachment>,
}

/// Returns an act of talk as the message knows it that it changes: [`as_known`].
pub(super) fn talk_as_known(talk: &Talk, of: &Changing, standing: &Standing) -> Option<Talk> {
    let Act::MessageChanged { message, change } = &talk.act else {
        return None;
    };
    let change = as_known(change, &of.message, &standing.own)?;
    Some(Talk {
        act: Act::MessageChanged {
            message: *message,
            change,
        },
        ..talk.clone()
    })
}

impl Staging<'_> {
    /// Gives a message the value that it has become, and its files back. Returns it.
    pub(super) fn rewrite(&mut self, changed: Changed) -> Box<ChangedMessage> {
        let id = changed.message.id.into();
        self.appended.entries.rewrite(id, changed.sealed);
        self.people().files().free(&changed.freed);
        Box::new(changed.message)
    }
}

impl Changing {
    /// Reads a message of these two from its sealed value.
    pub(super) fn of_pair(id: MessageId, pair: Pair, sealed: Vec<u8>) -> Result<Self, StoreError> {
        Self::of(id, sealed, |record| remains_of(id, pair, record))
    }

    /// Reads one of a room, likewise.
    pub(super) fn of_room(
        id: MessageId,
        (room, history): (RoomId, RoomHistory),
        sealed: Vec<u8>,
    ) -> Result<Self, StoreError> {
        let remains = |record: &Record<&str>| remains_in_room(id, room, history, record);
        Self::of(id, sealed, remains)
    }

    fn of(
        id: MessageId,
        sealed: Vec<u8>,
        remains: impl FnOnce(&Record<&str>) -> ChangedMessage,
    ) -> Result<Self, StoreError> {
        let record = Record::decode(id.into(), &sealed)?;
        if !record.is_message() {
            return Err(TalkRefusal::NoSuchMessage.into());
        }
        Ok(Self {
            created_at: record.at,
            number: record.links.number,
            place_and_rank: (record.place(), record.rank),
            message: remains(&record),
            is_gone: matches!(record.act, Act::Erased { .. }),
            sealed,
        })
    }

    /// Judges what the chat alone does not. Returns whether the act changes anything: to do again
    /// what was done changes nothing and is no mistake.
    pub(super) fn judge(
        &self,
        now: Timestamp,
        (author, change): (UserId, &MessageChange),
        standing: &Standing,
        edit_window: Option<Duration>,
    ) -> Result<bool, TalkRefusal> {
        if !standing.is_reader {
            return Err(TalkRefusal::NoSuchMessage);
        }
        match change.part() {
            MessagePart::Whole if !standing.may_erase => Err(TalkRefusal::NotSender),
            MessagePart::Whole => Ok(!self.is_gone),
            _ if self.is_gone => Err(TalkRefusal::NoSuchMessage),
            MessagePart::Text if !self.is_of(author) => Err(TalkRefusal::NotSender),
            MessagePart::Text if self.says(change) => Ok(false),
            MessagePart::Text => {
                let is_over = |window| now >= self.created_at.plus(window);
                match edit_window.is_some_and(is_over) {
                    true => Err(TalkRefusal::EditWindowOver),
                    false => Ok(true),
                }
            }
            MessagePart::Beside if !does_anything(change, &standing.own) => Ok(false),
            MessagePart::Beside => {
                check_amount(&self.message, change, &standing.own)?;
                Ok(true)
            }
        }
    }

    /// Returns whether it has the text already that it is to have.
    fn says(&self, change: &MessageChange) -> bool {
        match change {
            MessageChange::Edited { content } => content.as_ref() == Some(&self.message.content),
            _ => false,
        }
    }

    /// Returns whether it is erased already.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Returns what its chat knows of it.
    pub(super) fn known(&self) -> ErasedMessage {
        let (place, rank) = self.place_and_rank;
        ErasedMessage {
            id: self.message.id,
            number: self.number,
            place,
            rank,
        }
    }

    /// Returns whether this person wrote it.
    pub(super) fn is_of(&self, user: UserId) -> bool {
        self.message.sender_id == user
    }

    /// Returns what the member of a pair at this place has put on it.
    fn own_of(&self, place: usize) -> Own {
        let reactions = self.message.reactions().iter();
        let own = reactions
            .filter(|reaction| matches!(reaction.by, Reactors::OfPair(_)) && reaction.is_of(place));
        own.map(|reaction| reaction.emoji.clone()).collect()
    }

    /// Returns what an author of these two is to it; one who moderates is as its sender.
    pub(super) fn standing_of_pair(&self, author: UserId, moderates: bool) -> Standing {
        let place = match self.message.members {
            Members::Pair(pair) => pair.place(author),
            Members::Room(_) | Members::Own(_) => None,
        };
        Standing {
            is_reader: moderates || place.is_some(),
            may_erase: moderates || self.is_of(author),
            own: place.map_or_else(Own::new, |place| self.own_of(place)),
            place,
        }
    }

    /// Returns what the message becomes by a change of this time. `hash` gives the keyed hash of
    /// its text.
    pub(super) fn changed(
        self,
        at: Timestamp,
        change: &MessageChange,
        standing: &Standing,
        hash: impl FnOnce(&str) -> u64,
    ) -> Result<Changed, StoreError> {
        let mut parts = Parts::of(self.message.id.into(), &self.sealed)?;
        match change.part() {
            // Whoever sends it again within a day makes no second one.
            MessagePart::Whole => return self.erased(Timestamp::default()),
            MessagePart::Text => {
                if let MessageChange::Edited {
                    content: Some(content),
                } = change
                {
                    parts.edit(content, at, hash(&self.message.content));
                }
            }
            MessagePart::Beside => {
                let mut since = Since::of(&self.message);
                since.take(change, standing.place, at);
                since.put_beside(&mut parts);
            }
        }
        self.sealed_as(parts, Vec::new())
    }

    /// Returns what is left of the message once it is erased. Its client id is among that, unless
    /// those of its time are forgotten by `now`: it would be nearly half of it.
    pub(super) fn erased(mut self, now: Timestamp) -> Result<Changed, StoreError> {
        let mut parts = Parts::of(self.message.id.into(), &self.sealed)?;
        parts.erase();
        if is_old(self.created_at, now) {
            parts.forget_client_id();
        }
        let extras = self.message.extras.take();
        let freed = extras.map_or_else(Vec::new, |extras| extras.attachments);
        self.sealed_as(parts, freed)
    }

    fn sealed_as(self, parts: Parts, freed: Vec<Attachment>) -> Result<Changed, StoreError> {
        let id = self.message.id;
        let entry = EntryId::from(id);
        let sealed = parts.seal(entry);
        let record = Record::decode(entry, &sealed)?;
        let message = match self.message.members {
            Members::Pair(pair) => remains_of(id, pair, &record),
            Members::Room(room) => remains_in_room(id, room, self.message.history, &record),
            Members::Own(_) => self.message,
        };
        Ok(Changed {
            sealed,
            message,
            freed,
        })
    }
}
