//! What the writer is asked to do, and what came of it.

use std::sync::Arc;

use crate::model::{
    ChatRead, ClientId, Message, MessageId, MessageRead, Pair, Timestamp, User, UserId,
};
use crate::store::error::StoreError;
use crate::store::people::accounts::{NewUser, PutUser, UserChange};
use crate::store::people::invites::Invite;

/// A change to be written.
#[derive(Debug, Clone)]
pub enum Change {
    /// A message. Its content is checked already.
    Send {
        /// Whose it is.
        sender: UserId,
        /// Whom it is for.
        receiver: UserId,
        /// The text.
        content: Arc<str>,
        /// The sender's own name for it.
        client_id: Option<ClientId>,
    },
    /// One message was read.
    MarkRead {
        /// By whom.
        reader: UserId,
        /// Which.
        message: MessageId,
    },
    /// All messages of a peer were read, up to and including `up_to` where given.
    MarkChatRead {
        /// By whom.
        reader: UserId,
        /// Whose messages.
        peer: UserId,
        /// The last one that was read.
        up_to: Option<MessageId>,
    },
    /// A new account.
    CreateUser(NewUser),
    /// An account is to be another.
    ChangeUser {
        /// Whose.
        user: UserId,
        /// In what.
        change: UserChange,
    },
    /// An account with a given id.
    PutUser(PutUser),
    /// A new invite, of a code that no other has.
    CreateInvite(Invite),
    /// The invite of this code is to be no more.
    RevokeInvite(Arc<str>),
    /// An account's last socket closed.
    Seen {
        /// Whose.
        user: UserId,
        /// When.
        at: Timestamp,
    },
}

impl Change {
    /// Whose conversation it is about, where that can be told without reading.
    pub(crate) fn pair(&self) -> Option<Pair> {
        match self {
            Self::Send {
                sender, receiver, ..
            } => Pair::new(*sender, *receiver),
            Self::MarkChatRead { reader, peer, .. } => Pair::new(*reader, *peer),
            _ => None,
        }
    }
}

/// What a change came to, once it is on disk.
#[derive(Debug, Clone)]
pub enum Committed {
    /// A message is stored; it was already, under the same client id, unless it is `fresh`.
    Sent {
        /// The message.
        message: Message,
        /// Whether this change stored it.
        fresh: bool,
    },
    /// One message is read.
    Read(MessageRead),
    /// A chat is read.
    ChatRead(ChatRead),
    /// An account is as given here.
    User(Arc<User>),
    /// An invite is as given here.
    Invite(Invite),
    /// An invite is no more.
    InviteRevoked,
    /// An account that was put under its id is as given here.
    Put {
        /// The account.
        user: Arc<User>,
        /// Whether it was made now.
        created: bool,
    },
}

/// Called once with what became of a change.
pub type Answer = Box<dyn FnOnce(Result<Committed, StoreError>) + Send>;

/// How many batches may wait to be told; the writer waits beyond it.
pub const BATCHES: usize = 8;

/// A change that was decided, with whom to tell.
pub enum Done {
    /// Its answer is to be called with what became of it.
    Answered {
        /// What became of it.
        result: Result<Committed, StoreError>,
        /// Who asked.
        answer: Answer,
    },
    /// It was answered with [`StoreError::Unavailable`], and turned out to be on disk: those concerned are to hear of it.
    Late(Committed),
}

impl Done {
    /// Calls the answer; `late` where there is none any more.
    pub fn tell(self, late: impl FnOnce(Committed)) {
        match self {
            Self::Answered { result, answer } => answer(result),
            Self::Late(committed) => late(committed),
        }
    }
}
