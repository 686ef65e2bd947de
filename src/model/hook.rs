//! What hooks tell of, and where their requests lead.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event that outgoing hooks tell of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HookEvent {
    /// A message from one person to another.
    DirectMessage,
    /// A message in a room.
    RoomMessage,
    /// A message has another text.
    MessageEdited,
    /// A message is gone.
    MessageDeleted,
    /// A person put an emoji on a message, or took it away.
    Reaction,
    /// A room was made, changed or archived.
    RoomChanged,
    /// A person joined a room, left it, was removed, or has another role.
    RoomMember,
    /// An account was made.
    UserCreated,
    /// An account is gone.
    UserDeleted,
}

impl HookEvent {
    /// Every event.
    pub const ALL: [Self; 9] = [
        Self::DirectMessage,
        Self::RoomMessage,
        Self::MessageEdited,
        Self::MessageDeleted,
        Self::Reaction,
        Self::RoomChanged,
        Self::RoomMember,
        Self::UserCreated,
        Self::UserDeleted,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DirectMessage => "direct_message",
            Self::RoomMessage => "room_message",
            Self::MessageEdited => "message_edited",
            Self::MessageDeleted => "message_deleted",
            Self::Reaction => "reaction",
            Self::RoomChanged => "room_changed",
            Self::RoomMember => "room_member",
            Self::UserCreated => "user_created",
            Self::UserDeleted => "user_deleted",
        }
    }

    /// Returns whether it is about an account, and so no entry of the log.
    pub const fn is_of_accounts(self) -> bool {
        matches!(self, Self::UserCreated | Self::UserDeleted)
    }
}

/// A word that is none of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no event of hooks")]
pub struct HookEventError;

impl FromStr for HookEvent {
    type Err = HookEventError;

    fn from_str(text: &str) -> Result<Self, HookEventError> {
        let event = Self::ALL.into_iter().find(|event| event.as_str() == text);
        event.ok_or(HookEventError)
    }
}

/// Whether an outgoing hook tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// It does.
    Active,
    /// Something fails to be told, and is tried again.
    Failing,
    /// It rests until an administrator says otherwise.
    Paused,
}

/// A URL to which an outgoing hook posts. There may be secrets in it, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(pub Arc<str>);

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookUrl")
    }
}

/// By what the requests of an outgoing hook are signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HookSecret(pub [u8; 32]);

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookSecret")
    }
}

/// The longest name of a hook, in characters.
pub const MAX_HOOK_NAME_CHARS: usize = 64;
/// Rooms to which one hook can be bound.
pub const MAX_HOOK_ROOMS: usize = 100;

/// The longest name of a sender that an incoming hook may give its messages, in characters.
pub const MAX_SPEAKER_CHARS: usize = 80;

/// What a hook calls the one who speaks through its bot: one line of visible text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Speaker")]
pub struct Speaker<T = Arc<str>> {
    /// The name.
    name: T,
}

impl Speaker {
    /// Takes a name, without what surrounds it and cut to its greatest length; `None` where there
    /// is nothing to be seen in it.
    pub fn named(name: &str) -> Option<Self> {
        let is_plain = |c: &char| !c.is_control();
        let name: String = name
            .trim()
            .chars()
            .filter(is_plain)
            .take(MAX_SPEAKER_CHARS)
            .collect();
        let name = super::visible_name(&name, MAX_SPEAKER_CHARS)?;
        Some(Self { name: name.into() })
    }
}

impl<'a> Speaker<&'a str> {
    /// Returns the one whose name is this, which was checked when it was taken.
    pub const fn stored(name: &'a str) -> Self {
        Self { name }
    }
}

impl<T: AsRef<str>> Speaker<T> {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.name.as_ref()
    }

    /// Returns the same with its name copied.
    pub fn to_shared(&self) -> Speaker {
        Speaker {
            name: self.name.as_ref().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_read_by_its_word() {
        for event in HookEvent::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(json, format!("\"{}\"", event.as_str()));
        }
        assert_eq!("messege_read".parse::<HookEvent>(), Err(HookEventError));
    }

    #[test]
    fn nothing_secret_of_a_hook_is_shown() {
        let url = HookUrl("https://example.org/secret".into());
        assert_eq!(
            format!("{url:?} {:?}", HookSecret([7; 32])),
            "HookUrl HookSecret"
        );
    }

    #[test]
    fn a_speaker_is_one_line_that_can_be_seen() {
        let long = "x".repeat(200);
        for (given, kept) in [
            (" Grafana ", Some("Grafana")),
            ("Up\r\ntime", Some("Uptime")),
            ("", None),
            (" \u{200b} ", None),
            (&long, Some(&long[..MAX_SPEAKER_CHARS])),
        ] {
            let speaker = Speaker::named(given);
            assert_eq!(speaker.as_ref().map(Speaker::as_str), kept, "{given:?}");
        }
    }
}
