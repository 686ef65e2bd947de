//! How a room is described in the file, by its row and by the entries that change it: JSON, so that
//! keys can be added.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{EntryId, Room, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp};

/// The description of a room, as its row and the entries that change it have it.
#[derive(Serialize, Deserialize)]
pub(crate) struct RoomRecord {
    name: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    topic: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar: Option<Arc<str>>,
    kind: RoomKind,
    history: RoomHistory,
    post: RoomPost,
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archived_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
    /// In a row: the entry that made it, and the newest one that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<(EntryId, EntryId)>,
}

impl RoomRecord {
    /// The record of a description.
    pub(crate) fn of(room: &Room) -> Self {
        Self {
            name: Arc::clone(&room.name),
            topic: Arc::clone(&room.topic),
            avatar: room.avatar.clone(),
            kind: room.kind,
            history: room.history,
            post: room.post,
            created_at_ms: room.created_at.as_ms(),
            archived_at_ms: room.archived_at.map(Timestamp::as_ms),
            retention_days: room.retention_days,
            entries: None,
        }
    }

    /// The description, of a room with so many members.
    pub(crate) fn into_room(self, id: RoomId, member_count: u64) -> Room {
        Room {
            id,
            name: self.name,
            topic: self.topic,
            avatar: self.avatar,
            kind: self.kind,
            history: self.history,
            post: self.post,
            created_at: Timestamp::from_ms(self.created_at_ms),
            archived_at: self.archived_at_ms.map(Timestamp::from_ms),
            retention_days: self.retention_days,
            member_count,
        }
    }
}
