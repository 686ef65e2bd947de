//! The versions of a socket: one that says nothing hears what it always heard, and one of version 2
//! hears all.

use chatd::config::Config;
use chatd::store::Location;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire, config};

/// Sends a message with these further keys; gives its ack.
async fn send(wire: &mut Wire, to: &Person, more: Value) -> Value {
    let mut message = json!({"receiver_id": to.id, "content": "an order"});
    for (key, value) in more.as_object().unwrap() {
        message[key] = value.clone();
    }
    wire.call(1, "send_message", message).await.0
}

fn welcome(text: &str) -> Value {
    serde_json::from_str(text.strip_prefix("40").unwrap()).unwrap()
}

#[tokio::test]
async fn an_apps_own_object_is_heard_in_version_2_alone_and_is_in_every_row() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut first, mut second) = (
        server.connect(&bob).await,
        server.connect_second(&bob).await,
    );
    let (mut old, mut new) = (
        server.connect(&ada).await,
        server.connect_second(&ada).await,
    );
    // Byte for byte, as no parser would write it again.
    let meta = r#"{ "order" : 7.50, "big":12345678901234567890123, "order":"\u00e9" }"#;
    let payload = format!(
        r#"{{"receiver_id":{},"content":"an order","meta":{meta}}}"#,
        bob.id
    );
    new.say(&format!(r#"421["send_message",{payload}]"#)).await;
    let (sent, ack) = (new.text().await, new.text().await);
    let bare = |text: &str| text.replace(&format!(",\"meta\":{meta}"), "");
    for told in [&sent, &ack, &second.text().await] {
        assert_eq!(told.matches(meta).count(), 1, "{told}");
    }
    let heard = first.text().await;
    assert!(
        heard.starts_with(r#"42["receive_message",{"id":1,"#),
        "{heard}"
    );
    assert!(!heard.contains("meta"), "{heard}");
    assert_eq!(old.text().await, bare(&sent));
    // The ack of a version 1 client has the keys that it knows, and the message has its object all
    // the same.
    let ack = send(&mut old, &bob, json!({"meta": {"a": 1}})).await;
    assert_eq!(ack["data"].get("meta"), None, "{ack}");
    assert_eq!(
        second.expect("receive_message").await["meta"],
        json!({"a": 1})
    );
    let paths = [
        (format!("/api/chats/history/{}", ada.id), true),
        ("/api/chats/unread".to_owned(), true),
        ("/api/chats/updates?since=SINCE".to_owned(), false),
        ("/api/updates?since=SINCE".to_owned(), true),
    ];
    let since: Value = serde_json::from_str(heard.strip_prefix("42").unwrap()).unwrap();
    for (path, has_meta) in paths {
        let path = path.replace("SINCE", since[2].as_str().unwrap());
        let reply = server.send("GET", &path, Some(&bob.token), "").await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
        assert_eq!(
            reply.body.contains(r#""meta":{"a":1}"#),
            has_meta,
            "{path}: {}",
            reply.body
        );
        let is_list = path.contains("since");
        assert_eq!(
            reply.body.contains(meta),
            has_meta && !is_list,
            "{path}: {}",
            reply.body
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_message_with_an_object_is_sent_once_and_another_object_makes_it_another_message() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect_second(&ada).await;
    let first = send(
        &mut socket,
        &bob,
        json!({"client_id": "c", "meta": {"a": 1}}),
    )
    .await;
    let again = send(
        &mut socket,
        &bob,
        json!({"client_id": "c", "meta": {"a": 1}}),
    )
    .await;
    assert_eq!(first, again);
    assert_eq!(first["data"]["meta"], json!({"a": 1}));
    for more in [
        json!({"client_id": "c", "meta": {"a": 2}}),
        json!({"client_id": "c"}),
    ] {
        let ack = send(&mut socket, &bob, more).await;
        assert_eq!(ack["error"]["code"], "client_id_reused", "{ack}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_object_that_is_none_or_too_long_is_refused_by_its_key() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let longest = json!({"a": "x".repeat(2048 - 8)});
    for mut socket in [
        server.connect(&ada).await,
        server.connect_second(&ada).await,
    ] {
        for meta in [json!([]), json!("{}"), json!(1), json!(true)] {
            let ack = send(&mut socket, &bob, json!({"meta": meta})).await;
            assert_eq!(ack["error"]["code"], "invalid_payload", "{ack}");
            assert_eq!(ack["error"]["message"], "meta: must be an object");
        }
        let too_long = json!({"a": "x".repeat(2048 - 7)});
        let ack = send(&mut socket, &bob, json!({"meta": too_long})).await;
        assert_eq!(ack["error"]["code"], "invalid_payload", "{ack}");
        assert_eq!(
            ack["error"]["message"],
            "meta: has 2049 bytes of JSON, the limit is 2048"
        );
        for meta in [json!(null), json!({}), longest.clone()] {
            let ack = send(&mut socket, &bob, json!({"meta": meta})).await;
            assert_eq!(ack["success"], true, "{ack}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_version_is_the_newest_below_it_and_a_wrong_one_the_first() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let versions = server.get("/api/server", &ada.token).await["data"]["versions"].take();
    assert_eq!(versions, json!([1, 2]));
    let mut sender = server.connect(&ada).await;
    for (v, hears_meta) in [
        (json!(1), false),
        (json!(2), true),
        (json!(99), true),
        (json!(0), false),
        (json!(-2), false),
        (json!(1.5), false),
        // As ids may be texts.
        (json!("2"), true),
        (json!("1"), false),
        (json!("two"), false),
        (json!(null), false),
    ] {
        let mut socket = server
            .connect_with(&json!({"token": &*bob.token, "v": v, "cursor": false}))
            .await;
        send(&mut sender, &bob, json!({"meta": {"a": 1}})).await;
        let heard = socket.expect("receive_message").await;
        assert_eq!(heard.get("meta").is_some(), hears_meta, "{v}: {heard}");
    }
    server.stop().await;
}

/// A file in which nothing but the folder is this test's.
fn on(folder: &std::path::Path) -> Config {
    Config {
        data: Location::File(folder.join("chatd.redb")),
        ..config()
    }
}

#[tokio::test]
async fn a_socket_goes_on_in_another_version_and_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(on(folder.path())).await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.websocket("").await;
    assert!(wire.text().await.starts_with("0{"));
    wire.say(&format!("40{}", json!({"token": &*bob.token})))
        .await;
    let pid = welcome(&wire.text().await)["pid"].clone();
    let mut sender = server.connect(&ada).await;
    send(&mut sender, &bob, json!({"meta": {"a": 0}})).await;
    let heard = wire.event().await;
    let mut offset = heard[2].clone();
    drop(wire);
    // As a client that was brought up to date while it was away, and one that was put back.
    let mut server = server;
    for (step, v) in [2, 1, 2, 2, 1].into_iter().enumerate() {
        if step % 2 == 1 {
            server.stop().await;
            server = TestServer::with(on(folder.path())).await;
        }
        let mut sender = server.connect(&ada).await;
        send(&mut sender, &bob, json!({"meta": {"step": step}})).await;
        let mut wire = server.websocket("").await;
        assert!(wire.text().await.starts_with("0{"));
        let auth = json!({"token": &*bob.token, "v": v, "pid": pid, "offset": offset});
        wire.say(&format!("40{auth}")).await;
        assert_eq!(welcome(&wire.text().await)["pid"], pid, "it is recovered");
        let heard = wire.event().await;
        assert_eq!(heard[1]["content"], "an order");
        let meta = (v == 2).then(|| json!({"step": step}));
        assert_eq!(heard[1].get("meta"), meta.as_ref(), "{heard}");
        offset = heard[2].clone();
    }
    server.stop().await;
}
