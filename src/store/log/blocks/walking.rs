//! Reading the log: one entry by its id, and all from one on.

use std::ops::Bound;

use redb::{
    AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTable, StorageError, TableError,
};

use super::block::{Block, NEWEST, damaged, decode};
use crate::model::EntryId;
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Entry;
use crate::store::tables::{LOG, OLD_LOG};

/// Gives `read` an entry of a table of blocks, where it is there.
pub(crate) fn read_block<R>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: EntryId,
    read: impl FnOnce(Entry<'_>) -> R,
) -> Result<Option<R>, StoreError> {
    let Some((_, value)) = table.lower_bound(Bound::Included(id.get()))?.next()? else {
        return Ok(None);
    };
    let sealed = Block::new(value.value()).and_then(|block| {
        let place = id.get().checked_sub(block.first)?;
        block.get(usize::try_from(place).ok()?)
    });
    match sealed {
        Some(sealed) => Ok(Some(read(Entry::decode(id, sealed)?))),
        None => Ok(None),
    }
}

/// The log in one read transaction.
pub(crate) struct Log {
    blocks: ReadOnlyTable<u64, &'static [u8]>,
    /// A row each, of a file that is not migrated or not wholly: what follows upon the blocks.
    rows: Option<ReadOnlyTable<u64, &'static [u8]>>,
}

impl ReadLog for Log {
    fn read<R>(&self, id: EntryId, read: impl FnOnce(Entry<'_>) -> R) -> Result<R, StoreError> {
        if let Some(rows) = &self.rows
            && let Some(value) = rows.get(id.get())?
        {
            return Ok(read(Entry::decode(id, value.value())?));
        }
        read_block(&self.blocks, id, read)?.ok_or_else(|| damaged(id.get()))
    }
}

impl Log {
    /// That of a file of this format.
    pub(crate) fn open(txn: &ReadTransaction) -> Result<Self, TableError> {
        Ok(Self {
            blocks: txn.open_table(LOG)?,
            rows: None,
        })
    }

    /// That of a file which may have entries in the form of an earlier one still.
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

    /// The id of the newest entry, which is sealed under it; 0 where there is none. The key of its block says nothing of
    /// that, and the next entry must not get an id that one has.
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

    /// All entries from this one on.
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

/// A row of the log's, and what of it comes next.
struct Row {
    first: u64,
    value: AccessGuard<'static, &'static [u8]>,
    place: usize,
    count: usize,
    is_block: bool,
}

/// Entries in their order.
pub(crate) struct Walk {
    blocks: Range<'static, u64, &'static [u8]>,
    rows: Option<Range<'static, u64, &'static [u8]>>,
    /// Where the walk begins: in the midst of its first block, perhaps.
    from: Option<u64>,
    /// The smallest id that the next entry can have.
    next: u64,
    row: Option<Row>,
}

impl Walk {
    /// The next entry's id and sealed value; an error for what is damaged, behind which the walk goes on. An id is greater
    /// than the one before it.
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

    /// The next row.
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
