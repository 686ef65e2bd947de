//! Rooms: what describes one, who is in it as what, and how a chat makes itself heard.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EntryId, MessageId, RoomId, Timestamp, UserId};

/// The longest name of a room, in characters.
pub const MAX_ROOM_NAME_CHARS: usize = 64;
/// The longest topic of a room, in characters.
pub const MAX_TOPIC_CHARS: usize = 500;
/// 100 years: the longest time, in days, after which a room's messages are erased.
pub const MAX_RETENTION_DAYS: u32 = 36_525;

/// Who may find and join a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Anybody with an account.
    Open,
    /// Those whom its admins add, and who have an invite.
    #[default]
    Closed,
}

/// What a member may read of the time before they joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomHistory {
    /// Everything.
    #[default]
    All,
    /// Nothing.
    Joined,
}

/// Who may send messages to a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomPost {
    /// Every member.
    #[default]
    All,
    /// Its admins and owners.
    Admins,
}

/// What a member may do, each role all that the ones before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and writes.
    #[default]
    Member,
    /// Changes the room, adds and removes members.
    Admin,
    /// Archives the room, and names owners.
    Owner,
}

/// A room, as its members see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Which.
    pub id: RoomId,
    /// Its name.
    pub name: Arc<str>,
    /// What it is for; may be empty.
    pub topic: Arc<str>,
    /// Its picture.
    pub avatar: Option<Arc<str>>,
    /// Who may join it.
    pub kind: RoomKind,
    /// What newcomers read.
    pub history: RoomHistory,
    /// Who writes.
    pub post: RoomPost,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is only read.
    pub archived_at: Option<Timestamp>,
    /// After how many days its messages are erased, where an administrator of the server has set
    /// that.
    pub retention_days: Option<u32>,
    /// How many members it has.
    pub member_count: u64,
}

/// What happened to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomChange {
    /// It was made.
    Created,
    /// Its name or something else of it is another.
    Updated,
    /// It is only read from now on.
    Archived,
}

/// What happened to a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MembershipChange {
    /// It began.
    Joined,
    /// The member ended it.
    Left,
    /// Another one ended it.
    Removed,
    /// Its role is another.
    Role,
}

/// A change of a membership, and how the room stood then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The room.
    pub room: RoomId,
    /// Whose membership.
    pub user: UserId,
    /// What happened.
    pub change: MembershipChange,
    /// The role that the member has, or had until now.
    pub role: Role,
    /// How many members the room has now.
    pub member_count: u64,
    /// How many messages the room had.
    pub number: u64,
    /// The newest of them.
    pub newest: Option<MessageId>,
    /// The newest entry of the room's stream, where this one is in the member's own.
    pub last: Option<EntryId>,
    /// The entry that says how the room was then.
    pub described: EntryId,
}

/// How far a person has read a room, and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomRead {
    /// The room.
    pub room: RoomId,
    /// The last message that is covered; in a command, that one or the newest before it.
    pub message: MessageId,
    /// Its number in the room. 0 in a command.
    pub number: u64,
    /// How many messages are unread after it. 0 in a command.
    pub unread_count: u64,
    /// How many mentions are unread after it. 0 in a command.
    pub mention_count: u64,
}

/// Of what a chat notifies a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    /// Of every message.
    All,
    /// Of messages that mention them.
    Mentions,
    /// Of nothing.
    None,
}

/// A chat, as one of its members names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatId {
    /// The one with this person.
    Person(UserId),
    /// The one of this room.
    Room(RoomId),
}

/// How a chat makes itself heard to one of its members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChatSettings {
    /// Of what it notifies; absent, as is usual for a chat of its size.
    pub notify: Option<Notify>,
    /// Until when it is silent.
    pub muted_until: Option<Timestamp>,
}

impl ChatSettings {
    /// In rooms of more members than this, the usual is to notify of mentions alone.
    pub const LARGE: u64 = 20;

    /// Returns of what a chat with so many members notifies.
    pub fn notify_in(&self, members: u64) -> Notify {
        let usual = match members > Self::LARGE {
            true => Notify::Mentions,
            false => Notify::All,
        };
        self.notify.unwrap_or(usual)
    }

    /// Returns whether the chat, which has so many members, tells of a message: where it notifies
    /// of all, or of mentions and this is one, and is not muted.
    pub fn tells_of(&self, members: u64, is_mentioned: bool, now: Timestamp) -> bool {
        let is_wanted = match self.notify_in(members) {
            Notify::All => true,
            Notify::Mentions => is_mentioned,
            Notify::None => false,
        };
        is_wanted && !self.is_muted(now)
    }

    /// Returns whether the chat is muted at this time. One that notifies of nothing is not.
    pub fn is_muted(&self, now: Timestamp) -> bool {
        self.muted_until.is_some_and(|until| now < until)
    }
}
