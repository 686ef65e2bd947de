//! The one writer: queued changes become one transaction, one fsync, and only then their answers, in commit order.
//!
//! ```text
//! submit -> queue (bounded) -> [ take -> stage -> commit + fsync -> publish to memory ] -> batch -> who listens
//! ```
//!
//! The bracket is one thread. A change that is refused costs its neighbours nothing.
//!
//! Where the disk refuses, all changes of the transaction are answered [`StoreError::Unavailable`], since whether it
//! reached the disk is then unknown; so is every later one, until the disk takes writes again. redb's handle is dead
//! after such an error, so the database is opened anew, at once and then again and again; reading goes on from it in any
//! case. What then turns out to be on disk after all is told to those concerned, late but once. A disk that is nearly
//! full is not written to in the first place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::mpsc;

use super::client_ids::ClientIds;
use super::entries::Entries;
use super::invites;
use super::queue::Pace;
use super::record::seal;
use super::schema::{Loaded, encode_pair};
use super::staging::Staging;
use super::state::{Changed, Changes};
use super::sweep::{Step, Sweep};
use super::tables::{CONVERSATIONS, CREDENTIALS, INVITES, LOG, USERS};
use super::{
    Answer, Change, Committed, Done, Inner, StoreError, StoreOptions, open_database, schema, users,
};
use crate::metrics::METRICS;
use crate::model::Timestamp;

/// 32 MiB: with less room than that nothing is written. A transaction of 5,000 of the longest messages takes 80 MB,
/// but most take a few KB; and where this is too little the disk refuses, which loses nothing either.
const RESERVE_BYTES: u64 = 32 << 20;
/// The longest time between two tries to write again.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// One queued change.
pub(super) struct Job {
    pub(super) now: Timestamp,
    pub(super) change: Change,
    pub(super) answer: Answer,
}

impl Job {
    /// How many bytes of content wait with it.
    pub(super) fn bytes(&self) -> usize {
        match &self.change {
            Change::Send { content, .. } => content.len(),
            _ => 0,
        }
    }
}

/// What came of each job of a transaction.
type Results = Vec<Result<Committed, StoreError>>;

/// Why nothing of a transaction may be confirmed.
enum Failure {
    /// The disk is nearly full; nothing was tried.
    NoRoom,
    /// The database failed, and its handle with it. Whether the transaction is on disk is not known.
    Broken(StoreError, Option<Box<Unknown>>),
}

impl<E: Into<StoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Broken(error.into(), None)
    }
}

/// A transaction whose commit failed: what it would have changed, and what came of its changes.
struct Unknown {
    changes: Changes,
    results: Results,
}

/// Why nothing can be written.
enum Trouble {
    NoRoom,
    /// The database must be opened anew, or its writes be let through.
    Broken {
        unknown: Option<Box<Unknown>>,
        /// When it is to be tried next, and how long to wait after that.
        next: Instant,
        wait: Duration,
    },
}

/// The writer and what only it knows.
pub(super) struct Writer {
    inner: Arc<Inner>,
    done: mpsc::Sender<Vec<Done>>,
    pace: Pace,
    client_ids: ClientIds,
    sweep: Sweep,
    /// What the transaction at hand appends; empty between two.
    entries: Entries,
    /// Empty, and with room for the conversations that it changes.
    changed: Changed,
    retry_after: Duration,
    trouble: Option<Trouble>,
}

impl Writer {
    pub(super) fn new(
        inner: Arc<Inner>,
        done: mpsc::Sender<Vec<Done>>,
        options: StoreOptions,
        client_ids: ClientIds,
        sweep: Sweep,
    ) -> Self {
        Self {
            inner,
            done,
            pace: Pace::new(options.commit_interval),
            retry_after: options.retry_after,
            client_ids,
            sweep,
            entries: Entries::default(),
            changed: Changed::default(),
            trouble: None,
        }
    }

    /// Runs until the queue is closed and its last change is answered.
    pub(super) fn run(mut self) {
        loop {
            let until = self
                .trouble
                .is_some()
                .then(|| Instant::now() + self.retry_after);
            let Some(jobs) = self.inner.queue.take(&mut self.pace, until) else {
                break;
            };
            let told = self.work(jobs);
            self.inner.turns.fetch_add(1, Ordering::Relaxed);
            if !told {
                // Nobody is left to be told; what is committed is committed.
                return;
            }
        }
        self.finish();
    }

    /// One round: mends what can be mended, commits, answers. `false` where nobody listens.
    fn work(&mut self, jobs: Vec<Job>) -> bool {
        if self.inner.is_suspect() && self.trouble.is_none() {
            self.set_trouble(Trouble::broken(None, self.retry_after));
        }
        let late = self.mend();
        if !self.tell(late) {
            return false;
        }
        if jobs.is_empty() {
            return true;
        }
        let result = METRICS.committing(jobs.len(), || match self.trouble {
            Some(_) => Err(Failure::NoRoom),
            None => self.commit(&jobs),
        });
        self.entries.clear();
        self.inner.queue.committed(&mut self.pace);
        let (results, trouble) = match result {
            Ok(results) => (results, None),
            Err(failure) => {
                let trouble = self
                    .trouble
                    .is_none()
                    .then(|| failure.report(jobs.len(), self.retry_after));
                let refused = jobs.iter().map(|_| Err(StoreError::Unavailable));
                (refused.collect(), trouble)
            }
        };
        // Before anybody hears of it, so that whoever does finds it so.
        let failed = trouble.is_some();
        if let Some(trouble) = trouble {
            self.set_trouble(trouble);
        }
        let answered = jobs.into_iter().zip(results);
        let told = self.tell(
            answered
                .map(|(job, result)| Done::Answered {
                    result,
                    answer: job.answer,
                })
                .collect(),
        );
        if failed {
            let late = self.mend();
            return told && self.tell(late);
        }
        told
    }

    fn tell(&self, batch: Vec<Done>) -> bool {
        batch.is_empty() || self.done.blocking_send(batch).is_ok()
    }

    fn set_trouble(&mut self, trouble: Trouble) {
        self.inner.set_writable(false);
        self.trouble = Some(trouble);
    }

    /// One transaction for all jobs. The results are the jobs', in order; an error is the whole transaction's.
    fn commit(&mut self, jobs: &[Job]) -> Result<Results, Failure> {
        if !self.inner.has_room(RESERVE_BYTES) {
            return Err(Failure::NoRoom);
        }
        let db = self.inner.database()?;
        let txn = db.begin_write()?;
        let (results, changes, step) = {
            let mut log = txn.open_table(LOG)?;
            let (state, tail) = (self.inner.state.read(), self.inner.tail.read());
            state.fetch(jobs.iter().filter_map(|job| job.change.pair()));
            let mut staging = Staging::new(
                &state,
                &db,
                &log,
                &tail,
                &mut self.client_ids,
                &mut self.entries,
                std::mem::take(&mut self.changed),
            );
            let mut results = Vec::with_capacity(jobs.len());
            for job in jobs {
                match staging.stage(job.now, &job.change) {
                    // A damaged record: this change cannot be judged, and the others can.
                    Err(error @ StoreError::Damaged { .. }) => {
                        tracing::error!(%error, "a change met a damaged record");
                        results.push(Err(StoreError::Unavailable));
                    }
                    Err(error @ StoreError::Database(_)) => return Err(error.into()),
                    result => results.push(result),
                }
            }
            let (credentials, changes) = (staging.credentials, staging.changes);
            if self.entries.len() == 0 && changes.users.is_empty() && changes.invites.is_empty() {
                // Every answer says how things were already; they are on disk.
                return Ok(results);
            }
            let appended = self.entries.len() as u64;
            // Appending at the end, by a cursor, fills the pages of the tree; single inserts leave them half empty.
            let mut end = log.upper_bound_mut(std::ops::Bound::<u64>::Unbounded)?;
            for (id, value) in self.entries.iter() {
                end.insert_before(id, value)?;
            }
            end.close()?;
            if !changes.created.is_empty() {
                let mut conversations = txn.open_table(CONVERSATIONS)?;
                for (pair, id) in &changes.created {
                    conversations.insert(id.get(), &seal(id.get(), &encode_pair(*pair))[..])?;
                }
            }
            if !changes.users.is_empty() {
                let mut table = txn.open_table(USERS)?;
                for user in &changes.users {
                    table.insert(user.id.get(), &users::encode(user)[..])?;
                }
                let mut table = txn.open_table(CREDENTIALS)?;
                for (user, hash) in credentials {
                    table.insert(user.get(), &seal(user.get(), hash.as_bytes())[..])?;
                }
            }
            if !changes.invites.is_empty() {
                let mut table = txn.open_table(INVITES)?;
                for (number, invite) in &changes.invites {
                    match invite {
                        Some(invite) => {
                            table.insert(number, &invites::encode(*number, invite)[..])?
                        }
                        None => table.remove(number)?,
                    };
                }
            }
            let step = self.sweep.step(
                &txn,
                changes.last_at,
                appended,
                &mut self.client_ids,
                |id| {
                    changes
                        .conversations
                        .get(id)
                        .or_else(|| state.conversation(id))
                },
            )?;
            (results, changes, step)
        };
        if let Err(error) = txn.commit() {
            let unknown = Unknown { changes, results };
            return Err(Failure::Broken(error.into(), Some(Box::new(unknown))));
        }
        self.inner.tail.write().append(&self.entries);
        self.publish(changes, &step);
        Ok(results)
    }

    /// Takes over what is on disk now.
    fn publish(&mut self, changes: Changes, step: &Step) {
        self.sweep.taken(step, &mut self.client_ids);
        for id in changes.conversations.ids() {
            self.sweep.mark(id);
        }
        for (sender, hash, message, at) in &changes.client_ids {
            self.client_ids.put(*sender, *hash, *message, *at);
        }
        let last_entry = changes.last_entry;
        self.changed = self.inner.state.write().publish(changes);
        self.sweep.begin_if_due(last_entry, &self.client_ids);
    }

    /// Tries to write again, where that is due. Gives what was found to be on disk although its commit had failed.
    fn mend(&mut self) -> Vec<Done> {
        match self.trouble.take() {
            None => Vec::new(),
            Some(Trouble::NoRoom) => {
                if self.inner.has_room(RESERVE_BYTES) {
                    tracing::info!("there is room on the disk again; messages are taken again");
                    self.inner.set_writable(true);
                } else {
                    self.trouble = Some(Trouble::NoRoom);
                }
                Vec::new()
            }
            Some(Trouble::Broken {
                unknown,
                next,
                wait,
            }) => {
                if Instant::now() < next {
                    self.trouble = Some(Trouble::Broken {
                        unknown,
                        next,
                        wait,
                    });
                    return Vec::new();
                }
                match self.reopen(unknown.as_deref()) {
                    Ok(applied) => {
                        tracing::info!("the data file can be written again");
                        self.inner.set_writable(true);
                        let Some(unknown) = unknown.filter(|_| applied) else {
                            return Vec::new();
                        };
                        self.publish(unknown.changes, &Step::default());
                        unknown
                            .results
                            .into_iter()
                            .flatten()
                            .map(Done::Late)
                            .collect()
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "the data file still cannot be written"
                        );
                        self.trouble = Some(Trouble::Broken {
                            unknown,
                            next: Instant::now() + wait,
                            wait: (wait * 2).min(MAX_RETRY_AFTER),
                        });
                        Vec::new()
                    }
                }
            }
        }
    }

    /// Opens the database anew, or lets its held-back writes through. Says whether the transaction of unknown outcome is
    /// on disk.
    fn reopen(&mut self, unknown: Option<&Unknown>) -> Result<bool, super::OpenError> {
        // What is read from now on is what the disk has.
        self.inner.tail.write().clear();
        let mut place = self.inner.database.write();
        let opened = match place.take() {
            Some(opened) if opened.is_holding() => opened,
            broken => {
                broken.inspect(super::Opened::give_up);
                self.inner.medium.forget_cache();
                open_database(&self.inner.medium)?
            }
        };
        let released = opened.release();
        let db = Arc::clone(&opened.db);
        // Held back or not, it can be read.
        *place = Some(opened);
        drop(place);
        released.map_err(super::OpenError::Io)?;
        self.inner.clear_suspicion();
        let stored = last_entry(&db)?;
        let known = self.inner.state.read().last_entry;
        let applied = match unknown {
            Some(unknown) if unknown.changes.last_entry > known => {
                stored == unknown.changes.last_entry
            }
            Some(unknown) => holds_rows(&db, &unknown.changes)?,
            None => false,
        };
        let expected = unknown
            .filter(|_| applied)
            .map_or(known, |unknown| unknown.changes.last_entry);
        if stored != expected {
            tracing::error!(
                stored,
                expected,
                "the disk does not hold what it confirmed; the data is read anew"
            );
            let Loaded {
                state,
                sweep,
                client_ids,
            } = schema::load(&db, self.sweep.window())?;
            *self.inner.state.write() = state;
            (self.sweep, self.client_ids) = (sweep, client_ids);
            return Ok(false);
        }
        Ok(applied)
    }

    /// Sweeps what is left, so that the next start replays nothing.
    fn finish(&mut self) {
        if self.trouble.is_some() {
            return;
        }
        loop {
            match self.finish_step() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "the last sweep failed; the next start reads more of the log");
                    return;
                }
            }
        }
    }

    /// `false` once nothing is left.
    fn finish_step(&mut self) -> Result<bool, StoreError> {
        let db = self.inner.database()?;
        let txn = db.begin_write()?;
        let step = {
            let state = self.inner.state.read();
            self.sweep
                .finish(&txn, state.last_at, &state, &mut self.client_ids)?
        };
        let Some(step) = step else {
            return Ok(false);
        };
        txn.commit()?;
        self.sweep.taken(&step, &mut self.client_ids);
        Ok(true)
    }
}

impl Trouble {
    fn broken(unknown: Option<Box<Unknown>>, wait: Duration) -> Self {
        Self::Broken {
            unknown,
            next: Instant::now(),
            wait,
        }
    }
}

impl Failure {
    /// Says it in the log, once, where it begins.
    fn report(self, changes: usize, retry_after: Duration) -> Trouble {
        match self {
            Self::NoRoom => {
                tracing::error!(
                    changes,
                    "the disk is full; nothing is confirmed until there is room"
                );
                Trouble::NoRoom
            }
            Self::Broken(error, unknown) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    changes,
                    "the data file refused a transaction; nothing of it is confirmed"
                );
                Trouble::broken(unknown, retry_after)
            }
        }
    }
}

/// The newest entry of the log; 0 where there is none.
fn last_entry(db: &Database) -> Result<u64, StoreError> {
    let log = db.begin_read()?.open_table(LOG)?;
    Ok(log.last()?.map_or(0, |(key, _)| key.value()))
}

/// Whether accounts and invites stand in the file as a transaction would have left them.
fn holds_rows(db: &Database, changes: &Changes) -> Result<bool, StoreError> {
    let txn = db.begin_read()?;
    if let Some(user) = changes.users.last() {
        let stored = txn.open_table(USERS)?.get(user.id.get())?;
        return Ok(stored.is_some_and(|value| value.value() == users::encode(user)));
    }
    let Some((number, invite)) = changes.invites.last() else {
        return Ok(false);
    };
    let stored = txn.open_table(INVITES)?.get(number)?;
    let wanted = invite
        .as_ref()
        .map(|invite| invites::encode(*number, invite));
    Ok(stored.is_some_and(|value| Some(value.value()) == wanted.as_deref()))
}
