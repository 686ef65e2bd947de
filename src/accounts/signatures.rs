//! Keys and the signatures that they verify: each algorithm, key sets, and what is refused.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::fault::TokenFault;
use super::foreign::{ForeignTokens, LAST_SECOND};
use super::{AccountError, KeyError};
use crate::model::{Timestamp, UserId, Username, Whom};

const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);
const SECRET: &[u8] = b"a secret of an app that has its own users";
const RSA: &str = include_str!("../../tests/keys/rsa.private.pem");
const RSA_PUBLIC: &str = include_str!("../../tests/keys/rsa.public.pem");
const EC: &str = include_str!("../../tests/keys/ec.private.pem");
const EC_PUBLIC: &str = include_str!("../../tests/keys/ec.public.pem");
const ED: &str = include_str!("../../tests/keys/ed.private.pem");
const ED_PUBLIC: &str = include_str!("../../tests/keys/ed.public.pem");
const P384_PUBLIC: &str = include_str!("../../tests/keys/p384.public.pem");
const WEAK_CERTIFICATE: &str = include_str!("../../tests/keys/weak.cert.pem");
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
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
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
        Ok(newcomer) => match newcomer.whom {
            Whom::Id(id) => Ok(id.get()),
            Whom::Subject(subject) => panic!("{subject:?}"),
        },
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
        ("subject 0", hs(with(json!({"sub": 0})))),
        ("a negative subject", hs(with(json!({"sub": -29})))),
        ("a subject with a fraction", hs(with(json!({"sub": 29.5})))),
        ("a subject that is a list", hs(with(json!({"sub": [29]})))),
        // The first that is there counts.
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
    assert_eq!(tokens.set_keys(0, JWKS), Ok(3), "one is not for signatures");
    for (algorithm, kid) in [
        (Algorithm::RS256, "rsa-1"),
        (Algorithm::ES256, "ec-1"),
        (Algorithm::EdDSA, "ed-1"),
    ] {
        let token = sign(algorithm, Some(kid), &claims());
        assert_eq!(verify(&tokens, &token), Ok(29), "{kid}");
        for wrong in ["rsa-2", "enc-1", ""] {
            let token = sign(algorithm, Some(wrong), &claims());
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
        assert_eq!(tokens.set_keys(0, bad), Err(KeyError::NoSet), "{bad}");
    }
    assert_eq!(tokens.set_keys(0, r#"{"keys":[]}"#), Err(KeyError::NoKeys));
    let token = sign(Algorithm::RS256, Some("rsa-1"), &claims());
    assert_eq!(
        verify(&tokens, &token),
        Ok(29),
        "a bad set replaced a good one"
    );
    let mut set: Value = serde_json::from_str(JWKS).unwrap();
    set["keys"].as_array_mut().unwrap().truncate(1);
    assert_eq!(tokens.set_keys(0, &set.to_string()), Ok(1));
    let edited = format!("\u{feff}{set}");
    assert_eq!(tokens.set_keys(0, &edited), Ok(1), "a byte order mark");
}

/// A token that names no key was refused as soon as a set had two of them.
#[test]
fn a_token_that_names_no_key_is_tried_by_each_that_fits_and_by_few() {
    let mut tokens = ForeignTokens::default();
    assert_eq!(tokens.set_keys(0, JWKS), Ok(3));
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let token = sign(algorithm, None, &claims());
        assert_eq!(verify(&tokens, &token), Ok(29), "{algorithm:?}");
    }
    let judge = |tokens: &ForeignTokens, token: &str| {
        let verified = tokens.verify(token, NOW);
        verified.map(drop).map_err(|fault| fault.to_string())
    };
    let of_no_key = sign(Algorithm::HS256, None, &claims());
    let none = judge(&tokens, &of_no_key).unwrap_err();
    assert_eq!(none, "no key fits: none is for its alg");
    // The key that fits is the last of so many.
    let set = |others: usize| {
        let others = (0..others).map(|other| format!("another secret, number {other}"));
        let all = others.map(String::into_bytes).chain([SECRET.to_vec()]);
        let keys = all.map(|key| {
            use base64::Engine;
            let key = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&key);
            json!({"kty": "oct", "alg": "HS256", "kid": key, "k": key})
        });
        json!({"keys": keys.collect::<Vec<_>>()}).to_string()
    };
    for (others, is_found) in [(1, true), (7, true), (8, false)] {
        assert_eq!(tokens.set_keys(0, &set(others)), Ok(others + 1));
        let judged = judge(&tokens, &of_no_key);
        assert_eq!(judged.is_ok(), is_found, "{others}: {judged:?}");
    }
    // It may be of a key that is still to come, and only then.
    assert!(tokens.lacks_key_of(&of_no_key));
    tokens.set_keys(0, &set(7)).unwrap();
    assert!(!tokens.lacks_key_of(&of_no_key));
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
    for blank in ["", "  ", "\n"] {
        assert_eq!(tokens.add_secret(blank.as_bytes()), Err(KeyError::Empty));
    }
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
        ("cut short", changed("x", json!("AAAA"))),
    ] {
        let mut tokens = ForeignTokens::default();
        let alone = json!({"keys": [other]}).to_string();
        assert_eq!(tokens.set_keys(0, &alone), Err(KeyError::NoKeys), "{name}");
        let beside = json!({"keys": [other, ed]}).to_string();
        assert_eq!(tokens.set_keys(0, &beside), Ok(1), "{name}");
    }
    let mut tokens = ForeignTokens::default();
    for key in [
        changed("key_ops", json!(["verify"])),
        changed("use", json!("sig")),
    ] {
        let set = json!({"keys": [key]}).to_string();
        assert_eq!(tokens.set_keys(0, &set), Ok(1));
    }
    // Anyone with the public key could sign with it.
    for pem in [RSA_PUBLIC, &format!("\n{EC_PUBLIC}"), RSA] {
        assert_eq!(tokens.add_secret(pem.as_bytes()), Err(KeyError::NotSecret));
    }
    let weak = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdlatRjRjogo3WojgGHFHYLugdUWAY9iR3fy4arWNA1KoS8kVw33cJibXr8bvwUAUparCwlvdbH6dvEOfou0/gCFQsHUfQrSDv+MuSUMAe8jzKE4qW+jK+xQU9a03GUnKHkkle+Q0pX/g6jXZ7r1/xAK5Do2kQ+X5xK9cipRgEKwIDAQAB\n-----END PUBLIC KEY-----";
    assert_eq!(tokens.add_public_key(weak), Err(KeyError::Weak));
    // What else is in the file is no part of the key: these were taken for long ones.
    let told = format!(
        "Public-Key: (1024 bit)\nModulus: {}\n{weak}",
        "00:dd".repeat(99)
    );
    for weak in [&told, WEAK_CERTIFICATE] {
        assert_eq!(tokens.add_public_key(weak), Err(KeyError::Weak), "{weak}");
    }
    let both = format!("{RSA_PUBLIC}{EC_PUBLIC}");
    assert_eq!(tokens.add_public_key(&both), Err(KeyError::Several));
    for good in [format!("Public-Key:\n{RSA_PUBLIC}\nend"), EC_PUBLIC.into()] {
        assert_eq!(tokens.add_public_key(&good), Ok(()), "{good}");
    }
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
        let put = tokens.verify(&token, NOW).unwrap().account();
        let tried = put.names_for(UserId::new(29).unwrap(), true);
        let called: Vec<_> = tried.iter().map(Username::as_str).collect();
        assert_eq!((called, put.avatar.flatten().as_deref()), (names, avatar));
    }
}

/// An issuer's servers do not all know a new key in the same second.
#[test]
fn a_key_that_a_set_has_no_more_counts_until_that_is_sure() {
    let set = |kids: &[&str]| {
        let mut set: Value = serde_json::from_str(JWKS).unwrap();
        let keys = set["keys"].as_array_mut().unwrap();
        keys.retain(|key| kids.contains(&key["kid"].as_str().unwrap()));
        set.to_string()
    };
    let mut tokens = ForeignTokens::default();
    tokens.expect_set(0);
    let ed = sign(Algorithm::EdDSA, Some("ed-1"), &claims());
    let ec = sign(Algorithm::ES256, Some("ec-1"), &claims());
    assert!(tokens.lacks_key_of(&ed));
    assert_eq!(tokens.merge_keys(0, &set(&["ed-1"])), Ok((1, 0)));
    assert!(!tokens.lacks_key_of(&ed) && tokens.lacks_key_of(&ec));
    assert_eq!(tokens.merge_keys(0, &set(&["ec-1"])), Ok((1, 1)));
    assert_eq!(tokens.merge_keys(0, &set(&["ed-1"])), Ok((1, 1)));
    for token in [&ed, &ec] {
        assert_eq!(verify(&tokens, token), Ok(29));
    }
    for bad in ["", "{}", r#"{"keys":[]}"#] {
        assert!(tokens.merge_keys(0, bad).is_err());
        assert_eq!(verify(&tokens, &ed), Ok(29), "a bad set changes nothing");
    }
    assert_eq!(tokens.set_keys(0, &set(&["ec-1"])), Ok(1));
    assert_eq!(verify(&tokens, &ed), Err(AccountError::InvalidToken));
    assert_eq!(verify(&tokens, &ec), Ok(29));
    for nothing in ["", "x", "a.b.c", "e30.e30."] {
        assert!(!tokens.lacks_key_of(nothing), "{nothing:?}");
    }
    // A key that was given by itself names its tokens as it likes, and keeps no other from being
    // looked for.
    tokens.add_public_key(ED_PUBLIC).unwrap();
    assert!(!tokens.lacks_key_of(&sign(Algorithm::EdDSA, Some("x"), &claims())));
    assert!(tokens.lacks_key_of(&sign(Algorithm::ES256, Some("x"), &claims())));
    assert!(tokens.lacks_key_of(&sign(Algorithm::RS256, Some("rsa-1"), &claims())));
}
