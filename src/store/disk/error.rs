//! Why a data file could not be opened.

use super::holder::Holder;
use crate::store::error::StoreError;

/// Why a data file could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data file is in use by {holder}: stop that one, or give this one another --data")]
    InUse {
        /// That process.
        holder: Holder,
    },
    /// A newer chatd wrote it.
    #[error(
        "the data file has format {found}, this chatd knows formats up to {known}: use a newer chatd"
    )]
    Newer {
        /// The file's format.
        found: u32,
        /// The newest format of this program.
        known: u32,
    },
    /// It is a file of something else.
    #[error("the data file is not one of chatd: give another --data")]
    Foreign,
    /// The path cannot be used.
    #[error("the data file cannot be opened: check the path and its permissions")]
    Io(#[source] std::io::Error),
    /// It is damaged.
    #[error("the data file is damaged: restore a backup")]
    Damaged(#[source] StoreError),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Damaged(error)
    }
}
