//! Why work on a data file failed.

use std::io;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::store::disk::error::OpenError;
use crate::store::disk::holder::Holder;
use crate::store::error::StoreError;

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
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
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
