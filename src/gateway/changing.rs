//! The events that change what was said, as verbs of `chat`.

use super::chat_socket::ChatSocket;
use super::reply::Reply;
use crate::contract::{
    Deleted, Erasing, MessageEdited, NewText, Reacting, ReactionChanged, Refusal,
};
use crate::model::Message;

impl ChatSocket {
    pub(super) fn edit(&self, new: NewText<'_>, reply: Reply) {
        let request = (new.message_id, new.content.0.into());
        let answer = move |result: Result<Box<Message>, _>| match result {
            Ok(message) => reply.succeed(MessageEdited::of(&message)),
            Err(error) => reply.fail(&Refusal::from(error), None),
        };
        let chat = &self.door.verbs.chat;
        chat.edit(self.now(), self.user, request, self.origin(), answer);
    }

    pub(super) fn delete(&self, which: &Erasing, reply: Reply) {
        let message_id = which.message_id;
        let answer = move |result| reply.answer(result, |_| Deleted { message_id });
        let chat = &self.door.verbs.chat;
        chat.delete(self.now(), self.user, message_id, self.origin(), answer);
    }

    pub(super) fn react(&self, new: Reacting, reply: Reply) {
        let Reacting {
            message_id,
            emoji,
            on,
        } = new;
        let user = self.user;
        let put = emoji.clone();
        let answer = move |result: Result<Box<Message>, _>| match result {
            Ok(message) => reply.succeed(ReactionChanged::of(&message, user, put.as_str(), on)),
            Err(error) => reply.fail(&Refusal::from(error), None),
        };
        let request = (message_id, &emoji, on);
        let chat = &self.door.verbs.chat;
        chat.react(self.now(), user, request, self.origin(), answer);
    }
}
