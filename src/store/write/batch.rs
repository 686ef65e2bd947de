//! A batch of changes on its way to the disk. Each step takes the type of the one before it, so
//! that none can be left out or taken twice.
//!
//! ```text
//! jobs -> Judged -> Begun -> InFlight -> Stored, or Unconfirmed, which may be InDoubt
//! ```

use std::sync::Arc;

use redb::WriteTransaction;

use super::staging::Staged;
use crate::store::change::Committed;
use crate::store::error::StoreError;
use crate::store::log::entries::Entries;
use crate::store::state::Changes;

/// What came of each change of a batch, in order.
pub(super) type Results = Vec<Result<Committed, StoreError>>;

/// Changes that are judged. Nothing of them is written.
pub(super) struct Judged {
    pub(super) staged: Staged,
    pub(super) results: Results,
}

/// A batch whose transaction has begun and has its entries. There is none where nothing is to be
/// written.
pub(super) struct Begun {
    pub(super) judged: Judged,
    pub(super) txn: Option<WriteTransaction>,
}

/// A batch whose changes are ahead in the state, so that the next ones are judged upon them.
pub(super) struct InFlight {
    /// The transaction, and its entries, which are ahead too; `None` where nothing is to be
    /// written.
    pub(super) write: Option<(WriteTransaction, Arc<Entries>)>,
    pub(super) results: Results,
}

/// A batch that is on disk.
pub(super) struct Stored {
    /// Its entries, which are to be published; `None` where there was nothing to be written.
    pub(super) entries: Option<Arc<Entries>>,
    pub(super) results: Results,
}

/// A batch whose commit failed, and which may be on disk all the same.
pub(super) struct InDoubt {
    pub(super) changes: Changes,
    pub(super) results: Results,
}

/// Why nothing of a batch may be confirmed.
pub(super) enum Unconfirmed {
    /// The disk is nearly full; nothing was tried.
    NoRoom,
    /// The database failed, and its handle with it.
    Broken(StoreError, Option<Box<InDoubt>>),
}

impl<E: Into<StoreError>> From<E> for Unconfirmed {
    fn from(error: E) -> Self {
        Self::Broken(error.into(), None)
    }
}

/// Why a transaction is not on disk, for certain or perhaps.
pub(super) enum Unwritten {
    Not(StoreError),
    MaybeWritten(StoreError),
}

impl<E: Into<StoreError>> From<E> for Unwritten {
    fn from(error: E) -> Self {
        Self::Not(error.into())
    }
}
