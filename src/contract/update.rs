//! The durable events as a person is told of them: by a socket, by catching up, and by REST alike.
//!
//! One change is one entry of the log and leads to one or more events for each person concerned, in this order; a cursor
//! names an entry and the number of an event in it.

use schemars::JsonSchema;
use serde::Serialize;

use super::documents::Event;
use crate::model::{
    ChatRead, ClientId, Cursor, Message, MessageId, MessageRead, Timestamp, UserId, row_bytes,
};
use crate::store::{Missed, MissedChange};

/// One durable event for one person.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Update<'a> {
    /// To the receiver.
    ReceiveMessage(ReceiveMessage<'a>),
    /// To the sender, and the data of `send_message`'s ack.
    MessageSent(MessageSent<'a>),
    /// To the message's sender and its reader.
    MessegeRead(MessegeRead),
    /// To both.
    ChatRead(ChatReadUpTo),
}

/// `receive_message`:
/// `{"id":10,"sender_id":1,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z"}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct ReceiveMessage<'a> {
    /// Grows in the order in which messages are stored.
    pub(crate) id: MessageId,
    /// Who wrote it.
    pub(crate) sender_id: UserId,
    /// Whom it is for.
    pub(crate) receiver_id: UserId,
    /// The text, as it was sent.
    pub(crate) content: &'a str,
    /// When the server took it.
    pub(crate) created_at: Timestamp,
}

/// `message_sent`:
/// `{"id":10,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z","client_id":"…"?}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessageSent<'a> {
    /// Grows in the order in which messages are stored.
    pub(crate) id: MessageId,
    /// Whom it is for.
    pub(crate) receiver_id: UserId,
    /// The text, as it was sent.
    pub(crate) content: &'a str,
    /// When the server took it.
    pub(crate) created_at: Timestamp,
    /// The sender's own name for it, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<&'a ClientId>,
}

/// `messege_read`, so spelled from the first document on: `{"message_id":10,"user_id":2}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessegeRead {
    /// Which message.
    pub(crate) message_id: MessageId,
    /// Who read it.
    pub(crate) user_id: UserId,
}

/// `chat_read`: `{"reader_id":2,"peer_id":1,"up_to":57}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "ChatRead")]
pub(crate) struct ChatReadUpTo {
    /// Who read.
    pub(crate) reader_id: UserId,
    /// Whose messages.
    pub(crate) peer_id: UserId,
    /// Up to and including which.
    pub(crate) up_to: Option<MessageId>,
}

const RECEIVE_MESSAGE: Event = Event::durable::<ReceiveMessage<'_>>(
    "receive_message",
    "A message came. To every socket of the receiver.",
);
const MESSAGE_SENT: Event = Event::durable::<MessageSent<'_>>(
    "message_sent",
    "A message is stored. To every socket of the sender, the sending one included.",
);
const MESSEGE_READ: Event = Event::durable::<MessegeRead>(
    "messege_read",
    "A message was read. To every socket of its sender, and to the reader's other sockets.",
);
const CHAT_READ: Event = Event::durable::<ChatReadUpTo>(
    "chat_read",
    "A chat was read, up to and including a message. To every socket of both, the calling one left out.",
);

/// The durable events.
pub(crate) const UPDATES: [Event; 4] = [RECEIVE_MESSAGE, MESSAGE_SENT, MESSEGE_READ, CHAT_READ];

impl<'a> Update<'a> {
    /// The event's name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::ReceiveMessage(_) => RECEIVE_MESSAGE.name,
            Self::MessageSent(_) => MESSAGE_SENT.name,
            Self::MessegeRead(_) => MESSEGE_READ.name,
            Self::ChatRead(_) => CHAT_READ.name,
        }
    }

    /// Returns how many bytes it takes as a row of a page, about.
    pub(crate) fn row_bytes(&self) -> usize {
        row_bytes(match self {
            Self::ReceiveMessage(message) => message.content,
            Self::MessageSent(message) => message.content,
            Self::MessegeRead(_) | Self::ChatRead(_) => "",
        })
    }

    /// What the sender hears of a message.
    pub(crate) fn sent(message: &'a Message) -> Self {
        Self::MessageSent(MessageSent {
            id: message.id,
            receiver_id: message.receiver_id,
            content: &message.content,
            created_at: message.created_at,
            client_id: message.client_id.as_ref(),
        })
    }

    /// What the receiver hears of a message.
    pub(crate) fn received(message: &'a Message) -> Self {
        Self::ReceiveMessage(ReceiveMessage {
            id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: &message.content,
            created_at: message.created_at,
        })
    }

    /// What both hear of a read mark.
    pub(crate) const fn read(read: &MessageRead) -> Self {
        Self::MessegeRead(MessegeRead {
            message_id: read.message_id,
            user_id: read.reader_id,
        })
    }

    /// What both hear of a chat that was read: once the chat, then each message that changed.
    pub(crate) fn chat_read(read: &ChatRead) -> impl Iterator<Item = Self> {
        let user_id = read.reader_id;
        let chat = Self::ChatRead(ChatReadUpTo {
            reader_id: read.reader_id,
            peer_id: read.peer_id,
            up_to: read.up_to,
        });
        let messages = read.changed.iter().map(move |message_id| {
            Self::MessegeRead(MessegeRead {
                message_id: *message_id,
                user_id,
            })
        });
        std::iter::once(chat).chain(messages)
    }
}

/// The events of a change that a person missed, with their cursors.
pub(crate) fn updates_of(
    missed: &Missed,
    user: UserId,
) -> impl Iterator<Item = (Cursor, Update<'_>)> {
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
