//! Why talk is refused, and talk between two people.

/// Why an act of talk is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TalkRefusal {
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
}

/// Why a person may not write to another, or not block them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactRefusal {
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
}
