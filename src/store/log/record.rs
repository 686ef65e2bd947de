//! How an entry of the log is written: one checksum, a kind, varints, and the text as it is.
//!
//! A sealed value is the CRC-32C (u32, little-endian) of key and body, then the body. The body of an entry is its
//! [`Head`], then unsigned LEB128 varints in the order of [`Entry`]'s and [`Body`]'s fields. A pointer to an earlier entry
//! is written as the distance back from the entry's own id, 0 for none. What remains of a message's body is its content.
//! `FORMAT.md` draws each.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::head::{
    CLIENT_TEXT, CLIENT_UUID, Head, Kind, OTHER_PREVIOUS, SECOND, THE_PREVIOUS, is_of_format_3,
};
use crate::model::{ConversationId, EntryId, MessageId, Timestamp};
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, checksum, put, unseal};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Whose log this continues.
    pub(crate) conversation: ConversationId,
    /// When the server took it.
    pub(crate) at: Timestamp,
    /// The previous entry of the conversation, of any kind.
    pub(crate) previous: Option<EntryId>,
    /// 0 or 1: which member of the pair did it.
    pub(crate) side: usize,
    /// What was done.
    pub(crate) body: Body<'a>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// `side` sent a message.
    Message(MessageBody<'a>),
    /// `side` read one message of the other.
    Read {
        /// The message.
        message: MessageId,
        /// Its number among the other's messages.
        ordinal: u64,
    },
    /// `side` read the other's messages up to some message.
    ChatRead {
        /// The last message covered.
        up_to: MessageId,
        /// How many messages of the other are covered, counted from the first.
        through: u64,
        /// How many of those were unread until now.
        count: u64,
        /// The newest of those that were unread, ascending by id.
        changed: SmallVec<[MessageId; 4]>,
    },
}

/// A message, and its place among those of its conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageBody<'a> {
    /// The previous message of the conversation.
    pub(crate) previous: Option<MessageId>,
    /// An earlier message, chosen so that any message is found in O(log n) steps; see [`super::chain`].
    pub(crate) jump: Option<MessageId>,
    /// Its number in the conversation, from 1.
    pub(crate) number: u64,
    /// Its number among its sender's messages in the conversation, from 1.
    pub(crate) ordinal: u64,
    /// The sender's own name for it.
    pub(crate) client_id: Option<StoredClientId<'a>>,
    /// The text as sent.
    pub(crate) content: &'a str,
}

impl MessageBody<'_> {
    /// How many messages `side` had sent up to and including this one, which `sender` sent.
    pub(crate) fn sent_by(&self, side: usize, sender: usize) -> u64 {
        if side == sender {
            self.ordinal
        } else {
            self.number - self.ordinal
        }
    }
}

/// A client id as written: most are UUIDs, and 16 bytes of a hundred are worth saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredClientId<'a> {
    /// Any text.
    Text(&'a str),
    /// A UUID whose text is lower case with four hyphens.
    Uuid([u8; 16]),
}

/// Where the hyphens of a UUID's text stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl<'a> StoredClientId<'a> {
    /// The shortest form of a client id that gives its text back unchanged.
    pub(crate) fn new(text: &'a str) -> Self {
        Self::uuid(text.as_bytes()).map_or(Self::Text(text), Self::Uuid)
    }

    fn uuid(text: &[u8]) -> Option<[u8; 16]> {
        if text.len() != 36 || HYPHENS.iter().any(|at| text[*at] != b'-') {
            return None;
        }
        let mut digits = text
            .iter()
            .enumerate()
            .filter(|(at, _)| !HYPHENS.contains(at))
            .map(|(_, byte)| match byte {
                b'0'..=b'9' => Some(byte - b'0'),
                b'a'..=b'f' => Some(byte - b'a' + 10),
                _ => None,
            });
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = digits.next()?? << 4 | digits.next()??;
        }
        Some(bytes)
    }

    /// The text that was given.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Uuid(bytes) => {
                let mut text = String::with_capacity(36);
                for byte in bytes {
                    if HYPHENS.contains(&text.len()) {
                        text.push('-');
                    }
                    for digit in [byte >> 4, byte & 15] {
                        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
                    }
                }
                text
            }
        }
    }
}

impl<'a> Entry<'a> {
    /// The sealed value of the entry with this id.
    pub(crate) fn encode(&self, id: EntryId) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(id, &mut out);
        out
    }

    /// Appends the sealed value of the entry with this id.
    pub(crate) fn encode_into(&self, id: EntryId, out: &mut Vec<u8>) {
        let start = out.len();
        let content = match &self.body {
            Body::Message(message) => message.content.len(),
            _ => 0,
        };
        out.reserve(64 + content);
        out.extend_from_slice(&[0; 4]);
        let side = if self.side == 1 { SECOND } else { 0 };
        match &self.body {
            Body::Message(message) => {
                let same = message.previous.map(EntryId::from) == self.previous;
                let client = match message.client_id {
                    None => 0,
                    Some(StoredClientId::Text(_)) => CLIENT_TEXT,
                    Some(StoredClientId::Uuid(_)) => CLIENT_UUID,
                };
                let other = if same { 0 } else { OTHER_PREVIOUS };
                Head::new(Kind::Message, side | client | other).put(out);
                self.encode_common(out, id);
                if !same {
                    put_back(out, id, message.previous.map(EntryId::from));
                }
                put_back(out, id, message.jump.map(EntryId::from));
                put(out, message.number);
                put(out, message.ordinal);
                match message.client_id {
                    None => {}
                    Some(StoredClientId::Uuid(bytes)) => out.extend_from_slice(&bytes),
                    Some(StoredClientId::Text(text)) => {
                        put(out, text.len() as u64);
                        out.extend_from_slice(text.as_bytes());
                    }
                }
                out.extend_from_slice(message.content.as_bytes());
            }
            Body::Read { message, ordinal } => {
                self.encode_mark(out, id, Kind::Read, side, *message);
                put(out, *ordinal);
            }
            Body::ChatRead {
                up_to,
                through,
                count,
                changed,
            } => {
                self.encode_mark(out, id, Kind::ChatRead, side, *up_to);
                put(out, *through);
                put(out, *count);
                // Newest first, each as the distance back from the one before it.
                let mut from = id;
                for message in changed.iter().rev() {
                    put_back(out, from, Some((*message).into()));
                    from = (*message).into();
                }
            }
        }
        let sum = checksum(id.get(), &out[start + 4..]);
        out[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    }

    /// Appends what a mark has up to the message that it names: most name the entry before them.
    fn encode_mark(&self, out: &mut Vec<u8>, id: EntryId, kind: Kind, side: u64, of: MessageId) {
        let is_previous = self.previous == Some(of.into());
        Head::new(kind, side | if is_previous { THE_PREVIOUS } else { 0 }).put(out);
        self.encode_common(out, id);
        if !is_previous {
            put_back(out, id, Some(of.into()));
        }
    }

    /// Appends what every entry has.
    fn encode_common(&self, out: &mut Vec<u8>, id: EntryId) {
        put(out, self.conversation.get());
        put(out, self.at.as_ms());
        put_back(out, id, self.previous);
    }

    /// Reads a sealed value back. Fails on a wrong checksum, and on a body that no chatd of this format wrote.
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
        let conversation = ConversationId::new(rest.take()?).ok()?;
        let at = Timestamp::from_ms(rest.take()?);
        let previous = rest.take_back(id)?;
        head.skip_fields(&mut rest)?;
        let body = match head.kind {
            Kind::Message => Body::Message(MessageBody {
                previous: if head.has(OTHER_PREVIOUS) {
                    rest.take_back(id)?
                } else {
                    previous
                }
                .map(message_id),
                jump: rest.take_back(id)?.map(message_id),
                number: rest.take()?,
                ordinal: rest.take()?,
                client_id: if head.has(CLIENT_UUID) {
                    Some(StoredClientId::Uuid(rest.take_bytes(16)?.try_into().ok()?))
                } else if head.has(CLIENT_TEXT) {
                    let length = usize::try_from(rest.take()?).ok()?;
                    Some(StoredClientId::Text(
                        std::str::from_utf8(rest.take_bytes(length)?).ok()?,
                    ))
                } else {
                    None
                },
                content: std::str::from_utf8(rest.0).ok()?,
            }),
            Kind::Read => Body::Read {
                message: rest.take_marked(id, head, previous)?,
                ordinal: rest.take()?,
            },
            Kind::ChatRead => {
                let up_to = rest.take_marked(id, head, previous)?;
                let (through, count) = (rest.take()?, rest.take()?);
                let mut changed = SmallVec::new();
                let mut from = id;
                while !rest.0.is_empty() {
                    from = rest.take_back(from)??;
                    changed.push(message_id(from));
                }
                changed.reverse();
                Body::ChatRead {
                    up_to,
                    through,
                    count,
                    changed,
                }
            }
        };
        Some(Self {
            conversation,
            at,
            previous,
            side: usize::from(head.has(SECOND)),
            body,
        })
    }
}

/// Returns a sealed entry in the newest form: as it is, unless an earlier format wrote it. One that is damaged is given back
/// as it is too.
pub(crate) fn recoded(id: u64, sealed: &[u8]) -> Cow<'_, [u8]> {
    let is_old = sealed.get(4).is_some_and(|first| is_of_format_3(*first));
    let entry = is_old.then(|| {
        let id = EntryId::new(id).ok()?;
        Some(Entry::decode(id, sealed).ok()?.encode(id))
    });
    entry.flatten().map_or(Cow::Borrowed(sealed), Cow::Owned)
}

/// Returns a sealed entry as a chatd of format 3 wrote it.
#[cfg(test)]
pub(crate) use super::head::in_format_3;

/// The id of a message's entry as the message's id: they are the same number.
fn message_id(entry: EntryId) -> MessageId {
    MessageId::new(entry.get()).expect("an entry id is a valid id")
}

/// Appends a pointer to an earlier entry.
fn put_back(out: &mut Vec<u8>, id: EntryId, earlier: Option<EntryId>) {
    put(out, earlier.map_or(0, |earlier| id.get() - earlier.get()));
}

impl Rest<'_> {
    /// `Some(None)` is the written "none"; `None` is a pointer that leads nowhere.
    fn take_back(&mut self, id: EntryId) -> Option<Option<EntryId>> {
        match self.take()? {
            0 => Some(None),
            distance => Some(Some(EntryId::new(id.get().checked_sub(distance)?).ok()?)),
        }
    }

    /// Which message a mark names.
    fn take_marked(
        &mut self,
        id: EntryId,
        head: Head,
        previous: Option<EntryId>,
    ) -> Option<MessageId> {
        let message = match head.has(THE_PREVIOUS) {
            true => previous,
            false => self.take_back(id)?,
        };
        message.map(message_id)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::store::sealed::seal;

    fn entry(number: u64) -> EntryId {
        EntryId::new(number).unwrap()
    }

    fn message(number: u64) -> MessageId {
        MessageId::new(number).unwrap()
    }

    fn sample(body: Body<'_>) -> Entry<'_> {
        let conversation = ConversationId::new(320_000).unwrap();
        Entry {
            conversation,
            at: Timestamp::from_ms(1_749_124_800_000),
            previous: Some(entry(9_000_000)),
            side: 1,
            body,
        }
    }

    fn text<'a>(content: &'a str, client_id: Option<&'a str>) -> MessageBody<'a> {
        MessageBody {
            previous: Some(message(9_000_000)),
            jump: Some(message(7)),
            number: 31,
            ordinal: 16,
            client_id: client_id.map(StoredClientId::new),
            content,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let other_previous = MessageBody {
            previous: Some(message(8_000_000)),
            ..text("hi", None)
        };
        let first = MessageBody {
            previous: None,
            jump: None,
            number: 1,
            ordinal: 1,
            ..text("first", Some("é"))
        };
        let many = (1..=100).map(|number| message(number * 3)).collect();
        for body in [
            Body::Message(text("", None)),
            Body::Message(text(
                "Halo! 👋",
                Some("018f3b2a-0000-7abc-8def-0123456789ab"),
            )),
            Body::Message(text("x", Some("018F3B2A-0000-7ABC-8DEF-0123456789AB"))),
            Body::Message(other_previous),
            Body::Message(first),
            Body::Read {
                message: message(9_999_999),
                ordinal: 1,
            },
            Body::ChatRead {
                up_to: message(300),
                through: 120,
                count: 110,
                changed: many,
            },
        ] {
            let entry_in = sample(body);
            let sealed = entry_in.encode(entry(10_000_000));
            assert_eq!(Entry::decode(entry(10_000_000), &sealed).unwrap(), entry_in);
        }
    }

    #[test]
    fn a_client_id_keeps_its_text_and_a_uuid_its_16_bytes() {
        let uuid = "018f3b2a-0000-7abc-8def-0123456789ab";
        assert!(matches!(StoredClientId::new(uuid), StoredClientId::Uuid(_)));
        for text in [
            uuid,
            "018F3b2a-0000-7abc-8def-0123456789ab",
            "018f3b2a-0000-7abc-8def-0123456789a-",
            "x",
            "0-1",
        ] {
            assert_eq!(StoredClientId::new(text).text(), text);
        }
    }

    #[test]
    fn a_message_of_100_characters_takes_at_most_30_bytes_more() {
        let content = "x".repeat(100);
        let sealed = sample(Body::Message(text(&content, None))).encode(entry(10_000_000));
        assert!(sealed.len() <= 130, "{} bytes", sealed.len());
    }

    /// Entries of every kind, some with each flag.
    fn samples() -> Vec<Entry<'static>> {
        let uuid = "018f3b2a-0000-7abc-8def-0123456789ab";
        let other_previous = MessageBody {
            previous: Some(message(8_000_000)),
            ..text("hi", Some(uuid))
        };
        let many: SmallVec<_> = (1..=100).map(|number| message(number * 3)).collect();
        let marks = [300, 9_000_000].into_iter().flat_map(|of| {
            let read = Body::Read {
                message: message(of),
                ordinal: 1,
            };
            let chat_read = Body::ChatRead {
                up_to: message(of),
                through: 120,
                count: 110,
                changed: many.clone(),
            };
            [read, chat_read]
        });
        let messages = [
            text("", None),
            text("Halo! 👋", Some(uuid)),
            text("x", Some("c1")),
            other_previous,
        ];
        let bodies = messages.into_iter().map(Body::Message).chain(marks);
        let entries = bodies.map(sample).flat_map(|entry| {
            let first = Entry {
                side: 0,
                ..entry.clone()
            };
            [entry, first]
        });
        entries.collect()
    }

    #[test]
    fn an_entry_of_format_3_is_read_takes_no_fewer_bytes_and_is_recoded() {
        let id = entry(10_000_000);
        for written in samples() {
            let new = written.encode(id);
            let old = in_format_3(id.get(), &new);
            assert_eq!(Entry::decode(id, &old).unwrap(), written);
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
            body.extend_from_slice(&[7, 1, 2, 0xff, 0xff, 9, 1, 0]);
            body.extend_from_slice(rest.0);
            let sealed = seal(id.get(), &body);
            assert_eq!(Entry::decode(id, &sealed).unwrap(), written);
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_or_another_key_is_noticed() {
        let sealed = sample(Body::Message(text("Halo!", Some("abc")))).encode(entry(10_000_000));
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Entry::decode(entry(10_000_000), &damaged).is_err(),
                "bit {bit}"
            );
        }
        assert!(Entry::decode(entry(10_000_001), &sealed).is_err());
    }

    #[test]
    fn random_bytes_under_a_right_checksum_never_panic() {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        for _ in 0..20_000 {
            let body: Vec<u8> = (0..random.random_range(0..40))
                .map(|_| random.random())
                .collect();
            let _ = Entry::decode(entry(5), &seal(5, &body));
        }
    }
}
