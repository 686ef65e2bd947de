//! One conversation in memory: what may be done in it, and what it becomes by that.
//!
//! [`Conversation::decide`] says which entry an act comes to, or why it is refused;
//! [`Conversation::apply`] takes an entry in. Both are pure over a log that can be read. The
//! writer, an import, the replay of a start and the check of a file all stand on these two, so an
//! act is understood in one place.

use super::numbers::NumberSet;
use super::refusal::TalkRefusal;
use crate::model::{
    Act, ChangedMessage, ClientId, ConversationId, Entry, EntryId, Erasure, Marked, Members,
    Message, MessageId, MessagePart, Notice, Pair, RoomHistory, Stream, Timestamp, UserId,
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
    /// How many messages the first of the two sent; the other one sent the rest of its chain.
    pub(crate) sent_by_first: u64,
    /// For each of the two, by their place in the pair: the ranks of the other's messages that they
    /// have read, or that were erased before they did.
    pub(crate) read: [NumberSet; 2],
    /// Its messages.
    pub(crate) chain: Chain,
    /// Its newest entry of any kind.
    pub(crate) last_entry: Option<EntryId>,
    /// The numbers of its messages that were erased. Most conversations have none.
    pub(crate) erased: Option<Box<NumberSet>>,
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
    /// The act is for the sender of the message, and the author is the other one.
    NotSender,
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
        let refusal = match self {
            Self::NoSuchMessage => TalkRefusal::NoSuchMessage,
            Self::OwnMessage => TalkRefusal::NotReceiver,
            Self::NotSender => TalkRefusal::NotSender,
            Self::Log(error) => return error,
        };
        StoreError::from(refusal).into()
    }
}

impl Conversation {
    /// Returns a conversation in which nothing has happened.
    pub(crate) fn new(pair: Pair) -> Self {
        Self {
            pair,
            sent_by_first: 0,
            read: [NumberSet::default(), NumberSet::default()],
            chain: Chain::default(),
            last_entry: None,
            erased: None,
        }
    }

    /// Returns the entry of its newest message.
    pub(crate) fn last_message(&self) -> Option<EntryId> {
        self.chain.last().map(EntryId::from)
    }

    /// Returns how many messages the member at this place sent: the rank of their last one.
    pub(crate) fn sent(&self, place: usize) -> u64 {
        match place {
            0 => self.sent_by_first,
            _ => self.chain.length() - self.sent_by_first,
        }
    }

    /// Returns how many messages of the other the member at this place has not read.
    pub(crate) fn unread(&self, place: usize) -> u64 {
        self.sent(1 - place) - self.read[place].count()
    }

    /// Returns whether the message of this number was erased.
    pub(crate) fn is_erased(&self, number: u64) -> bool {
        let erased = self.erased.as_ref();
        erased.is_some_and(|erased| erased.contains(number))
    }

    /// Returns the number of the newest message that was not erased, of those up to this number; 0
    /// where there is none.
    pub(crate) fn newest_through(&self, number: u64) -> u64 {
        match &self.erased {
            None => number,
            Some(erased) => erased.unmarked_before(number).next().unwrap_or(0),
        }
    }

    /// Returns the number of the `count`th message that was not erased after the one of this
    /// number; that of the last one where there are not so many.
    pub(crate) fn number_after(&self, number: u64, count: u64) -> u64 {
        let length = self.chain.length();
        match &self.erased {
            None => length.min(number.saturating_add(count)),
            Some(erased) => {
                let count = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
                let mut there = erased.unmarked_after(number, length);
                there.nth(count).unwrap_or(length)
            }
        }
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
        if let Act::ErasedMany(erasure) = act {
            return self.decide_many(log, id, at, erasure);
        }
        let place = match act {
            // Its entry stands for the sender's.
            Act::MessageChanged { message, change } if change.moderator().is_some() => {
                self.named(log, id, *message)?.place
            }
            _ => self.pair.place(author).ok_or(Refusal::NoSuchMessage)?,
        };
        let (rank, links, act) = match act {
            Act::Sent { extras, .. } | Act::Erased { extras, .. } => {
                let reply_to = extras.as_ref().and_then(|extras| extras.reply_to.as_ref());
                if let Some(reply) = reply_to {
                    self.named(log, id, reply.to)?;
                }
                let rank = self.sent(place) + 1;
                (rank, self.chain.next(), act.clone())
            }
            Act::MessageChanged { message, change } => {
                let (rank, links) = self.changing(log, id, place, *message, change.part())?;
                (rank, links, act.clone())
            }
            Act::Read { message } => {
                let rank = self.rank_of_received(log, id, place, *message)?;
                if self.read[place].contains(rank) {
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

    /// Decides upon a change of this part of a message by the member at this place. Returns what
    /// its entry says of where the message stands.
    fn changing<L: ReadLog>(
        &self,
        log: &L,
        id: ConversationId,
        place: usize,
        message: MessageId,
        part: MessagePart,
    ) -> Result<(u64, Links), Refusal<L::Error>> {
        match part {
            MessagePart::Text => {
                self.own(log, id, place, message)?;
                Ok((0, Links::default()))
            }
            MessagePart::Whole => {
                let named = self.own(log, id, place, message)?;
                let links = Links {
                    number: named.number,
                    ..Links::default()
                };
                Ok((named.rank, links))
            }
            MessagePart::Beside => {
                self.named(log, id, message)?;
                Ok((0, Links::default()))
            }
        }
    }

    /// Decides upon many messages that are erased at once: each must be here, be said to be what it
    /// is, and not be erased before.
    fn decide_many<T: Clone, L: ReadLog>(
        &self,
        log: &L,
        id: ConversationId,
        at: Timestamp,
        erasure: &Erasure,
    ) -> Result<Decision<T>, Refusal<L::Error>> {
        let sender = erasure.sender.map(|sender| self.pair.place(sender));
        for message in &erasure.messages {
            let named = self.named(log, id, message.id)?;
            if sender.is_some_and(|sender| sender != Some(named.place)) {
                return Err(Refusal::NotSender);
            }
            let says = (message.place, message.rank, message.number);
            if says != (named.place, named.rank, named.number) {
                return Err(Refusal::NoSuchMessage);
            }
        }
        Ok(Decision::Append(self.erasure(id, at, erasure.clone())))
    }

    /// Returns the record of many messages that are erased at once.
    pub(crate) fn erasure<T>(
        &self,
        id: ConversationId,
        at: Timestamp,
        erasure: Erasure,
    ) -> Record<T> {
        Record {
            stream: Stream::Pair(id),
            author: Author::Server,
            at,
            previous: self.last_entry,
            rank: 0,
            links: Links::default(),
            act: Act::ErasedMany(Box::new(erasure)),
        }
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
        let named = self.named(log, id, message)?;
        match named.place == place {
            true => Err(Refusal::OwnMessage),
            false => Ok(named.rank),
        }
    }

    /// Returns where a message of this conversation stands that the member at this place sent.
    fn own<L: ReadLog>(
        &self,
        log: &L,
        id: ConversationId,
        place: usize,
        message: MessageId,
    ) -> Result<Named, Refusal<L::Error>> {
        let named = self.named(log, id, message)?;
        match named.place == place {
            true => Ok(named),
            false => Err(Refusal::NotSender),
        }
    }

    /// Returns where a message of this conversation stands that is not erased. An id of the log
    /// that is no message is as unknown to clients as one beyond its end.
    ///
    /// What was erased is asked of what the conversation knows, not of the message: an entry is
    /// judged by what was before it also where the log goes on behind it.
    fn named<L: ReadLog>(
        &self,
        log: &L,
        id: ConversationId,
        message: MessageId,
    ) -> Result<Named, Refusal<L::Error>> {
        let found = log.read(message.into(), |record| {
            let is_here = record.is_message() && record.stream == Stream::Pair(id);
            is_here.then(|| Named {
                place: record.place(),
                rank: record.rank,
                number: record.links.number,
            })
        })?;
        found
            .filter(|named| !self.is_erased(named.number))
            .ok_or(Refusal::NoSuchMessage)
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
        let read = &self.read[place];
        let rank = last.sent[1 - place];
        let count = read.count_unmarked(rank);
        let unread = read.unmarked_before(rank).take(Marked::NAMED);
        let mut newest = find_ranks(log, last, 1 - place, unread)?;
        newest.reverse();
        Ok(Some((rank, last.id, Marked { count, newest })))
    }

    /// Takes in an entry. One that is not newer than what it knows is in it.
    pub(crate) fn apply<T>(&mut self, id: EntryId, record: &Record<T>) {
        if self.last_entry >= Some(id) {
            return;
        }
        let place = record.place();
        match &record.act {
            Act::Sent { .. } | Act::Erased { .. } => {
                self.sent_by_first += u64::from(place == 0);
                self.chain.push(id.into());
            }
            Act::Read { .. } => {
                self.read[place].mark(record.rank);
            }
            Act::ReadUpTo { .. } => {
                self.read[place].mark_through(record.rank);
            }
            Act::MessageChanged { change, .. } => match change.part() {
                MessagePart::Whole => {
                    let erased = self.erased.get_or_insert_default();
                    erased.mark(record.links.number);
                    self.read[1 - place].mark(record.rank);
                }
                // What these change is in the message.
                MessagePart::Text | MessagePart::Beside => {}
            },
            Act::ErasedMany(erasure) => {
                let erased = self.erased.get_or_insert_default();
                for message in &erasure.messages {
                    erased.mark(message.number);
                    self.read[1 - message.place].mark(message.rank);
                }
            }
            // The others change nothing here.
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
        for (place, read) in self.read.iter().enumerate() {
            put(out, self.sent(place));
            read.encode(out);
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
        let mut member = || Some((rest.take()?, NumberSet::decode(rest)?));
        let ((sent_by_first, first), (sent_by_second, second)) = (member()?, member()?);
        let sent = sent_by_first.checked_add(sent_by_second)?;
        (sent == chain.length()).then_some(Self {
            pair,
            sent_by_first,
            read: [first, second],
            chain,
            last_entry,
            erased: None,
        })
    }
}

/// Where a message stands that an act names.
struct Named {
    /// The place of its sender in the pair.
    place: usize,
    rank: u64,
    number: u64,
}

/// Returns the message that a record is, from the members of its conversation; `None` for one that
/// is gone.
pub(crate) fn message_of(id: MessageId, pair: Pair, record: &Record<&str>) -> Option<Message> {
    let Act::Sent {
        content,
        client_id,
        extras,
    } = &record.act
    else {
        return None;
    };
    let members = pair.members();
    Some(Message {
        id,
        sender_id: members[record.place()],
        receiver_id: members[1 - record.place()],
        content: (*content).into(),
        created_at: record.at,
        client_id: client_id.as_ref().map(ClientId::to_shared),
        extras: extras.as_ref().map(|extras| Box::new(extras.to_shared())),
    })
}

/// Returns what is left of a message of these two, or all of it. The record must be a message.
pub(crate) fn remains_of(id: MessageId, pair: Pair, record: &Record<&str>) -> ChangedMessage {
    let (content, extras) = match &record.act {
        Act::Sent {
            content, extras, ..
        } => (*content, extras.as_ref()),
        _ => ("", None),
    };
    ChangedMessage {
        id,
        members: Members::Pair(pair),
        sender_id: pair.members()[record.place()],
        content: content.into(),
        extras: extras.map(|extras| Box::new(extras.to_shared())),
        history: RoomHistory::All,
    }
}

/// Returns who did an entry, the account that moderates included; `None` for the server itself.
/// `pair` are the members of its conversation, where it is one of two.
pub(crate) fn author_of<T>(pair: Option<Pair>, record: &Record<T>) -> Option<UserId> {
    match (record.act.moderator(), record.author, pair) {
        (Some(by), ..) => by.account(),
        (_, Author::Member(place), Some(pair)) => Some(pair.members()[place]),
        (_, Author::Account(user), _) => Some(user),
        (_, Author::Member(_), None) | (_, Author::Server, _) => None,
    }
}

/// Returns the notice of an entry; `pair` are the members of its conversation, where it is one of
/// two. How the room was at a change of a membership is left open.
pub(crate) fn notice_of(id: EntryId, pair: Option<Pair>, record: &Record<&str>) -> Notice {
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
            author: author_of(pair, record),
            at: record.at,
            act: record.act.to_shared(),
        },
        members,
        room: None,
        number: record.links.number,
        message: None,
    }
}
