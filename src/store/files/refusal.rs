//! Why an act on a file is refused.

/// Why an act on a file is refused, or an act that names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    /// No file has this id, or it is not the caller's, not whole, or hangs on a message already.
    #[error("no such file, or it is not whole, or was sent already")]
    NoSuchFile,
}
