//! What an operator decides about talk.

use std::time::Duration;

use crate::model::{DEFAULT_MAX_MESSAGE_CHARS, Directory, FirstContact};
use crate::store::{DEFAULT_EDIT_WINDOW, DEFAULT_MAX_ROOM_MEMBERS};

/// What an operator decides about talk.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The longest message, in characters.
    pub max_message_chars: usize,
    /// How long what a person missed can be told of.
    pub recovery_window: Duration,
    /// How many members a room may have.
    pub max_room_members: u64,
    /// Who may make rooms.
    pub room_creation: RoomCreation,
    /// How long after it was sent a message may get another text; `None` for always.
    pub edit_window: Option<Duration>,
    /// After how long messages are erased; `None` for never. A room may have a shorter time.
    pub retention: Option<Duration>,
    /// Whom people find.
    pub directory: Directory,
    /// To whom people may begin to write.
    pub first_contact: FirstContact,
}

/// Who may make rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RoomCreation {
    /// Everyone with an account.
    #[default]
    Everyone,
    /// The administrators of the server.
    Admins,
}

/// 24 hours: who was away for longer opens their chats afresh.
pub const DEFAULT_RECOVERY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_message_chars: DEFAULT_MAX_MESSAGE_CHARS,
            recovery_window: DEFAULT_RECOVERY_WINDOW,
            max_room_members: DEFAULT_MAX_ROOM_MEMBERS,
            room_creation: RoomCreation::default(),
            edit_window: Some(DEFAULT_EDIT_WINDOW),
            retention: None,
            directory: Directory::default(),
            first_contact: FirstContact::default(),
        }
    }
}
