//! The ids of sessions.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Random bytes of a session id: 120 bits, as the reference has.
const RANDOM_BYTES: usize = 15;
const ID_CHARS: usize = 20;

/// The id of a session. Knowing it is enough to speak as its client, so it is never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; ID_CHARS]);

impl SessionId {
    pub(super) fn random() -> Self {
        let random: [u8; RANDOM_BYTES] = rand::random();
        let mut text = [0; ID_CHARS];
        BASE64_URL_SAFE_NO_PAD
            .encode_slice(random, &mut text)
            .expect("15 bytes are 20 characters of base64");
        Self(text)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// 20 characters of `A-Z a-z 0-9 - _`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}
