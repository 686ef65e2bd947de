//! Accounts: who a person is to others.

use std::fmt;
use std::sync::Arc;

use super::{Timestamp, UserId};

/// One account, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Never reused.
    pub id: UserId,
    /// Shown as written; compared without case.
    pub username: Username,
    /// An `https:` or relative URL of at most 2,048 characters.
    pub avatar: Option<Arc<str>>,
    /// May use the admin routes.
    pub is_admin: bool,
    /// Can neither log in nor connect.
    pub disabled: bool,
    /// Goes up when all earlier tokens of the account are to be refused.
    pub token_version: u32,
    /// When the version last went up: tokens of another issuer carry no version of ours, and are judged by their time.
    pub revoked_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the account's last socket closed; `None` before that first happened.
    pub last_seen: Option<Timestamp>,
}

/// The longest name of an account, in characters.
const MAX_USERNAME_CHARS: usize = 32;
/// The longest name that another system may give, in characters.
const MAX_FOREIGN_USERNAME_CHARS: usize = 64;
/// The longest avatar URL, in characters: longer ones are data URLs or mistakes.
const MAX_AVATAR_CHARS: usize = 2_048;

/// What is wrong with a name or an avatar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The name does not fit the rule of [`Username::registered`].
    #[error("username must be 1 to {MAX_USERNAME_CHARS} characters of a-z, 0-9, '.', '_' and '-'")]
    Username,
    /// The name does not fit the rule of [`Username::foreign`].
    #[error(
        "username must be 1 to {MAX_FOREIGN_USERNAME_CHARS} characters, without control characters"
    )]
    ForeignUsername,
    /// The avatar is neither an `https:` nor a relative URL, or is too long.
    #[error("avatar must be an https: or relative URL of at most {MAX_AVATAR_CHARS} characters")]
    Avatar,
}

/// The name of an account: kept as written, equal without case.
#[derive(Clone)]
pub struct Username(Arc<str>);

impl Username {
    /// The rule for names chosen here: 1 to 32 characters of `a-z 0-9 . _ -`, capitals allowed and kept.
    pub fn registered(text: &str) -> Result<Self, UserError> {
        let fits = (1..=MAX_USERNAME_CHARS).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(UserError::Username)
        }
    }

    /// The rule for names that another system gave: 1 to 64 characters, none of them a control character, with something
    /// to see in it.
    pub fn foreign(text: &str) -> Result<Self, UserError> {
        let fits = (1..=MAX_FOREIGN_USERNAME_CHARS).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
            && !text.trim().is_empty();
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(UserError::ForeignUsername)
        }
    }

    /// A name read back from the store, checked when it was first taken.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which two names are the same name.
    pub fn key(&self) -> String {
        Self::key_of(&self.0)
    }

    /// [`Username::key`] of a text that may be no name at all, for look-ups.
    pub fn key_of(text: &str) -> String {
        text.to_lowercase()
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

/// Checks an avatar: an `https:` URL or a relative one, without control characters, spaces or a scheme of another kind.
pub fn check_avatar(text: &str) -> Result<(), UserError> {
    let clean = !text.is_empty()
        && text.chars().count() <= MAX_AVATAR_CHARS
        && !text
            .chars()
            .any(|character| character.is_control() || character.is_whitespace());
    // A colon before the first slash would be a scheme; `//host` would leave this server by a back door.
    let relative = !text.starts_with("//")
        && !text.contains('\\')
        && !text
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|head| head.contains(':'));
    if clean && (text.starts_with("https://") || relative) {
        Ok(())
    } else {
        Err(UserError::Avatar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_written_and_equal_without_case() {
        let name = Username::registered("Ada.L-1_x").unwrap();
        assert_eq!(name.as_str(), "Ada.L-1_x");
        assert_eq!(name, Username::registered("ada.l-1_X").unwrap());
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
        for text in ["Ada Lovelace", "ä", &"ß".repeat(64), "ada@example.org"] {
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
    fn an_avatar_is_https_or_relative() {
        for text in [
            "https://example.org/a.png",
            "/a.png",
            "a.png",
            "img/a.png?x=1:2",
        ] {
            assert_eq!(check_avatar(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "http://example.org/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "//evil/a",
            "a b",
            "\\\\x",
        ] {
            assert_eq!(check_avatar(text), Err(UserError::Avatar), "{text}");
        }
    }
}
