//! Reports, as administrators see them, and the people whom one has blocked.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::Report;
use crate::model::{MessageId, RoomId, Timestamp, User, UserId};

/// A person by their names: `{"id","username","name"}`; with the id alone where they are not known.
#[derive(Serialize, JsonSchema)]
pub(crate) struct NamedPerson {
    id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl NamedPerson {
    pub(crate) fn new(id: UserId, user: Option<&User>) -> Self {
        Self {
            id,
            username: user.map(|user| user.username.as_str().to_owned()),
            name: user.map(|user| user.shown_name().to_owned()),
        }
    }
}

/// A message as it was when it was reported: `{"id","room_id"?,"content","created_at"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReportedMessageRow {
    id: MessageId,
    /// The room in which it was said; absent of a chat of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    content: Arc<str>,
    created_at: Timestamp,
}

/// An open report: `{"id","by","about","reason","message"?,"created_at","expires_at"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReportRow {
    id: u64,
    // Who filed it.
    by: NamedPerson,
    // Who is reported.
    about: NamedPerson,
    /// Why, in the words of the one who filed it.
    reason: Arc<str>,
    // The message that is reported, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<ReportedMessageRow>,
    created_at: Timestamp,
    /// When it is gone, unless it is closed before.
    expires_at: Timestamp,
}

impl ReportRow {
    pub(crate) fn new(report: Report, named: impl Fn(UserId) -> NamedPerson) -> Self {
        Self {
            id: report.number,
            by: named(report.by),
            about: named(report.about),
            reason: report.reason,
            message: report.message.map(|message| ReportedMessageRow {
                id: message.id,
                room_id: message.room,
                content: message.content,
                created_at: message.sent_at,
            }),
            created_at: report.created_at,
            expires_at: report.expires_at,
        }
    }
}

/// A report that was filed: `{"id"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct FiledReport {
    pub(crate) id: u64,
}

/// Beside a page of reports: how many are open.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReportsMeta {
    pub(crate) open: usize,
    /// For the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_after: Option<String>,
}

/// A person whom the caller has blocked: `{"user_id","username","name","avatar"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct BlockedRow {
    user_id: UserId,
    username: String,
    /// The name to be shown, which others may have too.
    name: String,
    /// A picture's URL.
    avatar: Option<Arc<str>>,
    /// Whether it is a program; absent for people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    is_bot: bool,
    /// Whether the account is gone; absent for others. Its username is `deleted-` and its id then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    deleted: bool,
}

impl From<&User> for BlockedRow {
    fn from(user: &User) -> Self {
        Self {
            user_id: user.id,
            username: user.username.as_str().to_owned(),
            name: user.shown_name().to_owned(),
            avatar: user.avatar.clone(),
            is_bot: user.is_bot,
            deleted: user.deleted,
        }
    }
}

/// Beside a page of them.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BlockedMeta {
    /// For the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_after: Option<String>,
}
