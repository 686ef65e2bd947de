//! What happens in a conversation or a room: the one noun for it, from the command to the event.
//!
//! # Adding an act
//!
//! A new [`Act`] is one variant here, and the compiler names most of the places that must know of
//! it. These are the files that name [`Act::Reacted`], which changes a message in a chat of either
//! kind: the way from the command to the disk, and from the disk to those who hear of it.
//!
//! | file | what it says of the act |
//! | --- | --- |
//! | `model/entry.rs` | the act itself, which message it changes, and how large it is |
//! | `store/change.rs` | how it is asked for: `Talk::react` |
//! | `store/write/contact.rs` | whether it is refused between people who are apart |
//! | `store/talk/conversation.rs` | what it comes to between two people |
//! | `store/talk/rooms/applying.rs` | what a room keeps of it |
//! | `store/write/changing.rs` | what it makes of the message |
//! | `store/write/changing_in_rooms.rs` | what rows it has beside that in a room |
//! | `store/log/record.rs` | which form of record it has |
//! | `store/log/further.rs` | its bytes, written and read |
//! | `store/read/missed.rs` | whether it is told of on catching up |
//! | `store/maintain/export.rs` | its line, between two people |
//! | `store/maintain/export_rooms.rs` | the same in a room |
//! | `store/maintain/import/changes.rs` | what such a line comes to |
//! | `store/maintain/check/rooms.rs` | what makes it wrong in a room |
//! | `store/maintain/check/since.rs` | what the message must be after it |
//! | `chat/audience.rs` | who hears of it |
//! | `contract/update.rs` | its form on the wire |
//! | `contract/version.rs` | which versions of clients hear of it |
//! | `contract/hooks.rs` | which event of hooks it is |
//! | `push/listener.rs` | whether a device whose page is closed is told |
//!
//! Beside them these get what is the act's own, and need not name it:
//!
//! | file | what it gets |
//! | --- | --- |
//! | `store/FORMAT.md` | its bytes, drawn |
//! | `store/maintain/lines.rs` | the form of its line |
//! | `store/maintain/import.rs` | an arm that takes the line |
//! | `contract/changes.rs` | what an event and an ack say |
//! | `contract/client_events.rs` | the event by which clients ask for it |
//! | `chat/changing.rs` | the verb |
//! | `gateway/chat_socket.rs` | the event led to its handler |
//! | `gateway/changing.rs` | the handler, which calls the verb |
//!
//! That is more than one would like. Two things stand in the way of fewer: conversations of two and
//! rooms are decided, exported and checked in files of their own; and who may, who hears and who is
//! told are questions of their owners, each a `match` over the acts, so that none is forgotten. In
//! the page it is `state/heard-of-messages.js`, `state/timeline.js`, `sync/sync.js`, the element
//! that shows it, and the words of both languages.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    ChangedMessage, ChatId, ChatSettings, ClientId, ConversationId, EntryId, ErasedMessage,
    Erasure, Extras, Membership, MessageId, Pair, Room, RoomChange, RoomId, RoomRead, Timestamp,
    UserId,
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
    /// Gave a message of their own another text.
    Edited {
        /// The message.
        message: MessageId,
        /// The text; `None` as the log has it, where the message itself says it.
        content: Option<T>,
    },
    /// Had a message erased.
    Deleted {
        /// The message.
        message: MessageId,
        /// Who did it in a conversation of two, where that was not the message's sender.
        by: Option<Moderator>,
    },
    /// Had many messages of one chat erased, by the server's own hand.
    ErasedMany(Box<Erasure>),
    /// Put an emoji on a message, or took it away again.
    Reacted {
        /// The message.
        message: MessageId,
        /// The emoji.
        emoji: T,
        /// `false` where it was taken away.
        on: bool,
    },
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

/// Who erases a message of two others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moderator {
    /// The server itself.
    Server,
    /// This account.
    Account(UserId),
}

impl Moderator {
    /// Returns the account; `None` for the server itself.
    pub const fn account(self) -> Option<UserId> {
        match self {
            Self::Server => None,
            Self::Account(user) => Some(user),
        }
    }
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
            Self::Edited { message, .. }
            | Self::Deleted { message, .. }
            | Self::Reacted { message, .. } => Some(*message),
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

    /// Returns whether the act is one upon messages that were sent before, and no mark: those who
    /// speak version 1 hear nothing of it.
    pub const fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Edited { .. } | Self::Deleted { .. } | Self::Reacted { .. } | Self::ErasedMany(_)
        )
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
            Self::Edited { message, content } => Act::Edited {
                message: *message,
                content: content.as_ref().map(|content| content.as_ref().into()),
            },
            Self::Deleted { message, by } => Act::Deleted {
                message: *message,
                by: *by,
            },
            Self::ErasedMany(erasure) => Act::ErasedMany(erasure.clone()),
            Self::Reacted { message, emoji, on } => Act::Reacted {
                message: *message,
                emoji: emoji.as_ref().into(),
                on: *on,
            },
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
            | Self::Erased { .. }
            | Self::Deleted { .. } => 0,
            Self::Edited { content, .. } => {
                content.as_ref().map_or(0, |content| content.as_ref().len())
            }
            Self::Reacted { emoji, .. } => emoji.as_ref().len(),
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
