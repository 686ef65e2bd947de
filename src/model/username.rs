//! Names of accounts: what may be one, and when two are the same.
//!
//! A name is what people know each other by, so two names that look alike are one name: they are
//! compared without case, in Unicode's compatibility form (NFKC), and without characters that
//! nobody sees. What is kept and shown is the text as it was written, in NFC.

use std::fmt;
use std::sync::Arc;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{
    GeneralCategory, GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory,
};

use super::{UserError, UserId};

/// The longest name of an account, in characters.
pub(super) const MAX_USERNAME_CHARS: usize = 32;
/// The longest name that another system may give, in characters.
pub(super) const MAX_FOREIGN_USERNAME_CHARS: usize = 64;

/// How names begin that only the server gives: `user-17` is account 17 of an app that tells no
/// name, `deleted-17` an account that is gone.
const RESERVED: [&str; 2] = ["user-", "deleted-"];

/// Joins letters or emoji without being seen: needed by Persian, Indic scripts and families of
/// emoji.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];
/// Say whether the character before is shown as text or as an emoji.
pub(super) const EMOJI_SELECTORS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];

/// The name of an account: kept as written, equal without case.
#[derive(Clone)]
pub struct Username(Arc<str>);

impl Username {
    /// The rule for names chosen here: 1 to 32 characters of `a-z 0-9 . _ -`, capitals allowed and
    /// kept. Digits alone are an id, and names that begin with `user-` or `deleted-` are the
    /// server's to give.
    pub fn registered(text: &str) -> Result<Self, UserError> {
        let fits = (1..=MAX_USERNAME_CHARS).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
            && !text.bytes().all(|byte| byte.is_ascii_digit());
        if !fits {
            return Err(UserError::Username);
        }
        let name = Self(text.into());
        if name.is_reserved() {
            return Err(UserError::Reserved);
        }
        Ok(name)
    }

    /// The rule for names that another system gave: 1 to 64 characters that can be told apart by
    /// looking. The text is brought to NFC, and white space to single spaces.
    pub fn foreign(text: &str) -> Result<Self, UserError> {
        let name = Self::visible(text)?;
        if name.is_reserved() {
            return Err(UserError::Reserved);
        }
        Ok(name)
    }

    /// [`Username::foreign`] for the account of this id, which may also have the name that the
    /// server gives it.
    pub fn foreign_of(text: &str, id: UserId) -> Result<Self, UserError> {
        let name = Self::visible(text)?;
        if name.is_reserved() && name != Self::given(id) {
            return Err(UserError::Reserved);
        }
        Ok(name)
    }

    /// The name of an app's account about which the app says no more than the id.
    pub fn given(id: UserId) -> Self {
        Self(format!("user-{id}").into())
    }

    /// The name of an account that is gone.
    pub fn deleted(id: UserId) -> Self {
        Self(format!("deleted-{id}").into())
    }

    /// The name with an account's id beside it, for an account whose name is another's.
    pub fn numbered(&self, id: UserId) -> Option<Self> {
        Self::foreign(&format!("{self}-{id}")).ok()
    }

    /// A name read back from the store, checked when it was first taken.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    fn visible(text: &str) -> Result<Self, UserError> {
        let name = tidy(text).ok_or(UserError::ForeignUsername)?;
        let fits = (1..=MAX_FOREIGN_USERNAME_CHARS).contains(&name.chars().count())
            && is_seen_as_written(&name)
            && !is_number(&name);
        if fits {
            Ok(Self(name.into()))
        } else {
            Err(UserError::ForeignUsername)
        }
    }

    fn is_reserved(&self) -> bool {
        let key = self.key();
        RESERVED.iter().any(|prefix| key.starts_with(prefix))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the two are written alike, and not only the same name.
    pub fn is_written(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The form under which two names are the same name.
    pub fn key(&self) -> String {
        Self::key_of(&self.0)
    }

    /// [`Username::key`] of a text that may be no name at all, for look-ups.
    pub fn key_of(text: &str) -> String {
        let text = text.trim();
        if text.is_ascii() && !text.contains("  ") {
            return text.to_ascii_lowercase();
        }
        let folded = text.nfkc().default_case_fold().nfkc();
        let seen: String = folded
            .filter(|character| !is_ignorable(*character))
            .collect();
        // A second time: what was taken out may have kept characters apart that belong together.
        let key = join_words(&seen.nfkc().collect::<String>());
        match key.is_empty() {
            // Names of before this rule may have nothing to see in them.
            true => text.to_lowercase(),
            false => key,
        }
    }

    /// The form under which names of earlier versions were the same: without case, and nothing
    /// more. Accounts of such a file may share a [`Username::key`], and never this.
    pub fn letters_of(text: &str) -> String {
        text.trim().to_lowercase()
    }
}

/// The name by which a person is shown beside their username: 1 to 64 visible characters, not
/// unique, kept as written in NFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Arc<str>);

impl Name {
    /// Parses a name. The usernames that only the server gives are refused here too.
    pub fn parse(text: &str) -> Result<Self, UserError> {
        let name = tidy(text).ok_or(UserError::Name)?;
        let fits = (1..=MAX_FOREIGN_USERNAME_CHARS).contains(&name.chars().count())
            && is_seen_as_written(&name);
        if !fits {
            return Err(UserError::Name);
        }
        match Username(name.as_str().into()).is_reserved() {
            true => Err(UserError::ReservedName),
            false => Ok(Self(name.into())),
        }
    }

    /// A name read back from the store, checked when it was first taken.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the name as an account of this username keeps it: `None` where the two are written
    /// alike, since the username is shown then.
    pub fn beside(self, username: &Username) -> Option<Self> {
        (*self.0 != *username.0).then_some(self)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Username {}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text in Unicode's normalization form C: what is typed as one letter or as a letter and its
/// mark is then the same.
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// Returns the name of something that is no person as it is kept: NFC, 1 to `most` characters, seen
/// as written. `None` for a text that is no such name.
pub fn visible_name(text: &str, most: usize) -> Option<String> {
    let fits = |name: &String| name.chars().count() <= most && is_seen_as_written(name);
    tidy(text).filter(fits)
}

/// Whether a character of a URL is neither white space nor one that is not seen.
pub(super) fn is_visible_in_url(character: char) -> bool {
    is_allowed(character) && !character.is_whitespace()
}

/// NFC, without white space at the ends and with single spaces within. `None` where a control
/// character is in it, the ends of lines among them.
fn tidy(text: &str) -> Option<String> {
    let text = text.trim();
    let breaks =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if text.chars().any(breaks) {
        return None;
    }
    Some(join_words(&nfc(text)))
}

fn join_words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Returns whether there is something to see in a name, and nothing that is not seen where it
/// stands.
pub(super) fn is_seen_as_written(name: &str) -> bool {
    let characters: Vec<char> = name.chars().collect();
    let fits = |(at, &character): (usize, &char)| {
        let before = at.checked_sub(1).map(|at| characters[at]);
        let after = characters.get(at + 1).copied();
        if JOINERS.contains(&character) {
            return before.is_some_and(is_joined) && after.is_some_and(is_joined);
        }
        if EMOJI_SELECTORS.contains(&character) {
            return before.is_some_and(|before| before.is_emoji_char());
        }
        is_allowed(character)
    };
    characters.iter().enumerate().all(fits) && characters.iter().copied().any(is_visible)
}

/// Whether a joiner may stand beside this character.
fn is_joined(character: char) -> bool {
    use GeneralCategoryGroup::{Letter, Mark, Symbol};
    let group = character.general_category_group();
    matches!(group, Letter | Mark | Symbol)
}

fn is_allowed(character: char) -> bool {
    use GeneralCategory as Category;
    let unseen = matches!(
        character.general_category(),
        Category::Control
            | Category::Format
            | Category::Surrogate
            | Category::PrivateUse
            | Category::LineSeparator
            | Category::ParagraphSeparator
    );
    !unseen && !is_ignorable(character) && !is_blank(character) && !is_noncharacter(character)
}

/// Returns whether a text is one line, without control characters: on a terminal some of these
/// move the cursor, or change what was written before.
pub fn is_one_line(text: &str) -> bool {
    !text
        .chars()
        .any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
}

/// Whether there is something to see by itself: a mark alone is not.
fn is_visible(character: char) -> bool {
    use GeneralCategoryGroup::{Letter, Number, Punctuation, Symbol};
    let group = character.general_category_group();
    matches!(group, Letter | Number | Punctuation | Symbol) && is_allowed(character)
}

/// Digits alone would be taken for an id, in whatever script.
fn is_number(name: &str) -> bool {
    let mut seen = name.chars().filter(|character| !is_ignorable(*character));
    seen.all(|character| character.is_numeric() || character == ' ')
}

/// Letters and symbols that are shown as nothing: a pattern of Braille without dots, a place for an
/// object, a note's head.
const fn is_blank(character: char) -> bool {
    matches!(character, '\u{2800}' | '\u{fffc}' | '\u{1d159}')
}

const fn is_noncharacter(character: char) -> bool {
    let code = character as u32;
    code & 0xfffe == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef)
}

/// Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt): shown as nothing by whoever
/// follows the standard.
const fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(text: &str) -> Result<String, UserError> {
        Username::foreign(text).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn a_name_of_a_room_is_seen_as_it_is_written_too() {
        for (text, kept) in [
            (" Ops  and more ", Some("Ops and more")),
            ("e\u{301}t\u{e9}", Some("\u{e9}t\u{e9}")),
            (
                "\u{1f468}\u{200d}\u{1f4bb} #1",
                Some("\u{1f468}\u{200d}\u{1f4bb} #1"),
            ),
            ("7", Some("7")),
            ("", None),
            ("\u{200b}", None),
            ("\u{3164}", None),
            ("spO\u{202e}", None),
            ("a\nb", None),
            ("0123456789abc", None),
        ] {
            assert_eq!(visible_name(text, 12).as_deref(), kept, "{text:?}");
        }
    }

    #[test]
    fn names_are_kept_as_written_and_equal_without_case() {
        let name = Username::registered("Ada.L-1_x").unwrap();
        assert_eq!(name.as_str(), "Ada.L-1_x");
        assert_eq!(name, Username::registered("ada.l-1_X").unwrap());
    }

    #[test]
    fn a_name_beside_the_username_is_any_text_that_is_seen() {
        let name = |text: &str| Name::parse(text).map(|name| name.as_str().to_owned());
        for (text, kept) in [
            ("Eve Smith", "Eve Smith"),
            ("  Eve   Smith ", "Eve Smith"),
            ("007", "007"),
            ("Ame\u{301}lie", "Amélie"),
        ] {
            assert_eq!(name(text).as_deref(), Ok(kept));
        }
        for text in ["", " ", "a\nb", "\u{200b}", "\u{202e}eve", &"a".repeat(65)] {
            assert_eq!(name(text), Err(UserError::Name), "{text:?}");
        }
        for text in ["user-17", "USER-17", "Deleted-2", "ｕser-1"] {
            assert_eq!(name(text), Err(UserError::ReservedName), "{text}");
        }
        let username = Username::registered("Eve").unwrap();
        let beside = |text| Name::parse(text).unwrap().beside(&username);
        assert_eq!(beside("Eve"), None);
        assert!(beside("eve").is_some(), "it is shown as it is written");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", " ", "a b", "a@b", "ä", "a\n", "../x", &"a".repeat(33)] {
            assert_eq!(
                Username::registered(text).err(),
                Some(UserError::Username),
                "{text:?}"
            );
        }
        assert!(Username::registered(&"a".repeat(32)).is_ok());
    }

    #[test]
    fn a_name_of_another_system_may_be_nearly_any_text() {
        for text in [
            "Ada Lovelace",
            "ä",
            &"ß".repeat(64),
            "ada@example.org",
            "Ольга",
            "李小龍",
            "म\u{94d}\u{200d}या",
            "می\u{200c}خواهم",
            "👩\u{200d}👩\u{200d}👧",
            "I ❤\u{fe0f} chat",
            "O'Brien, Jr. #2",
            "...",
            "x\u{301}",
        ] {
            assert!(Username::foreign(text).is_ok(), "{text}");
        }
        for text in ["", "  ", "a\nb", "\u{7f}", &"a".repeat(65)] {
            assert_eq!(
                Username::foreign(text).err(),
                Some(UserError::ForeignUsername),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_name_in_which_something_is_not_seen_is_refused() {
        let unseen = [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206a}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe00}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffc}',
            '\u{fffe}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0061}',
            '\u{e0100}',
            '\u{e000}',
            '\u{f0000}',
            '\u{85}',
            '\u{600}',
        ];
        for character in unseen {
            for text in [
                format!("a{character}b"),
                format!("{character}ab"),
                format!("ab{character}"),
                character.to_string(),
            ] {
                // White space at an end is cut; of control characters only that.
                if text.trim() != text && text.trim() == "ab" {
                    continue;
                }
                assert!(foreign(&text).is_err(), "{text:?}");
            }
        }
        // Joiners only between what they join, and a mark needs something that it marks.
        for text in [
            "\u{200d}ab",
            "ab\u{200d}",
            "a\u{200c} b",
            "a \u{200d}b",
            "a\u{200d}\u{200d}b",
            "1\u{200d}2",
            "\u{301}",
            "\u{fe0f}",
            "a\u{fe0f}b",
        ] {
            assert!(foreign(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_one_name() {
        for (one, other) in [
            ("é", "e\u{301}"),
            ("Å", "\u{212b}"),
            ("\u{1e69}", "s\u{307}\u{323}"),
            ("Straße", "STRASSE"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("ada", "ａｄａ"),
            ("ﬁn", "FIN"),
            ("ab", "a\u{200d}b"),
            ("❤", "❤\u{fe0f}"),
            ("Ada Lovelace", " ada  lovelace "),
            ("Ada Lovelace", "Ada\u{a0}Lovelace"),
            ("Ada Lovelace", "Ada\u{3000}\u{2003}Lovelace"),
            ("한", "\u{1112}\u{1161}\u{11ab}"),
        ] {
            let (one, other) = (Username::foreign(one), Username::foreign(other));
            assert_eq!(one.unwrap(), other.unwrap());
        }
        for (one, other) in [("ada", "adа"), ("ada", "ada."), ("a b", "ab"), ("é", "e")] {
            let (one, other) = (Username::foreign(one), Username::foreign(other));
            assert_ne!(one.unwrap(), other.unwrap());
        }
    }

    #[test]
    fn a_name_is_kept_in_nfc_with_single_spaces() {
        assert_eq!(foreign("e\u{301}"), Ok("é".into()));
        assert_eq!(
            foreign("  Ada \u{a0} Lovelace\n"),
            Ok("Ada Lovelace".into())
        );
        // What is written compatibly is not rewritten, only compared.
        assert_eq!(foreign("ａｄａ"), Ok("ａｄａ".into()));
    }

    #[test]
    fn the_key_of_a_key_is_the_key() {
        for text in [
            "ADA",
            "ß",
            "ẞ",
            "İ",
            "ﬁ",
            "ǰ",
            "ͅ",
            "a\u{345}\u{301}",
            "\u{3164}",
            "Ａ\u{34f}é",
            "  x  Y ",
            "e\u{34f}\u{301}",
            "\u{1f80}\u{345}",
            "ᾳ\u{301}",
        ] {
            let key = Username::key_of(text);
            assert_eq!(Username::key_of(&key), key, "{text:?}");
        }
    }

    #[test]
    fn digits_alone_are_no_name_since_they_are_an_id() {
        for text in ["2", "007", "18446744073709551616"] {
            assert_eq!(Username::registered(text).err(), Some(UserError::Username));
            assert_eq!(foreign(text), Err(UserError::ForeignUsername), "{text}");
        }
        for text in ["２", "٢", "²", "Ⅷ", "1 2", " 2 ", "2\u{fe0f}"] {
            assert_eq!(foreign(text), Err(UserError::ForeignUsername), "{text}");
        }
        for text in ["2a", "-2", "2.", "agent 7", "+2"] {
            assert!(foreign(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn names_that_the_server_gives_are_no_others() {
        for text in ["user-2", "User-x", "user-", "DELETED-17", "deleted-"] {
            let refused = Username::registered(text).err();
            assert_eq!(refused, Some(UserError::Reserved), "{text}");
            assert_eq!(foreign(text), Err(UserError::Reserved), "{text}");
        }
        assert_eq!(foreign("ｕser-2"), Err(UserError::Reserved));
        assert!(Username::registered("user2").is_ok());
        let id = UserId::new(2).unwrap();
        assert!(Username::foreign_of("user-2", id).is_ok());
        for text in ["user-3", "user-02", "deleted-2"] {
            let refused = Username::foreign_of(text, id).err();
            assert_eq!(refused, Some(UserError::Reserved), "{text}");
        }
    }
}
