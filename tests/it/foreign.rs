//! Tokens of another system, over the wire.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chatd::accounts::ForeignTokens;
use chatd::config::Config;
use chatd::model::Timestamp;
use chatd::store::{Location, maintain};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Person, TestServer, config};

const SECRET: &str = "a secret of an app that has its own users";
const JWKS: &str = include_str!("../keys/jwks.json");

fn secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn token(id: u64, more: Value) -> Person {
    let mut claims = json!({"sub": id.to_string(), "exp": secs() + 600, "iat": secs()});
    for (key, value) in more.as_object().unwrap() {
        claims[key] = value.clone();
    }
    Person {
        id,
        token: sign(&claims).into(),
    }
}

fn with(provision: bool) -> Config {
    let mut tokens = ForeignTokens::new(None, None, provision);
    tokens.add_secret(SECRET.as_bytes()).unwrap();
    Config {
        foreign_tokens: tokens,
        ..config()
    }
}

#[tokio::test]
async fn an_apps_users_come_with_the_apps_tokens() {
    let server = TestServer::with(with(true)).await;
    let bob = server.register("bob").await;
    let ada = token(
        29,
        json!({"name": "Ada Lovelace", "picture": "https://example.org/a.png"}),
    );
    let mut socket = server.connect(&ada).await;
    let me = server.get("/api/auth/me", &ada.token).await;
    assert_eq!(
        me["data"],
        json!({"id": 29, "username": "Ada Lovelace", "avatar": "https://example.org/a.png", "is_admin": false})
    );
    let payload = json!({"receiver_id": bob.id, "content": "hi"});
    let (ack, _) = socket.call(1, "send_message", payload).await;
    assert_eq!(ack["success"], true);
    // By REST first, under a name that is taken.
    let other = token(30, json!({"username": "BOB"}));
    let me = server.get("/api/auth/me", &other.token).await;
    assert_eq!(me["data"]["username"], "BOB-30");
    // Many at once make one account.
    let third = token(31, json!({}));
    let sockets = (0..5).map(|_| server.connect(&third));
    futures_util::future::join_all(sockets).await;
    let found = server.get("/api/users?query=user-31", &bob.token).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn without_provisioning_only_those_with_an_account_come_in() {
    let server = TestServer::with(with(false)).await;
    let ada = server.register("ada").await;
    server.connect(&token(ada.id, json!({}))).await;
    let stranger = token(29, json!({"name": "Eve"}));
    let refused = server
        .send("GET", "/api/auth/me", Some(&stranger.token), "")
        .await;
    assert_eq!(refused.code(), "invalid_token");
    server.connect(&ada).await;
    server.stop().await;
}

/// A logout that left another system's tokens alone was one only in name.
#[tokio::test]
async fn a_logout_ends_foreign_tokens_that_were_issued_before_it() {
    let server = TestServer::with(with(true)).await;
    let before = token(29, json!({"iat": secs() - 1}));
    let undated = token(29, json!({"iat": null}));
    let later = token(29, json!({"iat": secs() + 2}));
    server.connect(&undated).await;
    let mut socket = server.connect(&before).await;
    let reply = server
        .send("POST", "/api/auth/logout", Some(&before.token), "")
        .await;
    assert_eq!(reply.json(), json!({"success": true}));
    assert_eq!(socket.expect("chat_error").await["code"], "invalid_token");
    socket.hears("41").await;
    for (token, status) in [(&before, 401), (&undated, 401), (&later, 200)] {
        let reply = server
            .send("GET", "/api/auth/me", Some(&token.token), "")
            .await;
        assert_eq!(reply.status.as_u16(), status);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_changed_key_set_is_read_again_and_nobody_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let set: Value = serde_json::from_str(JWKS).unwrap();
    let only = |kid: &str| {
        let mut set = set.clone();
        let keys = set["keys"].as_array_mut().unwrap();
        keys.retain(|key| key["kid"] == kid);
        set.to_string()
    };
    std::fs::write(&path, only("ed-1")).unwrap();
    let server = TestServer::with(Config {
        foreign_tokens: ForeignTokens::new(None, None, true),
        jwks: Some(path.clone()),
        ..config()
    })
    .await;
    let signed = |algorithm, kid: &str, key| {
        let header = Header {
            kid: Some(kid.into()),
            ..Header::new(algorithm)
        };
        let claims = json!({"sub": "29", "exp": secs() + 600, "iat": secs()});
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        Person {
            id: 29,
            token: token.into(),
        }
    };
    let ed = EncodingKey::from_ed_pem(include_bytes!("../keys/ed.private.pem")).unwrap();
    let ec = EncodingKey::from_ec_pem(include_bytes!("../keys/ec.private.pem")).unwrap();
    let (old, new) = (
        signed(Algorithm::EdDSA, "ed-1", ed),
        signed(Algorithm::ES256, "ec-1", ec),
    );
    let until = async |person: &Person, status: u16| {
        // The server says nowhere that it has read the file, so it is asked until it has.
        loop {
            let path = "/api/auth/me";
            let reply = server.send("GET", path, Some(&person.token), "").await;
            if reply.status.as_u16() == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    crate::support::soon(until(&old, 200)).await;
    let mut socket = server.connect(&old).await;
    std::fs::write(&path, only("ec-1") + " ").unwrap();
    crate::support::soon(until(&new, 200)).await;
    crate::support::soon(until(&old, 401)).await;
    let payload = json!({"user_ids": []});
    let (ack, before) = socket.call(1, "presence_subscribe", payload).await;
    assert_eq!((&ack["success"], before.len()), (&json!(true), 0));
    server.stop().await;
}

/// The file that was restored does not know which of them were revoked since.
#[tokio::test]
async fn a_restore_ends_foreign_tokens_that_were_issued_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let [data, copy] = ["chatd.redb", "copy.redb"].map(|name| folder.path().join(name));
    let start = || {
        TestServer::with(Config {
            data: Location::File(data.clone()),
            ..with(true)
        })
    };
    let before = token(29, json!({"iat": secs() - 10}));
    let undated = token(29, json!({"iat": null}));
    let later = token(29, json!({"iat": secs() + 10}));
    let good = async |server: &TestServer, token: &Person| {
        let reply = server
            .send("GET", "/api/auth/me", Some(&token.token), "")
            .await;
        reply.status.as_u16()
    };
    let server = start().await;
    assert_eq!(good(&server, &before).await, 200);
    server.stop().await;
    maintain::backup(&data, &copy, &mut |_| {}).unwrap();
    maintain::restore(&copy, &data, Timestamp::now(), &mut |_| {}).unwrap();
    for _ in 0..2 {
        let server = start().await;
        assert_eq!(good(&server, &before).await, 401);
        assert_eq!(good(&server, &undated).await, 200, "nothing tells its age");
        assert_eq!(good(&server, &later).await, 200);
        server.stop().await;
    }
}
