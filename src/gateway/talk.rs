//! The events of talk as verbs of `chat`: messages, read marks, typing.

use std::sync::Arc;

use super::chat_socket::ChatSocket;
use super::memory::SharedMemory;
use super::reply::Reply;
use crate::chat::{AnyMark, ChatError, Mark, RoomMark, SendMessage, SendToRoom};
use crate::contract::{
    FieldError, Fields, MarkedChatRead, MarkedRead, NamedFile, NewMessage, NewRoomMessage, Nothing,
    Refusal, RoomReadUpTo, Text, TypingInRoom, TypingTo, Update, Version, WholeRead, WholeRoomRead,
};
use crate::model::{
    Attachment, Blocked, ChatId, EntryId, Extras, MessageId, Origin, ReplyTo, UserId,
};

/// In 16 chats may be told at once that one person is typing; with another one, in the first is
/// told that they have stopped.
const MAX_TYPING_TO: usize = 16;

/// Where a socket has told that its person is typing.
pub(super) struct Typed {
    to: ChatId,
    /// Who of a room did not hear of it: those whom the person had blocked then.
    but: Blocked,
}

impl ChatSocket {
    pub(super) fn send(&self, new: NewMessage<'_>, reply: Reply) {
        let client_id = new.client_id.clone();
        let attachments = named_files(new.attachments);
        let Some(content) = text_beside(new.content, &attachments) else {
            let missing = FieldError::Missing("content");
            return reply.fail(&Refusal::from(missing), client_id.as_ref());
        };
        let request = SendMessage {
            receiver_id: new.receiver_id,
            content,
            client_id: new.client_id,
            extras: Extras {
                reply_to: new.reply_to.map(ReplyTo::new),
                meta: new.meta,
                attachments,
                ..Extras::default()
            }
            .boxed(),
        };
        let version = self.version();
        let answer = move |result| match result {
            Ok(notice) => reply.succeed(Update::sent(&notice, version)),
            Err(error) => reply.fail(&Refusal::from(error), client_id.as_ref()),
        };
        let chat = &self.door.verbs.chat;
        chat.send(self.now(), self.user, request, self.origin(), answer);
    }

    /// Checks whom a message to a person mentions: none but the two, whom it reaches anyhow. In
    /// version 1 these are keys of the app's own, if any.
    pub(super) fn check_mentions(
        &self,
        fields: &Fields<'_>,
        receiver: UserId,
    ) -> Result<(), FieldError> {
        if self.version() < Version::Second {
            return Ok(());
        }
        let key = "mentions";
        let mentions: Option<Vec<UserId>> = fields.optional(key)?;
        let of_two = |id: &UserId| *id == receiver || *id == self.user;
        if mentions.is_some_and(|ids| !ids.iter().all(of_two)) {
            let reason = "of a chat of two only its people can be mentioned".to_owned();
            return Err(FieldError::Invalid { key, reason });
        }
        fields.optional::<bool>("mention_all").map(drop)
    }

    pub(super) fn send_to_room(&self, new: NewRoomMessage<'_>, reply: Reply) {
        let client_id = new.client_id.clone();
        let attachments = named_files(new.attachments);
        let Some(content) = text_beside(new.content, &attachments) else {
            let missing = FieldError::Missing("content");
            return reply.fail(&Refusal::from(missing), client_id.as_ref());
        };
        let extras = Extras {
            reply_to: new.reply_to.map(ReplyTo::new),
            attachments,
            mentions: new.mentions.unwrap_or_default().into(),
            mention_all: new.mention_all.unwrap_or(false),
            meta: new.meta,
            ..Extras::default()
        };
        let request = SendToRoom {
            room_id: new.room_id,
            content,
            client_id: new.client_id,
            extras: extras.boxed(),
        };
        let answer = move |result| match result {
            Ok(notice) => reply.succeed(Update::sent(&notice, Version::Second)),
            Err(error) => reply.fail(&Refusal::from(error), client_id.as_ref()),
        };
        let chat = &self.door.verbs.chat;
        chat.send_to_room(self.now(), self.user, request, self.origin(), answer);
    }

    pub(super) fn mark_room_read(&self, read: &WholeRoomRead, reply: Reply) {
        let memory = self.memory();
        let answer = move |result: Result<RoomMark, _>| {
            note_own_mark(memory, result.as_ref().ok().and_then(|mark| mark.entry));
            reply.answer(result, |mark| RoomReadUpTo::from(mark.read));
        };
        let (now, origin) = (self.now(), self.origin());
        let chat = &self.door.verbs.chat;
        chat.mark_room_read(now, self.user, read.room_id, read.up_to, origin, answer);
    }

    /// Marks one message read, which may be a room's.
    fn mark_any_read(&self, message_id: MessageId, reply: Reply) {
        let memory = self.memory();
        let answer = move |result: Result<AnyMark, _>| {
            let entry = result.as_ref().ok().and_then(|mark| match mark {
                AnyMark::Pair(mark) => mark.entry,
                AnyMark::Room(mark) => mark.entry,
            });
            note_own_mark(memory, entry);
            reply.answer(result, |_| MarkedRead { message_id });
        };
        let chat = &self.door.verbs.chat;
        chat.mark_any_read(self.now(), self.user, message_id, self.origin(), answer);
    }

    pub(super) fn typing_in_room(&mut self, typing: &TypingInRoom, reply: Reply) {
        self.types(ChatId::Room(typing.room_id), typing.is_typing, reply);
    }

    pub(super) fn mark_read(&self, message_id: MessageId, reply: Reply) {
        if self.version() >= Version::Second {
            return self.mark_any_read(message_id, reply);
        }
        let memory = self.memory();
        let answer = move |result: Result<Mark, _>| {
            note_own_mark(memory, result.as_ref().ok().and_then(|mark| mark.entry));
            reply.answer(result, |_| MarkedRead { message_id });
        };
        let chat = &self.door.verbs.chat;
        chat.mark_read(self.now(), self.user, message_id, self.origin(), answer);
    }

    pub(super) fn mark_chat_read(&self, read: &WholeRead, reply: Reply) {
        let memory = self.memory();
        let user_id = read.user_id;
        let answer = move |result: Result<Mark, _>| {
            note_own_mark(memory, result.as_ref().ok().and_then(|mark| mark.entry));
            reply.answer(result, |mark| MarkedChatRead {
                user_id,
                count: mark.count,
            });
        };
        let (now, origin) = (self.now(), self.origin());
        let chat = &self.door.verbs.chat;
        chat.mark_chat_read(now, self.user, read.user_id, read.up_to, origin, answer);
    }

    pub(super) fn typing(&mut self, typing: &TypingTo, reply: Reply) {
        self.types(ChatId::Person(typing.receiver_id), typing.is_typing, reply);
    }

    fn types(&mut self, chat: ChatId, is_typing: bool, reply: Reply) {
        let typed = Typed {
            to: chat,
            but: match chat {
                ChatId::Person(_) => Blocked::default(),
                ChatId::Room(_) => self.door.verbs.chat.all_blocked_by(self.user),
            },
        };
        let known = self.typing_to.iter().position(|typed| typed.to == chat);
        let known = known.map(|at| self.typing_to.remove(at));
        // Whom its person has blocked since hears the end of it, and nothing after that.
        let known = known.filter(|known| {
            let is_unchanged = known.but.is_unchanged(&typed.but);
            if !is_unchanged {
                self.end_typing(known);
            }
            is_unchanged
        });
        let told = self.tell_typing(&typed, is_typing);
        match (&told, known) {
            (Ok(true), _) if is_typing => self.note_typing(typed),
            (Ok(true), _) => {}
            // Who heard that its person is typing hears the end of it, though no more than that.
            (_, Some(known)) => self.end_typing(&known),
            (_, None) => {}
        }
        reply.answer(told, |_| Nothing {});
    }

    /// Notes where this socket has told that its person is typing, so that those there hear of the
    /// end when it is gone.
    fn note_typing(&mut self, typed: Typed) {
        if self.typing_to.len() >= MAX_TYPING_TO {
            let first = self.typing_to.remove(0);
            self.end_typing(&first);
        }
        self.typing_to.push(typed);
    }

    /// Tells all who were told that its person is typing that they have stopped.
    pub(super) fn stop_typing(&mut self) {
        for typed in std::mem::take(&mut self.typing_to) {
            self.end_typing(&typed);
        }
    }

    /// Tells those who were told that its person is typing, and would not be by now, that they have
    /// stopped.
    pub(super) fn review_typing(&mut self) {
        for typed in std::mem::take(&mut self.typing_to) {
            match self.is_heard(&typed) {
                true => self.typing_to.push(typed),
                false => self.end_typing(&typed),
            }
        }
    }

    /// Returns whether all who heard that its person is typing would hear it still.
    fn is_heard(&self, typed: &Typed) -> bool {
        let chat = &self.door.verbs.chat;
        match typed.to {
            ChatId::Person(receiver) => chat.hears_typing(self.user, receiver),
            ChatId::Room(_) => typed.but.is_unchanged(&chat.all_blocked_by(self.user)),
        }
    }

    fn end_typing(&self, typed: &Typed) {
        let chat = &self.door.verbs.chat;
        match typed.to {
            ChatId::Person(receiver) => chat.typed(self.user, receiver),
            ChatId::Room(room) => chat.typed_in_room(self.user, room, &typed.but),
        }
    }

    fn tell_typing(&self, typed: &Typed, is_typing: bool) -> Result<bool, ChatError> {
        let chat = &self.door.verbs.chat;
        match typed.to {
            ChatId::Person(receiver) => chat.typing(self.user, receiver, is_typing),
            ChatId::Room(room) => chat.typing_in_room(self.user, room, is_typing, &typed.but),
        }
    }

    /// Notes that this socket's person looks at a chat, or does no more.
    pub(super) fn look_at(&self, at: ChatId, on: bool, reply: Reply) {
        let chat = &self.door.verbs.chat;
        let socket = Origin(self.socket.key());
        let noted = chat.look_at(self.now(), self.user, socket, at, on);
        reply.answer(noted, |()| Nothing {});
    }
}

/// Returns the files that a message names.
fn named_files(files: Option<Vec<NamedFile>>) -> Vec<Attachment> {
    let files = files.into_iter().flatten();
    files
        .map(|file| Attachment::named(file.id, file.alt))
        .collect()
}

/// Returns the text of a message, which may be absent beside files; `None` where it may not.
fn text_beside(text: Option<Text<'_>>, files: &[Attachment]) -> Option<Arc<str>> {
    match text {
        Some(text) => Some(text.0.into()),
        None => (!files.is_empty()).then(Arc::default),
    }
}

/// Notes that a socket has asked for a read mark, before its client is told that it is done.
fn note_own_mark(memory: Option<SharedMemory>, entry: Option<EntryId>) {
    if let (Some(memory), Some(entry)) = (memory, entry) {
        memory.lock().marked(entry);
    }
}
