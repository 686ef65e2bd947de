//! The events that change what was said, as verbs of `chat`.

use super::chat_socket::ChatSocket;
use super::reply::Reply;
use crate::chat::Chats;
use crate::contract::{
    Deleted, Erasing, MessageEdited, NewText, Reacting, ReactionChanged, Refusal, Version,
};
use crate::model::ChangedMessage;

impl ChatSocket {
    /// The chats whose messages it may change: of rooms the first version knows nothing.
    fn chats(&self) -> Chats {
        match self.version() {
            Version::First => Chats::OfTwo,
            Version::Second => Chats::All,
        }
    }

    pub(super) fn edit(&self, new: NewText<'_>, reply: Reply) {
        let request = (new.message_id, new.content.0.into());
        let answer = move |result: Result<Box<ChangedMessage>, _>| match result {
            Ok(message) => reply.succeed(MessageEdited::of(&message)),
            Err(error) => reply.fail(&Refusal::from(error), None),
        };
        let chat = &self.door.verbs.chat;
        let chats = self.chats();
        chat.edit(self.now(), self.user, chats, request, self.origin(), answer);
    }

    pub(super) fn delete(&self, which: &Erasing, reply: Reply) {
        let message_id = which.message_id;
        let answer = move |result| reply.answer(result, |_| Deleted { message_id });
        let chat = &self.door.verbs.chat;
        let chats = self.chats();
        chat.delete(
            self.now(),
            self.user,
            chats,
            message_id,
            self.origin(),
            answer,
        );
    }

    pub(super) fn react(&self, new: Reacting, reply: Reply) {
        let Reacting {
            message_id,
            emoji,
            on,
        } = new;
        let user = self.user;
        let put = emoji.clone();
        let answer = move |result: Result<Box<ChangedMessage>, _>| match result {
            Ok(message) => reply.succeed(ReactionChanged::of(&message, user, put.as_str(), on)),
            Err(error) => reply.fail(&Refusal::from(error), None),
        };
        let request = (message_id, &emoji, on);
        let chat = &self.door.verbs.chat;
        chat.react(
            self.now(),
            user,
            self.chats(),
            request,
            self.origin(),
            answer,
        );
    }
}
