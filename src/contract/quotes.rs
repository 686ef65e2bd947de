//! What a message answers, as it is shown beside that.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::model::{Extras, MessageId, ReplyTo, UserId};

/// `reply_to`: `{"id":10,"sender_id":1,"content":"Halo!"}`, or the id alone where that message is
/// gone or not the reader's to see; in events of a room whose newcomers read nothing of the time
/// before, always.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct Quote<'a> {
    /// Which message is answered, of the same chat.
    id: MessageId,
    /// Who wrote that.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<UserId>,
    /// Its first 200 code points.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

impl<'a> From<&'a ReplyTo> for Quote<'a> {
    fn from(reply: &'a ReplyTo) -> Self {
        let said = reply.said.as_ref();
        Self {
            id: reply.to,
            sender_id: said.map(|said| said.sender_id),
            content: said.map(|said| &*said.content),
        }
    }
}

impl<'a> Quote<'a> {
    /// Returns what a message with these extras answers, if it answers one.
    pub(crate) fn of(extras: Option<&'a Extras>) -> Option<Self> {
        let reply = extras.and_then(|extras| extras.reply_to.as_ref());
        reply.map(Self::from)
    }
}

/// A quote that is held, written as [`Quote`].
#[derive(Debug)]
pub(crate) struct OwnedQuote(pub(crate) ReplyTo);

impl Serialize for OwnedQuote {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Quote::from(&self.0).serialize(serializer)
    }
}

impl JsonSchema for OwnedQuote {
    fn schema_name() -> Cow<'static, str> {
        <Quote<'_>>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        <Quote<'_>>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Quote<'_>>::json_schema(generator)
    }
}
