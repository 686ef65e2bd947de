//! What sockets and hooks are told of a message that was changed, and what a message says of the
//! reactions to it. Version 2.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::documents::{Event, Webhook};
use crate::model::{
    Act, ChangedMessage, HookEvent, Members, MessageChange, MessageId, Notice, Reaction, RoomId,
    Timestamp, UserId,
};

const MESSAGE_EDITED: Event = Event::durable::<MessageEdited<'_>>(
    "message_edited",
    "A message has another text. To every socket of both, or of every member of its room who may read it.",
)
.of_second();
const MESSAGE_DELETED: Event = Event::durable::<MessageDeleted>(
    "message_deleted",
    "A message is gone. To those who hear `message_edited`.",
)
.of_second();
const REACTION: Event = Event::durable::<ReactionChanged<'_>>(
    "reaction",
    "A person put an emoji on a message, or took it away. To those who hear `message_edited`.",
)
.of_second();

/// The events of changes of one message.
pub(super) const CHANGE_EVENTS: [Event; 3] = [MESSAGE_EDITED, MESSAGE_DELETED, REACTION];

/// What hooks are told of them.
pub(super) const CHANGE_WEBHOOKS: [Webhook; 3] = [
    Webhook::new::<MessageEdited<'_>>(
        HookEvent::MessageEdited.as_str(),
        "A message has another text",
    ),
    Webhook::new::<MessageDeleted>(HookEvent::MessageDeleted.as_str(), "A message is gone"),
    Webhook::new::<ReactionChanged<'_>>(
        HookEvent::Reaction.as_str(),
        "A person put an emoji on a message, or took it away",
    ),
];

/// The event of an entry that has changed one message.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum MessageUpdate<'a> {
    /// To both, or to the members of a room.
    Edited(MessageEdited<'a>),
    /// To both, or to the members of a room.
    Deleted(MessageDeleted),
    /// To both, or to the members of a room.
    Reaction(ReactionChanged<'a>),
}

impl<'a> MessageUpdate<'a> {
    /// Returns the one of an entry; `None` where it has changed no one message.
    pub(super) fn of(notice: &'a Notice) -> Option<Self> {
        let (entry, message) = (&notice.entry, notice.message.as_deref()?);
        let Act::MessageChanged { change, .. } = &entry.act else {
            return None;
        };
        Some(match change {
            MessageChange::Edited { .. } => Self::Edited(MessageEdited::of(message)),
            MessageChange::Deleted { .. } => Self::Deleted(MessageDeleted {
                message_id: message.id,
                chat: InChat::of(message),
                deleted_at: entry.at,
                by: entry.author,
            }),
            MessageChange::Reacted { emoji, on } => {
                let changed = ReactionChanged::of(message, entry.author?, emoji, *on);
                Self::Reaction(changed)
            }
        })
    }

    /// Returns the event's name.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Edited(_) => MESSAGE_EDITED.name,
            Self::Deleted(_) => MESSAGE_DELETED.name,
            Self::Reaction(_) => REACTION.name,
        }
    }

    /// Returns the text of a message that it tells, where it does.
    pub(super) const fn content(&self) -> &'a str {
        match self {
            Self::Edited(edited) => edited.content,
            Self::Deleted(_) | Self::Reaction(_) => "",
        }
    }
}

/// `message_edited`, and the data of `edit_message`'s ack:
/// `{"message_id":10,"sender_id":1,"receiver_id":2,"content":"Halo!","edited_at":"…"}`, of a room's
/// message with `room_id` in place of both people.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessageEdited<'a> {
    /// Which message.
    pub(crate) message_id: MessageId,
    #[serde(flatten)]
    pub(crate) chat: InChat,
    /// The text that it has now.
    pub(crate) content: &'a str,
    /// When it got that; null in an ack, where it has the text that it was sent with.
    pub(crate) edited_at: Option<Timestamp>,
}

impl<'a> MessageEdited<'a> {
    pub(crate) fn of(message: &'a ChangedMessage) -> Self {
        let extras = message.extras.as_ref();
        Self {
            message_id: message.id,
            chat: InChat::of(message),
            content: &message.content,
            edited_at: extras.and_then(|extras| extras.edited_at),
        }
    }
}

/// Of which chat a message is that was changed: with a person, or a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct InChat {
    /// Who wrote it; of a message between two people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_id: Option<UserId>,
    /// Whom it is for; of a message between two people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receiver_id: Option<UserId>,
    /// In which room it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

impl InChat {
    pub(crate) fn of(message: &ChangedMessage) -> Self {
        let sender = message.sender_id;
        let (receiver_id, room_id) = match message.members {
            Members::Pair(pair) => (pair.other(sender), None),
            Members::Room(room) => (None, Some(room)),
            Members::Own(_) => (None, None),
        };
        Self {
            sender_id: receiver_id.map(|_| sender),
            receiver_id,
            room_id,
        }
    }
}

/// `message_deleted`:
/// `{"message_id":10,"sender_id":1,"receiver_id":2,"deleted_at":"…","by":1}`, or with `room_id`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessageDeleted {
    /// Which message.
    pub(crate) message_id: MessageId,
    #[serde(flatten)]
    pub(crate) chat: InChat,
    /// When it was deleted.
    pub(crate) deleted_at: Timestamp,
    /// Who did it; null for the server itself.
    pub(crate) by: Option<UserId>,
}

/// `messages_erased`: `{"user_id":2,"sender_id"?:2,"before"?:57}`, or with `room_id`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessagesErased {
    /// The other person of the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
    /// The room that the chat is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
    /// Whose messages are gone; absent where all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_id: Option<UserId>,
    /// Those before this one are gone; absent where all are that were there until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<MessageId>,
}

/// `reaction`, and the data of `react`'s ack:
/// `{"message_id":10,"sender_id":1,"receiver_id":2,"user_id":2,"emoji":"👍","on":true,"count":1}`,
/// or with `room_id`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "Reaction")]
pub(crate) struct ReactionChanged<'a> {
    /// To which message.
    pub(crate) message_id: MessageId,
    #[serde(flatten)]
    pub(crate) chat: InChat,
    /// Whose reaction it is.
    pub(crate) user_id: UserId,
    pub(crate) emoji: &'a str,
    /// `false` where it was taken away.
    pub(crate) on: bool,
    /// How many people have put that emoji there.
    pub(crate) count: u64,
}

impl<'a> ReactionChanged<'a> {
    /// Returns what is told of a person's emoji on a message that is as given.
    pub(crate) fn of(message: &ChangedMessage, user_id: UserId, emoji: &'a str, on: bool) -> Self {
        let mut same = message.reactions().iter();
        let same = same.find(|reaction| &*reaction.emoji == emoji);
        Self {
            message_id: message.id,
            chat: InChat::of(message),
            user_id,
            emoji,
            on,
            count: same.map_or(0, Reaction::count),
        }
    }
}

/// The reactions to a message as one of its readers sees them:
/// `[{"emoji":"👍","count":1,"me":true}]`, in the order of the first of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reactions<'a> {
    list: &'a [Reaction],
    /// The reader's place in the pair.
    reader: usize,
}

impl<'a> Reactions<'a> {
    /// Returns those of this list as `reader` sees them, the other one being `peer`; `None` where
    /// there are none.
    pub(crate) fn new(list: &'a [Reaction], reader: UserId, peer: UserId) -> Option<Self> {
        let reader = usize::from(reader > peer);
        (!list.is_empty()).then_some(Self { list, reader })
    }

    /// Returns those of a list that was read for a member of a room, likewise.
    pub(crate) fn in_room(list: &'a [Reaction]) -> Option<Self> {
        (!list.is_empty()).then_some(Self { list, reader: 0 })
    }
}

/// One kind of reaction to a message.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MessageReaction")]
pub(crate) struct ReactionRow {
    emoji: Arc<str>,
    /// How many people have put it there.
    count: u64,
    /// Whether the reader is one of them.
    me: bool,
}

impl Reactions<'_> {
    /// Returns a row for each.
    pub(crate) fn rows(self) -> impl Iterator<Item = ReactionRow> {
        self.list.iter().map(move |reaction| ReactionRow {
            emoji: Arc::clone(&reaction.emoji),
            count: reaction.count(),
            me: reaction.is_of(self.reader),
        })
    }
}

impl Serialize for Reactions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

impl JsonSchema for Reactions<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Reactions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Vec<ReactionRow>>::json_schema(generator)
    }
}
