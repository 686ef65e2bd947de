//! A file of the index that is open, and its sections.

use super::folder::Source;
use super::head::{Head, Section};
use super::pages::{self, Damaged, Seed};

/// The ids of the messages, see `sealing.rs`.
pub(super) const IDS: usize = 0;
/// The chats.
pub(super) const CHATS: usize = 1;
/// Where their blocks are.
pub(super) const CHAT_PLACES: usize = 2;
/// The numbers of the messages that have a term.
pub(super) const NUMBERS: usize = 3;
/// The terms.
pub(super) const TERMS: usize = 4;
/// Where their blocks are.
pub(super) const TERM_PLACES: usize = 5;

/// What reads a file.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) seed: Seed,
    pub(super) head: &'a Head,
}

impl Reader<'_> {
    /// How many bytes a section has.
    pub(super) fn bytes(&self, section: usize) -> usize {
        let Section { begin, end } = self.head.sections[section];
        usize::try_from(end - begin).unwrap_or(usize::MAX)
    }

    /// Reads a section.
    pub(super) fn all(&self, section: usize) -> Result<Vec<u8>, Damaged> {
        let Section { begin, end } = self.head.sections[section];
        pages::read(self.source, self.seed, begin..end)
    }

    /// Reads a part of a section, as far as that reaches.
    pub(super) fn part(&self, section: usize, from: u64, to: u64) -> Result<Vec<u8>, Damaged> {
        let Section { begin, end } = self.head.sections[section];
        let (from, to) = (
            begin.saturating_add(from),
            begin.saturating_add(to).min(end),
        );
        match from <= to {
            true => pages::read(self.source, self.seed, from..to),
            false => Err(Damaged),
        }
    }
}
