//! Accounts, as their owners and administrators see them, and invites.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::people::last_seen;
use crate::accounts::{Caller, Invite, Login, MadeAppUser};
use crate::chat::{Seen, SentText};
use crate::model::{MessageId, Room, RoomId, Timestamp, User, UserId};

/// An account, as its owner sees it: `{"id","username","name","avatar","is_admin"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct Account {
    id: UserId,
    username: String,
    /// The name to be shown, which others may have too.
    name: String,
    /// A picture's URL.
    avatar: Option<Arc<str>>,
    is_admin: bool,
    /// Whether it is a program; absent for people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    is_bot: bool,
}

impl Account {
    pub(crate) fn new(user: &User, is_admin: bool) -> Self {
        Self {
            id: user.id,
            username: user.username.as_str().to_owned(),
            name: user.shown_name().to_owned(),
            avatar: user.avatar.clone(),
            is_admin,
            is_bot: user.is_bot,
        }
    }
}

/// The caller's own account after a change; with a new password also `"token","expires_at"`, since
/// all earlier ones are revoked.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ChangedOwnAccount {
    #[serde(flatten)]
    pub(crate) account: Account,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
}

/// `{"token","expires_at","user"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct LoggedIn {
    /// The JWT by which the caller is known from now on.
    token: String,
    /// When it ends.
    expires_at: Timestamp,
    user: Account,
}

impl From<Login> for LoggedIn {
    fn from(login: Login) -> Self {
        Self {
            token: login.token,
            expires_at: login.expires_at,
            user: Account::new(&login.user, login.user.is_admin),
        }
    }
}

impl LoggedIn {
    /// Returns what a page gets that an app signs in: the app's own token.
    pub(crate) fn by_app(token: String, caller: &Caller) -> Self {
        Self {
            token,
            expires_at: caller.expires_at,
            user: Account::new(&caller.user, caller.is_admin()),
        }
    }
}

/// What becomes of the messages of an account that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LeftMessages {
    /// They stay, with a sender who is called `deleted-` and the account's id.
    #[default]
    Keep,
    /// They are erased.
    Erase,
}

/// In place, as a text: in a query it has no name, and generators would make up one.
impl JsonSchema for LeftMessages {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MessagesOfDeleted".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(keep|erase)$" })
    }
}

impl LeftMessages {
    /// Returns whether they are to be erased.
    pub(crate) fn are_erased(asked: Option<Self>) -> bool {
        asked == Some(Self::Erase)
    }
}

/// A text that is none of these.
#[derive(Debug, thiserror::Error)]
#[error("must be keep or erase")]
pub(crate) struct LeftMessagesError;

impl FromStr for LeftMessages {
    type Err = LeftMessagesError;

    fn from_str(text: &str) -> Result<Self, LeftMessagesError> {
        match text {
            "keep" => Ok(Self::Keep),
            "erase" => Ok(Self::Erase),
            _ => Err(LeftMessagesError),
        }
    }
}

/// The first line of one's own export:
/// `{"type":"account","id","username","name","avatar","created_at","exported_at"}`.
#[derive(Serialize)]
pub(crate) struct OwnAccountLine<'a> {
    r#type: &'static str,
    id: UserId,
    username: &'a str,
    name: &'a str,
    avatar: Option<&'a str>,
    created_at: Timestamp,
    exported_at: Timestamp,
}

impl<'a> OwnAccountLine<'a> {
    pub(crate) fn new(user: &'a User, now: Timestamp) -> Self {
        Self {
            r#type: "account",
            id: user.id,
            username: user.username.as_str(),
            name: user.shown_name(),
            avatar: user.avatar.as_deref(),
            created_at: user.created_at,
            exported_at: now,
        }
    }
}

/// Every other line:
/// `{"type":"message","id","receiver_id"|"room_id","content","created_at","edited_at"?}`.
#[derive(Serialize)]
pub(crate) struct OwnMessageLine<'a> {
    r#type: &'static str,
    id: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    content: &'a str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Timestamp>,
}

impl<'a> From<&'a SentText> for OwnMessageLine<'a> {
    fn from(text: &'a SentText) -> Self {
        Self {
            r#type: "message",
            id: text.id,
            receiver_id: text.receiver,
            room_id: text.room,
            content: &text.content,
            created_at: text.created_at,
            edited_at: text.edited_at,
        }
    }
}

/// A link that opens the page as a person: `{"url"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct SignInLink {
    /// Good once, and for 60 s. The code is in its fragment.
    pub(crate) url: String,
}

/// `{"token","expires_at"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct Token {
    token: String,
    expires_at: Timestamp,
}

impl From<Login> for Token {
    fn from(login: Login) -> Self {
        Self {
            token: login.token,
            expires_at: login.expires_at,
        }
    }
}

/// An account as administrators see it:
/// `{"id","username","name","avatar","is_admin","disabled","created_at","last_seen"}`, and
/// `online`; `last_seen` is null while online. Of an app's user `subject`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AccountRow {
    id: UserId,
    username: String,
    /// The name to be shown, which others may have too.
    name: String,
    avatar: Option<Arc<str>>,
    is_admin: bool,
    /// Whether it is a program; absent for people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    is_bot: bool,
    /// Whether the account is gone; absent for others. Its username is `deleted-` and its id then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    deleted: bool,
    disabled: bool,
    /// Whether messages of the deleted account are still being erased; absent for others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    erasing: bool,
    created_at: Timestamp,
    last_seen: Option<Timestamp>,
    online: bool,
    /// What an app calls them, where that is no id.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Arc<str>>,
}

impl AccountRow {
    pub(crate) fn new(user: &User, seen: Seen) -> Self {
        Self {
            id: user.id,
            username: user.username.as_str().to_owned(),
            name: user.shown_name().to_owned(),
            avatar: user.avatar.clone(),
            is_admin: user.is_admin,
            is_bot: user.is_bot,
            deleted: user.deleted,
            disabled: user.disabled,
            erasing: user.erasing,
            created_at: user.created_at,
            last_seen: last_seen(user, seen),
            online: seen.online,
            subject: user.subject.as_ref().map(|whom| Arc::clone(&whom.subject)),
        }
    }
}

/// An account of an app's own user: `{"id","subject"?,"created"}`, with the subject by which the
/// request named it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PutRow {
    id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Whether it was made now.
    created: bool,
}

impl From<MadeAppUser> for PutRow {
    fn from(made: MadeAppUser) -> Self {
        Self {
            id: made.user.id,
            subject: made.subject,
            created: made.created,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct UsersMeta {
    pub(crate) has_more: bool,
}

/// `{"code","url","max_uses","uses","expires_at"}`, `created_at`, of one into a room `room`, and
/// `by`
#[derive(Serialize, JsonSchema)]
pub(crate) struct InviteRow {
    code: Arc<str>,
    /// The link that registers, or leads into the room.
    url: String,
    max_uses: u32,
    uses: u32,
    expires_at: Timestamp,
    created_at: Timestamp,
    /// The room into which it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomName>,
    /// The account that made it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<UserId>,
}

impl InviteRow {
    /// Returns the row of an invite to the server that is reached at `base`. `room` gives the room
    /// of an id.
    pub(crate) fn new(
        base: &str,
        invite: Invite,
        room: impl FnOnce(RoomId) -> Option<Arc<Room>>,
    ) -> Self {
        let room = invite.room.map(|(id, _)| RoomName {
            id,
            name: room(id).map_or_else(|| "".into(), |room| Arc::clone(&room.name)),
        });
        let url = match room {
            // In the fragment it reaches no log on its way.
            Some(_) => format!("{base}/#/join/{}", invite.code),
            None => format!("{base}/?invite={}", invite.code),
        };
        Self {
            url,
            code: invite.code,
            max_uses: invite.max_uses,
            uses: invite.uses,
            expires_at: invite.expires_at,
            created_at: invite.created_at,
            room,
            by: invite.by.account(),
        }
    }
}

/// A room by its name: `{"id","name"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct RoomName {
    id: RoomId,
    name: Arc<str>,
}

/// Where an invite leads: `{"room","registers"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct InviteLook {
    /// The room; null of one that only registers.
    room: Option<RoomName>,
    /// Whether new people can register by it.
    registers: bool,
}

impl InviteLook {
    pub(crate) fn new(room: Option<Arc<Room>>, registers: bool) -> Self {
        let room = room.map(|room| RoomName {
            id: room.id,
            name: Arc::clone(&room.name),
        });
        Self { room, registers }
    }
}
