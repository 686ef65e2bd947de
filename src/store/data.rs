//! The open data file, and what stands in memory of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use redb::Database;

use crate::model::{CursorKeys, Timestamp};
use crate::store::disk::medium::Medium;
use crate::store::disk::open::Opened;
use crate::store::error::StoreError;
use crate::store::log::tail::Tail;
use crate::store::state::State;

/// What the writer changes and readers read.
pub(crate) struct Data {
    /// What the database lies on: another one, once the file was rewritten.
    medium: RwLock<Arc<dyn Medium>>,
    /// `None` while it cannot be opened at all.
    pub(crate) database: RwLock<Option<Opened>>,
    pub(crate) state: RwLock<State>,
    pub(crate) tail: RwLock<Tail>,
    pub(crate) cursor_keys: CursorKeys,
    pub(crate) tokens_from: Option<Timestamp>,
    /// A reader met an error after which redb refuses everything.
    pub(crate) suspect: AtomicBool,
    /// The file whose name a power cut may still undo, where there is one.
    pub(crate) unsynced: Mutex<Option<PathBuf>>,
}

impl Data {
    /// What was opened on a medium, and what was read of it.
    pub(crate) fn new(
        medium: Arc<dyn Medium>,
        opened: Opened,
        state: State,
        tail: Tail,
        (cursor_keys, tokens_from): (CursorKeys, Option<Timestamp>),
    ) -> Self {
        Self {
            medium: RwLock::new(medium),
            database: RwLock::new(Some(opened)),
            state: RwLock::new(state),
            tail: RwLock::new(tail),
            cursor_keys,
            tokens_from,
            suspect: AtomicBool::new(false),
            unsynced: Mutex::default(),
        }
    }

    /// Returns the database as it was opened last.
    pub(crate) fn database(&self) -> Result<Arc<Database>, StoreError> {
        let place = self.database.read();
        let opened = place.as_ref().ok_or(StoreError::Unavailable)?;
        Ok(Arc::clone(&opened.db))
    }

    /// Returns what the database lies on.
    pub(crate) fn medium(&self) -> Arc<dyn Medium> {
        Arc::clone(&self.medium.read())
    }

    /// Puts another database, on a medium of its own, in the place of this one. Gives this one
    /// back; `None` where it is closed, or cannot be opened: then nothing changes.
    pub(crate) fn replace(&self, opened: Opened, medium: Arc<dyn Medium>) -> Option<Opened> {
        let mut place = self.database.write();
        let old = place.take()?;
        *place = Some(opened);
        *self.medium.write() = medium;
        Some(old)
    }

    /// Returns whether the medium can store this many more bytes.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.medium.read().free().is_none_or(|free| free >= bytes)
    }

    /// Returns whether a reader met such an error since the database was last opened.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    /// Notes that the database was opened anew.
    pub(crate) fn clear_suspicion(&self) {
        self.suspect.store(false, Ordering::Release);
    }

    /// Closes the database, and lets others open the file.
    pub(crate) fn close(&self) {
        let opened = self.database.write().take();
        match opened.map(Opened::close) {
            // Whatever still holds this, such as a task that was told to end and has not yet: the
            // next process that opens the file need not wait for it.
            Some(Ok(true)) => self.medium.read().unlock(),
            Some(Err(error)) => {
                tracing::warn!(%error, "the data file could not be closed; the next start checks it");
            }
            Some(Ok(false)) | None => {}
        }
    }
}
