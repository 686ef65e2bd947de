//! A message changed where it lies: with another text, without any, or with other reactions.
//!
//! It is taken apart and put together again byte by byte, so that what this program does not know
//! of it stays as it is.

pub(crate) use super::extras::encode_reactions;
use super::extras::{
    ATTACHMENTS, AUTO_CONTENT, EDITED_AT, FIRST_CONTENT, MENTIONS, REACTIONS, ROOM_REACTIONS,
};
use super::head::{AUTHOR, CLIENT_TEXT, CLIENT_UUID, ERASED, FIELDS, Head, Kind, OTHER_PREVIOUS};
use super::head::{OWN, ROOM};
use super::record::recoded;
use crate::model::{EntryId, Timestamp};
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, put, seal, unseal};

/// A message of the log, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    head: Head,
    /// What every entry has, up to its optional fields.
    common: Vec<u8>,
    /// Each optional field, by its tag.
    fields: Vec<(u64, Vec<u8>)>,
    /// Its links, its number and its rank.
    place: Vec<u8>,
    client_id: Vec<u8>,
    content: Vec<u8>,
}

impl Parts {
    /// Takes a sealed message apart. Fails on a wrong checksum, and on what is no message.
    pub(crate) fn of(id: EntryId, sealed: &[u8]) -> Result<Self, StoreError> {
        let newest = recoded(id.get(), sealed);
        let body = unseal("log", id.get(), &newest)?;
        Self::of_body(body).ok_or(StoreError::Damaged {
            table: "log",
            key: id.get(),
        })
    }

    fn of_body(body: &[u8]) -> Option<Self> {
        let mut rest = Rest(body);
        let head = Head::take(&mut rest).filter(|head| head.kind == Kind::Message)?;
        let common = passed(&mut rest, |rest| {
            // The stream, the time and the previous entry.
            let numbers = if head.has(AUTHOR) { 4 } else { 3 };
            (0..numbers).try_for_each(|_| rest.take().map(drop))
        })?;
        let mut fields = Vec::new();
        head.take_fields(&mut rest, |tag, bytes| {
            fields.push((tag, bytes.to_vec()));
            Some(())
        })?;
        let place = passed(&mut rest, |rest| {
            // The jump and the number; what may be beside these.
            let is_pair = !head.has(ROOM) && !head.has(OWN);
            let numbers = 2 + usize::from(head.has(OTHER_PREVIOUS)) + usize::from(is_pair);
            (0..numbers).try_for_each(|_| rest.take().map(drop))
        })?;
        let client_id = passed(&mut rest, |rest| {
            let bytes = match (head.has(CLIENT_UUID), head.has(CLIENT_TEXT)) {
                (true, _) => 16,
                (false, true) => usize::try_from(rest.take()?).ok()?,
                (false, false) => 0,
            };
            rest.take_bytes(bytes).map(drop)
        })?;
        Some(Self {
            head,
            common,
            fields,
            place,
            client_id,
            content: rest.0.to_vec(),
        })
    }

    /// Puts it together again.
    pub(crate) fn seal(self, id: EntryId) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + self.client_id.len() + self.content.len());
        let has_fields = !self.fields.is_empty();
        self.head.with(FIELDS, has_fields).put(&mut body);
        body.extend_from_slice(&self.common);
        if has_fields {
            let mut fields = Vec::new();
            for (tag, bytes) in &self.fields {
                put(&mut fields, *tag);
                put(&mut fields, bytes.len() as u64);
                fields.extend_from_slice(bytes);
            }
            put(&mut body, fields.len() as u64);
            body.append(&mut fields);
        }
        body.extend_from_slice(&self.place);
        body.extend_from_slice(&self.client_id);
        body.extend_from_slice(&self.content);
        seal(id.get(), &body)
    }

    /// Gives it another text. Of a message with a client id `first`, the keyed hash of the text
    /// that it has, is kept, unless that of an earlier one is.
    pub(crate) fn edit(&mut self, content: &str, at: Timestamp, first: u64) {
        let is_named = self.head.has(CLIENT_UUID) || self.head.has(CLIENT_TEXT);
        if is_named && self.fields.iter().all(|(tag, _)| *tag != FIRST_CONTENT) {
            self.set(FIRST_CONTENT, first.to_le_bytes().to_vec());
        }
        let mut time = Vec::new();
        put(&mut time, at.as_ms());
        self.set(EDITED_AT, time);
        // From now on the text is one that was written.
        let mut files = self.fields.iter_mut();
        if let Some((_, files)) = files.find(|(tag, _)| *tag == ATTACHMENTS)
            && let Some(flags) = files.first_mut()
        {
            *flags &= !AUTO_CONTENT;
        }
        self.content = content.as_bytes().to_vec();
    }

    /// Takes its text away, and all that hangs on it. What it is among the others stays, and under
    /// which name it was sent, so that sending it again makes no second one; of a room's message
    /// also whom it mentioned, since marks of before were counted with it.
    pub(crate) fn erase(&mut self) {
        let is_room = self.head.has(ROOM);
        self.fields.retain(|(tag, _)| is_room && *tag == MENTIONS);
        self.content.clear();
        self.head = self.head.with(ERASED, true);
    }

    /// Takes its client id away, which is to stand for it no more.
    pub(crate) fn forget_client_id(&mut self) {
        let head = self.head.with(CLIENT_UUID, false);
        self.head = head.with(CLIENT_TEXT, false);
        self.client_id.clear();
    }

    /// Gives it other reactions, as they are written; none, where that is empty.
    pub(crate) fn react(&mut self, reactions: Vec<u8>) {
        let is_room = self.head.has(ROOM);
        self.set(if is_room { ROOM_REACTIONS } else { REACTIONS }, reactions);
    }

    fn set(&mut self, tag: u64, bytes: Vec<u8>) {
        self.fields.retain(|(other, _)| *other != tag);
        if !bytes.is_empty() {
            self.fields.push((tag, bytes));
        }
    }
}

/// Returns the bytes that `pass` passes over.
fn passed(rest: &mut Rest<'_>, pass: impl FnOnce(&mut Rest<'_>) -> Option<()>) -> Option<Vec<u8>> {
    let before = rest.0;
    pass(rest)?;
    Some(before[..before.len() - rest.0.len()].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Act, ClientId, ConversationId, Extras, MessageId, Reaction, Reactors, Stream,
    };
    use crate::store::log::record::{Author, Links, Record, in_format_3};

    fn entry() -> EntryId {
        EntryId::new(10_000_000).unwrap()
    }

    fn sent(client_id: Option<&'static str>, previous: u64) -> Record<&'static str> {
        Record {
            stream: Stream::Pair(ConversationId::new(320_000).unwrap()),
            author: Author::Member(1),
            at: Timestamp::from_ms(1_749_124_800_000),
            previous: EntryId::new(9_000_000).ok(),
            rank: 3,
            links: Links {
                previous: MessageId::new(previous).ok(),
                jump: MessageId::new(7).ok(),
                number: 5,
            },
            act: Act::Sent {
                content: "Halo!",
                client_id: client_id.map(|text| ClientId::borrowed(text).unwrap()),
                extras: None,
            },
        }
    }

    /// The record of a message once `change` was done to it.
    fn changed(
        sealed: &[u8],
        change: impl FnOnce(&mut Parts),
        judge: impl FnOnce(Record<&str>),
    ) -> Vec<u8> {
        let mut parts = Parts::of(entry(), sealed).unwrap();
        change(&mut parts);
        let sealed = parts.seal(entry());
        judge(Record::decode(entry(), &sealed).unwrap());
        sealed
    }

    #[test]
    fn a_message_of_any_form_is_edited_reacted_to_and_erased_and_keeps_its_place() {
        let uuid = "018f3b2a-0000-7abc-8def-0123456789ab";
        for client_id in [None, Some("c1"), Some(uuid)] {
            for (previous, is_old) in [(9_000_000, false), (8_000_000, false), (8_000_000, true)] {
                let record = sent(client_id, previous);
                let mut sealed = record.encode(entry());
                if is_old {
                    sealed = in_format_3(entry().get(), &sealed);
                }
                let with = |content, change: &dyn Fn(&mut Extras<&'static str>)| {
                    let mut record = record.clone();
                    let mut extras = Extras::default();
                    change(&mut extras);
                    if let Act::Sent {
                        content: text,
                        extras: place,
                        ..
                    } = &mut record.act
                    {
                        (*text, *place) = (content, extras.boxed());
                    }
                    record
                };
                let at = Timestamp::from_ms(1_749_124_900_000);
                let first = client_id.map(|_| 7);
                // Nothing done leaves it as it was.
                let same = changed(&sealed, |_| {}, |found| assert_eq!(found, record));
                assert_eq!(same, record.encode(entry()));
                // The hash of the first text stays.
                let edited = changed(
                    &sealed,
                    |parts| parts.edit("Hi", at, 7),
                    |found| {
                        let right = with("Hi", &|extras| {
                            (extras.edited_at, extras.first_content) = (Some(at), first);
                        });
                        assert_eq!(found, right);
                    },
                );
                let again = changed(&edited, |parts| parts.edit("Hey", at, 8), |_| {});
                let reactions = vec![Reaction {
                    emoji: "👍",
                    by: Reactors::OfPair(1),
                }];
                let reacted = changed(
                    &again,
                    |parts| parts.react(encode_reactions(&reactions)),
                    |found| {
                        let right = with("Hey", &|extras| {
                            (extras.edited_at, extras.first_content) = (Some(at), first);
                            extras.reactions = reactions.clone();
                        });
                        assert_eq!(found, right);
                    },
                );
                let none = changed(&reacted, |parts| parts.react(Vec::new()), |_| {});
                assert_eq!(none, again);
                let gone = changed(&reacted, Parts::erase, |found| {
                    let client_id = client_id.map(|text| ClientId::borrowed(text).unwrap());
                    let right = Record {
                        act: Act::Erased {
                            client_id,
                            extras: None,
                        },
                        ..record.clone()
                    };
                    assert_eq!(found, right);
                });
                assert_eq!(changed(&gone, Parts::erase, |_| {}), gone);
                let forgotten = changed(&gone, Parts::forget_client_id, |found| {
                    let right = Record {
                        act: Act::Erased {
                            client_id: None,
                            extras: None,
                        },
                        ..record.clone()
                    };
                    assert_eq!(found, right);
                });
                let named = client_id.map_or(0, |text| match text.len() {
                    36 => 16,
                    bytes => 1 + bytes,
                });
                assert_eq!(forgotten.len() + named, gone.len());
                assert!(!gone.windows(3).any(|bytes| bytes == b"Hey"));
            }
        }
    }

    #[test]
    fn a_field_of_a_later_chatd_stays_until_the_message_is_erased() {
        let mut parts = Parts::of(entry(), &sent(None, 1).encode(entry())).unwrap();
        parts.fields.push((100, vec![0xff; 3]));
        let sealed = parts.clone().seal(entry());
        let edited = changed(
            &sealed,
            |parts| parts.edit("x", Timestamp::from_ms(1), 0),
            |_| {},
        );
        let again = Parts::of(entry(), &edited).unwrap();
        assert!(again.fields.contains(&(100, vec![0xff; 3])));
        let gone = changed(&edited, Parts::erase, |_| {});
        assert_eq!(Parts::of(entry(), &gone).unwrap().fields, []);
    }

    #[test]
    fn what_is_no_message_is_not_taken_apart() {
        let mark = Record {
            act: Act::Read {
                message: MessageId::new(7).unwrap(),
            },
            links: Links::default(),
            ..sent(None, 1)
        };
        assert!(Parts::of(entry(), &mark.encode(entry())).is_err());
        let other = EntryId::new(1).unwrap();
        assert!(Parts::of(other, &sent(None, 1).encode(entry())).is_err());
    }
}
