//! Rewriting the data file of an open store: everything goes into a new file, which then takes its
//! place. What was erased lies in free pages of the old one, and is gone with it; and the room of
//! those pages is given back.
//!
//! ```text
//! copy beside the writer, step by step -> follow what came since, in rounds
//!   -> pause the writer: follow the rest, sync, rename, sync the folder, go on with the new file
//!   -> let go of the old one, bit by bit, once nobody reads it
//! ```
//!
//! Until the rename the old file is the data, and after it the new one is: each is whole, however
//! the process ends. Each step of the copy has a read transaction of its own, so that the old file
//! does not grow, and is followed by a pause as long as it took (`copy.rs`). What is derived is
//! copied last, while the writer writes nothing of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::copy::{CACHE_BYTES, Made, RESERVE_BYTES, Unsynced, copy_entries, refuse_unknown};
use super::follow::{Following, Plain, copy_on, copy_rest};
use super::{Copying, MaintainError, STEP_BYTES};
use crate::store::disk::medium::{Backend, Medium};
use crate::store::disk::open::{Opened, open_database};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::tables::{
    CHANGES, CLIENT_IDS, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS, ERASED, FILES, HOOKS,
    INVITES, KEYS, META, NEWEST_CHANGES, PUSH_SUBSCRIPTIONS, REACTIONS, RELATIONS, ROOM_MEMBERS,
    ROOMS, STREAM_STATES, USERS,
};
use crate::store::write::rewrite::Pause;
use crate::store::write::writer::Writer;

/// So many entries and rows are left to the pause at most, unless the writer is faster than the
/// copy: some milliseconds.
const LEFT_TO_THE_PAUSE: u64 = 256;
/// How often a copy follows the writer at most before that.
const ROUNDS: usize = 12;
/// 4 MiB of a file that is gone are given back to its file system at a time.
const FREED: u64 = 4 << 20;
/// How often is looked whether somebody still reads it.
const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// What a rewrite tells, so that a test may stop it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A step of the copy is on disk.
    Copied,
    /// The copy has followed the writer once more.
    Followed,
    /// The writer rests, and the new file has everything and is synced.
    Synced,
    /// The new file has the name.
    Named,
}

/// A rewrite of the file of an open store. The writer goes on as before, however it ends.
pub(crate) struct Rewriting {
    writer: Arc<Writer>,
    epoch: u64,
    is_done: bool,
}

/// A new file that has all but what came in the last moments.
pub(crate) struct Ready {
    rewriting: Rewriting,
    medium: Arc<dyn Medium>,
    opened: Opened,
    following: Following,
}

/// A file that was replaced. Somebody may still read it.
pub(crate) struct Left {
    backend: Backend,
    medium: Arc<dyn Medium>,
}

impl Rewriting {
    /// Begins. What is erased from now on may be in the new file. Fails while the disk takes no
    /// transactions.
    pub(crate) fn begin(writer: &Arc<Writer>) -> Result<Self, StoreError> {
        let epoch = writer.begin_rewrite().ok_or(StoreError::Unavailable)?;
        Ok(Self {
            writer: Arc::clone(writer),
            epoch,
            is_done: false,
        })
    }

    /// Copies everything into an empty medium. `told` of each step.
    pub(crate) fn copy_to(
        self,
        medium: Arc<dyn Medium>,
        given_up: &AtomicBool,
        told: &mut dyn FnMut(Step),
    ) -> Result<Ready, MaintainError> {
        let intake = Arc::clone(self.writer.intake());
        let copying = Copying {
            database: &|| intake.data.database(),
            beside_writer: true,
            is_backup: false,
            step_bytes: STEP_BYTES,
            reserve: RESERVE_BYTES,
            given_up,
        };
        let mut following = {
            let snapshot = (copying.database)()?.begin_read()?;
            refuse_unknown(&snapshot)?;
            Following::begin(&snapshot)?
        };
        let backend = Backend::holding(Arc::new(Unsynced(Arc::clone(&medium))))?;
        backend.release()?;
        let db = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)?;
        let made = Made::begin(&db)?;
        let mut steps = Steps {
            copying,
            db: &db,
            disk: &*medium,
            told,
        };
        let made = steps.copy_log(made, &mut following)?;
        let made = steps.copy_tables(made, following.changes)?;
        self.writer.hold_checkpoint();
        steps.copy_derived(made)?.commit()?;
        db.close()?;
        medium.sync()?;
        let opened = open_database(&medium, self.writer.page_cache())?;
        opened.release()?;
        let mut ready = Ready {
            rewriting: self,
            medium,
            opened,
            following,
        };
        ready.catch_up(given_up, told)?;
        Ok(ready)
    }
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        if !self.is_done {
            self.writer.give_rewrite_up();
        }
    }
}

impl Ready {
    /// Follows the writer until little is left.
    fn catch_up(
        &mut self,
        given_up: &AtomicBool,
        told: &mut dyn FnMut(Step),
    ) -> Result<(), MaintainError> {
        for _ in 0..ROUNDS {
            if given_up.load(Ordering::Relaxed) {
                return Err(MaintainError::GivenUp);
            }
            let began = Instant::now();
            let source = self.rewriting.writer.intake().data.database()?;
            let txn = self.opened.db.begin_write()?;
            let followed = self.following.follow(&source.begin_read()?, &txn)?;
            txn.commit()?;
            told(Step::Followed);
            if followed <= LEFT_TO_THE_PAUSE {
                break;
            }
            std::thread::sleep(began.elapsed());
        }
        Ok(())
    }

    /// Puts the new file in the place of the old one, while the writer rests. `name` gives it the
    /// name, once it has everything and is synced; it returns the name where it could not be made
    /// durable.
    pub(crate) fn take_place(
        self,
        told: &mut dyn FnMut(Step),
        name: impl FnOnce() -> Result<Option<PathBuf>, MaintainError>,
    ) -> Result<Left, MaintainError> {
        let Self {
            mut rewriting,
            medium,
            opened,
            mut following,
        } = self;
        let writer = Arc::clone(&rewriting.writer);
        let pause = writer.pause(rewriting.epoch);
        let pause = pause.ok_or(StoreError::Unavailable)?;
        finish(&pause, &opened.db, &mut following)?;
        told(Step::Synced);
        let unsynced = name()?;
        told(Step::Named);
        let old_medium = writer.intake().data.medium();
        let old = pause.take_over(opened, medium, unsynced)?;
        rewriting.is_done = true;
        Ok(Left {
            backend: old.leave(),
            medium: old_medium,
        })
    }
}

/// Copies the last of it.
fn finish(
    pause: &Pause<'_>,
    db: &Database,
    following: &mut Following,
) -> Result<(), MaintainError> {
    let snapshot = pause.database()?.begin_read()?;
    let txn = db.begin_write()?;
    following.follow(&snapshot, &txn)?;
    copy_rest(&snapshot, &txn)?;
    match pause.erased() {
        Some(at) => schema::note_erased(&txn, at)?,
        None => drop(txn.open_table(META)?.remove(ERASED)?),
    }
    txn.commit()?;
    Ok(())
}

impl Left {
    /// Gives its room back once nobody reads it. Where it was closed as it is, the file system
    /// would free all of it at once, which takes long, and a thread that syncs meanwhile waits for
    /// that. One that has another name is left as it is.
    pub(crate) fn let_go(self, given_up: &AtomicBool) {
        while !self.backend.is_left() {
            if given_up.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(LOOKED_EVERY);
        }
        if !self.medium.is_unlinked() {
            return;
        }
        let len = self.medium.len().unwrap_or(0);
        for left in (0..len.div_ceil(FREED)).rev() {
            let began = Instant::now();
            if given_up.load(Ordering::Relaxed) || self.medium.set_len(left * FREED).is_err() {
                return;
            }
            std::thread::sleep(began.elapsed());
        }
    }
}

/// A copy in the making, a step a transaction.
struct Steps<'a> {
    copying: Copying<'a>,
    db: &'a Database,
    disk: &'a dyn Medium,
    told: &'a mut dyn FnMut(Step),
}

impl Steps<'_> {
    fn snapshot(&self) -> Result<ReadTransaction, MaintainError> {
        Ok((self.copying.database)()?.begin_read()?)
    }

    /// Puts a step on the disk, and leaves the machine to others for as long as it took.
    fn turn(&mut self, made: Made) -> Result<Made, MaintainError> {
        let made = self.copying.turn(self.db, self.disk, made, true)?;
        (self.told)(Step::Copied);
        Ok(made)
    }

    /// Copies the log, up to where it ends once that is done.
    fn copy_log(
        &mut self,
        mut made: Made,
        following: &mut Following,
    ) -> Result<Made, MaintainError> {
        // A writer that is faster than this makes it longer, and not endless: the rest is followed.
        let last = |steps: &Self| Ok::<_, MaintainError>(Log::open(&steps.snapshot()?)?.last()?);
        let mut target = last(self)?;
        for _ in 0..2 {
            while following.next <= target {
                let is_full = {
                    let source = Log::open(&self.snapshot()?)?;
                    let mut walk = source.walk(following.next)?;
                    let (next, rewritten) = (&mut following.next, &mut following.rewritten);
                    copy_entries(&made.txn, STEP_BYTES, (&source, &mut walk), next, rewritten)?
                };
                made = self.turn(made)?;
                if !is_full {
                    break;
                }
            }
            target = last(self)?;
        }
        Ok(made)
    }

    /// Copies the tables whose changes are noted, each row as it is at its step, and the changes up
    /// to the one from which on they are followed.
    fn copy_tables(&mut self, made: Made, changes: u64) -> Result<Made, MaintainError> {
        let made = self.copy(made, CONVERSATIONS, None)?;
        // Before the changes, so that what stands there of a row's earlier ones is gone by then.
        let made = self.copy(made, NEWEST_CHANGES, None)?;
        let mut made = self.copy(made, CHANGES, Some(changes))?;
        for table in [USERS, CREDENTIALS, INVITES, KEYS, HOOKS, ROOMS, FILES] {
            made = self.copy(made, table, None)?;
        }
        for table in [ROOM_MEMBERS, RELATIONS, REACTIONS, PUSH_SUBSCRIPTIONS] {
            made = self.copy(made, table, None)?;
        }
        Ok(made)
    }

    /// Copies what is derived, of which nothing is written meanwhile.
    fn copy_derived(&mut self, made: Made) -> Result<WriteTransaction, MaintainError> {
        let made = self.copy(made, CONVERSATION_STATES, None)?;
        let made = self.copy(made, STREAM_STATES, None)?;
        let made = self.copy(made, CLIENT_IDS, None)?;
        Ok(made.txn)
    }

    fn copy<K: Plain>(
        &mut self,
        mut made: Made,
        table: redb::TableDefinition<'static, K, &'static [u8]>,
        last: Option<K>,
    ) -> Result<Made, MaintainError> {
        loop {
            // Its snapshot has ended before the pause.
            let is_full = copy_on(&self.snapshot()?, &made.txn, table, last)?;
            if !is_full {
                return Ok(made);
            }
            made = self.turn(made)?;
        }
    }
}
