//! Emoji on a message, and by whom they are.

use std::sync::Arc;

/// An emoji on a message, and who put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction<T = Arc<str>> {
    /// The emoji.
    pub emoji: T,
    /// Whose it is.
    pub by: Reactors,
}

/// Who put an emoji on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reactors {
    /// Of two people those at these places of the pair: bit 0, bit 1 or both.
    OfPair(u8),
    /// Members of a room, however many these are: who they are stands elsewhere.
    OfRoom {
        /// How many.
        count: u64,
        /// The reader is one of them. Known only where a row was read for a person.
        has_reader: bool,
    },
}

impl Reactors {
    /// Returns so many members of a room.
    pub const fn of_room(count: u64) -> Self {
        Self::OfRoom {
            count,
            has_reader: false,
        }
    }

    /// Returns whether there is nobody.
    pub const fn is_nobody(self) -> bool {
        self.count() == 0
    }

    /// Returns how many there are.
    pub const fn count(self) -> u64 {
        match self {
            Self::OfPair(members) => members.count_ones() as u64,
            Self::OfRoom { count, .. } => count,
        }
    }

    /// Returns whether the member at this place of a pair is one; in a room, the reader.
    pub const fn has(self, place: usize) -> bool {
        match self {
            Self::OfPair(members) => members >> place & 1 == 1,
            Self::OfRoom { has_reader, .. } => has_reader,
        }
    }
}

impl<T> Reaction<T> {
    /// Returns how many people put it there.
    pub const fn count(&self) -> u64 {
        self.by.count()
    }

    /// Returns whether the member at this place of a pair did; in a room, the reader.
    pub const fn is_of(&self, place: usize) -> bool {
        self.by.has(place)
    }
}

impl<T: AsRef<str>> Reaction<T> {
    /// Returns the same with its text copied.
    pub fn to_shared(&self) -> Reaction {
        Reaction {
            emoji: self.emoji.as_ref().into(),
            by: self.by,
        }
    }
}
