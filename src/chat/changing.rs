//! The verb that changes what was said: by editing, deleting, reacting.

use super::{Chat, ChatError};
use crate::model::{
    Act, ChangedMessage, Emoji, MessageChange, MessageId, Origin, Timestamp, UserId, check_content,
};
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

/// What has become of a message.
#[derive(Debug)]
pub struct Changed {
    /// The message as it is then.
    pub message: Box<ChangedMessage>,
    /// The change as the log has it; `None` where all was so already.
    pub change: Option<MessageChange>,
}

impl Chat {
    /// Changes a message: with another text, which its author alone gives it; by erasing it, which
    /// admins of its room do as well; or in what hangs on it. Replies with the message as it is
    /// then. To do again what was done changes nothing.
    pub fn change(
        &self,
        now: Timestamp,
        author: UserId,
        chats: Chats,
        (message, change): (MessageId, MessageChange),
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Changed, ChatError>) + Send + 'static,
    ) {
        if let MessageChange::Edited {
            content: Some(content),
        } = &change
            && let Err(error) = check_content(content, self.rules.max_message_chars)
        {
            return reply(Err(error.into()));
        }
        // That is a verb of its own.
        if change.moderator().is_some() {
            return reply(Err(ChatError::NotSender));
        }
        let talk = chats.reach(Talk::change(author, message, change));
        self.submit(now, talk, origin, changed, reply);
    }

    /// Erases any message, for an administrator of the server.
    pub fn moderate(
        &self,
        now: Timestamp,
        moderator: UserId,
        message: MessageId,
        reply: impl FnOnce(Result<Changed, ChatError>) + Send + 'static,
    ) {
        let talk = Talk::moderate(moderator, message);
        self.submit(now, talk, None, changed, reply);
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

/// Returns what has become of a message.
fn changed(outcome: Result<Outcome, ChatError>) -> Result<Changed, ChatError> {
    match outcome? {
        Outcome::Entry(notice) => {
            let message = notice.message.ok_or(ChatError::Internal)?;
            let change = match notice.entry.act {
                Act::MessageChanged { change, .. } => Some(change),
                _ => None,
            };
            Ok(Changed { message, change })
        }
        Outcome::Unchanged(message) => Ok(Changed {
            message,
            change: None,
        }),
        Outcome::Repeated(_) | Outcome::Nothing(_) | Outcome::InRoom(_) => Err(ChatError::Internal),
    }
}
