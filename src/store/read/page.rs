//! Pages: as many rows as are asked for, unless their bytes are enough before.

use crate::budget::PAGE_BYTES;
use crate::model::Message;

/// How many rows of a page room is made for at once: a page that is not full is soon gone.
pub(super) const MAX_ROOM: usize = 64;

/// A page, and whether there is more beyond it in the direction of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order that the query names.
    pub rows: Vec<T>,
    /// Whether the next page has rows.
    pub has_more: bool,
}

/// How much of a page is taken by its rows, in bytes of JSON.
#[derive(Debug, Default)]
pub(super) struct Filled(pub(super) usize);

impl Filled {
    /// Returns one with room for half of what a page has.
    pub(super) const fn half() -> Self {
        Self(PAGE_BYTES / 2)
    }

    pub(super) fn add(&mut self, message: &Message) {
        self.0 += message.row_bytes();
    }

    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.0 += bytes;
    }

    pub(super) fn is_full(&self) -> bool {
        self.0 >= PAGE_BYTES
    }
}
