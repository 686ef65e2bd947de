//! The events of rooms and of a person's own settings: version 2.

use schemars::JsonSchema;
use serde::Serialize;

use super::attachments::Attachments;
use super::rows::RoomRow;
use super::{Quote, Reactions};
use crate::model::{
    ChatId, ChatSettings, ClientId, Membership, MembershipChange, MessageId, Meta, Notice, Notify,
    Role, Room, RoomChange, RoomId, RoomRead, Speaker, Timestamp, UserId,
};

/// `room_message`:
/// `{"id":10,"room_id":7,"number":3,"sender_id":1,"content":"Halo!","created_at":"…",
/// "client_id":"…"?,"reply_to"?,"mentions"?,"mention_all"?,"meta"?,"as"?,"attachments"?,
/// "auto_content"?,"edited_at"?,"reactions"?}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct RoomMessage<'a> {
    /// Grows in the order in which messages are stored.
    pub(crate) id: MessageId,
    /// In which room.
    pub(crate) room_id: RoomId,
    /// Counts the room's messages from 1.
    pub(crate) number: u64,
    /// Who wrote it.
    pub(crate) sender_id: UserId,
    /// The text, as it was sent.
    pub(crate) content: &'a str,
    /// When the server took it.
    pub(crate) created_at: Timestamp,
    /// The sender's own name for it, where one was given: to the sender's sockets only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<&'a ClientId>,
    /// The message that it answers; absent where it answers none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quote<'static>")]
    pub(crate) reply_to: Option<Quote<'a>>,
    /// The members whom it mentions.
    #[serde(skip_serializing_if = "<[UserId]>::is_empty")]
    pub(crate) mentions: &'a [UserId],
    /// Whether it mentions all members; there only where it does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) mention_all: bool,
    /// The object that the sender's app hung on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<&'a Meta>,
    /// What a hook calls the one who speaks through its bot; absent unless one does.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Speaker")]
    pub(crate) speaker: Option<&'a Speaker>,
    /// The files that hang on it; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attachments: Option<Attachments<'a>>,
    /// There, and true, where it was sent without a text and `content` is the names of its files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub(crate) auto_content: bool,
    /// When it got the text that it has; absent where that is the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<Timestamp>,
    /// The reactions to it; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reactions: Option<Reactions<'a>>,
}

/// `room_read`, and the data of `mark_chat_as_read`'s ack in a room:
/// `{"room_id":7,"up_to":57,"unread_count":3,"mention_count":1}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "RoomRead")]
pub(crate) struct RoomReadUpTo {
    /// Which room.
    pub(crate) room_id: RoomId,
    /// Up to and including which message; null where none is read.
    pub(crate) up_to: Option<MessageId>,
    /// How many messages are unread still.
    pub(crate) unread_count: u64,
    /// How many of these mention the reader.
    pub(crate) mention_count: u64,
}

impl From<RoomRead> for RoomReadUpTo {
    fn from(read: RoomRead) -> Self {
        Self {
            room_id: read.room,
            // Where nothing is read, no message has the number.
            up_to: (read.number > 0).then_some(read.message),
            unread_count: read.unread_count,
            mention_count: read.mention_count,
        }
    }
}

/// `room_changed`: `{"room_id":7,"change":"updated","by":1,"room":{…}}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct RoomChanged<'a> {
    /// Which room.
    pub(crate) room_id: RoomId,
    /// What happened to it.
    pub(crate) change: RoomChange,
    /// Who did it; null for the server itself.
    pub(crate) by: Option<UserId>,
    // The room as it is now. A description beside a reference would leave generators without a
    // name for it.
    pub(crate) room: RoomRow<'a>,
}

impl<'a> RoomChanged<'a> {
    /// Returns how a change of a room is told. Who makes one is its first member, though the entry
    /// that says so follows.
    pub(crate) fn new(by: Option<UserId>, change: RoomChange, room: &'a Room) -> Self {
        let mut row = RoomRow::from(room);
        if change == RoomChange::Created {
            row.member_count = row.member_count.max(1);
        }
        Self {
            room_id: room.id,
            change,
            by,
            room: row,
        }
    }
}

/// `room_member`:
/// `{"room_id":7,"user_id":2,"change":"joined","role"?:"member","by"?:1,"room"?:{…}}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct RoomMember<'a> {
    /// Which room.
    pub(crate) room_id: RoomId,
    /// Whose membership.
    pub(crate) user_id: UserId,
    /// What happened to it.
    pub(crate) change: MembershipChange,
    /// What the member may do; there where they are one still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    /// Who did it, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<UserId>,
    // The room: to the one who joined. Not described, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RoomRow<'static>")]
    pub(crate) room: Option<RoomRow<'a>>,
}

impl<'a> RoomMember<'a> {
    /// Returns how a change of a membership is told: to the one who joined with the room.
    pub(crate) fn new(notice: &'a Notice, membership: &Membership, is_own: bool) -> Self {
        let is_member = match membership.change {
            MembershipChange::Joined | MembershipChange::Role => true,
            MembershipChange::Left | MembershipChange::Removed => false,
        };
        let has_joined = membership.change == MembershipChange::Joined;
        let room = notice.room.as_deref().filter(|_| has_joined && is_own);
        let author = notice.entry.author;
        Self {
            room_id: membership.room,
            user_id: membership.user,
            change: membership.change,
            role: is_member.then_some(membership.role),
            by: author.filter(|author| *author != membership.user),
            room: room.map(RoomRow::from),
        }
    }
}

/// `chat_settings`: `{"user_id":2,"notify":"all","muted_until":null}`, or with `room_id`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct ChatSettingsAre {
    /// The other person of the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
    /// The room that the chat is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
    /// Of what it notifies.
    pub(crate) notify: Notify,
    /// Until when it is silent.
    pub(crate) muted_until: Option<Timestamp>,
}

impl ChatSettingsAre {
    /// Returns the settings of a chat that has so many members.
    pub(crate) fn new(chat: ChatId, settings: ChatSettings, members: u64) -> Self {
        let (user_id, room_id) = match chat {
            ChatId::Person(user) => (Some(user), None),
            ChatId::Room(room) => (None, Some(room)),
        };
        Self {
            user_id,
            room_id,
            notify: settings.notify_in(members),
            muted_until: settings.muted_until,
        }
    }
}

/// `block_changed`: `{"user_id":2,"blocked":true}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct BlockChanged {
    /// Whom.
    pub(crate) user_id: UserId,
    /// Whether they are blocked now.
    pub(crate) blocked: bool,
}

/// `room_typing`: `{"room_id":7,"user_id":1,"is_typing":true}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct RoomTyping {
    pub(crate) room_id: RoomId,
    pub(crate) user_id: UserId,
    pub(crate) is_typing: bool,
}

/// `room_seen`: `{"room_id":7,"user_id":1,"up_to":57}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct RoomSeen {
    pub(crate) room_id: RoomId,
    pub(crate) user_id: UserId,
    /// Up to and including which message.
    pub(crate) up_to: MessageId,
}

/// `room_skipped`: `{"room_id":7}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct RoomSkipped {
    /// The room that is to be read afresh.
    pub(crate) room_id: RoomId,
}
