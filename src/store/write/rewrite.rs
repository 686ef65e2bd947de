//! What a rewrite of the data file asks of the writer: to go on while the file is copied, to write
//! nothing of what is derived for the last seconds of that, and to pause for the moment in which
//! the new file takes the place of the old one.
//!
//! A rewrite holds upon one epoch: where a commit failed meanwhile, or the database was opened
//! anew, what was copied may not be what the disk has, and the rewrite is given up.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::MutexGuard;
use redb::Database;

use super::mend::WriteFailure;
use super::writer::{Committer, Notifier, Writer};
use crate::model::Timestamp;
use crate::store::disk::medium::Medium;
use crate::store::disk::open::Opened;
use crate::store::error::StoreError;

/// The writer at rest: everything that was committed is published, and nothing else is committed
/// for as long as this is there.
pub(crate) struct Pause<'a> {
    writer: &'a Writer,
    committer: MutexGuard<'a, Committer>,
    _notifier: MutexGuard<'a, Notifier>,
}

impl Writer {
    /// A rewrite begins: nothing that was erased before this comes into the new file. Returns the
    /// epoch upon which it holds; `None` where the disk takes no transactions, or the store is
    /// closed.
    pub(crate) fn begin_rewrite(&self) -> Option<u64> {
        let committer = self.committer.lock();
        if committer.failure.is_some() || committer.is_finished {
            return None;
        }
        self.intake.erased.lock().begin();
        Some(self.intake.data.state.read().epoch)
    }

    /// Writes nothing of what is derived from now on, until the rewrite ends.
    pub(crate) fn hold_checkpoint(&self) {
        self.committer.lock().sweep.hold(true);
    }

    /// The rewrite ends, and the file is the old one.
    pub(crate) fn give_rewrite_up(&self) {
        let mut committer = self.committer.lock();
        committer.sweep.hold(false);
        self.intake.erased.lock().give_up();
    }

    /// Comes to rest, once what is under way is committed, published and told. `None` where the
    /// rewrite that began in this epoch no longer holds.
    pub(crate) fn pause(&self, epoch: u64) -> Option<Pause<'_>> {
        let committer = self.committer.lock();
        let notifier = self.notifier.lock();
        let holds = committer.failure.is_none()
            && !committer.is_finished
            && !self.intake.queue.is_halted()
            && self.intake.data.state.read().epoch == epoch;
        holds.then_some(Pause {
            writer: self,
            committer,
            _notifier: notifier,
        })
    }
}

impl Pause<'_> {
    /// Returns the database that is to be replaced.
    pub(crate) fn database(&self) -> Result<Arc<Database>, StoreError> {
        self.writer.intake.data.database()
    }

    /// Returns what the new file is to note as erased and there still.
    pub(crate) fn erased(&self) -> Option<Timestamp> {
        self.writer.intake.erased.lock().since_begin()
    }

    /// Goes on with a database that has everything that this one has, and returns this one. Where
    /// the new file has its name but the folder of it could not be synced, nothing is confirmed
    /// until that has been done.
    pub(crate) fn take_over(
        mut self,
        opened: Opened,
        medium: Arc<dyn Medium>,
        unsynced: Option<PathBuf>,
    ) -> Result<Opened, StoreError> {
        let intake = &self.writer.intake;
        let old = intake.data.replace(opened, medium);
        let old = old.ok_or(StoreError::Unavailable)?;
        // What was judged beside the copy may have begun its transaction with the old database.
        intake.data.state.write().epoch += 1;
        intake.erased.lock().rewritten();
        self.committer.sweep.hold(false);
        if let Some(name) = unsynced {
            *intake.data.unsynced.lock() = Some(name);
            let failure = WriteFailure::broken(None, self.writer.options.retry_after);
            self.writer.fail(&mut self.committer, failure);
        }
        Ok(old)
    }
}
