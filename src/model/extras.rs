//! What a message may have beside its text.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::{Attachment, Reaction, ReplyTo, Speaker, Timestamp, UserId};

/// What a message has beside its text. Most messages have nothing of it, and no room for it.
///
/// `T` is the type of texts: shared, or borrowed from the record of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extras<T = Arc<str>> {
    /// The message that it answers.
    pub reply_to: Option<ReplyTo>,
    /// The members whom it mentions, each once.
    pub mentions: SmallVec<[UserId; 4]>,
    /// Whether it mentions all members of its room.
    pub mention_all: bool,
    /// An object of the app's own.
    pub meta: Option<Meta<T>>,
    /// Of one that came by a hook, what that calls the one who speaks through its bot.
    pub speaker: Option<Speaker<T>>,
    /// The files that hang on it.
    pub attachments: Vec<Attachment<T>>,
    /// Whether it was sent without a text, and has the names of its files in its place.
    pub auto_content: bool,
    /// When it got the text that it has; `None` where that is the first one.
    pub edited_at: Option<Timestamp>,
    /// Of a message with a client id that has another text by now: the keyed hash of the first one.
    pub first_content: Option<u64>,
    /// The reactions to it, in the order of the first of each.
    pub reactions: Vec<Reaction<T>>,
}

// By hand, since deriving it would ask for a default text.
impl<T> Default for Extras<T> {
    fn default() -> Self {
        Self {
            reply_to: None,
            mentions: SmallVec::new(),
            mention_all: false,
            meta: None,
            speaker: None,
            attachments: Vec::new(),
            auto_content: false,
            edited_at: None,
            first_content: None,
            reactions: Vec::new(),
        }
    }
}

impl<T> Extras<T> {
    /// Returns it boxed, as an act has it; `None` where there is nothing in it.
    pub fn boxed(self) -> Option<Box<Self>> {
        let Self {
            reply_to,
            mentions,
            mention_all,
            meta,
            speaker,
            attachments,
            auto_content,
            edited_at,
            first_content,
            reactions,
        } = &self;
        let is_of_text = attachments.is_empty() && !auto_content;
        let was_sent_bare = reply_to.is_none()
            && mentions.is_empty()
            && !mention_all
            && meta.is_none()
            && speaker.is_none()
            && is_of_text;
        let is_unchanged = edited_at.is_none() && first_content.is_none() && reactions.is_empty();
        (!(was_sent_bare && is_unchanged)).then(|| Box::new(self))
    }
}

impl<T: AsRef<str>> Extras<T> {
    /// Returns the same with its texts copied.
    pub fn to_shared(&self) -> Extras {
        Extras {
            reply_to: self.reply_to.clone(),
            mentions: self.mentions.clone(),
            mention_all: self.mention_all,
            meta: self.meta.as_ref().map(Meta::to_shared),
            speaker: self.speaker.as_ref().map(Speaker::to_shared),
            attachments: self.attachments.iter().map(Attachment::to_shared).collect(),
            auto_content: self.auto_content,
            edited_at: self.edited_at,
            first_content: self.first_content,
            reactions: self.reactions.iter().map(Reaction::to_shared).collect(),
        }
    }

    /// Returns about how many bytes it takes, in the log and in a row alike.
    pub fn bytes(&self) -> usize {
        let meta = self.meta.as_ref().map_or(0, |meta| meta.as_str().len());
        let speaker = self.speaker.as_ref();
        let speaker = speaker.map_or(0, |speaker| speaker.as_str().len());
        let mentions = self.mentions.len() * size_of::<UserId>();
        // A file is its name, what is said of it, and a URL with that name and some 100 bytes
        // beside it.
        let alt = |file: &Attachment<T>| file.alt.as_ref().map_or(0, |alt| alt.as_ref().len());
        let file = |file: &Attachment<T>| 256 + 3 * file.name.as_ref().len() + alt(file);
        let attachments: usize = self.attachments.iter().map(file).sum();
        // A reaction is an emoji of some bytes, a count and two keys.
        let reply = self.reply_to.as_ref().map_or(0, ReplyTo::bytes);
        meta + speaker + mentions + attachments + self.reactions.len() * 64 + reply
    }
}

/// An object that an app hangs on a message, as JSON text: at most [`MAX_META_BYTES`], and given
/// back byte for byte as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta<T = Arc<str>>(T);

/// 2 KiB: an order, a place, a few buttons. What is longer belongs to the app's own store, under an
/// id.
pub const MAX_META_BYTES: usize = 2 << 10;

/// A text that is no [`Meta`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// It is JSON, but no object, or no JSON.
    #[error("must be an object")]
    NotAnObject,
    /// It is longer than an object may be.
    #[error("has {bytes} bytes of JSON, the limit is {MAX_META_BYTES}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Some clients could not read it, nor the page that it is on.
    #[error(
        "must be JSON that every parser reads: {MAX_META_LEVELS} levels at most, numbers that a \
         double holds, no half of a surrogate pair"
    )]
    NotPortable,
}

/// 32: the strictest of the usual parsers reads 64 levels, and a row stands within others.
const MAX_META_LEVELS: usize = 32;

/// Reads JSON that stands so many levels above what is too deep. `serde_json` itself refuses
/// numbers beyond a double and lone surrogates, as the parsers of many clients do.
#[derive(Clone, Copy)]
struct Portable {
    levels: usize,
}

impl Portable {
    /// What stands within it.
    fn within<E: de::Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1);
        let levels = levels.ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Portable {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Portable {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let within = self.within()?;
        while list.next_element_seed(within)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let within = self.within()?;
        while object.next_key_seed(within)?.is_some() {
            object.next_value_seed(within)?;
        }
        Ok(())
    }
}

impl Meta {
    /// Takes the JSON text of an object.
    pub fn parse(json: &str) -> Result<Self, MetaError> {
        Meta::borrowed(json).map(|meta| meta.to_shared())
    }
}

impl<'a> Meta<&'a str> {
    /// Takes the JSON text of an object, without a copy.
    pub fn borrowed(json: &'a str) -> Result<Self, MetaError> {
        let raw: &RawValue = serde_json::from_str(json).map_err(|_| MetaError::NotAnObject)?;
        let object = raw.get();
        if !object.starts_with('{') {
            return Err(MetaError::NotAnObject);
        }
        let bytes = object.len();
        if bytes > MAX_META_BYTES {
            return Err(MetaError::TooLong { bytes });
        }
        let levels = MAX_META_LEVELS;
        let portable =
            Portable { levels }.deserialize(&mut serde_json::Deserializer::from_str(json));
        portable.map_err(|_| MetaError::NotPortable)?;
        Ok(Self(object))
    }

    /// Returns the one whose text is this, which was parsed when it was taken.
    pub const fn stored(text: &'a str) -> Self {
        Self(text)
    }
}

impl<T: AsRef<str>> Meta<T> {
    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the same with its text copied.
    pub fn to_shared(&self) -> Meta {
        Meta(self.0.as_ref().into())
    }
}

impl<T: AsRef<str>> Serialize for Meta<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.as_str()).map_err(ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(de::Error::custom)
    }
}

impl<T> JsonSchema for Meta<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Meta".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object that is so many levels deep.
    fn nested(levels: usize) -> String {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!("{{\"a\":{open}{close}}}")
    }

    /// A message with an object 900 levels deep, or with 1e400 in it, was lost to clients of Rust,
    /// Go and .NET, and so was each page that it was on.
    #[test]
    fn only_an_object_of_at_most_2_kib_is_taken_and_it_stays_as_it_is() {
        let longest = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_META_BYTES - 8));
        for json in [
            "{}",
            r#"{ "b" : 1.50, "a":[1e300,"\ud83d\ude00"], "b":null }"#,
            &longest,
        ] {
            let meta = Meta::parse(json).unwrap();
            assert_eq!(meta.as_str(), json);
            assert_eq!(serde_json::to_string(&meta).unwrap(), json);
            assert_eq!(serde_json::from_str::<Meta>(json).unwrap(), meta);
        }
        for json in ["", "[]", "1", "\"{}\"", "null", "{", "{}x"] {
            assert_eq!(Meta::parse(json), Err(MetaError::NotAnObject), "{json}");
        }
        for (json, is_taken) in [
            (nested(MAX_META_LEVELS), true),
            (nested(MAX_META_LEVELS + 1), false),
            (nested(900), false),
            (r#"{"a":1e400}"#.to_owned(), false),
            (r#"{"a":123456789012345678901234567890}"#.to_owned(), true),
            (r#"{"a":"\ud800"}"#.to_owned(), false),
            (r#"{"\udc00":1}"#.to_owned(), false),
        ] {
            let expected = (!is_taken).then_some(MetaError::NotPortable);
            assert_eq!(Meta::parse(&json).err(), expected, "{json}");
        }
        let bytes = MAX_META_BYTES + 1;
        let json = longest.replacen('x', "xx", 1);
        assert_eq!(Meta::parse(&json), Err(MetaError::TooLong { bytes }));
    }
}
