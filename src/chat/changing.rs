//! The verbs that change what was said: editing, deleting, reacting.

use std::sync::Arc;

use super::{Chat, ChatError};
use crate::model::{ChangedMessage, Emoji, MessageId, Origin, Timestamp, UserId, check_content};
use crate::store::{Outcome, ReactorsPage, Talk};

/// Of which chats a message may be that is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chats {
    /// Those of two people: all that clients of version 1 know of.
    OfTwo,
    /// Rooms as well.
    All,
}

impl Chats {
    fn reach(self, talk: Talk) -> Talk {
        match self {
            Self::OfTwo => talk,
            Self::All => talk.in_any_chat(),
        }
    }
}

impl Chat {
    /// Gives a message of the author's own another text. Replies with the message as it is then; to
    /// give it the text that it has changes nothing.
    pub fn edit(
        &self,
        now: Timestamp,
        author: UserId,
        chats: Chats,
        (message, content): (MessageId, Arc<str>),
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Box<ChangedMessage>, ChatError>) + Send + 'static,
    ) {
        if let Err(error) = check_content(&content, self.rules.max_message_chars) {
            return reply(Err(error.into()));
        }
        let talk = chats.reach(Talk::edit(author, message, content));
        self.submit(now, talk, origin, changed, reply);
    }

    /// Erases a message of the author's own, or of a room of which they are an admin. To erase it
    /// again changes nothing.
    pub fn delete(
        &self,
        now: Timestamp,
        author: UserId,
        chats: Chats,
        message: MessageId,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Box<ChangedMessage>, ChatError>) + Send + 'static,
    ) {
        let talk = chats.reach(Talk::delete(author, message));
        self.submit(now, talk, origin, changed, reply);
    }

    /// Erases any message, for an administrator of the server.
    pub fn moderate(
        &self,
        now: Timestamp,
        moderator: UserId,
        message: MessageId,
        reply: impl FnOnce(Result<Box<ChangedMessage>, ChatError>) + Send + 'static,
    ) {
        let talk = Talk::moderate(moderator, message);
        self.submit(now, talk, None, changed, reply);
    }

    /// Puts an emoji on a message, or takes it away. Replies with the message as it is then; where
    /// it was so already nothing changes.
    pub fn react(
        &self,
        now: Timestamp,
        author: UserId,
        chats: Chats,
        (message, emoji, on): (MessageId, &Emoji, bool),
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Box<ChangedMessage>, ChatError>) + Send + 'static,
    ) {
        let talk = Talk::react(author, message, emoji.as_str().into(), on);
        let talk = chats.reach(talk);
        self.submit(now, talk, origin, changed, reply);
    }

    /// Returns who put which emoji on a message of a room of this person's; of one emoji alone,
    /// where that is given. `after` is where a page before ended.
    pub async fn reactors_in_room(
        &self,
        user: UserId,
        message: MessageId,
        emoji: Option<Emoji>,
        after: u64,
        limit: usize,
    ) -> Result<ReactorsPage, ChatError> {
        let page = self.store.read(move |snapshot| {
            snapshot.reactors_in_room(user, message, emoji.as_ref(), after, limit)
        });
        Ok(page.await?)
    }
}

/// Returns the message that an act has changed, or found as it was to be.
fn changed(outcome: Result<Outcome, ChatError>) -> Result<Box<ChangedMessage>, ChatError> {
    match outcome? {
        Outcome::Entry(notice) => notice.message.ok_or(ChatError::Internal),
        Outcome::Unchanged(message) => Ok(message),
        Outcome::Repeated(_) | Outcome::Nothing(_) | Outcome::InRoom(_) => Err(ChatError::Internal),
    }
}
