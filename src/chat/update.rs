//! The durable events as a person is told of them: by a socket, by catching up, and by REST alike.
//!
//! One change is one entry of the log and leads to one or more events for each person concerned, in this order; a cursor
//! names an entry and the number of an event in it.

use serde::Serialize;

use crate::model::{
    ChatRead, ClientId, Cursor, Message, MessageId, MessageRead, Timestamp, UserId,
};
use crate::store::{Missed, MissedChange};

/// One durable event for one person.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub enum Update<'a> {
    /// `receive_message`, to the receiver:
    /// `{"id":10,"sender_id":1,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z"}`
    ReceiveMessage {
        /// Which.
        id: MessageId,
        /// Who wrote it.
        sender_id: UserId,
        /// Whom it is for.
        receiver_id: UserId,
        /// The text.
        content: &'a str,
        /// When.
        created_at: Timestamp,
    },
    /// `message_sent`, to the sender, and the data of `send_message`'s ack:
    /// `{"id":10,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z","client_id":"…"?}`
    MessageSent {
        /// Which.
        id: MessageId,
        /// Whom it is for.
        receiver_id: UserId,
        /// The text.
        content: &'a str,
        /// When.
        created_at: Timestamp,
        /// The sender's own name for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a ClientId>,
    },
    /// `messege_read` (so spelled from the first document on), to the message's sender and its reader:
    /// `{"message_id":10,"user_id":2}`, the user being the reader.
    MessegeRead {
        /// Which.
        message_id: MessageId,
        /// Who read it.
        user_id: UserId,
    },
    /// `chat_read`, to both: `{"reader_id":2,"peer_id":1,"up_to":57}`
    ChatRead {
        /// Who read.
        reader_id: UserId,
        /// Whose messages.
        peer_id: UserId,
        /// Up to and including which.
        up_to: Option<MessageId>,
    },
}

impl<'a> Update<'a> {
    /// The event's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ReceiveMessage { .. } => "receive_message",
            Self::MessageSent { .. } => "message_sent",
            Self::MessegeRead { .. } => "messege_read",
            Self::ChatRead { .. } => "chat_read",
        }
    }

    /// What the sender hears of a message.
    pub fn sent(message: &'a Message) -> Self {
        Self::MessageSent {
            id: message.id,
            receiver_id: message.receiver_id,
            content: &message.content,
            created_at: message.created_at,
            client_id: message.client_id.as_ref(),
        }
    }

    /// What the receiver hears of a message.
    pub fn received(message: &'a Message) -> Self {
        Self::ReceiveMessage {
            id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: &message.content,
            created_at: message.created_at,
        }
    }

    /// What both hear of a read mark.
    pub const fn read(read: &MessageRead) -> Self {
        Self::MessegeRead {
            message_id: read.message_id,
            user_id: read.reader_id,
        }
    }

    /// What both hear of a chat that was read: once the chat, then each message that changed.
    pub fn chat_read(read: &ChatRead) -> impl Iterator<Item = Self> {
        let user_id = read.reader_id;
        let chat = Self::ChatRead {
            reader_id: read.reader_id,
            peer_id: read.peer_id,
            up_to: read.up_to,
        };
        let messages = read
            .changed
            .iter()
            .map(move |message_id| Self::MessegeRead {
                message_id: *message_id,
                user_id,
            });
        std::iter::once(chat).chain(messages)
    }
}

/// The events of a change that a person missed, with their cursors.
pub fn updates(missed: &Missed, user: UserId) -> impl Iterator<Item = (Cursor, Update<'_>)> {
    let updates: Vec<Update<'_>> = match &missed.change {
        MissedChange::Message(message) if message.sender_id == user => vec![Update::sent(message)],
        MissedChange::Message(message) => vec![Update::received(message)],
        MissedChange::Read(read) => vec![Update::read(read)],
        MissedChange::ChatRead(read) => Update::chat_read(read).collect(),
    };
    let entry = missed.entry.get();
    (0..)
        .zip(updates)
        .map(move |(event, update)| (Cursor { entry, event }, update))
}
