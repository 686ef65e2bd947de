//! Why a verb of files failed.

use std::io;

use crate::store::{FileRefusal, StoreError};

/// Why a verb of files failed. The text is for the developer of a client, whose program gets the
/// code that `contract` gives each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// No upload has this id, or it is not the caller's, or it was sent.
    #[error("no such upload")]
    NoSuchUpload,
    /// It has more bytes than a file may have.
    #[error("the file has {length} bytes, the limit is {most}")]
    TooLarge {
        /// The bytes that it has.
        length: u64,
        /// The bytes that it may have.
        most: u64,
    },
    /// There is no room for it.
    #[error(
        "there is no room for the file: all files, those of a day of yours, or the disk are at their limit"
    )]
    Quota,
    /// The upload is at another place.
    #[error("the upload is at byte {offset}")]
    Conflict {
        /// The bytes that are there.
        offset: u64,
    },
    /// The upload is not whole, or is whole already.
    #[error("the file is not at that stage")]
    WrongStage,
    /// The body ended, or stood still, before all of it was there.
    #[error("the body did not arrive: go on from where the upload is")]
    Incomplete,
    /// A preview of another type, or too large.
    #[error("a preview is a JPEG, PNG or WebP of at most {max_side} pixels on each side")]
    UnsuitablePreview {
        /// The pixels that a side may have.
        max_side: u32,
    },
    /// A picture of an account or a room that is of another type.
    #[error("a picture is a JPEG, PNG or WebP")]
    UnsuitablePicture,
    /// No account and no room has this picture, any more or at all.
    #[error("there is no such picture")]
    NoSuchPicture,
    /// The URL opens nothing, any more or at all.
    #[error("the URL has expired: ask for another by POST /api/files/urls")]
    UrlExpired,
    /// So much is under way: try again.
    #[error("too many uploads at once, try again shortly")]
    Busy,
    /// The disk refused.
    #[error("the files cannot be read or written now, try again")]
    Unavailable,
}

impl From<StoreError> for FileError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File(FileRefusal::NoSuchFile) => Self::NoSuchUpload,
            StoreError::Busy => Self::Busy,
            StoreError::Unavailable | StoreError::Full => Self::Unavailable,
            error => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store failed a request of files"
                );
                Self::Unavailable
            }
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Quota,
            _ => {
                tracing::error!(%error, "a file could not be read or written");
                Self::Unavailable
            }
        }
    }
}
