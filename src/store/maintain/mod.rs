//! What is done to a data file as a whole: checked.
//!
//! A file is worked on while no server has it open, and is locked meanwhile. One that is only looked at is not changed
//! by a byte: what redb would repair in it is repaired in memory (`medium.rs`).

mod check;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redb::Database;

pub use check::{Finding, Report, check};

use super::medium::{Backend, Medium};
use super::{OpenError, StoreError, open_on_backend, schema};

/// How often a long read of pages says how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// How often redb reads a file that it verifies.
const SCANS: u64 = 3;

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
    /// It holds no account and no message.
    #[error("{} holds no data: give another file", .0.display())]
    Empty(PathBuf),
}

/// A data file that is looked at, and not changed by a byte.
struct Source {
    db: Arc<Database>,
    backend: Backend,
}

impl Source {
    /// Opens what lies on a medium; where it is to `verify`, after every page was read and found to be right. Of an
    /// earlier format, it is migrated in memory. `None` for a file with nothing in it.
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
                let result = open_on_backend(&backend, verify);
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
            // redb panics on some damaged pages.
            opening.join().unwrap_or_else(|_| {
                Err(OpenError::Damaged(StoreError::Damaged {
                    table: "meta",
                    key: 0,
                }))
            })
        })?;
        let source = Self {
            db: Arc::new(db),
            backend,
        };
        let Some(found) = schema::format(&source.db)? else {
            return Ok(None);
        };
        schema::prepare(&source.db, Some(found))?;
        Ok(Some(source))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.backend.give_up();
    }
}

fn is_timeout(error: std::sync::mpsc::RecvTimeoutError) -> bool {
    error == std::sync::mpsc::RecvTimeoutError::Timeout
}
