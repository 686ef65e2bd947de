//! The one object of an ack: `{"success":true,"data":{…}}`, or [`super::Failed`].

use schemars::JsonSchema;
use serde::Serialize;

use super::Presence;
use crate::model::{MessageId, UserId};

/// The ack of an event that succeeded.
#[derive(Serialize)]
pub(crate) struct Succeeded<T> {
    success: bool,
    data: T,
}

impl<T> Succeeded<T> {
    pub(crate) const fn new(data: T) -> Self {
        Self {
            success: true,
            data,
        }
    }
}

/// The data of `mark_as_read`'s ack: `{"message_id":10}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct MarkedRead {
    pub(crate) message_id: MessageId,
}

/// The data of `mark_chat_as_read`'s ack: `{"user_id":2,"count":3}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct MarkedChatRead {
    pub(crate) user_id: UserId,
    /// How many messages changed.
    pub(crate) count: u64,
}

/// The data of `delete_message`'s ack: `{"message_id":10}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct Deleted {
    pub(crate) message_id: MessageId,
}

/// The data of `presence_subscribe`'s ack: `{"users":[…]}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct PresenceList {
    pub(crate) users: Vec<Presence>,
}

/// The data of an ack that says no more than that it went well: `{}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct Nothing {}
