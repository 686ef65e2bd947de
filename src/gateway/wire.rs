//! The JSON of events: names, payloads, acks.

use serde::Serialize;

use crate::accounts::AccountError;
use crate::chat::{ChatError, PresenceChange};
use crate::limits::TooMuch;
use crate::model::{ClientId, Code, FieldError, Message, MessageId, Timestamp, UserId};

/// `receive_message`, to every socket of the receiver:
/// `{"id":10,"sender_id":1,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z"}`
#[derive(Serialize)]
pub(super) struct ReceiveMessage<'a> {
    id: MessageId,
    sender_id: UserId,
    receiver_id: UserId,
    content: &'a str,
    created_at: Timestamp,
}

impl<'a> From<&'a Message> for ReceiveMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: &message.content,
            created_at: message.created_at,
        }
    }
}

/// `message_sent`, to every socket of the sender, and the data of `send_message`'s ack:
/// `{"id":10,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z","client_id":"…"?}`
#[derive(Serialize)]
pub(super) struct MessageSent<'a> {
    id: MessageId,
    receiver_id: UserId,
    content: &'a str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a ClientId>,
}

impl<'a> From<&'a Message> for MessageSent<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id,
            receiver_id: message.receiver_id,
            content: &message.content,
            created_at: message.created_at,
            client_id: message.client_id.as_ref(),
        }
    }
}

/// `messege_read` (so spelled from the first document on), to every socket of the message's sender and to the reader's
/// other sockets: `{"message_id":10,"user_id":2}`, the user being the reader.
#[derive(Serialize)]
pub(super) struct MessegeRead {
    pub(super) message_id: MessageId,
    pub(super) user_id: UserId,
}

/// The data of `mark_as_read`'s ack: `{"message_id":10}`
#[derive(Serialize)]
pub(super) struct MarkedRead {
    pub(super) message_id: MessageId,
}

/// `chat_read`, to every socket of both but the one that asked: `{"reader_id":2,"peer_id":1,"up_to":57}`
#[derive(Serialize)]
pub(super) struct ChatRead {
    pub(super) reader_id: UserId,
    pub(super) peer_id: UserId,
    pub(super) up_to: Option<MessageId>,
}

/// The data of `mark_chat_as_read`'s ack: `{"user_id":2,"count":3}`
#[derive(Serialize)]
pub(super) struct MarkedChatRead {
    pub(super) user_id: UserId,
    pub(super) count: u64,
}

/// `typing`, to every socket of the receiver: `{"user_id":1,"is_typing":true}`
#[derive(Serialize)]
pub(super) struct Typing {
    pub(super) user_id: UserId,
    pub(super) is_typing: bool,
}

/// `presence`, to the sockets that subscribed to that user, and an element of the ack's `users`:
/// `{"user_id":2,"online":false,"last_seen":"…"}`; `last_seen` is null while online, and where it is not known.
#[derive(Serialize)]
pub(super) struct Presence {
    pub(super) user_id: UserId,
    pub(super) online: bool,
    pub(super) last_seen: Option<Timestamp>,
}

impl From<PresenceChange> for Presence {
    fn from(change: PresenceChange) -> Self {
        Self {
            user_id: change.user_id,
            online: change.online,
            last_seen: change.last_seen,
        }
    }
}

/// The data of `presence_subscribe`'s ack: `{"users":[…]}`
#[derive(Serialize)]
pub(super) struct PresenceList {
    pub(super) users: Vec<Presence>,
}

/// The data of an ack that says no more than that it went well: `{}`
#[derive(Serialize)]
pub(super) struct Nothing {}

/// The one object of an ack, where it went well: `{"success":true,"data":{…}}`
#[derive(Serialize)]
pub(super) struct Succeeded<T> {
    success: bool,
    data: T,
}

impl<T> Succeeded<T> {
    pub(super) fn new(data: T) -> Self {
        Self {
            success: true,
            data,
        }
    }
}

/// The one object of an ack, where it failed: `{"success":false,"error":{"code":"…","message":"…"}}`
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    success: bool,
    error: &'a Failure,
}

impl<'a> Failed<'a> {
    pub(super) fn new(error: &'a Failure) -> Self {
        Self {
            success: false,
            error,
        }
    }
}

/// What an event failed with: `{"code":"…","message":"…","retry_after_ms":1000?}`
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
}

/// `chat_error`, to the socket concerned, for an event that asked for no ack, and with `connect` as its event when the
/// socket may not stay: `{"event":"…","code":"…","message":"…","client_id":"…"?}`
#[derive(Serialize)]
pub(super) struct ChatErrorEvent<'a> {
    pub(super) event: &'a str,
    #[serde(flatten)]
    pub(super) failure: &'a Failure,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<&'a ClientId>,
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            retry_after_ms: error.retry_after_ms(),
        }
    }
}

impl From<&AccountError> for Failure {
    fn from(error: &AccountError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            retry_after_ms: error.retry_after_ms(),
        }
    }
}

impl From<TooMuch> for Failure {
    fn from(error: TooMuch) -> Self {
        Self {
            code: Code::RateLimited,
            message: "too much at once, try again later".to_owned(),
            retry_after_ms: Some(error.retry_after_ms),
        }
    }
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        Self {
            code: Code::InvalidPayload,
            message: error.to_string(),
            retry_after_ms: None,
        }
    }
}
