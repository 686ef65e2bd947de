//! Accounts: who a person is to others.

use std::sync::Arc;

use super::username::{MAX_FOREIGN_USERNAME_CHARS, MAX_USERNAME_CHARS, is_visible_in_url};
use super::{Name, Timestamp, UserId, Username};

/// One account, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Never reused.
    pub id: UserId,
    /// Shown as written; compared without case.
    pub username: Username,
    /// The name that is shown, where it is another than the username.
    pub name: Option<Name>,
    /// An `https:` URL of at most 2,048 characters; in rows of before 2026-12 perhaps a relative
    /// one.
    pub avatar: Option<Arc<str>>,
    /// May use the admin routes.
    pub is_admin: bool,
    /// A program, which has keys in place of a password.
    pub is_bot: bool,
    /// Can neither log in nor connect.
    pub disabled: bool,
    /// Is no more: what it said may still be there. Its name is the server's, and it is disabled.
    pub deleted: bool,
    /// What it said is still to be erased.
    pub erasing: bool,
    /// Goes up when all earlier tokens of the account are to be refused.
    pub token_version: u32,
    /// When the version last went up. Tokens of an app carry no version of ours and are judged by
    /// this time: it is later than the moment of the change where the app's clock was ahead.
    pub revoked_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the account's last socket closed; `None` before that first happened.
    pub last_seen: Option<Timestamp>,
    /// Who made the account, and so who may vouch for its owner.
    pub made_by: MadeBy,
    /// Whom an app means by it, where that is no id.
    pub subject: Option<Arc<Subject>>,
    /// When the account was last shown otherwise: by another name, username or picture. Not before
    /// any entry that the log had then.
    pub profile_at: Option<Timestamp>,
    /// When an app last said how its account is called: tokens of before are no news.
    pub named_at: Option<Timestamp>,
}

impl User {
    /// Returns whether the server counts as set up with this account: it was made here, or may
    /// administer.
    pub fn sets_up(&self) -> bool {
        self.is_registered() || (self.is_admin && !self.disabled)
    }

    /// Returns whether a person has made it here, or an administrator for one.
    pub fn is_registered(&self) -> bool {
        self.made_by == MadeBy::Here && !self.is_bot
    }

    /// Returns whether another form of the account is shown as this one is.
    pub fn is_shown_as(&self, other: &Self) -> bool {
        self.username.is_written(&other.username)
            && self.name == other.name
            && self.avatar == other.avatar
    }

    /// Returns the name that is shown: the username where no other is given.
    pub fn shown_name(&self) -> &str {
        let name = self.name.as_ref();
        name.map_or(self.username.as_str(), Name::as_str)
    }

    /// Returns whether its username or its name contains a text, as [`Username::key_of`] has it.
    pub fn is_found_by(&self, key: &str) -> bool {
        self.username.key().contains(key)
            || (self.name.as_ref())
                .is_some_and(|name| Username::key_of(name.as_str()).contains(key))
    }

    /// Returns whether the account is called so, or so with its id beside it.
    pub fn has_name(&self, name: &Username) -> bool {
        let numbered = || name.numbered(self.id);
        name.is_written(&self.username)
            || numbered().is_some_and(|numbered| numbered.is_written(&self.username))
    }

    /// Returns whether a token of another system brings no news: the account is called and shown as
    /// one of these names (with its id beside it where the name is another's) and this picture say,
    /// or an app has said later how it is, or it is no app's.
    ///
    /// Tokens tell in which second they were issued.
    pub fn is_called(
        &self,
        issued_at: Option<Timestamp>,
        names: &[Username],
        name: Option<&Name>,
        avatar: Option<&Option<Arc<str>>>,
    ) -> bool {
        let is_news = match (self.named_at, issued_at) {
            (None, _) => true,
            (Some(named), Some(issued)) => issued.as_secs() >= named.as_secs(),
            (Some(_), None) => false,
        };
        if !is_news || self.made_by == MadeBy::Here {
            return true;
        }
        let is_named = names.is_empty() || names.iter().any(|name| self.has_name(name));
        let is_shown = name.is_none_or(|name| name.as_str() == self.shown_name());
        is_named && is_shown && avatar.is_none_or(|avatar| *avatar == self.avatar)
    }
}

/// Whom an app's tokens mean: the issuer, and what it calls that person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The issuer as its tokens name it; empty where the operator named none.
    pub issuer: Arc<str>,
    /// Any text of 1 to [`MAX_SUBJECT_BYTES`] bytes, compared byte for byte.
    pub subject: Arc<str>,
}

/// 255 ASCII characters are the longest subject of OpenID Connect (Core 1.0, section 2).
pub const MAX_SUBJECT_BYTES: usize = 255;

/// An account of an app as the app names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// By the account's id, which the app gave.
    Id(UserId),
    /// By a subject of any other shape: the account's id is this server's to give.
    Subject(Subject),
}

/// Who made an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBy {
    /// A person who registered, or an administrator for one: no token of another system opens it.
    Here,
    /// An app that keeps its own users: by a token, or by an administrator's `PUT`.
    App,
}

/// The longest avatar URL, in characters: longer ones are data URLs or mistakes.
const MAX_AVATAR_CHARS: usize = 2_048;

/// What is wrong with a name or an avatar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The name does not fit the rule of [`Username::registered`].
    #[error(
        "username must be 1 to {MAX_USERNAME_CHARS} characters of a-z, 0-9, '.', '_' and '-', and not digits alone"
    )]
    Username,
    /// The name does not fit the rule of [`Username::foreign`].
    #[error(
        "username must be 1 to {MAX_FOREIGN_USERNAME_CHARS} characters, without control characters and others that are not seen, and not digits alone"
    )]
    ForeignUsername,
    /// The name does not fit the rule of [`Name::parse`].
    #[error(
        "name must be 1 to {MAX_FOREIGN_USERNAME_CHARS} characters, without control characters and others that are not seen"
    )]
    Name,
    /// The shown name is one that only the server gives.
    #[error("a name must not begin with user- or deleted-: the server gives such names")]
    ReservedName,
    /// The name is one that only the server gives.
    #[error("a username must not begin with user- or deleted-: the server gives such names")]
    Reserved,
    /// The avatar is no `https:` URL, or is too long.
    #[error("avatar must be an https: URL of at most {MAX_AVATAR_CHARS} characters")]
    Avatar,
}

/// Checks an avatar: an `https:` URL with a host, and without a user, a password, spaces or
/// characters that are not seen.
///
/// A path alone would be one of this server, of which every reader's browser would ask something in
/// the reader's name.
pub fn check_avatar(text: &str) -> Result<(), UserError> {
    let clean = text.chars().count() <= MAX_AVATAR_CHARS
        && !text.contains('\\')
        && text.chars().all(is_visible_in_url);
    let rest = match text.split_at_checked("https://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https://") => rest,
        _ => return Err(UserError::Avatar),
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let named = !host.is_empty() && !host.starts_with(':') && !host.contains('@');
    if clean && named {
        Ok(())
    } else {
        Err(UserError::Avatar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_avatar_is_an_https_url_and_no_path_of_this_server() {
        for text in [
            "https://example.org/a.png",
            "HTTPS://example.org",
            "https://example.org:8443/a.png?x=1:2#y",
            "https://münchen.example/ä.png",
            "https://[2001:db8::1]/a.png",
        ] {
            assert_eq!(check_avatar(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "http://example.org/a.png",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:image/png;base64,AA",
            "blob:https://example.org/x",
            "//evil/a",
            "/a.png",
            "a.png",
            "img/a.png?x=1:2",
            "/api/auth/logout",
            "/socket.io/?EIO=4&transport=polling",
            "?setup=x",
            "https:",
            "https:/a.png",
            "https:a.png",
            "https://",
            "https:///a.png",
            "https://?x",
            "https://:443/",
            "https://ada:secret@example.org/a.png",
            "https://example.org@evil.example/",
            "https://example.org/a b",
            "https://example.org/a\tb",
            "https://example.org/\u{202e}gnp.a",
            "https://example.org/\u{200b}",
            "https:\\\\example.org\\a",
            " https://example.org/a.png",
            "\\\\x",
        ] {
            assert_eq!(check_avatar(text), Err(UserError::Avatar), "{text}");
        }
        let long = format!("https://example.org/{}", "x".repeat(MAX_AVATAR_CHARS));
        assert_eq!(check_avatar(&long[..MAX_AVATAR_CHARS]), Ok(()));
        assert_eq!(
            check_avatar(&long[..=MAX_AVATAR_CHARS]),
            Err(UserError::Avatar)
        );
    }
}
