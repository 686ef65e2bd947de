//! Login sessions: each login of a person is one, until it ends or is ended.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;

use super::Timestamp;

/// The number of a login session: random, so that none is ever given again. No secret: a token is
/// signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(NonZeroU64);

/// A text that is no session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an id of a session: s and 16 hexadecimal digits")]
pub struct SessionIdError;

impl SessionId {
    /// Returns the session of this number; 0 is none.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Returns its number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let digits = text.strip_prefix('s').filter(|digits| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            digits.len() == 16 && digits.bytes().all(is_digit)
        });
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.and_then(Self::new).ok_or(SessionIdError)
    }
}

/// One login of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSession {
    /// Which.
    pub id: SessionId,
    /// When the person logged in.
    pub created_at: Timestamp,
    /// When its token was last shown, to the hour.
    pub used_at: Timestamp,
    /// When its token ends.
    pub expires_at: Timestamp,
    /// What the client says that it is, in short words.
    pub client: Option<Arc<str>>,
    /// The address from which the person logged in.
    pub address: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_written_and_in_no_other_form() {
        let id = SessionId::new(0x0f).unwrap();
        assert_eq!(id.to_string(), "s000000000000000f");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "s",
            "000000000000000f",
            "s0000000000000000",
            "s000000000000000F",
            "s00000000000000f",
            "s+00000000000000f",
            "s000000000000000ff",
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(SessionIdError), "{text}");
        }
    }
}
