//! What a hook is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{ChatId, HookEvent, HookSecret, HookUrl, RoomId, Timestamp, UserId};
use crate::store::people::api_keys::KeyHash;

/// The number of a hook. It grows; that of a hook that was taken away may be given again after a
/// restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub u64);

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its number.
    pub id: HookId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an administrator last said that it counts: with its making, or after a restore.
    pub confirmed_at: Timestamp,
    /// Which way it goes.
    pub kind: HookKind,
}

/// Which way a hook goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookKind {
    /// Other systems write by it.
    In(HookIn),
    /// Other systems are told by it.
    Out(Box<HookOut>),
}

/// By what another system writes to one chat, as a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookIn {
    /// The bot.
    pub bot: UserId,
    /// The chat.
    pub chat: ChatId,
    /// What administrators call it.
    pub name: Arc<str>,
    /// What is kept of its secret.
    pub hash: KeyHash,
}

/// By what another system is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOut {
    /// Where it is told.
    pub url: HookUrl,
    /// By what the requests are signed.
    pub secret: HookSecret,
    /// Of what it is told; of all where nothing is named.
    pub events: Vec<HookEvent>,
    /// Of which rooms alone; of all and of all else where none is named.
    pub rooms: Vec<RoomId>,
    /// How far it has come, and how that went.
    pub progress: HookProgress,
    /// Grows with each change of its position by an administrator: what was on its way before is
    /// not to undo that.
    pub turn: u64,
}

impl HookOut {
    /// Returns whether it is to tell of such an event.
    pub fn wants(&self, event: HookEvent) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }

    /// Returns whether it is to tell of accounts.
    pub fn wants_accounts(&self) -> bool {
        let wanted = |event: &HookEvent| event.is_of_accounts() && self.wants(*event);
        self.rooms.is_empty() && HookEvent::ALL.iter().any(wanted)
    }
}

/// How far an outgoing hook has come, and how that went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookProgress {
    /// The entry of the log up to which all is told.
    pub entry: u64,
    /// The number of the row up to which all of accounts is told.
    #[serde(default)]
    pub account: u64,
    /// It stands behind a gap that it has not told of yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gap: bool,
    /// Why it rests; `None` where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<HookPause>,
    /// Since when something fails to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since_ms: Option<u64>,
    /// How many events were set aside, since the receiver refused them ten times.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub set_aside: u64,
    /// The entry before the first of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside_from: Option<u64>,
    /// What the receiver said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<HookAnswer>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why an outgoing hook rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPause {
    /// An administrator said so.
    Administrator,
    /// The receiver said that it is gone.
    Gone,
    /// It failed for three days.
    Failing,
}

/// What a receiver said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookAnswer {
    /// When.
    pub at_ms: u64,
    /// The status of its answer; `None` where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
}

impl Hook {
    /// Returns whether it does not count until an administrator confirms it: a file that went back
    /// to `known_from` may have forgotten that it was taken away.
    pub fn is_unconfirmed(&self, known_from: Option<Timestamp>) -> bool {
        known_from.is_some_and(|from| self.confirmed_at < from)
    }

    /// Returns the incoming hook that it is, if it is one.
    pub fn incoming(&self) -> Option<&HookIn> {
        match &self.kind {
            HookKind::In(hook) => Some(hook),
            HookKind::Out(_) => None,
        }
    }

    /// Returns the outgoing hook that it is, if it is one.
    pub fn outgoing(&self) -> Option<&HookOut> {
        match &self.kind {
            HookKind::Out(hook) => Some(hook),
            HookKind::In(_) => None,
        }
    }
}

/// An account was made or deleted, and outgoing hooks are to tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountEvent {
    /// The number of its row, growing.
    pub number: u64,
    /// What happened.
    pub event: HookEvent,
    /// To whose account.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
}
