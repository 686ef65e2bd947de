//! Reading the log: one entry by its id, and all from one on.

use std::ops::Bound;

use redb::{
    AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTable, StorageError, TableError,
};

use super::block::{Block, NEWEST, damaged, decode};
use crate::model::EntryId;
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::tables::{LOG, OLD_LOG};

/// Returns what `read` makes of an entry of a table of blocks; `None` for an absent one.
pub(crate) fn read_block<R>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: EntryId,
    read: impl FnOnce(Record<&str>) -> R,
) -> Result<Option<R>, StoreError> {
    let read = |sealed: &[u8]| Ok(read(Record::decode(id, sealed)?));
    read_block_sealed(table, id, read)?.transpose()
}

/// Returns what `read` makes of an entry's sealed value, likewise.
fn read_block_sealed<R>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: EntryId,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>, StoreError> {
    let Some((_, value)) = table.lower_bound(Bound::Included(id.get()))?.next()? else {
        return Ok(None);
    };
    let sealed = Block::new(value.value()).and_then(|block| {
        let place = id.get().checked_sub(block.first)?;
        block.get(usize::try_from(place).ok()?)
    });
    Ok(sealed.map(read))
}

/// The log in one read transaction.
pub(crate) struct Log {
    blocks: ReadOnlyTable<u64, &'static [u8]>,
    /// The entries after those in blocks, a row each: only in a file that is not wholly migrated.
    rows: Option<ReadOnlyTable<u64, &'static [u8]>>,
}

impl ReadLog for Log {
    type Error = StoreError;

    fn read<R>(&self, id: EntryId, read: impl FnOnce(Record<&str>) -> R) -> Result<R, StoreError> {
        self.read_sealed(id, |sealed| Ok(read(Record::decode(id, sealed)?)))?
    }
}

impl Log {
    /// Opens the log of a file of this format.
    pub(crate) fn open(txn: &ReadTransaction) -> Result<Self, TableError> {
        Ok(Self {
            blocks: txn.open_table(LOG)?,
            rows: None,
        })
    }

    /// Opens the log of a file which may still have entries in rows of their own.
    pub(crate) fn open_any(txn: &ReadTransaction) -> Result<Self, TableError> {
        let rows = match txn.open_table(OLD_LOG) {
            Ok(rows) => Some(rows),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            rows,
            ..Self::open(txn)?
        })
    }

    /// Gives `read` the sealed value of an entry; an absent one is an error.
    pub(crate) fn read_sealed<R>(
        &self,
        id: EntryId,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, StoreError> {
        if let Some(rows) = &self.rows
            && let Some(value) = rows.get(id.get())?
        {
            return Ok(read(value.value()));
        }
        read_block_sealed(&self.blocks, id, read)?.ok_or_else(|| damaged(id.get()))
    }

    /// Returns the id of the newest entry; 0 where there is none. It is the one under which the
    /// entry is sealed: the key of its block does not say it, and no two entries may have one id.
    pub(crate) fn last(&self) -> Result<u64, StoreError> {
        if let Some(rows) = &self.rows
            && let Some((key, value)) = rows.last()?
        {
            return Ok(decode(key.value(), value.value())?.0.get());
        }
        let Some((key, value)) = self.blocks.last()? else {
            return Ok(0);
        };
        let newest = Block::new(value.value()).ok_or(damaged(key.value()))?;
        let last = newest.last();
        let sealed = newest.get(newest.count() - 1).ok_or(damaged(last))?;
        Ok(decode(last, sealed)?.0.get())
    }

    /// Begins a walk over all entries from this one on.
    pub(crate) fn walk(&self, from: u64) -> Result<Walk, StorageError> {
        let rows = self.rows.as_ref().map(|rows| rows.range(from..));
        Ok(Walk {
            blocks: self.blocks.range(from..)?,
            rows: rows.transpose()?,
            from: Some(from),
            next: 0,
            row: None,
        })
    }
}

/// A row of the log, and which of its entries comes next.
struct Row {
    first: u64,
    value: AccessGuard<'static, &'static [u8]>,
    place: usize,
    count: usize,
    is_block: bool,
}

/// A walk over entries in their order.
pub(crate) struct Walk {
    blocks: Range<'static, u64, &'static [u8]>,
    rows: Option<Range<'static, u64, &'static [u8]>>,
    /// Where the walk begins, which may be within its first block.
    from: Option<u64>,
    /// The smallest id that the next entry can have.
    next: u64,
    row: Option<Row>,
}

impl Walk {
    /// Returns the next entry's id, which is greater than the one before it, and its sealed value;
    /// an error for a damaged entry or row, after which the walk goes on.
    pub(crate) fn next(&mut self) -> Option<Result<(u64, &[u8]), StoreError>> {
        while self.row.as_ref().is_none_or(|row| row.place >= row.count) {
            match self.turn()? {
                Ok(row) => self.row = Some(row),
                Err(error) => return Some(Err(error)),
            }
        }
        let row = self.row.as_mut()?;
        let id = row.first + row.place as u64;
        let sealed = match row.is_block {
            true => Block::new(row.value.value()).and_then(|block| block.get(row.place)),
            false => Some(row.value.value()),
        };
        row.place += 1;
        self.next = id + 1;
        Some(sealed.map(|sealed| (id, sealed)).ok_or(damaged(id)))
    }

    /// Goes to the next row.
    fn turn(&mut self) -> Option<Result<Row, StoreError>> {
        self.row = None;
        let (row, is_block) = match self.blocks.next() {
            Some(row) => (row, true),
            None => (self.rows.as_mut()?.next()?, false),
        };
        Some(row.map_err(StoreError::from).and_then(|(key, value)| {
            let key = key.value();
            let (first, count) = match is_block {
                true => {
                    let block = Block::new(value.value())
                        .filter(|block| key == block.last() || key == NEWEST);
                    // Of the newest one at least the next entry is gone.
                    let named = if key == NEWEST { self.next.max(1) } else { key };
                    let block = block.ok_or(damaged(named))?;
                    (block.first, block.count())
                }
                false => (EntryId::new(key).map_err(|_| damaged(key))?.get(), 1),
            };
            let place = self.from.take().unwrap_or(first).saturating_sub(first);
            if first + place < self.next {
                return Err(damaged(first));
            }
            Ok(Row {
                first,
                value,
                place: usize::try_from(place).unwrap_or(count),
                count,
                is_block,
            })
        }))
    }
}
