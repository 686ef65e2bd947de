//! The one writer: queued changes become one transaction, one fsync, and only then their answers, in commit order.
//!
//! ```text
//! submit -> queue (bounded) -> take -> judge -> [ commit + fsync ] -> [ publish to memory -> batch -> who listens ]
//! ```
//!
//! Each bracket is for one thread at a time, and whoever comes out of the first enters the second before anybody else may
//! enter the first. In a crowd the writer's other thread takes and judges the next changes meanwhile, upon what is being
//! committed; where that fails they are judged again. It commits them as soon as the ones before are on disk, while those
//! are still published and told. So the disk waits for the processor no longer than it must, and a lone change still needs
//! no second thread. A change that is refused costs its neighbours nothing.
//!
//! Where the disk refuses, all changes of the transaction are answered [`StoreError::Unavailable`], since whether it
//! reached the disk is then unknown; so is every later one, until the disk takes writes again. redb's handle is dead
//! after such an error, so the database is opened anew, at once and then again and again; reading goes on from it in any
//! case. What then turns out to be on disk after all is told to those concerned, late but once. A disk that is nearly
//! full is not written to in the first place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard, RwLock};
use redb::{Database, ReadableDatabase, WriteTransaction};
use tokio::sync::mpsc;

use super::intake::Intake;
use super::load::{self, Loaded};
use super::queue::{Job, Queue};
use super::staging::{Disk, Staged, Staging};
use super::sweep::{Step, Sweep};
use crate::metrics::StoreMetrics;
use crate::model::CursorKeys;
use crate::store::data::Data;
use crate::store::disk::medium::Medium;
use crate::store::log::tail::Tail;

use crate::store::change::{Committed, Done};
use crate::store::disk::eras::{self, Renewal};
use crate::store::disk::error::OpenError;
use crate::store::disk::open::{Opened, open_database};
use crate::store::disk::room::RESERVE_BYTES;
use crate::store::disk::schema::encode_pair;
use crate::store::error::{ReadError, StoreError};
use crate::store::log::blocks::{Appending, Log};
use crate::store::log::entries::Entries;
use crate::store::options::StoreOptions;
use crate::store::sealed::seal;
use crate::store::state::{Ahead, Changed, Changes};
use crate::store::tables::{CONVERSATIONS, LOG};
use crate::store::talk::client_ids::ClientIds;

/// The longest time between two tries to write again.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

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

/// What is to be committed.
struct Ready {
    /// The transaction, and its entries, which are ahead too; `None` where there is nothing to be written.
    write: Option<(WriteTransaction, Arc<Entries>)>,
    results: Results,
}

/// Why what was ahead is not on disk, for certain or perhaps.
enum Unwritten {
    Not(StoreError),
    MaybeWritten(StoreError),
}

impl<E: Into<StoreError>> From<E> for Unwritten {
    fn from(error: E) -> Self {
        Self::Not(error.into())
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

/// So many changes are judged before whoever waits to publish, or to read, has a turn at what stands in memory.
const JUDGED_A_TURN: usize = 256;

/// The writer, which its two threads share.
pub(crate) struct Writer {
    intake: Arc<Intake>,
    options: StoreOptions,
    metrics: StoreMetrics,
    client_ids: Mutex<ClientIds>,
    /// The first bracket. Whoever has it may wait for the second one, never the other way round.
    committer: Mutex<Committer>,
    /// The second bracket.
    teller: Mutex<Teller>,
    /// The room of earlier transactions, emptied: as many as there are on their way at once.
    spare: Mutex<Vec<(Entries, Changed)>>,
}

/// What only whoever commits knows.
struct Committer {
    sweep: Sweep,
    renewal: Renewal,
    trouble: Option<Trouble>,
}

/// What only whoever publishes knows: who listens.
struct Teller(mpsc::Sender<Vec<Done>>);

/// Changes that are judged, and the transaction that has their entries already, where there are any.
struct Judged {
    staged: Staged,
    results: Results,
    txn: Option<WriteTransaction>,
}

/// Has both threads end where one panics: what it left half done is not to be built upon.
struct Fall<'a>(&'a Intake);

impl Drop for Fall<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_writable(false);
            self.0.queue.halt();
        }
    }
}

impl Writer {
    /// Opens what lies on a medium, with a writer that does not run yet.
    pub(crate) fn open(
        medium: Arc<dyn Medium>,
        options: StoreOptions,
        done: mpsc::Sender<Vec<Done>>,
    ) -> Result<(Arc<Intake>, Self), OpenError> {
        let opened = open_database(&medium, options.page_cache)?;
        let cursor_keys = CursorKeys::default();
        let (loaded, tokens_from) = load::open(&opened, &options, &cursor_keys)?;
        let Loaded {
            state,
            sweep,
            client_ids,
        } = loaded;
        let data = Data {
            medium,
            database: RwLock::new(Some(opened)),
            state: RwLock::new(state),
            tail: RwLock::new(Tail::new(options.newest_messages)),
            cursor_keys,
            tokens_from,
            suspect: AtomicBool::new(false),
        };
        // Said from the start, and not only to the first caller who wants something written.
        let trouble = (!data.has_room(RESERVE_BYTES)).then_some(Trouble::NoRoom);
        let intake = Arc::new(Intake {
            data,
            queue: Queue::new(options.commit_interval, options.queued_changes),
            writable: AtomicBool::new(trouble.is_none()),
            turns: AtomicU64::new(0),
        });
        let writer = Self {
            intake: Arc::clone(&intake),
            options,
            metrics: StoreMetrics::default(),
            client_ids: Mutex::new(client_ids),
            committer: Mutex::new(Committer {
                sweep,
                renewal: Renewal::default(),
                trouble,
            }),
            teller: Mutex::new(Teller(done)),
            spare: Mutex::default(),
        };
        Ok((intake, writer))
    }

    /// Has its commits counted by these.
    pub(crate) fn counted(self, metrics: StoreMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Runs until the queue is closed and its last change is answered.
    pub(crate) fn run(&self) {
        let _fall = Fall(&self.intake);
        std::thread::scope(|scope| {
            scope.spawn(|| self.rounds());
            self.rounds();
        });
        if !self.intake.queue.is_halted() {
            self.finish(&mut self.committer.lock());
        }
    }

    fn rounds(&self) {
        let _fall = Fall(&self.intake);
        loop {
            let in_trouble = !self.intake.writable.load(Ordering::Acquire);
            let until = in_trouble.then(|| Instant::now() + self.options.retry_after);
            let Some(mut jobs) = self.intake.queue.take(until) else {
                return;
            };
            // In trouble nothing is ahead that one could build upon.
            let judged = (!in_trouble).then(|| self.judge_beside(&mut jobs));
            let committer = self.committer.lock();
            if self.intake.queue.is_halted() {
                drop(judged);
                return refuse(jobs);
            }
            let told = self.work(committer, jobs, judged.flatten());
            self.intake.turns.fetch_add(1, Ordering::Relaxed);
            if !told {
                // Nobody is left to be told; what is committed is committed.
                return self.intake.queue.halt();
            }
        }
    }

    /// One round: mends what can be mended, commits, publishes, answers. `false` where nobody listens.
    fn work(
        &self,
        mut committer: MutexGuard<'_, Committer>,
        jobs: Vec<Job>,
        judged: Option<Judged>,
    ) -> bool {
        // Before the lock is given back, where this panics.
        let _fall = Fall(&self.intake);
        if self.intake.data.is_suspect() && committer.trouble.is_none() {
            self.set_trouble(
                &mut committer,
                Trouble::broken(None, self.options.retry_after),
            );
        }
        // Where there is nothing to be committed, this waits for what is still told: whoever asked wants to know whether that
        // goes on.
        let is_sound = committer.trouble.is_none() && !jobs.is_empty();
        let told = is_sound || self.mend(&mut committer, &self.teller.lock());
        if !told || jobs.is_empty() {
            self.intake.queue.judged();
            self.intake.queue.committed();
            return told;
        }
        let result = self.metrics.committing(jobs.len(), || {
            let ready = match committer.trouble {
                Some(_) => Err(Failure::NoRoom),
                None => self.ready(&jobs, judged),
            };
            // From here on the other one judges what comes next.
            self.intake.queue.judged();
            self.commit(&mut committer, ready?)
        });
        // In the order of the commits.
        let teller = self.teller.lock();
        let _fall = Fall(&self.intake);
        if self.intake.queue.is_halted() {
            // What these are to be published upon is half done; the next start finds them.
            refuse(jobs);
            return false;
        }
        let (results, committer) = match result {
            Ok((results, entries)) => {
                // From here on the other one commits what comes next.
                drop(committer);
                entries
                    .into_iter()
                    .for_each(|entries| self.publish(entries));
                (results, None)
            }
            Err(failure) => {
                // Before anybody hears of it, so that whoever does finds it so.
                let failed = committer.trouble.is_none();
                if failed {
                    let trouble = failure.report(jobs.len(), self.options.retry_after);
                    self.set_trouble(&mut committer, trouble);
                }
                let refused = jobs.iter().map(|_| Err(StoreError::Unavailable));
                (refused.collect(), failed.then_some(committer))
            }
        };
        self.intake.queue.committed();
        let answered = jobs.into_iter().zip(results);
        let told = teller.tell(
            answered
                .map(|(job, result)| Done::Answered {
                    result,
                    answer: job.answer,
                })
                .collect(),
        );
        told && committer.is_none_or(|mut committer| self.mend(&mut committer, &teller))
    }

    fn set_trouble(&self, committer: &mut Committer, trouble: Trouble) {
        self.intake.set_writable(false);
        committer.trouble = Some(trouble);
    }

    /// Judges changes before it is known whether they can be committed, and those that come while another commit is under
    /// way; then begins their transaction. `None` where that fails, or must wait: then whoever commits does it again.
    fn judge_beside(&self, jobs: &mut Vec<Job>) -> Option<Judged> {
        let mut judged = self.judge(jobs, None, false).ok()??;
        while self.committer.is_locked() {
            let from = jobs.len();
            if self.intake.queue.take_more(jobs) == 0 {
                break;
            }
            judged = self.judge(&jobs[from..], Some(judged), false).ok()??;
        }
        self.begin(judged).ok()
    }

    /// Judges changes of one transaction, one after the other and after those that are `judged`. `None` where that cannot be
    /// done before what is ahead is published, or dropped, or where the disk must be read for it and may not be; never so for
    /// whoever commits.
    fn judge(
        &self,
        jobs: &[Job],
        judged: Option<Judged>,
        may_read: bool,
    ) -> Result<Option<Judged>, StoreError> {
        // Before the database is asked for, so that it is that one's epoch or an earlier one.
        let epoch = self.intake.data.state.read().epoch;
        let db = self.intake.data.database()?;
        let disk = Disk::allowed(may_read);
        let (mut begun, mut results) = match judged {
            Some(judged) => (Some(judged.staged), judged.results),
            None => (None, Vec::with_capacity(jobs.len())),
        };
        for jobs in jobs.chunks(JUDGED_A_TURN) {
            let state = self.intake.data.state.read();
            // What came before is in the end of the log, or still ahead: it is put there before it is published.
            let tail = self.intake.data.tail.read();
            if state.epoch != epoch || state.ahead.iter().any(Ahead::has_rows) {
                return Ok(None);
            }
            let staged = match &mut begun {
                Some(staged) if !staged.holds(epoch) => return Ok(None),
                Some(staged) => staged,
                None => {
                    let room = self.spare.lock().pop().unwrap_or_default();
                    begun.insert(Staged::begin(&state, room))
                }
            };
            state.fetch(jobs.iter().filter_map(|job| job.pair()));
            let mut staging = Staging::new(&state, &tail, &db, &disk, &self.client_ids, staged);
            for job in jobs {
                let result = match staging.stage(job.now, &job.change) {
                    Ok(committed) => Ok(committed),
                    Err(ReadError::NeedsDisk) => return Ok(None),
                    Err(ReadError::Failed(error)) => Err(error),
                };
                match result {
                    // A damaged record: this change cannot be judged, and the others can.
                    Err(error @ StoreError::Damaged { .. }) => {
                        tracing::error!(%error, "a change met a damaged record");
                        results.push(Err(StoreError::Unavailable));
                    }
                    Err(error @ StoreError::Database(_)) => return Err(error),
                    result => results.push(result),
                }
            }
        }
        let txn = None;
        Ok(begun.map(|staged| Judged {
            staged,
            results,
            txn,
        }))
    }

    /// Begins the transaction of judged changes, once the one before it has ended, and puts their entries into it.
    fn begin(&self, mut judged: Judged) -> Result<Judged, Failure> {
        if judged.staged.is_empty() {
            return Ok(judged);
        }
        let txn = self.intake.data.database()?.begin_write()?;
        if !self.intake.data.has_room(RESERVE_BYTES) {
            return Err(Failure::NoRoom);
        }
        {
            let mut log = txn.open_table(LOG)?;
            let mut end = Appending::new(&mut log, judged.staged.entries.bytes())?;
            for (id, sealed) in judged.staged.entries.iter() {
                end.push(id, sealed);
            }
            end.close()?;
        }
        judged.txn = Some(txn);
        Ok(judged)
    }

    /// For whoever commits: what is to be written. It is put ahead, so that what comes next is judged upon it.
    fn ready(&self, jobs: &[Job], judged: Option<Judged>) -> Result<Ready, Failure> {
        let judged =
            judged.filter(|judged| judged.staged.holds(self.intake.data.state.read().epoch));
        let Judged {
            staged,
            results,
            txn,
        } = match judged {
            Some(judged) => judged,
            None => {
                // What was committed before is published by then.
                drop(self.teller.lock());
                self.begin(
                    self.judge(jobs, None, true)?
                        .ok_or(StoreError::Unavailable)?,
                )?
            }
        };
        let write = txn.map(|txn| {
            let Staged {
                entries,
                mut changes,
                people,
                ..
            } = staged;
            changes.rows = people.rows;
            let entries = Arc::new(entries);
            self.intake.data.state.write().ahead.push_back(Ahead {
                changes,
                entries: Arc::clone(&entries),
            });
            (txn, entries)
        });
        Ok(Ready { write, results })
    }

    /// One transaction for all of it. The results are the jobs', in order, and with them are its entries, which are to be
    /// published, where there was anything to be written; an error is the whole transaction's.
    fn commit(
        &self,
        committer: &mut Committer,
        ready: Ready,
    ) -> Result<(Results, Option<Arc<Entries>>), Failure> {
        let Some((txn, entries)) = ready.write else {
            // Every answer says how things were already; they are on disk.
            return Ok((ready.results, None));
        };
        match self.write(committer, txn, entries.len() as u64) {
            Ok(step) => {
                self.swept(committer, &step);
                Ok((ready.results, Some(entries)))
            }
            Err(unwritten) => {
                let changes = self.intake.data.state.write().drop_ahead();
                Err(match (unwritten, changes) {
                    (Unwritten::MaybeWritten(error), Some(changes)) => {
                        let results = ready.results;
                        let unknown = Unknown { changes, results };
                        Failure::Broken(error, Some(Box::new(unknown)))
                    }
                    (Unwritten::MaybeWritten(error) | Unwritten::Not(error), _) => {
                        Failure::Broken(error, None)
                    }
                })
            }
        }
    }

    /// Writes what is ahead, but for the entries, of which there are `appended` in the transaction already; and commits.
    fn write(
        &self,
        committer: &mut Committer,
        txn: WriteTransaction,
        appended: u64,
    ) -> Result<Step, Unwritten> {
        let (step, begun) = {
            let state = self.intake.data.state.read();
            if self.intake.queue.is_halted() {
                // The state is half published, and no row may be made of it.
                return Err(Unwritten::Not(StoreError::Unavailable));
            }
            let now = state.newest_at();
            let mut begun = None;
            if let Some(ahead) = state.ahead.back() {
                write_rows(&txn, &ahead.changes)?;
                let (keys, last) = (&self.intake.data.cursor_keys, ahead.changes.last_entry);
                let begins = appended > 0
                    && committer
                        .renewal
                        .begin_if_due(&txn, keys, last + 1 - appended, now)?;
                begun = begins.then_some(now);
            }
            let step =
                committer
                    .sweep
                    .step(&txn, now, appended, &mut self.client_ids.lock(), |id| {
                        state.newest_conversation(id)
                    })?;
            (step, begun)
        };
        txn.commit()
            .map_err(|error| Unwritten::MaybeWritten(error.into()))?;
        if let Some(now) = begun {
            committer.renewal.has_begun(now);
        }
        Ok(step)
    }

    /// The sweep's part of what follows upon a commit: notes what the transaction wrote of it, and what it changed, and
    /// begins the next pass where that is due.
    fn swept(&self, committer: &mut Committer, step: &Step) {
        let state = self.intake.data.state.read();
        let mut client_ids = self.client_ids.lock();
        committer.sweep.taken(step, &mut client_ids);
        if let Some(ahead) = state.ahead.back() {
            for id in ahead.changes.conversations.ids() {
                committer.sweep.mark(id);
            }
        }
        // Of what is ahead the client ids are not there yet; up to what is published they are.
        committer.sweep.begin_if_due(state.last_entry, &client_ids);
    }

    /// Takes over the first that is ahead, since it is on disk.
    fn publish(&self, entries: Arc<Entries>) {
        self.intake.data.tail.write().append(&entries);
        {
            let state = self.intake.data.state.read();
            state.fetch_ahead();
            let mut client_ids = self.client_ids.lock();
            let ahead = state.ahead.front().into_iter();
            // Before they are ahead no more: a client id is found here or there.
            for (sender, hash, message, at) in ahead.flat_map(|ahead| &ahead.changes.client_ids) {
                client_ids.put(*sender, *hash, *message, *at);
            }
        }
        // Whoever judges holds the state first and the client ids after it, so none of these are held here.
        let changed = {
            let mut state = self.intake.data.state.write();
            // Before it is given back half published, where this panics.
            let _fall = Fall(&self.intake);
            state.publish()
        };
        if let Some(mut entries) = Arc::into_inner(entries) {
            entries.clear();
            self.spare.lock().push((entries, changed));
        }
    }

    /// Tries to write again, where that is due. Tells what was found to be on disk although its commit had failed; `false`
    /// where nobody listens.
    fn mend(&self, committer: &mut Committer, teller: &Teller) -> bool {
        match committer.trouble.take() {
            None => true,
            Some(Trouble::NoRoom) => {
                if self.intake.data.has_room(RESERVE_BYTES) {
                    tracing::info!("there is room on the disk again; messages are taken again");
                    self.intake.set_writable(true);
                } else {
                    committer.trouble = Some(Trouble::NoRoom);
                }
                true
            }
            Some(Trouble::Broken {
                unknown,
                next,
                wait,
            }) => {
                if Instant::now() < next {
                    committer.trouble = Some(Trouble::Broken {
                        unknown,
                        next,
                        wait,
                    });
                    return true;
                }
                match self.reopen(committer, unknown.as_deref()) {
                    Ok(applied) => {
                        tracing::info!("the data file can be written again");
                        self.intake.set_writable(true);
                        let Some(unknown) = unknown.filter(|_| applied) else {
                            return true;
                        };
                        let Unknown { changes, results } = *unknown;
                        let entries = Arc::default();
                        {
                            let mut state = self.intake.data.state.write();
                            state.epoch += 1;
                            let entries = Arc::clone(&entries);
                            state.ahead.push_back(Ahead { changes, entries });
                        }
                        self.swept(committer, &Step::default());
                        self.publish(entries);
                        teller.tell(results.into_iter().flatten().map(Done::Late).collect())
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "the data file still cannot be written"
                        );
                        committer.trouble = Some(Trouble::Broken {
                            unknown,
                            next: Instant::now() + wait,
                            wait: (wait * 2).min(MAX_RETRY_AFTER),
                        });
                        true
                    }
                }
            }
        }
    }

    /// Opens the database anew, or lets its held-back writes through. Says whether the transaction of unknown outcome is
    /// on disk.
    fn reopen(
        &self,
        committer: &mut Committer,
        unknown: Option<&Unknown>,
    ) -> Result<bool, OpenError> {
        // What is read from now on is what the disk has.
        self.intake.data.tail.write().clear();
        let mut place = self.intake.data.database.write();
        let opened = match place.take() {
            Some(opened) if opened.is_holding() => opened,
            broken => {
                broken.inspect(Opened::give_up);
                self.intake.data.medium.forget_cache();
                open_database(&self.intake.data.medium, self.options.page_cache)?
            }
        };
        let released = opened.release();
        let db = Arc::clone(&opened.db);
        // Held back or not, it can be read.
        *place = Some(opened);
        drop(place);
        released.map_err(OpenError::Io)?;
        self.intake.data.clear_suspicion();
        // The era of a transaction that failed may be on disk or not; and the disk may have lost what it confirmed.
        self.intake.data.cursor_keys.set(eras::read(&db)?);
        committer.renewal = Renewal::default();
        // What was judged may have begun its transaction with the handle before.
        self.intake.data.state.write().epoch += 1;
        let stored = last_entry(&db)?;
        let known = self.intake.data.state.read().last_entry;
        let applied = match unknown {
            Some(unknown) if unknown.changes.last_entry > known => {
                stored == unknown.changes.last_entry
            }
            Some(unknown) => unknown.changes.rows.are_in(&db)?,
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
                mut state,
                sweep,
                client_ids,
            } = load::load(&db, &self.options)?;
            let mut place = self.intake.data.state.write();
            state.epoch = place.epoch + 1;
            *place = state;
            committer.sweep = sweep;
            *self.client_ids.lock() = client_ids;
            return Ok(false);
        }
        Ok(applied)
    }

    /// Sweeps what is left, so that the next start replays nothing.
    fn finish(&self, committer: &mut Committer) {
        if committer.trouble.is_some() {
            return;
        }
        loop {
            match self.finish_step(&mut committer.sweep) {
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
    fn finish_step(&self, sweep: &mut Sweep) -> Result<bool, StoreError> {
        let db = self.intake.data.database()?;
        let txn = db.begin_write()?;
        let step = {
            let state = self.intake.data.state.read();
            let mut client_ids = self.client_ids.lock();
            sweep.finish(&txn, state.last_at, &state, &mut client_ids)?
        };
        let Some(step) = step else {
            return Ok(false);
        };
        txn.commit()?;
        sweep.taken(&step, &mut self.client_ids.lock());
        Ok(true)
    }
}

impl Teller {
    fn tell(&self, batch: Vec<Done>) -> bool {
        batch.is_empty() || self.0.blocking_send(batch).is_ok()
    }
}

fn refuse(jobs: Vec<Job>) {
    for job in jobs {
        (job.answer)(Err(StoreError::Unavailable));
    }
}

/// Writes the conversations that a transaction creates, and the accounts and invites that it changes.
fn write_rows(txn: &WriteTransaction, changes: &Changes) -> Result<(), StoreError> {
    if !changes.created.is_empty() {
        let mut conversations = txn.open_table(CONVERSATIONS)?;
        for (pair, id) in &changes.created {
            conversations.insert(id.get(), &seal(id.get(), &encode_pair(*pair))[..])?;
        }
    }
    changes.rows.write(txn, changes.last_entry)
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
                    "the disk is full: less than {} MiB are free, which are left so; nothing is written until there is more",
                    RESERVE_BYTES >> 20
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
    Log::open(&db.begin_read()?)?.last()
}
