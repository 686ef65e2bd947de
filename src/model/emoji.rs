//! The emoji of a reaction.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use unicode_segmentation::UnicodeSegmentation;

use super::username::is_seen_as_written;

/// 32 bytes: the longest sequences that Unicode recommends, families of four, take 25 and flags of
/// regions 28.
const MAX_EMOJI_BYTES: usize = 32;

/// One emoji: what a reader takes for one character, of at most 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emoji(Box<str>);

/// A text that is no emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("emoji must be one character as a reader counts them, of at most {MAX_EMOJI_BYTES} bytes")]
pub struct EmojiError;

impl Emoji {
    /// Takes one grapheme cluster that is seen, and that changes nothing beside it, as a name is.
    pub fn new(text: &str) -> Result<Self, EmojiError> {
        let is_one = text.len() <= MAX_EMOJI_BYTES && text.graphemes(true).count() == 1;
        match is_one && is_seen_as_written(without_tags(text)) {
            true => Ok(Self(text.into())),
            false => Err(EmojiError),
        }
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns a flag without the characters that say which region's it is, and all else as it is.
fn without_tags(text: &str) -> &str {
    const FLAG: char = '\u{1f3f4}';
    let is_tag = |one: char| ('\u{e0020}'..='\u{e007f}').contains(&one);
    match text.strip_prefix(FLAG) {
        Some(tags) if tags.chars().all(is_tag) => &text[..FLAG.len_utf8()],
        _ => text,
    }
}

impl std::str::FromStr for Emoji {
    type Err = EmojiError;

    fn from_str(text: &str) -> Result<Self, EmojiError> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Emoji {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for Emoji {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Emoji".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX_EMOJI_BYTES })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_is_one_grapheme_cluster_that_can_be_seen() {
        for text in ["👍", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇮🇩", "é", "x", "1️⃣"]
        {
            assert_eq!(Emoji::new(text).unwrap().as_str(), text);
        }
        let long = format!("e{}", "\u{301}".repeat(16));
        for text in ["", " ", "\n", "\r\n", "\u{7}", "👍👍", "ab", "🇮🇩🇮🇩", &long] {
            assert_eq!(Emoji::new(text), Err(EmojiError), "{text:?}");
        }
    }

    /// Such a reaction was counted and not seen, or turned the line around in which it stood.
    #[test]
    fn what_is_not_seen_or_turns_the_text_around_is_no_emoji() {
        for text in [
            "\u{200b}",
            "\u{200d}",
            "\u{202e}",
            "\u{2060}",
            "\u{3164}",
            "\u{301}",
            "\u{fe0f}",
            "\u{e0067}",
            "a\u{e0067}",
            "\u{e000}",
        ] {
            assert_eq!(Emoji::new(text), Err(EmojiError), "{text:?}");
        }
    }
}
