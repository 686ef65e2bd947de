//! The exported form of a data file: JSON Lines, one object a line, UTF-8, each line ended by a newline.
//!
//! The first line is a [`Header`]; then every account, ascending by id; then the log in its order. What can be derived
//! is not there: conversations, unread counts, what a mark changed. Neither are the secret that signs tokens, and
//! invites.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::{EntryId, MessageId, Timestamp, UserId};

/// What the first line calls the format.
pub(super) const FORMAT: &str = "chatd-export";
/// Goes up when a line may say something that an earlier chatd would not understand.
pub(super) const VERSION: u32 = 1;

/// `{"format":"chatd-export","version":1,"accounts":2,"entries":3}`: the first line. The counts tell a file that was
/// cut off.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
    /// How many lines of accounts there are.
    pub(super) accounts: u64,
    /// How many lines of messages and marks there are.
    pub(super) entries: u64,
}

/// Every other line. `?` is a key that is left out where there is nothing to say.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line<'a> {
    /// `{"type":"user","id","username","avatar"?,"is_admin","disabled","token_version","revoked_at"?,"created_at",
    /// "last_seen"?,"password_hash"?}`: an account; the hash is argon2id in PHC string form, without which nobody could log in.
    User {
        id: UserId,
        #[serde(borrow)]
        username: Cow<'a, str>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        avatar: Option<Cow<'a, str>>,
        is_admin: bool,
        disabled: bool,
        token_version: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revoked_at: Option<Timestamp>,
        created_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_seen: Option<Timestamp>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        password_hash: Option<Cow<'a, str>>,
    },
    /// `{"type":"message","id","sender_id","receiver_id","content","created_at","client_id"?}`
    Message {
        id: EntryId,
        sender_id: UserId,
        receiver_id: UserId,
        #[serde(borrow)]
        content: Cow<'a, str>,
        created_at: Timestamp,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        client_id: Option<Cow<'a, str>>,
    },
    /// `{"type":"read","id","message_id","user_id","at"}`: the user read that one message.
    Read {
        id: EntryId,
        message_id: MessageId,
        user_id: UserId,
        at: Timestamp,
    },
    /// `{"type":"chat_read","id","user_id","peer_id","up_to","at"}`: the user read all that the peer had sent, up to and
    /// including that message of the two.
    ChatRead {
        id: EntryId,
        user_id: UserId,
        peer_id: UserId,
        up_to: MessageId,
        at: Timestamp,
    },
}
