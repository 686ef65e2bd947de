//! Writing again after a failure of the disk.
//!
//! A batch whose commit failed is in doubt: it may be on disk all the same. redb's handle is dead
//! after such an error, so the database is opened anew, at once and then again and again, with
//! longer and longer pauses. What then turns out to be on disk is published and told, late but
//! once. Reading goes on in any case.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase};

use super::batch::{InDoubt, Unconfirmed};
use super::load::{self, Loaded};
use super::sweep::Step;
use super::writer::{Committer, Notifier, Writer};
use crate::store::change::Done;
use crate::store::disk::eras::{self, Renewal};
use crate::store::disk::error::OpenError;
use crate::store::disk::medium::sync_folder;
use crate::store::disk::open::{Opened, open_database};
use crate::store::disk::room::RESERVE_BYTES;
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::state::Ahead;

/// The longest time between two tries to write again.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Why nothing can be written.
pub(super) enum WriteFailure {
    /// The disk is nearly full.
    NoRoom,
    /// The database must be opened anew, or its writes be let through.
    Broken {
        in_doubt: Option<Box<InDoubt>>,
        /// When it is to be tried next, and how long to wait after that.
        next: Instant,
        wait: Duration,
    },
}

impl Writer {
    /// Tries to write again, where that is due. Tells of what is on disk although its commit had
    /// failed. Returns `false` where the listener is gone.
    pub(super) fn mend(&self, committer: &mut Committer, notifier: &Notifier) -> bool {
        match committer.failure.take() {
            None => true,
            Some(WriteFailure::NoRoom) => {
                if self.intake.data.has_room(RESERVE_BYTES) {
                    tracing::info!("there is room on the disk again; messages are taken again");
                    self.intake.set_writable(true);
                } else {
                    committer.failure = Some(WriteFailure::NoRoom);
                }
                true
            }
            Some(WriteFailure::Broken {
                in_doubt,
                next,
                wait,
            }) => {
                if Instant::now() < next {
                    committer.failure = Some(WriteFailure::Broken {
                        in_doubt,
                        next,
                        wait,
                    });
                    return true;
                }
                self.try_again(committer, notifier, in_doubt, wait)
            }
        }
    }

    /// Opens the database anew. Where that fails it is tried once more after `wait`.
    fn try_again(
        &self,
        committer: &mut Committer,
        notifier: &Notifier,
        in_doubt: Option<Box<InDoubt>>,
        wait: Duration,
    ) -> bool {
        let is_stored = match self.reopen(committer, in_doubt.as_deref()) {
            Ok(is_stored) => is_stored,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the data file still cannot be written"
                );
                committer.failure = Some(WriteFailure::Broken {
                    in_doubt,
                    next: Instant::now() + wait,
                    wait: (wait * 2).min(MAX_RETRY_AFTER),
                });
                return true;
            }
        };
        tracing::info!("the data file can be written again");
        self.intake.set_writable(true);
        match in_doubt.filter(|_| is_stored) {
            Some(in_doubt) => self.publish_late(committer, notifier, *in_doubt),
            None => true,
        }
    }

    /// Publishes a batch that turned out to be on disk, and tells of it. Returns `false` where the
    /// listener is gone.
    fn publish_late(
        &self,
        committer: &mut Committer,
        notifier: &Notifier,
        in_doubt: InDoubt,
    ) -> bool {
        let InDoubt { changes, results } = in_doubt;
        let entries = Arc::default();
        {
            let mut state = self.intake.data.state.write();
            state.epoch += 1;
            let entries = Arc::clone(&entries);
            state.ahead.push_back(Ahead { changes, entries });
        }
        self.swept(committer, &Step::default());
        self.publish(entries);
        notifier.tell(results.into_iter().flatten().map(Done::Late).collect())
    }

    /// Makes the name of a rewritten file durable, where that could not be done at once.
    fn sync_name(&self) -> Result<(), OpenError> {
        let mut unsynced = self.intake.data.unsynced.lock();
        if let Some(name) = &*unsynced {
            sync_folder(name).map_err(OpenError::Io)?;
            *unsynced = None;
        }
        Ok(())
    }

    /// Opens the database anew, or lets its held-back writes through. Returns whether the batch in
    /// doubt is on disk.
    fn reopen(
        &self,
        committer: &mut Committer,
        in_doubt: Option<&InDoubt>,
    ) -> Result<bool, OpenError> {
        self.sync_name()?;
        // What is read from now on is what the disk has.
        self.intake.data.tail.write().clear();
        let mut place = self.intake.data.database.write();
        let opened = match place.take() {
            Some(opened) if opened.is_holding() => opened,
            broken => {
                broken.inspect(Opened::give_up);
                let medium = self.intake.data.medium();
                medium.forget_cache();
                open_database(&medium, self.options.page_cache)?
            }
        };
        let released = opened.release();
        let db = Arc::clone(&opened.db);
        // Held back or not, it can be read.
        *place = Some(opened);
        drop(place);
        released.map_err(OpenError::Io)?;
        self.intake.data.clear_suspicion();
        // The era of a transaction that failed may be on disk or not; and the disk may have lost
        // what it confirmed.
        self.intake.data.cursor_keys.set(eras::read(&db)?);
        committer.renewal = Renewal::default();
        // So may the notes of what a transaction erased, and of what time it was.
        self.intake.erased.lock().reopened(schema::erased(&db)?);
        self.intake.clock.noted(None);
        // What was judged may have begun its transaction with the handle before.
        self.intake.data.state.write().epoch += 1;
        let stored = last_entry(&db)?;
        let known = self.intake.data.state.read().last_entry;
        let is_stored = match in_doubt {
            Some(in_doubt) if in_doubt.changes.last_entry > known => {
                stored == in_doubt.changes.last_entry
            }
            Some(in_doubt) => in_doubt.changes.rows.are_in(&db)?,
            None => false,
        };
        let expected = in_doubt
            .filter(|_| is_stored)
            .map_or(known, |in_doubt| in_doubt.changes.last_entry);
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
            state.people.files.go_on_with(&place.people.files);
            let subscriptions = &mut state.people.subscriptions;
            subscriptions.go_on_with(&place.people.subscriptions);
            *place = state;
            committer.sweep = sweep;
            *self.client_ids.lock() = client_ids;
            return Ok(false);
        }
        Ok(is_stored)
    }
}

impl WriteFailure {
    pub(super) fn broken(in_doubt: Option<Box<InDoubt>>, wait: Duration) -> Self {
        Self::Broken {
            in_doubt,
            next: Instant::now(),
            wait,
        }
    }
}

impl Unconfirmed {
    /// Says it in the log, once, where it begins.
    pub(super) fn report(self, changes: usize, retry_after: Duration) -> WriteFailure {
        match self {
            Self::NoRoom => {
                tracing::error!(
                    changes,
                    "the disk is full: less than {} MiB are free, which are left so; nothing is written until there is more",
                    RESERVE_BYTES >> 20
                );
                WriteFailure::NoRoom
            }
            Self::Broken(error, in_doubt) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    changes,
                    "the data file refused a transaction; nothing of it is confirmed"
                );
                WriteFailure::broken(in_doubt, retry_after)
            }
        }
    }
}

/// The newest entry of the log; 0 where there is none.
fn last_entry(db: &Database) -> Result<u64, StoreError> {
    Log::open(&db.begin_read()?)?.last()
}
