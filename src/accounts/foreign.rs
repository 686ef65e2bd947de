//! Tokens that another system issued (RFC 7519): whether one is accepted, and what it says of its
//! account.
//!
//! The keys are in `keys.rs`; how a token is read is in `claims.rs`.

use std::sync::Arc;

use super::KeyError;
use super::claims::{ClaimRule, Claims, Parts};
use super::fault::TokenFault;
use super::keys::{Key, KeyId, Keys};
use super::leads::LEEWAY;
use super::token::{Grant, MAX_TOKEN_BYTES, Proof};
use crate::model::{FIRST_OWN_ID, Name, Subject, Timestamp, UserId, Username, Whom};

/// The year 5138: an `exp` from here on is none in seconds.
pub(super) const LAST_SECOND: u64 = 100_000_000_000;

/// The keys for tokens of other systems, and what else these must say. Without a key none is
/// accepted.
#[derive(Clone, Default)]
pub struct ForeignTokens {
    keys: Keys,
    /// The accepted issuers; any, where there is none. Whole numbers of the first one, or of any,
    /// are ids of accounts.
    issuers: Vec<Arc<str>>,
    audiences: Vec<String>,
    /// In which claim a token says whose it is.
    user_claim: Option<String>,
    /// What claims must be.
    asked: Vec<ClaimRule>,
    /// By what claim a token is an administrator's.
    admin: Option<ClaimRule>,
    provision: bool,
}

/// What a token says of its account: to make it by, or to change it by.
#[derive(Debug, Clone)]
pub struct Newcomer {
    pub(super) whom: Whom,
    /// Under what else an account of theirs may be found.
    pub(super) earlier: Option<Whom>,
    pub(super) proof: Proof,
    pub(super) refused_from: Timestamp,
    pub(super) expires_at: Timestamp,
    /// The username, where it says one.
    pub(super) username: Option<Username>,
    /// The name that is shown, where it says one.
    pub(super) name: Option<Name>,
    /// The picture, or that there is none, where it says so.
    pub(super) avatar: Option<Option<String>>,
    pub(super) issued_at: Option<Timestamp>,
}

impl Newcomer {
    /// What the token grants, once it is known for which account.
    pub(super) fn grant(&self, user_id: UserId) -> Grant {
        Grant {
            user_id,
            refused_from: self.refused_from,
            proof: self.proof,
        }
    }
}

impl ForeignTokens {
    /// What every foreign token must say of its issuer and its audience, where given; and whether a
    /// token of an unknown subject makes the account.
    pub fn new(issuer: Option<String>, audience: Option<String>, provision: bool) -> Self {
        Self {
            issuers: issuer.into_iter().map(Into::into).collect(),
            audiences: audience.into_iter().collect(),
            provision,
            ..Self::default()
        }
    }

    /// Accepts tokens of this issuer too.
    pub fn add_issuer(&mut self, issuer: String) {
        self.issuers.push(issuer.into());
    }

    /// Accepts tokens for this audience too.
    pub fn add_audience(&mut self, audience: String) {
        self.audiences.push(audience);
    }

    /// Takes whose a token is from this claim, and from no other.
    pub fn take_user_from(&mut self, claim: String) {
        self.user_claim = Some(claim);
    }

    /// Asks of every token that a claim is so.
    pub fn ask(&mut self, rule: ClaimRule) {
        self.asked.push(rule);
    }

    /// Takes tokens with this claim for an administrator's, and no others.
    pub fn administer_by(&mut self, rule: ClaimRule) {
        self.admin = Some(rule);
    }

    /// Returns whether there is a key.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Returns whether there is a key by which a signature may cost much.
    pub(super) fn has_costly_keys(&self) -> bool {
        !self.keys.are_secrets()
    }

    /// Returns whether tokens that the same issuer made for something else are let in as well.
    pub fn is_for_all_audiences(&self) -> bool {
        self.audiences.is_empty() && self.asked.is_empty()
    }

    /// Returns whether the holder of one key can sign for the issuer of another.
    pub fn mixes_issuers(&self) -> bool {
        self.issuers.len() > 1 && self.keys.sources() > 1
    }

    /// Returns whether this key is still there.
    pub(super) fn has_key(&self, id: KeyId) -> bool {
        self.keys.has(id)
    }

    /// Accepts tokens signed with this secret by HS256, HS384 or HS512.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), KeyError> {
        self.keys.add_secret(secret)
    }

    /// Accepts tokens signed by the private half of this key in PEM form: RS256, ES256 or EdDSA, as
    /// its kind is.
    pub fn add_public_key(&mut self, pem: &str) -> Result<(), KeyError> {
        self.keys.add_public_key(pem)
    }

    /// Accepts tokens by the keys of this JSON Web Key Set, in place of those that the set of this
    /// number had earlier. Gives how many it has.
    pub fn set_keys(&mut self, number: usize, json: &str) -> Result<usize, KeyError> {
        self.keys.replace_set(number, json)
    }

    /// The same, but what the set had earlier stays. Gives how many keys it has now, and how many
    /// of the earlier ones are missing among them.
    pub(super) fn merge_keys(
        &mut self,
        number: usize,
        json: &str,
    ) -> Result<(usize, usize), KeyError> {
        self.keys.merge_set(number, json)
    }

    /// Counts on the set of this number, whose keys come later.
    pub fn expect_set(&mut self, number: usize) {
        self.keys.expect_set(number);
    }

    /// Returns whether there is a set whose keys are still to come.
    pub(super) fn awaits_set(&self) -> bool {
        self.keys.awaits_set()
    }

    /// Returns whether a token names a key that no set has, so that a set that is read anew may
    /// have it.
    pub(super) fn names_unknown_key(&self, token: &str) -> bool {
        let header = Parts::of(token).and_then(|parts| parts.header());
        header.is_ok_and(|header| !self.keys.is_in_sets(&header))
    }

    /// The same of a token that none of the keys has signed which were given one by one: such a
    /// token may name any key.
    pub(super) fn lacks_key_of(&self, token: &str) -> bool {
        self.names_unknown_key(token) && self.claims(token).is_err()
    }

    /// The keys of all sets, to be compared with those of another one.
    pub(super) fn set_ids(&self) -> Vec<KeyId> {
        self.keys.set_ids()
    }

    /// Returns whether a token of an unknown subject makes the account.
    pub(super) fn provision(&self) -> bool {
        self.provision
    }

    /// Checks signature, issuer, audience, purpose, form and time, and says what the token knows of
    /// its account.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Newcomer, TokenFault> {
        let (key, claims) = self.claims(token)?;
        let issuer = match self.issuers.is_empty() {
            true => 0,
            false => claims.issuer_among(&self.issuers)?,
        };
        if !self.audiences.is_empty() {
            claims.check_audience(&self.audiences)?;
        }
        if let Some(rule) = self.asked.iter().find(|rule| !rule.fits(&claims)) {
            return Err(TokenFault::Asked(rule.name().into()));
        }
        claims.check_purpose(|name| {
            let is_asked = self.asked.iter().any(|rule| rule.name() == name);
            is_asked || (name == "aud" && !self.audiences.is_empty())
        })?;
        let subject = claims.subject(self.user_claim.as_deref())?;
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
        let (whom, earlier) = self.whom(issuer, subject);
        Ok(Newcomer {
            username: claims.username(&whom),
            name: claims.shown_name(),
            avatar: claims.picture(),
            whom,
            earlier,
            proof: Proof::Foreign {
                issued_at,
                key,
                is_admin: self.admin.as_ref().is_some_and(|rule| rule.fits(&claims)),
            },
            refused_from,
            expires_at,
            issued_at,
        })
    }

    /// Whom the issuer of this number means by a subject, and under what else that account may be
    /// found.
    ///
    /// The first issuer's whole numbers are accounts' ids. They are read as they are written: `029`
    /// may be another person than `29` for the issuer. Its other subjects may be from a time when
    /// no issuer was named.
    pub(super) fn whom(&self, issuer: usize, subject: String) -> (Whom, Option<Whom>) {
        let id = subject.parse::<UserId>().ok();
        let id =
            id.filter(|id| issuer == 0 && id.get() < FIRST_OWN_ID && !subject.starts_with('0'));
        if let Some(id) = id {
            return (Whom::Id(id), None);
        }
        let subject: Arc<str> = subject.into();
        let of = |issuer: Arc<str>| {
            Whom::Subject(Subject {
                issuer,
                subject: Arc::clone(&subject),
            })
        };
        let unnamed = || of(Arc::default());
        match self.issuers.get(issuer) {
            None => (unnamed(), None),
            Some(named) => (of(Arc::clone(named)), (issuer == 0).then(unnamed)),
        }
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
