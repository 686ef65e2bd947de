//! Rows of what a search finds.

use schemars::JsonSchema;
use serde::Serialize;

use super::{HistoryMessage, RoomMessageRow};
use crate::chat::FoundMessage;
use crate::model::UserId;
use crate::search::Hit;

/// A message that a search found: one between two people, or one of a room.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SearchHit")]
#[serde(untagged)]
pub(crate) enum HitRow {
    /// Between two people.
    Direct(Box<DirectHit>),
    /// Of a room.
    Room(Box<RoomHit>),
}

/// A message between two people that a search found.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DirectHit {
    #[serde(flatten)]
    message: HistoryMessage,
    /// Where `content` has what was searched for: from and to, half open, in UTF-16 units as
    /// JavaScript counts; ascending.
    matches: Vec<[u32; 2]>,
}

/// A message of a room that a search found.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RoomHit {
    #[serde(flatten)]
    message: RoomMessageRow,
    /// Where `content` has what was searched for: from and to, half open, in UTF-16 units as
    /// JavaScript counts; ascending.
    matches: Vec<[u32; 2]>,
}

impl HitRow {
    /// Returns the row as its reader sees it.
    pub(crate) fn new(hit: Hit, reader: UserId) -> Self {
        let matches = hit.matches.into_iter().map(<[u32; 2]>::from).collect();
        match hit.message {
            FoundMessage::Direct(row) => {
                let message = HistoryMessage::of(row, reader);
                Self::Direct(Box::new(DirectHit { message, matches }))
            }
            FoundMessage::Room(message) => {
                let message = message.into();
                Self::Room(Box::new(RoomHit { message, matches }))
            }
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct SearchMeta {
    /// Given as `before`, it continues the list; absent at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_before: Option<String>,
    /// All that was said up to this entry of the log was searched: a message with a greater id may
    /// be found a moment later.
    pub(crate) indexed_through: u64,
}
