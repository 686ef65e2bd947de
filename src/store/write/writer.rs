//! The one writer: queued changes become one transaction, one fsync, and only then their answers,
//! in commit order.
//!
//! ```text
//! submit -> queue (bounded) -> take -> judge -> [ commit + fsync ]
//!        -> [ publish to memory -> batch -> listener ]
//! ```
//!
//! Each bracket is for one thread at a time, and a thread leaves the first only by entering the
//! second, so that publishing keeps the order of the commits. In a crowd the writer's other thread
//! takes and judges the next changes meanwhile, upon what is being committed; where that commit
//! fails they are judged again. It commits them as soon as the ones before are on disk, while those
//! are still published and told. So the disk waits for the processor no longer than it must, and a
//! lone change still needs no second thread. A change that is refused costs its neighbours nothing.
//!
//! Where the disk refuses, all changes of the batch are answered [`StoreError::Unavailable`], since
//! they may be on disk or not; so is every later one, until the disk takes writes again
//! (`mend.rs`). A disk that is nearly full is not written to in the first place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use redb::WriteTransaction;
use tokio::sync::{mpsc, watch};

use super::batch::{Begun, InDoubt, InFlight, Judged, Stored, Unconfirmed, Unwritten};
use super::clock::{Clock, KnownTime};
use super::erased::Erased;
use super::intake::Intake;
use super::load::{self, Loaded};
use super::mend::WriteFailure;
use super::queue::{Job, Queue};
use super::staging::{Disk, Staged, Staging};
use super::sweep::{Step, Sweep};
use crate::metrics::StoreMetrics;
use crate::model::{CursorKeys, Timestamp};
use crate::store::change::Done;
use crate::store::data::Data;
use crate::store::disk::eras::Renewal;
use crate::store::disk::error::OpenError;
use crate::store::disk::medium::Medium;
use crate::store::disk::open::open_database;
use crate::store::disk::room::RESERVE_BYTES;
use crate::store::disk::schema::{self, encode_pair};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::blocks::{Appending, rewrite_entries};
use crate::store::log::entries::Entries;
use crate::store::log::tail::Tail;
use crate::store::options::StoreOptions;
use crate::store::rooms::RoomView;
use crate::store::sealed::seal;
use crate::store::state::{Ahead, Changed, Changes, State};
use crate::store::tables::{CONVERSATIONS, LOG};
use crate::store::talk::client_ids::ClientIds;
use crate::store::talk::rooms;

/// How many changes are judged before threads that wait to publish, or to read, have a turn at the
/// state.
const JUDGED_A_TURN: usize = 256;

/// The writer, which its two threads share.
pub(crate) struct Writer {
    pub(super) intake: Arc<Intake>,
    pub(super) options: StoreOptions,
    metrics: StoreMetrics,
    pub(super) client_ids: Mutex<ClientIds>,
    /// The first bracket. The thread that has it may wait for the second one, never the other way
    /// round.
    pub(super) committer: Mutex<Committer>,
    /// The second bracket.
    pub(super) notifier: Mutex<Notifier>,
    /// The room of earlier transactions, emptied: as many as there are on their way at once.
    spare: Mutex<Vec<(Entries, Changed)>>,
}

/// What the thread that commits needs beside the state.
pub(super) struct Committer {
    pub(super) sweep: Sweep,
    pub(super) renewal: Renewal,
    pub(super) failure: Option<WriteFailure>,
    /// The store is closed: nothing is written any more.
    pub(super) is_finished: bool,
}

/// Tells the listener what batches came to; held by the thread that publishes.
pub(super) struct Notifier(mpsc::Sender<Vec<Done>>);

/// Stops both writer threads if one panics: the state that it was changing may be half updated.
struct PanicGuard<'a>(&'a Intake);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_writable(false);
            self.0.queue.halt();
        }
    }
}

/// Stops both writer threads likewise, where the one that panics holds the state: those who wait
/// are told later, since they may look at it.
struct HalfChanged<'a>(&'a Intake);

impl Drop for HalfChanged<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_writable(false);
            self.0.queue.stop();
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
        let erased = Erased::of(schema::erased(&opened.db)?);
        let noted = schema::clock(&opened.db)?;
        let known = noted.map(KnownTime::of_noted).unwrap_or_default();
        let clock = Clock::begin(known, noted.is_some(), options.clock_trial);
        let tail = Tail::new(options.newest_messages);
        let newest = watch::Sender::new(state.last_entry);
        let data = Data::new(medium, opened, state, tail, (cursor_keys, tokens_from));
        // Said from the start, and not only to the first caller who wants something written.
        let failure = (!data.has_room(RESERVE_BYTES)).then_some(WriteFailure::NoRoom);
        let intake = Arc::new(Intake {
            data,
            queue: Queue::new(options.commit_interval, options.queued_changes),
            writable: AtomicBool::new(failure.is_none()),
            turns: AtomicU64::new(0),
            erased: Mutex::new(erased),
            clock,
            newest,
        });
        let writer = Self {
            intake: Arc::clone(&intake),
            options,
            metrics: StoreMetrics::default(),
            client_ids: Mutex::new(client_ids),
            committer: Mutex::new(Committer {
                sweep,
                renewal: Renewal::default(),
                failure,
                is_finished: false,
            }),
            notifier: Mutex::new(Notifier(done)),
            spare: Mutex::default(),
        };
        Ok((intake, writer))
    }

    /// Has its commits counted by these.
    pub(crate) fn counted(self, metrics: StoreMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Returns what it shares with the handles of the store.
    pub(crate) fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    /// Returns how large the page cache of the database may get.
    pub(crate) fn page_cache(&self) -> usize {
        self.options.page_cache
    }

    /// Runs until the queue is closed and its last change is answered.
    pub(crate) fn run(&self) {
        let _guard = PanicGuard(&self.intake);
        std::thread::scope(|scope| {
            scope.spawn(|| self.rounds());
            self.rounds();
        });
        if !self.intake.queue.is_halted() {
            self.finish(&mut self.committer.lock());
        }
    }

    fn rounds(&self) {
        let _guard = PanicGuard(&self.intake);
        loop {
            let is_failing = !self.intake.writable.load(Ordering::Acquire);
            let until = is_failing.then(|| Instant::now() + self.options.retry_after);
            let Some(mut jobs) = self.intake.queue.take(until) else {
                return;
            };
            // After a failure nothing is ahead that one could build upon.
            let begun = (!is_failing).then(|| self.judge_beside(&mut jobs));
            let committer = self.committer.lock();
            if self.intake.queue.is_halted() {
                drop(begun);
                return refuse(jobs);
            }
            let told = self.work(committer, jobs, begun.flatten());
            self.intake.turns.fetch_add(1, Ordering::Relaxed);
            if !told {
                // The listener is gone; what is committed is committed.
                return self.intake.queue.halt();
            }
        }
    }

    /// One round: mends what can be mended, commits, publishes, answers. Returns `false` where the
    /// listener is gone.
    fn work(
        &self,
        mut committer: MutexGuard<'_, Committer>,
        jobs: Vec<Job>,
        begun: Option<Begun>,
    ) -> bool {
        // Before the lock is given back, where this panics.
        let _guard = PanicGuard(&self.intake);
        if self.intake.data.is_suspect() && committer.failure.is_none() {
            self.fail(
                &mut committer,
                WriteFailure::broken(None, self.options.retry_after),
            );
        }
        // Where there is nothing to be committed, this waits for what is still told: the caller
        // asks whether that goes on.
        let is_sound = committer.failure.is_none() && !jobs.is_empty();
        let told = is_sound || self.mend(&mut committer, &self.notifier.lock());
        if !told || jobs.is_empty() {
            self.intake.queue.judged();
            self.intake.queue.committed();
            return told;
        }
        let result = self.metrics.committing(jobs.len(), || {
            let batch = match committer.failure {
                Some(_) => Err(Unconfirmed::NoRoom),
                None => self.put_ahead(&jobs, begun),
            };
            // From here on the other one judges what comes next.
            self.intake.queue.judged();
            self.commit(&mut committer, batch?)
        });
        // In the order of the commits.
        let notifier = self.notifier.lock();
        let _guard = PanicGuard(&self.intake);
        if self.intake.queue.is_halted() {
            // What these are to be published upon is half done; the next start finds them.
            refuse(jobs);
            return false;
        }
        let (results, committer) = match result {
            Ok(Stored { entries, results }) => {
                // From here on the other one commits what comes next.
                drop(committer);
                if let Some(entries) = entries {
                    self.publish(entries);
                }
                (results, None)
            }
            Err(failure) => {
                // Before any answer, so that a caller who has one finds it so.
                let failed = committer.failure.is_none();
                if failed {
                    let failure = failure.report(jobs.len(), self.options.retry_after);
                    self.fail(&mut committer, failure);
                }
                let refused = jobs.iter().map(|_| Err(StoreError::Unavailable));
                (refused.collect(), failed.then_some(committer))
            }
        };
        self.intake.queue.committed();
        let answered = jobs.into_iter().zip(results);
        let answered = answered.map(|(job, result)| Done::Answered {
            result,
            answer: job.answer,
        });
        notifier.tell(answered.collect())
            && committer.is_none_or(|mut committer| self.mend(&mut committer, &notifier))
    }

    pub(super) fn fail(&self, committer: &mut Committer, failure: WriteFailure) {
        self.intake.set_writable(false);
        committer.failure = Some(failure);
    }

    /// Judges changes before it is known whether they can be committed, and those that come while
    /// another commit is under way; then begins their transaction. `None` where that fails, or must
    /// wait: then the thread that commits does it again.
    fn judge_beside(&self, jobs: &mut Vec<Job>) -> Option<Begun> {
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

    /// Judges changes of one transaction, one after the other and after those that are `judged`.
    /// `None` where that cannot be done before what is ahead is published, or dropped, or where the
    /// disk must be read for it and may not be; never so for the thread that commits.
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
            let shown = jobs.last().map_or_else(Timestamp::default, |job| job.now);
            let over = self.intake.clock.look(shown);
            let state = self.intake.data.state.read();
            // What came before is in the end of the log, or still ahead: it is put there before it
            // is published.
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
            let mut staging = Staging::new(
                &state,
                &tail,
                &db,
                &disk,
                &self.client_ids,
                staged,
                (self.options.edit_window, self.options.first_contact, over),
            );
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
        Ok(begun.map(|staged| Judged { staged, results }))
    }

    /// Begins the transaction of judged changes, once the one before it has ended, and puts their
    /// entries into it.
    fn begin(&self, judged: Judged) -> Result<Begun, Unconfirmed> {
        if judged.staged.is_empty() {
            return Ok(Begun { judged, txn: None });
        }
        let txn = self.intake.data.database()?.begin_write()?;
        if !self.intake.data.has_room(RESERVE_BYTES) {
            return Err(Unconfirmed::NoRoom);
        }
        {
            let mut log = txn.open_table(LOG)?;
            let mut end = Appending::new(&mut log, judged.staged.entries.bytes())?;
            for (id, sealed) in judged.staged.entries.iter() {
                end.push(id, sealed);
            }
            end.close()?;
            rewrite_entries(&mut log, judged.staged.entries.rewritten())?;
        }
        let txn = Some(txn);
        Ok(Begun { judged, txn })
    }

    /// Puts a batch ahead, so that what comes next is judged upon it; for the thread that commits.
    /// Judges it once more where what it was judged upon did not come to be.
    fn put_ahead(&self, jobs: &[Job], begun: Option<Begun>) -> Result<InFlight, Unconfirmed> {
        let epoch = self.intake.data.state.read().epoch;
        let begun = begun.filter(|begun| begun.judged.staged.holds(epoch));
        let Begun { judged, txn } = match begun {
            Some(begun) => begun,
            None => {
                // What was committed before is published by then.
                drop(self.notifier.lock());
                self.begin(
                    self.judge(jobs, None, true)?
                        .ok_or(StoreError::Unavailable)?,
                )?
            }
        };
        let Judged { staged, results } = judged;
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
        Ok(InFlight { write, results })
    }

    /// One transaction for all of it. The results are the jobs', in order, and with them are its
    /// entries, which are to be published, where there was anything to be written; an error is the
    /// whole transaction's.
    fn commit(&self, committer: &mut Committer, batch: InFlight) -> Result<Stored, Unconfirmed> {
        let InFlight { write, results } = batch;
        let Some((txn, entries)) = write else {
            // Every answer says how things were already; they are on disk.
            let entries = None;
            return Ok(Stored { entries, results });
        };
        match self.write(committer, txn, entries.len() as u64) {
            Ok(step) => {
                self.swept(committer, &step);
                let entries = Some(entries);
                Ok(Stored { entries, results })
            }
            Err(unwritten) => {
                let changes = self.intake.data.state.write().drop_ahead();
                Err(match (unwritten, changes) {
                    (Unwritten::MaybeWritten(error), Some(changes)) => {
                        let in_doubt = InDoubt { changes, results };
                        Unconfirmed::Broken(error, Some(Box::new(in_doubt)))
                    }
                    (Unwritten::MaybeWritten(error) | Unwritten::Not(error), _) => {
                        Unconfirmed::Broken(error, None)
                    }
                })
            }
        }
    }

    /// Writes what is ahead, but for the entries, of which there are `appended` in the transaction
    /// already; and commits.
    fn write(
        &self,
        committer: &mut Committer,
        txn: WriteTransaction,
        appended: u64,
    ) -> Result<Step, Unwritten> {
        let (step, begun, erased, clock) = {
            let state = self.intake.data.state.read();
            if self.intake.queue.is_halted() {
                // The state is half published, and no row may be made of it.
                return Err(Unwritten::Not(StoreError::Unavailable));
            }
            let now = state.newest_at();
            let (mut begun, mut erased) = (None, None);
            if let Some(ahead) = state.ahead.back() {
                write_rows(&txn, &state, &ahead.changes)?;
                let (keys, last) = (&self.intake.data.cursor_keys, ahead.changes.last_entry);
                let begins = appended > 0
                    && committer
                        .renewal
                        .begin_if_due(&txn, keys, last + 1 - appended, now)?;
                begun = begins.then_some(now);
                erased = ahead.erases().then_some(now);
            }
            if let Some(at) = erased
                && self.intake.erased.lock().oldest().is_none()
            {
                schema::note_erased(&txn, at)?;
            }
            let clock = self.intake.clock.due();
            if let Some(noted) = clock.and_then(|clock| clock.as_noted()) {
                schema::note_clock(&txn, noted)?;
            }
            // Client ids are forgotten by it.
            let over = self.intake.clock.bounded(now);
            let step =
                committer
                    .sweep
                    .step(&txn, over, appended, &mut self.client_ids.lock(), &state)?;
            (step, begun, erased, clock)
        };
        txn.commit()
            .map_err(|error| Unwritten::MaybeWritten(error.into()))?;
        if let Some(now) = begun {
            committer.renewal.has_begun(now);
        }
        if let Some(at) = erased {
            self.intake.erased.lock().note(at);
        }
        if clock.is_some() {
            self.intake.clock.noted(clock);
        }
        Ok(step)
    }

    /// The sweep's part of what follows upon a commit: notes what the transaction wrote of it, and
    /// what it changed, and begins the next pass where that is due.
    pub(super) fn swept(&self, committer: &mut Committer, step: &Step) {
        let state = self.intake.data.state.read();
        let mut client_ids = self.client_ids.lock();
        committer.sweep.taken(step, &mut client_ids);
        if let Some(ahead) = state.ahead.back() {
            for id in ahead.changes.conversations.ids() {
                committer.sweep.mark(id);
            }
            for key in ahead.changes.rooms.derived() {
                committer.sweep.mark_stream(key);
            }
        }
        // Of what is ahead the client ids are not there yet; up to what is published they are.
        committer.sweep.begin_if_due(state.last_entry, &client_ids);
    }

    /// Takes over the first that is ahead, since it is on disk.
    pub(super) fn publish(&self, entries: Arc<Entries>) {
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
        // A thread that judges holds the state first and the client ids after it, so none of these
        // are held here.
        let (changed, newest) = self.change_state(|state| (state.publish(), state.last_entry));
        self.intake.newest.send_replace(newest);
        if let Some(mut entries) = Arc::into_inner(entries) {
            entries.clear();
            self.spare.lock().push((entries, changed));
        }
    }

    /// Changes the state. Where that panics, nothing is built upon it any more.
    fn change_state<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.intake.data.state.write();
        // Before it is given back half changed.
        let _guard = HalfChanged(&self.intake);
        change(&mut state)
    }

    /// Sweeps what is left, so that the next start replays nothing.
    fn finish(&self, committer: &mut Committer) {
        committer.is_finished = true;
        if committer.failure.is_some() {
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
            let over = self.intake.clock.bounded(state.last_at);
            sweep.finish(&txn, over, &state, &mut client_ids)?
        };
        let Some(step) = step else {
            return Ok(false);
        };
        txn.commit()?;
        sweep.taken(&step, &mut self.client_ids.lock());
        Ok(true)
    }
}

impl Notifier {
    pub(super) fn tell(&self, batch: Vec<Done>) -> bool {
        batch.is_empty() || self.0.blocking_send(batch).is_ok()
    }
}

fn refuse(jobs: Vec<Job>) {
    for job in jobs {
        (job.answer)(Err(StoreError::Unavailable));
    }
}

/// Writes the conversations that a transaction creates, and the accounts, invites, rooms and
/// members that it changes.
fn write_rows(txn: &WriteTransaction, state: &State, changes: &Changes) -> Result<(), StoreError> {
    if !changes.created.is_empty() {
        let mut conversations = txn.open_table(CONVERSATIONS)?;
        for (pair, id) in &changes.created {
            conversations.insert(id.get(), &seal(id.get(), &encode_pair(*pair))[..])?;
        }
    }
    let rows = changes.rooms.rows.iter();
    rooms::rows::write(txn, rows, &RoomView::of(state), changes.last_entry)?;
    changes.reactions.write(txn)?;
    if let Some(entry) = changes.retained {
        schema::note_retained(txn, entry)?;
    }
    if changes.leavers_erased {
        schema::note_leavers_erased(txn)?;
    }
    changes.rows.write(txn, changes.last_entry)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::model::{Timestamp, UserId};
    use crate::store::change::{Change, Talk};

    #[test]
    fn those_who_are_told_of_a_panic_can_look_at_the_state() {
        let medium = Arc::new(InMemoryBackend::new());
        let (done, _batches) = mpsc::channel(1);
        let (intake, writer) = Writer::open(medium, StoreOptions::default(), done).unwrap();
        let (answer, answered) = std::sync::mpsc::channel();
        let looks = Arc::clone(&intake);
        let [sender, receiver] = [1, 2].map(|number| UserId::new(number).unwrap());
        intake.queue.push(Job {
            now: Timestamp::from_ms(0),
            change: Change::Talk(Talk::send(sender, receiver, "hello".into(), None)),
            answer: Box::new(move |result| {
                let is_free = looks.data.state.try_read().is_some();
                answer.send((is_free, result.is_err())).unwrap();
            }),
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = PanicGuard(&intake);
            writer.change_state::<()>(|_| panic!("half of it is done"))
        }));
        assert!(panicked.is_err());
        assert_eq!(answered.try_recv().unwrap(), (true, true));
        assert!(intake.queue.is_halted());
    }
}
