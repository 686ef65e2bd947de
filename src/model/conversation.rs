//! Who shares a conversation.

use super::UserId;

/// The two people of a direct conversation, smaller id first, so that each pair has one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    low: UserId,
    high: UserId,
}

impl Pair {
    /// The pair of two people, in either order; `None` for a person and themselves.
    pub fn new(one: UserId, other: UserId) -> Option<Self> {
        match one.cmp(&other) {
            std::cmp::Ordering::Less => Some(Self {
                low: one,
                high: other,
            }),
            std::cmp::Ordering::Greater => Some(Self {
                low: other,
                high: one,
            }),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// The two, smaller id first.
    pub fn members(self) -> [UserId; 2] {
        [self.low, self.high]
    }

    /// Returns the other member; `None` for a stranger.
    pub fn other(self, member: UserId) -> Option<UserId> {
        let place = self.place(member)?;
        Some(self.members()[1 - place])
    }

    /// Returns 0 for the member with the smaller id, 1 for the other; `None` for a stranger.
    pub fn place(self, user: UserId) -> Option<usize> {
        self.members().iter().position(|member| *member == user)
    }
}
