//! Tokens as issuers make them, and as attackers and misunderstandings do: each is let in, or
//! refused for its reason.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::fault::TokenFault::{self, *};
use super::{ClaimRule, ForeignTokens};
use crate::model::{Subject, Timestamp, UserId, Whom};

const SECS: u64 = 1_749_124_800;
const NOW: Timestamp = Timestamp::from_ms(SECS * 1_000);
const SECRET: &[u8] = b"a secret of an app that has its own users";

/// A token of any header and any claims, written as they are, signed by HS256.
fn sign(header: &str, claims: &str) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.unwrap())
}

/// What becomes of a token: whose it is, or why it is refused.
fn judge(tokens: &ForeignTokens, header: &Value, claims: &Value) -> Result<u64, TokenFault> {
    judge_text(tokens, &header.to_string(), &claims.to_string())
}

fn judge_text(tokens: &ForeignTokens, header: &str, claims: &str) -> Result<u64, TokenFault> {
    match whom(tokens, header, claims)? {
        Whom::Id(id) => Ok(id.get()),
        Whom::Subject(subject) => panic!("{subject:?}"),
    }
}

fn whom(tokens: &ForeignTokens, header: &str, claims: &str) -> Result<Whom, TokenFault> {
    let verified = tokens.verify(&sign(header, claims), NOW);
    verified.map(|newcomer| newcomer.whom)
}

fn tokens() -> ForeignTokens {
    let mut tokens = ForeignTokens::new(None, None, false);
    tokens.add_secret(SECRET).unwrap();
    tokens
}

fn hs256() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

/// Claims of a good token, with these beside or instead; null takes one away.
fn with(changes: Value) -> Value {
    let mut claims = json!({"sub": "29", "iat": SECS - 5, "exp": SECS + 600});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn access_tokens_of_well_known_issuers_are_let_in() {
    let cases = [
        (
            "Auth0",
            json!({"alg": "HS256", "typ": "at+jwt", "kid": "x"}),
            json!({"iss": "https://x.eu.auth0.com/", "aud": ["chat", "https://x/userinfo"], "azp": "c", "scope": "openid profile", "permissions": []}),
        ),
        (
            "Keycloak",
            hs256(),
            json!({"typ": "Bearer", "azp": "app", "sid": "x", "acr": "1", "aud": "account", "realm_access": {"roles": ["offline_access", "default-roles-x"]}, "scope": "profile email", "preferred_username": "ada"}),
        ),
        (
            "Supabase",
            hs256(),
            json!({"aud": "authenticated", "role": "authenticated", "aal": "aal1", "amr": [{"method": "password", "timestamp": SECS}], "session_id": "x", "is_anonymous": false, "app_metadata": {}, "user_metadata": {"name": "Ada"}}),
        ),
        (
            "Firebase",
            json!({"alg": "HS256", "kid": "x", "typ": "JWT"}),
            json!({"iss": "https://securetoken.google.com/p", "aud": "p", "auth_time": SECS, "user_id": "29", "firebase": {"sign_in_provider": "password"}}),
        ),
        (
            "Cognito",
            json!({"alg": "HS256", "kid": "x"}),
            json!({"token_use": "access", "client_id": "c", "username": "ada", "scope": "aws.cognito.signin.user.admin"}),
        ),
        (
            "Laravel, jwt-auth",
            hs256(),
            json!({"sub": 29, "iss": "http://app/api/login", "nbf": SECS - 5, "jti": "x", "prv": "23bd5c8949f600adb39e701c400872db7a5976f7"}),
        ),
        (
            "Laravel, Passport",
            hs256(),
            json!({"aud": "1", "jti": "x", "iat": SECS as f64 - 4.75, "nbf": SECS as f64 - 4.75, "exp": SECS as f64 + 599.25, "scopes": []}),
        ),
        (
            "Django, SimpleJWT",
            hs256(),
            json!({"sub": null, "token_type": "access", "jti": "x", "user_id": 29}),
        ),
        (
            "Django, SimpleJWT from 5.5",
            hs256(),
            json!({"sub": null, "token_type": "access", "jti": "x", "user_id": "29"}),
        ),
        (
            "Django, SimpleJWT's sliding",
            hs256(),
            json!({"token_type": "sliding", "refresh_exp": SECS + 6_000}),
        ),
        (
            "flask-jwt-extended",
            hs256(),
            json!({"fresh": true, "jti": "x", "type": "access", "nbf": SECS - 5, "csrf": "x"}),
        ),
        ("Guardian", hs256(), json!({"typ": "access", "iss": "app"})),
        (
            "devise-jwt",
            hs256(),
            json!({"scp": "user", "aud": null, "jti": "x"}),
        ),
        (
            "RFC 9068",
            json!({"alg": "HS256", "typ": "application/at+JWT"}),
            json!({"client_id": "c", "jti": "x"}),
        ),
        (
            "no typ at all",
            json!({"alg": "HS256"}),
            json!({"type": "customer", "use": "chat"}),
        ),
        (
            "scopes of other things beside the chat's",
            hs256(),
            json!({"scope": "openid email chat password:reset", "aud": "https://verify.example.org/"}),
        ),
        (
            "what sounds like another purpose and is none",
            hs256(),
            json!({"email_verified": true, "type": "verified", "kind": "password", "reason": "", "scope": "", "mfa": true, "reset": false, "refresh_exp": SECS + 9, "refresh_token": "x", "refresh": 3600, "fresh": true, "state": "CA", "code": "x"}),
        ),
        (
            "Auth0's after a second factor",
            hs256(),
            json!({"amr": ["mfa", "otp"], "gty": "password", "action": "login", "org_id": "x"}),
        ),
    ];
    for (name, header, claims) in cases {
        assert_eq!(judge(&tokens(), &header, &with(claims)), Ok(29), "{name}");
    }
}

#[test]
fn what_is_no_access_token_is_refused_though_its_signature_holds() {
    let cases = [
        (
            "SimpleJWT's refresh token",
            json!({"token_type": "refresh"}),
            Purpose("token_type".into()),
        ),
        (
            "flask-jwt-extended's refresh token",
            json!({"type": "refresh"}),
            Purpose("type".into()),
        ),
        (
            "Keycloak's refresh token",
            json!({"typ": "Refresh"}),
            Purpose("typ".into()),
        ),
        (
            "Keycloak's offline token",
            json!({"typ": "Offline"}),
            Purpose("typ".into()),
        ),
        (
            "Keycloak's id token",
            json!({"typ": "ID"}),
            Purpose("typ".into()),
        ),
        (
            "Keycloak's logout token",
            json!({"typ": "Logout"}),
            Purpose("typ".into()),
        ),
        (
            "Keycloak's DPoP token",
            json!({"typ": "DPoP"}),
            Purpose("typ".into()),
        ),
        (
            "Cognito's id token",
            json!({"token_use": "id"}),
            Purpose("token_use".into()),
        ),
        (
            "Guardian's refresh token",
            json!({"typ": "refresh"}),
            Purpose("typ".into()),
        ),
        (
            "a kind that is no text",
            json!({"token_type": 2}),
            Purpose("token_type".into()),
        ),
        (
            "a camel's refresh token",
            json!({"tokenType": "refreshToken"}),
            Purpose("tokenType".into()),
        ),
        (
            "refreshToken",
            json!({"type": "refreshToken"}),
            Purpose("type".into()),
        ),
        (
            "id_token",
            json!({"type": "id_token"}),
            Purpose("type".into()),
        ),
        (
            "a password reset",
            json!({"purpose": "password_reset"}),
            Purpose("purpose".into()),
        ),
        (
            "a password reset",
            json!({"type": "reset-password"}),
            Purpose("type".into()),
        ),
        (
            "a confirmation",
            json!({"purpose": "email.confirmation"}),
            Purpose("purpose".into()),
        ),
        (
            "an invitation",
            json!({"token_purpose": "INVITE"}),
            Purpose("token_purpose".into()),
        ),
        (
            "FastAPI Users' reset",
            json!({"aud": ["fastapi-users:reset"]}),
            Purpose("aud".into()),
        ),
        (
            "FastAPI Users' verification",
            json!({"aud": "fastapi-users:verify"}),
            Purpose("aud".into()),
        ),
        (
            "a forgotten password",
            json!({"type": "forgot_password"}),
            Purpose("type".into()),
        ),
        (
            "a forgotten password without separators",
            json!({"purpose": "forgotpassword"}),
            Purpose("purpose".into()),
        ),
        (
            "resetPasswordToken",
            json!({"action": "resetPasswordToken"}),
            Purpose("action".into()),
        ),
        (
            "a scope of its own",
            json!({"scope": "password_reset"}),
            Purpose("scope".into()),
        ),
        (
            "FastAPI tutorials' e-mail token",
            json!({"scope": "email_token"}),
            Purpose("scope".into()),
        ),
        (
            "FastAPI tutorials' refresh token",
            json!({"scope": "refresh_token"}),
            Purpose("scope".into()),
        ),
        (
            "a list of such scopes",
            json!({"scopes": ["email:verify"]}),
            Purpose("scopes".into()),
        ),
        (
            "Better Auth's e-mail verification",
            json!({"email": "a@b.c", "requestType": "change-email-verification"}),
            Purpose("requestType".into()),
        ),
        (
            "an e-mail confirmation",
            json!({"purpose": "email"}),
            Purpose("purpose".into()),
        ),
        (
            "a magic link",
            json!({"type": "magic-link"}),
            Purpose("type".into()),
        ),
        (
            "a second factor that is still to come",
            json!({"type": "2fa_pending"}),
            Purpose("type".into()),
        ),
        (
            "an authorization code",
            json!({"type": "authorization_code"}),
            Purpose("type".into()),
        ),
        (
            "Keycloak's action token",
            json!({"typ": "reset-credentials", "asid": "x"}),
            Purpose("typ".into()),
        ),
        (
            "a flag",
            json!({"password_reset": true}),
            Purpose("password_reset".into()),
        ),
        (
            "a flag in camel case",
            json!({"isRefreshToken": true}),
            Purpose("isRefreshToken".into()),
        ),
        (
            "a claim that holds whose password it resets",
            json!({"reset_password": 29}),
            Purpose("reset_password".into()),
        ),
        (
            "an audience of its own",
            json!({"aud": "password-reset"}),
            Purpose("aud".into()),
        ),
        (
            "an OpenID logout token",
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            Event,
        ),
        ("bound by DPoP", json!({"cnf": {"jkt": "x"}}), Bound),
        (
            "bound by a certificate",
            json!({"cnf": {"x5t#S256": "x"}}),
            Bound,
        ),
    ];
    for (name, claims, fault) in cases {
        assert_eq!(
            judge(&tokens(), &hs256(), &with(claims)),
            Err(fault),
            "{name}"
        );
    }
    for typ in [
        "logout+jwt",
        "application/logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "kb+jwt",
        "vc+sd-jwt",
        "refresh+jwt",
        "id_token+jwt",
        "JWE",
        "",
    ] {
        let header = json!({"alg": "HS256", "typ": typ});
        assert_eq!(
            judge(&tokens(), &header, &with(json!({}))),
            Err(Type),
            "{typ}"
        );
    }
}

/// What an operator asks for by name is judged by that alone: an app of Cognito's may chat by id
/// tokens.
#[test]
fn a_claim_that_is_asked_for_must_be_so_and_is_not_judged_otherwise() {
    let asked = |rules: &[&str]| {
        let mut tokens = tokens();
        rules
            .iter()
            .for_each(|rule| tokens.ask(rule.parse().unwrap()));
        tokens
    };
    let cases = [
        (&["token_use=id"][..], json!({"token_use": "id"}), true),
        (&["token_use=id"], json!({"token_use": "access"}), false),
        (&["token_use=id"], json!({}), false),
        (&["purpose=chat"], json!({"purpose": "chat"}), true),
        (&["purpose=chat"], json!({"purpose": "Chat"}), false),
        (
            &["purpose=chat"],
            json!({"purpose": ["mail", "chat"]}),
            true,
        ),
        (&["purpose=chat"], json!({"purpose": {"chat": true}}), false),
        (&["purpose=null"], json!({"purpose": null}), false),
        (&["n=5", "b=true"], json!({"n": 5, "b": true}), true),
        (&["n=5", "b=true"], json!({"n": 5, "b": false}), false),
        (&["scope=chat"], json!({"scope": "openid chat"}), true),
        (&["scope=chat"], json!({"scope": "openid chats"}), false),
        (&["name=chat"], json!({"name": "openid chat"}), false),
        (
            &["realm_access.roles=chat"],
            json!({"realm_access": {"roles": ["chat"]}}),
            true,
        ),
        (
            &["realm_access.roles=chat"],
            json!({"realm_access": {"roles": []}}),
            false,
        ),
        (
            &["realm_access.roles=chat"],
            json!({"realm_access": "chat"}),
            false,
        ),
        (
            &["https://x.org/roles=chat"],
            json!({"https://x.org/roles": ["chat"]}),
            true,
        ),
        (&["a=b=c"], json!({"a": "b=c"}), true),
    ];
    for (rules, claims, fits) in cases {
        let judged = judge(&asked(rules), &hs256(), &with(claims.clone()));
        assert_eq!(judged.is_ok(), fits, "{rules:?} {claims}: {judged:?}");
    }
    for bad in ["", "role", "=x", " =x"] {
        assert!(bad.parse::<ClaimRule>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_token_is_an_administrators_by_the_claim_that_is_named_for_it_and_by_no_other() {
    let is_admin = |rule: Option<&str>, claims: Value| {
        let mut tokens = tokens();
        if let Some(rule) = rule {
            tokens.administer_by(rule.parse().unwrap());
        }
        let token = sign(&hs256().to_string(), &with(claims).to_string());
        match tokens.verify(&token, NOW).unwrap().proof {
            super::token::Proof::Foreign { is_admin, .. } => is_admin,
            proof => panic!("{proof:?}"),
        }
    };
    let claims = json!({"role": "admin", "is_admin": true, "roles": ["admin"]});
    assert!(!is_admin(None, claims.clone()));
    assert!(is_admin(Some("role=admin"), claims.clone()));
    assert!(is_admin(Some("roles=admin"), claims.clone()));
    assert!(!is_admin(Some("role=owner"), claims));
    assert!(!is_admin(Some("role=admin"), json!({})));
}

#[test]
fn times_are_seconds_and_not_of_the_future() {
    let ms = SECS * 1_000;
    let cases = [
        ("no exp", json!({"exp": null}), Err(Endless)),
        (
            "exp as text",
            json!({"exp": "9999999999"}),
            Err(Time("exp")),
        ),
        ("exp as a list", json!({"exp": [1]}), Err(Time("exp"))),
        ("exp below zero", json!({"exp": -1}), Err(Expired)),
        ("exp over", json!({"exp": SECS - 5}), Err(Expired)),
        ("exp nearly over", json!({"exp": SECS - 4}), Ok(29)),
        (
            "exp with a fraction",
            json!({"exp": SECS as f64 - 4.5}),
            Ok(29),
        ),
        ("a huge exp", json!({"exp": u64::MAX}), Err(Time("exp"))),
        (
            "exp in milliseconds",
            json!({"exp": ms + 600_000}),
            Err(Time("exp")),
        ),
        ("nbf a little late", json!({"nbf": SECS + 5}), Ok(29)),
        ("nbf late", json!({"nbf": SECS + 6}), Err(NotYet)),
        ("nbf in milliseconds", json!({"nbf": ms}), Err(NotYet)),
        ("nbf as text", json!({"nbf": "0"}), Err(Time("nbf"))),
        ("iat a little late", json!({"iat": SECS + 5}), Ok(29)),
        ("iat late", json!({"iat": SECS + 6}), Err(IssuedLater)),
        ("iat in milliseconds", json!({"iat": ms}), Err(IssuedLater)),
        ("a huge iat", json!({"iat": 1e300}), Err(IssuedLater)),
        ("iat below zero", json!({"iat": -1}), Ok(29)),
        (
            "iat as text",
            json!({"iat": SECS.to_string()}),
            Err(Time("iat")),
        ),
        ("no iat", json!({"iat": null}), Ok(29)),
    ];
    for (name, claims, judged) in cases {
        assert_eq!(judge(&tokens(), &hs256(), &with(claims)), judged, "{name}");
    }
}

/// A UUID, an `auth0|…` and an id of 21 digits were refused, and with them the users of most apps.
#[test]
fn a_subject_is_an_id_or_any_other_text_of_its_issuer() {
    let judge = |claims: Value| {
        let claims = with(claims).to_string();
        whom(&tokens(), &hs256().to_string(), &claims)
    };
    let id = |id| Ok(Whom::Id(UserId::new(id).unwrap()));
    let text = |text: &str| {
        Ok(Whom::Subject(Subject {
            issuer: "".into(),
            subject: text.into(),
        }))
    };
    let wrong = |claim: &str| Err(TokenFault::Subject(claim.into()));
    let long = "x".repeat(256);
    let cases = [
        (json!({"sub": 29}), id(29)),
        (json!({"sub": (1_u64 << 52) - 1}), id((1 << 52) - 1)),
        // Ids from 2^52 on are this server's to give.
        (json!({"sub": 1_u64 << 52}), text("4503599627370496")),
        (json!({"sub": "4503599627370496"}), text("4503599627370496")),
        (json!({"sub": u64::MAX}), text("18446744073709551615")),
        (
            json!({"sub": "108204268033311374519"}),
            text("108204268033311374519"),
        ),
        (
            json!({"sub": "3b241101-e2bb-4255-8caf-4136c566a962"}),
            text("3b241101-e2bb-4255-8caf-4136c566a962"),
        ),
        (json!({"sub": "auth0|29"}), text("auth0|29")),
        // Written in another way it may be another person.
        (json!({"sub": "029"}), text("029")),
        (json!({"sub": "+29"}), text("+29")),
        (json!({"sub": " 29"}), text(" 29")),
        (json!({"sub": "٢٩"}), text("٢٩")),
        (json!({"sub": "0"}), text("0")),
        (json!({"sub": &long[..255]}), text(&long[..255])),
        (json!({"sub": long}), wrong("sub")),
        (json!({"sub": ""}), wrong("sub")),
        (json!({"sub": 0}), wrong("sub")),
        (json!({"sub": -29}), wrong("sub")),
        (json!({"sub": 29.0}), wrong("sub")),
        (json!({"sub": 1e300}), wrong("sub")),
        (json!({"sub": true}), wrong("sub")),
        (json!({"sub": ["29"]}), wrong("sub")),
        // The first that is there counts.
        (json!({"sub": null, "user_id": "x", "id": 29}), text("x")),
        (json!({"sub": "x", "user_id": 29}), text("x")),
        (
            json!({"sub": null, "user_id": 0, "id": 29}),
            wrong("user_id"),
        ),
        (json!({"sub": null, "id": 29}), id(29)),
        (
            json!({"sub": null}),
            Err(NoSubject("sub, user_id, id".into())),
        ),
    ];
    for (claims, judged) in cases {
        let name = claims.to_string();
        assert_eq!(judge(claims), judged, "{name}");
    }
}

#[test]
fn the_claim_that_is_named_for_it_says_whose_a_token_is_and_no_other_does() {
    let judge = |claim: &str, claims: Value| {
        let mut tokens = tokens();
        tokens.take_user_from(claim.into());
        let claims = with(claims).to_string();
        whom(&tokens, &hs256().to_string(), &claims)
    };
    let id = |id| Ok(Whom::Id(UserId::new(id).unwrap()));
    let claims = json!({"sub": "5", "https://x.org/uid": 7, "app": {"user": "8"}, "x.y": 9});
    assert_eq!(judge("https://x.org/uid", claims.clone()), id(7));
    assert_eq!(judge("app.user", claims.clone()), id(8));
    assert_eq!(judge("x.y", claims.clone()), id(9));
    let absent = judge("uid", claims.clone());
    assert_eq!(absent, Err(NoSubject("uid".into())), "and sub does not");
    assert_eq!(judge("app", claims), Err(TokenFault::Subject("app".into())));
}

/// The users of two systems are never the same person, whatever they are called.
#[test]
fn a_subject_belongs_to_its_issuer_and_whole_numbers_of_the_first_alone_are_ids() {
    let mut tokens = ForeignTokens::new(Some("https://a".into()), Some("chat".into()), false);
    tokens.add_secret(SECRET).unwrap();
    tokens.add_issuer("https://b".into());
    tokens.add_audience("talk".into());
    let judge = |iss: &str, aud: Value, sub: &str| {
        let claims = with(json!({"iss": iss, "aud": aud, "sub": sub})).to_string();
        let newcomer = tokens.verify(&sign(&hs256().to_string(), &claims), NOW)?;
        Ok((newcomer.whom, newcomer.earlier))
    };
    let of = |issuer: &str, subject: &str| {
        Whom::Subject(Subject {
            issuer: issuer.into(),
            subject: subject.into(),
        })
    };
    let id = Whom::Id(UserId::new(29).unwrap());
    let (chat, talk) = (json!("chat"), json!(["mail", "talk"]));
    for (judged, wanted) in [
        (judge("https://a", chat.clone(), "29"), Ok((id, None))),
        (
            judge("https://b", talk.clone(), "29"),
            Ok((of("https://b", "29"), None)),
        ),
        // What was made before the operator named the first issuer stays theirs.
        (
            judge("https://a", talk.clone(), "x"),
            Ok((of("https://a", "x"), Some(of("", "x")))),
        ),
        (
            judge("https://b", chat.clone(), "x"),
            Ok((of("https://b", "x"), None)),
        ),
        (judge("https://c", chat, "x"), Err(Issuer)),
        (judge("", talk, "x"), Err(Issuer)),
        (judge("https://a", json!("mail"), "x"), Err(Audience)),
    ] {
        assert_eq!(judged, wanted);
    }
}

#[test]
fn issuers_and_audiences_are_compared_exactly() {
    let issuer = Some("https://id.example.org".to_owned());
    let mut tokens = ForeignTokens::new(issuer, Some("chat".into()), false);
    tokens.add_secret(SECRET).unwrap();
    let good = "https://id.example.org";
    for (iss, aud, judged) in [
        (json!(good), json!("chat"), Ok(29)),
        (json!(good), json!(["mail", "chat"]), Ok(29)),
        (json!("https://id.example.org/"), json!("chat"), Err(Issuer)),
        (json!("HTTPS://id.example.org"), json!("chat"), Err(Issuer)),
        (json!([good]), json!("chat"), Err(Issuer)),
        (json!(null), json!("chat"), Err(Issuer)),
        (json!(good), json!("Chat"), Err(Audience)),
        (json!(good), json!("chat "), Err(Audience)),
        (json!(good), json!("chat mail"), Err(Audience)),
        (json!(good), json!(["chat", 5]), Err(Audience)),
        (json!(good), json!([]), Err(Audience)),
        (json!(good), json!({"chat": 1}), Err(Audience)),
        (json!(good), json!(null), Err(Audience)),
    ] {
        let claims = with(json!({"iss": iss, "aud": aud}));
        assert_eq!(judge(&tokens, &hs256(), &claims), judged, "{claims}");
    }
}

#[test]
fn a_header_chooses_no_key_of_its_own_and_asks_for_nothing_unknown() {
    let claims = with(json!({}));
    let jwk = json!({"kty": "oct", "k": "AAAA"});
    let cases = [
        // Keys that a token brings or links to are nothing.
        (json!({"alg": "HS256", "jwk": jwk}), Ok(29)),
        (json!({"alg": "HS256", "jwk": "x", "x5c": 5}), Ok(29)),
        (
            json!({"alg": "HS256", "jku": "https://evil.example/keys"}),
            Ok(29),
        ),
        (
            json!({"alg": "HS256", "x5u": "https://evil.example/cert"}),
            Ok(29),
        ),
        (
            json!({"alg": "HS256", "kid": "../../../../dev/null"}),
            Ok(29),
        ),
        (json!({"alg": "HS256", "cty": "json"}), Ok(29)),
        (json!({"alg": "HS256", "b64": true}), Ok(29)),
        (json!({"alg": "HS256", "b64": false}), Err(Extension)),
        (
            json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
            Err(Extension),
        ),
        (
            json!({"alg": "HS256", "crit": ["exp"], "exp": 1}),
            Err(Extension),
        ),
        (json!({"alg": "HS256", "crit": []}), Err(Extension)),
        (json!({"alg": "HS256", "cty": "JWT"}), Err(Nested)),
        (
            json!({"alg": "HS256", "cty": "application/jwt"}),
            Err(Nested),
        ),
        (json!({"alg": "none"}), Err(Algorithm_())),
        (json!({"alg": "None"}), Err(Algorithm_())),
        (json!({"alg": "hs256"}), Err(Algorithm_())),
        (json!({"alg": "RS256"}), Err(Algorithm_())),
        (json!({"alg": ["HS256"]}), Err(Header)),
        (json!({"alg": "HS256", "kid": 5}), Err(Header)),
        (json!({"alg": "HS256", "typ": 5}), Err(Header)),
        (json!({"typ": "JWT"}), Err(Header)),
        (json!(["HS256"]), Err(Header)),
        // Signed as HS256, and says otherwise.
        (json!({"alg": "HS512"}), Err(Signature)),
    ];
    for (header, judged) in cases {
        assert_eq!(judge(&tokens(), &header, &claims), judged, "{header}");
    }
}

#[expect(
    non_snake_case,
    reason = "the fault, whose name is the library's type here"
)]
fn Algorithm_() -> TokenFault {
    TokenFault::Algorithm
}

/// RFC 7515 and 7519, section 4: one reader takes the first, the next one the last.
#[test]
fn a_name_that_stands_twice_is_refused() {
    let claims = with(json!({})).to_string();
    let twice = |more: &str| claims.replacen('{', &format!("{{{more},"), 1);
    let header = r#"{"alg":"HS256"}"#;
    assert_eq!(judge_text(&tokens(), header, &claims), Ok(29));
    for more in [
        r#""sub":"1""#,
        r#""exp":1"#,
        r#""\u0073ub":"1""#,
        r#""x":1,"x":1"#,
    ] {
        assert_eq!(
            judge_text(&tokens(), header, &twice(more)),
            Err(Claims),
            "{more}"
        );
    }
    let header = r#"{"alg":"none","alg":"HS256"}"#;
    assert_eq!(judge_text(&tokens(), header, &claims), Err(Header));
}

#[test]
fn what_is_no_token_is_refused_whatever_its_size_and_depth() {
    let tokens = tokens();
    let good = sign(r#"{"alg":"HS256"}"#, &with(json!({})).to_string());
    let deep = |depth: usize| {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        sign(
            r#"{"alg":"HS256"}"#,
            &format!(r#"{{"sub":"29","exp":9999999999,"x":{nested}}}"#),
        )
    };
    let (start, end) = good.split_at(good.len() - 1);
    let cases = [
        (format!("{good}.x"), Parts),
        (format!("{good}.x.y"), Parts),
        ("x".into(), Parts),
        (".".repeat(8_000), Parts),
        ("x".repeat(8_193), TooLong),
        (format!("{good}{}", "A".repeat(8_192)), TooLong),
        ("..".into(), Header),
        (format!("={good}"), Header),
        (start.to_owned(), Signature),
        (format!("{start}={end}"), Signature),
        (deep(200), Claims),
        (deep(1_500), Claims),
        (sign(r#"{"alg":"HS256"}"#, "[29]"), Claims),
        (sign(r#"{"alg":"HS256"}"#, ""), Claims),
        (sign(r#"{"alg":"HS256"}"#, "{\"sub\":\"29\"} x"), Claims),
    ];
    for (token, fault) in cases {
        let judged = tokens.verify(&token, NOW).map(drop);
        assert_eq!(judged, Err(fault), "{}", &token[..token.len().min(80)]);
    }
    assert!(tokens.verify(&deep(50), NOW).is_ok());
    let none = ForeignTokens::default();
    assert_eq!(none.verify(&good, NOW).map(drop), Err(NotOurs));
}

/// A log line or an answer that held a part of a token could be used, or would tell of a person.
#[test]
fn no_reason_says_anything_of_the_token_but_the_names_of_claims() {
    let mut tokens = tokens();
    tokens.ask("purpose=chat".parse().unwrap());
    let secretive = with(json!({"purpose": "s3cret-value", "sub": "s3cret-value"}));
    let fault = judge(&tokens, &hs256(), &secretive).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the claim purpose is another than --jwt-claim asks for, or missing"
    );
    let fault = judge(&self::tokens(), &hs256(), &with(json!({"sub": ["s3cret"]}))).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "sub must be a text of 1 to 255 bytes or a whole number from 1"
    );
    let fault = judge(&self::tokens(), &hs256(), &with(json!({"exp": null}))).unwrap_err();
    assert_eq!(fault.to_string(), "exp is missing");
}
