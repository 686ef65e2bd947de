//! The private id of a socket, by which its client may resume it after a lost connection.

use std::hash::Hasher;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use siphasher::sip128;

use super::cursor::decode;
use super::{CursorKey, CursorKeys, UserId};

/// Which socket, and where it stood when it first connected. Secret: a client that shows it, with a
/// token of the same person, is taken for the one that lost the socket. So it is sealed for that
/// person, with the key of its entry's era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivateId {
    /// The newest entry of which everyone concerned had been told by then.
    pub entry: u64,
    /// The socket's public id, 20 characters.
    pub socket: [u8; 20],
}

impl PrivateId {
    /// As text for this person: 59 characters.
    pub fn seal(&self, keys: &CursorKeys, user: UserId) -> String {
        let mut bytes = [0; 44];
        bytes[..8].copy_from_slice(&self.entry.to_le_bytes());
        bytes[8..28].copy_from_slice(&self.socket);
        let mac = mac(&keys.to_seal(self.entry), user, &bytes[..28]);
        bytes[28..].copy_from_slice(&mac.to_le_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads back what [`PrivateId::seal`] sealed for this person, where its entry still has the
    /// key that it had then.
    pub fn open(text: &str, keys: &CursorKeys, user: UserId) -> Option<Self> {
        let bytes: [u8; 44] = decode(text)?;
        let id = Self {
            entry: u64::from_le_bytes(bytes[..8].try_into().ok()?),
            socket: bytes[8..28].try_into().ok()?,
        };
        // Of 128 bits, of which a guess a millisecond tells nothing worth having.
        let stated = u128::from_le_bytes(bytes[28..].try_into().ok()?);
        (stated == mac(&keys.of(id.entry)?, user, &bytes[..28])).then_some(id)
    }
}

fn mac(key: &CursorKey, user: UserId, bytes: &[u8]) -> u128 {
    let mut hasher = sip128::SipHasher24::new_with_key(key);
    hasher.write(&user.get().to_le_bytes());
    hasher.write(bytes);
    sip128::Hasher128::finish128(&hasher).as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Era;

    const SOCKET: [u8; 20] = *b"ABCDEFGHIJKLMNOPQRST";

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
    fn a_private_id_opens_for_its_person_alone() {
        let id = PrivateId {
            entry: 9,
            socket: SOCKET,
        };
        let keys = keys(&[(0, 7)]);
        let text = id.seal(&keys, user(3));
        assert_eq!(PrivateId::open(&text, &keys, user(3)), Some(id));
        assert_eq!(PrivateId::open(&text, &keys, user(4)), None);
        assert_eq!(PrivateId::open(&text[1..], &keys, user(3)), None);
    }

    #[test]
    fn a_private_id_opens_only_where_its_entry_has_the_key_that_it_had_when_it_was_given() {
        let before = keys(&[(0, 1), (10, 2), (20, 3)]);
        // Went back to entry 15, and went on from there; twice over.
        for after in [
            keys(&[(0, 1), (10, 2), (16, 4)]),
            keys(&[(0, 1), (10, 2), (16, 4), (17, 5), (40, 6)]),
        ] {
            for entry in 0..50 {
                let is_there_still = entry < 16;
                let id = PrivateId {
                    entry,
                    socket: SOCKET,
                };
                let text = id.seal(&before, user(3));
                let opened = PrivateId::open(&text, &after, user(3));
                assert_eq!(opened, is_there_still.then_some(id), "{entry}");
            }
        }
    }
}
