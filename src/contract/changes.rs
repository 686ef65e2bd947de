//! What is told of a message that was changed, and of the reactions to one. Version 2.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::model::{Message, MessageId, Reaction, Timestamp, UserId};

/// `message_edited`, and the data of `edit_message`'s ack:
/// `{"message_id":10,"sender_id":1,"receiver_id":2,"content":"Halo!","edited_at":"…"}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessageEdited<'a> {
    /// Which message.
    pub(crate) message_id: MessageId,
    /// Who wrote it.
    pub(crate) sender_id: UserId,
    /// Whom it is for.
    pub(crate) receiver_id: UserId,
    /// The text that it has now.
    pub(crate) content: &'a str,
    /// When it got that; null in an ack, where it has the text that it was sent with.
    pub(crate) edited_at: Option<Timestamp>,
}

impl<'a> MessageEdited<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        let extras = message.extras.as_ref();
        Self {
            message_id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            content: &message.content,
            edited_at: extras.and_then(|extras| extras.edited_at),
        }
    }
}

/// `message_deleted`:
/// `{"message_id":10,"sender_id":1,"receiver_id":2,"deleted_at":"…","by":1}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessageDeleted {
    /// Which message.
    pub(crate) message_id: MessageId,
    /// Who wrote it.
    pub(crate) sender_id: UserId,
    /// Whom it was for.
    pub(crate) receiver_id: UserId,
    /// When it was deleted.
    pub(crate) deleted_at: Timestamp,
    /// Who did it; null for the server itself.
    pub(crate) by: Option<UserId>,
}

/// `reaction`, and the data of `react`'s ack:
/// `{"message_id":10,"sender_id":1,"receiver_id":2,"user_id":2,"emoji":"👍","on":true,"count":1}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "Reaction")]
pub(crate) struct ReactionChanged<'a> {
    /// To which message.
    pub(crate) message_id: MessageId,
    /// Who wrote it.
    pub(crate) sender_id: UserId,
    /// Whom it is for.
    pub(crate) receiver_id: UserId,
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
    pub(crate) fn of(message: &Message, user_id: UserId, emoji: &'a str, on: bool) -> Self {
        let reactions = message.extras.iter().flat_map(|extras| &extras.reactions);
        let mut same = reactions.filter(|reaction| &*reaction.emoji == emoji);
        Self {
            message_id: message.id,
            sender_id: message.sender_id,
            receiver_id: message.receiver_id,
            user_id,
            emoji,
            on,
            count: same.next().map_or(0, Reaction::count),
        }
    }
}

/// The reactions to a message as one of the two people sees them:
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
