//! The events that change what was said, as the verb of `chat`.

use std::sync::Arc;

use super::chat_socket::ChatSocket;
use super::reply::Reply;
use crate::chat::{Changed, ChatError, Chats};
use crate::contract::{
    ChangeCommand, Deleted, Erasing, MessageEdited, NewText, Reacting, ReactionChanged, Refusal,
    Version,
};
use crate::model::{MessageChange, MessageId};

impl ChatSocket {
    /// The chats whose messages it may change: of rooms the first version knows nothing.
    fn chats(&self) -> Chats {
        match self.version() {
            Version::First => Chats::OfTwo,
            Version::Second => Chats::All,
        }
    }

    /// Changes a message as a client asks for it.
    pub(super) fn change(&self, command: ChangeCommand<'_>, reply: Reply) {
        match command {
            ChangeCommand::Edit(new) => self.edit(new, reply),
            ChangeCommand::Delete(which) => self.delete(&which, reply),
            ChangeCommand::React(new) => self.react(new, reply),
        }
    }

    fn edit(&self, new: NewText<'_>, reply: Reply) {
        let content = Some(new.content.0.into());
        let change = MessageChange::Edited { content };
        self.ask(new.message_id, change, move |result| match result {
            Ok(changed) => reply.succeed(MessageEdited::of(&changed.message)),
            Err(error) => reply.fail(&Refusal::from(error), None),
        });
    }

    fn delete(&self, which: &Erasing, reply: Reply) {
        let message_id = which.message_id;
        let change = MessageChange::Deleted { by: None };
        self.ask(message_id, change, move |result| {
            reply.answer(result, |_| Deleted { message_id });
        });
    }

    fn react(&self, new: Reacting, reply: Reply) {
        let (user, on) = (self.user, new.on);
        let emoji: Arc<str> = new.emoji.as_str().into();
        let change = MessageChange::Reacted {
            emoji: Arc::clone(&emoji),
            on,
        };
        self.ask(new.message_id, change, move |result| match result {
            Ok(Changed { message, change }) => {
                // As it is written on the message.
                let known = match change {
                    Some(MessageChange::Reacted { emoji, .. }) => emoji,
                    _ => message.written(&emoji).cloned().unwrap_or(emoji),
                };
                reply.succeed(ReactionChanged::of(&message, user, &known, on));
            }
            Err(error) => reply.fail(&Refusal::from(error), None),
        });
    }

    fn ask(
        &self,
        message: MessageId,
        change: MessageChange,
        answer: impl FnOnce(Result<Changed, ChatError>) + Send + 'static,
    ) {
        let (now, chats, what) = (self.now(), self.chats(), (message, change));
        let chat = &self.door.verbs.chat;
        chat.change(now, self.user, chats, what, self.origin(), answer);
    }
}
