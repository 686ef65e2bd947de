//! Who finds whom, and who may begin to write to whom, as the operator decides.

/// Whom a person finds, and whose coming and going they see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Directory {
    /// Everyone with an account.
    #[default]
    Everyone,
    /// Those with whom they share a chat.
    Shared,
    /// The same, and one whose whole name they give.
    Exact,
    /// Nobody; those with whom they share a chat are seen by their ids.
    None,
}

impl Directory {
    /// The word on the command line and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Shared => "shared",
            Self::Exact => "exact",
            Self::None => "none",
        }
    }
}

/// To whom a person may begin to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstContact {
    /// Everyone with an account.
    #[default]
    Everyone,
    /// Those with whom they share a room.
    Shared,
    /// Nobody.
    None,
}
