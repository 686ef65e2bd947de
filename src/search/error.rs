//! Why a search came to nothing.

use crate::chat::ChatError;

/// Why a search came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The index is being made.
    #[error("what was said is being indexed, try again later")]
    Indexing {
        /// How far that is, from 0 to 1.
        progress: f64,
    },
    /// Others wait already.
    #[error("too many are searching, try again shortly")]
    Busy,
    /// The chats could not be read, or are not the caller's.
    #[error(transparent)]
    Chat(#[from] ChatError),
}
