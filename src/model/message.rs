//! Messages and what may be in one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Emoji, Extras, MessageId, Reaction, Timestamp, UserId};

/// 4,000 characters: about two pages of text. The default of `--max-message-chars`.
pub const DEFAULT_MAX_MESSAGE_CHARS: usize = 4_000;
/// The longest client id, in characters: a UUID has 36.
const MAX_CLIENT_ID_CHARS: usize = 64;

/// One stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Grows in commit order.
    pub id: MessageId,
    /// Who wrote it.
    pub sender_id: UserId,
    /// Whom it was written to.
    pub receiver_id: UserId,
    /// Byte for byte as sent.
    pub content: Arc<str>,
    /// When the server took it; never earlier than that of a smaller id.
    pub created_at: Timestamp,
    /// The sender's own name for it, where one was given.
    pub client_id: Option<ClientId>,
    /// What it has beside its text; `None` where that is nothing.
    pub extras: Option<Box<Extras>>,
}

impl Message {
    /// Returns who put which emoji on it, in the order of the first of each; of this emoji alone,
    /// where one is given.
    pub fn reactors(&self, emoji: Option<&Emoji>) -> Vec<(UserId, Arc<str>)> {
        let mut members = [self.sender_id, self.receiver_id];
        members.sort_unstable();
        let reactions = self.extras.iter().flat_map(|extras| &extras.reactions);
        let is_wanted = |reaction: &&Reaction| {
            emoji.is_none_or(|emoji| Emoji::is_same(emoji.as_str(), &reaction.emoji))
        };
        let reactors = reactions.filter(is_wanted).flat_map(|reaction| {
            let places = (0..members.len()).filter(|place| reaction.is_of(*place));
            places.map(|place| (members[place], Arc::clone(&reaction.emoji)))
        });
        reactors.collect()
    }

    /// Returns about how many bytes a row of it takes as JSON.
    pub fn row_bytes(&self) -> usize {
        row_bytes(&self.content) + self.extras.as_ref().map_or(0, |extras| extras.bytes())
    }
}

/// 256 bytes: what a row of a page has besides its content, as JSON; with an avatar's address it
/// may be more.
const ROW_BYTES: usize = 256;

/// Returns about how many bytes a row with this content takes as JSON. The content itself is
/// counted exactly; escaped, it may be six times as long as it is.
///
/// Every row of a page is measured, and hardly any content has something to escape: the first pass
/// has no branch and never ends early, so that it compiles to vector instructions.
pub fn row_bytes(content: &str) -> usize {
    let is_escaped =
        |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\');
    let any = content.bytes().fold(0, |any, byte| any | is_escaped(byte));
    ROW_BYTES
        + if any == 0 {
            content.len()
        } else {
            escaped_bytes(content)
        }
}

/// Returns how many bytes a text takes between the quotes of its JSON form.
fn escaped_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 2,
        0x00..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// What is wrong with the content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Nothing but white space.
    #[error("content must have at least one character that is no space")]
    Empty,
    /// More characters than the server allows.
    #[error("content has {chars} characters, the limit is {limit}")]
    TooLong {
        /// How many it has.
        chars: usize,
        /// How many it may have.
        limit: usize,
    },
}

/// Checks the content of a message: something besides white space, and at most `max_chars`
/// characters (Unicode scalar
/// values).
pub fn check_content(content: &str, max_chars: usize) -> Result<(), ContentError> {
    // A text never has more characters than bytes, so most are measured without being walked.
    if content.len() > max_chars {
        let chars = content.chars().count();
        if chars > max_chars {
            return Err(ContentError::TooLong {
                chars,
                limit: max_chars,
            });
        }
    }
    if content.chars().all(char::is_whitespace) {
        return Err(ContentError::Empty);
    }
    Ok(())
}

/// The sender's own name for a message, 1 to 64 characters: what makes sending it twice harmless.
///
/// Most are UUIDs, which take no memory of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId<T = Arc<str>>(Form<T>);

/// How the text of a client id is kept. A text has one form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form<T> {
    /// The bytes of a UUID whose text is lower case with four hyphens.
    Uuid([u8; 16]),
    /// Any other text.
    Text(T),
}

/// A text that is no client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("client_id must be a string of 1 to {MAX_CLIENT_ID_CHARS} characters")]
pub struct ClientIdError;

/// Where the hyphens of a UUID's text stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Where the two digits of each byte begin in a UUID's text.
const DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const HEX: &[u8; 16] = b"0123456789abcdef";
/// The value of each byte as a digit of a UUID's text; 255 where it is none. Every message has a
/// client id, which is read once and written in two frames.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        values[HEX[value] as usize] = value as u8;
        value += 1;
    }
    values
};
/// How many characters the text of a UUID has.
const UUID_CHARS: usize = 36;

impl ClientId {
    /// Takes 1 to 64 characters of any kind.
    pub fn new(text: &str) -> Result<Self, ClientIdError> {
        ClientId::borrowed(text).map(|borrowed| borrowed.to_shared())
    }
}

impl<'a> ClientId<&'a str> {
    /// Takes 1 to 64 characters of any kind, without a copy.
    pub fn borrowed(text: &'a str) -> Result<Self, ClientIdError> {
        if let Some(bytes) = uuid(text.as_bytes()) {
            return Ok(Self(Form::Uuid(bytes)));
        }
        // 64 characters are at most 256 bytes, so a long text is refused before it is counted.
        if text.is_empty()
            || text.len() > 4 * MAX_CLIENT_ID_CHARS
            || text.chars().count() > MAX_CLIENT_ID_CHARS
        {
            return Err(ClientIdError);
        }
        Ok(Self(Form::Text(text)))
    }
}

impl<T> ClientId<T> {
    /// Returns the client id whose text is that of a UUID.
    pub const fn of_uuid(bytes: [u8; 16]) -> Self {
        Self(Form::Uuid(bytes))
    }

    /// Returns the bytes of the UUID whose text it is, if it is one.
    pub const fn as_uuid(&self) -> Option<[u8; 16]> {
        match self.0 {
            Form::Uuid(bytes) => Some(bytes),
            Form::Text(_) => None,
        }
    }
}

impl<T: AsRef<str>> ClientId<T> {
    /// Hands the text to `read`, as it was given.
    pub fn with_text<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        match &self.0 {
            Form::Uuid(bytes) => {
                let text = uuid_text(*bytes);
                read(std::str::from_utf8(&text).unwrap_or_default())
            }
            Form::Text(text) => read(text.as_ref()),
        }
    }

    /// Returns the client id with its text copied.
    pub fn to_shared(&self) -> ClientId {
        ClientId(match &self.0 {
            Form::Uuid(bytes) => Form::Uuid(*bytes),
            Form::Text(text) => Form::Text(text.as_ref().into()),
        })
    }
}

/// Returns the bytes of a UUID from its text, where that is the one that [`uuid_text`] gives.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; UUID_CHARS] = text.try_into().ok()?;
    if HYPHENS.iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let mut bytes = [0; 16];
    let mut all = 0;
    for (byte, at) in bytes.iter_mut().zip(DIGITS) {
        let [high, low] = [text[at], text[at + 1]].map(|digit| VALUES[usize::from(digit)]);
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all < 16).then_some(bytes)
}

/// Returns the usual text of a UUID.
fn uuid_text(bytes: [u8; 16]) -> [u8; UUID_CHARS] {
    let mut text = [b'-'; UUID_CHARS];
    for (byte, at) in bytes.into_iter().zip(DIGITS) {
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
    }
    text
}

impl<T: fmt::Debug> fmt::Debug for ClientId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Uuid(bytes) => std::str::from_utf8(&uuid_text(*bytes))
                .unwrap_or_default()
                .fmt(f),
            Form::Text(text) => text.fmt(f),
        }
    }
}

impl<T: AsRef<str>> Serialize for ClientId<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for ClientId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ClientId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX_CLIENT_ID_CHARS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_needs_a_character_that_is_no_space() {
        for content in ["", " ", "\n\t ", "\u{a0}\u{2003}"] {
            assert_eq!(
                check_content(content, 10),
                Err(ContentError::Empty),
                "{content:?}"
            );
        }
        assert_eq!(check_content(" x ", 10), Ok(()));
    }

    #[test]
    fn the_limit_counts_characters_and_not_bytes() {
        assert_eq!(check_content(&"é".repeat(10), 10), Ok(()));
        assert_eq!(
            check_content(&"é".repeat(11), 10),
            Err(ContentError::TooLong {
                chars: 11,
                limit: 10
            })
        );
        assert_eq!(check_content("👩‍👩‍👧", 5), Ok(()));
    }

    #[test]
    fn a_row_is_as_long_as_its_content_is_in_json() {
        let mut content: String = (0..=0x7f_u8).map(char::from).collect();
        content.push_str("é😀");
        let json = serde_json::to_string(&content).unwrap();
        assert_eq!(row_bytes(&content), ROW_BYTES + json.len() - 2);
        for content in [
            "",
            "plain \u{7f} é😀 text",
            "a \"quote\"",
            "a\\b",
            "two\nlines",
            "\u{1f}",
        ] {
            let json = serde_json::to_string(content).unwrap();
            assert_eq!(row_bytes(content), ROW_BYTES + json.len() - 2, "{json}");
        }
    }

    #[test]
    fn a_client_id_has_1_to_64_characters() {
        assert!(ClientId::new(&"é".repeat(64)).is_ok());
        for text in [String::new(), "a".repeat(65), "a".repeat(10_000)] {
            assert_eq!(ClientId::new(&text), Err(ClientIdError));
        }
    }

    #[test]
    fn a_client_id_keeps_its_text_and_a_uuid_its_16_bytes() {
        let uuid = "018f3b2a-0000-7abc-8def-0123456789ab";
        for (text, is_uuid) in [
            (uuid, true),
            ("018F3b2a-0000-7abc-8def-0123456789ab", false),
            ("018f3b2a-0000-7abc-8def-0123456789a-", false),
            ("x", false),
            ("0-1", false),
        ] {
            let client_id = ClientId::new(text).unwrap();
            assert_eq!(client_id.as_uuid().is_some(), is_uuid, "{text}");
            assert_eq!(client_id.with_text(str::to_owned), text);
            assert_eq!(serde_json::to_value(&client_id).unwrap(), text);
        }
    }
}
