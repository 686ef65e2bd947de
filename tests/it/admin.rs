//! The admin routes: invites, and the accounts of others.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{Person, Reply, TestServer, Wire, config};

use chatd::accounts::Registration;
use chatd::config::Config;

async fn by_invite() -> (TestServer, Person) {
    let server = TestServer::with(Config {
        registration: Registration::Invite,
        ..config()
    })
    .await;
    let admin = server.admin().await;
    (server, admin)
}

impl TestServer {
    async fn asks(&self, who: &Person, method: &str, path: &str, body: Value) -> Reply {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.send(method, path, Some(&who.token), &body).await
    }

    async fn account(&self, admin: &Person, id: u64, change: Value) -> Reply {
        let path = format!("/api/admin/users/{id}");
        self.asks(admin, "PATCH", &path, change).await
    }
}

#[tokio::test]
async fn a_stranger_gets_from_an_invite_link_to_their_first_message() {
    let (server, admin) = by_invite().await;
    let path = "/api/admin/invites";
    let made = server.asks(&admin, "POST", path, Value::Null).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let invite = made.json()["data"].take();
    let code = invite["code"].as_str().unwrap();
    assert_eq!(
        (&invite["max_uses"], &invite["uses"], &invite["url"]),
        (
            &json!(1),
            &json!(0),
            &json!(format!("http://{}/?invite={code}", server.address))
        )
    );
    assert!(code.len() >= 22, "fewer than 128 bits");
    assert!(invite["expires_at"].is_string());
    let page = server
        .send("GET", &format!("/?invite={code}"), None, "")
        .await;
    assert_eq!(page.status, StatusCode::OK);

    for invite in [None, Some("wrong"), Some("")] {
        let refused = server.register_with("eve", invite).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (403, "invalid_invite")
        );
    }
    let reply = server.register_with("eve", Some(code)).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    let eve = server.login("eve", "password1").await;
    let mut socket = server.connect(&eve).await;
    let (ack, _) = socket
        .call(
            1,
            "send_message",
            json!({"receiver_id": admin.id, "content": "hi"}),
        )
        .await;
    assert_eq!(ack["success"], true);

    let again = server.register_with("mallory", Some(code)).await;
    assert_eq!(again.code(), "invalid_invite");
    let listed = server.get(path, &admin.token).await;
    assert_eq!(
        (&listed["data"][0]["code"], &listed["data"][0]["uses"]),
        (&json!(code), &json!(1))
    );
    server.stop().await;
}

#[tokio::test]
async fn one_of_many_racers_gets_the_last_use_of_an_invite() {
    let (server, admin) = by_invite().await;
    let made = server
        .asks(
            &admin,
            "POST",
            "/api/admin/invites",
            json!({"max_uses": 2, "expires_in": 60}),
        )
        .await;
    let code = made.json()["data"]["code"].as_str().unwrap().to_owned();
    let racers = (0..8).map(|number| {
        let (server, code) = (&server, &code);
        async move {
            server
                .register_with(&format!("racer{number}"), Some(code))
                .await
        }
    });
    let replies = futures_util::future::join_all(racers).await;
    let made = replies
        .iter()
        .filter(|reply| reply.status == StatusCode::CREATED);
    assert_eq!(made.count(), 2);
    server.stop().await;
}

#[tokio::test]
async fn an_invite_that_is_revoked_or_never_was_makes_nobody() {
    let (server, admin) = by_invite().await;
    let path = "/api/admin/invites";
    let made = server.asks(&admin, "POST", path, json!({})).await;
    let code = made.json()["data"]["code"].as_str().unwrap().to_owned();
    let one = format!("{path}/{code}");
    let gone = server.asks(&admin, "DELETE", &one, Value::Null).await;
    assert_eq!(gone.json(), json!({"success": true}));
    let gone = server.asks(&admin, "DELETE", &one, Value::Null).await;
    assert_eq!(gone.code(), "not_found");
    let refused = server.register_with("eve", Some(&code)).await;
    assert_eq!(refused.code(), "invalid_invite");
    for wish in [
        json!({"max_uses": 0}),
        json!({"max_uses": -1}),
        json!({"max_uses": "2"}),
        json!({"expires_in": 0}),
        json!({"expires_in": 1e300}),
        json!([]),
    ] {
        let refused = server.asks(&admin, "POST", path, wish).await;
        assert_eq!(refused.code(), "invalid_payload", "{}", refused.body);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_admin_routes_are_for_administrators() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let bob = server.register("bob").await;
    for (method, path) in [
        ("POST", "/api/admin/invites".to_owned()),
        ("GET", "/api/admin/invites".to_owned()),
        ("DELETE", "/api/admin/invites/x".to_owned()),
        ("GET", "/api/admin/users".to_owned()),
        ("PUT", "/api/admin/users/9".to_owned()),
        ("PATCH", format!("/api/admin/users/{}", bob.id)),
    ] {
        let body = r#"{"username":"x","is_admin":true}"#;
        let refused = server.send(method, &path, Some(&bob.token), body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (403, "forbidden"),
            "{method} {path}"
        );
        let refused = server.send(method, &path, None, body).await;
        assert_eq!(refused.code(), "missing_token", "{method} {path}");
    }
    assert_eq!(
        server.get("/api/auth/me", &bob.token).await["data"]["is_admin"],
        false
    );
    server
        .account(&admin, bob.id, json!({"is_admin": true}))
        .await;
    // The right is the account's as it is now, not the token's.
    server.get("/api/admin/users", &bob.token).await;
    server.stop().await;
}

/// Every later registration was refused with `storage_unavailable`.
#[tokio::test]
async fn the_greatest_ids_that_an_app_can_give_end_nothing() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    const MAX: u64 = (1 << 53) - 1;
    for (id, name) in [(MAX, "last"), (MAX - 1, "last but one"), (2, "second")] {
        let path = format!("/api/admin/users/{id}");
        let put = server
            .asks(&admin, "PUT", &path, json!({"username": name}))
            .await;
        assert_eq!(put.status, StatusCode::CREATED, "{}", put.body);
    }
    let (ada, bob) = server.two_people().await;
    assert_eq!((ada.id, bob.id), (3, 4));
    let mut socket = server.connect(&ada).await;
    for (number, receiver) in [MAX, bob.id, MAX - 1].into_iter().enumerate() {
        let message = json!({"receiver_id": receiver, "content": "x"});
        let (ack, _) = socket.call(number as u32, "send_message", message).await;
        assert_eq!(ack["data"]["id"], number + 1, "{ack}");
    }
    let mut socket = server.connect(&bob).await;
    for (event, payload, answer) in [
        ("mark_as_read", json!({"message_id": MAX}), "not_found"),
        (
            "mark_chat_as_read",
            json!({"user_id": ada.id, "up_to": MAX}),
            "",
        ),
        ("presence_subscribe", json!({"user_ids": [MAX, 1]}), ""),
    ] {
        let (ack, _) = socket.call(9, event, payload).await;
        assert_eq!(
            ack["error"]["code"].as_str().unwrap_or_default(),
            answer,
            "{ack}"
        );
    }
    for (path, found) in [
        (format!("/api/chats/history/{}?before={MAX}", ada.id), 1),
        (format!("/api/chats/history/{}?after={MAX}", ada.id), 0),
        (format!("/api/chats/history/{}?before=1", ada.id), 0),
        (format!("/api/chats/history/{MAX}"), 0),
        (format!("/api/chats/unread?after={MAX}"), 0),
    ] {
        let rows = server.get(&path, &bob.token).await;
        assert_eq!(rows["data"].as_array().unwrap().len(), found, "{path}");
    }
    let path = format!("/api/admin/users?after={}", MAX - 1);
    assert_eq!(
        server.get(&path, &admin.token).await["data"][0]["id"],
        MAX,
        "the greatest is listed last"
    );
    server.stop().await;
}

async fn hears(socket: &mut Wire, code: &str) {
    let error = socket.expect("chat_error").await;
    assert_eq!(error["code"], code);
    socket.hears("41").await;
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_comes_back_when_enabled() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let bob = server.register("bob").await;
    let (mut one, mut two) = (server.connect(&bob).await, server.connect(&bob).await);
    let changed = server
        .account(&admin, bob.id, json!({"disabled": true}))
        .await;
    assert_eq!(changed.json()["data"]["disabled"], true);
    hears(&mut one, "account_disabled").await;
    hears(&mut two, "account_disabled").await;
    let me = server
        .send("GET", "/api/auth/me", Some(&bob.token), "")
        .await;
    assert_eq!(
        (me.status.as_u16(), me.code().as_str()),
        (403, "account_disabled")
    );
    let body = r#"{"username":"bob","password":"password1"}"#;
    let login = server.send("POST", "/api/auth/login", None, body).await;
    assert_eq!(login.code(), "account_disabled");
    let mut socket = server.websocket("").await;
    socket.text().await;
    socket
        .say(&format!("40{{\"token\":\"{}\"}}", bob.token))
        .await;
    assert_eq!(
        socket.text().await,
        r#"44{"message":"the account is disabled","data":{"code":"account_disabled"}}"#
    );
    server
        .account(&admin, bob.id, json!({"disabled": false}))
        .await;
    server.connect(&bob).await;
    server.stop().await;
}

#[tokio::test]
async fn an_administrator_changes_an_account_and_gives_it_a_password() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let bob = server.register("bob").await;
    let mut socket = server.connect(&bob).await;
    let wish = json!({"username": "Bob Smith", "avatar": "https://example.org/b.png"});
    let changed = server.account(&admin, bob.id, wish).await.json();
    assert_eq!(
        (&changed["data"]["username"], &changed["data"]["avatar"]),
        (&json!("Bob Smith"), &json!("https://example.org/b.png"))
    );
    server
        .account(&admin, bob.id, json!({"password": "password2"}))
        .await;
    hears(&mut socket, "invalid_token").await;
    server.login("bob smith", "password2").await;
    for (id, wish, status, code) in [
        (99, json!({}), 404, "not_found"),
        (99, json!({"password": "password2"}), 404, "not_found"),
        (bob.id, json!({"username": "ROOT"}), 409, "username_taken"),
        (bob.id, json!({"password": "x"}), 400, "invalid_payload"),
        (bob.id, json!({"disabled": 1}), 400, "invalid_payload"),
        (admin.id, json!({"is_admin": false}), 403, "forbidden"),
        (admin.id, json!({"disabled": true}), 403, "forbidden"),
    ] {
        let refused = server.account(&admin, id, wish).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (status, code)
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn an_app_puts_its_own_users_under_their_own_ids() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let put = |id: &str, body: Value| {
        let path = format!("/api/admin/users/{id}");
        let (server, admin) = (&server, &admin);
        async move { server.asks(admin, "PUT", &path, body).await }
    };
    let made = put(
        "29",
        json!({"username": "Ada Lovelace", "avatar": "https://example.org/a.png"}),
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let row = made.json()["data"].take();
    assert_eq!(
        row,
        json!({
            "id": 29, "username": "Ada Lovelace", "name": "Ada Lovelace", "avatar": "https://example.org/a.png", "is_admin": false, "disabled": false,
            "created_at": row["created_at"], "last_seen": null, "online": false,
        })
    );
    let again = put("29", json!({"username": "ada"})).await;
    assert_eq!(
        (again.status, &again.json()["data"]["avatar"]),
        (StatusCode::OK, &json!("https://example.org/a.png"))
    );
    for (id, body, code) in [
        ("30", json!({"username": "ADA"}), "username_taken"),
        // The same to look at.
        ("30", json!({"username": "ａｄａ"}), "username_taken"),
        ("30", json!({"username": "a\u{200b}da"}), "invalid_payload"),
        ("30", json!({"username": "\u{3164}"}), "invalid_payload"),
        ("30", json!({"username": "\u{202e}ada"}), "invalid_payload"),
        // Another account's id, and another account's name by default.
        ("30", json!({"username": "29"}), "invalid_payload"),
        ("30", json!({"username": "user-29"}), "invalid_payload"),
        (
            "30",
            json!({"username": "x", "avatar": "/api/users"}),
            "invalid_payload",
        ),
        ("30", json!({"username": ""}), "invalid_payload"),
        ("30", json!({}), "invalid_payload"),
        ("0", json!({"username": "x"}), "invalid_payload"),
        (
            "9007199254740992",
            json!({"username": "x"}),
            "invalid_payload",
        ),
        ("x", json!({"username": "x"}), "invalid_payload"),
    ] {
        assert_eq!(put(id, body).await.code(), code, "{id}");
    }
    let path = "/api/admin/users/29";
    for (body, status) in [
        (json!({"username": "29"}), StatusCode::BAD_REQUEST),
        (json!({"username": "user-29"}), StatusCode::OK),
        (json!({"username": "Ame\u{301}lie"}), StatusCode::OK),
    ] {
        let reply = server.asks(&admin, "PATCH", path, body).await;
        assert_eq!(reply.status, status);
    }
    let row = server
        .get("/api/admin/users?username=AM%C3%89LIE", &admin.token)
        .await;
    assert_eq!(row["data"][0]["username"], "Amélie");
    let ids = |page: &Value| -> Vec<u64> {
        let rows = page["data"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
    };
    let first = server.get("/api/admin/users?limit=1", &admin.token).await;
    assert_eq!(
        (ids(&first), &first["meta"]["has_more"]),
        (vec![1], &json!(true))
    );
    let next = server
        .get("/api/admin/users?limit=1&after=1", &admin.token)
        .await;
    assert_eq!(
        (ids(&next), &next["meta"]["has_more"]),
        (vec![29], &json!(false))
    );
    server.stop().await;
}
