//! Bringing the log to the newest format, step by step.

use std::time::Instant;

use redb::{Database, ReadableDatabase, ReadableTable, TableError};

use super::format::FORMAT;
use crate::model::EntryId;
use crate::store::disk::open::PROGRESS;
use crate::store::error::StoreError;
use crate::store::log::blocks::{Appending, Log, damaged};
use crate::store::tables::{LOG, OLD_LOG};

/// 4 MiB of entries change their form in one transaction: some thirty thousand, and some hundredths of a second.
pub(crate) const MIGRATED_BYTES: usize = 4 << 20;

/// Puts the entries that a file of an earlier format still has as rows into blocks, step by step, each on disk before the
/// next: the file hardly grows, and what a stop leaves undone is done by the next start. A step has [`MIGRATED_BYTES`].
pub(crate) fn migrate_log(db: &Database, step_bytes: usize) -> Result<(), StoreError> {
    let mut told = Instant::now();
    while migrate_step(db, step_bytes)? {
        if told.elapsed() >= PROGRESS {
            let entry = Log::open(&db.begin_read()?)?.last()?;
            tracing::info!(entry, "bringing the log to format {FORMAT}");
            told = Instant::now();
        }
    }
    Ok(())
}

/// One step of that; `false` where there is nothing left to do.
pub(crate) fn migrate_step(db: &Database, step_bytes: usize) -> Result<bool, StoreError> {
    let old = match db.begin_read()?.open_table(OLD_LOG) {
        Ok(old) => old,
        Err(TableError::TableDoesNotExist(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let txn = db.begin_write()?;
    let mut bytes = 0;
    {
        let (mut log, mut rows) = (txn.open_table(LOG)?, txn.open_table(OLD_LOG)?);
        let mut end = Appending::new(&mut log, step_bytes)?;
        for row in old.iter()? {
            let (key, value) = row?;
            let key = key.value();
            EntryId::new(key).map_err(|_| damaged(key))?;
            end.push(key, value.value());
            rows.remove(key)?;
            bytes += value.value().len();
            if bytes >= step_bytes {
                break;
            }
        }
        end.close()?;
    }
    if bytes == 0 {
        txn.delete_table(OLD_LOG)?;
    }
    drop(old);
    txn.commit()?;
    Ok(true)
}
