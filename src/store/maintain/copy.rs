//! Copying a data file record by record: compact, and beside a writer that is not made to wait.
//!
//! A server only appends to its log, and rewrites what the appended entries name, so all but its
//! end is copied in steps, each with a read transaction of its own that is over in a moment: pages
//! that the writer frees meanwhile are used again, and the file does not grow. One last transaction
//! reads the rest of the log, what was rewritten since the first step, and every other table, so
//! that the copy is the file as of that moment: until that is done, some two
//! seconds for a million conversations, the file may grow by what the writer frees. What is derived
//! is copied with it: it is as good as after a power cut at that moment, and the copy opens as fast
//! as the file.
//!
//! Beside a writer each step is a transaction of the copy too, put on the disk at once, and
//! followed by a pause while nothing is held back by it. One transaction for all would write
//! everything twice, the second time in one go when it is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use redb::{
    Database, Key, Range, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, TableHandle, WriteTransaction,
};

use super::{MaintainError, Progress, Unit, Watch};
use crate::model::{Act, EntryId, MessagePart};
use crate::store::disk::medium::{Backend, Medium};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::log::blocks::{Appending, Log, Walk, damaged, decode, rewrite_entries};
use crate::store::log::chain::ReadLog;
use crate::store::log::described::{is_other, without_texts};
use crate::store::log::further::without_what_it_hangs;
use crate::store::log::record::{Record, recoded};
use crate::store::tables::{
    CHANGES, CLIENT_IDS, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS, ERASED, FILES, HOOKS,
    INVITES, KEYS, LOG, META, NEWEST_CHANGES, PUSH_SUBSCRIPTIONS, REACTIONS, RECODED, RELATIONS,
    ROOM_MEMBERS, ROOMS, STREAM_STATES, UNUSED_BY_NAME, UNUSED_BY_NUMBER, UNUSED_BY_TWO, USERS,
    names,
};
use crate::store::talk::rooms::rows::decode_room;

/// 256 KiB in one step, some two thousand messages and a millisecond or two: how long it holds
/// pages back, and one of two cores busy, and what a sync of the writer may have to wait for.
pub(super) const STEP_BYTES: usize = 256 << 10;
/// 16 bytes: what a row counts for in a step besides its value.
const ROW_BYTES: usize = 16;
/// 256 bytes: what an entry counts for besides, that is neither a message nor a mark. It is read,
/// and what it changes may be looked up.
const OTHER_BYTES: usize = 256;
/// The log is copied up to where it ended when that was begun, then once more up to where it ends
/// by then; the last transaction has what is left. So a writer that is faster than this makes it
/// longer, and not endless.
const ROUNDS: usize = 2;
/// 4 MiB of the copy's pages in memory; the rest goes to its file as it is made.
pub(super) const CACHE_BYTES: usize = 4 << 20;
/// 64 MiB: a copy leaves that much of the data's disk to the server, twice what its writer wants.
pub(super) const RESERVE_BYTES: u64 = 64 << 20;

/// A medium that is gone with the process, so that nothing is gained by the syncs of the database.
/// What was written is put on the disk step by step all the same: left to the kernel it is, in the
/// end, put there all at once, and the writer's own syncs wait for that, some hundred milliseconds.
#[derive(Debug)]
pub(super) struct Unsynced(pub(super) Arc<dyn Medium>);

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

    fn write_run(&self, offset: u64, run: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.0.write_run(offset, run)
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
pub(crate) struct Copying<'a> {
    /// The database as it is now: a store that mended itself has another.
    pub(crate) database: &'a dyn Fn() -> Result<Arc<Database>, StoreError>,
    /// A writer is at work, and the copy is for this process alone: it is made step by step.
    pub(crate) beside_writer: bool,
    /// The copy is marked as a backup, so that what must not go back in time is renewed once a
    /// server opens it.
    pub(crate) is_backup: bool,
    /// The bytes that a step copies; [`STEP_BYTES`].
    pub(crate) step_bytes: usize,
    /// So many bytes of the copy's disk are left free: [`RESERVE_BYTES`] of the one with the data.
    pub(crate) reserve: u64,
    /// Set by the caller once it no longer wants the copy.
    pub(crate) given_up: &'a AtomicBool,
}

impl Copying<'_> {
    /// Copies into an empty medium; for a copy that is to last, returns once that is synced.
    pub(crate) fn run(
        &self,
        medium: Arc<dyn Medium>,
        watch: Watch<'_>,
    ) -> Result<(), MaintainError> {
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
        let mut made = Made::begin(&db)?;
        let (mut next, mut rewritten) = (0, Rewritten::default());
        let turn = &|made, may_pause| self.turn(&db, &*disk, made, may_pause);
        made = self.copy_log(made, (&mut next, &mut rewritten), turn, watch)?;
        made = self.copy_moment(made, (next, rewritten), &|made| turn(made, false))?;
        made.txn.commit()?;
        db.close()?;
        medium.sync()?;
        Ok(())
    }

    /// Copies the log from `next` on, as far as it is by now, while others write to it.
    fn copy_log(
        &self,
        mut made: Made,
        (next, rewritten): (&mut u64, &mut Rewritten),
        turn: &dyn Fn(Made, bool) -> Result<Made, MaintainError>,
        watch: Watch<'_>,
    ) -> Result<Made, MaintainError> {
        let (mut rounds, mut target) = (0, 0);
        while rounds <= ROUNDS {
            let snapshot = (self.database)()?.begin_read()?;
            let source = Log::open_any(&snapshot)?;
            let last = source.last()?;
            if *next > target || rounds == 0 {
                (rounds, target) = (rounds + 1, last);
                rewritten.begin(&snapshot, last)?;
                continue;
            }
            let mut walk = source.walk(*next)?;
            let from = (&source, &mut walk);
            let is_full = copy_entries(&made.txn, self.step_bytes, from, next, rewritten)?;
            watch(Progress {
                what: "copying messages",
                done: next.saturating_sub(1),
                total: last,
                unit: Unit::Records,
            });
            drop((walk, source, snapshot));
            made = turn(made, true)?;
            if !is_full {
                break;
            }
        }
        Ok(made)
    }

    /// Copies the rest as of one moment: the log from `next` on, what was rewritten of it, and all
    /// other tables.
    fn copy_moment(
        &self,
        mut made: Made,
        (mut next, mut rewritten): (u64, Rewritten),
        turn: &dyn Fn(Made) -> Result<Made, MaintainError>,
    ) -> Result<Made, MaintainError> {
        let step = self.step_bytes;
        let snapshot = (self.database)()?.begin_read()?;
        refuse_unknown(&snapshot)?;
        let source = Log::open_any(&snapshot)?;
        let mut walk = source.walk(next)?;
        while copy_entries(
            &made.txn,
            step,
            (&source, &mut walk),
            &mut next,
            &mut rewritten,
        )? {
            made = turn(made)?;
        }
        while rewritten.copy(&made.txn, step, &source)? {
            made = turn(made)?;
        }
        made = copy_table(&snapshot, made, USERS, step, turn)?;
        made = copy_table(&snapshot, made, CONVERSATIONS, step, turn)?;
        made = copy_table(&snapshot, made, META, step, turn)?;
        made = copy_table(&snapshot, made, CREDENTIALS, step, turn)?;
        made = copy_table(&snapshot, made, INVITES, step, turn)?;
        made = copy_table(&snapshot, made, KEYS, step, turn)?;
        made = copy_table(&snapshot, made, FILES, step, turn)?;
        made = copy_table(&snapshot, made, HOOKS, step, turn)?;
        made = copy_table(&snapshot, made, CONVERSATION_STATES, step, turn)?;
        made = copy_table(&snapshot, made, CLIENT_IDS, step, turn)?;
        made = copy_table(&snapshot, made, ROOMS, step, turn)?;
        for table in [ROOM_MEMBERS, RELATIONS, REACTIONS, STREAM_STATES] {
            made = copy_table(&snapshot, made, table, step, turn)?;
        }
        made = copy_table(&snapshot, made, PUSH_SUBSCRIPTIONS, step, turn)?;
        made = copy_table(&snapshot, made, CHANGES, step, turn)?;
        made = copy_table(&snapshot, made, NEWEST_CHANGES, step, turn)?;
        for table in &UNUSED_BY_NUMBER {
            made = copy_table(&snapshot, made, *table, step, turn)?;
        }
        for table in &UNUSED_BY_TWO {
            made = copy_table(&snapshot, made, *table, step, turn)?;
        }
        for table in &UNUSED_BY_NAME {
            made = copy_table(&snapshot, made, *table, step, turn)?;
        }
        // What the source still has in an earlier form has the newest in the copy.
        made.txn.open_table(META)?.remove(RECODED)?;
        if !rewritten.any {
            made.txn.open_table(META)?.remove(ERASED)?;
        }
        if self.is_backup {
            schema::mark_backup(&made.txn)?;
        }
        Ok(made)
    }

    /// Ends a step: fails where it must be the last one; beside a writer puts it on the disk and,
    /// where it `may_pause`, leaves the machine to others for as long as the step took.
    pub(super) fn turn(
        &self,
        db: &Database,
        disk: &dyn Medium,
        made: Made,
        may_pause: bool,
    ) -> Result<Made, MaintainError> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(MaintainError::GivenUp);
        }
        if disk.free().is_some_and(|free| free < self.reserve) {
            return Err(MaintainError::NoRoom);
        }
        if !self.beside_writer {
            return Ok(made);
        }
        made.txn.commit()?;
        disk.sync()?;
        if may_pause {
            std::thread::sleep(made.began.elapsed());
        }
        Made::begin(db)
    }
}

/// A transaction of the copy, and when its step began.
pub(super) struct Made {
    pub(super) txn: WriteTransaction,
    began: Instant,
}

impl Made {
    pub(super) fn begin(db: &Database) -> Result<Self, MaintainError> {
        Ok(Self {
            began: Instant::now(),
            txn: db.begin_write()?,
        })
    }
}

/// Fails on a table of a later chatd, which a copy would lose.
pub(super) fn refuse_unknown(snapshot: &ReadTransaction) -> Result<(), MaintainError> {
    match snapshot
        .list_tables()?
        .find(|table| !names().any(|name| name == table.name()))
    {
        Some(table) => Err(MaintainError::UnknownTable(table.name().to_owned())),
        None => Ok(()),
    }
}

/// Copies a table as it is, with a turn after each full step.
fn copy_table<K: Key + 'static>(
    snapshot: &ReadTransaction,
    mut made: Made,
    table: TableDefinition<'static, K, &'static [u8]>,
    step: usize,
    turn: &dyn Fn(Made) -> Result<Made, MaintainError>,
) -> Result<Made, MaintainError> {
    let source = snapshot.open_table(table)?;
    let mut rows = source.iter()?;
    while copy_step(&made.txn, table, step, &mut rows)? {
        made = turn(made)?;
    }
    Ok(made)
}

/// Appends entries of so many bytes of a log to the copy's, in their newest form; `next` becomes
/// the id after them. Returns whether the step is full, so that there may be more.
pub(super) fn copy_entries(
    txn: &WriteTransaction,
    step: usize,
    (source, walk): (&Log, &mut Walk),
    next: &mut u64,
    rewritten: &mut Rewritten,
) -> Result<bool, MaintainError> {
    let mut log = txn.open_table(LOG)?;
    let mut end = Appending::new(&mut log, step)?;
    let mut bytes = 0;
    while bytes < step {
        let Some(row) = walk.next() else {
            end.close()?;
            return Ok(false);
        };
        let (id, sealed) = row?;
        let plain = match is_other(sealed) {
            true => {
                bytes += OTHER_BYTES;
                rewritten.without_what_is_gone(source, id, sealed)?
            }
            false => None,
        };
        match plain {
            Some(sealed) => end.push(id, &sealed),
            None => end.push(id, &recoded(id, sealed)),
        }
        rewritten.take(id, sealed)?;
        bytes += sealed.len();
        *next = id + 1;
    }
    end.close()?;
    Ok(true)
}

/// The entries that were rewritten since the copy of the log was begun: those that the entries name
/// that came since. They may have been copied as they were before.
#[derive(Default)]
pub(super) struct Rewritten {
    /// The newest entry when it was begun.
    began: Option<u64>,
    ids: BTreeSet<u64>,
    /// Whether there ever was one: then an earlier form of it may lie in free pages of the copy.
    any: bool,
    /// The messages among them of which rows beside the log were not looked at again.
    beside: BTreeSet<u64>,
    /// Of each room the entry that describes it, as far as it is known.
    described: BTreeMap<u64, u64>,
}

impl Rewritten {
    /// Notes where the log ends, and which entries describe the rooms, before any of it is copied.
    pub(super) fn begin(
        &mut self,
        snapshot: &ReadTransaction,
        last: u64,
    ) -> Result<(), MaintainError> {
        if self.began.is_some() {
            return Ok(());
        }
        self.began = Some(last);
        // A file of an early format has no rooms.
        let rooms = match snapshot.open_table(ROOMS) {
            Ok(rooms) => rooms,
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for row in rooms.iter()? {
            let (key, value) = row?;
            // A damaged one is copied as it is.
            if let Ok(head) = decode_room(key.value(), value.value()) {
                self.described.insert(key.value(), head.described.get());
            }
        }
        Ok(())
    }

    /// Returns an entry without the texts of a room that a later one describes anew, which a chatd
    /// of before left there, or without what it hangs on a message that is erased; `None` for any
    /// other, and where it has none.
    fn without_what_is_gone(
        &self,
        source: &Log,
        id: u64,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, MaintainError> {
        // A damaged one is copied as it is.
        let Ok((entry, record)) = decode(id, sealed) else {
            return Ok(None);
        };
        if let Act::RoomChanged { room, .. } = &record.act {
            let newest = self.described.get(&room.id.get());
            return match newest.is_some_and(|newest| *newest > id) {
                true => Ok(without_texts(entry, sealed)?),
                false => Ok(None),
            };
        }
        let (Some(MessagePart::Beside), Some(message)) = (record.act.part(), record.act.changes())
        else {
            return Ok(None);
        };
        let is_erased = |message: Record<&str>| matches!(message.act, Act::Erased { .. });
        match source.read(message.into(), is_erased) {
            Ok(true) => Ok(without_what_it_hangs(entry, sealed)?),
            Ok(false) | Err(_) => Ok(None),
        }
    }

    /// Notes what a copied entry has rewritten.
    fn take(&mut self, id: u64, sealed: &[u8]) -> Result<(), MaintainError> {
        if self.began.is_some_and(|began| id > began) {
            let (_, record) = decode(id, sealed)?;
            if let Act::RoomChanged { room, .. } = &record.act
                && let Some(former) = self.described.insert(room.id.get(), id)
            {
                // It has no texts any more, and may have been copied with them.
                self.any = true;
                self.ids.insert(former);
            }
            for message in record.act.all_changed() {
                self.any = true;
                self.ids.insert(message.get());
                self.beside.insert(message.get());
            }
        }
        Ok(())
    }

    /// Returns the messages that were changed since this was asked for.
    pub(super) fn take_beside(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.beside)
    }

    /// Copies some of them as they are now. Returns whether there are more.
    pub(super) fn copy(
        &mut self,
        txn: &WriteTransaction,
        step: usize,
        source: &Log,
    ) -> Result<bool, MaintainError> {
        let (mut values, mut bytes) = (BTreeMap::new(), 0);
        while bytes < step
            && let Some(id) = self.ids.pop_first()
        {
            let entry = EntryId::new(id).map_err(|_| damaged(id))?;
            let value = source.read_sealed(entry, |sealed| recoded(id, sealed).into_owned())?;
            bytes += value.len();
            values.insert(id, value);
        }
        rewrite_entries(&mut txn.open_table(LOG)?, &values)?;
        Ok(!self.ids.is_empty())
    }
}

/// Appends rows of so many bytes to the copy's table. Returns whether the step is full, so that
/// there may be more.
pub(super) fn copy_step<K: Key + 'static>(
    txn: &WriteTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
    step: usize,
    rows: &mut Range<'_, K, &'static [u8]>,
) -> Result<bool, MaintainError> {
    let mut copy = txn.open_table(table)?;
    let mut end = copy.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded)?;
    let mut bytes = 0;
    while bytes < step {
        let Some(row) = rows.next() else {
            end.close()?;
            return Ok(false);
        };
        let (key, value) = row?;
        end.insert_before(key.value(), value.value())?;
        bytes += ROW_BYTES + value.value().len();
    }
    end.close()?;
    Ok(true)
}
