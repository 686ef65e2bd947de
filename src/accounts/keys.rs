//! The keys that an operator gave for tokens of other systems (RFC 7517, RFC 7518).
//!
//! A key is used with its own algorithm, whatever a token names: a token's header only chooses
//! among the keys whose algorithm it names.

use std::hash::{DefaultHasher, Hash, Hasher};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;

use super::claims::Header;
use super::fault::TokenFault;

/// As many bytes as HS256's hash has (RFC 7518, section 3.2).
const GOOD_SECRET_BYTES: usize = 32;
/// What a public key of Ed25519 has (RFC 8032, section 5.1.5).
const ED25519_BYTES: usize = 32;
/// The least RSA key, in bytes of its modulus: 2,048 bits (RFC 7518, section 3.3).
const LEAST_RSA_BYTES: usize = 256;
/// By so many keys of sets a token is tried that names none: more than an issuer signs by at a
/// time, and with the costliest of them some ms of one core.
const MAX_UNNAMED: usize = 8;

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret has no bytes, or blanks alone.
    #[error("the secret is empty")]
    Empty,
    /// It is public: anyone could sign with it.
    #[error("this is a key in PEM form and no secret: give it by --jwt-public-key")]
    NotSecret,
    /// It is a private key.
    #[error(
        "this is a private key: give the public one, and keep the other where tokens are issued"
    )]
    Private,
    /// It can be broken.
    #[error("this RSA key has fewer than 2048 bits and can be broken: make a longer one")]
    Weak,
    /// It is no key that is known here.
    #[error("this is no public key in PEM form of RSA, of EC on P-256, or of Ed25519")]
    Unknown,
    /// There are several, of which one would count.
    #[error("there are several keys in it: put each into a file of its own, and repeat the flag")]
    Several,
    /// It is no JSON Web Key Set.
    #[error("this is no JSON Web Key Set")]
    NoSet,
    /// None of the set's keys can be used.
    #[error(
        "no key of this set can be used: RSA (from 2048 bits), P-256, P-384 and Ed25519 are known"
    )]
    NoKeys,
}

/// By what a grant knows the key that signed its token: the same for the same key read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyId(u64);

impl KeyId {
    pub(super) fn of(key: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// One key.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: KeyId,
    /// Its name in its set.
    kid: Option<String>,
    pub(super) decoding: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// All keys by which other systems' tokens are accepted.
#[derive(Clone, Default)]
pub(super) struct Keys {
    /// Those that were given one by one.
    single: Vec<Key>,
    /// Those of each key set.
    sets: Vec<Vec<Key>>,
}

impl Keys {
    /// Returns whether there is none, and none is to come.
    pub(super) fn is_empty(&self) -> bool {
        self.single.is_empty() && self.sets.is_empty()
    }

    /// Returns whether there are secrets alone, by which a signature costs as little as one of
    /// ours.
    pub(super) fn are_secrets(&self) -> bool {
        let is_secret = |key: &Key| key.algorithms.contains(&Algorithm::HS256);
        self.sets.is_empty() && self.single.iter().all(is_secret)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        self.single.iter().chain(self.sets.iter().flatten())
    }

    /// Returns whether this key is still there.
    pub(super) fn has(&self, id: KeyId) -> bool {
        self.all().any(|key| key.id == id)
    }

    /// Returns how many keys and key sets there are.
    pub(super) fn sources(&self) -> usize {
        self.single.len() + self.sets.len()
    }

    /// Accepts tokens signed with this secret by HS256, HS384 or HS512.
    pub(super) fn add_secret(&mut self, secret: &[u8]) -> Result<(), KeyError> {
        // One of blanks is what is left of a variable that was meant to be filled.
        if secret.trim_ascii().is_empty() {
            return Err(KeyError::Empty);
        }
        if secret.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(KeyError::NotSecret);
        }
        warn_of_short(secret.len());
        self.single.push(Key {
            id: KeyId::of(secret),
            kid: None,
            decoding: DecodingKey::from_secret(secret),
            algorithms: vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
        });
        Ok(())
    }

    /// Accepts tokens signed by the private half of this key in PEM form: RS256, ES256 or EdDSA, as
    /// its kind is.
    pub(super) fn add_public_key(&mut self, pem: &str) -> Result<(), KeyError> {
        if pem.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        let text = pem.trim();
        let pem = text.as_bytes();
        let kinds = [
            (DecodingKey::from_rsa_pem(pem), Algorithm::RS256),
            (DecodingKey::from_ec_pem(pem), Algorithm::ES256),
            (DecodingKey::from_ed_pem(pem), Algorithm::EdDSA),
        ];
        let found = kinds
            .into_iter()
            .find_map(|(key, algorithm)| Some((key.ok()?, algorithm)));
        match found {
            Some(_) if text.matches(" PUBLIC KEY-----").count() > 2 => Err(KeyError::Several),
            Some((key, Algorithm::RS256)) if modulus_bytes(&key) < LEAST_RSA_BYTES => {
                Err(KeyError::Weak)
            }
            Some((decoding, algorithm)) if can_verify(&decoding, algorithm) => {
                self.single.push(Key {
                    id: KeyId::of(text),
                    kid: None,
                    decoding,
                    algorithms: vec![algorithm],
                });
                Ok(())
            }
            _ => Err(KeyError::Unknown),
        }
    }

    /// Returns whether there is a set whose keys are still to come.
    pub(super) fn awaits_set(&self) -> bool {
        self.sets.iter().any(Vec::is_empty)
    }

    /// Counts on the set of this number, whose keys come later.
    pub(super) fn expect_set(&mut self, number: usize) {
        if self.sets.len() <= number {
            self.sets.resize_with(number + 1, Vec::new);
        }
    }

    /// Accepts tokens by the keys of this JSON Web Key Set, in place of those that the set of this
    /// number had earlier. Gives how many it has.
    pub(super) fn replace_set(&mut self, number: usize, json: &str) -> Result<usize, KeyError> {
        let keys = read_set(json)?;
        let count = keys.len();
        self.expect_set(number);
        self.sets[number] = keys;
        Ok(count)
    }

    /// The same, but what the set had earlier stays. Gives how many keys it has now, and how many
    /// of the earlier ones are missing among them.
    pub(super) fn merge_set(
        &mut self,
        number: usize,
        json: &str,
    ) -> Result<(usize, usize), KeyError> {
        let mut keys = read_set(json)?;
        let count = keys.len();
        self.expect_set(number);
        let earlier = std::mem::take(&mut self.sets[number]);
        let is_missing = |key: &Key| keys.iter().all(|known| known.id != key.id);
        let missing: Vec<_> = earlier.into_iter().filter(is_missing).collect();
        let missing_count = missing.len();
        keys.extend(missing);
        self.sets[number] = keys;
        Ok((count, missing_count))
    }

    /// The keys of all sets, to be compared with those of another one.
    pub(super) fn set_ids(&self) -> Vec<KeyId> {
        self.sets.iter().flatten().map(|key| key.id).collect()
    }

    /// The keys of sets that a header may mean: that of its name or, where it names none, the first
    /// of those that fit.
    fn in_sets<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a Key> {
        let keys = self.sets.iter().flatten();
        let (kid, most) = match &header.kid {
            Some(kid) => (Some(kid), usize::MAX),
            None => (None, MAX_UNNAMED),
        };
        let is_meant = move |key: &&Key| match kid {
            Some(kid) => key.kid.as_ref() == Some(kid),
            None => key.algorithms.contains(&header.algorithm),
        };
        keys.filter(is_meant).take(most)
    }

    /// Returns whether a set has the key that a header names. One that names none may mean a key
    /// that is still to come.
    pub(super) fn is_in_sets(&self, header: &Header) -> bool {
        header.kid.is_some() && self.in_sets(header).next().is_some()
    }

    /// The keys that may have signed a token of this header: there is at least one.
    pub(super) fn candidates<'a>(&'a self, header: &'a Header) -> Result<Vec<&'a Key>, TokenFault> {
        let named = self.single.iter().chain(self.in_sets(header));
        let (mut named, mut is_named) = (named.peekable(), false);
        is_named |= named.peek().is_some();
        let fitting: Vec<&Key> = named
            .filter(|key| key.algorithms.contains(&header.algorithm))
            .collect();
        match (fitting.is_empty(), is_named || header.kid.is_none()) {
            (false, _) => Ok(fitting),
            (true, true) => Err(TokenFault::Algorithm),
            (true, false) => Err(TokenFault::KeyId),
        }
    }
}

/// The keys of a JSON Web Key Set. One of an unknown kind is passed over (RFC 7517, section 5).
fn read_set(json: &str) -> Result<Vec<Key>, KeyError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    // Editors put a byte order mark first.
    let json = json.trim_start_matches('\u{feff}');
    let set: Set = serde_json::from_str(json).map_err(|_| KeyError::NoSet)?;
    let keys = set.keys.into_iter().filter_map(set_key).collect::<Vec<_>>();
    match keys.is_empty() {
        true => Err(KeyError::NoKeys),
        false => Ok(keys),
    }
}

/// A key of a set, if it is one that signatures can be checked with here.
fn set_key(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    let verifies = |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
    if common.public_key_use == Some(PublicKeyUse::Encryption)
        || !common.key_operations.as_ref().is_none_or(verifies)
    {
        return None;
    }
    let algorithm = algorithm(&jwk)?;
    match &jwk.algorithm {
        AlgorithmParameters::RSA(key) if base64_bytes(&key.n) < LEAST_RSA_BYTES => {
            tracing::warn!("a key of the set is passed over: {}", KeyError::Weak);
            return None;
        }
        AlgorithmParameters::OctetKey(key) if key.value.is_empty() => return None,
        // The library counts on it.
        AlgorithmParameters::OctetKeyPair(key) if base64_bytes(&key.x) != ED25519_BYTES => {
            return None;
        }
        AlgorithmParameters::OctetKey(key) => warn_of_short(base64_bytes(&key.value)),
        _ => {}
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    can_verify(&decoding, algorithm).then(|| Key {
        id: KeyId::of((&common.key_id, &jwk.algorithm, algorithm as u8)),
        kid: common.key_id.clone(),
        decoding,
        algorithms: vec![algorithm],
    })
}

fn warn_of_short(bytes: usize) {
    if bytes < GOOD_SECRET_BYTES {
        tracing::warn!(
            "a secret of another system has fewer than {GOOD_SECRET_BYTES} bytes and may be guessed from a token"
        );
    }
}

/// Returns how many bytes a text in base64 has.
fn base64_bytes(text: &str) -> usize {
    let digits = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=');
    digits.count() * 3 / 4
}

/// Returns how many bytes the modulus of an RSA key has that was read from PEM. What else is in
/// such a file, the words of openssl or the rest of a certificate, says nothing of that.
fn modulus_bytes(key: &DecodingKey) -> usize {
    let der = key.try_get_as_bytes().unwrap_or_default();
    let modulus = RSAPublicKey::from_der(der).map_or(&[][..], |(_, key)| key.modulus);
    modulus.iter().skip_while(|byte| **byte == 0).count()
}

/// The one algorithm of a set's key: the one that it names, else the usual one of its kind.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if let Some(named) = jwk.common.key_algorithm {
        return named.to_string().parse().ok();
    }
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
            Some(Algorithm::ES384)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDSA)
        }
        AlgorithmParameters::OctetKey(_) => Some(Algorithm::HS256),
        _ => None,
    }
}

/// Returns whether the key is one of its algorithm: a key of another curve is found out only when
/// it is used.
fn can_verify(key: &DecodingKey, algorithm: Algorithm) -> bool {
    jsonwebtoken::crypto::verify("", b"", key, algorithm).is_ok()
}
