//! Why a hook is refused.

use crate::chat::ChatError;
use crate::contract::{Code, Refusal};
use crate::outgoing::TargetError;
use crate::store::{HookRefusal, PeopleRefusal, StoreError};

/// Why something with a hook is refused.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// No hook has this number, or the secret is another.
    #[error("no such hook")]
    NoSuchHook,
    /// So many hooks are kept.
    #[error("there are as many hooks as there may be: take one away")]
    TooMany,
    /// The account is none of a bot.
    #[error("bot_id: no bot has this id")]
    NoSuchBot,
    /// No account has this id.
    #[error("user_id: no account has this id")]
    NoSuchUser,
    /// No room has an id that this key gives.
    #[error("{0}: no room has this id")]
    NoSuchRoom(&'static str),
    /// It is to lead to a person and to a room, or to neither.
    #[error("give room_id or user_id")]
    OneChat,
    /// The name cannot be taken.
    #[error("name: give 1 to 64 characters in one line")]
    Name,
    /// The URL cannot be taken.
    #[error("url: {0}")]
    Url(#[from] TargetError),
    /// The URL leads to where no hook may.
    #[error("url: its address is private, and --hook-private was not given")]
    Private,
    /// Direct messages are not told of.
    #[error("events: direct_message is told of only with --hook-direct")]
    Direct,
    /// The list of rooms is too long.
    #[error("room_ids: at most 100")]
    TooManyRooms,
    /// The cursor is none that is known.
    #[error("since: this cursor is not known, or no more")]
    Cursor,
    /// A restore brought it back.
    #[error("a restore brought this hook back: an administrator is to confirm it")]
    Unconfirmed,
    /// Its bot was disabled.
    #[error("the bot of this hook is disabled")]
    BotDisabled,
    /// Nothing is said.
    #[error("nothing that can be shown: give content, text, attachments or blocks")]
    NothingSaid,
    /// The message is refused.
    #[error(transparent)]
    Chat(#[from] ChatError),
}

impl From<StoreError> for HookError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Hook(HookRefusal::NoSuchHook) => Self::NoSuchHook,
            StoreError::Hook(HookRefusal::TooManyHooks) => Self::TooMany,
            StoreError::People(PeopleRefusal::NoSuchUser) => Self::NoSuchBot,
            error => Self::Chat(error.into()),
        }
    }
}

impl From<HookError> for Refusal {
    fn from(error: HookError) -> Self {
        let code = match error {
            HookError::Chat(error) => return error.into(),
            HookError::NoSuchHook => Code::NotFound,
            HookError::TooMany | HookError::Unconfirmed => Code::Forbidden,
            HookError::BotDisabled => Code::AccountDisabled,
            HookError::Cursor => Code::CursorExpired,
            HookError::NothingSaid => Code::EmptyMessage,
            HookError::NoSuchBot
            | HookError::NoSuchUser
            | HookError::NoSuchRoom(_)
            | HookError::OneChat
            | HookError::Name
            | HookError::Url(_)
            | HookError::Private
            | HookError::Direct
            | HookError::TooManyRooms => Code::InvalidPayload,
        };
        Self::new(code, error.to_string())
    }
}
