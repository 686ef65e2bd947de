//! Hooks, as administrators see them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{ChatId, HookEvent, HookState, RoomId, SealedCursor, Timestamp, UserId};
use crate::store::{Hook, HookAnswer, HookIn, HookOut, HookPause, HookProgress};

/// An incoming hook that was made: `{"id","url"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadeHookInRow {
    pub(crate) id: u64,
    /// Where other systems post, with the secret in it, shown this once.
    pub(crate) url: String,
}

/// An outgoing hook that was made: `{"id","secret"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadeHookOutRow {
    pub(crate) id: u64,
    /// By what its requests are signed, shown this once.
    pub(crate) secret: String,
}

/// An incoming hook: `{"id","bot_id","room_id"|"user_id","name","created_at","paused"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HookInRow {
    id: u64,
    /// As whom it writes.
    bot_id: UserId,
    /// In which room it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    /// To whom it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    name: Arc<str>,
    created_at: Timestamp,
    /// A restore brought it back, and it counts once an administrator says so.
    paused: bool,
}

impl HookInRow {
    pub(crate) fn new(hook: &Hook, incoming: &HookIn, paused: bool) -> Self {
        let (room_id, user_id) = match incoming.chat {
            ChatId::Room(room) => (Some(room), None),
            ChatId::Person(user) => (None, Some(user)),
        };
        Self {
            id: hook.id.0,
            bot_id: incoming.bot,
            room_id,
            user_id,
            name: Arc::clone(&incoming.name),
            created_at: hook.created_at,
            paused,
        }
    }
}

/// Why an outgoing hook rests.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PausedBy {
    /// An administrator said so.
    Administrator,
    /// Its receiver answered 410.
    Gone,
    /// It failed for three days.
    Failing,
    /// A restore brought it back.
    Restore,
}

/// An outgoing hook: `{"id","url","events","room_ids","created_at","state","paused_by",
/// "failing_since","set_aside","set_aside_from","cursor","behind","last_answer"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HookOutRow {
    id: u64,
    /// Where it tells: the scheme, the host and the port alone, since there may be secrets in the
    /// rest.
    url: String,
    /// Of what it tells; all where none is named.
    events: Vec<HookEvent>,
    /// Of which rooms alone it tells; of all and of all else where none is named.
    room_ids: Vec<RoomId>,
    created_at: Timestamp,
    state: HookState,
    /// Why it rests; null where it does not.
    paused_by: Option<PausedBy>,
    /// Since when something fails to be told.
    failing_since: Option<Timestamp>,
    /// How many events were given up, since the receiver refused them ten times.
    set_aside: u64,
    /// Before the first of them: given to a replay, it tells them again.
    #[schemars(with = "Option<String>")]
    set_aside_from: Option<SealedCursor>,
    /// The place in the log up to which all is told.
    #[schemars(with = "String")]
    cursor: SealedCursor,
    /// How many entries of the log come after that.
    behind: u64,
    /// What the receiver said last; null where it was not asked yet.
    last_answer: Option<HookAnswerRow>,
}

/// What a receiver said: `{"at","status","error"}`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HookAnswer")]
pub(crate) struct HookAnswerRow {
    at: Timestamp,
    /// The status of its answer; null where there was none.
    status: Option<u16>,
    /// Why there was none.
    error: Option<Arc<str>>,
}

impl From<&HookAnswer> for HookAnswerRow {
    fn from(answer: &HookAnswer) -> Self {
        Self {
            at: Timestamp::from_ms(answer.at_ms),
            status: answer.status,
            error: answer.error.clone(),
        }
    }
}

/// How an outgoing hook fares.
pub(crate) struct Faring<'a> {
    pub(crate) state: HookState,
    pub(crate) progress: &'a HookProgress,
    pub(crate) is_unconfirmed: bool,
    /// Where it stands.
    pub(crate) cursor: SealedCursor,
    /// Where it stood before the first event that was set aside.
    pub(crate) set_aside_from: Option<SealedCursor>,
    pub(crate) behind: u64,
}

impl HookOutRow {
    pub(crate) fn new(hook: &Hook, out: &HookOut, origin: String, faring: &Faring<'_>) -> Self {
        let progress = faring.progress;
        let paused_by = progress.paused.map(|pause| match pause {
            HookPause::Administrator => PausedBy::Administrator,
            HookPause::Gone => PausedBy::Gone,
            HookPause::Failing => PausedBy::Failing,
        });
        Self {
            id: hook.id.0,
            url: origin,
            events: out.events.clone(),
            room_ids: out.rooms.clone(),
            created_at: hook.created_at,
            state: faring.state,
            paused_by: match faring.is_unconfirmed {
                true => Some(PausedBy::Restore),
                false => paused_by,
            },
            failing_since: progress.failing_since_ms.map(Timestamp::from_ms),
            set_aside: progress.set_aside,
            set_aside_from: faring.set_aside_from,
            cursor: faring.cursor,
            behind: faring.behind,
            last_answer: progress.last.as_ref().map(HookAnswerRow::from),
        }
    }
}
