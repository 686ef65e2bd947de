//! Rows of the list of all chats, and of the messages of rooms.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::chats::Files;
use super::{HistoryMessage, OwnedRoom, Person};
use crate::chat::{InboxChat, InboxRow, RoomMessage};
use crate::contract::{AttachmentRow, OwnedQuote, Quote, ReactionRow, Reactions};
use crate::model::{
    ChatSettings, MessageId, Meta, Notify, RoomId, Speaker, Timestamp, User, UserId,
};

/// One message of a room.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RoomMessageRow {
    id: MessageId,
    room_id: RoomId,
    /// Counts the room's messages from 1.
    number: u64,
    /// Who wrote it.
    sender_id: UserId,
    content: Arc<str>,
    created_at: Timestamp,
    /// The message that it answers; absent where it answers none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quote<'static>")]
    reply_to: Option<OwnedQuote>,
    /// The members whom it mentions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<UserId>,
    /// There, and true, where it mentions all members.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mention_all: bool,
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

impl From<RoomMessage> for RoomMessageRow {
    fn from(message: RoomMessage) -> Self {
        let files = Files::of(message.extras.as_deref());
        let extras = message
            .extras
            .map_or_else(Default::default, |extras| *extras);
        Self {
            id: message.id,
            room_id: message.room_id,
            number: message.number,
            sender_id: message.sender_id,
            content: message.content,
            created_at: message.created_at,
            reply_to: extras.reply_to.map(OwnedQuote),
            mentions: extras.mentions.to_vec(),
            mention_all: extras.mention_all,
            reactions: Reactions::in_room(&extras.reactions)
                .into_iter()
                .flat_map(Reactions::rows)
                .collect(),
            edited_at: extras.edited_at,
            meta: extras.meta,
            speaker: extras.speaker,
            attachments: files.attachments,
            auto_content: files.auto_content,
        }
    }
}

/// One message, of a person or of a room.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum AnyMessage {
    /// Between two people.
    Direct(HistoryMessage),
    /// Of a room.
    Room(RoomMessageRow),
}

/// How a chat makes itself heard: `{"notify":"all","muted_until":null}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
pub(crate) struct SettingsRow {
    /// Of what it notifies.
    notify: Notify,
    /// Until when it is silent.
    muted_until: Option<Timestamp>,
}

impl SettingsRow {
    /// Returns the settings of a chat that has so many members.
    pub(crate) fn new(settings: ChatSettings, members: u64) -> Self {
        Self {
            notify: settings.notify_in(members),
            muted_until: settings.muted_until,
        }
    }
}

/// A chat: with a person, or a room.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InboxRow")]
#[serde(untagged)]
pub(crate) enum ChatRow {
    /// With a person.
    Direct(Box<DirectChat>),
    /// A room.
    Room(Box<RoomChat>),
}

/// What a chat is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChatKind {
    /// One of two people.
    Direct,
    /// A room.
    Room,
}

/// A chat with a person: its `kind` is `direct`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DirectChat {
    kind: ChatKind,
    user: Person,
    last_message: HistoryMessage,
    #[serde(flatten)]
    state: ChatState,
}

/// A room as a chat: its `kind` is `room`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RoomChat {
    kind: ChatKind,
    room: OwnedRoom,
    /// Null where the caller may read none.
    last_message: Option<RoomMessageRow>,
    #[serde(flatten)]
    state: ChatState,
}

/// What is unread of a chat, and how it makes itself heard.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ChatState {
    unread_count: u64,
    mention_count: u64,
    #[serde(flatten)]
    settings: SettingsRow,
}

impl ChatRow {
    /// Returns the row of a chat; `person` says how the other person of one of two is shown.
    pub(crate) fn new(row: InboxRow, person: impl FnOnce(&User) -> Person) -> Self {
        let members = match &row.chat {
            InboxChat::Direct { .. } => 2,
            InboxChat::Room { room, .. } => room.member_count,
        };
        let state = ChatState {
            unread_count: row.unread_count,
            mention_count: row.mention_count,
            settings: SettingsRow::new(row.settings, members),
        };
        match row.chat {
            InboxChat::Direct { peer, last_message } => {
                let message = &last_message.message;
                let reader = match message.sender_id == peer.id {
                    true => message.receiver_id,
                    false => message.sender_id,
                };
                Self::Direct(Box::new(DirectChat {
                    kind: ChatKind::Direct,
                    user: person(&peer),
                    last_message: HistoryMessage::of(*last_message, reader),
                    state,
                }))
            }
            InboxChat::Room { room, last_message } => Self::Room(Box::new(RoomChat {
                kind: ChatKind::Room,
                room: OwnedRoom(room),
                last_message: last_message.map(|last| RoomMessageRow::from(*last)),
                state,
            })),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct InboxMeta {
    /// Given as `before`, it continues the list; absent at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_before: Option<String>,
    /// How many messages are unread in all chats; of those that are muted, how many mention the
    /// caller.
    pub(crate) unread_total: u64,
}

/// Where a list goes on.
#[derive(Serialize, JsonSchema)]
pub(crate) struct NextMeta {
    /// Given as `after`, it continues the list; absent at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_after: Option<String>,
}
