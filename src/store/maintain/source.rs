//! A data file that is read as it is: by a check, a copy, an export.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::Database;

use super::{MaintainError, Progress, Unit, Watch};
use crate::store::disk::error::OpenError;
use crate::store::disk::guard::guarded;
use crate::store::disk::medium::{Backend, LockedFile, Medium};
use crate::store::disk::open::open_on_backend;
use crate::store::disk::schema;
use crate::store::options::page_cache_of_command;

/// How often a long read of pages says how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// How often redb reads a file that it verifies.
const SCANS: u64 = 3;

/// A data file that is looked at, and not changed by a byte.
pub(super) struct Source {
    pub(super) db: Arc<Database>,
    pub(super) backend: Backend,
}

impl Source {
    /// Opens what lies on a medium; where it is to `verify`, after every page was read and found to
    /// be right. Of an earlier format, it is migrated in memory, but for its log, which may be
    /// larger than that. `None` for a file with nothing in it.
    pub(super) fn open(
        medium: Arc<dyn Medium>,
        verify: bool,
        watch: Watch<'_>,
    ) -> Result<Option<Self>, OpenError> {
        let backend = Backend::holding(medium).map_err(OpenError::Io)?;
        let total = backend.len_in_bytes();
        let db = std::thread::scope(|scope| {
            let (ended, end) = std::sync::mpsc::channel::<()>();
            let opening = scope.spawn(|| {
                let result = open_on_backend(&backend, verify, page_cache_of_command());
                drop(ended);
                result
            });
            while end.recv_timeout(TOLD_EVERY).is_err_and(is_timeout) {
                watch(Progress {
                    what: "reading pages",
                    done: (backend.bytes_read() / SCANS).min(total),
                    total,
                    unit: Unit::Bytes,
                });
            }
            let opened = opening.join();
            opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        let source = Self {
            db: Arc::new(db),
            backend,
        };
        let preparing = guarded(|| {
            let found = schema::format(&source.db)?;
            if found.is_some() {
                schema::prepare(&source.db, found)?;
            }
            Ok::<_, OpenError>(found.is_some())
        });
        match preparing {
            Ok(prepared) => Ok(prepared?.then_some(source)),
            Err(panic) => {
                source.forget();
                Err(panic.into())
            }
        }
    }

    /// Never closes the database: what it holds after a panic is half changed, and closing it might
    /// panic again, which in the midst of a panic would end the process.
    fn forget(&self) {
        std::mem::forget(Arc::clone(&self.db));
    }

    /// A stopped server's file. Fails where a server has it, and where there is nothing in it.
    pub(super) fn of_file(
        path: &Path,
        verify: bool,
        watch: Watch<'_>,
    ) -> Result<Self, MaintainError> {
        let medium = Arc::new(LockedFile::open_to_read(path)?);
        Self::open(medium, verify, watch)?.ok_or_else(|| MaintainError::Empty(path.to_owned()))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.backend.give_up();
        if std::thread::panicking() {
            self.forget();
        }
    }
}

/// Work on a file that may be damaged.
pub(super) fn guard<R>(
    work: impl FnOnce() -> Result<R, MaintainError>,
) -> Result<R, MaintainError> {
    guarded(work).unwrap_or_else(|panic| Err(OpenError::Damaged(panic).into()))
}

fn is_timeout(error: std::sync::mpsc::RecvTimeoutError) -> bool {
    error == std::sync::mpsc::RecvTimeoutError::Timeout
}
