//! Rows of rooms and of their members.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::chat::{MemberRow as Member, MyRoom};
use crate::model::{
    MessageId, Notify, Role, Room, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp, UserId,
};

/// A room: `{"id","name","topic","avatar","kind","history","post","created_at","archived_at",
/// "retention_days"?,"member_count"}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "Room")]
pub(crate) struct RoomRow<'a> {
    id: RoomId,
    /// What it is called; empty once it is erased.
    name: &'a str,
    /// What it is for; may be empty.
    pub(crate) topic: &'a str,
    /// A picture's URL.
    avatar: Option<&'a str>,
    /// Who may find and join it.
    kind: RoomKind,
    /// What those who join read of the time before.
    history: RoomHistory,
    /// Who writes.
    post: RoomPost,
    created_at: Timestamp,
    /// Since when it is only read.
    archived_at: Option<Timestamp>,
    /// After how many days its messages are erased; absent where that is as the server does.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
    pub(crate) member_count: u64,
}

impl<'a> From<&'a Room> for RoomRow<'a> {
    fn from(room: &'a Room) -> Self {
        Self {
            id: room.id,
            name: &room.name,
            topic: &room.topic,
            avatar: room.avatar.as_deref(),
            kind: room.kind,
            history: room.history,
            post: room.post,
            created_at: room.created_at,
            archived_at: room.archived_at,
            retention_days: room.retention_days,
            member_count: room.member_count,
        }
    }
}

/// What a room is to one of its members.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct Mine {
    pub(crate) role: Role,
    pub(crate) unread_count: u64,
    /// How many of the unread messages mention the caller.
    pub(crate) mention_count: u64,
    /// Up to and including which message the caller has read; null where none.
    pub(crate) read_up_to: Option<MessageId>,
    /// Of what it notifies.
    pub(crate) notify: Notify,
    /// Until when it is silent.
    pub(crate) muted_until: Option<Timestamp>,
}

/// A room, and `mine`, where it is the caller's.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MyRoom")]
pub(crate) struct ShownRoom {
    #[serde(flatten)]
    room: OwnedRoom,
    #[serde(skip_serializing_if = "Option::is_none")]
    mine: Option<Mine>,
}

impl ShownRoom {
    /// Returns a room that is the caller's.
    pub(crate) fn mine(mine: MyRoom) -> Self {
        Self {
            mine: Some(Mine {
                role: mine.role,
                unread_count: mine.unread_count,
                mention_count: mine.mention_count,
                read_up_to: mine.read_up_to,
                notify: mine.notify,
                muted_until: mine.muted_until,
            }),
            room: OwnedRoom(mine.room),
        }
    }

    /// Returns a room that the caller may join.
    pub(crate) const fn open(room: Arc<Room>) -> Self {
        Self {
            mine: None,
            room: OwnedRoom(room),
        }
    }
}

/// A room that is held, written as [`RoomRow`].
pub(crate) struct OwnedRoom(pub(crate) Arc<Room>);

impl Serialize for OwnedRoom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RoomRow::from(&*self.0).serialize(serializer)
    }
}

impl JsonSchema for OwnedRoom {
    fn schema_name() -> Cow<'static, str> {
        <RoomRow<'_>>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        <RoomRow<'_>>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <RoomRow<'_>>::json_schema(generator)
    }
}

/// A member: `{"user_id","username","name","avatar","role","joined_at"}`
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Member")]
pub(crate) struct MemberRow {
    user_id: UserId,
    username: String,
    /// The name to be shown, which others may have too.
    name: String,
    avatar: Option<Arc<str>>,
    /// Whether it is a program; absent for people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    is_bot: bool,
    role: Role,
    joined_at: Timestamp,
}

impl From<Member> for MemberRow {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user.id,
            username: member.user.username.as_str().to_owned(),
            name: member.user.shown_name().to_owned(),
            avatar: member.user.avatar.clone(),
            is_bot: member.user.is_bot,
            role: member.role,
            joined_at: member.joined_at,
        }
    }
}

/// How far a member has read: `{"user_id","up_to"}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct RoomReadRow {
    pub(crate) user_id: UserId,
    /// Up to and including which message; null where none.
    pub(crate) up_to: Option<MessageId>,
}
