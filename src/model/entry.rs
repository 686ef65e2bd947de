//! What happens in a conversation or a room: the one noun for it, from the command to the event.
//!
//! # Adding an act
//!
//! What changes a message where it lies, in a chat of either kind, is a variant of
//! [`MessageChange`]. A new one says there of which [`MessagePart`] it is, and by that alone it is
//! known who may do it, which clients hear of it, who is told on catching up, and what a push, a
//! search and a check of the file make of it. The compiler names most of the other places. These
//! are the files that name [`MessageChange::Reacted`]: the way from the command to the disk, and
//! from the disk to those who hear of it.
//!
//! | file | what it says of the act |
//! | --- | --- |
//! | `model/message_change.rs` | the act itself, its part of the message, its event to hooks |
//! | `gateway/changing.rs` | how a client asks for it, and is answered |
//! | `store/talk/message_changes.rs` | what it makes of the message and of its rows |
//! | `store/log/further.rs` | its bytes, written and read |
//! | `store/maintain/lines.rs` | its line, written and read, and the form of that |
//! | `contract/changes.rs` | what an event, an ack and a hook say |
//!
//! Beside them these get what is the act's own, and need not name it:
//!
//! | file | what it gets |
//! | --- | --- |
//! | `model/hook.rs` | its name among the events of hooks |
//! | `contract/client_events.rs` | the event by which clients ask for it |
//! | `store/maintain/import.rs` | its line among those of changes |
//! | `store/FORMAT.md` | its bytes, drawn |
//!
//! What a message keeps of an act from then on is a field of the message, and no part of this walk:
//! `model/extras.rs`, its bytes in `store/log/extras.rs`, and the rows that show messages. In the
//! page an act is `state/heard-of-messages.js`, `state/timeline.js`, `sync/sync.js`, the element
//! that shows it, and the words of both languages.
//!
//! An act of another kind is a variant of [`Act`] itself. Who may, who hears and who is told of it
//! are questions of their owners then, most of them a `match` over the acts.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    ChangedMessage, ChatId, ChatSettings, ClientId, ConversationId, EntryId, ErasedMessage,
    Erasure, Extras, Membership, MessageChange, MessageId, MessagePart, Moderator, Pair, Room,
    RoomChange, RoomId, RoomRead, Timestamp, UserId,
};

/// A chain of entries: each of them knows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// What happens between two people.
    Pair(ConversationId),
    /// What happens in a room, and its members hear.
    Room(RoomId),
    /// What a person does that only their own devices hear.
    Own(UserId),
}

impl Stream {
    /// Returns the conversation of two; `None` for another stream.
    pub const fn pair(self) -> Option<ConversationId> {
        match self {
            Self::Pair(id) => Some(id),
            Self::Room(_) | Self::Own(_) => None,
        }
    }
}

/// One thing that happened, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log. A message has the same number for its id.
    pub id: EntryId,
    /// Where it happened.
    pub stream: Stream,
    /// Who did it; `None` for the server itself.
    pub author: Option<UserId>,
    /// When the server took it; never earlier than an entry with a smaller id.
    pub at: Timestamp,
    /// What was done.
    pub act: Act,
}

/// What an entry's author did. As a command it may leave open what follows from its conversation.
///
/// `T` is the type of texts: shared, or borrowed from the record of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act<T = Arc<str>> {
    /// Sent a message.
    Sent {
        /// The text, byte for byte.
        content: T,
        /// The sender's own name for it, where one was given.
        client_id: Option<ClientId<T>>,
        /// What it has beside its text; `None` where that is nothing.
        extras: Option<Box<Extras<T>>>,
    },
    /// Sent a message that is gone since.
    Erased {
        /// The sender's own name for it, where one was given.
        client_id: Option<ClientId<T>>,
        /// Of a room's message, whom it mentioned, and nothing else: what was unread at each place
        /// of the log is told by that.
        extras: Option<Box<Extras<T>>>,
    },
    /// Changed a message where it lies.
    MessageChanged {
        /// The message.
        message: MessageId,
        /// What was done to it.
        change: MessageChange<T>,
    },
    /// Had many messages of one chat erased, by the server's own hand.
    ErasedMany(Box<Erasure>),
    /// Read one message of another member.
    Read {
        /// The message.
        message: MessageId,
    },
    /// Read all messages of the others up to and including one of the conversation.
    ReadUpTo {
        /// The last message that is covered; in a command, that one or the newest before it.
        message: MessageId,
        /// What changed by it. Empty in a command.
        marked: Marked,
    },
    /// Made a room, or changed what it is.
    RoomChanged {
        /// What happened.
        change: RoomChange,
        /// How the room is described since then.
        room: Arc<Room>,
    },
    /// Changed who is in a room as what.
    MemberChanged(Box<Membership>),
    /// Read a room up to a message.
    RoomRead(RoomRead),
    /// Set how a chat makes itself heard.
    Settings {
        /// The chat.
        chat: ChatId,
        /// How it does since then.
        settings: ChatSettings,
        /// Where that is what changed, in a chat of two: whether the person has blocked the other.
        blocks: Option<bool>,
    },
}

/// The messages that went from unread to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// How many.
    pub count: u64,
    /// The newest [`Marked::NAMED`] of them, ascending by id.
    pub newest: SmallVec<[MessageId; 4]>,
}

impl Marked {
    /// How many messages a mark names one by one: as many as a client could show at once. Beyond
    /// them the mark speaks for itself by the message that it reaches up to.
    pub const NAMED: usize = 100;
}

impl<T> Act<T> {
    /// Returns the message that the act changes where it lies, if it does that; of many the newest.
    pub fn changes(&self) -> Option<MessageId> {
        match self {
            Self::MessageChanged { message, .. } => Some(*message),
            Self::ErasedMany(erasure) => erasure.newest(),
            _ => None,
        }
    }

    /// Returns every message that the act changes where it lies.
    pub fn all_changed(&self) -> impl Iterator<Item = MessageId> {
        let many = self.erased_many().iter().map(|message| message.id);
        let one = self.changes().filter(|_| self.erased_many().is_empty());
        many.chain(one)
    }

    /// Returns the messages that the act erased at once, ascending.
    pub fn erased_many(&self) -> &[ErasedMessage] {
        match self {
            Self::ErasedMany(erasure) => &erasure.messages,
            _ => &[],
        }
    }

    /// Returns what of messages the act changes where they lie, if it does that.
    pub const fn part(&self) -> Option<MessagePart> {
        match self {
            Self::MessageChanged { change, .. } => Some(change.part()),
            Self::ErasedMany(_) => Some(MessagePart::Whole),
            _ => None,
        }
    }

    /// Returns whether the act is one upon messages that were sent before, and no mark: those who
    /// speak version 1 hear nothing of it.
    pub const fn is_change(&self) -> bool {
        self.part().is_some()
    }

    /// Returns who did it in a conversation of two, where the entry stands for another.
    pub const fn moderator(&self) -> Option<Moderator> {
        match self {
            Self::MessageChanged { change, .. } => change.moderator(),
            _ => None,
        }
    }
}

impl<T> Act<T> {
    /// Returns whether the act marks messages of two people read.
    pub const fn is_mark(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::ReadUpTo { .. })
    }
}

impl<T: AsRef<str>> Act<T> {
    /// Returns the act with its texts copied.
    pub fn to_shared(&self) -> Act {
        match self {
            Self::Sent {
                content,
                client_id,
                extras,
            } => Act::Sent {
                content: content.as_ref().into(),
                client_id: client_id.as_ref().map(ClientId::to_shared),
                extras: extras.as_ref().map(|extras| Box::new(extras.to_shared())),
            },
            Self::Erased { client_id, extras } => Act::Erased {
                client_id: client_id.as_ref().map(ClientId::to_shared),
                extras: extras.as_ref().map(|extras| Box::new(extras.to_shared())),
            },
            Self::MessageChanged { message, change } => Act::MessageChanged {
                message: *message,
                change: change.to_shared(),
            },
            Self::ErasedMany(erasure) => Act::ErasedMany(erasure.clone()),
            Self::Read { message } => Act::Read { message: *message },
            Self::ReadUpTo { message, marked } => Act::ReadUpTo {
                message: *message,
                marked: marked.clone(),
            },
            Self::RoomChanged { change, room } => Act::RoomChanged {
                change: *change,
                room: Arc::clone(room),
            },
            Self::MemberChanged(change) => Act::MemberChanged(change.clone()),
            Self::RoomRead(read) => Act::RoomRead(*read),
            Self::Settings {
                chat,
                settings,
                blocks,
            } => Act::Settings {
                chat: *chat,
                settings: *settings,
                blocks: *blocks,
            },
        }
    }

    /// Returns about how many bytes it takes beside what every act takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Sent {
                content, extras, ..
            } => content.as_ref().len() + extras.as_ref().map_or(0, |extras| extras.bytes()),
            Self::RoomChanged { room, .. } => {
                let avatar = room.avatar.as_ref().map_or(0, |avatar| avatar.len());
                room.name.len() + room.topic.len() + avatar
            }
            Self::Read { .. }
            | Self::MemberChanged(_)
            | Self::RoomRead(_)
            | Self::Settings { .. }
            | Self::Erased { .. } => 0,
            Self::MessageChanged { change, .. } => change.bytes(),
            Self::ErasedMany(erasure) => erasure.messages.len() * size_of::<ErasedMessage>(),
            Self::ReadUpTo { marked, .. } => marked.newest.len() * size_of::<MessageId>(),
        }
    }
}

/// Those in whose midst an entry happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Members {
    /// Two people.
    Pair(Pair),
    /// All who were in a room at that entry.
    Room(RoomId),
    /// One person, with all their devices.
    Own(UserId),
}

/// An entry, and who was there: all that is needed to tell people of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The entry.
    pub entry: Entry,
    /// The members.
    pub members: Members,
    /// Of a change of a membership: the room as it was then. Of a setting of a room: the room as it
    /// is.
    pub room: Option<Arc<Room>>,
    /// Of a message: its number in its chat; else 0.
    pub number: u64,
    /// Of an act that changes a message: that message.
    pub message: Option<Box<ChangedMessage>>,
}

impl Notice {
    /// Returns the author of an entry between two people, and the other one; `None` where it is of
    /// another stream, or neither of them did it.
    pub fn sides(&self) -> Option<[UserId; 2]> {
        let Members::Pair(pair) = self.members else {
            return None;
        };
        let author = self.entry.author?;
        Some([author, pair.other(author)?])
    }

    /// Returns the message between two people that the entry is; `None` where it is something else.
    #[cfg(test)]
    pub(crate) fn into_message(self) -> Option<super::Message> {
        let [sender_id, receiver_id] = self.sides()?;
        match self.entry.act {
            Act::Sent {
                content,
                client_id,
                extras,
            } => Some(super::Message {
                id: self.entry.id.into(),
                sender_id,
                receiver_id,
                content,
                created_at: self.entry.at,
                client_id,
                extras,
            }),
            _ => None,
        }
    }
}
