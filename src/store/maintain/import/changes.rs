//! Lines of entries that changed messages. What they came to is in the lines of the messages.

use super::{Import, Taken};
use crate::model::{
    Act, Emoji, EntryId, ErasedMessage, Erasure, MessageId, Moderator, Pair, Reaction, Reactors,
    RoomId, Stream, Timestamp, UserId,
};
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Author;
use crate::store::maintain::check::{judge_change, judge_room};
use crate::store::maintain::lines::ReactionLine;
use crate::store::talk::conversation::Decision;
use crate::store::talk::reactions;

impl Import<'_> {
    pub(super) fn edit(
        &mut self,
        id: EntryId,
        message: MessageId,
        author: UserId,
        at: Timestamp,
    ) -> Taken {
        let act = Act::Edited {
            message,
            content: None,
        };
        self.change(id, message, author, at, &act)
    }

    pub(super) fn delete(
        &mut self,
        id: EntryId,
        message: MessageId,
        author: Option<UserId>,
        at: Timestamp,
    ) -> Taken {
        if let Some(room) = self.room_of(message)? {
            let author = author.map_or(Author::Server, Author::Account);
            let by = None;
            return self.change_in_room(id, (room, author), at, Act::Deleted { message, by });
        }
        let Some((pair, place)) = self.sender_of(message)? else {
            return Ok(Err(format!("there is no message {message}")));
        };
        let sender = pair.members()[place];
        let by = match author {
            None => Some(Moderator::Server),
            Some(author) => (author != sender).then_some(Moderator::Account(author)),
        };
        self.change(id, message, sender, at, &Act::Deleted { message, by })
    }

    pub(super) fn erase_many(
        &mut self,
        id: EntryId,
        room: Option<RoomId>,
        mut erasure: Erasure,
        messages: &[MessageId],
        at: Timestamp,
    ) -> Taken {
        let mut found = None;
        for message in messages {
            let read = self.written().read((*message).into(), |record| {
                let erased = ErasedMessage {
                    id: *message,
                    number: record.links.number,
                    place: record.place(),
                    rank: record.rank,
                };
                record.is_message().then_some((erased, record.stream))
            });
            let (erased, stream) = match read {
                Ok(Some(read)) => read,
                Ok(None) | Err(StoreError::Damaged { .. }) => {
                    return Ok(Err(format!("there is no message {message}")));
                }
                Err(error) => return Err(error.into()),
            };
            let ascends = erasure.messages.last();
            let ascends = ascends.is_none_or(|last| last.number < erased.number);
            if *found.get_or_insert(stream) != stream || !ascends {
                return Ok(Err(format!("message {message} does not follow the others")));
            }
            erasure.messages.push(erased);
        }
        if erasure.before.is_some_and(|before| before.get() > id.get()) {
            return Ok(Err("is of messages that come later".into()));
        }
        let stream = room.map_or(found, |room| Some(Stream::Room(room)));
        match stream {
            Some(Stream::Room(room)) => {
                let act = Act::ErasedMany(Box::new(erasure));
                self.change_in_room(id, (room, Author::Server), at, act)
            }
            Some(Stream::Pair(conversation)) => {
                if let Err(wrong) = self.next(id, erasure.sender.as_slice(), at) {
                    return Ok(Err(wrong));
                }
                let Some(known) = self.state.conversation(conversation) else {
                    return Ok(Err("is of no conversation".into()));
                };
                let author = known.pair.members()[0];
                let act = Act::ErasedMany(Box::new(erasure));
                match self.decide(conversation, author, at, &act)? {
                    Ok(Decision::Append(record)) => self.append(id, &record),
                    _ => Ok(Err("erases what is not so".into())),
                }
            }
            Some(Stream::Own(_)) | None => Ok(Err("is of no chat".into())),
        }
    }

    pub(super) fn reaction(
        &mut self,
        id: EntryId,
        message: MessageId,
        author: UserId,
        (emoji, on): (Option<&str>, bool),
        at: Timestamp,
    ) -> Taken {
        if emoji.is_none_or(str::is_empty) && !self.is_erased(message)? {
            return Ok(Err(
                "emoji is missing, and the message was not deleted".into()
            ));
        }
        if let Some(Err(wrong)) = emoji.filter(|emoji| !emoji.is_empty()).map(Emoji::new) {
            return Ok(Err(wrong.to_string()));
        }
        let emoji = emoji.unwrap_or_default();
        let act = Act::Reacted { message, emoji, on };
        self.change(id, message, author, at, &act)
    }

    fn change(
        &mut self,
        id: EntryId,
        message: MessageId,
        author: UserId,
        at: Timestamp,
        act: &Act<&str>,
    ) -> Taken {
        if let Some(room) = self.room_of(message)? {
            return self.change_in_room(id, (room, Author::Account(author)), at, act.clone());
        }
        if let Err(wrong) = self.next(id, &[author], at) {
            return Ok(Err(wrong));
        }
        let found = self.sender_of(message)?;
        let conversation = found.and_then(|(pair, _)| self.pairs.get(&pair).copied());
        let decided = match conversation {
            Some(conversation) => self.decide(conversation, author, at, act)?.ok(),
            None => None,
        };
        match decided {
            Some(Decision::Append(record)) => self.append(id, &record),
            Some(Decision::Nothing(_)) | None => Ok(Err(format!(
                "message {message} is none that user {author} can change so"
            ))),
        }
    }

    /// Takes a change of a message of a room.
    fn change_in_room(
        &mut self,
        id: EntryId,
        (room, author): (RoomId, Author),
        at: Timestamp,
        act: Act<&str>,
    ) -> Taken {
        let who = match author {
            Author::Account(user) => Some(user),
            Author::Member(_) | Author::Server => None,
        };
        if let Err(wrong) = self.next(id, who.as_slice(), at) {
            return Ok(Err(wrong));
        }
        let Some(head) = self.state.rooms.head(room) else {
            return Ok(Err(format!("there is no room {room}")));
        };
        let mut record = head.record(author, at, act);
        if let Act::Deleted { message, .. } = record.act {
            let number = self
                .written()
                .read(message.into(), |record| record.links.number);
            record.links.number = number?;
        }
        let wrong = judge_room(&self.state.rooms, &record);
        let wrong = match wrong {
            Some(wrong) => Some(wrong),
            None => judge_change(&self.written(), &record)?,
        };
        if let Some(wrong) = wrong {
            return Ok(Err(wrong.into()));
        }
        match (&record.act, who) {
            // Of one that is gone, nobody's are kept.
            (Act::Reacted { message, .. }, _) if self.is_erased(*message)? => {}
            (Act::Reacted { message, emoji, on }, Some(user)) => {
                let mut own = reactions::get(&self.reactions, *message, user)?;
                if *on == own.iter().any(|own| &**own == *emoji) {
                    return Ok(Err("changes nothing of the reactions".into()));
                }
                own.retain(|own| &**own != *emoji);
                own.extend(on.then(|| (*emoji).into()));
                reactions::put(&mut self.reactions, *message, user, &own)?;
            }
            (Act::Deleted { .. } | Act::ErasedMany(_), _) => {
                for message in record.act.all_changed() {
                    reactions::erase(&mut self.reactions, message)?;
                }
            }
            _ => {}
        }
        self.append(id, &record)
    }

    /// Returns whether a message is one that was deleted.
    fn is_erased(&self, message: MessageId) -> Result<bool, StoreError> {
        let found = self
            .written()
            .read(message.into(), |it| matches!(it.act, Act::Erased { .. }));
        match found {
            Err(StoreError::Damaged { .. }) => Ok(false),
            found => found,
        }
    }

    /// Returns the room of a message, where it is one of a room.
    fn room_of(&self, message: MessageId) -> Result<Option<RoomId>, StoreError> {
        let found = self
            .written()
            .read(message.into(), |record| match record.stream {
                Stream::Room(room) if record.is_message() => Some(room),
                _ => None,
            });
        match found {
            Err(StoreError::Damaged { .. }) => Ok(None),
            found => found,
        }
    }

    /// Returns who shares the conversation of a message, and the place of its sender among them;
    /// `None` where there is no such message.
    fn sender_of(&self, message: MessageId) -> Result<Option<(Pair, usize)>, StoreError> {
        let found = self.written().read(message.into(), |record| {
            record
                .is_message()
                .then(|| (record.stream.pair(), record.place()))
        });
        let (conversation, place) = match found {
            Ok(Some((Some(conversation), place))) => (conversation, place),
            Ok(_) | Err(StoreError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let known = self.state.conversation(conversation);
        Ok(known.map(|known| (known.pair, place)))
    }
}

/// Reads the reactions of a message between these two. The error says what is wrong.
pub(super) fn reactions<'a>(
    [sender, receiver]: [UserId; 2],
    lines: &'a [ReactionLine<'_>],
) -> Result<Vec<Reaction<&'a str>>, String> {
    let Some(pair) = Pair::new(sender, receiver) else {
        return Ok(Vec::new());
    };
    let reaction = |line: &'a ReactionLine<'_>| {
        let mut members = 0;
        for user in &line.user_ids {
            let place = pair.place(*user);
            let place = place.ok_or(format!("user {user} cannot react to it"))?;
            members |= 1 << place;
        }
        match members {
            0 => Err("a reaction is nobody's".to_owned()),
            members => Ok(Reaction {
                emoji: &*line.emoji,
                by: Reactors::OfPair(members),
            }),
        }
    };
    lines.iter().map(reaction).collect()
}
