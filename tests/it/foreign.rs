//! Tokens of another system, over the wire.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chatd::accounts::ForeignTokens;
use chatd::config::{Config, KeySource};
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

pub(crate) fn token(id: u64, more: Value) -> Person {
    let mut claims = json!({"sub": id.to_string(), "exp": secs() + 600, "iat": secs()});
    for (key, value) in more.as_object().unwrap() {
        claims[key] = value.clone();
    }
    Person {
        id,
        token: sign(&claims).into(),
    }
}

pub(crate) fn with(provision: bool) -> Config {
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
        json!({"id": 29, "username": "Ada Lovelace", "name": "Ada Lovelace", "avatar": "https://example.org/a.png", "is_admin": false})
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
    let admin = server.admin().await;
    let path = "/api/admin/users/28";
    let made = server
        .send("PUT", path, Some(&admin.token), r#"{"username":"ada"}"#)
        .await;
    assert_eq!(made.status.as_u16(), 201);
    server.connect(&token(28, json!({}))).await;
    // One that was made here is opened by no app's token.
    let refused = server
        .send(
            "GET",
            "/api/auth/me",
            Some(&token(admin.id, json!({})).token),
            "",
        )
        .await;
    assert_eq!(refused.code(), "invalid_token");
    let stranger = token(29, json!({"name": "Eve"}));
    let refused = server
        .send("GET", "/api/auth/me", Some(&stranger.token), "")
        .await;
    assert_eq!(refused.code(), "invalid_token");
    server.connect(&admin).await;
    server.stop().await;
}

/// Most apps call their users by UUIDs: the first thing that an app's developer tried was refused.
#[tokio::test]
async fn an_apps_users_are_called_by_any_text_and_write_to_each_other() {
    let server = TestServer::with(with(true)).await;
    let named = |sub: &str, name: &str| token(1, json!({"sub": sub, "name": name}));
    let people = [
        named("3b241101-e2bb-4255-8caf-4136c566a962", "Eve Smith"),
        named("auth0|5f7c8ec7c33c6c004bbafe82", "Eve Smith"),
        named("108204268033311374519", "Bob"),
    ];
    let mut ids = Vec::new();
    for person in &people {
        server.connect(person).await;
        let me = server.get("/api/auth/me", &person.token).await;
        ids.push(me["data"]["id"].as_u64().unwrap());
        let is_bob = me["data"]["name"] == "Bob";
        assert!(is_bob || me["data"]["name"] == "Eve Smith", "{me}");
    }
    assert!(ids.iter().all(|id| *id >= 1 << 52), "{ids:?}");
    let mut eve = server.connect(&people[0]).await;
    let mut bob = server.connect(&people[2]).await;
    let payload = json!({"receiver_id": ids[2], "content": "hi"});
    let (ack, _) = eve.call(1, "send_message", payload).await;
    assert_eq!(ack["success"], true);
    assert_eq!(bob.expect("receive_message").await["sender_id"], ids[0]);
    server.stop().await;
}

/// A person who never opened the chat can be written to once the app's backend has made them,
/// whatever the app calls them.
#[tokio::test]
async fn an_apps_backend_makes_its_users_and_they_find_each_other_by_the_apps_own_ids() {
    let server = TestServer::with(with(false)).await;
    let admin = server.admin().await;
    let put = async |body: Value| {
        let path = "/api/admin/users";
        let body = body.to_string();
        server.send("PUT", path, Some(&admin.token), &body).await
    };
    let (eve, bob) = ("3b241101-e2bb-4255-8caf-4136c566a962", "auth0|2");
    let users = json!([
        {"subject": eve, "name": "Eve Smith"},
        {"subject": bob, "name": "Eve Smith", "avatar": "https://example.org/b.png"},
        {"id": 29, "name": "Ada"},
        {"subject": "30", "name": "Carl", "username": "carl"},
    ]);
    let made = put(users.clone()).await.json()["data"].take();
    let id = |at: usize| made[at]["id"].as_u64().unwrap();
    assert_eq!(
        made,
        json!([
            {"id": id(0), "subject": eve, "created": true},
            {"id": id(1), "subject": bob, "created": true},
            {"id": 29, "created": true},
            {"id": 30, "subject": "30", "created": true},
        ])
    );
    assert!(id(0) >= 1 << 52 && id(1) >= 1 << 52);
    let again = put(users).await.json()["data"].take();
    let is_same = |at: usize| again[at]["id"] == made[at]["id"] && again[at]["created"] == false;
    assert!((0..4).all(is_same), "{again}");

    // A backend that lists its users finds in each row who that is to the app.
    let listed = server.get("/api/admin/users", &admin.token).await;
    let rows = listed["data"].as_array().unwrap().iter();
    let subjects: Vec<&Value> = rows.map(|row| &row["subject"]).collect();
    assert!(
        subjects.contains(&&json!(eve)) && subjects.contains(&&json!(bob)),
        "{listed}"
    );
    // No token says an id that this server gave. By it only an account that is there is changed.
    let own = put(json!([{"id": (1_u64 << 52) + 99, "name": "Dora"}])).await;
    assert_eq!(
        (own.status.as_u16(), own.code().as_str()),
        (400, "invalid_payload")
    );
    let known = put(json!([{"id": id(0), "name": "Eve Smith"}])).await;
    assert_eq!(
        known.json()["data"],
        json!([{"id": id(0), "created": false}])
    );

    let token = |sub: &str| token(1, json!({"sub": sub}));
    let (eve_token, bob_token) = (token(eve), token(bob));
    let found = server
        .get(
            &format!("/api/users?subjects={eve},nobody,auth0%7C2,29"),
            &eve_token.token,
        )
        .await;
    let rows = found["data"].as_array().unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [id(0), id(1), 29]);
    assert_eq!(
        (&rows[1]["subject"], rows[2].get("subject")),
        (&json!(bob), None)
    );
    let found = server
        .get(&format!("/api/users?ids=29,5,{}", id(1)), &eve_token.token)
        .await;
    let ids: Vec<_> = found["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["id"])
        .collect();
    assert_eq!(ids, [&json!(29), &json!(id(1))]);
    assert_eq!(
        found["data"][1].get("subject"),
        None,
        "it was not asked for by it"
    );
    let found = server
        .get(&format!("/api/users?ids={}", id(1)), &admin.token)
        .await;
    assert_eq!(found["data"][0]["subject"], bob);

    let mut hers = server.connect(&eve_token).await;
    let payload = json!({"receiver_id": id(1), "content": "hi"});
    let (ack, _) = hers.call(1, "send_message", payload).await;
    assert_eq!(ack["success"], true);
    let unread = server.get("/api/chats/unread", &bob_token.token).await;
    assert_eq!(unread["data"][0]["sender_id"], id(0));

    // Ids that meet: the administrator registered here, and keeps their name.
    let meets = json!([{"id": admin.id, "name": "Mallory"}]);
    let refused = put(meets).await;
    assert_eq!(refused.code(), "forbidden", "{}", refused.body);
    let path = format!("/api/admin/users/{}", admin.id);
    let body = r#"{"username":"mallory"}"#;
    let refused = server.send("PUT", &path, Some(&admin.token), body).await;
    assert_eq!(refused.code(), "forbidden", "{}", refused.body);
    let me = server.get("/api/auth/me", &admin.token).await;
    assert_ne!(me["data"]["name"], "Mallory");

    for (wrong, code, words) in [
        (
            json!([{"name": "x"}]),
            "invalid_payload",
            "user 0: give either",
        ),
        (
            json!([{"id": 31, "name": "x"}, {"id": 1, "subject": "a", "name": "x"}]),
            "invalid_payload",
            "user 1: give either",
        ),
        (
            json!([{"subject": "", "name": "x"}]),
            "invalid_payload",
            "user 0: subject must be",
        ),
        (
            json!([{"id": 31, "name": "a\nb"}]),
            "invalid_payload",
            "user 0: name must be",
        ),
        (
            json!([{"id": 31, "name": "x", "username": "a\nb"}]),
            "invalid_payload",
            "user 0: username must be",
        ),
        (
            json!([{"id": 31}]),
            "invalid_payload",
            "user 0: name is missing",
        ),
        (
            json!([{"id": 31, "name": "x", "username": "CARL"}]),
            "username_taken",
            "user 0",
        ),
        (
            json!({"id": 31, "name": "x"}),
            "invalid_payload",
            "a list of users",
        ),
        (
            json!(vec![json!({"id": 31, "name": "x"}); 1_001]),
            "invalid_payload",
            "at most 1000",
        ),
    ] {
        let refused = put(wrong).await;
        assert_eq!(refused.code(), code);
        let message = refused.json()["error"]["message"].take();
        assert!(message.as_str().unwrap().contains(words), "{message}");
    }
    let refused = server
        .send("GET", "/api/users/31", Some(&admin.token), "")
        .await;
    assert_eq!(
        refused.code(),
        "not_found",
        "nothing of what was refused is done"
    );
    let many: Vec<_> = (0..1_000)
        .map(|n| json!({"subject": format!("s-{n}"), "name": "Sam"}))
        .collect();
    let made = put(json!(many)).await.json()["data"].take();
    let ids: std::collections::HashSet<_> = made
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_u64())
        .collect();
    assert_eq!(ids.len(), 1_000);
    let refused = server
        .send("PUT", "/api/admin/users", Some(&eve_token.token), "[]")
        .await;
    assert_eq!(refused.code(), "forbidden");
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
async fn who_came_by_a_key_that_was_taken_out_is_put_out_and_nobody_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let set: Value = serde_json::from_str(JWKS).unwrap();
    let set_of = |kids: &[&str]| {
        let mut set = set.clone();
        let keys = set["keys"].as_array_mut().unwrap();
        keys.retain(|key| kids.contains(&key["kid"].as_str().unwrap()));
        set.to_string()
    };
    std::fs::write(&path, set_of(&["ed-1"])).unwrap();
    let server = TestServer::with(Config {
        foreign_tokens: ForeignTokens::new(None, None, true),
        jwks: vec![KeySource::File(path.clone())],
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
    std::fs::write(&path, set_of(&["ec-1", "ed-1"])).unwrap();
    crate::support::soon(until(&new, 200)).await;
    // Both keys count: nobody is dropped.
    let mut newer = server.connect(&new).await;
    let payload = json!({"user_ids": []});
    let (ack, before) = socket.call(1, "presence_subscribe", payload).await;
    assert_eq!((&ack["success"], before.len()), (&json!(true), 0));
    std::fs::write(&path, set_of(&["ec-1"])).unwrap();
    assert_eq!(socket.expect("chat_error").await["code"], "invalid_token");
    socket.hears("41").await;
    crate::support::soon(until(&old, 401)).await;
    let payload = json!({"user_ids": []});
    let (ack, before) = newer.call(1, "presence_subscribe", payload).await;
    assert_eq!((&ack["success"], before.len()), (&json!(true), 0));
    server.stop().await;
}

/// The shop of the story: an administrator from the set-up link, an invited guest, and customers 1
/// and 2 of the app.
#[tokio::test]
async fn a_customer_is_nobody_who_registered_here_and_no_administrator() {
    let server = TestServer::with(with(true)).await;
    let admin = server.admin().await;
    assert!(admin.id >= 1 << 52, "an id that is an app's to give");
    let claims = json!({"name": "Customer", "role": "admin", "is_admin": true});
    for id in [1, 2] {
        let customer = token(id, claims.clone());
        let me = server.get("/api/auth/me", &customer.token).await;
        assert_eq!(
            (&me["data"]["id"], &me["data"]["is_admin"]),
            (&json!(id), &json!(false))
        );
        let path = "/api/admin/users";
        let refused = server.send("GET", path, Some(&customer.token), "").await;
        assert_eq!(refused.code(), "forbidden");
        let name = r#"{"username":"my.shop.support"}"#;
        let path = "/api/auth/me";
        let refused = server
            .send("PATCH", path, Some(&customer.token), name)
            .await;
        assert_eq!(refused.code(), "forbidden");
    }
    // A number from 2^52 on is a subject like any other text, and never the account of that id.
    let claimed = token(admin.id, claims);
    let me = server.get("/api/auth/me", &claimed.token).await;
    assert_ne!(me["data"]["id"], admin.id);
    assert_eq!(me["data"]["is_admin"], false);
    server.stop().await;
}

/// Whatever the account may: without `--jwt-admin-claim` an app's token is no administrator's. One
/// whose account was promoted erased messages of other people.
#[tokio::test]
async fn an_apps_token_of_a_promoted_account_erases_nobody_elses_message() {
    let server = TestServer::with(with(true)).await;
    let admin = server.admin().await;
    let [promoted, eve, dan] = [1, 2, 3].map(|id| token(id, json!({"name": "Customer"})));
    for person in [&promoted, &dan] {
        server.get("/api/auth/me", &person.token).await;
    }
    let path = format!("/api/admin/users/{}", promoted.id);
    let admins = server
        .send("PATCH", &path, Some(&admin.token), r#"{"is_admin":true}"#)
        .await;
    assert_eq!(admins.status, 200, "{}", admins.body);
    let mut socket = server.connect(&eve).await;
    let message = json!({"receiver_id": dan.id, "content": "between us"});
    let (sent, _) = socket.call(1, "send_message", message).await;
    let path = format!("/api/messages/{}", sent["data"]["id"]);
    for (of, status) in [(&promoted, 404), (&admin, 200)] {
        let reply = server.send("DELETE", &path, Some(&of.token), "").await;
        assert_eq!(reply.status, status, "{}", reply.body);
    }
    server.stop().await;
}

/// Whoever sets an issuer up sees what is wrong in the answer.
#[tokio::test]
async fn a_refusal_says_what_is_wrong_with_a_token_that_is_rightly_signed() {
    let server = TestServer::with(with(true)).await;
    for (more, words) in [
        (json!({"exp": null}), "exp is missing"),
        (json!({"sub": ["auth0|5"]}), "sub must be a text"),
        (json!({"token_type": "refresh"}), "token_type says"),
        (json!({"iat": secs() * 1_000}), "iat is in the future"),
    ] {
        let refused = server
            .send("GET", "/api/auth/me", Some(&token(29, more).token), "")
            .await;
        assert_eq!(refused.code(), "invalid_token");
        let message = refused.json()["error"]["message"].take();
        assert!(message.as_str().unwrap().contains(words), "{message}");
    }
    let forged = token(29, json!({})).token.replace('.', ".x");
    let refused = server.send("GET", "/api/auth/me", Some(&forged), "").await;
    assert_eq!(refused.json()["error"]["message"], "invalid token");
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
    let later = token(29, json!({"iat": secs()}));
    for _ in 0..2 {
        let server = start().await;
        assert_eq!(good(&server, &before).await, 401);
        assert_eq!(good(&server, &undated).await, 200, "nothing tells its age");
        assert_eq!(good(&server, &later).await, 200);
        server.stop().await;
    }
}

/// A link in the app's page opens chatd's page for the person who is signed in there.
#[tokio::test]
async fn a_sign_in_link_gives_the_page_the_apps_token_once() {
    let server = TestServer::with(with(true)).await;
    let admin = server.admin().await;
    let eve = token(1, json!({"sub": "auth0|9", "name": "Eve Smith"}));
    let ask = async |token: &str, body: Value| {
        let path = "/api/auth/sign-in-link";
        let body = body.to_string();
        server.send("POST", path, Some(token), &body).await
    };
    let made = ask(&eve.token, json!({"path": "/#/chat/2"})).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.body);
    let url = made.json()["data"]["url"].as_str().unwrap().to_owned();
    let (page, fragment) = url.split_once('#').unwrap();
    assert!(page.ends_with('/') && !page.contains('?'), "{url}");
    let code = fragment.strip_prefix("/sign-in/").unwrap();
    let code = code.strip_suffix("/chat/2").unwrap().to_owned();
    let open = async |code: &str| {
        let body = json!({"code": code}).to_string();
        server.send("POST", "/api/auth/sign-in", None, &body).await
    };
    let opened = open(&code).await;
    let opened = opened.json()["data"].take();
    assert_eq!(opened["token"], *eve.token);
    assert_eq!(opened["user"]["name"], "Eve Smith");
    let me = server.get("/api/auth/me", &eve.token).await;
    assert_eq!(opened["user"], me["data"]);
    for code in [&*code, "", "another"] {
        let refused = open(code).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.code()),
            (403, "invalid_code")
        );
    }
    for path in ["/", "//evil.example/#/", "https://evil.example/#/"] {
        let refused = ask(&eve.token, json!({"path": path})).await;
        assert_eq!(refused.code(), "invalid_payload", "{path}");
    }
    // Who is no app's user has a password, or a key.
    let refused = ask(&admin.token, json!({})).await;
    assert_eq!(refused.code(), "forbidden");
    // A link that was not opened ends with the token.
    let made = ask(&eve.token, json!({})).await;
    let url = made.json()["data"]["url"].as_str().unwrap().to_owned();
    server
        .send("POST", "/api/auth/logout", Some(&eve.token), "")
        .await;
    let refused = open(url.rsplit('/').next().unwrap()).await;
    assert_eq!(refused.code(), "invalid_token", "{url}");
    server.stop().await;
}
