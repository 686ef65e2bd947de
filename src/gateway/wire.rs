//! The JSON of events: payloads and acks. That of the durable events is [`crate::chat::Update`]'s, which REST tells too.

use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::AccountError;
use crate::chat::{ChatError, PresenceChange, Seen};
use crate::describe::Event;
use crate::limits::TooMuch;
use crate::model::{ClientId, Code, FieldError, MessageId, Timestamp, UserId};

/// The data of `mark_as_read`'s ack: `{"message_id":10}`
#[derive(Serialize, JsonSchema)]
pub(super) struct MarkedRead {
    pub(super) message_id: MessageId,
}

/// The data of `mark_chat_as_read`'s ack: `{"user_id":2,"count":3}`
#[derive(Serialize, JsonSchema)]
pub(super) struct MarkedChatRead {
    pub(super) user_id: UserId,
    /// How many messages changed.
    pub(super) count: u64,
}

/// `typing`, to every socket of the receiver: `{"user_id":1,"is_typing":true}`
#[derive(Serialize, JsonSchema)]
pub(super) struct Typing {
    pub(super) user_id: UserId,
    pub(super) is_typing: bool,
}

/// `presence`, to the sockets that subscribed to that user, and an element of the ack's `users`:
/// `{"user_id":2,"online":false,"last_seen":"…"}`; `last_seen` is null while online, and where it is not known.
#[derive(Serialize, JsonSchema)]
pub(super) struct Presence {
    pub(super) user_id: UserId,
    pub(super) online: bool,
    /// When their last socket closed; null while online, and where it is not known.
    pub(super) last_seen: Option<Timestamp>,
}

pub(super) const TYPING: Event = Event::to_client::<Typing>(
    "typing",
    "Somebody is typing, or has stopped. To every socket of the receiver.",
);
pub(super) const PRESENCE: Event = Event::to_client::<Presence>(
    "presence",
    "Somebody came or went. To the sockets that subscribed to that user.",
);
pub(super) const CHAT_ERROR: Event = Event::to_client::<ChatErrorEvent<'_>>(
    "chat_error",
    "An event that asked for no ack failed; or, with the event `connect`, the socket may not stay. To the socket concerned.",
);

impl Presence {
    /// What is told of a person who was seen so.
    pub(super) fn of(user_id: UserId, seen: Seen) -> Self {
        Self {
            user_id,
            online: seen.online,
            last_seen: seen.last_seen.filter(|_| !seen.online),
        }
    }
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
#[derive(Serialize, JsonSchema)]
pub(super) struct PresenceList {
    pub(super) users: Vec<Presence>,
}

/// The data of an ack that says no more than that it went well: `{}`
#[derive(Serialize, JsonSchema)]
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
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub(super) struct Failed<'a> {
    #[schemars(extend("const" = false))]
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

/// What a CONNECT is answered with: `{"sid":"…","pid":"…"?}`. The hub writes it; this says what clients may rely on.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the hub writes it")]
pub(super) struct Connected {
    /// The socket's id.
    sid: String,
    /// Secret: what its client shows to go on as this socket; absent where the client takes no cursors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<String>,
}

/// What a CONNECT is refused with: `{"message":"…","data":{"code":"…"}}`
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the hub writes it")]
pub(super) struct ConnectError {
    message: String,
    data: RefusalData,
}

/// Why a socket is refused, for a program.
#[derive(Serialize, JsonSchema)]
pub(super) struct RefusalData {
    pub(super) code: Code,
}

/// What an event failed with: `{"code":"…","message":"…","retry_after_ms":1000?}`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ErrorDetail")]
pub(super) struct Failure {
    pub(super) code: Code,
    /// For the developer of a client.
    pub(super) message: String,
    /// When to try again, where that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
}

/// `chat_error`, to the socket concerned, for an event that asked for no ack, and with `connect` as its event when the
/// socket may not stay: `{"event":"…","code":"…","message":"…","client_id":"…"?}`
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatError")]
pub(super) struct ChatErrorEvent<'a> {
    /// Which event.
    pub(super) event: &'a str,
    #[serde(flatten)]
    pub(super) failure: &'a Failure,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<&'a ClientId>,
}

impl Failure {
    /// A payload that is not what it should be.
    pub(super) fn invalid(message: &str) -> Self {
        Self {
            code: Code::InvalidPayload,
            message: message.to_owned(),
            retry_after_ms: None,
        }
    }
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
