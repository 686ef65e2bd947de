//! The lines of what is neither an account nor of the log: keys of programs, hooks, and reports.
//!
//! Secrets stand there as the data file has them: of keys and incoming hooks a SHA-256, of outgoing
//! hooks the secret itself, since requests are signed by it. All three are in base64 without
//! padding.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Time, is_zero};
use crate::model::{HookEvent, MessageId, RoomId, UserId};
use crate::store::people::api_keys::KeyScope;
use crate::store::people::hooks::hook::HookPause;

/// What the line of a key says: a bot's has `bot_id`, a backend's `name` and `scope`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::maintain) struct ApiKeyLine<'a> {
    pub(in crate::store::maintain) key_id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) bot_id: Option<UserId>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) scope: Option<KeyScope>,
    #[serde(borrow)]
    pub(in crate::store::maintain) hash: Cow<'a, str>,
    pub(in crate::store::maintain) created_at: Time,
    pub(in crate::store::maintain) confirmed_at: Time,
}

/// What the line of an incoming hook says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::maintain) struct HookInLine<'a> {
    pub(in crate::store::maintain) hook_id: u64,
    pub(in crate::store::maintain) bot_id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) room_id: Option<RoomId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) user_id: Option<UserId>,
    #[serde(borrow)]
    pub(in crate::store::maintain) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(in crate::store::maintain) hash: Cow<'a, str>,
    pub(in crate::store::maintain) created_at: Time,
    pub(in crate::store::maintain) confirmed_at: Time,
}

/// What the line of an outgoing hook says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::maintain) struct HookOutLine<'a> {
    pub(in crate::store::maintain) hook_id: u64,
    #[serde(borrow)]
    pub(in crate::store::maintain) url: Cow<'a, str>,
    #[serde(borrow)]
    pub(in crate::store::maintain) secret: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::store::maintain) events: Vec<HookEvent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::store::maintain) room_ids: Vec<RoomId>,
    /// The entry up to which all is told.
    pub(in crate::store::maintain) told_to: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) paused: Option<HookPause>,
    /// How many events were set aside, since the receiver refused them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(in crate::store::maintain) set_aside: u64,
    /// The entry before the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) set_aside_from: Option<u64>,
    pub(in crate::store::maintain) created_at: Time,
    pub(in crate::store::maintain) confirmed_at: Time,
}

/// What the line of a report says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::maintain) struct ReportLine<'a> {
    pub(in crate::store::maintain) report_id: u64,
    /// Who filed it.
    pub(in crate::store::maintain) by_id: UserId,
    /// Who is reported.
    pub(in crate::store::maintain) user_id: UserId,
    #[serde(borrow)]
    pub(in crate::store::maintain) reason: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) message: Option<ReportedLine<'a>>,
    pub(in crate::store::maintain) created_at: Time,
    pub(in crate::store::maintain) expires_at: Time,
}

/// A message as it was when it was reported.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store::maintain) struct ReportedLine<'a> {
    pub(in crate::store::maintain) id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::maintain) room_id: Option<RoomId>,
    #[serde(borrow)]
    pub(in crate::store::maintain) content: Cow<'a, str>,
    pub(in crate::store::maintain) created_at: Time,
}
