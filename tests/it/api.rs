//! REST: every route's shape, its pages, and its refusals.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire};

async fn say(socket: &mut Wire, to: &Person, content: &str) -> u64 {
    let (ack, _) = socket
        .call(
            1,
            "send_message",
            json!({"receiver_id": to.id, "content": content}),
        )
        .await;
    ack["data"]["id"].as_u64().unwrap()
}

fn ids(rows: &Value) -> Vec<u64> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_four_chat_routes_answer_in_the_documents_shape() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    let id = say(&mut socket, &bob, "Halo!").await;
    for path in ["/api/chats", "/api/chats/"] {
        let recents = server.get(path, &bob.token).await;
        let row = &recents["data"][0];
        assert_eq!(
            *row,
            json!({
                "user_id": ada.id, "username": "ada", "name": "ada", "avatar": null, "last_message": "Halo!",
                "last_message_time": row["last_message_time"], "unread_count": 1, "last_message_id": id, "last_sender_id": ada.id,
            })
        );
    }
    let message = |read: Option<bool>, at: &Value| {
        let mut message = json!({"id": id, "sender_id": ada.id, "receiver_id": bob.id, "content": "Halo!", "created_at": at});
        if let Some(read) = read {
            message["is_read"] = read.into();
            message["updated_at"] = at.clone();
        }
        message
    };
    for path in [
        format!("/api/chats/history/{}", bob.id),
        format!("/api/chats/history/{}/", bob.id),
    ] {
        let history = server.get(&path, &ada.token).await;
        assert_eq!(
            history["data"],
            json!([message(Some(false), &history["data"][0]["created_at"])])
        );
    }
    let unread = server.get("/api/chats/unread", &bob.token).await;
    assert_eq!(
        unread["data"],
        json!([message(None, &unread["data"][0]["created_at"])])
    );
    assert_eq!(unread["meta"], json!({"has_more": false, "total": 1}));
    for _ in 0..2 {
        let reply = server
            .send(
                "PATCH",
                &format!("/api/chats/{id}/read"),
                Some(&bob.token),
                "",
            )
            .await;
        assert_eq!(
            (reply.status, reply.json()),
            (StatusCode::OK, json!({"success": true}))
        );
    }
    assert_eq!(
        socket.expect("messege_read").await,
        json!({"message_id": id, "user_id": bob.id})
    );
    let history = server
        .get(&format!("/api/chats/history/{}", bob.id), &ada.token)
        .await;
    assert_eq!(history["data"][0]["is_read"], true);
    server.stop().await;
}

#[tokio::test]
async fn pages_follow_one_another() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut socket = server.connect(&ada).await;
    let mut sent = Vec::new();
    for number in 0..5 {
        sent.push(say(&mut socket, &bob, &number.to_string()).await);
    }
    let last = say(&mut socket, &carl, "x").await;
    let path = |query: &str| format!("/api/chats/history/{}?{query}", bob.id);
    for (query, wanted, has_more) in [
        ("limit=2".to_owned(), &sent[3..], true),
        (format!("limit=2&before={}", sent[3]), &sent[1..3], true),
        (format!("limit=2&before={}", sent[1]), &sent[..1], false),
        (format!("limit=2&after={}", sent[1]), &sent[2..4], true),
        (format!("limit=2&after={}", sent[2]), &sent[3..], false),
        ("limit=&before=".to_owned(), &sent[..], false),
    ] {
        let page = server.get(&path(&query), &ada.token).await;
        assert_eq!(
            (ids(&page["data"]), &page["meta"]["has_more"]),
            (wanted.to_vec(), &json!(has_more)),
            "{query}"
        );
    }
    let first = server.get("/api/chats?limit=1", &ada.token).await;
    assert_eq!(first["data"][0]["last_message_id"], last);
    let next = first["meta"]["next_before"].as_str().unwrap();
    let second = server
        .get(&format!("/api/chats?limit=1&before={next}"), &ada.token)
        .await;
    assert_eq!(
        (&second["data"][0]["user_id"], &second["meta"]),
        (&json!(bob.id), &json!({}))
    );
    let unread = server
        .get(
            &format!("/api/chats/unread?limit=2&after={}", sent[1]),
            &bob.token,
        )
        .await;
    assert_eq!(
        (ids(&unread["data"]), &unread["meta"]),
        (sent[2..4].to_vec(), &json!({"has_more": true, "total": 5}))
    );
    server.stop().await;
}

#[tokio::test]
async fn requests_that_do_not_fit_are_refused_with_status_and_code() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    let id = say(&mut socket, &bob, "x").await;
    let own = format!("/api/chats/{id}/read");
    let long = json!({"username": "x".repeat(20_000)}).to_string();
    for (name, method, path, token, body, status, code) in [
        (
            "no token",
            "GET",
            "/api/chats",
            None,
            "",
            401,
            "missing_token",
        ),
        (
            "a wrong token",
            "GET",
            "/api/chats",
            Some("x"),
            "",
            401,
            "invalid_token",
        ),
        (
            "a limit of 0",
            "GET",
            "/api/chats?limit=0",
            Some(&*ada.token),
            "",
            400,
            "invalid_payload",
        ),
        (
            "a limit of letters",
            "GET",
            "/api/chats/unread?limit=x",
            Some(&*ada.token),
            "",
            400,
            "invalid_payload",
        ),
        (
            "a cursor of letters",
            "GET",
            "/api/chats?before=x",
            Some(&*ada.token),
            "",
            400,
            "invalid_payload",
        ),
        (
            "a user of letters",
            "GET",
            "/api/chats/history/x",
            Some(&*ada.token),
            "",
            400,
            "invalid_payload",
        ),
        (
            "nobody's history",
            "GET",
            "/api/chats/history/99",
            Some(&*ada.token),
            "",
            404,
            "not_found",
        ),
        (
            "nobody",
            "GET",
            "/api/users/99",
            Some(&*ada.token),
            "",
            404,
            "not_found",
        ),
        (
            "no route",
            "GET",
            "/api/nothing",
            Some(&*ada.token),
            "",
            404,
            "not_found",
        ),
        ("no file", "GET", "/nothing.js", None, "", 404, "not_found"),
        (
            "a way out",
            "GET",
            "/../Cargo.toml",
            None,
            "",
            404,
            "not_found",
        ),
        (
            "a hidden way out",
            "GET",
            "/%2e%2e/Cargo.toml",
            None,
            "",
            404,
            "not_found",
        ),
        (
            "one's own message",
            "PATCH",
            &*own,
            Some(&*ada.token),
            "",
            403,
            "forbidden",
        ),
        (
            "no message",
            "PATCH",
            "/api/chats/99/read",
            Some(&*ada.token),
            "",
            404,
            "not_found",
        ),
        (
            "no name",
            "POST",
            "/api/auth/register",
            None,
            "{}",
            400,
            "invalid_payload",
        ),
        (
            "no object",
            "POST",
            "/api/auth/login",
            None,
            "[]",
            400,
            "invalid_payload",
        ),
        (
            "a taken name",
            "POST",
            "/api/auth/register",
            None,
            r#"{"username":"ADA","password":"password1"}"#,
            409,
            "username_taken",
        ),
        (
            "a wrong password",
            "POST",
            "/api/auth/login",
            None,
            r#"{"username":"ada","password":"x"}"#,
            401,
            "invalid_credentials",
        ),
        (
            "a long body",
            "POST",
            "/api/auth/login",
            None,
            &*long,
            413,
            "payload_too_large",
        ),
    ] {
        let reply = server.send(method, path, token, body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (status, code),
            "{name}: {}",
            reply.body
        );
    }
    server.stop().await;
}

/// A client that was still sending when the connection closed saw a broken pipe, and no refusal.
#[tokio::test]
async fn a_body_that_is_far_too_large_is_refused_in_words_too() {
    let server = TestServer::start().await;
    for megabytes in [1, 2, 5] {
        let body = "x".repeat(megabytes << 20);
        let reply = server.send("POST", "/api/auth/login", None, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (413, "payload_too_large")
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_by_rest() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    for (path, allow) in [
        ("/api/chats", "GET, HEAD"),
        ("/api/chats/unread", "GET, HEAD"),
        ("/api/chats/history/2", "GET, HEAD"),
        ("/api/chats/1/read", "PATCH"),
        ("/api/chats/send", "GET, HEAD"),
        ("/api/chats/2/messages", "GET, HEAD"),
    ] {
        for method in ["POST", "PUT", "DELETE"] {
            for path in [path.to_owned(), format!("{path}/")] {
                let reply = server.send(method, &path, Some(&ada.token), "{}").await;
                assert_eq!(
                    (reply.status.as_u16(), reply.code().as_str()),
                    (405, "method_not_allowed"),
                    "{method} {path}"
                );
                assert_eq!(reply.headers["allow"], allow, "{method} {path}");
                assert!(reply.body.contains("send_message"), "{}", reply.body);
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_setup_code_makes_the_first_account_an_administrators() {
    let server = TestServer::start().await;
    let code = server.setup_code.clone().unwrap();
    let info = server.send("GET", "/api/server", None, "").await.json();
    assert_eq!(info["data"]["setup_required"], true);
    let body = json!({"username": "ada", "password": "password1", "invite": code}).to_string();
    let made = server.send("POST", "/api/auth/register", None, &body).await;
    assert_eq!(made.json()["data"]["user"]["is_admin"], true);
    let again = server.register("bob").await;
    assert_eq!(
        server.get("/api/auth/me", &again.token).await["data"]["is_admin"],
        false
    );
    server.stop().await;
}

#[tokio::test]
async fn accounts_are_made_found_and_shown() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let login = server
        .send(
            "POST",
            "/api/auth/login",
            None,
            r#"{"username":"Ada","password":"password1"}"#,
        )
        .await;
    let user =
        json!({"id": ada.id, "username": "ada", "name": "ada", "avatar": null, "is_admin": false});
    assert_eq!(login.json()["data"]["user"], user);
    let token = login.json()["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/api/auth/me", &token).await["data"], user);
    let bob_as_seen = json!({"id": bob.id, "username": "bob", "name": "bob", "avatar": null, "online": false, "last_seen": null});
    assert_eq!(
        server.get("/api/users?query=O", &token).await["data"],
        json!([bob_as_seen])
    );
    assert_eq!(
        server.get(&format!("/api/users/{}", bob.id), &token).await["data"],
        bob_as_seen
    );
    let _socket = server.connect(&bob).await;
    assert_eq!(
        server.get("/api/users", &token).await["data"][0]["online"],
        true
    );
    let info = server.send("GET", "/api/server", None, "").await.json();
    assert_eq!(info["data"]["registration"], "open");
    assert_eq!(
        (
            &info["data"]["setup_required"],
            &info["data"]["max_message_chars"]
        ),
        (&json!(false), &json!(4_000))
    );
    for path in ["/healthz", "/readyz"] {
        let health = server.send("GET", path, None, "").await;
        assert_eq!(
            (health.status, health.body.as_str()),
            (StatusCode::OK, "ok")
        );
    }
    server.stop().await;
}
