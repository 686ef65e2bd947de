//! Cursors: places in the one order of events, which a client shows to have what it missed since.
//!
//! A cursor is sealed with the key of the era that its entry belongs to: a text that is forged, or
//! from a history that the data file no longer has, opens as nothing. It says nothing of anyone, so
//! that one frame can carry it to all who hear an event. A person who shows another's cursor is
//! told what they missed themselves since that place, as by one of their own: the queries behind it
//! are the caller's, and where an entry stands is no secret, since every cursor spells it out.

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use serde::{Serialize, Serializer};
use siphasher::sip;

use super::UserId;

/// The key that seals cursors and private ids.
pub type CursorKey = [u8; 16];

/// A stretch of the log, up to the next era, and the key that seals the cursors of its entries.
///
/// A data file can go back in time, as by a copy that is put in its place, and then gives the ids
/// of entries again. Each start begins an era with the first entry that it writes, so an id that is
/// given again has another key than before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Era {
    /// Its first entry; 0 for that of the file's beginning.
    pub first: u64,
    /// The key of its cursors.
    pub key: CursorKey,
}

impl fmt::Debug for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Era")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

/// The keys of all eras whose cursors are still known. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct CursorKeys(Arc<RwLock<Vec<Era>>>);

impl CursorKeys {
    /// Takes these eras, ascending by their first entry, in place of the earlier ones.
    pub fn set(&self, eras: Vec<Era>) {
        *self.0.write() = eras;
    }

    /// All of them, ascending by their first entry.
    pub fn all(&self) -> Vec<Era> {
        self.0.read().clone()
    }

    /// The key for cursors of this entry; `None` where it is from before the oldest era that is
    /// kept.
    pub(super) fn of(&self, entry: u64) -> Option<CursorKey> {
        let eras = self.0.read();
        let newest = eras.last().filter(|newest| newest.first <= entry);
        let era = newest.or_else(|| {
            let after = eras.partition_point(|era| era.first <= entry);
            eras.get(after.checked_sub(1)?)
        });
        era.map(|era| era.key)
    }

    /// The key by which to seal, whatever is known.
    pub(super) fn to_seal(&self, entry: u64) -> CursorKey {
        // A cursor of an entry from before all eras is one that no longer opens.
        self.of(entry).unwrap_or_default()
    }
}

/// After which event: the entry that it came from, and its number among the events of that entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The entry; 0 stands before all.
    pub entry: u64,
    /// The event, counted from 0.
    pub event: u32,
}

/// Begins every cursor, so that none begins with `_`.
const CURSOR_MARK: &str = "c";
/// How many characters a sealed cursor has.
const SEALED: usize = 27;

/// A cursor as text: 27 characters. Every durable event carries one, so it has no memory of its
/// own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedCursor([u8; SEALED]);

impl SealedCursor {
    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for SealedCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Cursor {
    /// After all events of an entry.
    pub const fn through(entry: u64) -> Self {
        Self {
            entry,
            event: u32::MAX,
        }
    }

    /// As text, the same for all.
    pub fn seal(self, keys: &CursorKeys) -> SealedCursor {
        let mut bytes = [0; 21];
        bytes[..8].copy_from_slice(&self.entry.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.event.to_le_bytes());
        let mac = mac(&keys.to_seal(self.entry), None, &bytes[..12]);
        bytes[12..20].copy_from_slice(&mac.to_le_bytes());
        // An id has at most 53 bits, so the entry's last byte is free, and need not be said.
        bytes.copy_within(8.., 7);
        let mut text = [0; SEALED];
        text[..1].copy_from_slice(CURSOR_MARK.as_bytes());
        BASE64_URL_SAFE_NO_PAD
            .encode_slice(&bytes[..19], &mut text[1..])
            .expect("19 bytes are 26 characters of base64");
        SealedCursor(text)
    }

    /// Reads back what [`Cursor::seal`] sealed, where its entry still has the key that it had then;
    /// and what earlier versions sealed for this person alone, which clients may keep for as long
    /// as they like.
    pub fn open(text: &str, keys: &CursorKeys, user: UserId) -> Option<Self> {
        let text = text.strip_prefix(CURSOR_MARK)?;
        let sealed: [u8; 19] = decode(text)?;
        let mut bytes = [0; 12];
        bytes[..7].copy_from_slice(&sealed[..7]);
        bytes[8..].copy_from_slice(&sealed[7..11]);
        let (entry, event) = bytes.split_at(8);
        let cursor = Self {
            entry: u64::from_le_bytes(entry.try_into().ok()?),
            event: u32::from_le_bytes(event.try_into().ok()?),
        };
        let stated = u64::from_le_bytes(sealed[11..].try_into().ok()?);
        let key = keys.of(cursor.entry)?;
        let is_ours = |sealed_for| stated == mac(&key, sealed_for, &bytes);
        (is_ours(None) || is_ours(Some(user))).then_some(cursor)
    }
}

/// Seals for a person, or for all. No person has the id 0.
fn mac(key: &CursorKey, user: Option<UserId>, bytes: &[u8]) -> u64 {
    let mut hasher = sip::SipHasher24::new_with_key(key);
    hasher.write(&user.map_or(0, UserId::get).to_le_bytes());
    hasher.write(bytes);
    hasher.finish()
}

pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // Checked first: a longer text would not fit, and a shorter one is none of ours.
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    let count = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (count == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(eras: &[(u64, u8)]) -> CursorKeys {
        let keys = CursorKeys::default();
        let eras = eras.iter().map(|(first, byte)| Era {
            first: *first,
            key: [*byte; 16],
        });
        keys.set(eras.collect());
        keys
    }

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    #[test]
    fn a_cursor_opens_for_all_and_only_unchanged() {
        let (keys, others) = (keys(&[(0, 7)]), keys(&[(0, 8)]));
        for cursor in [
            Cursor { entry: 0, event: 0 },
            Cursor {
                entry: 12_345,
                event: 100,
            },
            Cursor::through((1 << 53) - 1),
        ] {
            let text = cursor.seal(&keys).as_str().to_owned();
            assert!(text.len() <= 64 && !text.starts_with('_'), "{text}");
            assert_eq!(Cursor::open(&text, &keys, user(3)), Some(cursor));
            assert_eq!(Cursor::open(&text, &keys, user(4)), Some(cursor));
            assert_eq!(Cursor::open(&text, &others, user(3)), None);
            for at in 0..text.len() {
                let mut forged = text.clone().into_bytes();
                forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
                let forged = String::from_utf8(forged).unwrap();
                assert_eq!(Cursor::open(&forged, &keys, user(3)), None, "{forged}");
            }
        }
        for text in ["", "c", "1", "cursor", "ääääääääääääää", &"c".repeat(26)] {
            assert_eq!(Cursor::open(text, &keys, user(3)), None);
        }
    }

    /// Cursors that version 0.1 gave while they were sealed for one person, with a key of sevens.
    #[test]
    fn a_cursor_that_was_sealed_for_one_person_opens_for_them_alone() {
        let keys = keys(&[(0, 7)]);
        for (text, entry, event) in [
            ("cAAAAAAAAAAAAAABg1IFVa4zOJA", 0, 0),
            ("cOTAAAAAAAGQAAADNd5KUOREmBA", 12_345, 100),
            ("c________H_____8X0OW6s1rReQ", (1 << 53) - 1, u32::MAX),
        ] {
            let cursor = Cursor { entry, event };
            assert_eq!(Cursor::open(text, &keys, user(3)), Some(cursor), "{text}");
            assert_eq!(Cursor::open(text, &keys, user(4)), None, "{text}");
        }
    }

    #[test]
    fn a_cursor_opens_only_where_its_entry_has_the_key_that_it_had_when_it_was_given() {
        let before = keys(&[(0, 1), (10, 2), (20, 3)]);
        // Went back to entry 15, and went on from there; twice over.
        for after in [
            keys(&[(0, 1), (10, 2), (16, 4)]),
            keys(&[(0, 1), (10, 2), (16, 4), (17, 5), (40, 6)]),
        ] {
            for entry in 0..50 {
                let is_there_still = entry < 16;
                let cursor = Cursor { entry, event: 1 };
                let text = cursor.seal(&before).as_str().to_owned();
                assert_eq!(Cursor::open(&text, &before, user(3)), Some(cursor));
                let opened = Cursor::open(&text, &after, user(3));
                assert_eq!(opened, is_there_still.then_some(cursor), "{entry}");
            }
        }
    }

    #[test]
    fn a_cursor_from_before_the_oldest_era_that_is_kept_is_not_known() {
        let (kept, none) = (keys(&[(10, 2), (20, 3)]), keys(&[]));
        for (entry, is_known) in [(9, false), (10, true), (19, true), (20, true)] {
            let cursor = Cursor::through(entry);
            let text = cursor.seal(&kept).as_str().to_owned();
            let opened = Cursor::open(&text, &kept, user(3));
            assert_eq!(opened, is_known.then_some(cursor));
            assert_eq!(Cursor::open(&text, &none, user(3)), None);
        }
    }

    #[test]
    fn the_debug_form_of_keys_does_not_show_them() {
        let text = format!("{:?}", keys(&[(3, 77)]));
        assert!(text.contains("first: 3") && !text.contains("77"), "{text}");
    }
}
