//! Copying a data file record by record: compact, and beside a writer that is not made to wait.
//!
//! The log is append-only, so all but its end is copied in steps, each with a read transaction of its own that is over
//! in a moment: pages that the writer frees meanwhile are used again, and the file does not grow. One last transaction
//! copies the rest of the log and every other table, so that the copy is the file as of that moment. What is derived is
//! copied with it: it is as good as after a power cut at that moment, and the copy opens as fast as the file.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, TableHandle, WriteTransaction,
};

use super::{Counts, MaintainError, Progress, Unit, Watch};
use crate::store::StoreError;
use crate::store::medium::{Backend, Medium};
use crate::store::tables::{
    CLIENT_IDS, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS, INVITES, LOG, META, USERS, names,
};

/// 8,192 entries, some milliseconds: how long a step holds pages back, and one of two cores busy.
const STEP_ENTRIES: usize = 8_192;
/// 1 MiB: the same for long messages.
const STEP_BYTES: usize = 1 << 20;
/// 4 MiB of the copy's pages in memory; the rest goes to its file as it is made.
const CACHE_BYTES: usize = 4 << 20;
/// 64 MiB: a copy leaves that much of the disk to the server, twice what its writer wants.
const RESERVE_BYTES: u64 = 64 << 20;

/// A medium that is gone with the process, so that nothing is gained by syncing it at the end; and the writer's own syncs
/// would wait for that, some hundred milliseconds. It is put on the disk step by step instead: a file system that orders
/// its writes would else put all of it there with one of those syncs.
#[derive(Debug)]
struct Unsynced(Arc<dyn Medium>);

impl Medium for Unsynced {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn free(&self) -> Option<u64> {
        self.0.free()
    }

    fn forget_cache(&self) {
        self.0.forget_cache();
    }
}

/// Where a copy comes from, and how considerate it is.
pub(super) struct Copying<'a> {
    /// The database as it is now: a store that mended itself has another.
    pub(super) database: &'a dyn Fn() -> Result<Arc<Database>, StoreError>,
    /// Whether a writer is at work and the copy for none but this process: after each step it pauses for as long as the
    /// step took.
    pub(super) beside_writer: bool,
    /// Set by whoever wants it no more.
    pub(super) given_up: &'a AtomicBool,
}

impl Copying<'_> {
    /// Copies into an empty medium; for a copy that is to last, returns once that is synced.
    pub(super) fn run(
        &self,
        medium: Arc<dyn Medium>,
        watch: Watch<'_>,
    ) -> Result<Counts, MaintainError> {
        let disk = Arc::clone(&medium);
        let medium: Arc<dyn Medium> = if self.beside_writer {
            Arc::new(Unsynced(medium))
        } else {
            medium
        };
        let backend = Backend::holding(Arc::clone(&medium))?;
        backend.release()?;
        let db = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)?;
        let txn = db.begin_write()?;
        let counts = {
            let mut log = txn.open_table(LOG)?;
            let mut end = log.upper_bound_mut(Bound::<u64>::Unbounded)?;
            let mut next = 0;
            loop {
                let began = Instant::now();
                let (mut entries, mut bytes) = (0, 0);
                let source = (self.database)()?.begin_read()?.open_table(LOG)?;
                for row in source.range(next..)? {
                    let (key, value) = row?;
                    end.insert_before(key.value(), value.value())?;
                    next = key.value() + 1;
                    entries += 1;
                    bytes += value.value().len();
                    if entries == STEP_ENTRIES || bytes >= STEP_BYTES {
                        break;
                    }
                }
                watch(Progress {
                    what: "copying messages",
                    done: next.saturating_sub(1),
                    total: source.last()?.map_or(0, |(key, _)| key.value()),
                    unit: Unit::Records,
                });
                drop(source);
                if self.given_up.load(Ordering::Relaxed) {
                    return Err(MaintainError::GivenUp);
                }
                if medium.free().is_some_and(|free| free < RESERVE_BYTES) {
                    return Err(MaintainError::NoRoom);
                }
                if entries < STEP_ENTRIES && bytes < STEP_BYTES {
                    break;
                }
                if self.beside_writer {
                    disk.sync()?;
                    std::thread::sleep(began.elapsed());
                }
            }
            let snapshot = (self.database)()?.begin_read()?;
            refuse_unknown(&snapshot)?;
            for row in snapshot.open_table(LOG)?.range(next..)? {
                let (key, value) = row?;
                end.insert_before(key.value(), value.value())?;
            }
            end.close()?;
            let counts = Counts {
                accounts: copy_table(&snapshot, &txn, USERS)?,
                conversations: copy_table(&snapshot, &txn, CONVERSATIONS)?,
                entries: log.len()?,
            };
            copy_table(&snapshot, &txn, META)?;
            copy_table(&snapshot, &txn, CREDENTIALS)?;
            copy_table(&snapshot, &txn, INVITES)?;
            copy_table(&snapshot, &txn, CONVERSATION_STATES)?;
            copy_table(&snapshot, &txn, CLIENT_IDS)?;
            counts
        };
        txn.commit()?;
        db.close()?;
        medium.sync()?;
        Ok(counts)
    }
}

/// A table of a later chatd would be lost in a copy.
fn refuse_unknown(snapshot: &ReadTransaction) -> Result<(), MaintainError> {
    match snapshot
        .list_tables()?
        .find(|table| !names().contains(&table.name()))
    {
        Some(table) => Err(MaintainError::UnknownTable(table.name().to_owned())),
        None => Ok(()),
    }
}

/// Copies a table as it is. Gives how many records it has.
fn copy_table<K: Key + 'static>(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
) -> Result<u64, MaintainError> {
    let source = snapshot.open_table(table)?;
    let mut copy = txn.open_table(table)?;
    let mut end = copy.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded)?;
    for row in source.iter()? {
        let (key, value) = row?;
        end.insert_before(key.value(), value.value())?;
    }
    end.close()?;
    Ok(source.len()?)
}
