//! The head of an entry: its kind and its flags, one varint. What is set in most entries has one
//! byte.
//!
//! A kind or a flag that this program does not know makes an entry one that it cannot read. An
//! optional field that it does not know is passed over: fields say how long they are.

use crate::store::sealed::{Rest, put};

/// Where the kind is: 4 to 6 are those below, and with 7 a further varint names the kind. 1 to 3
/// are those of format 3.
const KIND: u64 = 0x07;
/// The least kind of this format.
const FIRST_KIND: u8 = 4;
/// The author (sender or reader) is the conversation's second member.
pub(super) const SECOND: u64 = 0x08;
/// In a message: the message before it is not the entry before it, and is written too.
pub(super) const OTHER_PREVIOUS: u64 = 0x10;
/// In a mark: the message that it names is the entry before it, and is not written.
pub(super) const THE_PREVIOUS: u64 = 0x10;
/// In a message: a client id follows as the 16 bytes of a UUID in its usual lower-case form.
pub(super) const CLIENT_UUID: u64 = 0x20;
/// In a message: a client id follows as its length and text.
pub(super) const CLIENT_TEXT: u64 = 0x40;
/// Optional fields follow.
pub(super) const FIELDS: u64 = 0x80;
/// Whose entry it is: none of these bits for a conversation of two.
const STREAM: u64 = 0x300;
/// The entry is a room's.
pub(super) const ROOM: u64 = 0x100;
/// The entry is a person's own.
pub(super) const OWN: u64 = 0x200;
/// The author's account follows, or 0 for the server itself.
pub(super) const AUTHOR: u64 = 0x400;
/// Of a message: its content is gone.
pub(super) const ERASED: u64 = 0x800;
/// Every bit that has a meaning here.
const KNOWN: u64 = 0xfff;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message = FIRST_KIND as isize,
    Read,
    ReadUpTo,
    /// A further number names the kind.
    Other,
}

/// A kind and flags, those above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    flags: u64,
}

impl Head {
    /// Returns a head whose flags are these, of those that its kind has.
    pub(super) fn new(kind: Kind, flags: u64) -> Self {
        Self { kind, flags }
    }

    /// Returns whether a flag is set.
    pub(super) fn has(self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// Returns a head that has this flag, or has not.
    pub(super) fn with(self, flag: u64, is_set: bool) -> Self {
        let others = self.flags & !flag;
        let flags = if is_set { others | flag } else { others };
        Self { flags, ..self }
    }

    /// Appends it.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        put(out, self.kind as u64 | self.flags);
    }

    /// Reads it back, also that of an entry of format 3; `None` for one that this program does not
    /// know.
    pub(super) fn take(rest: &mut Rest<'_>) -> Option<Self> {
        let (&first, after) = rest.0.split_first()?;
        if is_of_format_3(first) {
            rest.0 = after;
            return Self::of_format_3(first);
        }
        let head = rest.take()?;
        let kind = match head & KIND {
            4 => Kind::Message,
            5 => Kind::Read,
            6 => Kind::ReadUpTo,
            7 => Kind::Other,
            _ => return None,
        };
        let flags = head & !KIND;
        let is_known = flags & !KNOWN == 0 && flags & STREAM != STREAM;
        is_known.then_some(Self { kind, flags })
    }

    /// The head of format 3: one byte, the kind in its low four bits.
    fn of_format_3(head: u8) -> Option<Self> {
        let kind = match head & 0x0f {
            1 => Kind::Message,
            2 => Kind::Read,
            3 => Kind::ReadUpTo,
            _ => return None,
        };
        let flags = FORMAT_3_FLAGS.iter().map(|(old, new)| match head & old {
            0 => 0,
            _ => *new,
        });
        let flags = match kind {
            Kind::Message => flags.sum(),
            // Its marks write which message they name, whichever that is, and have no other flag.
            Kind::Read | Kind::ReadUpTo | Kind::Other => flags.take(1).sum(),
        };
        Some(Self { kind, flags })
    }

    /// Hands each optional field, its tag and its bytes, to `take`. They stand behind what all
    /// entries have: their length in bytes, then of each its tag, its length and so many bytes.
    /// `None` where they do not end, or where `take` gives that.
    pub(super) fn take_fields<'a>(
        self,
        rest: &mut Rest<'a>,
        mut take: impl FnMut(u64, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        if !self.has(FIELDS) {
            return Some(());
        }
        let length = usize::try_from(rest.take()?).ok()?;
        let mut fields = Rest(rest.take_bytes(length)?);
        while !fields.0.is_empty() {
            let tag = fields.take()?;
            let length = usize::try_from(fields.take()?).ok()?;
            take(tag, fields.take_bytes(length)?)?;
        }
        Some(())
    }
}

/// What each flag of format 3 is called now.
const FORMAT_3_FLAGS: [(u8, u64); 4] = [
    (0x10, SECOND),
    (0x20, CLIENT_TEXT),
    (0x40, CLIENT_UUID),
    (0x80, OTHER_PREVIOUS),
];

/// Returns whether an entry's first byte is the head of format 3.
pub(super) fn is_of_format_3(first: u8) -> bool {
    (1..FIRST_KIND).contains(&(first & KIND as u8))
}

/// Returns a sealed value as a chatd of format 3 wrote it.
#[cfg(test)]
pub(crate) fn in_format_3(id: u64, sealed: &[u8]) -> Vec<u8> {
    let mut rest = Rest(&sealed[4..]);
    let head = Head::take(&mut rest).unwrap();
    assert!(!head.has(FIELDS), "format 3 has none");
    let known = FORMAT_3_FLAGS.iter().filter(|(_, new)| head.has(*new));
    let known = match head.kind {
        Kind::Message => known.map(|(old, _)| *old).sum(),
        Kind::Read | Kind::ReadUpTo | Kind::Other => {
            known.take(1).map(|(old, _)| old & 0x10).sum::<u8>()
        }
    };
    let mut body = vec![(head.kind as u8 - 3) | known];
    body.extend_from_slice(rest.0);
    if head.kind != Kind::Message && head.has(THE_PREVIOUS) {
        // What it names is as far back as what is behind the conversation and the time.
        let all = rest.0.len();
        rest.take().and_then(|_| rest.take()).unwrap();
        let begin = all - rest.0.len();
        rest.take().unwrap();
        let back = &sealed[sealed.len() - all + begin..sealed.len() - rest.0.len()];
        let end = 1 + all - rest.0.len();
        body.splice(end..end, back.iter().copied());
    }
    crate::store::sealed::seal(id, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_in_most_entries_has_one_byte_and_is_read_back() {
        for kind in [Kind::Message, Kind::Read, Kind::ReadUpTo, Kind::Other] {
            let flags = (0..=KNOWN).filter(|flags| flags & KIND == 0 && flags & STREAM != STREAM);
            for flags in flags {
                let mut out = Vec::new();
                Head::new(kind, flags).put(&mut out);
                assert_eq!(out.len(), if flags < FIELDS { 1 } else { 2 });
                assert!(!is_of_format_3(out[0]));
                let mut rest = Rest(&out);
                let head = Head::take(&mut rest).unwrap();
                assert_eq!((head.kind, head.flags, rest.0.len()), (kind, flags, 0));
            }
        }
    }

    #[test]
    fn a_kind_or_a_flag_that_is_not_known_is_refused() {
        // Kind 0; each flag beyond those that are known; of format 3 kinds beyond its own.
        let mut wrong = vec![0, 4 | STREAM];
        wrong.extend((12..64).map(|bit| 4 | 1 << bit));
        for head in wrong {
            let mut out = Vec::new();
            put(&mut out, head);
            assert!(Head::take(&mut Rest(&out)).is_none(), "{head:#x}");
        }
        for first in [0x09, 0x0a, 0x0b, 0x79] {
            assert!(Head::take(&mut Rest(&[first])).is_none(), "{first:#x}");
        }
        assert!(Head::take(&mut Rest(&[])).is_none());
    }

    #[test]
    fn fields_are_passed_over_whatever_they_say_unless_they_do_not_end() {
        let head = Head::new(Kind::Message, FIELDS);
        let cases: [(&[u8], Option<usize>); 7] = [
            (&[0, 9, 9], Some(2)),
            (&[2, 1, 0, 9], Some(1)),
            (&[7, 1, 1, 0xff, 3, 2, 0xff, 0xff], Some(0)),
            (&[3, 1, 2, 0], None),
            (&[1, 1], None),
            (&[4, 1, 0], None),
            (&[], None),
        ];
        for (bytes, left) in cases {
            let mut rest = Rest(bytes);
            let passed = head.take_fields(&mut rest, |_, _| Some(()));
            let passed = passed.map(|()| rest.0.len());
            assert_eq!(passed, left, "{bytes:?}");
        }
    }
}
