//! Which format a data file has.

use redb::{Database, ReadableDatabase, TableError};

use crate::store::disk::error::OpenError;
use crate::store::error::StoreError;
use crate::store::tables::META;

/// The format that this program writes. A file of an earlier one is migrated at open; one of a
/// later one is refused unchanged.
///
/// 1: log, conversations, accounts; everything derived was made anew at each start.
/// 2: derived rows, kept by the checkpoint; invites.
/// 3: the log in blocks; before, a row for each entry.
/// 4: entries with a head that can say more; the changes of rows; the tables of what comes later.
/// 5: entries of rooms and of one person, by accounts, with optional fields, and of more kinds.
/// 6: entries that change messages of rooms; who reacted to these.
/// 7: entries that erase many messages at once.
pub(crate) const FORMAT: u32 = 7;

/// Returns the format of a file; `None` for a new one. Fails on a file of another program, and on
/// one of a later chatd.
pub(crate) fn format(db: &Database) -> Result<Option<u32>, OpenError> {
    let txn = db.begin_read().map_err(StoreError::from)?;
    let found = match txn.open_table(META) {
        Ok(meta) => {
            let format = meta.get("format").map_err(StoreError::from)?;
            let format = format
                .and_then(|value| value.value().try_into().ok())
                .map(u32::from_le_bytes);
            format
                .filter(|format| *format > 0)
                .ok_or(OpenError::Foreign)?
        }
        // A database with tables, but without ours, belongs to another program.
        Err(TableError::TableDoesNotExist(_))
            if txn.list_tables().map_err(StoreError::from)?.count() == 0 =>
        {
            return Ok(None);
        }
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
            return Err(OpenError::Foreign);
        }
        Err(error) => return Err(StoreError::from(error).into()),
    };
    if found > FORMAT {
        return Err(OpenError::Newer {
            found,
            known: FORMAT,
        });
    }
    Ok(Some(found))
}
