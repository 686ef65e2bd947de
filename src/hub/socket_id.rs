//! The public id of a socket.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// The public id of a socket, 20 characters; says nothing of its session's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SocketId([u8; 20]);

impl SocketId {
    /// A new one.
    pub fn random() -> Self {
        let random: [u8; 15] = rand::random();
        let mut text = [0; 20];
        BASE64_URL_SAFE_NO_PAD
            .encode_slice(random, &mut text)
            .expect("15 bytes are 20 characters of base64");
        Self(text)
    }

    /// An id that was given before: 20 characters of `A-Z a-z 0-9 - _`.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        text.bytes()
            .all(fits)
            .then(|| text.as_bytes().try_into().ok().map(Self))
            .flatten()
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The characters, each a byte.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}
