//! Lines of entries that changed messages. What they came to is in the lines of the messages.

use super::{Import, Taken};
use crate::model::{Act, EntryId, MessageId, Moderator, Pair, Reaction, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::maintain::lines::ReactionLine;
use crate::store::talk::conversation::Decision;

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

    pub(super) fn reaction(
        &mut self,
        id: EntryId,
        message: MessageId,
        author: UserId,
        (emoji, on): (&str, bool),
        at: Timestamp,
    ) -> Taken {
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
                members,
            }),
        }
    };
    lines.iter().map(reaction).collect()
}
