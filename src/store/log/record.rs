//! How an entry of the log is written: one checksum, a kind, varints, and the text as it is.
//!
//! A sealed value is the CRC-32C (u32, little-endian) of key and body, then the body. The body of an entry is one byte
//! of kind (low four bits) and flags (high four), then unsigned LEB128 varints in the order of [`Entry`]'s and
//! [`Body`]'s fields. A pointer to an earlier entry is written as the distance back from the entry's own id, 0 for none.
//! What remains of a message's body is its content: 100 characters take about 130 bytes of the file in all.

use smallvec::SmallVec;

use crate::model::{ConversationId, EntryId, MessageId, Timestamp};
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, checksum, put, unseal};

const KIND_MASK: u8 = 0x0f;
const KIND_MESSAGE: u8 = 1;
const KIND_READ: u8 = 2;
const KIND_CHAT_READ: u8 = 3;
/// The actor (sender or reader) is the conversation's second member.
const FLAG_SIDE: u8 = 0x10;
/// A client id follows as its length and text.
const FLAG_CLIENT_TEXT: u8 = 0x20;
/// A client id follows as the 16 bytes of a UUID in its usual lower-case form.
const FLAG_CLIENT_UUID: u8 = 0x40;
/// The previous message is not the previous entry, so it is written too.
const FLAG_OTHER_PREVIOUS: u8 = 0x80;

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
        let side = if self.side == 1 { FLAG_SIDE } else { 0 };
        match &self.body {
            Body::Message(message) => {
                let same = message.previous.map(EntryId::from) == self.previous;
                let client = match message.client_id {
                    None => 0,
                    Some(StoredClientId::Text(_)) => FLAG_CLIENT_TEXT,
                    Some(StoredClientId::Uuid(_)) => FLAG_CLIENT_UUID,
                };
                out.push(KIND_MESSAGE | side | client | if same { 0 } else { FLAG_OTHER_PREVIOUS });
                self.encode_head(out, id);
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
                out.push(KIND_READ | side);
                self.encode_head(out, id);
                put_back(out, id, Some((*message).into()));
                put(out, *ordinal);
            }
            Body::ChatRead {
                up_to,
                through,
                count,
                changed,
            } => {
                out.push(KIND_CHAT_READ | side);
                self.encode_head(out, id);
                put_back(out, id, Some((*up_to).into()));
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

    fn encode_head(&self, out: &mut Vec<u8>, id: EntryId) {
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
        let (&head, rest) = body.split_first()?;
        let mut rest = Rest(rest);
        let conversation = ConversationId::new(rest.take()?).ok()?;
        let at = Timestamp::from_ms(rest.take()?);
        let previous = rest.take_back(id)?;
        let body = match head & KIND_MASK {
            KIND_MESSAGE => Body::Message(MessageBody {
                previous: if head & FLAG_OTHER_PREVIOUS == 0 {
                    previous
                } else {
                    rest.take_back(id)?
                }
                .map(message_id),
                jump: rest.take_back(id)?.map(message_id),
                number: rest.take()?,
                ordinal: rest.take()?,
                client_id: if head & FLAG_CLIENT_UUID != 0 {
                    Some(StoredClientId::Uuid(rest.take_bytes(16)?.try_into().ok()?))
                } else if head & FLAG_CLIENT_TEXT != 0 {
                    let length = usize::try_from(rest.take()?).ok()?;
                    Some(StoredClientId::Text(
                        std::str::from_utf8(rest.take_bytes(length)?).ok()?,
                    ))
                } else {
                    None
                },
                content: std::str::from_utf8(rest.0).ok()?,
            }),
            KIND_READ => Body::Read {
                message: message_id(rest.take_back(id)??),
                ordinal: rest.take()?,
            },
            KIND_CHAT_READ => {
                let up_to = message_id(rest.take_back(id)??);
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
            _ => return None,
        };
        Some(Self {
            conversation,
            at,
            previous,
            side: usize::from(head & FLAG_SIDE != 0),
            body,
        })
    }
}

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
