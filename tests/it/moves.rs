//! What one who moves to another data file by export and import takes along.

use std::path::Path;

use chatd::config::Config;
use chatd::model::Timestamp;
use chatd::store::Location;
use chatd::store::maintain::{self, Imported, Judging, MaintainError};
use serde_json::{Value, json};

use crate::rooms::{ask, room_of, tried};
use crate::support::{Person, TestServer, config};

fn at(data: &Path) -> Config {
    Config {
        data: Location::File(data.to_owned()),
        ..config()
    }
}

fn exported(data: &Path) -> String {
    let mut lines = Vec::new();
    maintain::export(data, &mut lines, &mut |_| {}).unwrap();
    String::from_utf8(lines).unwrap()
}

fn import(data: &Path, lines: &str) -> Result<Imported, MaintainError> {
    let judging = Judging {
        now: Timestamp::now(),
        password_hash: &|hash| Ok(hash.into()),
        file: &|_| Ok(None),
    };
    maintain::import(data, &mut lines.as_bytes(), judging, &mut |_| {})
}

/// Logs in anew.
async fn back(server: &TestServer, username: &str) -> Person {
    let body = json!({"username": username, "password": "password1"}).to_string();
    let reply = server.send("POST", "/api/auth/login", None, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let data = &reply.json()["data"];
    Person {
        id: data["user"]["id"].as_u64().unwrap(),
        token: data["token"].as_str().unwrap().into(),
    }
}

/// The path of an incoming hook, which its callers have.
fn path_of(hook: &Value) -> String {
    let url = hook["data"]["url"].as_str().unwrap();
    url[url.find("/api/hooks/").unwrap()..].to_owned()
}

/// They were left out without a word, and what had been reported was lost.
#[tokio::test]
async fn reports_come_along_with_their_copies_and_keys_and_hooks_until_they_are_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (
        folder.path().join("one.redb"),
        folder.path().join("two.redb"),
    );
    let server = TestServer::with(at(&data)).await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let made = ask(
        &server,
        &root,
        "POST",
        "/api/admin/bots",
        json!({"username": "clerk"}),
    )
    .await;
    let clerk = Person {
        id: made["data"]["id"].as_u64().unwrap(),
        token: made["data"]["key"].as_str().unwrap().into(),
    };
    let bot_key = made["data"]["key_id"].clone();
    let wish = json!({"name": "shop", "scope": "all"});
    let shop = ask(&server, &root, "POST", "/api/admin/keys", wish).await;
    let room = room_of(&server, &[&root, &clerk], json!({})).await;
    let wish = json!({"bot_id": clerk.id, "room_id": room, "name": "alerts"});
    let into_room = ask(&server, &root, "POST", "/api/admin/hooks/in", wish).await;
    let wish = json!({"bot_id": clerk.id, "user_id": ada.id, "name": "orders"});
    ask(&server, &root, "POST", "/api/admin/hooks/in", wish).await;
    let wish = json!({"url": "https://8.8.8.8/path", "events": ["reaction"], "room_ids": [room]});
    ask(&server, &root, "POST", "/api/admin/hooks/out", wish).await;
    let mut his = server.connect(&bob).await;
    let message = json!({"receiver_id": ada.id, "content": "rude words"});
    let (sent, _) = his.call(1, "send_message", message).await;
    let id = &sent["data"]["id"];
    for body in [
        json!({"message_id": id, "reason": "it is rude"}),
        json!({"user_id": bob.id, "reason": "spam"}),
    ] {
        ask(&server, &ada, "POST", "/api/reports", body).await;
    }
    // The copy is all that is left of it.
    let path = format!("/api/messages/{id}");
    ask(&server, &bob, "DELETE", &path, Value::Null).await;
    let reports = server.get("/api/admin/reports", &root.token).await["data"].clone();
    server.stop().await;

    let lines = exported(&data);
    let header: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&header["version"], &header["others"]),
        (&json!(3), &json!(7))
    );
    for (kind, count) in [
        ("api_key", 2),
        ("hook_in", 2),
        ("hook_out", 1),
        ("report", 2),
    ] {
        let kind = format!(r#""type":"{kind}""#);
        assert_eq!(lines.matches(&kind).count(), count, "{kind}");
    }
    for secret in [
        &*clerk.token,
        &*root.token,
        shop["data"]["key"].as_str().unwrap(),
    ] {
        assert!(!lines.contains(secret), "a credential stands there");
    }
    let cut: String = lines
        .lines()
        .filter(|line| !line.contains("spam"))
        .map(|line| format!("{line}\n"))
        .collect();
    let refused = import(&other, &cut).unwrap_err().to_string();
    assert!(refused.contains("6 keys, hooks and reports"), "{refused}");
    import(&other, &lines).unwrap();
    let report = maintain::check(&other, &mut |_| {}).unwrap();
    assert_eq!(report.findings.len(), 0);
    assert!(exported(&other) == lines, "it is what was imported");

    let server = TestServer::with(at(&other)).await;
    let ended = server
        .send("GET", "/api/auth/me", Some(&root.token), "")
        .await;
    assert_eq!(ended.code(), "invalid_token", "sessions do not come along");
    let root = back(&server, "root").await;
    let kept = server.get("/api/admin/reports", &root.token).await;
    assert_eq!(kept["data"], reports);
    assert_eq!(kept["data"][0]["message"]["content"], "rude words");

    let bots = server.get("/api/admin/bots", &root.token).await;
    assert_eq!(bots["data"][0]["keys"][0]["paused"], true);
    let shop_key = shop["data"]["key"].as_str().unwrap();
    let tries = [
        ("/api/auth/me", &*clerk.token, &bot_key),
        ("/api/admin/users", shop_key, &shop["data"]["id"]),
    ];
    for (path, key, number) in tries {
        assert_ne!(
            server.send("GET", path, Some(key), "").await.status,
            200,
            "{path}"
        );
        let confirmed = format!("/api/admin/keys/{number}");
        ask(
            &server,
            &root,
            "PATCH",
            &confirmed,
            json!({"paused": false}),
        )
        .await;
        assert_eq!(
            server.send("GET", path, Some(key), "").await.status,
            200,
            "{path}"
        );
    }
    let path = path_of(&into_room);
    let body = json!({"content": "disk full"}).to_string();
    let post = async || server.send("POST", &path, None, &body).await;
    assert_eq!(post().await.code(), "forbidden");
    let confirmed = format!("/api/admin/hooks/in/{}", into_room["data"]["id"]);
    ask(
        &server,
        &root,
        "PATCH",
        &confirmed,
        json!({"paused": false}),
    )
    .await;
    let written = post().await;
    assert_eq!(written.status, 201, "{}", written.body);
    let out = server.get("/api/admin/hooks/out", &root.token).await["data"][0].clone();
    assert_eq!(
        (&out["state"], &out["paused_by"]),
        (&json!("paused"), &json!("restore"))
    );
    assert_eq!(
        (&out["url"], &out["room_ids"]),
        (&json!("https://8.8.8.8"), &json!([room]))
    );
    // What is made from then on has numbers of its own.
    let again = tried(
        &server,
        &root,
        "POST",
        "/api/admin/bots",
        json!({"username": "other"}),
    )
    .await;
    assert_eq!(again.status, 201);
    server.stop().await;
}
