//! Identity over the wire: what revokes a token, and what its sockets hear of that.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{Heard, Person, TestServer, Wire, config};

/// The namespace disconnect.
const DISCONNECT: &str = "41";

/// Hears why it may not stay, and is put out of the namespace.
async fn is_put_out(socket: &mut Wire, code: &str) {
    let error = socket.expect("chat_error").await;
    assert_eq!(
        (&error["event"], &error["code"]),
        (&json!("connect"), &json!(code))
    );
    socket.hears(DISCONNECT).await;
}

/// The refusal of a CONNECT with this token.
async fn refusal(server: &TestServer, token: &str) -> Value {
    let mut socket = server.websocket("").await;
    socket.text().await;
    socket
        .say(&format!("40{}", json!({ "token": token })))
        .await;
    let text = socket.text().await;
    let refusal = text.strip_prefix("44").unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str::<Value>(refusal).unwrap()["data"]["code"].take()
}

async fn patch_me(server: &TestServer, who: &Person, body: Value) -> (StatusCode, Value) {
    let path = "/api/auth/me";
    let reply = server
        .send("PATCH", path, Some(&who.token), &body.to_string())
        .await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn a_logout_ends_every_token_and_every_socket_of_the_caller_and_nobody_elses() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut one, mut two) = (server.connect(&ada).await, server.connect(&ada).await);
    let mut other = server.connect(&bob).await;
    let path = "/api/auth/logout";
    let reply = server.send("POST", path, Some(&ada.token), "").await;
    assert_eq!(
        (reply.status, reply.json()),
        (StatusCode::OK, json!({"success": true}))
    );
    is_put_out(&mut one, "invalid_token").await;
    is_put_out(&mut two, "invalid_token").await;
    for method_and_path in [("POST", path), ("GET", "/api/auth/me")] {
        let (method, path) = method_and_path;
        let reply = server.send(method, path, Some(&ada.token), "").await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (401, "invalid_token")
        );
    }
    assert_eq!(refusal(&server, &ada.token).await, "invalid_token");
    let (ack, _) = other
        .call(
            1,
            "typing",
            json!({"receiver_id": ada.id, "is_typing": true}),
        )
        .await;
    assert_eq!(ack["success"], true, "bob was logged out with ada");
    let again = server.login("ada", "password1").await;
    server.connect(&again).await;
    server.stop().await;
}

/// `Authorization: bearer …` opened every route, and no socket.
#[tokio::test]
async fn a_token_in_the_header_opens_a_socket_however_its_scheme_is_written() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    for scheme in ["Bearer", "bearer", "BEARER "] {
        let header = format!("{scheme} {}", ada.token);
        let path = "/socket.io/?EIO=4&transport=websocket";
        let headers = [("authorization", &*header)];
        let Ok(mut wire) = server.try_wire_with(path, &headers).await else {
            panic!("{scheme} opens no session");
        };
        assert!(wire.text().await.starts_with("0{"));
        wire.say("40").await;
        let answer = wire.text().await;
        assert!(answer.starts_with("40{\"sid\":\""), "{scheme}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_every_earlier_token() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let mut socket = server.connect(&ada).await;
    for (wish, status, code) in [
        (json!({"password": "password2"}), 403, "invalid_credentials"),
        (
            json!({"password": "password2", "current_password": "password3"}),
            403,
            "invalid_credentials",
        ),
        (
            json!({"password": "short", "current_password": "password1"}),
            400,
            "invalid_payload",
        ),
        (json!({"password": 5}), 400, "invalid_payload"),
    ] {
        let (got, body) = patch_me(&server, &ada, wish).await;
        assert_eq!(
            (got.as_u16(), &body["error"]["code"]),
            (status, &json!(code))
        );
    }
    let wish = json!({"password": "password2", "current_password": "password1"});
    let (status, body) = patch_me(&server, &ada, wish.clone()).await;
    assert_eq!(
        (status, &body["data"]["username"]),
        (StatusCode::OK, &json!("ada"))
    );
    is_put_out(&mut socket, "invalid_token").await;
    let renewed = Person {
        id: ada.id,
        token: body["data"]["token"].as_str().unwrap().into(),
    };
    assert!(body["data"]["expires_at"].is_string());
    let mut socket = server.connect(&renewed).await;
    let (status, _) = patch_me(&server, &ada, wish).await;
    assert_eq!(
        status,
        StatusCode::UNAUTHORIZED,
        "the old token still holds"
    );
    let login = |password: &str| json!({"username": "ada", "password": password}).to_string();
    for (password, status) in [("password1", 401), ("password2", 200)] {
        let reply = server
            .send("POST", "/api/auth/login", None, &login(password))
            .await;
        assert_eq!(reply.status.as_u16(), status, "{password}");
    }
    let (ack, before) = socket
        .call(1, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!((&ack["success"], before.len()), (&json!(true), 0));
    server.stop().await;
}

#[tokio::test]
async fn people_change_their_name_and_picture_and_stay_signed_in() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    for (wish, username, avatar) in [
        (json!({}), "ada", None),
        (json!({"username": "Lovelace"}), "Lovelace", None),
        (
            json!({"avatar": "https://example.org/a.png"}),
            "Lovelace",
            Some("https://example.org/a.png"),
        ),
        (
            json!({"username": "ada"}),
            "ada",
            Some("https://example.org/a.png"),
        ),
        (json!({"avatar": null}), "ada", None),
    ] {
        let (status, body) = patch_me(&server, &ada, wish).await;
        let account = json!({"id": ada.id, "username": username, "name": username, "avatar": avatar, "is_admin": false});
        assert_eq!((status, &body["data"]), (StatusCode::OK, &account));
    }
    // The name that is shown is another's too, and found.
    for (wish, name) in [
        (json!({"name": "Bob"}), "Bob"),
        (json!({"username": "ada.l"}), "Bob"),
        (json!({"name": "Ada  Lovelace"}), "Ada Lovelace"),
        (json!({"name": null, "username": "ada"}), "ada"),
        (json!({"name": "Ada Lovelace"}), "Ada Lovelace"),
    ] {
        let (status, body) = patch_me(&server, &ada, wish).await;
        assert_eq!(
            (status, &body["data"]["name"]),
            (StatusCode::OK, &json!(name))
        );
    }
    let found = server.get("/api/users?query=lovelace", &bob.token).await;
    assert_eq!(
        (&found["data"][0]["username"], &found["data"][0]["name"]),
        (&json!("ada"), &json!("Ada Lovelace"))
    );
    for (wish, status, code) in [
        (json!({"name": "user-2"}), 400, "invalid_payload"),
        (json!({"name": " "}), 400, "invalid_payload"),
        (json!({"name": "a\u{202e}b"}), 400, "invalid_payload"),
        (json!({"username": "BOB"}), 409, "username_taken"),
        (json!({"username": "a b"}), 400, "invalid_payload"),
        (json!({"username": "2"}), 400, "invalid_payload"),
        (json!({"username": "user-2"}), 400, "invalid_payload"),
        (
            json!({"avatar": "/socket.io/?EIO=4&transport=polling"}),
            400,
            "invalid_payload",
        ),
        (
            json!({"avatar": "javascript:alert(1)"}),
            400,
            "invalid_payload",
        ),
        (json!({"avatar": 5}), 400, "invalid_payload"),
        (json!([]), 400, "invalid_payload"),
    ] {
        let (got, body) = patch_me(&server, &ada, wish).await;
        assert_eq!(
            (got.as_u16(), &body["error"]["code"]),
            (status, &json!(code))
        );
    }
    let (ack, before) = socket
        .call(1, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!((&ack["success"], before.len()), (&json!(true), 0));
    server.stop().await;
}

#[tokio::test]
async fn a_socket_whose_token_ends_is_told_and_loses_its_transport() {
    let server = TestServer::with(chatd::config::Config {
        token_lifetime: Duration::from_secs(2),
        ..config()
    })
    .await;
    let ada = server.register("ada").await;
    let mut socket = server.connect(&ada).await;
    let error = socket.expect("chat_error").await;
    assert_eq!(error["code"], "token_expired");
    // Not '41', after which a stock client would stay away: the transport ends, and it comes back
    // with a fresh token.
    assert!(matches!(socket.hear().await, Heard::Close(_)));
    assert_eq!(refusal(&server, &ada.token).await, "token_expired");
    let reply = server
        .send("GET", "/api/auth/me", Some(&ada.token), "")
        .await;
    assert_eq!(reply.code(), "token_expired");
    let again = server.login("ada", "password1").await;
    server.connect(&again).await;
    server.stop().await;
}
