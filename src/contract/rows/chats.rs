//! Rows of chats, of messages and of updates.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::chat::{HistoryRow, Recent};
use crate::contract::Update;
use crate::model::{Extras, Message, MessageId, Meta, RoomId, SealedCursor, Timestamp, UserId};

/// One line of the list of chats.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RecentRow<'a> {
    user_id: UserId,
    username: &'a str,
    /// The name to be shown, which others may have too.
    name: &'a str,
    avatar: Option<&'a str>,
    last_message: &'a str,
    last_message_time: Timestamp,
    unread_count: u64,
    last_message_id: MessageId,
    last_sender_id: UserId,
    /// Whether it is a program; absent for people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    is_bot: bool,
}

impl<'a> From<&'a Recent> for RecentRow<'a> {
    fn from(recent: &'a Recent) -> Self {
        Self {
            user_id: recent.peer.id,
            username: recent.peer.username.as_str(),
            name: recent.peer.shown_name(),
            avatar: recent.peer.avatar.as_deref(),
            last_message: &recent.last_message.content,
            last_message_time: recent.last_message.created_at,
            unread_count: recent.unread_count,
            last_message_id: recent.last_message.id,
            last_sender_id: recent.last_message.sender_id,
            is_bot: recent.peer.is_bot,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct RecentsMeta {
    /// Given as `before`, it continues the list; absent at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_before: Option<String>,
}

/// One event that the caller missed, as a socket of theirs would have heard it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct UpdateRow<'a> {
    event: &'static str,
    data: Update<'a>,
}

impl<'a> From<Update<'a>> for UpdateRow<'a> {
    fn from(data: Update<'a>) -> Self {
        Self {
            event: data.name(),
            data,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct UpdatesMeta {
    /// Given as `since`, it goes on from here.
    #[schemars(with = "String")]
    pub(crate) cursor: SealedCursor,
    pub(crate) has_more: bool,
    /// Rooms that brought more than can be told, and are to be read afresh.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) skipped_rooms: Vec<RoomId>,
}

/// One message of a history.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HistoryMessage {
    id: MessageId,
    sender_id: UserId,
    receiver_id: UserId,
    content: Arc<str>,
    is_read: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// The object that the sender's app hung on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

impl From<HistoryRow> for HistoryMessage {
    fn from(row: HistoryRow) -> Self {
        let message = row.message;
        Self {
            id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: message.content,
            is_read: row.is_read,
            created_at: message.created_at,
            // Nothing changes a message yet.
            updated_at: message.created_at,
            meta: meta_of(message.extras),
        }
    }
}

/// Whether this is all.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HistoryMeta {
    /// Whether there are more in the direction that was asked for: newer ones with `after`, else
    /// older ones.
    pub(crate) has_more: bool,
    /// Whether there are newer ones.
    pub(crate) has_newer: bool,
}

/// One unread message.
#[derive(Serialize, JsonSchema)]
pub(crate) struct UnreadMessage {
    id: MessageId,
    sender_id: UserId,
    receiver_id: UserId,
    content: Arc<str>,
    created_at: Timestamp,
    /// The object that the sender's app hung on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

/// Returns the object that an app hung on a message.
fn meta_of(extras: Option<Box<Extras>>) -> Option<Meta> {
    extras.and_then(|extras| extras.meta)
}

impl From<Message> for UnreadMessage {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: message.content,
            created_at: message.created_at,
            meta: meta_of(message.extras),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct UnreadMeta {
    pub(crate) has_more: bool,
    /// How many are unread in all.
    pub(crate) total: u64,
}
