//! The verbs that change what was said: editing, deleting, reacting.

use std::sync::Arc;

use super::{Chat, ChatError};
use crate::model::{Emoji, Message, MessageId, Origin, Timestamp, UserId, check_content};
use crate::store::{Outcome, Talk};

impl Chat {
    /// Gives a message of the author's own another text. Replies with the message as it is then; to
    /// give it the text that it has changes nothing.
    pub fn edit(
        &self,
        now: Timestamp,
        author: UserId,
        (message, content): (MessageId, Arc<str>),
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Box<Message>, ChatError>) + Send + 'static,
    ) {
        if let Err(error) = check_content(&content, self.rules.max_message_chars) {
            return reply(Err(error.into()));
        }
        let talk = Talk::edit(author, message, content);
        self.submit(now, talk, origin, changed, reply);
    }

    /// Erases a message of the author's own. To erase it again changes nothing.
    pub fn delete(
        &self,
        now: Timestamp,
        author: UserId,
        message: MessageId,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Box<Message>, ChatError>) + Send + 'static,
    ) {
        let talk = Talk::delete(author, message);
        self.submit(now, talk, origin, changed, reply);
    }

    /// Erases any message, for an administrator of the server.
    pub fn moderate(
        &self,
        now: Timestamp,
        moderator: UserId,
        message: MessageId,
        reply: impl FnOnce(Result<Box<Message>, ChatError>) + Send + 'static,
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
        (message, emoji, on): (MessageId, &Emoji, bool),
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Box<Message>, ChatError>) + Send + 'static,
    ) {
        let talk = Talk::react(author, message, emoji.as_str().into(), on);
        self.submit(now, talk, origin, changed, reply);
    }
}

/// Returns the message that an act has changed, or found as it was to be.
fn changed(outcome: Result<Outcome, ChatError>) -> Result<Box<Message>, ChatError> {
    match outcome? {
        Outcome::Entry(notice) => notice.message.ok_or(ChatError::Internal),
        Outcome::Unchanged(message) => Ok(message),
        Outcome::Repeated(_) | Outcome::Nothing(_) => Err(ChatError::Internal),
    }
}
