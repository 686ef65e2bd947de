//! What the writer is asked to do, and what came of it.

use std::sync::Arc;

use crate::model::{
    Act, ChangedMessage, ClientId, Extras, Marked, MessageChange, MessageId, Moderator, Notice,
    Pair, RoomId, SessionId, Timestamp, User, UserId,
};
use crate::store::error::StoreError;
use crate::store::files::row::StoredFile;
use crate::store::files::staging::FileAct;
use crate::store::people::accounts::{NewUser, PutUser, UserChange};
use crate::store::people::api_keys::{ApiKey, ApiKeyId, KeyHash, KeyHolder};
use crate::store::people::codes::ResetCode;
use crate::store::people::hooks::hook::{Hook, HookId, HookKind, HookProgress};
use crate::store::people::hooks::staging::HookChangeTo;
use crate::store::people::invites::Invite;
use crate::store::people::leaving::Leaving;
use crate::store::people::reports::ReportAct;
use crate::store::people::sessions::SessionAct;
use crate::store::people::subscriptions::{NewSubscription, Subscription, SubscriptionId};
use crate::store::room_act::{RoomAct, RoomDone};

/// An act of talk, by whom, and where.
#[derive(Debug, Clone)]
pub struct Talk {
    /// Who does it.
    pub author: UserId,
    /// The conversation.
    pub address: Address,
    /// What is done. The content of a message is checked already.
    pub act: Act,
}

/// How a conversation is named by those who share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// By the other member of a conversation of two.
    Person(UserId),
    /// By the room that it is.
    Room(RoomId),
    /// By one of the messages of a conversation of two.
    Message(MessageId),
    /// By one of the messages of a conversation of two or of a room.
    AnyMessage(MessageId),
}

impl Talk {
    /// Sends a message.
    pub fn send(
        sender: UserId,
        receiver: UserId,
        content: Arc<str>,
        client_id: Option<ClientId>,
    ) -> Self {
        Self {
            author: sender,
            address: Address::Person(receiver),
            act: Act::Sent {
                content,
                client_id,
                extras: None,
            },
        }
    }

    /// The same message with these extras.
    pub fn with_extras(mut self, new: Option<Box<Extras>>) -> Self {
        if let Act::Sent { extras, .. } = &mut self.act {
            *extras = new;
        }
        self
    }

    /// Sends a message to a room.
    pub fn send_to_room(
        sender: UserId,
        room: RoomId,
        content: Arc<str>,
        client_id: Option<ClientId>,
    ) -> Self {
        Self {
            author: sender,
            address: Address::Room(room),
            act: Act::Sent {
                content,
                client_id,
                extras: None,
            },
        }
    }

    /// Moves the reader's position in a room, up to and including `up_to` where given.
    pub fn read_room(reader: UserId, room: RoomId, up_to: Option<MessageId>) -> Self {
        Self {
            author: reader,
            address: Address::Room(room),
            act: Act::ReadUpTo {
                message: up_to.unwrap_or(MessageId::LAST),
                marked: Marked::default(),
            },
        }
    }

    /// Marks one message read, for its receiver; of a room's message that the reader may read, only
    /// says in which room it is.
    pub fn read_any(reader: UserId, message: MessageId) -> Self {
        Self {
            address: Address::AnyMessage(message),
            ..Self::read(reader, message)
        }
    }

    /// Marks one message read, for its receiver.
    pub fn read(reader: UserId, message: MessageId) -> Self {
        Self {
            author: reader,
            address: Address::Message(message),
            act: Act::Read { message },
        }
    }

    /// Marks all messages of a peer read, up to and including `up_to` where given.
    pub fn read_up_to(reader: UserId, peer: UserId, up_to: Option<MessageId>) -> Self {
        Self {
            author: reader,
            address: Address::Person(peer),
            act: Act::ReadUpTo {
                message: up_to.unwrap_or(MessageId::LAST),
                marked: Marked::default(),
            },
        }
    }

    /// Changes a message of a conversation of two.
    pub fn change(author: UserId, message: MessageId, change: MessageChange) -> Self {
        Self {
            author,
            address: Address::Message(message),
            act: Act::MessageChanged { message, change },
        }
    }

    /// The same act on a message, which may be a room's.
    pub fn in_any_chat(mut self) -> Self {
        if let Address::Message(message) = self.address {
            self.address = Address::AnyMessage(message);
        }
        self
    }

    /// Erases any message, for one whose right to that is established.
    pub fn moderate(moderator: UserId, message: MessageId) -> Self {
        let by = Some(Moderator::Account(moderator));
        Self::change(moderator, message, MessageChange::Deleted { by }).in_any_chat()
    }

    /// Erases a message by the server's own hand, whoever sent it: the account that stands for its
    /// author is asked for by nobody.
    pub fn erase(message: MessageId) -> Self {
        let nobody = UserId::new(1).expect("1 is an id");
        let by = Some(Moderator::Server);
        Self::change(nobody, message, MessageChange::Deleted { by }).in_any_chat()
    }

    /// Returns the two people it is about, where that can be told without reading.
    pub(crate) fn pair(&self) -> Option<Pair> {
        match self.address {
            Address::Person(peer) => Pair::new(self.author, peer),
            Address::Room(_) | Address::Message(_) | Address::AnyMessage(_) => None,
        }
    }
}

/// What an act of talk came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is a new entry of the log.
    Entry(Notice),
    /// The message was stored before under the same client id, as this entry.
    Repeated(Notice),
    /// Nothing changed, since all was so already: the act says how it is.
    Nothing(Act),
    /// Nothing changed in the message that the act names, which is as given here.
    Unchanged(Box<ChangedMessage>),
    /// The message to be marked is this room's, whose marks are paced: nothing is done to it here.
    InRoom(RoomId),
}

/// Messages of one chat that are to be erased at once.
#[derive(Debug, Clone)]
pub struct EraseMany {
    /// Which, ascending; none that is not of the chat. Those that are erased already are passed
    /// over.
    pub messages: Vec<MessageId>,
    /// Whose they are, where the others stay.
    pub sender: Option<UserId>,
    /// Where nothing that is to be erased comes after them: how many messages the chat had by then.
    pub all_of: Option<u64>,
}

/// A change to be written.
#[derive(Debug, Clone)]
pub enum Change {
    /// An act of talk.
    Talk(Talk),
    /// An act on a room, or on how a chat makes itself heard.
    Room(RoomAct),
    /// Messages of chats are erased by the server's own hand, of each chat many at once.
    EraseMany(Vec<EraseMany>),
    /// The same, by which no message up to an entry is there any more.
    Retain {
        /// What is erased.
        many: Vec<EraseMany>,
        /// The entry.
        through: u64,
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
    /// An account is to be no more.
    DeleteUser(Leaving),
    /// All is erased that a deleted account said.
    SentIsErased(UserId),
    /// Nothing is left of what accounts said that left with all of it.
    LeaversErased,
    /// An account with a given id.
    PutUser(PutUser),
    /// A new invite, of a code that no other has.
    CreateInvite(Invite),
    /// The invite of this code is to be no more.
    RevokeInvite(Arc<str>),
    /// A bot, with its first key.
    CreateBot {
        /// Its account.
        new: NewUser,
        /// What is kept of the key's text.
        hash: KeyHash,
    },
    /// A key of a bot that is there, or of a backend.
    CreateKey {
        /// Who holds it.
        holder: KeyHolder,
        /// What is kept of its text.
        hash: KeyHash,
    },
    /// A key that a restore brought back is to count again.
    ConfirmKey(ApiKeyId),
    /// A key is to be no more.
    RevokeKey(ApiKeyId),
    /// An act on login sessions.
    Session(SessionAct),
    /// A code by which a person gives their account another password.
    CreateCode {
        /// Whose account.
        user: UserId,
        /// The code.
        code: ResetCode,
    },
    /// An act on reports.
    Report(ReportAct),
    /// A new hook. An outgoing one tells of what comes from now on.
    CreateHook(HookKind),
    /// A hook is to be otherwise.
    ChangeHook {
        /// Which.
        id: HookId,
        /// How.
        to: HookChangeTo,
        /// When a backup was last put to use as this file.
        known_from: Option<Timestamp>,
    },
    /// A hook is to be no more.
    DeleteHook(HookId),
    /// Outgoing hooks have come so far, each since a turn of its position by an administrator.
    HooksMoved(Vec<(HookId, u64, HookProgress)>),
    /// A browser is to be pushed to.
    Subscribe {
        /// Whose it is.
        user: UserId,
        /// How.
        wish: NewSubscription,
    },
    /// A browser is to be pushed to no more, which may be so already.
    Unsubscribe {
        /// Whose it must be.
        user: Option<UserId>,
        /// Which.
        id: SubscriptionId,
    },
    /// An act on a file that no message names yet.
    File(FileAct),
    /// These accounts were last connected at these times. Those that are deleted, or were never
    /// made, are passed over.
    Seen(Box<[(UserId, Timestamp)]>),
}

/// What a change came to, once it is on disk.
#[derive(Debug, Clone)]
pub enum Committed {
    /// An act of talk came to this.
    Talk(Outcome),
    /// An act on a room came to this.
    Room(RoomDone),
    /// A change came to this, and these entries came with it.
    Accompanied {
        /// What it came to.
        committed: Box<Committed>,
        /// The entries, in order.
        notices: Vec<Notice>,
    },
    /// An account is as given here.
    User(Arc<User>),
    /// It is on disk that nothing is left of what accounts said that left with all of it.
    LeaversErased,
    /// An invite is as given here.
    Invite(Invite),
    /// An invite is no more.
    InviteRevoked,
    /// When accounts were last connected is known.
    Seen,
    /// These sessions of a person are no more.
    SessionsEnded(Vec<SessionId>),
    /// The code can be used.
    CodeMade,
    /// The report of this number is as asked.
    Report(u64),
    /// A bot was made, with this key.
    Bot {
        /// Its account.
        user: Arc<User>,
        /// Its key.
        key: ApiKey,
    },
    /// A file is as given here, or was where it is no more.
    File(Arc<StoredFile>),
    /// A browser is pushed to as given here.
    Subscribed(Arc<Subscription>),
    /// A browser is pushed to no more.
    Unsubscribed,
    /// A key is as given here.
    Key(ApiKey),
    /// A hook is as given here.
    Hook(Arc<Hook>),
    /// A hook is no more.
    HookDeleted,
    /// How far outgoing hooks have come is on disk.
    HooksMoved,
    /// A key is no more, which was so.
    KeyRevoked(ApiKey),
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
    /// It was answered with [`StoreError::Unavailable`], and turned out to be on disk: those
    /// concerned are to hear of it.
    Late(Committed),
}

impl Done {
    /// Calls the answer; `late` where there is none any more, and with what else came with a change
    /// than its answer says.
    pub fn tell(self, late: impl FnOnce(Committed)) {
        match self {
            Self::Answered {
                result: Ok(Committed::Accompanied { committed, notices }),
                answer,
            } => {
                let room = None;
                late(Committed::Room(RoomDone { room, notices }));
                answer(Ok(*committed));
            }
            Self::Late(Committed::Accompanied { notices, .. }) => {
                let room = None;
                late(Committed::Room(RoomDone { room, notices }));
            }
            Self::Answered { result, answer } => answer(result),
            Self::Late(committed) => late(committed),
        }
    }
}
