//! chatd's own tokens: JWTs signed with HS256 by the data file's secret. Those of others are in
//! `foreign.rs`.

use std::num::NonZeroU64;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::AccountError;
use super::keys::KeyId;
use crate::model::{SessionId, Timestamp, User, UserId};
use crate::store::ApiKeyId;

/// Who issues them.
const ISSUER: &str = "chatd";
/// 30 days: long enough that a person on a phone is rarely asked, short enough that a forgotten
/// laptop is let go.
pub const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest token that is looked at, in bytes: ours have some 250, those of large identity
/// providers some 2,000.
pub(super) const MAX_TOKEN_BYTES: usize = 8_192;

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    username: String,
    iat: u64,
    exp: u64,
    iss: String,
    /// The account's token version when it was issued.
    ver: u32,
    /// When that version began, in milliseconds; absent in tokens of earlier versions of chatd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// Its login session; absent in tokens of earlier versions of chatd, and in those of commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
}

/// When the token version of an account began: with the account, or with what revoked the earlier
/// ones.
fn began(user: &User) -> Timestamp {
    user.revoked_at.unwrap_or(user.created_at)
}

/// What a valid token says.
#[derive(Clone, Copy)]
pub(super) struct Verified {
    pub(super) expires_at: Timestamp,
    pub(super) grant: Grant,
}

/// What of a token stays of interest once it was accepted: enough to judge it again, and nothing to
/// show it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Whose it is.
    pub user_id: UserId,
    /// From when on it is refused as expired.
    pub refused_from: Timestamp,
    pub(super) proof: Proof,
}

/// By what a token is told from those that were revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// One of ours.
    Own {
        /// The account's token version when it was issued.
        version: u32,
        /// When that began, if it says so. A data file that went back in time gives ids and
        /// versions again, to others too, and a version that is given again began later.
        since_ms: Option<NonZeroU64>,
        /// Its login session, where it has one.
        session: Option<SessionId>,
        /// When it was issued.
        issued_at: Timestamp,
    },
    /// A bot's key.
    Key(ApiKeyId),
    /// One of another issuer.
    Foreign {
        /// When it was issued, if it says so.
        issued_at: Option<Timestamp>,
        /// What signed it.
        key: KeyId,
        /// Whether it says that it is an administrator's.
        is_admin: bool,
    },
}

impl Grant {
    /// Returns whether the account has revoked it, or may have: of tokens that another system
    /// issued before `known_from`, the data file does not know. Our own from before then have
    /// another signature.
    pub(super) fn is_revoked(&self, user: &User, known_from: Option<Timestamp>) -> bool {
        match self.proof {
            Proof::Own {
                version, since_ms, ..
            } => {
                let began = began(user).as_ms();
                version != user.token_version || since_ms.is_some_and(|since| since.get() != began)
            }
            // A key is looked for each time: see `Accounts::check`.
            Proof::Key(_) => false,
            Proof::Foreign { issued_at, .. } => {
                // Tokens tell seconds. One that tells none is not refused here: so would be all
                // that its issuer will issue.
                let is_forgotten = known_from
                    .is_some_and(|from| issued_at.is_some_and(|at| at.as_secs() < from.as_secs()));
                // One that does not say when it was issued cannot be told from those that were
                // revoked.
                let is_revoked = user
                    .revoked_at
                    .is_some_and(|revoked| issued_at.is_none_or(|at| !is_after(at, revoked)));
                is_forgotten || is_revoked
            }
        }
    }

    /// Returns whether it gives the rights of an administrator, where the account has them or not.
    pub(super) fn is_admin(&self, user: &User) -> bool {
        match self.proof {
            Proof::Own { .. } => user.is_admin,
            Proof::Key(_) => false,
            Proof::Foreign { is_admin, .. } => is_admin,
        }
    }
}

/// Returns whether a token was issued after a revocation, as far as it says: most issuers write
/// whole seconds, and then the second of the revocation is not after it. So no token outlives a
/// revocation; and none that is issued after the answer to it is refused, since the answer waits
/// for that second's end (see [`super::Accounts::change`]).
fn is_after(issued_at: Timestamp, revoked: Timestamp) -> bool {
    match issued_at.as_ms() % 1_000 {
        0 => issued_at.as_secs() > revoked.as_secs(),
        _ => issued_at > revoked,
    }
}

/// Issues and verifies.
pub(super) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

impl Tokens {
    pub(super) fn new(secret: &[u8], lifetime: Duration) -> Self {
        // The algorithm is fixed here; a token's header never chooses it.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // Time is checked below, against the clock that is handed in.
        validation.validate_exp = false;
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            lifetime,
        }
    }

    /// A token for an account, of this session of theirs, and when it ends.
    pub(super) fn issue(
        &self,
        user: &User,
        now: Timestamp,
        session: Option<SessionId>,
    ) -> Result<(String, Timestamp), AccountError> {
        let exp = now.plus(self.lifetime).as_secs();
        let claims = Claims {
            sub: user.id.to_string(),
            username: user.username.as_str().to_owned(),
            iat: now.as_secs(),
            exp,
            iss: ISSUER.to_owned(),
            ver: user.token_version,
            since: Some(began(user).as_ms()),
            sid: session.map(|session| session.to_string()),
        };
        match jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding) {
            Ok(token) => Ok((token, Timestamp::from_ms(exp * 1_000))),
            Err(error) => {
                tracing::error!(%error, "a token could not be signed");
                Err(AccountError::Internal)
            }
        }
    }

    /// Checks signature, issuer, form and time.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, AccountError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AccountError::InvalidToken);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| AccountError::InvalidToken)?
            .claims;
        // Without leeway: the clock that issued it is the clock that checks it.
        let expires_at = Timestamp::from_ms(claims.exp.saturating_mul(1_000));
        if now >= expires_at {
            return Err(AccountError::TokenExpired);
        }
        let session = claims.sid.map(|sid| sid.parse());
        let session = session.transpose();
        Ok(Verified {
            expires_at,
            grant: Grant {
                user_id: claims.sub.parse().map_err(|_| AccountError::InvalidToken)?,
                refused_from: expires_at,
                proof: Proof::Own {
                    version: claims.ver,
                    since_ms: claims.since.and_then(NonZeroU64::new),
                    session: session.map_err(|_| AccountError::InvalidToken)?,
                    issued_at: Timestamp::from_ms(claims.iat.saturating_mul(1_000)),
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MadeBy, Username};

    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

    fn user() -> User {
        User {
            id: UserId::new(29).unwrap(),
            username: Username::registered("ada").unwrap(),
            name: None,
            avatar: None,
            is_admin: false,
            is_bot: false,
            disabled: false,
            deleted: false,
            erasing: false,
            token_version: 3,
            revoked_at: None,
            created_at: NOW,
            last_seen: None,
            made_by: MadeBy::Here,
            profile_at: None,
            named_at: None,
            subject: None,
        }
    }

    fn own(version: u32, since: Option<Timestamp>, session: Option<SessionId>) -> Proof {
        Proof::Own {
            version,
            since_ms: since.and_then(|since| NonZeroU64::new(since.as_ms())),
            session,
            issued_at: NOW,
        }
    }

    fn tokens(secret: &[u8]) -> Tokens {
        Tokens::new(secret, Duration::from_secs(60))
    }

    #[test]
    fn a_token_says_who_until_its_time_is_over() {
        let tokens = tokens(b"secret");
        let (token, expires_at) = tokens.issue(&user(), NOW, None).unwrap();
        let verified = tokens.verify(&token, NOW).unwrap();
        assert_eq!(
            (
                verified.grant.user_id.get(),
                verified.grant.proof,
                verified.expires_at
            ),
            (29, own(3, Some(NOW), None), expires_at)
        );
        let last = Timestamp::from_ms(expires_at.as_ms() - 1);
        assert!(tokens.verify(&token, last).is_ok());
        assert_eq!(
            tokens.verify(&token, expires_at).err(),
            Some(AccountError::TokenExpired)
        );
    }

    #[test]
    fn a_token_names_its_session() {
        let tokens = tokens(b"secret");
        let session = SessionId::new(7);
        let (token, _) = tokens.issue(&user(), NOW, session).unwrap();
        let grant = tokens.verify(&token, NOW).unwrap().grant;
        assert_eq!(grant.proof, own(3, Some(NOW), session));
    }

    /// A logout at half past a second, and tokens of that second and of those around it.
    #[test]
    fn a_token_of_the_second_of_a_logout_does_not_outlive_it() {
        let revoked = Timestamp::from_ms(NOW.as_ms() + 500);
        for (issued_at, after) in [
            (0, false),
            (-1_000, false),
            (1_000, true),
            // Issuers that write fractions.
            (499, false),
            (500, false),
            (501, true),
            (999, true),
        ] {
            let at = Timestamp::from_ms(NOW.as_ms().checked_add_signed(issued_at).unwrap());
            assert_eq!(is_after(at, revoked), after, "{issued_at}");
        }
        assert!(!is_after(NOW, NOW));
    }

    /// A copy of a stopped server's file was put in its place: whoever registered first then had
    /// the id of somebody who had registered after the copy, and the token of that one was good for
    /// their account.
    #[test]
    fn a_token_is_not_good_for_whoever_gets_its_id_once_the_file_went_back() {
        let tokens = tokens(b"secret");
        let later = NOW.plus(Duration::from_millis(1));
        let is_good_for = |holder: &User, user: &User| {
            let (token, _) = tokens.issue(holder, later, None).unwrap();
            let grant = tokens.verify(&token, later).unwrap().grant;
            !grant.is_revoked(user, None)
        };
        let lost = user();
        let mut renamed = user();
        renamed.username = Username::registered("eve").unwrap();
        assert!(is_good_for(&lost, &renamed), "it is the same account");
        let mut given_again = user();
        given_again.created_at = later;
        assert!(!is_good_for(&lost, &given_again));
        assert!(is_good_for(&given_again, &given_again));
        // Likewise a version of the same account.
        let revoked = |at| User {
            token_version: 4,
            revoked_at: Some(at),
            ..user()
        };
        assert!(!is_good_for(&revoked(NOW), &revoked(later)));
        assert!(is_good_for(&revoked(later), &revoked(later)));
        assert!(!is_good_for(&lost, &revoked(later)));
    }

    #[test]
    fn a_token_of_an_earlier_version_that_does_not_say_since_when_is_good_by_its_number() {
        let tokens = tokens(b"secret");
        let claims = Claims {
            sub: "29".into(),
            username: "ada".into(),
            iat: NOW.as_secs(),
            exp: NOW.as_secs() + 9,
            iss: ISSUER.into(),
            ver: 3,
            since: None,
            sid: None,
        };
        let header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims, &tokens.encoding).unwrap();
        let grant = tokens.verify(&token, NOW).unwrap().grant;
        assert_eq!(grant.proof, own(3, None, None));
        assert!(!grant.is_revoked(&user(), None));
        let revoked = User {
            token_version: 4,
            ..user()
        };
        assert!(grant.is_revoked(&revoked, None));
    }

    #[test]
    fn what_is_no_token_of_ours_is_refused() {
        let ours = tokens(b"secret");
        let (token, _) = ours.issue(&user(), NOW, None).unwrap();
        let (foreign, _) = tokens(b"another").issue(&user(), NOW, None).unwrap();
        let claims = serde_json::json!({"sub": "29", "username": "ada", "iat": 1, "exp": 9_999_999_999_u64, "iss": "chatd", "ver": 3});
        let sign = |algorithm, claims: &serde_json::Value| {
            jsonwebtoken::encode(
                &Header::new(algorithm),
                claims,
                &EncodingKey::from_secret(b"secret"),
            )
            .unwrap()
        };
        let mut without_exp = claims.clone();
        without_exp.as_object_mut().unwrap().remove("exp");
        let mut other_issuer = claims.clone();
        other_issuer["iss"] = "somebody".into();
        let mut exp_as_text = claims.clone();
        exp_as_text["exp"] = "9999999999".into();
        // {"alg":"none"}, with the claims of a right token and no signature.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        for (name, token) in [
            ("empty", String::new()),
            ("no token", "x".into()),
            ("signed by another", foreign),
            ("another algorithm", sign(Algorithm::HS512, &claims)),
            ("no exp", sign(Algorithm::HS256, &without_exp)),
            ("exp as text", sign(Algorithm::HS256, &exp_as_text)),
            ("another issuer", sign(Algorithm::HS256, &other_issuer)),
            ("unsigned", unsigned),
            ("cut short", token[..token.len() - 4].into()),
            (
                "oversized",
                format!("{token}{}", "x".repeat(MAX_TOKEN_BYTES)),
            ),
        ] {
            assert_eq!(
                ours.verify(&token, NOW).err(),
                Some(AccountError::InvalidToken),
                "{name}"
            );
        }
        assert!(
            ours.verify(&sign(Algorithm::HS256, &claims), NOW).is_ok(),
            "the refused ones differ from a right one only as named"
        );
    }
}
