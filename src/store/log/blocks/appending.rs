//! Appending to the log.

use std::ops::Bound;

use redb::{ReadableTable, Table};

use super::block::{Block, NEWEST, damaged};
use super::filling::Filling;
use crate::store::error::StoreError;

/// Appends entries to the log of a write transaction. They are there once it is closed.
pub(crate) struct Appending<'a, 'txn> {
    table: &'a mut Table<'txn, u64, &'static [u8]>,
    filling: Filling,
}

impl<'a, 'txn> Appending<'a, 'txn> {
    /// Begins after what the table has. So many `bytes` are expected. Fails where its newest block
    /// is none, rather than put another in its place.
    pub(crate) fn new(
        table: &'a mut Table<'txn, u64, &'static [u8]>,
        bytes: usize,
    ) -> Result<Self, StoreError> {
        let mut filling = Filling::with_room(bytes);
        if let Some((key, value)) = table.last()?
            && key.value() == NEWEST
        {
            filling.go_on_with(&Block::new(value.value()).ok_or(damaged(NEWEST))?);
        }
        Ok(Self { table, filling })
    }

    /// Appends one. Its id follows the last one's, or there is a gap.
    pub(crate) fn push(&mut self, id: u64, sealed: &[u8]) {
        self.filling.push(id, sealed);
    }

    /// Puts them into the table.
    pub(crate) fn close(mut self) -> Result<(), StoreError> {
        let Some(newest) = self.filling.finish().checked_sub(1) else {
            return Ok(());
        };
        self.table.insert(NEWEST, self.filling.row(newest).1)?;
        if newest == 0 {
            return Ok(());
        }
        // A cursor puts neighbours into the tree at once.
        let mut gap = self.table.upper_bound_mut(Bound::Excluded(NEWEST))?;
        for full in 0..newest {
            let (last, block) = self.filling.row(full);
            gap.insert_before(last, block)?;
        }
        gap.close()?;
        Ok(())
    }
}
