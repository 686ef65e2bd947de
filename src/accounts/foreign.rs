//! Tokens that another system issued, and the keys that an operator gave for them (RFC 7519, RFC 7517).
//!
//! The algorithm follows the key, never the token: a token's header only chooses among the keys whose algorithm it names.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::AccountError;
use super::token::{Grant, Proof, Verified};
use crate::model::{Timestamp, UserId, Username, check_avatar};

/// 5 s: how far two machines' clocks may be apart.
const LEEWAY: std::time::Duration = std::time::Duration::from_secs(5);

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret has no bytes.
    #[error("the secret is empty")]
    Empty,
    /// It is a private key.
    #[error(
        "this is a private key: give the public one, and keep the other where tokens are issued"
    )]
    Private,
    /// It is no key that is known here.
    #[error("this is no public key in PEM form of RSA, of EC on P-256, or of Ed25519")]
    Unknown,
    /// It is no JSON Web Key Set.
    #[error("this is no JSON Web Key Set")]
    NoSet,
    /// None of the set's keys can be used.
    #[error("no key of this set can be used: RSA, P-256, P-384 and Ed25519 are known")]
    NoKeys,
}

/// One key, and what its tokens must be like.
#[derive(Clone)]
struct Key {
    /// Its name in its set.
    kid: Option<String>,
    decoding: DecodingKey,
    validation: Validation,
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
    provision: bool,
}

/// The account that a token asks to be made for its subject.
#[derive(Debug, Clone)]
pub struct Newcomer {
    pub(super) grant: Grant,
    pub(super) expires_at: Timestamp,
    /// The names to try, the best first.
    pub(super) names: Vec<Username>,
    pub(super) avatar: Option<String>,
}

/// What is read of a foreign token. Each may be of any kind; what it must be is checked with the claim's name at hand.
#[derive(Deserialize)]
struct Claims {
    sub: Option<Value>,
    user_id: Option<Value>,
    id: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    username: Option<Value>,
    preferred_username: Option<Value>,
    name: Option<Value>,
    avatar: Option<Value>,
    picture: Option<Value>,
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

    /// Accepts tokens signed with this secret by HS256, HS384 or HS512.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        let algorithms = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        let key = self.key(None, DecodingKey::from_secret(secret), &algorithms);
        self.single.push(key);
        Ok(())
    }

    /// Accepts tokens signed by the private half of this key in PEM form: RS256, ES256 or EdDSA, as its kind is.
    pub fn add_public_key(&mut self, pem: &str) -> Result<(), KeyError> {
        if pem.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        let pem = pem.trim().as_bytes();
        let kinds = [
            (DecodingKey::from_rsa_pem(pem), Algorithm::RS256),
            (DecodingKey::from_ec_pem(pem), Algorithm::ES256),
            (DecodingKey::from_ed_pem(pem), Algorithm::EdDSA),
        ];
        let found = kinds
            .into_iter()
            .find_map(|(key, algorithm)| Some((key.ok()?, algorithm)));
        match found {
            Some((decoding, algorithm)) if can_verify(&decoding, algorithm) => {
                let key = self.key(None, decoding, &[algorithm]);
                self.single.push(key);
                Ok(())
            }
            _ => Err(KeyError::Unknown),
        }
    }

    /// Accepts tokens by the keys of this JSON Web Key Set, in place of those of an earlier one. Gives how many it has.
    pub fn set_keys(&mut self, json: &str) -> Result<usize, KeyError> {
        let set: JwkSet = serde_json::from_str(json).map_err(|_| KeyError::NoSet)?;
        let usable = |jwk: &Jwk| {
            if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
                return None;
            }
            let (decoding, algorithm) = (DecodingKey::from_jwk(jwk).ok()?, algorithm(jwk)?);
            let key = self.key(jwk.common.key_id.clone(), decoding, &[algorithm]);
            can_verify(&key.decoding, algorithm).then_some(key)
        };
        let keys: Vec<Key> = set.keys.iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(KeyError::NoKeys);
        }
        self.set = keys;
        Ok(self.set.len())
    }

    fn key(&self, kid: Option<String>, decoding: DecodingKey, algorithms: &[Algorithm]) -> Key {
        let mut validation = Validation {
            algorithms: algorithms.to_vec(),
            // Time is checked below, `exp` being there among it, against the clock that is handed in.
            validate_exp: false,
            validate_aud: self.audience.is_some(),
            ..Validation::default()
        };
        let mut required = Vec::new();
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        Key {
            kid,
            decoding,
            validation,
        }
    }

    /// Returns whether there is any key.
    pub(super) fn has_keys(&self) -> bool {
        !self.single.is_empty() || !self.set.is_empty()
    }

    /// Whether a token of an unknown subject makes the account.
    pub(super) fn provision(&self) -> bool {
        self.provision
    }

    /// Checks signature, issuer, audience, form and time, and says what account the token would make.
    pub(super) fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Verified, Newcomer), AccountError> {
        let claims = self.claims(token).ok_or(AccountError::InvalidToken)?;
        let time = |claim: Option<&Value>| match claim {
            None | Some(Value::Null) => Ok(None),
            Some(value) => number(value).map(Some).ok_or(AccountError::InvalidToken),
        };
        let expires_at = time(claims.exp.as_ref())?.ok_or(AccountError::InvalidToken)?;
        let not_before = time(claims.nbf.as_ref())?;
        let issued_at = time(claims.iat.as_ref())?;
        let user_id = claims.subject().ok_or(AccountError::InvalidToken)?;
        if not_before.is_some_and(|not_before| not_before > now.plus(LEEWAY)) {
            return Err(AccountError::InvalidToken);
        }
        let refused_from = expires_at.plus(LEEWAY);
        if now >= refused_from {
            return Err(AccountError::TokenExpired);
        }
        let grant = Grant {
            user_id,
            refused_from,
            proof: Proof::IssuedAt(issued_at),
        };
        let newcomer = Newcomer {
            grant,
            expires_at,
            names: claims.names(user_id),
            avatar: claims.picture(),
        };
        Ok((Verified { expires_at, grant }, newcomer))
    }

    /// The claims of a token that one of the keys has signed.
    fn claims(&self, token: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        let in_set = |key: &&Key| match &header.kid {
            Some(kid) => key.kid.as_ref() == Some(kid),
            // Without a name there must be no choice.
            None => self.set.len() == 1,
        };
        let keys = self.single.iter().chain(self.set.iter().filter(in_set));
        keys.filter(|key| key.validation.algorithms.contains(&header.alg))
            .find_map(|key| {
                let decoded = jsonwebtoken::decode(token, &key.decoding, &key.validation);
                decoded.map(|token| token.claims).ok()
            })
    }
}

impl Claims {
    /// Whose it is: `sub`, else `user_id`, else `id`; the first that is there counts.
    fn subject(&self) -> Option<UserId> {
        let given = |claim: &&Option<Value>| !matches!(claim, None | Some(Value::Null));
        let claim = [&self.sub, &self.user_id, &self.id]
            .into_iter()
            .find(given)?;
        match claim.as_ref()? {
            Value::Number(number) => UserId::new(number.as_u64()?).ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// What to call the account: as the token says, or as near to it as is free.
    fn names(&self, id: UserId) -> Vec<Username> {
        let claims = [&self.username, &self.preferred_username, &self.name];
        let given = claims.into_iter().find_map(|claim| match claim {
            Some(Value::String(text)) => Username::foreign_of(text, id).ok(),
            _ => None,
        });
        let mut names = Vec::new();
        if let Some(name) = given {
            let numbered = Username::foreign(&format!("{name}-{id}")).ok();
            names.push(name);
            names.extend(numbered);
        }
        names.push(Username::given(id));
        names
    }

    fn picture(&self) -> Option<String> {
        let claims = [&self.avatar, &self.picture];
        claims.into_iter().find_map(|claim| match claim {
            Some(Value::String(url)) if check_avatar(url).is_ok() => Some(url.clone()),
            _ => None,
        })
    }
}

/// A NumericDate: seconds, perhaps with a fraction.
fn number(value: &Value) -> Option<Timestamp> {
    let Value::Number(number) = value else {
        return None;
    };
    let secs = match number.as_u64() {
        Some(secs) => secs,
        // A cast of a float ends at the bounds of what it is cast to.
        None => number.as_f64().map(|secs| secs as u64)?,
    };
    Some(Timestamp::from_ms(secs.saturating_mul(1_000)))
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

    fn verify(tokens: &ForeignTokens, token: &str) -> Result<u64, AccountError> {
        let verified = tokens.verify(token, NOW);
        verified.map(|(verified, _)| verified.grant.user_id.get())
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
            with(json!({"exp": 1e300})),
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

    #[test]
    fn a_newcomer_is_called_as_the_token_says_or_as_near_as_may_be() {
        let tokens = tokens();
        for (claims, names, avatar) in [
            (json!({}), vec!["user-29"], None),
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
            let called: Vec<_> = newcomer.names.iter().map(Username::as_str).collect();
            assert_eq!((called, newcomer.avatar.as_deref()), (names, avatar));
        }
    }
}
