//! Why a change or a query failed.

use std::sync::Arc;

use redb::{DatabaseError, StorageError};

use crate::store::files::refusal::FileRefusal;
use crate::store::people::hooks::refusal::HookRefusal;
use crate::store::people::refusal::{InviteRefusal, KeyRefusal, PeopleRefusal, ReportRefusal};
use crate::store::room_act::RoomRefusal;
use crate::store::talk::refusal::{ContactRefusal, TalkRefusal};

/// Why a change or a query came to nothing: it is refused, for a reason of the room of the store
/// that decides it, or it failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// An act of talk is refused.
    #[error(transparent)]
    Talk(#[from] TalkRefusal),
    /// A person may not write to another, or not block them.
    #[error(transparent)]
    Contact(#[from] ContactRefusal),
    /// An act in or on a room is refused.
    #[error(transparent)]
    Room(#[from] RoomRefusal),
    /// A change of an account is refused.
    #[error(transparent)]
    People(#[from] PeopleRefusal),
    /// A change of bots and keys is refused.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// An invite is not made, or not used.
    #[error(transparent)]
    Invite(#[from] InviteRefusal),
    /// A report is not filed, or not closed.
    #[error(transparent)]
    Report(#[from] ReportRefusal),
    /// A change of a hook is refused.
    #[error(transparent)]
    Hook(#[from] HookRefusal),
    /// An act on a file is refused.
    #[error(transparent)]
    File(#[from] FileRefusal),
    /// The queue of the writer is full: try again shortly.
    #[error("too many changes are waiting to be written")]
    Busy,
    /// No more ids below 2^53, or as many rows as there may be of a kind.
    #[error("there is no place for more")]
    Full,
    /// The disk refused, or the store is closing; whether the change was stored is not known.
    #[error("the store cannot write")]
    Unavailable,
    /// A record that is absent or whose checksum is wrong.
    #[error("record {key} of table {table} is missing or damaged")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The record's key.
        key: u64,
    },
    /// redb failed.
    #[error("the database failed")]
    Database(#[source] Arc<redb::Error>),
}

impl StoreError {
    /// What the operating system refused with, where it was that which refused.
    pub fn refusal(&self) -> Option<std::io::ErrorKind> {
        match self {
            Self::Database(error) => match &**error {
                redb::Error::Io(error) => Some(error.kind()),
                _ => None,
            },
            _ => None,
        }
    }

    /// For tests: what the operating system refused with this.
    #[cfg(test)]
    pub(crate) fn refused(kind: std::io::ErrorKind) -> Self {
        StorageError::Io(kind.into()).into()
    }
}

/// Every error of redb becomes the same variant: nobody acts on the differences.
macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Arc::new(error.into()))
            }
        })*
    };
}
from_redb!(
    StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::CursorError,
    DatabaseError
);

/// Why a query, or the judging of a change, came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// Memory does not have the answer, and the disk was not to be read. Asked again with the disk,
    /// it comes to something.
    #[error("the answer is on the disk")]
    NeedsDisk,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// Every refusal ends what judges a change, or answers a query.
macro_rules! from_refusals {
    ($($refusal:ty),*) => {
        $(impl From<$refusal> for ReadError {
            fn from(refusal: $refusal) -> Self {
                Self::Failed(refusal.into())
            }
        })*
    };
}
from_refusals!(
    TalkRefusal,
    ContactRefusal,
    RoomRefusal,
    PeopleRefusal,
    KeyRefusal,
    InviteRefusal,
    ReportRefusal,
    HookRefusal,
    FileRefusal
);

impl ReadError {
    /// Returns the error of one who could read the disk, and so is never told to.
    pub(crate) fn with_disk(self) -> StoreError {
        match self {
            Self::NeedsDisk => StoreError::Unavailable,
            Self::Failed(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every answer of the writer and every query carries one.
    #[test]
    fn a_refusal_makes_no_result_larger_than_what_is_said_of_damage_does() {
        assert_eq!(size_of::<StoreError>(), 32);
        assert_eq!(size_of::<ReadError>(), 32);
    }
}
