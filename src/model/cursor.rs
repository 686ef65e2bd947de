//! Places in a person's order of events: what a client shows to have what it missed.
//!
//! Both texts are sealed with a key of the data file, for one person: what is forged or another's opens as nothing.

use std::hash::Hasher;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use siphasher::{sip, sip128};

use super::UserId;

/// The key that seals cursors and places.
pub type CursorKey = [u8; 16];

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

/// A cursor as text: 27 characters. Every durable event carries one, so it has no memory of its own.
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

    /// As text for this person.
    pub fn seal(self, key: &CursorKey, user: UserId) -> SealedCursor {
        let mut bytes = [0; 21];
        bytes[..8].copy_from_slice(&self.entry.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.event.to_le_bytes());
        let mac = mac(key, user, &bytes[..12]);
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

    /// What [`Cursor::seal`] sealed for this person with this key.
    pub fn open(text: &str, key: &CursorKey, user: UserId) -> Option<Self> {
        let text = text.strip_prefix(CURSOR_MARK)?;
        let sealed: [u8; 19] = decode(text)?;
        let mut bytes = [0; 12];
        bytes[..7].copy_from_slice(&sealed[..7]);
        bytes[8..].copy_from_slice(&sealed[7..11]);
        let stated = u64::from_le_bytes(sealed[11..].try_into().ok()?);
        if stated != mac(key, user, &bytes) {
            return None;
        }
        let (entry, event) = bytes.split_at(8);
        Some(Self {
            entry: u64::from_le_bytes(entry.try_into().ok()?),
            event: u32::from_le_bytes(event.try_into().ok()?),
        })
    }
}

fn mac(key: &CursorKey, user: UserId, bytes: &[u8]) -> u64 {
    let mut hasher = sip::SipHasher24::new_with_key(key);
    hasher.write(&user.get().to_le_bytes());
    hasher.write(bytes);
    hasher.finish()
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // Checked first: a longer text would not fit, and a shorter one is none of ours.
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    let count = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (count == N).then_some(bytes)
}

/// Where a socket stood when it first connected, by which its client may continue it. Secret: whoever shows it, with a
/// token of the same person, is that client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The entry whose events everybody had been told of by then.
    pub entry: u64,
    /// The socket's own id, 20 characters.
    pub socket: [u8; 20],
}

impl Place {
    /// As text for this person: 59 characters.
    pub fn seal(&self, key: &CursorKey, user: UserId) -> String {
        let mut bytes = [0; 44];
        bytes[..8].copy_from_slice(&self.entry.to_le_bytes());
        bytes[8..28].copy_from_slice(&self.socket);
        let mac = wide_mac(key, user, &bytes[..28]);
        bytes[28..].copy_from_slice(&mac.to_le_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What [`Place::seal`] sealed for this person with this key.
    pub fn open(text: &str, key: &CursorKey, user: UserId) -> Option<Self> {
        let bytes: [u8; 44] = decode(text)?;
        let stated = u128::from_le_bytes(bytes[28..].try_into().ok()?);
        // Of 128 bits, of which a guess a millisecond tells nothing worth having.
        if stated != wide_mac(key, user, &bytes[..28]) {
            return None;
        }
        Some(Self {
            entry: u64::from_le_bytes(bytes[..8].try_into().ok()?),
            socket: bytes[8..28].try_into().ok()?,
        })
    }
}

fn wide_mac(key: &CursorKey, user: UserId, bytes: &[u8]) -> u128 {
    let mut hasher = sip128::SipHasher24::new_with_key(key);
    hasher.write(&user.get().to_le_bytes());
    hasher.write(bytes);
    sip128::Hasher128::finish128(&hasher).as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: CursorKey = [7; 16];

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    #[test]
    fn a_cursor_opens_for_its_person_alone_and_unchanged() {
        for cursor in [
            Cursor { entry: 0, event: 0 },
            Cursor {
                entry: 12_345,
                event: 100,
            },
            Cursor::through((1 << 53) - 1),
        ] {
            let text = cursor.seal(&KEY, user(3)).as_str().to_owned();
            assert!(text.len() <= 64 && !text.starts_with('_'), "{text}");
            assert_eq!(Cursor::open(&text, &KEY, user(3)), Some(cursor));
            assert_eq!(Cursor::open(&text, &KEY, user(4)), None);
            assert_eq!(Cursor::open(&text, &[8; 16], user(3)), None);
            for at in 0..text.len() {
                let mut forged = text.clone().into_bytes();
                forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
                let forged = String::from_utf8(forged).unwrap();
                assert_eq!(Cursor::open(&forged, &KEY, user(3)), None, "{forged}");
            }
        }
        for text in ["", "c", "1", "cursor", "ääääääääääääää", &"c".repeat(26)] {
            assert_eq!(Cursor::open(text, &KEY, user(3)), None);
        }
    }

    #[test]
    fn a_place_opens_for_its_person_alone() {
        let place = Place {
            entry: 9,
            socket: *b"ABCDEFGHIJKLMNOPQRST",
        };
        let text = place.seal(&KEY, user(3));
        assert_eq!(Place::open(&text, &KEY, user(3)), Some(place));
        assert_eq!(Place::open(&text, &KEY, user(4)), None);
        assert_eq!(Place::open(&text[1..], &KEY, user(3)), None);
    }
}
