//! Tokens that another system issued, and the keys that an operator gave for them (RFC 7519, RFC 7517).
//!
//! The algorithm follows the key, never the token: a token's header only chooses among the keys whose algorithm it names.
//! How a token is read is in `claims.rs`.

use std::hash::{DefaultHasher, Hash, Hasher};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::claims::{ClaimRule, Claims, Header, Parts};
use super::fault::TokenFault;
use super::token::{Grant, MAX_TOKEN_BYTES, Proof, Verified};
use crate::model::{Timestamp, Username};

/// 5 s: how far two machines' clocks may be apart.
const LEEWAY: std::time::Duration = std::time::Duration::from_secs(5);
/// The year 5138: an `exp` from here on is none in seconds.
const LAST_SECOND: u64 = 100_000_000_000;
/// As many bytes as HS256's hash has (RFC 7518, section 3.2).
const GOOD_SECRET_BYTES: usize = 32;
/// The least RSA key, in bytes of its modulus: 2,048 bits (RFC 7518, section 3.3).
const LEAST_RSA_BYTES: usize = 256;

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret has no bytes.
    #[error("the secret is empty")]
    Empty,
    /// Who knows the public key, and everybody may, could sign with it.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId(u64);

impl KeyId {
    fn of(key: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// One key.
#[derive(Clone)]
struct Key {
    id: KeyId,
    /// Its name in its set.
    kid: Option<String>,
    decoding: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// The keys by which other systems' tokens are accepted, and what else is asked of them. Without a key none is.
#[derive(Clone, Default)]
pub struct ForeignTokens {
    /// Those that were given one by one.
    single: Vec<Key>,
    /// Those of the key set.
    set: Vec<Key>,
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
        !(self.single.is_empty() && self.set.is_empty())
    }

    /// Whether tokens that the same issuer made for something else are let in as well.
    pub fn is_for_all_audiences(&self) -> bool {
        self.audience.is_none() && self.asked.is_empty()
    }

    /// Whether this key is still there.
    pub(super) fn has_key(&self, id: KeyId) -> bool {
        self.single.iter().chain(&self.set).any(|key| key.id == id)
    }

    /// Accepts tokens signed with this secret by HS256, HS384 or HS512.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), KeyError> {
        if secret.is_empty() {
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

    /// Accepts tokens signed by the private half of this key in PEM form: RS256, ES256 or EdDSA, as its kind is.
    pub fn add_public_key(&mut self, pem: &str) -> Result<(), KeyError> {
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
            // What stands around the modulus takes up to 38 bytes.
            Some((_, Algorithm::RS256)) if pem_bytes(text) < LEAST_RSA_BYTES => Err(KeyError::Weak),
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

    /// Accepts tokens by the keys of this JSON Web Key Set, in place of those of an earlier one. Gives how many it has.
    /// A key of an unknown kind is passed over (RFC 7517, section 5).
    pub fn set_keys(&mut self, json: &str) -> Result<usize, KeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_str(json).map_err(|_| KeyError::NoSet)?;
        let keys = set.keys.into_iter().filter_map(set_key).collect::<Vec<_>>();
        if keys.is_empty() {
            return Err(KeyError::NoKeys);
        }
        self.set = keys;
        Ok(self.set.len())
    }

    /// The keys of the set, to be compared with those of another one.
    pub(super) fn set_ids(&self) -> Vec<KeyId> {
        self.set.iter().map(|key| key.id).collect()
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
        let key = self.candidates(&header)?.into_iter().find(signed);
        let key = key.ok_or(TokenFault::Signature)?.id;
        let claims = parts.claims()?;
        header.check()?;
        Ok((key, claims))
    }

    /// The keys that may have signed a token of this header: there is at least one.
    fn candidates(&self, header: &Header) -> Result<Vec<&Key>, TokenFault> {
        let in_set = |key: &&Key| match &header.kid {
            Some(kid) => key.kid.as_ref() == Some(kid),
            // Without a name there must be no choice.
            None => self.set.len() == 1,
        };
        let named = self.single.iter().chain(self.set.iter().filter(in_set));
        let (mut named, mut is_named) = (named.peekable(), false);
        is_named |= named.peek().is_some();
        let fitting: Vec<&Key> = named
            .filter(|key| key.algorithms.contains(&header.algorithm))
            .collect();
        match (fitting.is_empty(), is_named) {
            (false, _) => Ok(fitting),
            (true, true) => Err(TokenFault::Algorithm),
            (true, false) => Err(TokenFault::KeyId),
        }
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

/// How many bytes a text in base64 has.
fn base64_bytes(text: &str) -> usize {
    let digits = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=');
    digits.count() * 3 / 4
}

/// How many bytes a key in PEM form has.
fn pem_bytes(pem: &str) -> usize {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    lines.map(base64_bytes).sum()
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

/// Whether the key is one of its algorithm: a key of another curve is found out only when it is used.
fn can_verify(key: &DecodingKey, algorithm: Algorithm) -> bool {
    jsonwebtoken::crypto::verify("", b"", key, algorithm).is_ok()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;
    use crate::accounts::AccountError;

    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);
    const SECRET: &[u8] = b"a secret of an app that has its own users";
    const RSA: &str = include_str!("../../tests/keys/rsa.private.pem");
    const RSA_PUBLIC: &str = include_str!("../../tests/keys/rsa.public.pem");
    const EC: &str = include_str!("../../tests/keys/ec.private.pem");
    const EC_PUBLIC: &str = include_str!("../../tests/keys/ec.public.pem");
    const ED: &str = include_str!("../../tests/keys/ed.private.pem");
    const ED_PUBLIC: &str = include_str!("../../tests/keys/ed.public.pem");
    const P384_PUBLIC: &str = include_str!("../../tests/keys/p384.public.pem");
    const JWKS: &str = include_str!("../../tests/keys/jwks.json");

    fn signing(algorithm: Algorithm) -> EncodingKey {
        match algorithm {
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::PS256 => {
                EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap()
            }
            Algorithm::ES256 => EncodingKey::from_ec_pem(EC.as_bytes()).unwrap(),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(ED.as_bytes()).unwrap(),
            _ => EncodingKey::from_secret(SECRET),
        }
    }

    fn sign(algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
        let header = Header {
            kid: kid.map(Into::into),
            ..Header::new(algorithm)
        };
        jsonwebtoken::encode(&header, claims, &signing(algorithm)).unwrap()
    }

    /// A token of any header and body, signed by HS256 with any bytes.
    fn forge(header: &Value, claims: &Value, key: &[u8]) -> String {
        use base64::Engine;
        use base64::prelude::BASE64_URL_SAFE_NO_PAD;
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let key = EncodingKey::from_secret(key);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn claims() -> Value {
        json!({"sub": "29", "exp": NOW.as_secs() + 60, "iss": "https://id.example.org", "aud": "chat"})
    }

    fn with(changes: Value) -> Value {
        let mut claims = claims();
        for (key, value) in changes.as_object().unwrap() {
            claims[key] = value.clone();
        }
        claims
    }

    fn without(key: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(key);
        claims
    }

    /// With every key, and asked for an issuer and an audience.
    fn tokens() -> ForeignTokens {
        let issuer = Some("https://id.example.org".to_owned());
        let mut tokens = ForeignTokens::new(issuer, Some("chat".into()), false);
        tokens.add_secret(SECRET).unwrap();
        for key in [RSA_PUBLIC, EC_PUBLIC, ED_PUBLIC] {
            tokens.add_public_key(key).unwrap();
        }
        tokens
    }

    /// What a client is told by the code alone.
    fn verify(tokens: &ForeignTokens, token: &str) -> Result<u64, AccountError> {
        match tokens.verify(token, NOW) {
            Ok((verified, _)) => Ok(verified.grant.user_id.get()),
            Err(TokenFault::Expired) => Err(AccountError::TokenExpired),
            Err(_) => Err(AccountError::InvalidToken),
        }
    }

    #[test]
    fn each_key_accepts_its_own_algorithm() {
        let tokens = tokens();
        for algorithm in [
            Algorithm::HS256,
            Algorithm::HS384,
            Algorithm::HS512,
            Algorithm::RS256,
            Algorithm::ES256,
            Algorithm::EdDSA,
        ] {
            let token = sign(algorithm, None, &claims());
            assert_eq!(verify(&tokens, &token), Ok(29), "{algorithm:?}");
            // One wrong bit of the signature.
            let (rest, signature) = token.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { "B" } else { "A" };
            let spoiled = format!("{rest}.{first}{}", &signature[1..]);
            assert_eq!(
                verify(&tokens, &spoiled),
                Err(AccountError::InvalidToken),
                "{algorithm:?}"
            );
        }
        for algorithm in [Algorithm::RS384, Algorithm::PS256] {
            let token = sign(algorithm, None, &claims());
            assert_eq!(
                verify(&tokens, &token),
                Err(AccountError::InvalidToken),
                "{algorithm:?}"
            );
        }
    }

    #[test]
    fn bad_tokens_are_refused() {
        let tokens = tokens();
        let hs = |claims: Value| sign(Algorithm::HS256, None, &claims);
        let right = hs(claims());
        let secs = NOW.as_secs();
        let body = right.split('.').nth(1).unwrap();
        let hs256 = json!({"alg": "HS256", "typ": "JWT"});
        let cases = [
            ("empty", String::new()),
            ("no token", "a.b.c".into()),
            ("two parts", right.rsplit_once('.').unwrap().0.to_owned()),
            ("four parts", format!("{right}.x")),
            ("cut short", right[..right.len() - 4].to_owned()),
            (
                "no signature",
                format!("{}.", right.rsplit_once('.').unwrap().0),
            ),
            // {"alg":"none"} and {"alg":"NONE"}
            ("alg none", format!("eyJhbGciOiJub25lIn0.{body}.")),
            ("alg NONE", format!("eyJhbGciOiJOT05FIn0.{body}.")),
            (
                "alg missing",
                forge(&json!({"typ": "JWT"}), &claims(), SECRET),
            ),
            ("another secret", forge(&hs256, &claims(), b"guessed")),
            ("an empty secret", forge(&hs256, &claims(), b"")),
            (
                "RSA's public key as the secret",
                forge(&hs256, &claims(), RSA_PUBLIC.as_bytes()),
            ),
            (
                "RSA's public key as the secret, without its last line's end",
                forge(&hs256, &claims(), RSA_PUBLIC.trim().as_bytes()),
            ),
            (
                "an HMAC that says it is RS256",
                forge(&json!({"alg": "RS256"}), &claims(), SECRET),
            ),
            ("no exp", hs(without("exp"))),
            ("exp null", hs(with(json!({"exp": null})))),
            (
                "exp as text",
                hs(with(json!({"exp": (secs + 60).to_string()}))),
            ),
            ("exp as a list", hs(with(json!({"exp": [secs + 60]})))),
            ("nbf in the future", hs(with(json!({"nbf": secs + 60})))),
            (
                "exp in milliseconds",
                hs(with(json!({"exp": secs * 1_000}))),
            ),
            ("exp beyond all time", hs(with(json!({"exp": 1e300})))),
            (
                "a subject with a zero before it",
                hs(with(json!({"sub": "029"}))),
            ),
            ("nbf as text", hs(with(json!({"nbf": "0"})))),
            ("iat as text", hs(with(json!({"iat": "0"})))),
            ("another audience", hs(with(json!({"aud": "mail"})))),
            (
                "other audiences",
                hs(with(json!({"aud": ["mail", "chats"]}))),
            ),
            ("no audience", hs(without("aud"))),
            (
                "another issuer",
                hs(with(json!({"iss": "https://evil.example.org"}))),
            ),
            ("an issuer that is no text", hs(with(json!({"iss": 5})))),
            ("no issuer", hs(without("iss"))),
            ("no subject", hs(without("sub"))),
            ("a subject of letters", hs(with(json!({"sub": "ada"})))),
            ("subject 0", hs(with(json!({"sub": 0})))),
            ("a negative subject", hs(with(json!({"sub": -29})))),
            ("a subject with a fraction", hs(with(json!({"sub": 29.5})))),
            ("a subject too great", hs(with(json!({"sub": 1_u64 << 53})))),
            ("a subject that is a list", hs(with(json!({"sub": [29]})))),
            // The first that is there counts.
            (
                "a bad sub beside a good id",
                hs(with(json!({"sub": "x", "id": 29}))),
            ),
            ("claims that are no object", hs(json!([29]))),
        ];
        for (name, token) in cases {
            assert_eq!(
                verify(&tokens, &token),
                Err(AccountError::InvalidToken),
                "{name}"
            );
        }
        for (name, exp) in [
            ("over", json!(secs - 6)),
            ("long over", json!(0)),
            ("before all time", json!(-1)),
        ] {
            let token = hs(with(json!({"exp": exp})));
            assert_eq!(
                verify(&tokens, &token),
                Err(AccountError::TokenExpired),
                "{name}"
            );
        }
        assert_eq!(
            verify(&tokens, &right),
            Ok(29),
            "the refused ones differ from a right one only as named"
        );
    }

    #[test]
    fn clocks_may_differ_a_little_and_subjects_in_form() {
        let tokens = tokens();
        let secs = NOW.as_secs();
        let mut by_user_id = without("sub");
        by_user_id["user_id"] = json!("29");
        let mut by_id = without("sub");
        by_id["id"] = json!(29);
        for claims in [
            with(json!({"exp": secs - 4})),
            with(json!({"exp": secs as f64 + 0.5})),
            with(json!({"exp": LAST_SECOND - 1})),
            with(json!({"nbf": secs + 5, "iat": secs + 5})),
            with(json!({"nbf": null})),
            with(json!({"sub": 29})),
            with(json!({"aud": ["mail", "chat"]})),
            by_user_id,
            by_id,
        ] {
            let token = sign(Algorithm::HS256, None, &claims);
            assert_eq!(verify(&tokens, &token), Ok(29), "{claims}");
        }
    }

    #[test]
    fn a_set_names_its_keys() {
        let mut tokens = ForeignTokens::default();
        assert_eq!(tokens.set_keys(JWKS), Ok(3), "one is not for signatures");
        for (algorithm, kid) in [
            (Algorithm::RS256, "rsa-1"),
            (Algorithm::ES256, "ec-1"),
            (Algorithm::EdDSA, "ed-1"),
        ] {
            let token = sign(algorithm, Some(kid), &claims());
            assert_eq!(verify(&tokens, &token), Ok(29), "{kid}");
            for wrong in [None, Some("rsa-2"), Some("enc-1"), Some("")] {
                let token = sign(algorithm, wrong, &claims());
                assert_eq!(
                    verify(&tokens, &token),
                    Err(AccountError::InvalidToken),
                    "{kid} as {wrong:?}"
                );
            }
        }
        let crossed = sign(Algorithm::ES256, Some("rsa-1"), &claims());
        assert_eq!(verify(&tokens, &crossed), Err(AccountError::InvalidToken));
        for bad in ["", "{}", "{\"keys\":{}}", "[]"] {
            assert_eq!(tokens.set_keys(bad), Err(KeyError::NoSet), "{bad}");
        }
        assert_eq!(tokens.set_keys(r#"{"keys":[]}"#), Err(KeyError::NoKeys));
        let token = sign(Algorithm::RS256, Some("rsa-1"), &claims());
        assert_eq!(
            verify(&tokens, &token),
            Ok(29),
            "a bad set replaced a good one"
        );
        let mut set: Value = serde_json::from_str(JWKS).unwrap();
        set["keys"].as_array_mut().unwrap().truncate(1);
        assert_eq!(tokens.set_keys(&set.to_string()), Ok(1));
        let unnamed = sign(Algorithm::RS256, None, &claims());
        assert_eq!(verify(&tokens, &unnamed), Ok(29), "there is no choice");
    }

    #[test]
    fn a_key_that_cannot_be_used_is_refused_when_it_is_given() {
        let mut tokens = ForeignTokens::default();
        for (key, error) in [
            (RSA, KeyError::Private),
            (EC, KeyError::Private),
            (P384_PUBLIC, KeyError::Unknown),
            ("", KeyError::Unknown),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
                KeyError::Unknown,
            ),
        ] {
            assert_eq!(tokens.add_public_key(key), Err(error));
        }
        assert_eq!(tokens.add_secret(b""), Err(KeyError::Empty));
        let token = sign(Algorithm::HS256, None, &claims());
        assert_eq!(verify(&tokens, &token), Err(AccountError::InvalidToken));
    }

    /// RFC 7517, section 5: a set may hold what its reader does not know.
    #[test]
    fn a_key_that_is_unknown_weak_or_for_something_else_is_passed_over() {
        let good: Value = serde_json::from_str(JWKS).unwrap();
        let ed = good["keys"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["kid"] == "ed-1");
        let ed = ed.unwrap();
        let changed = |name: &str, value: Value| {
            let mut key = ed.clone();
            key[name] = value;
            key
        };
        for (name, other) in [
            (
                "post-quantum",
                json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "x"}),
            ),
            ("no kind", json!({"kid": "x"})),
            ("no object", json!("x")),
            (
                "secp256k1",
                json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}),
            ),
            (
                "another curve",
                json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}),
            ),
            (
                "an empty secret",
                json!({"kty": "oct", "k": "", "kid": "x"}),
            ),
            (
                "RSA of 1024 bits",
                json!({"kty": "RSA", "e": "AQAB", "n": "x".repeat(171)}),
            ),
            ("for encryption", changed("use", json!("enc"))),
            ("to sign with only", changed("key_ops", json!(["sign"]))),
            ("to wrap keys", changed("key_ops", json!(["wrapKey"]))),
            ("of another algorithm", changed("alg", json!("RS256"))),
        ] {
            let mut tokens = ForeignTokens::default();
            let alone = json!({"keys": [other]}).to_string();
            assert_eq!(tokens.set_keys(&alone), Err(KeyError::NoKeys), "{name}");
            let beside = json!({"keys": [other, ed]}).to_string();
            assert_eq!(tokens.set_keys(&beside), Ok(1), "{name}");
        }
        let mut tokens = ForeignTokens::default();
        for key in [
            changed("key_ops", json!(["verify"])),
            changed("use", json!("sig")),
        ] {
            let set = json!({"keys": [key]}).to_string();
            assert_eq!(tokens.set_keys(&set), Ok(1));
        }
        // Whoever has the public key could sign by it.
        for pem in [RSA_PUBLIC, &format!("\n{EC_PUBLIC}"), RSA] {
            assert_eq!(tokens.add_secret(pem.as_bytes()), Err(KeyError::NotSecret));
        }
        let weak = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdlatRjRjogo3WojgGHFHYLugdUWAY9iR3fy4arWNA1KoS8kVw33cJibXr8bvwUAUparCwlvdbH6dvEOfou0/gCFQsHUfQrSDv+MuSUMAe8jzKE4qW+jK+xQU9a03GUnKHkkle+Q0pX/g6jXZ7r1/xAK5Do2kQ+X5xK9cipRgEKwIDAQAB\n-----END PUBLIC KEY-----";
        assert_eq!(tokens.add_public_key(weak), Err(KeyError::Weak));
    }

    #[test]
    fn a_newcomer_is_called_as_the_token_says_or_as_near_as_may_be() {
        let tokens = tokens();
        for (claims, names, avatar) in [
            (json!({}), vec!["user-29"], None),
            // Names and pictures that are none: see the rules of `Username` and `check_avatar`.
            (
                json!({"name": "29", "picture": "/a.png"}),
                vec!["user-29"],
                None,
            ),
            (json!({"username": "user-30"}), vec!["user-29"], None),
            (
                json!({"username": "\u{3164}", "name": "e\u{301}ve"}),
                vec!["éve", "éve-29", "user-29"],
                None,
            ),
            (
                json!({"name": "Ada L", "picture": "https://example.org/a.png"}),
                vec!["Ada L", "Ada L-29", "user-29"],
                Some("https://example.org/a.png"),
            ),
            (
                json!({"username": "ada", "name": "x", "avatar": "javascript:x"}),
                vec!["ada", "ada-29", "user-29"],
                None,
            ),
            (
                json!({"username": "a\nb", "preferred_username": " ada "}),
                vec!["ada", "ada-29", "user-29"],
                None,
            ),
            (json!({"username": 5}), vec!["user-29"], None),
        ] {
            let token = sign(Algorithm::HS256, None, &with(claims));
            let (_, newcomer) = tokens.verify(&token, NOW).unwrap();
            let put = newcomer.account();
            let called: Vec<_> = put.names.iter().map(Username::as_str).collect();
            assert_eq!((called, put.avatar.flatten().as_deref()), (names, avatar));
        }
    }
}
