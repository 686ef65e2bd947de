//! Tokens that another system issued (RFC 7519): whether one is accepted, and what it says of its account.
//!
//! The keys are in `keys.rs`; how a token is read is in `claims.rs`.

use super::KeyError;
use super::claims::{ClaimRule, Claims, Parts};
use super::fault::TokenFault;
use super::keys::{Key, KeyId, Keys};
use super::leads::LEEWAY;
use super::token::{Grant, MAX_TOKEN_BYTES, Proof, Verified};
use crate::model::{Timestamp, Username};

/// The year 5138: an `exp` from here on is none in seconds.
pub(super) const LAST_SECOND: u64 = 100_000_000_000;

/// The keys by which other systems' tokens are accepted, and what else is asked of them. Without a key none is.
#[derive(Clone, Default)]
pub struct ForeignTokens {
    keys: Keys,
    issuer: Option<String>,
    audience: Option<String>,
    /// What claims must be.
    asked: Vec<ClaimRule>,
    /// By what claim a token is an administrator's.
    admin: Option<ClaimRule>,
    provision: bool,
}

/// What a token says of its account: to make it by, or to change it by.
#[derive(Debug, Clone)]
pub struct Newcomer {
    pub(super) grant: Grant,
    pub(super) expires_at: Timestamp,
    /// The names to try, the best first; none where it says none.
    pub(super) names: Vec<Username>,
    /// The picture, or that there is none, where it says so.
    pub(super) avatar: Option<Option<String>>,
    pub(super) issued_at: Option<Timestamp>,
}

impl ForeignTokens {
    /// What every foreign token must say of its issuer and its audience, where given; and whether a token of an unknown
    /// subject makes the account.
    pub fn new(issuer: Option<String>, audience: Option<String>, provision: bool) -> Self {
        Self {
            issuer,
            audience,
            provision,
            ..Self::default()
        }
    }

    /// Asks of every token that a claim is so.
    pub fn ask(&mut self, rule: ClaimRule) {
        self.asked.push(rule);
    }

    /// Takes tokens with this claim for an administrator's, and no others.
    pub fn administer_by(&mut self, rule: ClaimRule) {
        self.admin = Some(rule);
    }

    /// Whether there is a key.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether tokens that the same issuer made for something else are let in as well.
    pub fn is_for_all_audiences(&self) -> bool {
        self.audience.is_none() && self.asked.is_empty()
    }

    /// Whether this key is still there.
    pub(super) fn has_key(&self, id: KeyId) -> bool {
        self.keys.has(id)
    }

    /// Accepts tokens signed with this secret by HS256, HS384 or HS512.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), KeyError> {
        self.keys.add_secret(secret)
    }

    /// Accepts tokens signed by the private half of this key in PEM form: RS256, ES256 or EdDSA, as its kind is.
    pub fn add_public_key(&mut self, pem: &str) -> Result<(), KeyError> {
        self.keys.add_public_key(pem)
    }

    /// Accepts tokens by the keys of this JSON Web Key Set, in place of those of an earlier one. Gives how many it has.
    pub fn set_keys(&mut self, json: &str) -> Result<usize, KeyError> {
        self.keys.replace_set(json)
    }

    /// The keys of the set, to be compared with those of another one.
    pub(super) fn set_ids(&self) -> Vec<KeyId> {
        self.keys.set_ids()
    }

    /// Whether a token of an unknown subject makes the account.
    pub(super) fn provision(&self) -> bool {
        self.provision
    }

    /// Checks signature, issuer, audience, purpose, form and time, and says what the token knows of its account.
    pub(super) fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Verified, Newcomer), TokenFault> {
        let (key, claims) = self.claims(token)?;
        if let Some(issuer) = &self.issuer {
            claims.check_issuer(issuer)?;
        }
        if let Some(audience) = &self.audience {
            claims.check_audience(audience)?;
        }
        if let Some(rule) = self.asked.iter().find(|rule| !rule.fits(&claims)) {
            return Err(TokenFault::Asked(rule.name().into()));
        }
        claims.check_purpose(|name| {
            let is_asked = self.asked.iter().any(|rule| rule.name() == name);
            is_asked || (name == "aud" && self.audience.is_some())
        })?;
        let user_id = claims.subject()?;
        let expires_at = claims.time("exp")?.ok_or(TokenFault::Endless)?;
        // Milliseconds, most likely: the token would never end.
        if expires_at.as_secs() >= LAST_SECOND {
            return Err(TokenFault::Time("exp"));
        }
        let issued_at = claims.time("iat")?;
        let latest = now.plus(LEEWAY);
        if claims.time("nbf")?.is_some_and(|from| from > latest) {
            return Err(TokenFault::NotYet);
        }
        // One that says it was issued later than a logout would outlive it.
        if issued_at.is_some_and(|at| at > latest) {
            return Err(TokenFault::IssuedLater);
        }
        let refused_from = expires_at.plus(LEEWAY);
        if now >= refused_from {
            return Err(TokenFault::Expired);
        }
        let grant = Grant {
            user_id,
            refused_from,
            proof: Proof::Foreign {
                issued_at,
                key,
                is_admin: self.admin.as_ref().is_some_and(|rule| rule.fits(&claims)),
            },
        };
        let newcomer = Newcomer {
            grant,
            expires_at,
            names: claims.names(user_id),
            avatar: claims.picture(),
            issued_at,
        };
        Ok((Verified { expires_at, grant }, newcomer))
    }

    /// The claims of a token that one of the keys has signed, and that key.
    fn claims(&self, token: &str) -> Result<(KeyId, Claims), TokenFault> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::TooLong);
        }
        if !self.has_keys() {
            return Err(TokenFault::NotOurs);
        }
        let parts = Parts::of(token)?;
        let header = parts.header()?;
        let signed = |key: &&Key| {
            let message = parts.message.as_bytes();
            let algorithm = header.algorithm;
            jsonwebtoken::crypto::verify(parts.signature, message, &key.decoding, algorithm)
                .unwrap_or(false)
        };
        let key = self.keys.candidates(&header)?.into_iter().find(signed);
        let key = key.ok_or(TokenFault::Signature)?.id;
        let claims = parts.claims()?;
        header.check()?;
        Ok((key, claims))
    }
}
