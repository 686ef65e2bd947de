//! How people are shown, and who hears that it is another way now.

use chatd::config::Config;
use chatd::store::Location;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire, config};

/// Connects with this payload beside the token; gives the welcome too.
async fn connect(server: &TestServer, person: &Person, more: Value) -> (Wire, Value) {
    let mut auth = json!({"token": person.token});
    for (key, value) in more.as_object().unwrap() {
        auth[key] = value.clone();
    }
    let mut wire = server.websocket("").await;
    assert!(wire.text().await.starts_with("0{"));
    wire.say(&format!("40{auth}")).await;
    let welcome = wire.text().await;
    let welcome = serde_json::from_str(welcome.strip_prefix("40").unwrap()).unwrap();
    (wire, welcome)
}

async fn rename(server: &TestServer, person: &Person, wish: Value) {
    let body = wish.to_string();
    let path = "/api/auth/me";
    let reply = server.send("PATCH", path, Some(&person.token), &body).await;
    assert!(reply.status.is_success(), "{}", reply.body);
}

async fn send(wire: &mut Wire, to: &Person, content: &str) {
    let message = json!({"receiver_id": to.id, "content": content});
    let (ack, _) = wire.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true, "{ack}");
}

fn shown(person: &Person, name: &str, avatar: Value) -> Value {
    json!({"user_id": person.id, "username": "ada", "name": name, "avatar": avatar})
}

#[tokio::test]
async fn those_who_share_a_chat_hear_of_another_name_or_picture_and_no_others() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut hers = server.connect_second(&ada).await;
    let mut new = server.connect_second(&bob).await;
    let mut old = server.connect(&bob).await;
    let mut strangers = server.connect_second(&carl).await;
    send(&mut hers, &bob, "hi").await;
    for wire in [&mut new, &mut old] {
        assert_eq!(wire.expect("receive_message").await["content"], "hi");
    }
    rename(&server, &ada, json!({"name": "Ada Lovelace"})).await;
    let expected = shown(&ada, "Ada Lovelace", Value::Null);
    for wire in [&mut new, &mut hers] {
        let event = wire.event().await;
        // Without a cursor: it is no place in the order.
        assert_eq!(event, json!(["user_changed", expected]));
    }
    let picture = "https://example.org/a.png";
    rename(&server, &ada, json!({"avatar": picture})).await;
    let expected = shown(&ada, "Ada Lovelace", json!(picture));
    for wire in [&mut new, &mut hers] {
        assert_eq!(wire.expect("user_changed").await, expected);
    }
    // What changes nothing of that is no news; and a version 1 client, and a stranger, heard none
    // of it.
    rename(&server, &ada, json!({"name": "Ada Lovelace"})).await;
    send(&mut hers, &bob, "bye").await;
    for wire in [&mut new, &mut old] {
        assert_eq!(wire.event().await[0], "receive_message");
    }
    let (ack, before) = strangers
        .call(1, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!((&ack["success"], before.len()), (&json!(true), 0));
    server.stop().await;
}

#[tokio::test]
async fn a_socket_that_is_recovered_hears_who_is_shown_otherwise_over_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = || Config {
        data: Location::File(folder.path().join("chatd.redb")),
        ..config()
    };
    let server = TestServer::with(at()).await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut hers = server.connect(&ada).await;
    send(&mut hers, &bob, "hi").await;
    let (mut his, welcome) = connect(&server, &bob, json!({"v": 2})).await;
    send(&mut hers, &bob, "are you there?").await;
    let offset = his.event().await[2].clone();
    drop(his);
    rename(&server, &carl, json!({"name": "Carl Carlson"})).await;
    for name in ["Ada", "Ada Lovelace"] {
        rename(&server, &ada, json!({"name": name})).await;
    }
    let expected = json!(["user_changed", shown(&ada, "Ada Lovelace", Value::Null)]);
    let kept = json!({"v": 2, "pid": welcome["pid"], "offset": offset});
    let (mut his, again) = connect(&server, &bob, kept.clone()).await;
    assert_eq!(again["pid"], welcome["pid"], "it is recovered");
    assert_eq!(his.event().await, expected);
    drop(his);
    // One of version 1 is recovered as it always was.
    let first = json!({"pid": welcome["pid"], "offset": offset});
    let (mut his, again) = connect(&server, &bob, first).await;
    assert_eq!(again["pid"], welcome["pid"]);
    send(&mut hers, &bob, "hello?").await;
    let event = his.event().await;
    assert_eq!(
        (&event[0], &event[1]["content"]),
        (&json!("receive_message"), &json!("hello?"))
    );
    drop(his);
    server.stop().await;
    let server = TestServer::with(at()).await;
    let (mut his, again) = connect(&server, &bob, kept).await;
    assert_eq!(again["pid"], welcome["pid"]);
    assert_eq!(his.event().await[1]["content"], "hello?");
    assert_eq!(his.event().await, expected);
    server.stop().await;
}

/// Who deletes their account leaves all rooms by that, so those who met them in rooms alone went on
/// seeing the name and the picture that they had had.
#[tokio::test]
async fn those_who_met_somebody_in_rooms_alone_hear_that_they_are_gone_live_and_caught_up() {
    let server = TestServer::start().await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let body = json!({"name": "Ops", "member_ids": [ada.id, bob.id]}).to_string();
    let made = server
        .send("POST", "/api/rooms", Some(&carl.token), &body)
        .await;
    let room = made.json()["data"]["id"].clone();
    let (mut his, welcome) = connect(&server, &bob, json!({"v": 2})).await;
    let mut carls = server.connect_second(&carl).await;
    let message = json!({"room_id": room, "content": "hi"});
    let (ack, _) = carls.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true, "{ack}");
    let event = his.event().await;
    assert_eq!(event[0], "room_message");
    let offset = event[2].clone();
    drop(his);

    let body = json!({"current_password": "password1"}).to_string();
    let left = server
        .send("DELETE", "/api/auth/me", Some(&ada.token), &body)
        .await;
    assert!(left.status.is_success(), "{}", left.body);
    let name = format!("deleted-{}", ada.id);
    let expected =
        json!({"user_id": ada.id, "username": name, "name": name, "avatar": null, "deleted": true});
    let told = loop {
        let mut event = carls.event().await;
        if event[0] == "user_changed" {
            break event[1].take();
        }
    };
    assert_eq!(told, expected);
    let kept = json!({"v": 2, "pid": welcome["pid"], "offset": offset});
    let (mut his, again) = connect(&server, &bob, kept).await;
    assert_eq!(again["pid"], welcome["pid"], "it is recovered");
    assert_eq!(his.event().await[1]["change"], "left");
    assert_eq!(his.event().await, json!(["user_changed", expected]));
    server.stop().await;
}
