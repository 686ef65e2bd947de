//! How an entry of the log is written: one checksum, a kind, varints, and the text as it is.
//!
//! The body of a sealed entry (`sealed.rs`) is its [`Head`], then unsigned LEB128 varints: its
//! stream, time, previous entry, and what its kind has beside these. A pointer to an earlier entry
//! is written as the distance back from the entry's own id, 0 for none. What remains of a message's
//! body is its content. `FORMAT.md` draws each.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::extras::{BLOCKED, put_block, put_fields, take_block, take_field};
use super::further;
use super::head::{
    AUTHOR, CLIENT_TEXT, CLIENT_UUID, ERASED, FIELDS, Head, Kind, OTHER_PREVIOUS, OWN, ROOM,
    SECOND, THE_PREVIOUS, is_of_format_3,
};
use super::others;
use crate::model::{
    Act, ClientId, ConversationId, EntryId, Extras, Marked, MessageId, RoomId, Stream, Timestamp,
    UserId,
};
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, checksum, put, unseal};

/// One entry of the log as it is written: what was done, and its place among what was done before.
///
/// `T` is the type of texts: shared in a record to be written, borrowed in one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<T> {
    /// The stream that it continues.
    pub(crate) stream: Stream,
    /// Who did it.
    pub(crate) author: Author,
    /// When the server took it.
    pub(crate) at: Timestamp,
    /// The previous entry of the stream, of any kind.
    pub(crate) previous: Option<EntryId>,
    /// A number among the messages that one of two people sent to the other, counted from 1: of the
    /// message that is sent or read, or of the last one that is covered. 0 in other streams.
    pub(crate) rank: u64,
    /// The place of a message among those of its conversation; none for other acts.
    pub(crate) links: Links,
    /// What was done.
    pub(crate) act: Act<T>,
}

/// Who did what an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    /// Of two people, the one at this place.
    Member(usize),
    /// This account.
    Account(UserId),
    /// The server itself.
    Server,
}

/// The two pointers of a message, and its number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// The previous message of the conversation.
    pub(crate) previous: Option<MessageId>,
    /// An earlier message, chosen so that any message is found in O(log n) steps; see
    /// [`super::chain`].
    pub(crate) jump: Option<MessageId>,
    /// Its number in the conversation, from 1.
    pub(crate) number: u64,
}

impl<T> Record<T> {
    /// Returns whether it is a message.
    pub(crate) const fn is_message(&self) -> bool {
        matches!(self.act, Act::Sent { .. } | Act::Erased { .. })
    }

    /// Returns the place of the author of a message or a mark between two people.
    pub(crate) const fn place(&self) -> usize {
        match self.author {
            Author::Member(place) => place,
            Author::Account(_) | Author::Server => 0,
        }
    }

    /// Returns the flags that tell the stream and the author.
    fn flags(&self) -> u64 {
        let stream = match self.stream {
            Stream::Pair(_) => 0,
            Stream::Room(_) => ROOM,
            Stream::Own(_) => OWN,
        };
        let author = match (self.author, self.stream) {
            (Author::Member(place), _) => SECOND * (place as u64),
            (Author::Account(user), Stream::Own(own)) if user == own => 0,
            (Author::Server, Stream::Room(_)) => 0,
            (Author::Account(_) | Author::Server, _) => AUTHOR,
        };
        stream | author
    }

    /// Returns how many messages one of two people had sent up to and including this one.
    pub(crate) const fn sent_by(&self, member: usize) -> u64 {
        if member == self.place() {
            self.rank
        } else {
            self.links.number - self.rank
        }
    }
}

impl<T: AsRef<str>> Record<T> {
    /// The sealed value of the entry with this id.
    pub(crate) fn encode(&self, id: EntryId) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(id, &mut out);
        out
    }

    /// Appends the sealed value of the entry with this id.
    pub(crate) fn encode_into(&self, id: EntryId, out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(64 + self.act.bytes());
        out.extend_from_slice(&[0; 4]);
        match &self.act {
            Act::Sent { .. } | Act::Erased { .. } => self.encode_message(id, out),
            Act::MessageChanged { .. } | Act::ErasedMany(_) => further::encode(self, id, out),
            Act::Settings {
                blocks: Some(blocks),
                ..
            } => {
                self.encode_head(id, Kind::Other, FIELDS, out);
                put_block(*blocks, out);
                others::encode(id, self, out);
            }
            Act::RoomChanged { .. }
            | Act::MemberChanged(_)
            | Act::RoomRead(_)
            | Act::Settings { .. } => {
                self.encode_head(id, Kind::Other, 0, out);
                others::encode(id, self, out);
            }
            Act::Read { message } => {
                self.encode_mark(id, Kind::Read, *message, out);
                put(out, self.rank);
            }
            Act::ReadUpTo { message, marked } => {
                self.encode_mark(id, Kind::ReadUpTo, *message, out);
                put(out, self.rank);
                put(out, marked.count);
                // Newest first, each as the distance back from the one before it.
                let mut from = id;
                for message in marked.newest.iter().rev() {
                    put_back(out, from, Some((*message).into()));
                    from = (*message).into();
                }
            }
        }
        let sum = checksum(id.get(), &out[start + 4..]);
        out[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    }

    fn encode_message(&self, id: EntryId, out: &mut Vec<u8>) {
        let (content, client_id, extras, erased) = match &self.act {
            Act::Sent {
                content,
                client_id,
                extras,
            } => (content.as_ref(), client_id, extras.as_ref(), 0),
            Act::Erased { client_id, extras } => ("", client_id, extras.as_ref(), ERASED),
            _ => return,
        };
        let links = &self.links;
        let is_previous = links.previous.map(EntryId::from) == self.previous;
        let other = if is_previous { 0 } else { OTHER_PREVIOUS };
        let uuid = client_id.as_ref().map(ClientId::as_uuid);
        let client = match uuid {
            None => 0,
            Some(None) => CLIENT_TEXT,
            Some(Some(_)) => CLIENT_UUID,
        };
        let fields = if extras.is_some() { FIELDS } else { 0 };
        self.encode_head(id, Kind::Message, client | other | fields | erased, out);
        if let Some(extras) = extras {
            put_fields(id, extras, out);
        }
        if !is_previous {
            put_back(out, id, links.previous.map(EntryId::from));
        }
        put_back(out, id, links.jump.map(EntryId::from));
        put(out, links.number);
        if let Stream::Pair(_) = self.stream {
            put(out, self.rank);
        }
        if let Some(Some(bytes)) = uuid {
            out.extend_from_slice(&bytes);
        } else if let Some(client_id) = client_id {
            client_id.with_text(|text| {
                put(out, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            });
        }
        out.extend_from_slice(content.as_bytes());
    }

    /// Appends what a mark has up to the message that it names: most name the entry before them.
    fn encode_mark(&self, id: EntryId, kind: Kind, of: MessageId, out: &mut Vec<u8>) {
        let is_previous = self.previous == Some(of.into());
        let the_previous = if is_previous { THE_PREVIOUS } else { 0 };
        self.encode_head(id, kind, the_previous, out);
        if !is_previous {
            put_back(out, id, Some(of.into()));
        }
    }

    /// Appends what every entry has, up to its optional fields.
    pub(super) fn encode_head(&self, id: EntryId, kind: Kind, flags: u64, out: &mut Vec<u8>) {
        let flags = flags | self.flags();
        Head::new(kind, flags).put(out);
        let stream = match self.stream {
            Stream::Pair(id) => id.get(),
            Stream::Room(id) => id.get(),
            Stream::Own(id) => id.get(),
        };
        put(out, stream);
        put(out, self.at.as_ms());
        put_back(out, id, self.previous);
        if flags & AUTHOR != 0 {
            let account = match self.author {
                Author::Account(user) => user.get(),
                Author::Member(_) | Author::Server => 0,
            };
            put(out, account);
        }
    }
}

impl<'a> Record<&'a str> {
    /// Reads a sealed value back. Fails on a wrong checksum, and on a body that no chatd of this
    /// format wrote.
    pub(crate) fn decode(id: EntryId, sealed: &'a [u8]) -> Result<Self, StoreError> {
        let body = unseal("log", id.get(), sealed)?;
        Self::decode_body(id, body).ok_or(StoreError::Damaged {
            table: "log",
            key: id.get(),
        })
    }

    fn decode_body(id: EntryId, body: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(body);
        let head = Head::take(&mut rest)?;
        let stream = rest.take_stream(head)?;
        let at = Timestamp::from_ms(rest.take()?);
        let previous = rest.take_back(id)?;
        let author = rest.take_author(head, stream)?;
        let (mut extras, mut blocked) = (None, None);
        head.take_fields(&mut rest, |tag, value| match tag {
            BLOCKED => {
                blocked = Some(take_block(value)?);
                Some(())
            }
            _ => take_field(id, &mut extras, tag, value),
        })?;
        let mut links = Links::default();
        let (rank, act) = match head.kind {
            Kind::Message => {
                let taken = rest.take_message(id, head, (stream, author), (previous, extras))?;
                links = taken.1;
                (taken.0, taken.2)
            }
            Kind::Read | Kind::ReadUpTo if !matches!(author, Author::Member(_)) => return None,
            Kind::Other if further::is_next(&rest) => {
                let taken = further::take(id, (stream, author), &mut rest)?;
                links = taken.1;
                (taken.0, taken.2)
            }
            Kind::Other => (0, others::decode(id, stream, blocked, &mut rest)?),
            Kind::Read => {
                let message = rest.take_named(id, head, previous)?;
                (rest.take()?, Act::Read { message })
            }
            Kind::ReadUpTo => {
                let message = rest.take_named(id, head, previous)?;
                let rank = rest.take()?;
                let count = rest.take()?;
                let newest = rest.take_marked(id)?;
                let marked = Marked { count, newest };
                (rank, Act::ReadUpTo { message, marked })
            }
        };
        Some(Self {
            stream,
            author,
            at,
            previous,
            rank,
            links,
            act,
        })
    }
}

/// Returns a sealed entry in the newest form: as it is, unless an earlier format wrote it. One that
/// is damaged is given back as it is too.
pub(crate) fn recoded(id: u64, sealed: &[u8]) -> Cow<'_, [u8]> {
    let is_old = sealed.get(4).is_some_and(|first| is_of_format_3(*first));
    let record = is_old.then(|| {
        let id = EntryId::new(id).ok()?;
        Some(Record::decode(id, sealed).ok()?.encode(id))
    });
    record.flatten().map_or(Cow::Borrowed(sealed), Cow::Owned)
}

/// Returns a sealed entry as a chatd of format 3 wrote it.
#[cfg(test)]
pub(crate) use super::head::in_format_3;

/// Appends a pointer to an earlier entry.
pub(super) fn put_back(out: &mut Vec<u8>, id: EntryId, earlier: Option<EntryId>) {
    put(out, earlier.map_or(0, |earlier| id.get() - earlier.get()));
}

impl<'a> Rest<'a> {
    fn take_stream(&mut self, head: Head) -> Option<Stream> {
        let number = self.take()?;
        Some(if head.has(ROOM) {
            Stream::Room(RoomId::new(number).ok()?)
        } else if head.has(OWN) {
            Stream::Own(UserId::new(number).ok()?)
        } else {
            Stream::Pair(ConversationId::new(number).ok()?)
        })
    }

    fn take_author(&mut self, head: Head, stream: Stream) -> Option<Author> {
        if head.has(AUTHOR) {
            return Some(match self.take()? {
                0 => Author::Server,
                account => Author::Account(UserId::new(account).ok()?),
            });
        }
        Some(match stream {
            Stream::Pair(_) => Author::Member(usize::from(head.has(SECOND))),
            Stream::Room(_) => Author::Server,
            Stream::Own(user) => Author::Account(user),
        })
    }

    /// Takes the rest of a message: its rank, its pointers and what was sent.
    fn take_message(
        &mut self,
        id: EntryId,
        head: Head,
        (stream, author): (Stream, Author),
        (previous, extras): (Option<EntryId>, Option<Box<Extras<&'a str>>>),
    ) -> Option<(u64, Links, Act<&'a str>)> {
        let before = match head.has(OTHER_PREVIOUS) {
            true => self.take_back(id)?,
            false => previous,
        };
        let links = Links {
            previous: before.map(MessageId::from),
            jump: self.take_back(id)?.map(MessageId::from),
            number: self.take()?,
        };
        let rank = match (stream, author) {
            (Stream::Pair(_), Author::Member(_)) => {
                self.take().filter(|rank| *rank <= links.number)?
            }
            (Stream::Room(_), Author::Account(_)) => 0,
            // No message has another stream or author.
            _ => return None,
        };
        let client_id = self.take_client_id(head)?;
        let content = std::str::from_utf8(self.0).ok()?;
        let sent = match head.has(ERASED) {
            true if !content.is_empty() => return None,
            true => Act::Erased { client_id, extras },
            false => Act::Sent {
                content,
                client_id,
                extras,
            },
        };
        Some((rank, links, sent))
    }

    /// The client id of a message; `Some(None)` is that of one without.
    fn take_client_id(&mut self, head: Head) -> Option<Option<ClientId<&'a str>>> {
        if head.has(CLIENT_UUID) {
            let bytes = self.take_bytes(16)?.try_into().ok()?;
            return Some(Some(ClientId::of_uuid(bytes)));
        }
        if head.has(CLIENT_TEXT) {
            let length = usize::try_from(self.take()?).ok()?;
            let text = std::str::from_utf8(self.take_bytes(length)?).ok()?;
            return Some(Some(ClientId::borrowed(text).ok()?));
        }
        Some(None)
    }

    /// The message that a mark names.
    fn take_named(
        &mut self,
        id: EntryId,
        head: Head,
        previous: Option<EntryId>,
    ) -> Option<MessageId> {
        let message = match head.has(THE_PREVIOUS) {
            true => previous,
            false => self.take_back(id)?,
        };
        message.map(MessageId::from)
    }

    /// The messages that a mark has changed, which are all that is left; ascending by id.
    fn take_marked(&mut self, id: EntryId) -> Option<SmallVec<[MessageId; 4]>> {
        let mut marked = SmallVec::new();
        let mut from = id;
        while !self.0.is_empty() {
            from = self.take_back(from)??;
            marked.push(from.into());
        }
        marked.reverse();
        Some(marked)
    }

    /// `Some(None)` is the written "none"; `None` is a pointer that leads nowhere.
    pub(super) fn take_back(&mut self, id: EntryId) -> Option<Option<EntryId>> {
        match self.take()? {
            0 => Some(None),
            distance => Some(Some(EntryId::new(id.get().checked_sub(distance)?).ok()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::model::{
        Attachment, ErasedMessage, Erasure, Extras, FileId, FileKind, MessageChange, Meta,
        Moderator, Reaction, Reactors, ReplyTo, Speaker,
    };
    use crate::store::sealed::seal;

    fn entry(number: u64) -> EntryId {
        EntryId::new(number).unwrap()
    }

    fn message(number: u64) -> MessageId {
        MessageId::new(number).unwrap()
    }

    fn sample(rank: u64, links: Links, act: Act<&str>) -> Record<&str> {
        Record {
            stream: Stream::Pair(ConversationId::new(320_000).unwrap()),
            author: Author::Member(1),
            at: Timestamp::from_ms(1_749_124_800_000),
            previous: Some(entry(9_000_000)),
            rank,
            links,
            act,
        }
    }

    fn text<'a>(content: &'a str, client_id: Option<&'a str>) -> Record<&'a str> {
        let links = Links {
            previous: Some(message(9_000_000)),
            jump: Some(message(7)),
            number: 31,
        };
        let client_id = client_id.map(|text| ClientId::borrowed(text).unwrap());
        let sent = Act::Sent {
            content,
            client_id,
            extras: None,
        };
        sample(16, links, sent)
    }

    /// A message with an object of the app's own.
    fn with_meta<'a>(
        content: &'a str,
        client_id: Option<&'a str>,
        meta: &'a str,
    ) -> Record<&'a str> {
        let mut record = text(content, client_id);
        if let Act::Sent { extras, .. } = &mut record.act {
            let meta = Some(Meta::stored(meta));
            *extras = Extras {
                meta,
                ..Extras::default()
            }
            .boxed();
        }
        record
    }

    /// A message of a room.
    fn of_room(extras: Extras<&str>) -> Record<&str> {
        let mut record = text("Halo!", Some("c1"));
        (record.stream, record.rank) = (Stream::Room(RoomId::new(7).unwrap()), 0);
        record.author = Author::Account(UserId::new(3).unwrap());
        if let Act::Sent { extras: place, .. } = &mut record.act {
            *place = extras.boxed();
        }
        record
    }

    fn erased(client_id: Option<&'static str>) -> Record<&'static str> {
        let mut record = text("", client_id);
        record.act = Act::Erased {
            client_id: client_id.map(|text| ClientId::borrowed(text).unwrap()),
            extras: None,
        };
        record
    }

    /// All that a message may have.
    fn mentions() -> Extras<&'static str> {
        Extras {
            reply_to: Some(ReplyTo::new(message(8))),
            mentions: [1, 300]
                .map(|id| UserId::new(id).unwrap())
                .into_iter()
                .collect(),
            mention_all: true,
            meta: Some(Meta::stored(r#"{"order":7}"#)),
            speaker: Some(Speaker::stored("Grafana")),
            attachments: vec![
                Attachment {
                    id: FileId::new(u128::MAX - 7),
                    name: "trip.jpg",
                    kind: FileKind::Jpeg,
                    size: 48_213,
                    dimensions: Some((1_280, 720)),
                    has_preview: true,
                    alt: Some("Two people on a pier"),
                    opened_by: None,
                },
                Attachment {
                    id: FileId::new(7),
                    name: "",
                    kind: FileKind::Other,
                    size: 0,
                    dimensions: None,
                    has_preview: false,
                    alt: None,
                    opened_by: None,
                },
            ],
            auto_content: true,
            edited_at: Some(Timestamp::from_ms(1_749_124_800_001)),
            first_content: Some(u64::MAX),
            reactions: vec![
                Reaction {
                    emoji: "👍",
                    by: Reactors::OfPair(3),
                },
                Reaction {
                    emoji: "🇮🇩",
                    by: Reactors::OfPair(2),
                },
            ],
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let mut other_previous = text("hi", None);
        other_previous.links.previous = Some(message(8_000_000));
        let mut first = text("first", Some("é"));
        first.rank = 1;
        first.links = Links {
            number: 1,
            ..Links::default()
        };
        let many = (1..=100).map(|number| message(number * 3)).collect();
        let read = Act::Read {
            message: message(9_999_999),
        };
        let read_up_to = Act::ReadUpTo {
            message: message(300),
            marked: Marked {
                count: 110,
                newest: many,
            },
        };
        let message = message(300);
        let changed = |change| Act::MessageChanged { message, change };
        let erasure = |by| changed(MessageChange::Deleted { by });
        let moderator = Some(Moderator::Account(UserId::new(1).unwrap()));
        let edit = changed(MessageChange::Edited { content: None });
        let reaction = |on| {
            changed(MessageChange::Reacted {
                emoji: "❤️", on
            })
        };
        let numbered = |number| Links {
            number,
            ..Links::default()
        };
        for record in [
            erasure_of_many(Stream::Pair(ConversationId::new(7).unwrap()), 300),
            erasure_of_many(Stream::Pair(ConversationId::new(7).unwrap()), 1),
            erasure_of_many(Stream::Room(RoomId::new(7).unwrap()), 300),
            erasure_of_many(Stream::Room(RoomId::new(7).unwrap()), 0),
            text("", None),
            text("Halo! 👋", Some("018f3b2a-0000-7abc-8def-0123456789ab")),
            text("x", Some("018F3B2A-0000-7ABC-8DEF-0123456789AB")),
            with_meta("an order", Some("c1"), r#"{ "order": 7 }"#),
            with_meta("", None, "{}"),
            other_previous,
            first,
            sample(1, Links::default(), read),
            sample(120, Links::default(), read_up_to),
            sample(7, numbered(9), erasure(None)),
            sample(7, numbered(9), erasure(Some(Moderator::Server))),
            sample(7, numbered(9), erasure(moderator)),
            sample(0, Links::default(), edit),
            sample(0, Links::default(), reaction(true)),
            sample(0, Links::default(), reaction(false)),
            erased(Some("c1")),
            erased(None),
            of_room(Extras::default()),
            of_room(mentions()),
            of_room(Extras {
                mention_all: true,
                ..Extras::default()
            }),
            of_room(Extras {
                mentions: [UserId::new(9).unwrap()].into_iter().collect(),
                ..Extras::default()
            }),
        ] {
            let sealed = record.encode(entry(10_000_000));
            assert_eq!(Record::decode(entry(10_000_000), &sealed).unwrap(), record);
        }
    }

    #[test]
    fn a_message_of_100_characters_takes_at_most_30_bytes_more() {
        let content = "x".repeat(100);
        let sealed = text(&content, None).encode(entry(10_000_000));
        assert!(sealed.len() <= 130, "{} bytes", sealed.len());
    }

    /// An entry that erased so many messages of a chat.
    fn erasure_of_many(stream: Stream, count: u64) -> Record<&'static str> {
        let is_pair = stream.pair().is_some();
        let one = |number: u64| ErasedMessage {
            id: message(number * 1_000),
            number: number * 2,
            place: usize::from(is_pair && number.is_multiple_of(3)),
            rank: if is_pair { number } else { 0 },
        };
        let erasure = Erasure {
            sender: UserId::new(count).ok(),
            // Nothing has come after the last of them, or all are gone.
            before: count.is_multiple_of(2).then(|| message(10_000_000)),
            messages: (1..=count).map(one).collect(),
        };
        Record {
            stream,
            author: Author::Server,
            rank: 0,
            ..sample(0, Links::default(), Act::ErasedMany(Box::new(erasure)))
        }
    }

    /// Entries of every kind, some with each flag.
    fn samples() -> Vec<Record<&'static str>> {
        let uuid = "018f3b2a-0000-7abc-8def-0123456789ab";
        let mut other_previous = text("hi", Some(uuid));
        other_previous.links.previous = Some(message(8_000_000));
        let many: SmallVec<[MessageId; 4]> = (1..=100).map(|number| message(number * 3)).collect();
        let marks = [300, 9_000_000].into_iter().flat_map(|of| {
            let message = message(of);
            let marked = Marked {
                count: 110,
                newest: many.clone(),
            };
            let read_up_to = Act::ReadUpTo { message, marked };
            [
                sample(1, Links::default(), Act::Read { message }),
                sample(120, Links::default(), read_up_to),
            ]
        });
        let messages = [
            text("", None),
            text("Halo! 👋", Some(uuid)),
            text("x", Some("c1")),
            other_previous,
        ];
        let records = messages.into_iter().chain(marks).flat_map(|record| {
            let first = Record {
                author: Author::Member(0),
                ..record.clone()
            };
            [record, first]
        });
        records.collect()
    }

    #[test]
    fn an_entry_of_format_3_is_read_takes_no_fewer_bytes_and_is_recoded() {
        let id = entry(10_000_000);
        for written in samples() {
            let new = written.encode(id);
            let old = in_format_3(id.get(), &new);
            assert_eq!(Record::decode(id, &old).unwrap(), written);
            assert!(new.len() <= old.len(), "{written:?}");
            assert!(old[4] & 0x0f < 4, "{written:?}");
            assert_eq!(*recoded(id.get(), &old), new);
            assert_eq!(*recoded(id.get(), &new), new);
            // One that is damaged is given back as it is.
            let mut damaged = old.clone();
            *damaged.last_mut().unwrap() ^= 1;
            assert_eq!(*recoded(id.get(), &damaged), damaged);
        }
    }

    #[test]
    fn optional_fields_of_a_later_chatd_are_passed_over() {
        let id = entry(10_000_000);
        for written in samples() {
            let sealed = written.encode(id);
            let mut rest = Rest(&sealed[4..]);
            let head = rest.take().unwrap();
            let common = rest.0;
            for _ in 0..3 {
                rest.take().unwrap();
            }
            let mut body = Vec::new();
            put(&mut body, head | 0x80);
            body.extend_from_slice(&common[..common.len() - rest.0.len()]);
            // Two fields: tag, length, bytes.
            body.extend_from_slice(&[8, 100, 2, 0xff, 0xff, 101, 2, 0, 0]);
            body.extend_from_slice(rest.0);
            let sealed = seal(id.get(), &body);
            assert_eq!(Record::decode(id, &sealed).unwrap(), written);
        }
    }

    #[test]
    fn an_entry_of_another_stream_or_author_than_its_kind_can_have_is_refused() {
        let id = entry(10_000_000);
        let user = UserId::new(3).unwrap();
        let room = of_room(Extras::default());
        let mut wrong = vec![
            Record {
                author: Author::Server,
                ..room.clone()
            },
            Record {
                stream: Stream::Own(user),
                ..room.clone()
            },
        ];
        wrong.extend(samples().into_iter().map(|record| Record {
            author: Author::Account(user),
            ..record
        }));
        for record in wrong {
            let sealed = record.encode(id);
            assert!(Record::decode(id, &sealed).is_err(), "{record:?}");
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_or_another_key_is_noticed() {
        let sealed = text("Halo!", Some("abc")).encode(entry(10_000_000));
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Record::decode(entry(10_000_000), &damaged).is_err(),
                "bit {bit}"
            );
        }
        assert!(Record::decode(entry(10_000_001), &sealed).is_err());
    }

    #[test]
    fn random_bytes_under_a_right_checksum_never_panic() {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        for _ in 0..20_000 {
            let body: Vec<u8> = (0..random.random_range(0..40))
                .map(|_| random.random())
                .collect();
            let _ = Record::decode(entry(5), &seal(5, &body));
        }
    }
}
