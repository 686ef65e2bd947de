//! What one query sees: the state, the end of the log in memory, and the log's table behind it.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use parking_lot::RwLockReadGuard;
use redb::{Database, ReadableDatabase};

use super::reactions::ReactionsRead;
use crate::model::{EntryId, UserId};
use crate::store::data::Data;
use crate::store::error::{ReadError, StoreError};
use crate::store::log::blocks::Log;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::log::tail::Tail;
use crate::store::sealed::unseal;
use crate::store::state::State;
use crate::store::tables::CREDENTIALS;

/// Answers one query. What a query needs of memory is copied first; the read transaction begins
/// after that and lasts as long as the query.
pub struct Snapshot<'a> {
    data: &'a Data,
    /// Where the query may use memory alone: how much of it.
    memory: Option<MemoryOnly>,
}

/// How many entries a query may read on a thread that others wait for: a page of each kind, some 50
/// us.
pub(super) const INLINE_ENTRIES: u32 = 128;
/// How many touches a person may have whose chats are gone through there.
pub(super) const INLINE_TOUCHES: usize = 1_024;

/// What a query may still do without another thread.
struct MemoryOnly {
    entries: Cell<u32>,
}

/// The log of one query: its end in memory, and the table, in a read transaction that begins with
/// the first entry which is not in memory.
pub(crate) struct SnapshotLog<'a> {
    pub(super) snapshot: &'a Snapshot<'a>,
    /// The end of the log, held for as long as the query that may use memory alone: that is short,
    /// and never waits. Others look in for a moment each time.
    held: Option<RwLockReadGuard<'a, Tail>>,
    table: OnceCell<Log>,
    /// Who reacted to messages of rooms, in a read transaction of its own.
    pub(super) reactions: OnceCell<ReactionsRead>,
    /// An entry that was not in memory: no older one is, and none need be looked for there. 0 for
    /// none yet.
    missed: Cell<u64>,
    /// How many entries were read.
    pub(super) count: Cell<usize>,
}

impl ReadLog for SnapshotLog<'_> {
    type Error = ReadError;

    fn read<R>(&self, id: EntryId, read: impl FnOnce(Record<&str>) -> R) -> Result<R, ReadError> {
        self.count.set(self.count.get() + 1);
        if let Some(memory) = &self.snapshot.memory {
            let left = memory.entries.get().checked_sub(1);
            memory.entries.set(left.ok_or(ReadError::NeedsDisk)?);
        }
        if id.get() > self.missed.get() {
            let looked_in;
            let tail = match &self.held {
                Some(held) => held,
                None => {
                    looked_in = self.snapshot.data.tail.read();
                    &looked_in
                }
            };
            if let Some(value) = tail.get(id) {
                return Ok(read(Record::decode(id, value)?));
            }
            self.missed.set(id.get());
        }
        let table = match self.table.get() {
            Some(table) => table,
            None => {
                let db = self.snapshot.database()?;
                let txn = db.begin_read().map_err(StoreError::from)?;
                let table = Log::open(&txn).map_err(StoreError::from)?;
                self.table.get_or_init(|| table)
            }
        };
        Ok(table.read(id, read)?)
    }
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(data: &'a Data) -> Self {
        Self { data, memory: None }
    }

    /// Returns one that reads nothing but memory, and not much of that: a query that wants more
    /// ends with [`ReadError::NeedsDisk`].
    pub(crate) fn of_memory(data: &'a Data) -> Self {
        Self {
            data,
            memory: Some(MemoryOnly {
                entries: Cell::new(INLINE_ENTRIES),
            }),
        }
    }

    /// Returns whether the query may use memory alone, and not much of that.
    pub(super) fn is_of_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// The end of the log in memory, for a moment. Not while the state or the log is held.
    pub(super) fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.data.tail.read()
    }

    /// Ends a query that may use memory alone.
    pub(super) fn needs_disk(&self) -> Result<(), ReadError> {
        match &self.memory {
            Some(_) => Err(ReadError::NeedsDisk),
            None => Ok(()),
        }
    }

    /// To be asked before all chats of a person are gone through.
    pub(crate) fn afford_chats(&self, state: &State, user: UserId) -> Result<(), ReadError> {
        if state.touches(user) > INLINE_TOUCHES {
            self.needs_disk()?;
        }
        Ok(())
    }

    pub(super) fn database(&self) -> Result<Arc<Database>, ReadError> {
        self.needs_disk()?;
        Ok(self.data.database()?)
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.data.state.read()
    }

    /// The log as it is now. To be called after memory was looked at: what memory knows is
    /// committed, and in it. Not while the state is held: one who waits to change that and one who
    /// waits to change the end of the log may be two.
    pub(crate) fn log(&self) -> SnapshotLog<'_> {
        SnapshotLog {
            snapshot: self,
            held: self.memory.is_some().then(|| self.data.tail.read()),
            table: OnceCell::new(),
            reactions: OnceCell::new(),
            missed: Cell::new(0),
            count: Cell::new(0),
        }
    }

    /// The password hash of an account that has one, in PHC string form.
    pub fn password_hash(&self, user: UserId) -> Result<Option<String>, ReadError> {
        let db = self.database()?;
        Ok(password_hash(&db, user)?)
    }
}

fn password_hash(db: &Database, user: UserId) -> Result<Option<String>, StoreError> {
    let damaged = StoreError::Damaged {
        table: "credentials",
        key: user.get(),
    };
    let txn = db.begin_read()?;
    let Some(value) = txn.open_table(CREDENTIALS)?.get(user.get())? else {
        return Ok(None);
    };
    let hash = unseal("credentials", user.get(), value.value())?;
    String::from_utf8(hash.to_vec())
        .map(Some)
        .map_err(|_| damaged)
}
