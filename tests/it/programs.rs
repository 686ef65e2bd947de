//! Bots and backends: programs with keys, over the wire.

use chatd::accounts::Registration;
use chatd::config::Config;
use chatd::store::Location;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Person, TestServer, config};

async fn ask(server: &TestServer, token: &str, method: &str, path: &str, body: Value) -> Value {
    let body = body.to_string();
    let reply = server.send(method, path, Some(token), &body).await;
    assert!(reply.status.is_success(), "{path}: {}", reply.body);
    reply.json()["data"].take()
}

async fn refused(
    server: &TestServer,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> String {
    let body = body.to_string();
    server.send(method, path, Some(token), &body).await.code()
}

async fn new_bot(server: &TestServer, admin: &Person, name: &str) -> (Person, u64) {
    let wish = json!({"username": name, "name": "The Clerk"});
    let made = ask(server, &admin.token, "POST", "/api/admin/bots", wish).await;
    let bot = Person {
        id: made["id"].as_u64().unwrap(),
        token: made["key"].as_str().unwrap().into(),
    };
    (bot, made["key_id"].as_u64().unwrap())
}

async fn new_key(server: &TestServer, admin: &Person, scope: &str) -> (String, u64) {
    let wish = json!({"name": "shop", "scope": scope});
    let made = ask(server, &admin.token, "POST", "/api/admin/keys", wish).await;
    let text = made["key"].as_str().unwrap().to_owned();
    (text, made["id"].as_u64().unwrap())
}

/// As a message to a customer that an order was shipped.
#[tokio::test]
async fn a_bot_talks_by_its_key_wherever_a_person_does_by_a_token() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (ada, _) = server.two_people().await;
    let (bot, _) = new_bot(&server, &admin, "clerk").await;
    assert!(bot.token.starts_with("cb_"));
    let mut hers = server.connect(&ada).await;
    let mut its = server.connect(&bot).await;
    let message = json!({"receiver_id": ada.id, "content": "Shipped", "client_id": "order-7"});
    let (ack, _) = its.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true, "{ack}");
    assert_eq!(hers.expect("receive_message").await["sender_id"], bot.id);
    let (ack, _) = hers
        .call(
            2,
            "send_message",
            json!({"receiver_id": bot.id, "content": "Thanks"}),
        )
        .await;
    assert_eq!(ack["success"], true);
    let unread = server.get("/api/chats/unread", &bot.token).await;
    assert_eq!(unread["data"][0]["content"], "Thanks");

    // A bot is told from people wherever they are listed, and people are as before.
    let recents = server.get("/api/chats", &ada.token).await;
    let found = server.get("/api/users?query=clerk", &ada.token).await;
    let me = server.get("/api/auth/me", &bot.token).await;
    let path = format!("/api/admin/users?after={}&limit=1", bot.id - 1);
    let listed = server.get(&path, &admin.token).await;
    for row in [
        &recents["data"][0],
        &found["data"][0],
        &me["data"],
        &listed["data"][0],
    ] {
        assert_eq!(
            (&row["is_bot"], &row["name"]),
            (&json!(true), &json!("The Clerk")),
            "{row}"
        );
    }
    let me = server.get("/api/auth/me", &ada.token).await;
    assert_eq!(me["data"].get("is_bot"), None);
    // It reads only what it is part of, and administers nothing.
    let path = format!("/api/chats/history/{}", admin.id);
    assert_eq!(server.get(&path, &bot.token).await["data"], json!([]));
    let denied = refused(&server, &bot.token, "GET", "/api/admin/users", Value::Null).await;
    assert_eq!(denied, "forbidden");

    // No password opens it, and it is given none.
    let login = json!({"username": "clerk", "password": "password1"});
    let denied = refused(&server, "", "POST", "/api/auth/login", login).await;
    assert_eq!(denied, "invalid_credentials");
    let path = format!("/api/admin/users/{}", bot.id);
    for wish in [json!({"password": "password1"}), json!({"is_admin": true})] {
        assert_eq!(
            refused(&server, &admin.token, "PATCH", &path, wish).await,
            "forbidden"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_is_taken_back_closes_its_sockets_and_no_others() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (bot, first) = new_bot(&server, &admin, "clerk").await;
    let (other, _) = new_bot(&server, &admin, "porter").await;
    let keys = format!("/api/admin/bots/{}/keys", bot.id);
    let made = ask(&server, &admin.token, "POST", &keys, Value::Null).await;
    let second = Person {
        id: bot.id,
        token: made["key"].as_str().unwrap().into(),
    };
    let (mut by_first, mut by_second) = (server.connect(&bot).await, server.connect(&second).await);
    let path = format!("/api/admin/bots/{}/keys/{first}", other.id);
    let denied = refused(&server, &admin.token, "DELETE", &path, Value::Null).await;
    assert_eq!(denied, "not_found", "it is no key of that bot");
    let path = format!("{keys}/{first}");
    ask(&server, &admin.token, "DELETE", &path, Value::Null).await;
    assert_eq!(by_first.expect("chat_error").await["code"], "invalid_token");
    by_first.hears("41").await;
    let (ack, before) = by_second
        .call(1, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!((&ack["success"], before.len()), (&json!(true), 0));
    let me = "/api/auth/me";
    assert_eq!(
        refused(&server, &bot.token, "GET", me, Value::Null).await,
        "invalid_token"
    );
    ask(&server, &second.token, "GET", me, Value::Null).await;
    let gone = refused(&server, &admin.token, "DELETE", &path, Value::Null).await;
    assert_eq!(gone, "not_found");
    let bots = server.get("/api/admin/bots", &admin.token).await;
    assert_eq!(bots["data"][0]["keys"].as_array().unwrap().len(), 1);
    assert_eq!(bots["data"][1]["id"], other.id);
    // A disabled bot is out with all its keys.
    let path = format!("/api/admin/users/{}", bot.id);
    ask(
        &server,
        &admin.token,
        "PATCH",
        &path,
        json!({"disabled": true}),
    )
    .await;
    assert_eq!(
        by_second.expect("chat_error").await["code"],
        "account_disabled"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_backends_key_reaches_as_far_as_its_scope() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (users, number) = new_key(&server, &admin, "users").await;
    let (all, _) = new_key(&server, &admin, "all").await;
    assert!(users.starts_with("ck_"));
    let put = json!([{"subject": "auth0|1", "name": "Eve Smith"}]);
    let made = ask(&server, &users, "PUT", "/api/admin/users", put).await;
    let eve = made[0]["id"].as_u64().unwrap();
    let found = ask(
        &server,
        &users,
        "GET",
        "/api/users?subjects=auth0%7C1",
        Value::Null,
    )
    .await;
    assert_eq!(
        (&found[0]["id"], &found[0]["subject"]),
        (&json!(eve), &json!("auth0|1"))
    );
    ask(&server, &users, "GET", "/api/users?query=eve", Value::Null).await;
    ask(
        &server,
        &users,
        "GET",
        &format!("/api/users/{eve}"),
        Value::Null,
    )
    .await;
    let path = format!("/api/admin/users/{eve}");
    ask(&server, &users, "PATCH", &path, json!({"disabled": true})).await;
    ask(&server, &users, "PATCH", &path, json!({"disabled": false})).await;
    ask(&server, &users, "GET", "/api/admin/users", Value::Null).await;

    // It makes no administrator, and changes none.
    let root = format!("/api/admin/users/{}", admin.id);
    let new = json!({"username": "mallory", "password": "password1", "is_admin": true});
    for (method, path, body) in [
        ("PATCH", &*path, json!({"is_admin": true})),
        ("PATCH", &*root, json!({"password": "password2"})),
        ("PUT", &*root, json!({"username": "nobody"})),
        ("POST", "/api/admin/users", new.clone()),
        (
            "POST",
            "/api/admin/keys",
            json!({"name": "x", "scope": "all"}),
        ),
        ("POST", "/api/admin/bots", json!({"username": "x"})),
        ("POST", "/api/admin/invites", json!({})),
        ("GET", "/api/admin/backup", Value::Null),
    ] {
        assert_eq!(
            refused(&server, &users, method, path, body).await,
            "forbidden",
            "{path}"
        );
    }
    ask(&server, &all, "POST", "/api/admin/users", new).await;
    ask(&server, &all, "POST", "/api/admin/invites", json!({})).await;
    // Nor one of the app's own.
    let rename = json!([{"subject": "auth0|1", "name": "Mallory"}]);
    ask(&server, &all, "PATCH", &path, json!({"is_admin": true})).await;
    let denied = refused(&server, &users, "PUT", "/api/admin/users", rename.clone()).await;
    assert_eq!(denied, "forbidden");
    ask(&server, &all, "PUT", "/api/admin/users", rename).await;

    // It is no person's.
    for path in ["/api/auth/me", "/api/chats"] {
        let denied = refused(&server, &all, "GET", path, Value::Null).await;
        assert_eq!(denied, "invalid_token", "{path}");
    }
    let mut socket = server.websocket("").await;
    socket.text().await;
    socket.say(&format!("40{}", json!({"token": all}))).await;
    let answer = socket.text().await;
    assert!(
        answer.starts_with("44") && answer.contains("invalid_token"),
        "{answer}"
    );

    let keys = ask(&server, &all, "GET", "/api/admin/keys", Value::Null).await;
    assert_eq!(
        keys[0],
        json!({"id": number, "name": "shop", "scope": "users", "created_at": keys[0]["created_at"], "paused": false})
    );
    let path = format!("/api/admin/keys/{number}");
    ask(&server, &all, "DELETE", &path, Value::Null).await;
    let denied = refused(&server, &users, "GET", "/api/admin/users", Value::Null).await;
    assert_eq!(denied, "invalid_token");
    for wrong in [
        json!({"name": "", "scope": "all"}),
        json!({"name": "x", "scope": "some"}),
    ] {
        let denied = refused(&server, &all, "POST", "/api/admin/keys", wrong).await;
        assert_eq!(denied, "invalid_payload");
    }
    server.stop().await;
}

/// A backup may have a key that was taken back since.
/// By `PATCH` it gave a person who had registered another password, and logged in as them; and
/// deleted people and bots with all that they had said.
#[tokio::test]
async fn an_apps_key_neither_takes_over_nor_deletes_who_registered_here() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let ada = server.register("ada").await;
    let (bot, _) = new_bot(&server, &admin, "clerk").await;
    let (users, _) = new_key(&server, &admin, "users").await;
    for id in [ada.id, bot.id] {
        let path = format!("/api/admin/users/{id}");
        let erase = format!("{path}?messages=erase");
        for (method, path, body) in [
            ("PATCH", &path, json!({"password": "taken over 1"})),
            ("PATCH", &path, json!({"disabled": true})),
            ("PATCH", &path, json!({"name": "Mallory"})),
            ("PUT", &path, json!({"username": "mallory"})),
            ("DELETE", &erase, Value::Null),
        ] {
            let denied = refused(&server, &users, method, path, body).await;
            assert_eq!(denied, "forbidden", "{method} {path}");
        }
        let meets = json!([{"id": id, "name": "Mallory"}]);
        let denied = refused(&server, &users, "PUT", "/api/admin/users", meets).await;
        assert_eq!(denied, "forbidden");
    }
    server.login("ada", "password1").await;
    let me = server.get("/api/auth/me", &ada.token).await;
    assert_eq!(
        (&me["data"]["username"], &me["data"]["name"]),
        (&json!("ada"), &json!("ada"))
    );
    // What it made itself it changes and deletes.
    let path = "/api/admin/users/77";
    let app = ask(&server, &users, "PUT", path, json!({"username": "eve"})).await;
    assert_eq!(app["id"], 77);
    ask(&server, &users, "PUT", path, json!({"username": "eva"})).await;
    ask(
        &server,
        &users,
        "PATCH",
        path,
        json!({"password": "password2"}),
    )
    .await;
    assert_eq!(server.login("eva", "password2").await.id, 77);
    ask(&server, &users, "DELETE", path, Value::Null).await;
    server.stop().await;
}

#[tokio::test]
async fn keys_are_hashes_in_the_file_and_wait_to_be_confirmed_after_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| Config {
        data: Location::File(folder.path().join(name)),
        ..config()
    };
    let server = TestServer::with(at("chatd.redb")).await;
    let admin = server.admin().await;
    let (bot, number) = new_bot(&server, &admin, "clerk").await;
    let (key, _) = new_key(&server, &admin, "users").await;
    let request = Request::get("/api/admin/backup")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", admin.token))
        .body(Full::<Bytes>::default());
    let backup = server.exchange(request.unwrap()).await.into_body();
    for text in [&*bot.token, &key] {
        let text = text.as_bytes();
        assert!(!backup.windows(text.len()).any(|bytes| bytes == text));
    }
    server.stop().await;
    // A start changes nothing.
    let server = TestServer::with(at("chatd.redb")).await;
    server.connect(&bot).await;
    ask(&server, &key, "GET", "/api/admin/users", Value::Null).await;
    server.stop().await;

    std::fs::write(folder.path().join("copy.redb"), backup).unwrap();
    let server = TestServer::with(at("copy.redb")).await;
    let me = "/api/auth/me";
    assert_eq!(
        refused(&server, &bot.token, "GET", me, Value::Null).await,
        "invalid_token"
    );
    let denied = refused(&server, &key, "GET", "/api/admin/users", Value::Null).await;
    assert_eq!(denied, "invalid_token");
    let admin = server.login("root", "password1").await;
    let bots = server.get("/api/admin/bots", &admin.token).await;
    assert_eq!(bots["data"][0]["keys"][0]["paused"], true);
    let path = format!("/api/admin/keys/{number}");
    let wrong = server
        .send("PATCH", &path, Some(&admin.token), r#"{"paused":true}"#)
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    ask(
        &server,
        &admin.token,
        "PATCH",
        &path,
        json!({"paused": false}),
    )
    .await;
    server.connect(&bot).await;
    server.stop().await;
}

/// A key that had leaked was taken back, and accounts were still made by the invites it had made.
#[tokio::test]
async fn the_invites_of_a_key_end_with_it() {
    let server = TestServer::with(Config {
        registration: Registration::Invite,
        ..config()
    })
    .await;
    let admin = server.admin().await;
    let (all, number) = new_key(&server, &admin, "all").await;
    let made = ask(
        &server,
        &all,
        "POST",
        "/api/admin/invites",
        json!({"max_uses": 9}),
    )
    .await;
    let code = made["code"].as_str().unwrap();
    assert_eq!(server.register_with("ada", Some(code)).await.status, 201);
    let path = format!("/api/admin/keys/{number}");
    ask(&server, &admin.token, "DELETE", &path, Value::Null).await;
    let late = server.register_with("bob", Some(code)).await;
    assert_eq!(late.code(), "invalid_invite");
    server.stop().await;
}
