//! The exported form of a data file: JSON Lines, one object a line, UTF-8, each line ended by a
//! newline.
//!
//! The first line is a [`Header`]; then every account, ascending by id; then the keys of programs,
//! the hooks and the reports; then the log in its order. What can be derived is not there:
//! conversations, unread counts, what a mark changed. Neither are the secret that signs tokens,
//! what lives by it (sessions, and the browsers that are pushed to), and invites.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::{
    Attachment, Emoji, EntryId, FileId, MembershipChange, MessageChange, MessageId, Notify, Role,
    RoomChange, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp, UserId,
};

mod people;

pub(super) use people::{ApiKeyLine, HookInLine, HookOutLine, ReportLine, ReportedLine};

/// The name of the format in the first line.
pub(super) const FORMAT: &str = "chatd-export";
/// The version of the format: greater once a line may say what an earlier chatd would not
/// understand.
pub(super) const VERSION: u32 = 3;
/// The version of a file without keys, hooks and reports, which an earlier chatd understands too.
pub(super) const VERSION_WITHOUT_OTHERS: u32 = 2;

/// `{"format":"chatd-export","version":3,"accounts":2,"others":1,"entries":3}`: the first line. The
/// counts tell a file that was cut off.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
    /// The number of lines of accounts.
    pub(super) accounts: u64,
    /// The number of lines of keys, hooks and reports.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) others: u64,
    /// The number of lines of messages and marks.
    pub(super) entries: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A time as a line has it. One that is finer than a millisecond is cut: what writes lines for an
/// import mostly has microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) at: Timestamp,
    pub(super) is_cut: bool,
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self { at, is_cut: false }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.at.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let (at, is_cut) = Timestamp::parse_and_cut(&text).map_err(de::Error::custom)?;
        Ok(Self { at, is_cut })
    }
}

/// Every other line. `?` is a key that is left out where there is nothing to say.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line<'a> {
    /// `{"type":"user","id","username","name"?,"avatar"?,"is_admin","is_bot"?,"disabled",
    /// "deleted"?,"erasing"?,"token_version","revoked_at"?,"created_at","last_seen"?,
    /// "password_hash"?}`: an account; the hash is argon2id in PHC string form, or, in
    /// an import, of another kind that can be verified; without one no login is possible.
    User(UserLine<'a>),
    /// `{"type":"api_key","key_id","bot_id"?,"name"?,"scope"?,"hash","created_at","confirmed_at"}`:
    /// a key of a bot, or of a backend, which has a name and a scope.
    ApiKey(ApiKeyLine<'a>),
    /// `{"type":"hook_in","hook_id","bot_id","room_id" or "user_id","name","hash","created_at",
    /// "confirmed_at"}`: a hook by which another system writes.
    HookIn(HookInLine<'a>),
    /// `{"type":"hook_out","hook_id","url","secret","events"?,"room_ids"?,"told_to","paused"?,
    /// "set_aside"?,"set_aside_from"?,"created_at","confirmed_at"}`: one by which another system
    /// is told.
    HookOut(HookOutLine<'a>),
    /// `{"type":"report","report_id","by_id","user_id","reason","message"?,"created_at",
    /// "expires_at"}`: an open report, with a copy of the message that it is of.
    Report(ReportLine<'a>),
    /// `{"type":"message","id","sender_id","receiver_id","content","created_at","client_id"?,
    /// "reply_to"?,"meta"?,"as"?,"attachments"?,"auto_content"?,"edited_at"?,"reactions"?}`: a
    /// message as it is, whatever it was first. The entries that changed it follow in their places
    /// and do not say it again.
    Message(MessageLine<'a>),
    /// `{"type":"erased_message","id","sender_id","receiver_id","created_at","client_id"?}`: what
    /// is left of a message that was deleted.
    ErasedMessage {
        id: EntryId,
        sender_id: UserId,
        receiver_id: UserId,
        created_at: Time,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        client_id: Option<Cow<'a, str>>,
    },
    /// `{"type":"edit","id","message_id","user_id","at"}`: the user gave the message another text.
    Edit {
        id: EntryId,
        message_id: MessageId,
        user_id: UserId,
        at: Time,
    },
    /// `{"type":"delete","id","message_id","user_id"?,"at"}`: the message was deleted, by the
    /// server itself where no user is named.
    Delete {
        id: EntryId,
        message_id: MessageId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
        at: Time,
    },
    /// `{"type":"erasure","id","room_id"?,"sender_id"?,"before"?,"message_ids","at"}`: the server
    /// itself erased these messages of a chat: of retention, or of what was said by an account or
    /// in a room that is gone.
    Erasure {
        id: EntryId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sender_id: Option<UserId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<MessageId>,
        message_ids: Vec<MessageId>,
        at: Time,
    },
    /// `{"type":"reaction","id","message_id","user_id","emoji"?,"on","at"}`: the user put the emoji
    /// on the message, or took it away. Which one it was is gone with the message.
    Reaction {
        id: EntryId,
        message_id: MessageId,
        user_id: UserId,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        emoji: Option<Cow<'a, str>>,
        on: bool,
        at: Time,
    },
    /// `{"type":"read","id","message_id","user_id","at"}`: the user read that one message.
    Read {
        id: EntryId,
        message_id: MessageId,
        user_id: UserId,
        at: Time,
    },
    /// `{"type":"chat_read","id","user_id","peer_id","up_to","at"}`: the user read all that the
    /// peer had sent, up to and including that message of the two.
    ChatRead {
        id: EntryId,
        user_id: UserId,
        peer_id: UserId,
        up_to: MessageId,
        at: Time,
    },
    /// `{"type":"room","id","room_id","change","by","name","topic","avatar"?,"kind","history",
    /// "post","retention_days"?,"at"}`: a room was made, changed or archived, and is described so
    /// since then; `by` is null where the server itself did it.
    Room {
        id: EntryId,
        room_id: RoomId,
        change: RoomChange,
        #[serde(deserialize_with = "Option::deserialize")]
        by: Option<UserId>,
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        topic: Cow<'a, str>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        avatar: Option<Cow<'a, str>>,
        kind: RoomKind,
        history: RoomHistory,
        post: RoomPost,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention_days: Option<u32>,
        at: Time,
    },
    /// `{"type":"room_member","id","room_id","user_id","change","role","by","at"}`: the user
    /// joined, left or was removed, or has another role.
    RoomMember {
        id: EntryId,
        room_id: RoomId,
        user_id: UserId,
        change: MembershipChange,
        role: Role,
        by: UserId,
        at: Time,
    },
    /// `{"type":"room_message","id","room_id","sender_id","content","created_at","client_id"?,
    /// "reply_to"?,"mentions"?,"mention_all"?,"meta"?,"as"?,"attachments"?,"auto_content"?,
    /// "edited_at"?,"reactions"?}`: likewise as it is; of each reaction how many there are, and the
    /// lines of these say whose.
    RoomMessage {
        id: EntryId,
        room_id: RoomId,
        sender_id: UserId,
        #[serde(borrow)]
        content: Cow<'a, str>,
        created_at: Time,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        client_id: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<MessageId>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<UserId>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mention_all: bool,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        meta: Option<Cow<'a, str>>,
        #[serde(
            rename = "as",
            borrow,
            default,
            skip_serializing_if = "Option::is_none"
        )]
        speaker: Option<Cow<'a, str>>,
        #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<AttachmentLine<'a>>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        auto_content: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edited_at: Option<Time>,
        #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
        reactions: Vec<RoomReactionLine<'a>>,
    },
    /// `{"type":"erased_room_message","id","room_id","sender_id","created_at","client_id"?,
    /// "mentions"?,"mention_all"?}`: what is left of a room's message that was deleted.
    ErasedRoomMessage {
        id: EntryId,
        room_id: RoomId,
        sender_id: UserId,
        created_at: Time,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        client_id: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<UserId>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mention_all: bool,
    },
    /// `{"type":"room_read","id","room_id","user_id","up_to","at"}`: the user read all of the room,
    /// up to and including that message of it.
    RoomRead {
        id: EntryId,
        room_id: RoomId,
        user_id: UserId,
        up_to: MessageId,
        at: Time,
    },
    /// `{"type":"chat_settings","id","user_id","peer_id" or
    /// "room_id","notify"?,"muted_until"?,"blocked"?,"at"}`; `blocked` only where that is what
    /// changed.
    ChatSettings {
        id: EntryId,
        user_id: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer_id: Option<UserId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notify: Option<Notify>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        muted_until: Option<Time>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blocked: Option<bool>,
        at: Time,
    },
}

/// What the line of a change of one message says, in a chat of either kind.
pub(super) struct ChangeLine<'a> {
    pub(super) id: EntryId,
    pub(super) message: MessageId,
    /// Who did it; `None` for the server itself.
    pub(super) by: Option<UserId>,
    pub(super) at: Time,
    pub(super) change: MessageChange<&'a str>,
    /// The key that it leaves out, as it may where the message was deleted since.
    pub(super) left_out: Option<&'static str>,
}

impl<'a> Line<'a> {
    /// Returns the line of a change; `None` for one that no chatd writes. `is_gone` tells whether
    /// the message was deleted: what was put on it is gone then.
    pub(super) fn of_change<E>(
        line: &ChangeLine<'a>,
        is_gone: impl FnOnce() -> Result<bool, E>,
    ) -> Result<Option<Self>, E> {
        let (id, message_id, at) = (line.id, line.message, line.at);
        Ok(Some(match (&line.change, line.by) {
            (MessageChange::Edited { .. }, Some(user_id)) => Self::Edit {
                id,
                message_id,
                user_id,
                at,
            },
            (MessageChange::Deleted { .. }, user_id) => Self::Delete {
                id,
                message_id,
                user_id,
                at,
            },
            (MessageChange::Reacted { emoji, on }, Some(user_id)) => Self::Reaction {
                id,
                message_id,
                user_id,
                emoji: (!is_gone()?).then_some((*emoji).into()),
                on: *on,
                at,
            },
            (MessageChange::Edited { .. } | MessageChange::Reacted { .. }, None) => {
                return Ok(None);
            }
        }))
    }

    /// Returns what the line of a change says. The error says what is wrong with it.
    pub(super) fn change(&self) -> Result<ChangeLine<'_>, String> {
        let (id, message, by, at, change) = match *self {
            Self::Edit {
                id,
                message_id,
                user_id,
                at,
            } => {
                let content = None;
                let edited = MessageChange::Edited { content };
                (id, message_id, Some(user_id), at, edited)
            }
            Self::Delete {
                id,
                message_id,
                user_id,
                at,
            } => {
                let deleted = MessageChange::Deleted { by: None };
                (id, message_id, user_id, at, deleted)
            }
            Self::Reaction {
                id,
                message_id,
                user_id,
                ref emoji,
                on,
                at,
            } => {
                let emoji = emoji.as_deref().unwrap_or_default();
                if !emoji.is_empty() {
                    Emoji::new(emoji).map_err(|error| format!("emoji {error}"))?;
                }
                let reacted = MessageChange::Reacted { emoji, on };
                (id, message_id, Some(user_id), at, reacted)
            }
            _ => return Err("is no line of a change".into()),
        };
        let left_out = match change {
            MessageChange::Reacted { emoji: "", .. } => Some("emoji"),
            MessageChange::Reacted { .. }
            | MessageChange::Edited { .. }
            | MessageChange::Deleted { .. } => None,
        };
        Ok(ChangeLine {
            id,
            message,
            by,
            at,
            change,
            left_out,
        })
    }
}

/// `{"emoji","user_ids"}`: an emoji on a message, and who put it there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReactionLine<'a> {
    #[serde(borrow)]
    pub(super) emoji: Cow<'a, str>,
    pub(super) user_ids: Vec<UserId>,
}

/// `{"emoji","count"}`: an emoji on a message of a room.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomReactionLine<'a> {
    #[serde(borrow)]
    pub(super) emoji: Cow<'a, str>,
    pub(super) count: u64,
}

/// `{"id","name","type","size","width"?,"height"?,"alt"?}`: a file of a message, whose bytes lie in
/// the folder beside the lines. What they say of themselves counts, and not the type here; one of
/// another size is not whole, and is left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttachmentLine<'a> {
    pub(super) id: FileId,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) height: Option<u32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) alt: Option<Cow<'a, str>>,
}

impl<'a> From<&Attachment<&'a str>> for AttachmentLine<'a> {
    fn from(file: &Attachment<&'a str>) -> Self {
        let (width, height) = file.dimensions.unzip();
        Self {
            id: file.id,
            name: file.name.into(),
            kind: file.kind.media_type().into(),
            size: file.size,
            width,
            height,
            alt: file.alt.map(Cow::from),
        }
    }
}

/// What the line of an account says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserLine<'a> {
    pub(super) id: UserId,
    #[serde(borrow)]
    pub(super) username: Cow<'a, str>,
    /// The name that is shown, where it is another than the username.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) avatar: Option<Cow<'a, str>>,
    pub(super) is_admin: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_bot: bool,
    pub(super) disabled: bool,
    /// Of an account that is gone, and whose username is `deleted-` and its id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) deleted: bool,
    /// What it said is still to be erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) erasing: bool,
    pub(super) token_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked_at: Option<Time>,
    pub(super) created_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_seen: Option<Time>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) password_hash: Option<Cow<'a, str>>,
    /// Absent, an account without a password is an app's, and one with a password is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of_app: Option<bool>,
    /// With `subject`: whom an app means by the account.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Cow<'a, str>>,
}

/// What the line of a message between two people says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageLine<'a> {
    pub(super) id: EntryId,
    pub(super) sender_id: UserId,
    pub(super) receiver_id: UserId,
    #[serde(borrow)]
    pub(super) content: Cow<'a, str>,
    pub(super) created_at: Time,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<MessageId>,
    /// The JSON text of the object that an app hung on it: a text, so that it stays as it is
    /// to the byte.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<Cow<'a, str>>,
    /// What a hook calls the one who speaks through its bot.
    #[serde(
        rename = "as",
        borrow,
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) speaker: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attachments: Vec<AttachmentLine<'a>>,
    /// Whether the text is made of the names of its files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) auto_content: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) edited_at: Option<Time>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reactions: Vec<ReactionLine<'a>>,
}
