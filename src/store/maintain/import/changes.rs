//! Lines of entries that changed messages. What they came to is in the lines of the messages.

use super::{Import, Taken};
use crate::model::{
    Act, EntryId, ErasedMessage, Erasure, MessageChange, MessageId, MessagePart, Moderator, Pair,
    Reaction, Reactors, RoomId, Stream, Timestamp, UserId,
};
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Author;
use crate::store::maintain::check::{judge_change, judge_room};
use crate::store::maintain::lines::{Line, ReactionLine};
use crate::store::talk::conversation::Decision;
use crate::store::talk::message_changes::{Row, asks_for_own, does_anything, row_after};
use crate::store::talk::reactions;

impl Import<'_> {
    /// Takes the line of a change of one message.
    pub(super) fn take_change(&mut self, line: &Line<'_>) -> Taken {
        let said = match line.change() {
            Ok(said) => said,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let (id, message, at) = (said.id, said.message, self.cut(said.at));
        if let Some(key) = said.left_out
            && !self.is_erased(message)?
        {
            return Ok(Err(format!(
                "{key} is missing, and the message was not deleted"
            )));
        }
        if let Some(room) = self.room_of(message)? {
            let author = said.by.map_or(Author::Server, Author::Account);
            let change = said.change;
            let act = Act::MessageChanged { message, change };
            return self.change_in_room(id, (room, author), at, act);
        }
        let (author, change) = match (said.change, said.by) {
            // Between two people its entry stands for the sender's.
            (MessageChange::Deleted { .. }, by) => {
                let Some((pair, place)) = self.sender_of(message)? else {
                    return Ok(Err(format!("there is no message {message}")));
                };
                let sender = pair.members()[place];
                let by = match by {
                    None => Some(Moderator::Server),
                    Some(by) => (by != sender).then_some(Moderator::Account(by)),
                };
                (sender, MessageChange::Deleted { by })
            }
            (change, Some(author)) => (author, change),
            (_, None) => return Ok(Err("is a change that nobody made".into())),
        };
        let act = Act::MessageChanged { message, change };
        self.change_of_two(id, message, author, at, &act)
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

    /// Takes a change of a message between two people.
    fn change_of_two(
        &mut self,
        id: EntryId,
        message: MessageId,
        author: UserId,
        at: Timestamp,
        act: &Act<&str>,
    ) -> Taken {
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
        if let Act::MessageChanged { message, change } = &record.act
            && change.part() == MessagePart::Whole
        {
            let message = *message;
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
        if let Err(wrong) = self.note_reactions(&record.act, who)? {
            return Ok(Err(wrong));
        }
        self.append(id, &record)
    }

    /// Notes what an act in a room makes of who reacted to which message.
    fn note_reactions(&mut self, act: &Act<&str>, author: Option<UserId>) -> Taken {
        if act.part() == Some(MessagePart::Whole) {
            for message in act.all_changed() {
                reactions::erase(&mut self.reactions, message)?;
            }
        }
        let (Act::MessageChanged { message, change }, Some(author)) = (act, author) else {
            return Ok(Ok(()));
        };
        // Of one that is gone, nobody's are kept.
        if !asks_for_own(change) || self.is_erased(*message)? {
            return Ok(Ok(()));
        }
        let own = reactions::get(&self.reactions, *message, author)?;
        if !does_anything(change, &own) {
            return Ok(Err("changes nothing of the reactions".into()));
        }
        match row_after(change, own) {
            Row::Same => {}
            Row::Own(own) => reactions::put(&mut self.reactions, *message, author, &own)?,
            Row::Gone => reactions::erase(&mut self.reactions, *message)?,
        }
        Ok(Ok(()))
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
