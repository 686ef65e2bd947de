//! Rows of chats, of messages and of updates.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::chat::{HistoryRow, Recent};
use crate::contract::{
    AttachmentRow, Attachments, OwnedQuote, Quote, ReactionRow, Reactions, Update,
};
use crate::model::{
    Extras, Message, MessageId, Meta, RoomId, SealedCursor, Speaker, Timestamp, User, UserId,
};

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
    /// Whether the account is gone; absent for others. Its username is `deleted-` and its id then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    deleted: bool,
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
            deleted: recent.peer.deleted,
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
    /// The message that it answers; absent where it answers none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quote<'static>")]
    reply_to: Option<OwnedQuote>,
    /// The object that the sender's app hung on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    /// What a hook calls the one who speaks through its bot; absent unless one does.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Speaker")]
    speaker: Option<Speaker>,
    /// The files that hang on it; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<AttachmentRow>>")]
    attachments: Vec<AttachmentRow>,
    /// There, and true, where it was sent without a text and `content` is the names of its files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    auto_content: bool,
    /// When it got the text that it has; absent where that is the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Timestamp>,
    /// The reactions to it; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<ReactionRow>>")]
    reactions: Vec<ReactionRow>,
}

impl HistoryMessage {
    /// Returns a row as one of the two people sees it.
    pub(crate) fn of(row: HistoryRow, reader: UserId) -> Self {
        let message = row.message;
        let since = Since::of(&message, reader);
        let files = Files::of(message.extras.as_deref());
        let (reply_to, meta, speaker) = sent_with(message.extras);
        Self {
            id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: message.content,
            is_read: row.is_read,
            created_at: message.created_at,
            updated_at: since.edited_at.unwrap_or(message.created_at),
            reply_to,
            meta,
            speaker,
            attachments: files.attachments,
            auto_content: files.auto_content,
            edited_at: since.edited_at,
            reactions: since.reactions,
        }
    }
}

/// What became of a message since it was sent.
struct Since {
    edited_at: Option<Timestamp>,
    reactions: Vec<ReactionRow>,
}

impl Since {
    fn of(message: &Message, reader: UserId) -> Self {
        let peer = match message.sender_id == reader {
            true => message.receiver_id,
            false => message.sender_id,
        };
        let extras = message.extras.as_ref();
        let list = extras.map_or(&[][..], |extras| &extras.reactions);
        let reactions = Reactions::new(list, reader, peer);
        Self {
            edited_at: extras.and_then(|extras| extras.edited_at),
            reactions: reactions.into_iter().flat_map(Reactions::rows).collect(),
        }
    }
}

/// The files of a message.
pub(super) struct Files {
    pub(super) attachments: Vec<AttachmentRow>,
    pub(super) auto_content: bool,
}

impl Files {
    pub(super) fn of(extras: Option<&Extras>) -> Self {
        let attachments = Attachments::of(extras).into_iter();
        Self {
            attachments: attachments.flat_map(Attachments::rows).collect(),
            auto_content: extras.is_some_and(|extras| extras.auto_content),
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
    /// The message that it answers; absent where it answers none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quote<'static>")]
    reply_to: Option<OwnedQuote>,
    /// The object that the sender's app hung on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    /// What a hook calls the one who speaks through its bot; absent unless one does.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Speaker")]
    speaker: Option<Speaker>,
    /// The files that hang on it; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<AttachmentRow>>")]
    attachments: Vec<AttachmentRow>,
    /// There, and true, where it was sent without a text and `content` is the names of its files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    auto_content: bool,
    /// When it got the text that it has; absent where that is the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Timestamp>,
    /// The reactions to it; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<ReactionRow>>")]
    reactions: Vec<ReactionRow>,
}

/// Returns what a message answers, the object that an app hung on it, and who speaks in it.
fn sent_with(extras: Option<Box<Extras>>) -> (Option<OwnedQuote>, Option<Meta>, Option<Speaker>) {
    let extras = extras.map_or_else(Extras::default, |extras| *extras);
    let reply_to = extras.reply_to.map(OwnedQuote);
    (reply_to, extras.meta, extras.speaker)
}

impl From<Message> for UnreadMessage {
    fn from(message: Message) -> Self {
        let since = Since::of(&message, message.receiver_id);
        let files = Files::of(message.extras.as_deref());
        let (reply_to, meta, speaker) = sent_with(message.extras);
        Self {
            id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: message.content,
            created_at: message.created_at,
            reply_to,
            meta,
            speaker,
            attachments: files.attachments,
            auto_content: files.auto_content,
            edited_at: since.edited_at,
            reactions: since.reactions,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct UnreadMeta {
    pub(crate) has_more: bool,
    /// How many are unread in all.
    pub(crate) total: u64,
}

/// Who put an emoji on a message.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Reactor {
    user_id: UserId,
    username: String,
    /// The name to be shown, which others may have too.
    name: String,
    avatar: Option<Arc<str>>,
    /// Whether it is a program; absent for people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    is_bot: bool,
    /// Whether the account is gone; absent for others. Its username is `deleted-` and its id then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    deleted: bool,
    emoji: Arc<str>,
}

impl Reactor {
    pub(crate) fn new(user: &User, emoji: Arc<str>) -> Self {
        Self {
            user_id: user.id,
            username: user.username.as_str().to_owned(),
            name: user.shown_name().to_owned(),
            avatar: user.avatar.clone(),
            is_bot: user.is_bot,
            deleted: user.deleted,
            emoji,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ReactionsMeta {
    /// Given as `after`, it continues the list; absent at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_after: Option<String>,
}
