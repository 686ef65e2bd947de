//! How much a data file holds.

use std::fmt;

/// How much a data file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Conversations with at least one message.
    pub conversations: u64,
    /// Entries of the log: messages and read marks.
    pub entries: u64,
}

impl Counts {
    /// Whether there is nothing that anybody could miss.
    pub fn is_empty(&self) -> bool {
        self.accounts == 0 && self.entries == 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accounts, {} conversations, {} messages and read marks",
            self.accounts, self.conversations, self.entries
        )
    }
}
