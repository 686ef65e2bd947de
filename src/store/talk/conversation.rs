//! One conversation in memory: what may be done in it, and what it becomes by that.
//!
//! [`Conversation::decide`] says which entry an act comes to, or why it is refused;
//! [`Conversation::apply`] takes an entry in. Both are pure over a log that can be read. The
//! writer, an import, the replay of a start and the check of a file all stand on these two, so an
//! act is understood in one place.

use super::numbers::NumberSet;
use crate::model::{
    Act, ConversationId, Entry, EntryId, Marked, Members, Message, MessageId, Notice, Pair, Stream,
    Timestamp, UserId,
};
use crate::store::error::StoreError;
use crate::store::log::chain::{Chain, Place, ReadLog, find_ranks, newest_older};
use crate::store::log::record::{Author, Links, Record};
use crate::store::sealed::{Rest, put};

/// One conversation. A large file has millions, so that a bit more here is much in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// Those who share it.
    pub(crate) pair: Pair,
    /// What it knows of each, by their place in the pair.
    pub(crate) members: [Member; 2],
    /// Its messages.
    pub(crate) chain: Chain,
    /// Its newest entry of any kind.
    pub(crate) last_entry: Option<EntryId>,
}

/// What a conversation knows of one of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    /// How many messages they sent to it: the rank of the last one.
    pub(crate) sent: u64,
    /// The ranks of the other member's messages that they have read.
    pub(crate) read: NumberSet,
}

/// What an act comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision<T> {
    /// This entry is to be appended.
    Append(Record<T>),
    /// Nothing changes, since all is so already. The act says how it is.
    Nothing(Act<T>),
}

/// Why an act is refused.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// The author is no member, or the message that the act names is none of the conversation.
    NoSuchMessage,
    /// The act is for those who received the message, and the author sent it.
    OwnMessage,
    /// The log cannot be read, and it is not known.
    Log(E),
}

impl<E> From<E> for Refusal<E> {
    fn from(error: E) -> Self {
        Self::Log(error)
    }
}

impl<E: From<StoreError>> Refusal<E> {
    /// Returns the error that the author is told.
    pub(crate) fn into_error(self) -> E {
        match self {
            Self::NoSuchMessage => StoreError::NoSuchMessage.into(),
            Self::OwnMessage => StoreError::NotReceiver.into(),
            Self::Log(error) => error,
        }
    }
}

impl Conversation {
    /// Returns a conversation in which nothing has happened.
    pub(crate) fn new(pair: Pair) -> Self {
        Self {
            pair,
            members: [Member::default(), Member::default()],
            chain: Chain::default(),
            last_entry: None,
        }
    }

    /// Returns the entry of its newest message.
    pub(crate) fn last_message(&self) -> Option<EntryId> {
        self.chain.last().map(EntryId::from)
    }

    /// Returns how many messages of the other the member at this place has not read.
    pub(crate) fn unread(&self, place: usize) -> u64 {
        self.members[1 - place].sent - self.members[place].read.count()
    }

    /// Decides what an act of `author` at this time comes to; `id` is the id of this conversation.
    /// Changes nothing.
    pub(crate) fn decide<T: Clone, L: ReadLog>(
        &self,
        log: &L,
        id: ConversationId,
        author: UserId,
        at: Timestamp,
        act: &Act<T>,
    ) -> Result<Decision<T>, Refusal<L::Error>> {
        let place = self.pair.place(author).ok_or(Refusal::NoSuchMessage)?;
        let (rank, links, act) = match act {
            Act::Sent { .. } => {
                let rank = self.members[place].sent + 1;
                (rank, self.chain.next(), act.clone())
            }
            Act::Read { message } => {
                let rank = self.rank_of_received(log, id, place, *message)?;
                if self.members[place].read.contains(rank) {
                    return Ok(Decision::Nothing(act.clone()));
                }
                (rank, Links::default(), act.clone())
            }
            Act::ReadUpTo { message, .. } => {
                let Some((rank, message, marked)) = self.cover(log, place, *message)? else {
                    return Ok(Decision::Nothing(act.clone()));
                };
                let changes = marked.count > 0;
                let act = Act::ReadUpTo { message, marked };
                if !changes {
                    return Ok(Decision::Nothing(act));
                }
                (rank, Links::default(), act)
            }
            // No act of a conversation of two.
            _ => return Err(Refusal::NoSuchMessage),
        };
        Ok(Decision::Append(Record {
            stream: Stream::Pair(id),
            author: Author::Member(place),
            at,
            previous: self.last_entry,
            rank,
            links,
            act,
        }))
    }

    /// Returns the rank of a message of this conversation that the member at this place did not
    /// send.
    fn rank_of_received<L: ReadLog>(
        &self,
        log: &L,
        id: ConversationId,
        place: usize,
        message: MessageId,
    ) -> Result<u64, Refusal<L::Error>> {
        // An id of the log that is no message is as unknown to clients as one beyond its end.
        let found = log.read(message.into(), |record| {
            let is_here = record.is_message() && record.stream == Stream::Pair(id);
            is_here.then_some((record.place(), record.rank))
        })?;
        match found {
            None => Err(Refusal::NoSuchMessage),
            Some((author, _)) if author == place => Err(Refusal::OwnMessage),
            Some((_, rank)) => Ok(rank),
        }
    }

    /// Returns what the member at this place marks by reading up to `up_to`: the rank of the
    /// other's last message that is covered, the conversation's last one that is, and what changes.
    /// `None` where there is no message to cover.
    fn cover<L: ReadLog>(
        &self,
        log: &L,
        place: usize,
        up_to: MessageId,
    ) -> Result<Option<(u64, MessageId, Marked)>, L::Error> {
        let covers = |message: &Place| message.id <= up_to;
        let Some(last) = newest_older(log, self.chain.last(), covers)? else {
            return Ok(None);
        };
        let read = &self.members[place].read;
        let rank = last.sent[1 - place];
        let count = read.count_unmarked(rank);
        let unread = read.unmarked_before(rank).take(Marked::NAMED);
        let mut newest = find_ranks(log, last.id, 1 - place, unread)?;
        newest.reverse();
        Ok(Some((rank, last.id, Marked { count, newest })))
    }

    /// Takes in an entry. One that is not newer than what it knows is in it.
    pub(crate) fn apply<T>(&mut self, id: EntryId, record: &Record<T>) {
        if self.last_entry >= Some(id) {
            return;
        }
        let author = &mut self.members[record.place()];
        match &record.act {
            Act::Sent { .. } => {
                author.sent += 1;
                self.chain.push(id.into());
            }
            Act::Read { .. } => {
                author.read.mark(record.rank);
            }
            Act::ReadUpTo { .. } => {
                author.read.mark_through(record.rank);
            }
            _ => {}
        }
        self.last_entry = Some(id);
    }

    /// Appends its form in a row: members, newest entry, chain, and for each member what they sent
    /// and what they have read.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for user in self.pair.members() {
            put(out, user.get());
        }
        put(out, self.last_entry.map_or(0, EntryId::get));
        self.chain.encode(out);
        for member in &self.members {
            put(out, member.sent);
            member.read.encode(out);
        }
    }

    /// Reads it back.
    pub(crate) fn decode(rest: &mut Rest<'_>) -> Option<Self> {
        let mut user = || UserId::new(rest.take()?).ok();
        let pair = Pair::new(user()?, user()?)?;
        let last_entry = match rest.take()? {
            0 => None,
            number => Some(EntryId::new(number).ok()?),
        };
        let chain = Chain::decode(rest)?;
        let mut member = || {
            Some(Member {
                sent: rest.take()?,
                read: NumberSet::decode(rest)?,
            })
        };
        Some(Self {
            pair,
            members: [member()?, member()?],
            chain,
            last_entry,
        })
    }
}

/// Returns the message that a record is, from the members of its conversation. The record must be a
/// message.
pub(crate) fn message_of(id: MessageId, pair: Pair, record: &Record<&str>) -> Message {
    let members = pair.members();
    let (content, client_id, extras) = match &record.act {
        Act::Sent {
            content,
            client_id,
            extras,
        } => (*content, client_id.as_ref(), extras.as_ref()),
        _ => ("", None, None),
    };
    Message {
        id,
        sender_id: members[record.place()],
        receiver_id: members[1 - record.place()],
        content: content.into(),
        created_at: record.at,
        client_id: client_id.map(|client_id| client_id.to_shared()),
        extras: extras.map(|extras| Box::new(extras.to_shared())),
    }
}

/// Returns the notice of an entry; `pair` are the members of its conversation, where it is one of
/// two. How the room was at a change of a membership is left open.
pub(crate) fn notice_of(id: EntryId, pair: Option<Pair>, record: &Record<&str>) -> Notice {
    let author = match (record.author, pair) {
        (Author::Member(place), Some(pair)) => Some(pair.members()[place]),
        (Author::Account(user), _) => Some(user),
        (Author::Member(_), None) | (Author::Server, _) => None,
    };
    let members = match (record.stream, pair) {
        (Stream::Room(room), _) => Members::Room(room),
        (Stream::Own(user), _) => Members::Own(user),
        (Stream::Pair(_), Some(pair)) => Members::Pair(pair),
        (Stream::Pair(_), None) => unreachable!("a conversation of two has a pair"),
    };
    Notice {
        entry: Entry {
            id,
            stream: record.stream,
            author,
            at: record.at,
            act: record.act.to_shared(),
        },
        members,
        room: None,
        number: record.links.number,
    }
}
