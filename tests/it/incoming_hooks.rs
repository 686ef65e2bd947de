//! Incoming hooks: other systems write as a bot, once, and never as a person.

use chatd::config::Config;
use chatd::store::Location;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Person, TestServer, config};

const IN: &str = "/api/admin/hooks/in";

async fn ask(server: &TestServer, token: &str, method: &str, path: &str, body: Value) -> Value {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let reply = server.send(method, path, Some(token), &body).await;
    assert!(reply.status.is_success(), "{method} {path}: {}", reply.body);
    reply.json()["data"].take()
}

/// A room with a bot in it, and a hook by which that writes there.
struct Setting {
    admin: Person,
    bot: u64,
    room: u64,
    hook: u64,
    /// The path of the hook's URL.
    path: String,
}

async fn setting(server: &TestServer) -> Setting {
    let admin = server.admin().await;
    let wish = json!({"username": "monitor", "name": "Monitor"});
    let bot = ask(server, &admin.token, "POST", "/api/admin/bots", wish).await;
    let bot = bot["id"].as_u64().unwrap();
    let wish = json!({"name": "Ops", "member_ids": [bot]});
    let room = ask(server, &admin.token, "POST", "/api/rooms", wish).await;
    let room = room["id"].as_u64().unwrap();
    let wish = json!({"bot_id": bot, "room_id": room, "name": "alerts"});
    let made = ask(server, &admin.token, "POST", IN, wish).await;
    let url = made["url"].as_str().unwrap();
    let (_, path) = url.split_once("/api/").unwrap();
    Setting {
        bot,
        room,
        hook: made["id"].as_u64().unwrap(),
        path: format!("/api/{path}"),
        admin,
    }
}

impl Setting {
    async fn history(&self, server: &TestServer) -> Vec<Value> {
        let path = format!("/api/rooms/{}/history", self.room);
        let rows = server.get(&path, &self.admin.token).await;
        rows["data"].as_array().unwrap().clone()
    }
}

async fn post(server: &TestServer, path: &str, kind: &str, body: &str) -> (u16, String) {
    let request = Request::post(path)
        .header("host", "localhost")
        .header("content-type", kind)
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let answer = server.exchange(request).await;
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    (answer.status().as_u16(), text)
}

#[tokio::test]
async fn a_message_comes_as_the_bot_with_the_name_of_the_one_who_speaks() {
    let server = TestServer::start().await;
    let setting = setting(&server).await;
    let mut hers = server.connect_second(&setting.admin).await;
    let body = json!({"content": "disk full", "client_id": "alert-7", "as": {"name": "db1"}});
    let reply = server
        .send("POST", &setting.path, None, &body.to_string())
        .await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    let row = reply.json()["data"].take();
    let told = hers.expect("room_message").await;
    for message in [&row, &told] {
        assert_eq!(
            (&message["sender_id"], &message["content"], &message["as"]),
            (
                &json!(setting.bot),
                &json!("disk full"),
                &json!({"name": "db1"})
            )
        );
    }
    assert_eq!(
        setting.history(&server).await[0]["as"],
        json!({"name": "db1"})
    );
    // Sent again it is the same; under its name another is refused.
    let again = server
        .send("POST", &setting.path, None, &body.to_string())
        .await;
    assert_eq!(again.json()["data"]["id"], row["id"]);
    let other = json!({"content": "other", "client_id": "alert-7"});
    let refused = server
        .send("POST", &setting.path, None, &other.to_string())
        .await;
    assert_eq!(refused.code(), "client_id_reused");
    // The secret may come as bearer.
    let (path, secret) = setting.path.rsplit_once('/').unwrap();
    let body = json!({"content": "by bearer"}).to_string();
    let reply = server.send("POST", path, Some(secret), &body).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    for (path, token) in [
        (path.to_owned(), Some("wrong")),
        (path.to_owned(), None),
        (format!("{path}/wrong"), None),
        (format!("/api/hooks/999/{secret}"), None),
    ] {
        let reply = server.send("POST", &path, token, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (404, "not_found".into())
        );
    }
    for (body, code) in [
        (json!({"content": "  "}), "empty_message"),
        (json!({}), "empty_message"),
        (json!({"content": "x".repeat(4_001)}), "message_too_long"),
        (json!({"content": 5}), "invalid_payload"),
        (
            json!({"content": "x", "as": {"name": "\u{200b}"}}),
            "invalid_payload",
        ),
    ] {
        let reply = server
            .send("POST", &setting.path, None, &body.to_string())
            .await;
        assert_eq!(reply.code(), code, "{body}");
    }
    let path = format!("{IN}/{}", setting.hook);
    ask(&server, &setting.admin.token, "DELETE", &path, Value::Null).await;
    let reply = server.send("POST", &setting.path, None, &body).await;
    assert_eq!(reply.code(), "not_found");
    server.stop().await;
}

#[tokio::test]
async fn an_equal_body_within_a_minute_is_one_message_over_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = || Config {
        data: Location::File(folder.path().join("chat.redb")),
        ..config()
    };
    let server = TestServer::with(on_disk()).await;
    let setting = setting(&server).await;
    let body = json!({"content": "down"}).to_string();
    for _ in 0..3 {
        let reply = server.send("POST", &setting.path, None, &body).await;
        assert_eq!(reply.status, StatusCode::CREATED);
    }
    assert_eq!(setting.history(&server).await.len(), 1);
    server.stop().await;
    let server = TestServer::with(on_disk()).await;
    let reply = server.send("POST", &setting.path, None, &body).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    // Unless a minute began just now, it is the same.
    assert!(setting.history(&server).await.len() <= 2);
    server.stop().await;
}

/// What monitors send, word for word, and what is shown of it.
#[tokio::test]
async fn what_monitors_send_to_slack_is_shown_as_text_and_answered_as_they_want() {
    let server = TestServer::start().await;
    let setting = setting(&server).await;
    let bodies: Vec<Value> = serde_json::from_str(include_str!("../hooks/slack.json")).unwrap();
    assert!(bodies.len() >= 6);
    for case in &bodies {
        let name = case["from"].as_str().unwrap();
        let (kind, body) = match case["form"] == true {
            true => {
                let payload = case["body"].to_string();
                let form: String = form_urlencoded::Serializer::new(String::new())
                    .append_pair("payload", &payload)
                    .finish();
                ("application/x-www-form-urlencoded", form)
            }
            false => ("application/json", case["body"].to_string()),
        };
        let answer = post(&server, &setting.path, kind, &body).await;
        assert_eq!(answer, (200, "ok".to_owned()), "{name}");
        let last = setting.history(&server).await.pop().unwrap();
        assert_eq!(last["content"], case["text"], "{name}");
        assert_eq!(last["as"]["name"], case["as"], "{name}");
        assert_eq!(last["sender_id"], setting.bot);
    }
    // What is too long is cut, and not lost.
    let long = json!({"text": "é".repeat(5_000)}).to_string();
    let answer = post(&server, &setting.path, "application/json", &long).await;
    assert_eq!(answer.0, 200);
    let last = setting.history(&server).await.pop().unwrap();
    let text = last["content"].as_str().unwrap();
    assert_eq!((text.chars().count(), text.ends_with('…')), (4_000, true));
    for (kind, body) in [
        ("application/json", "[]"),
        ("application/json", "nothing"),
        ("application/json", "{\"text\":\"\"}"),
        ("application/x-www-form-urlencoded", "payload="),
        ("application/x-www-form-urlencoded", "a=b"),
    ] {
        let (status, _) = post(&server, &setting.path, kind, body).await;
        assert_eq!(status, 400, "{body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_hook_writes_to_one_person_and_leads_nowhere_else() {
    let server = TestServer::start().await;
    let setting = setting(&server).await;
    let token = &setting.admin.token;
    let wish = json!({"bot_id": setting.bot, "user_id": setting.admin.id, "name": "mine"});
    let made = ask(&server, token, "POST", IN, wish).await;
    let url = made["url"].as_str().unwrap();
    let path = format!("/api/{}", url.split_once("/api/").unwrap().1);
    let body = json!({"content": "for you", "as": {"name": "CI"}}).to_string();
    let reply = server.send("POST", &path, None, &body).await;
    let row = reply.json()["data"].take();
    assert_eq!(
        (&row["receiver_id"], &row["as"]["name"]),
        (&json!(setting.admin.id), &json!("CI"))
    );
    for wish in [
        json!({"bot_id": setting.bot, "name": "x"}),
        json!({"bot_id": setting.bot, "name": "x", "room_id": setting.room, "user_id": 1}),
        json!({"bot_id": setting.bot, "name": "x", "room_id": 99}),
        json!({"bot_id": setting.bot, "name": "x", "user_id": 99}),
        json!({"bot_id": setting.admin.id, "name": "x", "room_id": setting.room}),
        json!({"bot_id": setting.bot, "name": " ", "room_id": setting.room}),
    ] {
        let reply = server
            .send("POST", IN, Some(token), &wish.to_string())
            .await;
        assert_eq!(reply.code(), "invalid_payload", "{wish}");
    }
    // It is its bot's, and goes with it.
    let path = format!("/api/admin/users/{}", setting.bot);
    ask(&server, token, "DELETE", &path, Value::Null).await;
    assert_eq!(ask(&server, token, "GET", IN, Value::Null).await, json!([]));
    server.stop().await;
}

/// An alert that was cut within a character, or written in Latin-1, was refused.
#[tokio::test]
async fn bytes_that_are_no_text_take_nothing_from_the_rest_of_an_alert() {
    let server = TestServer::start().await;
    let setting = setting(&server).await;
    for body in [
        &b"{\"text\":\"disk full \xc3\"}"[..],
        b"{\"content\":\"disk f\xfcll\"}",
    ] {
        let request = Request::builder()
            .method("POST")
            .uri(&setting.path)
            .header("host", server.address.to_string())
            .body(Full::from(Bytes::from_static(body)))
            .unwrap();
        assert!(server.exchange(request).await.status().is_success());
        let last = setting.history(&server).await.pop().unwrap();
        assert!(last["content"].as_str().unwrap().contains('\u{fffd}'));
    }
    server.stop().await;
}

/// PowerShell and .NET write one before the JSON that they send: it was refused as no object.
#[tokio::test]
async fn a_byte_order_mark_before_a_body_is_passed_over() {
    let server = TestServer::start().await;
    let setting = setting(&server).await;
    let body = "\u{feff}{\"content\":\"disk full\"}";
    let (status, text) = post(&server, &setting.path, "application/json", body).await;
    assert_eq!(status, 201, "{text}");
    assert_eq!(setting.history(&server).await[0]["content"], "disk full");
    let ada = "\u{feff}{\"username\":\"ada\",\"password\":\"correct horse\"}";
    let json = "application/json; charset=utf-8";
    let (status, text) = post(&server, "/api/auth/register", json, ada).await;
    assert_eq!(status, 201, "{text}");
    // Within a text it is a character like others.
    let body = "\u{feff}{\"content\":\"\u{feff}a\"}";
    post(&server, &setting.path, json, body).await;
    assert_eq!(setting.history(&server).await[1]["content"], "\u{feff}a");
    let (status, _) = post(&server, &setting.path, json, &format!("\u{feff}{body}")).await;
    assert_eq!(status, 400);
    server.stop().await;
}
