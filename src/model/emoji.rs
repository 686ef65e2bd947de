//! The emoji of a reaction.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{EmojiStatus, UnicodeEmoji};
use unicode_segmentation::UnicodeSegmentation;

use super::username::{EMOJI_SELECTORS, is_seen_as_written};

/// 32 bytes: the longest sequences that Unicode recommends, families of four, take 25 and flags of
/// regions 28.
const MAX_EMOJI_BYTES: usize = 32;

/// Has the character before it shown as an emoji.
const AS_EMOJI: char = '\u{fe0f}';
/// Makes a key of the digit, `#` or `*` before it.
const KEYCAP: char = '\u{20e3}';

/// One emoji: what a reader takes for one character, of at most 32 bytes. What looks alike is
/// written alike: with each selector that Unicode's list of emoji has ("fully-qualified") and no
/// other, and in NFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emoji(Box<str>);

/// A text that is no emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one character as a reader counts them, of at most {MAX_EMOJI_BYTES} bytes")]
pub struct EmojiError;

impl Emoji {
    /// Takes one grapheme cluster that is seen, and that changes nothing beside it, as a name is.
    pub fn new(text: &str) -> Result<Self, EmojiError> {
        let is_one = text.len() <= MAX_EMOJI_BYTES && text.graphemes(true).count() == 1;
        match is_one && is_seen_as_written(without_tags(text)) {
            true => Ok(Self(in_one_form(text).into())),
            false => Err(EmojiError),
        }
    }

    /// Returns whether two texts, each once taken for an emoji, are the same one. Files from before
    /// there was one form have others.
    pub fn is_same(one: &str, other: &str) -> bool {
        one == other || bare(one).eq(bare(other))
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns what an emoji says, without its selectors: its form is told by that.
fn bare(text: &str) -> impl Iterator<Item = char> {
    let said = text.chars().filter(|one| !EMOJI_SELECTORS.contains(one));
    said.nfc()
}

/// Returns an emoji as it is kept. Where the selectors would make it too long it has none.
fn in_one_form(text: &str) -> String {
    let mut form = String::with_capacity(MAX_EMOJI_BYTES);
    let mut rest = bare(text).peekable();
    while let Some(one) = rest.next() {
        form.push(one);
        if is_text_alone(one, rest.peek().copied()) {
            form.push(AS_EMOJI);
        }
    }
    match form.len() <= MAX_EMOJI_BYTES {
        true => form,
        false => bare(text).collect(),
    }
}

/// Returns whether a character that may be an emoji is shown as text where no selector follows it.
/// A colour of skin is as good as one.
fn is_text_alone(one: char, next: Option<char>) -> bool {
    let has_colour = next.is_some_and(|next| ('\u{1f3fb}'..='\u{1f3ff}').contains(&next));
    match one.emoji_status() {
        EmojiStatus::EmojiOther | EmojiStatus::EmojiModifierBase => !has_colour,
        EmojiStatus::EmojiOtherAndEmojiComponent => next == Some(KEYCAP),
        _ => false,
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

    /// A heart with a selector and one without stood beside each other on one message.
    #[test]
    fn what_looks_alike_is_one_emoji() {
        let alike: &[&[&str]] = &[
            &["\u{2764}\u{fe0f}", "\u{2764}", "\u{2764}\u{fe0e}"],
            &["\u{1f44d}", "\u{1f44d}\u{fe0f}"],
            &["1\u{fe0f}\u{20e3}", "1\u{20e3}"],
            &["1", "1\u{fe0f}"],
            &["\u{a9}\u{fe0f}", "\u{a9}"],
            // A hand with a colour, which is as good as a selector, and one without.
            &["\u{270c}\u{1f3fd}", "\u{270c}\u{fe0f}\u{1f3fd}"],
            &["\u{270c}\u{fe0f}", "\u{270c}"],
            // A heart on fire, an eye in a bubble, a woman who is a detective, and one in brown.
            &[
                "\u{2764}\u{fe0f}\u{200d}\u{1f525}",
                "\u{2764}\u{200d}\u{1f525}",
            ],
            &[
                "\u{1f441}\u{fe0f}\u{200d}\u{1f5e8}\u{fe0f}",
                "\u{1f441}\u{200d}\u{1f5e8}",
                "\u{1f441}\u{fe0f}\u{200d}\u{1f5e8}",
            ],
            &[
                "\u{1f575}\u{fe0f}\u{200d}\u{2640}\u{fe0f}",
                "\u{1f575}\u{200d}\u{2640}\u{fe0f}",
            ],
            &[
                "\u{1f575}\u{1f3fe}\u{200d}\u{2640}\u{fe0f}",
                "\u{1f575}\u{1f3fe}\u{200d}\u{2640}",
            ],
            &["\u{e9}", "e\u{301}"],
        ];
        for alike in alike {
            for text in *alike {
                assert_eq!(Emoji::new(text).unwrap().as_str(), alike[0], "{text:?}");
                assert!(Emoji::is_same(text, alike[0]), "{text:?}");
            }
        }
        for (one, other) in [
            ("\u{1f44d}", "\u{1f44e}"),
            ("\u{270c}", "\u{270c}\u{1f3fd}"),
        ] {
            assert!(!Emoji::is_same(one, other), "{one:?} {other:?}");
        }
    }

    /// A kiss in two colours has 35 bytes with its selector, and 32 without.
    #[test]
    fn an_emoji_that_is_too_long_with_its_selectors_has_none() {
        let kiss = "\u{1f469}\u{1f3fb}\u{200d}\u{2764}\u{200d}\u{1f48b}\u{200d}\u{1f468}\u{1f3fc}";
        assert_eq!(Emoji::new(kiss).unwrap().as_str(), kiss);
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
