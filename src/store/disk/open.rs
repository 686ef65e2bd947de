//! Opening the database that lies on a medium.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, DatabaseError, StorageError};

use super::error::OpenError;
use super::guard::guarded;
use super::medium::{Backend, Medium};

/// How often the log says how far a long opening is.
pub(crate) const PROGRESS: Duration = Duration::from_secs(2);

/// One opening of the database.
pub(crate) struct Opened {
    pub(crate) db: Arc<Database>,
    backend: Backend,
}

impl Opened {
    /// Whether what it writes is held back in memory.
    pub(crate) fn is_holding(&self) -> bool {
        self.backend.is_holding()
    }

    pub(crate) fn release(&self) -> std::io::Result<()> {
        self.backend.release()
    }

    /// Closes the database, so that the next start need not check it. What was held back is lost.
    /// Returns `false` where a reader that is at work keeps it open for a moment longer; then it
    /// closes by itself. An error where the writer has ended by a panic within redb, whose locks
    /// are poisoned since.
    pub(crate) fn close(self) -> Result<bool, DatabaseError> {
        if self.is_holding() {
            self.give_up();
            return Ok(true);
        }
        match Arc::into_inner(self.db) {
            Some(db) => {
                let poisoned = || StorageError::LockPoisoned(Location::caller());
                let closed = guarded(|| db.close()).unwrap_or_else(|_| Err(poisoned().into()));
                closed.map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Lets the database go: it closes once nobody reads it any more. Returns what tells when that
    /// is so.
    pub(crate) fn leave(self) -> Backend {
        self.backend
    }

    /// Closes the database without another byte written.
    pub(crate) fn give_up(&self) {
        self.backend.give_up();
    }
}

/// Opens the database that lies on a medium, or makes one, with its writes held back. After an
/// unclean stop this reads the whole file and verifies every page.
pub(crate) fn open_database(
    medium: &Arc<dyn Medium>,
    page_cache: usize,
) -> Result<Opened, OpenError> {
    let backend = Backend::holding(Arc::clone(medium)).map_err(OpenError::Io)?;
    let db = with_progress(&backend, || open_on_backend(&backend, false, page_cache))?;
    Ok(Opened {
        db: Arc::new(db),
        backend,
    })
}

/// One opening; where it is to `verify`, every page is read and its checksum compared, however the
/// file was left.
pub(crate) fn open_on_backend(
    backend: &Backend,
    verify: bool,
    page_cache: usize,
) -> Result<Database, OpenError> {
    let mut builder = Database::builder();
    builder.set_cache_size(page_cache);
    builder.set_check_integrity_on_open(verify);
    guarded(|| builder.create_with_backend(backend.clone()))?.map_err(|error| match error {
        // redb says so of a file that does not begin as its own files do.
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            OpenError::Foreign
        }
        // The file ends before what it says it has.
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::UnexpectedEof =>
        {
            OpenError::Damaged(StorageError::Io(error).into())
        }
        DatabaseError::Storage(StorageError::Io(error)) => OpenError::Io(error),
        error => OpenError::Damaged(error.into()),
    })
}

/// Runs an opening; where it takes long, the log says how far it is.
fn with_progress<R>(backend: &Backend, open: impl FnOnce() -> R) -> R {
    let (ended, end) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = end.recv_timeout(PROGRESS) {
                tracing::info!(
                    read_mb = backend.bytes_read() >> 20,
                    file_mb = backend.len_in_bytes() >> 20,
                    "the data file was not closed; it is read whole, about twice, and checked"
                );
            }
        });
        let result = open();
        drop(ended);
        result
    })
}
