//! The volatile events that clients hear: not stored, and without a cursor. The durable ones are
//! [`super::Update`]'s.

use schemars::JsonSchema;
use serde::Serialize;

use super::Refusal;
use super::documents::Event;
use super::room_events::{RoomSeen, RoomSkipped, RoomTyping};
use crate::chat::{PresenceChange, Seen};
use crate::model::{ClientId, Timestamp, User, UserId};

pub(crate) const TYPING: Event = Event::to_client::<Typing>(
    "typing",
    "A person is typing, or has stopped. To every socket of the receiver.",
);
pub(crate) const PRESENCE: Event = Event::to_client::<Presence>(
    "presence",
    "A person came or went. To the sockets that subscribed to that user.",
);
pub(crate) const USER_CHANGED: Event = Event::to_client::<UserChanged<'_>>(
    "user_changed",
    "A person is shown by another name, username or picture. To those who share a chat with them, and to their \
     own sockets. It is not durable and in no `/api/updates`, so read people afresh where a socket is not recovered; one \
     that is hears of all who changed since its last event, as they are by then.",
)
.of_second();
pub(crate) const ROOM_TYPING: Event = Event::to_client::<RoomTyping>(
    "room_typing",
    "A member is typing, or has stopped. To every socket of the others, in rooms of at most 100 members.",
)
.of_second();
pub(crate) const ROOM_SEEN: Event = Event::to_client::<RoomSeen>(
    "room_seen",
    "A member has read a room up to a message. To every socket of the others, in rooms of at most 100 members.",
)
.of_second();
pub(crate) const ROOM_SKIPPED: Event = Event::to_client::<RoomSkipped>(
    "room_skipped",
    "A room brought more than catching up can take, and is to be read afresh; all else is told. To the socket that comes \
     back.",
)
.of_second();
pub(crate) const CHAT_ERROR: Event = Event::to_client::<ChatErrorEvent<'_>>(
    "chat_error",
    "An event that asked for no ack failed; or, with the event `connect`, the socket may not stay. To the socket concerned.",
);

/// `typing`: `{"user_id":1,"is_typing":true}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct Typing {
    pub(crate) user_id: UserId,
    pub(crate) is_typing: bool,
}

/// `presence`, and an element of the ack's `users`: `{"user_id":2,"online":false,"last_seen":"…"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct Presence {
    pub(crate) user_id: UserId,
    pub(crate) online: bool,
    /// When their last socket closed; null while online, and where it is not known.
    pub(crate) last_seen: Option<Timestamp>,
}

impl Presence {
    /// Returns what is told of a person.
    pub(crate) fn of(user_id: UserId, seen: Seen) -> Self {
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

/// `user_changed`: `{"user_id","username","name","avatar"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct UserChanged<'a> {
    pub(crate) user_id: UserId,
    pub(crate) username: &'a str,
    /// The name to be shown, which others may have too.
    pub(crate) name: &'a str,
    /// A picture's URL.
    pub(crate) avatar: Option<&'a str>,
    /// Whether the account is gone; absent for others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub(crate) deleted: bool,
}

impl<'a> UserChanged<'a> {
    /// Returns how an account is shown.
    pub(crate) fn of(user: &'a User) -> Self {
        Self {
            user_id: user.id,
            username: user.username.as_str(),
            name: user.shown_name(),
            avatar: user.avatar.as_deref(),
            deleted: user.deleted,
        }
    }
}

/// `chat_error`: `{"event":"…","code":"…","message":"…","client_id":"…"?}`
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatError")]
pub(crate) struct ChatErrorEvent<'a> {
    /// Which event.
    pub(crate) event: &'a str,
    #[serde(flatten)]
    pub(crate) refusal: &'a Refusal,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<&'a ClientId>,
}
