//! The rewrites of an open store's file: one at a time, beside its readers and its writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::copy::RESERVE_BYTES;
use super::live::{Copier, GiveUp, beside_writer};
use super::replace::Compacted;
use super::rewrite::{Left, Ready, Rewriting, Step};
use super::{MaintainError, Partial};
use crate::metrics::StoreMetrics;
use crate::store::error::StoreError;
use crate::store::write::writer::Writer;

/// The rewrites of one store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rewrites {
    turns: Arc<Semaphore>,
    copier: Arc<Mutex<Option<Copier>>>,
    lacks_room: Arc<AtomicBool>,
    metrics: StoreMetrics,
    /// The data file; `None` where the data is in memory.
    path: Option<Arc<Path>>,
}

/// A new file that waits for the place of the old one.
pub(crate) struct Waiting {
    ready: Ready,
    partial: Partial,
    before: u64,
}

impl Rewrites {
    /// Those of the file at this path.
    pub(crate) fn of(path: Option<PathBuf>, metrics: StoreMetrics) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(1)),
            copier: Arc::default(),
            lacks_room: Arc::default(),
            metrics,
            path: path.map(Into::into),
        }
    }

    /// Whether the last one could not begin, since the disk has no room for the file once more.
    pub(crate) fn lack_room(&self) -> bool {
        self.lacks_room.load(Ordering::Relaxed)
    }

    /// Rewrites the file. Fails with [`MaintainError::NoRoom`] where the disk has no room for it
    /// once more, and leaves everything as it was wherever it fails. Does nothing where there is
    /// no file.
    pub(crate) async fn make(&self, writer: &Arc<Writer>) -> Result<Compacted, MaintainError> {
        let made = self.try_make(writer).await;
        let outcome = match &made {
            Ok(_) => "done",
            Err(MaintainError::NoRoom) => "no_room",
            Err(_) => "failed",
        };
        self.lacks_room
            .store(outcome == "no_room", Ordering::Relaxed);
        self.metrics.rewritten(outcome);
        if let Err(MaintainError::Store(StoreError::Database(_))) = &made {
            writer.intake().suspect();
        }
        made
    }

    async fn try_make(&self, writer: &Arc<Writer>) -> Result<Compacted, MaintainError> {
        let Some(path) = self.path.clone() else {
            let (before, after) = (0, 0);
            return Ok(Compacted { before, after });
        };
        let turn = self.turns.try_acquire();
        let _turn = turn.map_err(|_| MaintainError::Store(StoreError::Busy))?;
        let given_up = Arc::new(AtomicBool::new(false));
        let _give_up = GiveUp(Arc::clone(&given_up));
        let (own, metrics) = (Arc::clone(writer), self.metrics.clone());
        let waiting = self.aside(&given_up, move |given_up| {
            copy(&own, &path, metrics, given_up, &mut |_| {})
        });
        let waiting = waiting.await??;
        // At the pace of the server, since the writer waits for it.
        let taken = tokio::task::spawn_blocking(move || waiting.take_place(&mut |_| {}));
        // redb panics on some damaged pages.
        let taken = taken.await.map_err(|_| StoreError::Unavailable)?;
        let (left, compacted) = taken?;
        let let_go = self.aside(&given_up, move |given_up| left.let_go(given_up));
        let_go.await?;
        Ok(compacted)
    }

    /// Does work on a thread of its own, which gives way to those of the server.
    async fn aside<R: Send + 'static>(
        &self,
        given_up: &Arc<AtomicBool>,
        work: impl FnOnce(&AtomicBool) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let given_up = Arc::clone(given_up);
        let is_given_up = Arc::clone(&given_up);
        let (done, thread) = beside_writer(move || work(&is_given_up));
        *self.copier.lock() = thread.map(|thread| Copier { given_up, thread });
        // It panicked, or there was no thread.
        done.await.map_err(|_| StoreError::Unavailable)
    }

    /// Has the rewriting end, and waits for that, before the database is closed.
    pub(crate) fn end(&self) {
        let copier = self.copier.lock().take();
        if let Some(copier) = copier {
            copier.end();
        }
    }
}

/// Copies the file at this path beside its writer.
pub(crate) fn copy(
    writer: &Arc<Writer>,
    path: &Path,
    metrics: StoreMetrics,
    given_up: &AtomicBool,
    told: &mut dyn FnMut(Step),
) -> Result<Waiting, MaintainError> {
    // A link stays one; what it leads to is replaced.
    let path = std::fs::canonicalize(path).map_err(MaintainError::io("find", path))?;
    let medium = writer.intake().data.medium();
    let before = medium.len()?;
    let needed = before.saturating_add(RESERVE_BYTES);
    if medium.free().is_some_and(|free| free < needed) {
        return Err(MaintainError::NoRoom);
    }
    let partial = Partial::create(&path)?.counted(metrics);
    let rewriting = Rewriting::begin(writer)?;
    let ready = rewriting.copy_to(partial.medium(), given_up, told)?;
    partial.take_after_old()?;
    Ok(Waiting {
        ready,
        partial,
        before,
    })
}

impl Waiting {
    pub(crate) fn take_place(
        self,
        told: &mut dyn FnMut(Step),
    ) -> Result<(Left, Compacted), MaintainError> {
        let Self {
            ready,
            partial,
            before,
        } = self;
        let after = partial.medium().len()?;
        let left = ready.take_place(told, || partial.take_name())?;
        Ok((left, Compacted { before, after }))
    }
}
