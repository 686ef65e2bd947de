//! Why a change or a query failed.

use std::sync::Arc;

use redb::{DatabaseError, StorageError};

use crate::store::room_act::RoomRefusal;

/// Why a change or a query failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No account has this id.
    #[error("no such user")]
    NoSuchUser,
    /// No message has this id, or the caller is no part of it.
    #[error("no such message")]
    NoSuchMessage,
    /// Only its receiver may mark a message read.
    #[error("only its receiver may mark a message read")]
    NotReceiver,
    /// Only its sender may change a message.
    #[error("only its sender may change a message")]
    NotSender,
    /// The message was sent too long ago to get another text.
    #[error("the message is too old to be edited")]
    EditWindowOver,
    /// The message has as many kinds of reaction as it may have, or as one person may put there.
    #[error("the message has as many reactions as it may have")]
    TooManyReactions,
    /// A conversation needs two people.
    #[error("a conversation needs two people")]
    SamePerson,
    /// The client id stands for another message.
    #[error("the client id was used for another message")]
    ClientIdReused,
    /// An act in or on a room is refused.
    #[error(transparent)]
    Room(#[from] RoomRefusal),
    /// Another account has this name.
    #[error("the username is taken")]
    UsernameTaken,
    /// Somebody must be left who may use the admin routes.
    #[error("the last enabled administrator stays one")]
    LastAdmin,
    /// No key has this number.
    #[error("no such key")]
    NoSuchKey,
    /// So many keys are kept.
    #[error("there are too many keys")]
    TooManyKeys,
    /// No hook has this number.
    #[error("no such hook")]
    NoSuchHook,
    /// So many hooks are kept.
    #[error("there are too many hooks")]
    TooManyHooks,
    /// No file has this id, or it is not the caller's, not whole, or hangs on a message already.
    #[error("no such file, or it is not whole, or was sent already")]
    NoSuchFile,
    /// So many bots are kept.
    #[error("there are too many bots")]
    TooManyBots,
    /// An app's backend means an account that was registered here.
    #[error("the account was registered here")]
    MadeHere,
    /// The account's tokens were revoked after the caller had shown theirs.
    #[error("the account's tokens were revoked meanwhile")]
    Revoked,
    /// No invite has this code, or it has expired or was used up.
    #[error("no such invite, or it is used up or expired")]
    InvalidInvite,
    /// So many invites are kept.
    #[error("there are too many invites")]
    TooManyInvites,
    /// The server is set up already, and this account was to do that.
    #[error("there is an account already")]
    NotFirst,
    /// The receiver takes nothing from this author: they are strangers, or the receiver has blocked
    /// them.
    #[error("this person takes no messages from you")]
    NotAccepted,
    /// The author has blocked the receiver.
    #[error("you have blocked this person: unblock them first")]
    Blocking,
    /// So many people are blocked by one.
    #[error("so many people are blocked already")]
    TooManyBlocks,
    /// The account has no password, and is not to have one.
    #[error("the account has no password")]
    NoPassword,
    /// No link has this code, or it is over or was used.
    #[error("no such code, or it is used up or too old")]
    InvalidCode,
    /// No open report has this number.
    #[error("no such report")]
    NoSuchReport,
    /// So many reports are open.
    #[error("there are too many open reports")]
    TooManyReports,
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

impl ReadError {
    /// Returns the error of one who could read the disk, and so is never told to.
    pub(crate) fn with_disk(self) -> StoreError {
        match self {
            Self::NeedsDisk => StoreError::Unavailable,
            Self::Failed(error) => error,
        }
    }
}
