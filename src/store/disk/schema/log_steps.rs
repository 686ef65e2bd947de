//! Bringing the log to the newest format, step by step, each on disk before the next: the file
//! hardly grows, and what a stop leaves undone is done by the next start.
//!
//! Entries that stand in rows of their own move into blocks; entries in blocks are recoded where
//! they lie. An entry says by its kind in which form it is, so that a log of both forms is read as
//! well as any. One that is damaged is left as it is, for a check to find.

use std::time::Instant;

use redb::{Database, ReadableDatabase, ReadableTable, TableError, WriteTransaction};

use super::format::FORMAT;
use super::meta::sealed_meta;
use crate::model::EntryId;
use crate::store::disk::open::PROGRESS;
use crate::store::error::StoreError;
use crate::store::log::blocks::{Appending, Log, damaged, rewrite_block};
use crate::store::log::record::recoded;
use crate::store::sealed::seal;
use crate::store::tables::{LOG, META, OLD_LOG, RECODED};

/// 4 MiB of entries change their form in one transaction: some thirty thousand, and some hundredths
/// of a second.
pub(crate) const MIGRATED_BYTES: usize = 4 << 20;

/// Brings the log to the newest format, in steps of so many bytes: [`MIGRATED_BYTES`].
pub(crate) fn migrate_log(db: &Database, step_bytes: usize) -> Result<(), StoreError> {
    let mut told = Instant::now();
    while migrate_step(db, step_bytes)? {
        if told.elapsed() >= PROGRESS {
            let entry = match read_recoded(db)? {
                Some(entry) => entry,
                None => Log::open(&db.begin_read()?)?.last()?,
            };
            tracing::info!(entry, "bringing the log to format {FORMAT}");
            told = Instant::now();
        }
    }
    Ok(())
}

/// Takes one step of that; `false` where there is nothing left to do.
pub(crate) fn migrate_step(db: &Database, step_bytes: usize) -> Result<bool, StoreError> {
    Ok(move_rows(db, step_bytes)? || recode_blocks(db, step_bytes)?)
}

/// Moves entries from rows into blocks; `false` where there are no rows.
fn move_rows(db: &Database, step_bytes: usize) -> Result<bool, StoreError> {
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
            end.push(key, &recoded(key, value.value()));
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

/// Recodes the entries of blocks, from where the last step ended; `false` where none is left in an
/// earlier form.
fn recode_blocks(db: &Database, step_bytes: usize) -> Result<bool, StoreError> {
    let Some(done) = read_recoded(db)? else {
        return Ok(false);
    };
    let txn = db.begin_write()?;
    let (mut bytes, mut from) = (0, done + 1);
    let mut is_done = false;
    {
        let mut log = txn.open_table(LOG)?;
        while bytes < step_bytes && !is_done {
            let rewritten = rewrite_block(&mut log, from, |id, sealed, out| {
                bytes += sealed.len();
                out.extend_from_slice(&recoded(id, sealed));
                Ok(())
            });
            match rewritten {
                Ok(Some(last)) => from = last + 1,
                Ok(None) => is_done = true,
                // A block that cannot be cut: the key is that of its last entry.
                Err(StoreError::Damaged { key, .. }) if key < u64::MAX => from = key + 1,
                Err(error) => return Err(error),
            }
        }
    }
    if is_done {
        txn.open_table(META)?.remove(RECODED)?;
    } else {
        note_recoded(&txn, from - 1)?;
    }
    txn.commit()?;
    Ok(true)
}

/// Notes up to which entry the log is recoded.
pub(super) fn note_recoded(txn: &WriteTransaction, entry: u64) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    meta.insert(RECODED, &seal(0, &entry.to_le_bytes())[..])?;
    Ok(())
}

/// Returns up to which entry the log is recoded; `None` where all of it is. A note that is damaged
/// says nothing, so that it is gone through again.
fn read_recoded(db: &Database) -> Result<Option<u64>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    if meta.get(RECODED)?.is_none() {
        return Ok(None);
    }
    match sealed_meta(&meta, RECODED) {
        Ok(entry) => Ok(Some(u64::from_le_bytes(entry))),
        Err(StoreError::Damaged { .. }) => Ok(Some(0)),
        Err(error) => Err(error),
    }
}
