//! Why talk is refused.

use crate::model::{ContentError, MAX_ATTACHMENTS};
use crate::store::{
    ContactRefusal, FileRefusal, InviteRefusal, PeopleRefusal, RoomRefusal, StoreError, TalkRefusal,
};

use super::rooms::{MAX_SEEN_MEMBERS, RoomFieldError};

/// Why a verb of talk failed. The text is for the developer of a client, whose program gets the
/// code that `contract` gives each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// The content cannot be sent.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A message to oneself.
    #[error("receiver_id must be another user")]
    InvalidReceiver,
    /// A chat with oneself.
    #[error("user_id must be another user")]
    OwnChat,
    /// One may not write to the other, or not block them.
    #[error(transparent)]
    Contact(#[from] ContactRefusal),
    /// No account has this id.
    #[error("no such user")]
    NoSuchUser,
    /// No message has this id, or the caller is no part of it.
    #[error("no such message")]
    NoSuchMessage,
    /// A message names a file that is not there, not whole, not the sender's, or sent already.
    #[error("no such file, or it is not whole, or was sent already")]
    NoSuchFile,
    /// A message names more files than it may.
    #[error("attachments must name at most {MAX_ATTACHMENTS} files")]
    TooManyFiles,
    /// Only its receiver may mark a message read.
    #[error("only its receiver may mark a message read")]
    NotReceiver,
    /// An act in or on a room is refused.
    #[error(transparent)]
    Room(#[from] RoomRefusal),
    /// A text or a list of a room cannot be taken.
    #[error(transparent)]
    RoomField(#[from] RoomFieldError),
    /// No invite has this code, or it leads into no room any more.
    #[error("no such invite, or it is used up or expired")]
    InvalidInvite,
    /// As many invites are kept as may be.
    #[error("there are too many invites: wait until some have expired, or have some revoked")]
    TooManyInvites,
    /// The room has too many members for that.
    #[error("the room has more than {MAX_SEEN_MEMBERS} members")]
    LargeRoom,
    /// Only its sender may change a message.
    #[error("only its sender may edit a message, and only they or an admin of its room delete it")]
    NotSender,
    /// The message was sent too long ago.
    #[error("the message is too old to be edited")]
    EditWindowOver,
    /// The message has as many kinds of reaction as it may have.
    #[error("a message has at most 20 kinds of reaction, and 10 of one person")]
    TooManyReactions,
    /// The client id stands for another message.
    #[error("client_id was used for a message with another receiver or content")]
    ClientIdReused,
    /// The cursor is none of the caller's, or too much has happened since, or too long ago.
    #[error("the cursor is not known any more: read recents and history afresh")]
    CursorExpired,
    /// The server has more to write than it can: try again in a second.
    #[error("the server is busy, try again shortly")]
    Busy,
    /// The disk refused.
    #[error("the message store cannot write now; try again with the same client_id")]
    Unavailable,
    /// Our mistake.
    #[error("internal error")]
    Internal,
}

impl From<TalkRefusal> for ChatError {
    fn from(refusal: TalkRefusal) -> Self {
        match refusal {
            TalkRefusal::NoSuchMessage => Self::NoSuchMessage,
            TalkRefusal::NotReceiver => Self::NotReceiver,
            TalkRefusal::NotSender => Self::NotSender,
            TalkRefusal::EditWindowOver => Self::EditWindowOver,
            TalkRefusal::TooManyReactions => Self::TooManyReactions,
            TalkRefusal::SamePerson => Self::InvalidReceiver,
            TalkRefusal::ClientIdReused => Self::ClientIdReused,
        }
    }
}

impl From<StoreError> for ChatError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Talk(refusal) => refusal.into(),
            StoreError::Contact(refusal) => refusal.into(),
            StoreError::Room(refusal) => refusal.into(),
            StoreError::People(PeopleRefusal::NoSuchUser) => Self::NoSuchUser,
            StoreError::Invite(InviteRefusal::InvalidInvite) => Self::InvalidInvite,
            StoreError::Invite(InviteRefusal::TooManyInvites) => Self::TooManyInvites,
            StoreError::File(FileRefusal::NoSuchFile) => Self::NoSuchFile,
            StoreError::Busy => Self::Busy,
            StoreError::Unavailable | StoreError::Full => Self::Unavailable,
            error @ (StoreError::Damaged { .. } | StoreError::Database(_)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store failed a request"
                );
                Self::Unavailable
            }
            // Talk asks for no change of accounts, keys, reports and hooks.
            StoreError::People(
                PeopleRefusal::UsernameTaken
                | PeopleRefusal::LastAdmin
                | PeopleRefusal::MadeHere
                | PeopleRefusal::Revoked
                | PeopleRefusal::NotFirst
                | PeopleRefusal::NoPassword
                | PeopleRefusal::InvalidCode,
            )
            | StoreError::Key(_)
            | StoreError::Report(_)
            | StoreError::Hook(_) => Self::Internal,
        }
    }
}
