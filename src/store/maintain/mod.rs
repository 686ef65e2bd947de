//! What is done to a data file as a whole: checked, copied, compacted, restored, exported,
//! imported.
//!
//! All but [`Store::backup`](super::Store::backup) work on a file that no server has open, and lock
//! it meanwhile. A file that is only looked at is not changed by a byte: what redb would repair in
//! it is repaired in memory (`medium.rs`). A file that is made has a temporary name beside its own
//! ([`Partial`]) until it is whole and on disk.

pub(super) mod check;
pub(super) mod copy;
pub(super) mod derive;
mod export;
mod export_people;
mod export_rooms;
mod file;
mod files;
mod follow;
pub(super) mod import;
mod import_rooms;
mod lines;
mod live;
mod replace;
pub(super) mod rewrite;
pub(super) mod rewrites;
mod undone;

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod room_damage;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::Database;

pub use check::{Finding, Report, check, check_partial};
use copy::{Copying, STEP_BYTES};
pub use export::{export, export_partial};
pub use file::Partial;
pub(super) use file::clear_leftovers;
pub use files::{files_of, files_of_partial};
pub use import::{Imported, Judging, import};
pub use live::Backup;
pub(super) use live::Backups;
pub use replace::{Compacted, Restored, backup, backup_aside, compact, restore, restore_from};
pub(super) use rewrites::Rewrites;
pub use undone::{Ids, Undone};

use crate::store::disk::error::OpenError;
use crate::store::disk::guard::guarded;
use crate::store::disk::holder::Holder;
use crate::store::disk::medium::{Backend, LockedFile, Medium};
use crate::store::disk::open::open_on_backend;
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::options::page_cache_of_command;

/// How often a long read of pages says how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// How often redb reads a file that it verifies.
const SCANS: u64 = 3;

/// How much more ready to give way than a server is whoever makes, fetches or checks a backup
/// beside it (`nice`).
pub const NICE: i32 = 10;

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, as a word on a progress bar: `reading pages`.
    pub what: &'static str,
    /// So much is done.
    pub done: u64,
    /// Of so much, as far as that is known.
    pub total: u64,
    /// What is counted.
    pub unit: Unit,
}

/// What a [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Records of a table, or lines.
    Records,
}

/// Told of progress, some ten times a second and on the thread of the caller.
pub type Watch<'a> = &'a mut dyn FnMut(Progress);

/// How much a data file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Conversations with at least one message.
    pub conversations: u64,
    /// Entries of the log: messages and read marks.
    pub entries: u64,
}

impl Counts {
    /// Whether there is nothing that anybody could miss.
    pub fn is_empty(&self) -> bool {
        self.accounts == 0 && self.entries == 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accounts, {} conversations, {} messages and read marks",
            self.accounts, self.conversations, self.entries
        )
    }
}

/// Why a data file could not be worked on. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MaintainError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be read, or the new one not be written.
    #[error("the data file cannot be read or written: chatd check says what is wrong")]
    Store(#[from] StoreError),
    /// What was to be made is there already.
    #[error("{} exists already: give another name, or move it away", .0.display())]
    Exists(PathBuf),
    /// An import is for a new data file, and this one holds something.
    #[error("{} holds data already: give another --data", .0.display())]
    HasData(PathBuf),
    /// A backup cannot take its own place.
    #[error("{} is the data file itself: give a backup", .0.display())]
    SameFile(PathBuf),
    /// What was to be restored is another process's, such as a server's data file.
    #[error("{} is in use by {holder}: make a backup of it, as by chatd backup, and give that", path.display())]
    BackupInUse {
        /// Which file.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// What was to be restored is a file of something else.
    #[error("{} is no data file of chatd: give a backup", .0.display())]
    Foreign(PathBuf),
    /// It holds no account and no message.
    #[error("{} holds no data: give another file", .0.display())]
    Empty(PathBuf),
    /// It is damaged; nothing was replaced by it.
    #[error(
        "{} is damaged ({findings} findings, the first: {first}): use another copy",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How many findings there are.
        findings: u64,
        /// The first of them.
        first: Box<Finding>,
    },
    /// A copy has not as many records as the file.
    #[error("the copy is not complete: the data file is as it was, chatd check says what is wrong")]
    Incomplete,
    /// It has a table that this program does not know.
    #[error("the data file has a table {0:?} that this chatd does not know: use a newer chatd")]
    UnknownTable(String),
    /// The disk that the copy is for is nearly full.
    #[error("the disk is nearly full: make room, or give a name on another disk")]
    NoRoom,
    /// A copy could not be written.
    #[error("the copy cannot be written")]
    Write(#[from] io::Error),
    /// What is imported could not be read.
    #[error("the lines cannot be read")]
    Read(#[source] io::Error),
    /// A line of what is imported is none that a chatd exports; nothing was made.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Whoever wanted it went away.
    #[error("it was given up")]
    GivenUp,
    /// The operating system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// Of which file.
        path: PathBuf,
        /// Its reason.
        #[source]
        error: io::Error,
    },
}

impl MaintainError {
    /// For `map_err`: which file refused what.
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { what, path, error }
    }
}

/// Errors of redb by way of the store's.
macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for MaintainError {
            fn from(error: $error) -> Self {
                Self::Store(error.into())
            }
        })*
    };
}
from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::CursorError,
    redb::DatabaseError
);

/// A data file that is looked at, and not changed by a byte.
struct Source {
    db: Arc<Database>,
    backend: Backend,
}

impl Source {
    /// Opens what lies on a medium; where it is to `verify`, after every page was read and found to
    /// be right. Of an earlier format, it is migrated in memory, but for its log, which may be
    /// larger than that. `None` for a file with nothing in it.
    fn open(
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
    fn of_file(path: &Path, verify: bool, watch: Watch<'_>) -> Result<Self, MaintainError> {
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
fn guard<R>(work: impl FnOnce() -> Result<R, MaintainError>) -> Result<R, MaintainError> {
    guarded(work).unwrap_or_else(|panic| Err(OpenError::Damaged(panic).into()))
}

fn is_timeout(error: std::sync::mpsc::RecvTimeoutError) -> bool {
    error == std::sync::mpsc::RecvTimeoutError::Timeout
}
