//! Bots and keys, as administrators see them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::{ApiKey, KeyHolder, MadeKey};
use crate::model::{Timestamp, User, UserId};

/// A bot that was made: `{"id","key_id","key"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadeBotRow {
    id: UserId,
    /// The number of its key.
    key_id: u64,
    /// Its key, shown this once.
    key: String,
}

impl MadeBotRow {
    pub(crate) fn new(bot: &User, made: MadeKey) -> Self {
        Self {
            id: bot.id,
            key_id: made.key.id.0,
            key: made.text,
        }
    }
}

/// A key that was made: `{"id","key"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadeKeyRow {
    id: u64,
    /// Its text, shown this once.
    key: String,
}

impl From<MadeKey> for MadeKeyRow {
    fn from(made: MadeKey) -> Self {
        Self {
            id: made.key.id.0,
            key: made.text,
        }
    }
}

/// A bot: `{"id","username","name","avatar","disabled","created_at","keys"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BotRow {
    id: UserId,
    username: String,
    name: String,
    avatar: Option<Arc<str>>,
    disabled: bool,
    created_at: Timestamp,
    keys: Vec<BotKeyRow>,
}

impl BotRow {
    pub(crate) fn new(bot: &User, keys: Vec<BotKeyRow>) -> Self {
        Self {
            id: bot.id,
            username: bot.username.as_str().to_owned(),
            name: bot.shown_name().to_owned(),
            avatar: bot.avatar.clone(),
            disabled: bot.disabled,
            created_at: bot.created_at,
            keys,
        }
    }
}

/// A bot's key: `{"id","created_at","paused"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BotKeyRow {
    id: u64,
    created_at: Timestamp,
    /// A restore brought it back, and it counts once an administrator says so.
    paused: bool,
}

impl BotKeyRow {
    pub(crate) const fn new(key: &ApiKey, paused: bool) -> Self {
        Self {
            id: key.id.0,
            created_at: key.created_at,
            paused,
        }
    }
}

/// A backend's key: `{"id","name","scope","created_at","paused"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct KeyRow {
    id: u64,
    name: Arc<str>,
    scope: Scope,
    created_at: Timestamp,
    /// A restore brought it back, and it counts once an administrator says so.
    paused: bool,
}

impl KeyRow {
    /// Returns the row of a backend's key; `None` for a bot's.
    pub(crate) fn new(key: &ApiKey, paused: bool) -> Option<Self> {
        let KeyHolder::Backend { name, scope } = &key.holder else {
            return None;
        };
        Some(Self {
            id: key.id.0,
            name: Arc::clone(name),
            scope: (*scope).into(),
            created_at: key.created_at,
            paused,
        })
    }
}

/// Which routes a backend's key opens: `users`, those that make, change and find people who are no
/// administrators; `all`, all of the administrators'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "KeyScope")]
pub(crate) enum Scope {
    Users,
    All,
}

impl From<crate::accounts::KeyScope> for Scope {
    fn from(scope: crate::accounts::KeyScope) -> Self {
        match scope {
            crate::accounts::KeyScope::Users => Self::Users,
            crate::accounts::KeyScope::All => Self::All,
        }
    }
}

impl From<Scope> for crate::accounts::KeyScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Users => Self::Users,
            Scope::All => Self::All,
        }
    }
}
