//! Why a token is not accepted: for the log, and, as far as it is harmless, for the client.

use std::sync::Arc;

use parking_lot::Mutex;

use super::token::MAX_TOKEN_BYTES;
use crate::model::{MAX_SUBJECT_BYTES, Timestamp};

/// Why a token is not accepted. No text here holds anything of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Nothing of that size is looked at.
    #[error("it is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// It is no JWS in compact form (RFC 7515, section 3.1); one of five parts is encrypted.
    #[error("it has not the three parts of a signed token")]
    Parts,
    /// The header is no JSON object with unique names and an `alg`.
    #[error("its header cannot be read")]
    Header,
    /// An extension that this server does not know must be understood (RFC 7515, section 4.1.11;
    /// RFC 7797).
    #[error("its header asks for an extension (crit, b64) that is not known here")]
    Extension,
    /// Its content is another token (RFC 7519, section 5.2).
    #[error("another token is nested in it (cty)")]
    Nested,
    /// It says by `typ` that it is no access token (RFC 8725, section 3.11).
    #[error("its header says by typ that it is no access token")]
    Type,
    /// Only this server's own tokens are accepted.
    #[error("no key fits: it is not signed by this server, and no other key is given")]
    NotOurs,
    /// No key is one of its algorithm.
    #[error("no key fits: none is for its alg")]
    Algorithm,
    /// No key of the set has its `kid`.
    #[error("no key fits: none of the set has its kid")]
    KeyId,
    /// It is signed by none of the keys.
    #[error("no key fits: its signature is of none of them")]
    Signature,
    /// The claims are no JSON object with unique names (RFC 7519, section 4).
    #[error("its claims are no JSON object, or one of them is there twice")]
    Claims,
    /// It is another issuer's.
    #[error("iss is none that --jwt-issuer names, or missing")]
    Issuer,
    /// It is meant for another audience.
    #[error("aud is none that --jwt-audience names, or missing")]
    Audience,
    /// A claim that `--jwt-claim` asks for.
    #[error("the claim {0} is another than --jwt-claim asks for, or missing")]
    Asked(Arc<str>),
    /// It is meant for something else: a refresh token, one for resetting a password.
    #[error("{0} says that it is no access token")]
    Purpose(Arc<str>),
    /// It is a security event, such as a logout (RFC 8417).
    #[error("it tells of an event (events), and lets nobody in")]
    Event,
    /// Its holder must prove that they have a key (RFC 7800, RFC 9449), which cannot be asked for
    /// here.
    #[error("it is bound to a key of its holder (cnf), which cannot be proved here")]
    Bound,
    /// A time is no number.
    #[error("{0} must be a number of seconds")]
    Time(&'static str),
    /// Nothing ends it.
    #[error("exp is missing")]
    Endless,
    /// It is not good yet.
    #[error("nbf is in the future: it must be in seconds, by a clock that is right")]
    NotYet,
    /// It was issued later than now, and so would outlive a logout.
    #[error("iat is in the future: it must be in seconds, by a clock that is right")]
    IssuedLater,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It names no user.
    #[error("it names nobody: there is no {0}")]
    NoSubject(Arc<str>),
    /// What names a person cannot.
    #[error("{0} must be a text of 1 to {MAX_SUBJECT_BYTES} bytes or a whole number from 1")]
    Subject(Arc<str>),
    /// The account was not made yet.
    #[error("there is no account of its subject")]
    NoAccount,
    /// The account is not the issuer's to open.
    #[error("the account of its subject was made here, and not by the issuer's app")]
    NotTheApps,
    /// A logout or a new password came after it.
    #[error("it was revoked")]
    Revoked,
    /// The key that signed it was taken away.
    #[error("its key was taken away")]
    KeyGone,
}

impl TokenFault {
    /// Returns whether the client may be told: only of tokens that are rightly signed, and nothing
    /// that it cannot mend.
    pub(super) fn is_told(&self) -> bool {
        matches!(
            self,
            Self::Type
                | Self::Asked(_)
                | Self::Audience
                | Self::Issuer
                | Self::Purpose(_)
                | Self::Event
                | Self::Bound
                | Self::Time(_)
                | Self::Endless
                | Self::NotYet
                | Self::IssuedLater
                | Self::NoSubject(_)
                | Self::Subject(_)
                | Self::NoAccount
                | Self::NotTheApps
        )
    }

    /// Returns whether it comes of how things are set up, and not of everyday life.
    fn is_odd(&self) -> bool {
        !matches!(self, Self::Expired | Self::Revoked | Self::KeyGone)
    }
}

/// A minute: the operator who sets up an issuer sees the reason, and a client that sends rubbish
/// does not fill the log.
const TOLD_EVERY_MS: u64 = 60_000;

/// Says in the log why tokens are refused: each at `debug`, and one a minute at `info`.
#[derive(Default)]
pub(super) struct Refusals {
    state: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    at: Option<Timestamp>,
    /// Refused since without a line of their own.
    others: u64,
}

impl Refusals {
    /// Notes a refusal.
    pub(super) fn note(&self, now: Timestamp, fault: &TokenFault) {
        tracing::debug!(reason = %fault, "a token was refused");
        if !fault.is_odd() {
            return;
        }
        if let Some(others) = self.turn(now) {
            tracing::info!(
                reason = %fault,
                others,
                "a token was refused; `--log debug` says of each why"
            );
        }
    }

    /// Returns how many were refused without a line since the last one, where it is time for one.
    fn turn(&self, now: Timestamp) -> Option<u64> {
        let mut told = self.state.lock();
        let is_due = told
            .at
            .is_none_or(|at| now.as_ms().abs_diff(at.as_ms()) >= TOLD_EVERY_MS);
        if !is_due {
            told.others += 1;
            return None;
        }
        told.at = Some(now);
        Some(std::mem::take(&mut told.others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_one_line_a_minute_however_many_are_refused() {
        let refusals = Refusals::default();
        let at = |secs: u64| Timestamp::from_ms(1_749_124_800_000 + secs * 1_000);
        let lines: Vec<_> = [0, 1, 59, 60, 61, 300, 200]
            .map(|secs| refusals.turn(at(secs)))
            .into_iter()
            .collect();
        assert_eq!(
            lines,
            [Some(0), None, None, Some(2), None, Some(1), Some(0)],
            "a clock that is put back keeps it silent"
        );
    }
}
