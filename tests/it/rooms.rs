//! Rooms over the wire: what sockets say and hear of them, what REST does and shows, and what is
//! refused.

use std::path::Path;

use chatd::chat::RoomCreation;
use chatd::config::Config;
use chatd::store::Location;
use serde_json::{Value, json};

use crate::support::{Person, Reply, TestServer, Wire, config};

/// Asks as this person; the answer must be a success.
pub async fn ask(
    server: &TestServer,
    person: &Person,
    method: &str,
    path: &str,
    body: Value,
) -> Value {
    let reply = tried(server, person, method, path, body).await;
    assert!(reply.status.is_success(), "{method} {path}: {}", reply.body);
    reply.json()
}

pub async fn tried(
    server: &TestServer,
    person: &Person,
    method: &str,
    path: &str,
    body: Value,
) -> Reply {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    server.send(method, path, Some(&person.token), &body).await
}

/// Makes a room of these people, the first of whom is its owner.
pub async fn room_of(server: &TestServer, people: &[&Person], more: Value) -> u64 {
    let ids: Vec<u64> = people[1..].iter().map(|person| person.id).collect();
    let mut body = json!({"name": "Ops", "member_ids": ids});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    let room = ask(server, people[0], "POST", "/api/rooms", body).await;
    room["data"]["id"].as_u64().unwrap()
}

pub async fn say(wire: &mut Wire, room: u64, more: Value) -> Value {
    let mut message = json!({"room_id": room, "content": "Halo!"});
    for (key, value) in more.as_object().unwrap() {
        message[key] = value.clone();
    }
    wire.call(1, "send_message", message).await.0
}

/// It was ignored, so that a page of one chat was taken for a page of another.
#[tokio::test]
async fn a_room_in_the_query_of_a_chat_of_two_is_refused_by_its_key() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.connect(&bob).await;
    let message = json!({"receiver_id": ada.id, "content": "Halo!"});
    let (sent, _) = wire.call(1, "send_message", message).await;
    let id = &sent["data"]["id"];
    for (method, path) in [
        ("GET", "/api/chats".to_owned()),
        ("GET", "/api/chats/unread".to_owned()),
        ("GET", "/api/chats/updates".to_owned()),
        ("GET", format!("/api/chats/history/{}", bob.id)),
        ("PATCH", format!("/api/chats/{id}/read")),
    ] {
        let with_room = format!("{path}?room_id=1");
        let refused = tried(&server, &ada, method, &with_room, Value::Null).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, "invalid_payload".into())
        );
        assert!(refused.body.contains("room_id"), "{}", refused.body);
        ask(&server, &ada, method, &path, Value::Null).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_message_to_a_room_is_heard_by_its_members_of_version_2_and_counted() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let (mut sender, mut other) = (
        server.connect_second(&ada).await,
        server.connect_second(&ada).await,
    );
    let (mut receiver, mut old, mut stranger) = (
        server.connect_second(&bob).await,
        server.connect(&bob).await,
        server.connect_second(&carl).await,
    );
    let more = json!({"client_id": "c", "mentions": [bob.id], "meta": {"a": 1}});
    let ack = say(&mut sender, room, more.clone()).await;
    let data = &ack["data"];
    assert_eq!(
        *data,
        json!({
            "id": data["id"], "room_id": room, "number": 1, "sender_id": ada.id, "content": "Halo!",
            "created_at": data["created_at"], "client_id": "c", "mentions": [bob.id], "meta": {"a": 1},
        })
    );
    assert_eq!(other.expect("room_message").await, *data);
    let heard = receiver.event().await;
    let mut expected = data.clone();
    expected.as_object_mut().unwrap().remove("client_id");
    assert_eq!(heard[1], expected);
    assert!(heard[2].is_string(), "its cursor");
    // Sent again, it is the same message, to the asking socket alone.
    assert_eq!(say(&mut other, room, more).await, ack);
    // What the others hear next is something else: none of it reached them.
    let direct = json!({"receiver_id": bob.id, "content": "x"});
    sender.call(2, "send_message", direct).await;
    assert_eq!(receiver.expect("receive_message").await["content"], "x");
    assert_eq!(old.expect("receive_message").await["content"], "x");
    let direct = json!({"receiver_id": carl.id, "content": "y"});
    sender.call(2, "send_message", direct).await;
    assert_eq!(stranger.expect("receive_message").await["content"], "y");

    let inbox = server.get("/api/inbox", &bob.token).await;
    let rows = inbox["data"].as_array().unwrap();
    let kinds: Vec<_> = rows
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["direct", "room"], "newest first");
    let row = &rows[1];
    assert_eq!(
        (
            &row["room"]["name"],
            &row["unread_count"],
            &row["mention_count"],
            &row["notify"],
            &row["muted_until"]
        ),
        (
            &json!("Ops"),
            &json!(1),
            &json!(1),
            &json!("all"),
            &Value::Null
        )
    );
    assert_eq!(row["last_message"], expected);
    assert_eq!(rows[0]["user"]["username"], "ada");
    assert_eq!(rows[0]["last_message"]["content"], "x");
    assert_eq!(inbox["meta"], json!({"unread_total": 2}));
    let first = server.get("/api/inbox?limit=1", &bob.token).await;
    let next = first["meta"]["next_before"].as_str().unwrap();
    let second = server
        .get(&format!("/api/inbox?before={next}"), &bob.token)
        .await;
    assert_eq!(
        json!([first["data"][0], second["data"][0]]),
        json!([rows[0], rows[1]])
    );
    server.stop().await;
}

#[tokio::test]
async fn a_position_moves_forward_and_others_hear_how_far_it_is() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let mut sender = server.connect_second(&ada).await;
    let (mut reader, mut other) = (
        server.connect_second(&bob).await,
        server.connect_second(&bob).await,
    );
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(say(&mut sender, room, json!({})).await["data"]["id"].clone());
        reader.expect("room_message").await;
        other.expect("room_message").await;
    }
    let (ack, _) = reader
        .call(
            2,
            "mark_chat_as_read",
            json!({"room_id": room, "up_to": ids[1]}),
        )
        .await;
    let read = json!({"room_id": room, "up_to": ids[1], "unread_count": 1, "mention_count": 0});
    assert_eq!(ack["data"], read);
    assert_eq!(other.expect("room_read").await, read);
    assert_eq!(
        sender.expect("room_seen").await,
        json!({"room_id": room, "user_id": bob.id, "up_to": ids[1]})
    );
    // Backwards it does not move, and all is one further mark.
    let path = format!("/api/rooms/{room}/read");
    let back = ask(&server, &bob, "POST", &path, json!({"up_to": ids[0]})).await;
    assert_eq!(back["data"], read);
    let all = ask(&server, &bob, "POST", &path, Value::Null).await;
    assert_eq!(
        (&all["data"]["up_to"], &all["data"]["unread_count"]),
        (&ids[2], &json!(0))
    );
    let reads = server
        .get(&format!("/api/rooms/{room}/reads"), &ada.token)
        .await;
    assert_eq!(
        reads["data"],
        json!([{"user_id": ada.id, "up_to": null}, {"user_id": bob.id, "up_to": ids[2]}])
    );
    // Typing is heard by the others alone.
    let typing = json!({"room_id": room, "is_typing": true});
    assert_eq!(reader.call(3, "typing", typing).await.0["success"], true);
    assert_eq!(sender.expect("room_seen").await["up_to"], ids[2]);
    assert_eq!(
        sender.expect("room_typing").await,
        json!({"room_id": room, "user_id": bob.id, "is_typing": true})
    );
    server.stop().await;
}

/// A mark of a message of the reader's own was acked, and left the position where it was.
#[tokio::test]
async fn a_position_moves_to_what_the_reader_wrote_themselves() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let mut sender = server.connect_second(&ada).await;
    let mut other = server.connect_second(&bob).await;
    let path = format!("/api/rooms/{room}/reads");
    for event in ["mark_chat_as_read", "mark_as_read"] {
        let id = say(&mut sender, room, json!({})).await["data"]["id"].clone();
        other.expect("room_message").await;
        let payload = match event {
            "mark_as_read" => json!({"message_id": id}),
            _ => json!({"room_id": room}),
        };
        let (ack, _) = sender.call(2, event, payload).await;
        match event {
            "mark_as_read" => assert_eq!(ack["data"], json!({"message_id": id})),
            _ => assert_eq!(
                ack["data"],
                json!({"room_id": room, "up_to": id, "unread_count": 0, "mention_count": 0})
            ),
        }
        let seen = other.expect("room_seen").await;
        assert_eq!(
            seen,
            json!({"room_id": room, "user_id": ada.id, "up_to": id})
        );
        let reads = server.get(&path, &bob.token).await;
        assert_eq!(
            reads["data"],
            json!([{"user_id": ada.id, "up_to": id}, {"user_id": bob.id, "up_to": null}])
        );
    }
    server.stop().await;
}

/// A reader who marks each message that is shown made an entry of each.
#[tokio::test]
async fn marks_of_one_person_in_one_room_are_stored_once_a_second_and_each_is_answered() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let mut sender = server.connect_second(&ada).await;
    let (mut reader, mut other) = (
        server.connect_second(&bob).await,
        server.connect_second(&bob).await,
    );
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(say(&mut sender, room, json!({})).await["data"]["id"].clone());
        reader.expect("room_message").await;
        other.expect("room_message").await;
    }
    let marks = ids.iter().enumerate().map(|(place, id)| {
        let event = match place % 2 {
            0 => json!(["mark_as_read", {"message_id": id}]),
            _ => json!(["mark_chat_as_read", {"room_id": room, "up_to": id}]),
        };
        format!("42{place}{event}")
    });
    reader.say_at_once(marks.collect::<Vec<_>>()).await;
    // What is said while they wait is not read by them.
    say(&mut sender, room, json!({})).await;
    let mut acks = 0;
    while acks < ids.len() {
        let text = reader.text().await;
        if text.starts_with("43") {
            assert!(text.contains(r#""success":true"#), "{text}");
            acks += 1;
        }
    }
    // How many seconds it took is the machine's; each has one.
    let mut told = 0;
    loop {
        let event = other.event().await;
        told += u32::from(event[0] == "room_read");
        if event[1]["up_to"] == ids[29] {
            break;
        }
    }
    let shown = server.get(&format!("/api/rooms/{room}"), &bob.token).await;
    assert_eq!(shown["data"]["mine"]["unread_count"], 1);
    assert!((2..15).contains(&told), "{told} entries");
    server.stop().await;
}

/// A mark of a message to which somebody had reacted was stored at once, however many came.
#[tokio::test]
async fn marks_of_messages_with_reactions_are_stored_once_a_second_too() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let mut sender = server.connect_second(&ada).await;
    let mut reader = server.connect_second(&bob).await;
    let mut other = server.connect_second(&bob).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        let id = say(&mut sender, room, json!({})).await["data"]["id"].clone();
        let react = json!({"message_id": id, "emoji": "👍", "on": true});
        let (ack, _) = sender.call(2, "react", react).await;
        assert_eq!(ack["success"], true, "{ack}");
        ids.push(id);
    }
    for wire in [&mut reader, &mut other] {
        for _ in &ids {
            wire.expect("room_message").await;
            wire.expect("reaction").await;
        }
    }
    let marks = ids.iter().enumerate().map(|(place, id)| {
        let event = json!(["mark_as_read", {"message_id": id}]);
        format!("42{place}{event}")
    });
    reader.say_at_once(marks.collect::<Vec<_>>()).await;
    let mut told = 0;
    loop {
        let event = other.event().await;
        told += u32::from(event[0] == "room_read");
        if event[1]["up_to"] == ids[29] {
            break;
        }
    }
    // How many seconds it took is the machine's; each has one.
    assert!((2..15).contains(&told), "{told} entries");
    server.stop().await;
}

/// A mark of a message that was not in memory any more was stored at once, however many came.
#[tokio::test]
async fn marks_of_messages_that_lie_on_disk_alone_are_stored_once_a_second_too() {
    let mut config = config();
    config.budget.newest_messages = 0;
    let server = TestServer::with(config).await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let mut sender = server.connect_second(&ada).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(say(&mut sender, room, json!({})).await["data"]["id"].clone());
    }
    let mut reader = server.connect_second(&bob).await;
    let mut other = server.connect_second(&bob).await;
    let marks = ids.iter().enumerate().map(|(place, id)| {
        let event = json!(["mark_as_read", {"message_id": id}]);
        format!("42{place}{event}")
    });
    reader.say_at_once(marks.collect::<Vec<_>>()).await;
    let mut acks = 0;
    while acks < ids.len() {
        let text = reader.text().await;
        if text.starts_with("43") {
            assert!(text.contains(r#""success":true"#), "{text}");
            acks += 1;
        }
    }
    // How many seconds it took is the machine's; each has one.
    let mut told = 0;
    loop {
        let event = other.event().await;
        told += u32::from(event[0] == "room_read");
        if event[1]["up_to"] == ids[29] {
            break;
        }
    }
    assert!((1..15).contains(&told), "{told} entries");
    // What is no message of a room of theirs is refused as ever.
    let carl = server.register("carl").await;
    let mut stranger = server.connect_second(&carl).await;
    for id in [ids[0].clone(), json!(1_000_000)] {
        let mark = json!({"message_id": id});
        let (ack, _) = stranger.call(1, "mark_as_read", mark).await;
        assert_eq!(ack["error"]["code"], "not_found", "{ack}");
    }
    server.stop().await;
}

/// It left out what a chat held that notifies of nothing, which is not muted by that.
#[tokio::test]
async fn the_total_of_the_inbox_leaves_out_what_is_muted_and_nothing_else() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let mut sender = server.connect_second(&ada).await;
    say(&mut sender, room, json!({})).await;
    say(&mut sender, room, json!({"mentions": [bob.id]})).await;
    let direct = json!({"receiver_id": bob.id, "content": "x"});
    sender.call(2, "send_message", direct).await;
    let (of_room, of_two) = (
        format!("/api/rooms/{room}/me"),
        format!("/api/chats/{}/me", ada.id),
    );
    let (past, future) = ("2020-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z");
    for (path, change, total) in [
        (&of_room, json!({"notify": "none"}), 3),
        (&of_two, json!({"notify": "none"}), 3),
        (&of_room, json!({"notify": "mentions"}), 3),
        (&of_room, json!({"muted_until": past}), 3),
        (&of_room, json!({"muted_until": future}), 2),
        (&of_two, json!({"muted_until": future}), 1),
        (&of_room, json!({"muted_until": null}), 2),
    ] {
        ask(&server, &bob, "PATCH", path, change.clone()).await;
        let inbox = server.get("/api/inbox", &bob.token).await;
        assert_eq!(inbox["meta"]["unread_total"], total, "{path} {change}");
    }
    server.stop().await;
}

/// A member of a large room was found by their username alone, and not by the name that is shown.
#[tokio::test]
async fn members_are_found_by_a_part_of_either_name() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let named = json!({"name": "Eve Smith"});
    ask(&server, &bob, "PATCH", "/api/auth/me", named).await;
    for (query, found) in [
        ("eve", json!([bob.id])),
        ("SMITH", json!([bob.id])),
        ("bo", json!([bob.id])),
        ("ada", json!([ada.id])),
        ("carl", json!([])),
        ("", json!([ada.id, bob.id])),
    ] {
        let path = format!("/api/rooms/{room}/members?query={query}");
        let page = server.get(&path, &ada.token).await;
        let rows = page["data"].as_array().unwrap().iter();
        let ids: Vec<&Value> = rows.map(|row| &row["user_id"]).collect();
        assert_eq!(json!(ids), found, "{query}");
    }
    server.stop().await;
}

/// Where the past is hidden a page said that there was something newer, which nobody could read,
/// and one around the first message that is shown was half empty.
#[tokio::test]
async fn a_page_of_a_room_that_hides_its_past_tells_of_what_is_shown_alone() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada], json!({"history": "joined"})).await;
    let mut wire = server.connect_second(&ada).await;
    let mut hidden = Vec::new();
    for _ in 0..20 {
        let id = say(&mut wire, room, json!({})).await["data"]["id"].clone();
        hidden.push(id.as_u64().unwrap());
    }
    let path = format!("/api/rooms/{room}/members/{}", bob.id);
    ask(&server, &ada, "PUT", &path, json!({})).await;
    let page = async |query: String| {
        let path = format!("/api/rooms/{room}/history?{query}");
        let page = server.get(&path, &bob.token).await;
        let rows = page["data"].as_array().unwrap().iter();
        let ids: Vec<u64> = rows.map(|row| row["id"].as_u64().unwrap()).collect();
        (ids, page["meta"].clone())
    };
    let meta = |has_more, has_newer| json!({"has_more": has_more, "has_newer": has_newer});
    let (first, last) = (hidden[0], hidden[19]);
    for query in [
        format!("before={first}"),
        format!("before={last}"),
        format!("after={first}&before={last}"),
        format!("around={first}"),
    ] {
        let (ids, said) = page(query.clone()).await;
        assert_eq!((ids, said), (vec![], meta(false, false)), "{query}");
    }
    let mut shown = Vec::new();
    for _ in 0..12 {
        let id = say(&mut wire, room, json!({})).await["data"]["id"].clone();
        shown.push(id.as_u64().unwrap());
    }
    for (query, wanted, has_more, has_newer) in [
        (format!("before={last}"), &shown[..0], false, true),
        (format!("limit=8&around={first}"), &shown[..8], false, true),
        (
            format!("limit=8&around={}", shown[0]),
            &shown[..8],
            false,
            true,
        ),
        (
            format!("limit=8&around={}", shown[6]),
            &shown[2..10],
            true,
            true,
        ),
        (
            format!("limit=8&around={}", shown[11]),
            &shown[4..],
            true,
            false,
        ),
        (format!("around={}", shown[0]), &shown[..], false, false),
    ] {
        let (ids, said) = page(query.clone()).await;
        assert_eq!(
            (ids.as_slice(), said),
            (wanted, meta(has_more, has_newer)),
            "{query}"
        );
    }
    server.stop().await;
}

/// Others were told that somebody typed until they looked away.
#[tokio::test]
async fn who_is_gone_types_no_more_and_of_a_large_room_nobody_hears_it() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let (mut typist, mut reader) = (
        server.connect_second(&ada).await,
        server.connect_second(&bob).await,
    );
    let typing = |is_typing| json!({"room_id": room, "is_typing": is_typing});
    let heard = |is_typing| json!({"room_id": room, "user_id": ada.id, "is_typing": is_typing});
    typist.call(1, "typing", typing(true)).await;
    assert_eq!(reader.expect("room_typing").await, heard(true));
    drop(typist);
    assert_eq!(reader.expect("room_typing").await, heard(false));
    // One who had stopped is not told of again.
    let mut typist = server.connect_second(&ada).await;
    for is_typing in [true, false] {
        typist.call(1, "typing", typing(is_typing)).await;
        assert_eq!(reader.expect("room_typing").await, heard(is_typing));
    }
    drop(typist);
    let mut typist = server.connect_second(&ada).await;
    let mut crowd = Vec::new();
    for number in 0..99 {
        crowd.push(server.register(&format!("person{number}")).await.id);
    }
    let path = format!("/api/rooms/{room}/members");
    ask(&server, &ada, "PUT", &path, json!(crowd)).await;
    let (ack, _) = typist.call(1, "typing", typing(true)).await;
    assert_eq!(ack["success"], true);
    say(&mut typist, room, json!({"content": "said"})).await;
    loop {
        let event = reader.event().await;
        assert_ne!(event[0], "room_typing", "{event}");
        if event[0] == "room_message" {
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_chat_is_in_view_of_those_who_are_in_it() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada], json!({})).await;
    let (mut owner, mut stranger) = (
        server.connect_second(&ada).await,
        server.connect_second(&bob).await,
    );
    for view in [json!({"room_id": room}), json!({"receiver_id": bob.id})] {
        for on in [true, true, false, false] {
            let mut view = view.clone();
            view["on"] = on.into();
            let (ack, _) = owner.call(1, "in_view", view).await;
            assert_eq!(ack, json!({"success": true, "data": {}}));
        }
    }
    for (view, code, says) in [
        (
            json!({"room_id": room, "on": true}),
            "not_found",
            "no such room",
        ),
        (
            json!({"room_id": 99, "on": false}),
            "not_found",
            "no such room",
        ),
        (
            json!({"receiver_id": 99, "on": true}),
            "not_found",
            "no such user",
        ),
        (
            json!({"receiver_id": bob.id, "on": true}),
            "invalid_receiver",
            "",
        ),
        (
            json!({"on": true}),
            "invalid_payload",
            "receiver_id is missing",
        ),
        (json!({"room_id": room}), "invalid_payload", "on is missing"),
        (
            json!({"room_id": room, "on": "yes"}),
            "invalid_payload",
            "on: ",
        ),
        (
            json!({"room_id": room, "receiver_id": 1, "on": true}),
            "invalid_payload",
            "room_id: stands in place of receiver_id",
        ),
    ] {
        let (ack, _) = stranger.call(1, "in_view", view.clone()).await;
        let message = ack["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(ack["error"]["code"], code, "{view}: {ack}");
        assert!(message.contains(says), "{view}: {message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_joins_hears_from_then_on_and_who_was_removed_hears_of_that_and_of_nothing_after_it() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada], json!({"history": "joined"})).await;
    let (mut owner, mut guest) = (
        server.connect_second(&ada).await,
        server.connect_second(&bob).await,
    );
    say(&mut owner, room, json!({"content": "before"})).await;
    let member = format!("/api/rooms/{room}/members/{}", bob.id);
    ask(&server, &ada, "PUT", &member, Value::Null).await;
    let joined = guest.expect("room_member").await;
    assert_eq!(
        (
            &joined["change"],
            &joined["role"],
            &joined["by"],
            &joined["room"]["member_count"]
        ),
        (
            &json!("joined"),
            &json!("member"),
            &json!(ada.id),
            &json!(2)
        )
    );
    assert_eq!(owner.expect("room_member").await.get("room"), None);
    say(&mut owner, room, json!({"content": "after"})).await;
    assert_eq!(guest.expect("room_message").await["content"], "after");
    let history = format!("/api/rooms/{room}/history");
    let page = server.get(&history, &bob.token).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["meta"], json!({"has_more": false, "has_newer": false}));
    let all = server.get(&history, &ada.token).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    let hidden = format!("/api/messages/{}", all["data"][0]["id"]);
    assert_eq!(
        tried(&server, &bob, "GET", &hidden, Value::Null)
            .await
            .status,
        404
    );
    let shown = format!("/api/messages/{}", all["data"][1]["id"]);
    assert_eq!(server.get(&shown, &bob.token).await["data"], all["data"][1]);
    ask(&server, &ada, "DELETE", &member, Value::Null).await;
    assert_eq!(guest.expect("room_member").await["change"], "removed");
    assert_eq!(owner.expect("room_member").await["user_id"], bob.id);
    say(&mut owner, room, json!({"content": "unheard"})).await;
    let direct = json!({"receiver_id": bob.id, "content": "x"});
    owner.call(2, "send_message", direct).await;
    assert_eq!(guest.expect("receive_message").await["content"], "x");
    assert_eq!(
        tried(&server, &bob, "GET", &history, Value::Null)
            .await
            .status,
        404
    );
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_rooms_is_refused_with_its_code_and_the_key() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob], json!({"post": "admins"})).await;
    let mine = format!("/api/rooms/{room}");
    let member = |person: &Person| format!("{mine}/members/{}", person.id);
    let nobody = format!("{mine}/members/99");
    let cases = [
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({}),
            "invalid_payload",
            "name is missing",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": " "}),
            "invalid_payload",
            "name",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": "x".repeat(65)}),
            "invalid_payload",
            "name",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": "x", "topic": "x".repeat(501)}),
            "invalid_payload",
            "topic",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": "x", "topic": "\u{1b}]0;owned\u{7}"}),
            "invalid_payload",
            "topic",
        ),
        (
            &ada,
            "PATCH",
            &*mine,
            json!({"topic": "two\nlines"}),
            "invalid_payload",
            "topic",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": "x", "avatar": "http://example.org/a.png"}),
            "invalid_payload",
            "avatar must be an https: URL",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": "x", "kind": "secret"}),
            "invalid_payload",
            "kind: ",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": "x", "member_ids": [99]}),
            "not_found",
            "no such user",
        ),
        (
            &ada,
            "POST",
            "/api/rooms",
            json!({"name": "x", "member_ids": "2"}),
            "invalid_payload",
            "member_ids: ",
        ),
        (
            &carl,
            "GET",
            &*mine,
            Value::Null,
            "not_found",
            "no such room",
        ),
        (
            &carl,
            "PATCH",
            &*mine,
            json!({"name": "x"}),
            "not_found",
            "no such room",
        ),
        (
            &bob,
            "PATCH",
            &*mine,
            json!({"name": "x"}),
            "forbidden",
            "only an admin",
        ),
        (
            &ada,
            "PATCH",
            &*mine,
            json!({"name": 7}),
            "invalid_payload",
            "name: ",
        ),
        (
            &bob,
            "DELETE",
            &*mine,
            Value::Null,
            "forbidden",
            "only an owner",
        ),
        (
            &bob,
            "PUT",
            &*member(&carl),
            Value::Null,
            "forbidden",
            "only an admin",
        ),
        (
            &ada,
            "PUT",
            &*nobody,
            Value::Null,
            "not_found",
            "no such user",
        ),
        (
            &ada,
            "PUT",
            &*member(&bob),
            json!({"role": "king"}),
            "invalid_payload",
            "role: ",
        ),
        (
            &ada,
            "PUT",
            &*format!("{mine}/members"),
            json!({}),
            "invalid_payload",
            "a list",
        ),
        (
            &ada,
            "PUT",
            &*format!("{mine}/members"),
            json!([2, "x"]),
            "invalid_payload",
            "id 1: ",
        ),
        (
            &ada,
            "POST",
            &*format!("{mine}/leave"),
            Value::Null,
            "forbidden",
            "last owner",
        ),
        (
            &ada,
            "PUT",
            &*member(&ada),
            json!({"role": "member"}),
            "forbidden",
            "last owner",
        ),
        (
            &carl,
            "POST",
            &*format!("{mine}/join"),
            Value::Null,
            "not_found",
            "no such room",
        ),
        (
            &carl,
            "GET",
            &*format!("{mine}/members"),
            Value::Null,
            "not_found",
            "no such room",
        ),
        (
            &carl,
            "GET",
            &*format!("{mine}/history"),
            Value::Null,
            "not_found",
            "no such room",
        ),
        (
            &ada,
            "GET",
            &*format!("{mine}/history?around=1&after=2"),
            Value::Null,
            "invalid_payload",
            "around: ",
        ),
        (
            &carl,
            "POST",
            &*format!("{mine}/read"),
            Value::Null,
            "not_found",
            "no such room",
        ),
        (
            &ada,
            "POST",
            &*format!("{mine}/read"),
            json!({"up_to": "x"}),
            "invalid_payload",
            "up_to: ",
        ),
        (
            &ada,
            "PATCH",
            &*format!("{mine}/me"),
            json!({"notify": "loud"}),
            "invalid_payload",
            "notify: ",
        ),
        (
            &ada,
            "PATCH",
            &*format!("{mine}/me"),
            json!({"muted_until": "soon"}),
            "invalid_payload",
            "muted_until: ",
        ),
        (
            &ada,
            "PATCH",
            &*format!("/api/chats/{}/me", ada.id),
            json!({}),
            "invalid_receiver",
            "user_id must be",
        ),
        (
            &ada,
            "PATCH",
            "/api/chats/99/me",
            json!({}),
            "not_found",
            "no such user",
        ),
        (
            &ada,
            "GET",
            "/api/rooms/x",
            Value::Null,
            "invalid_payload",
            "id: ",
        ),
    ];
    for (person, method, path, body, code, says) in cases {
        let reply = tried(&server, person, method, path, body.clone()).await;
        let message = reply.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(reply.code(), code, "{method} {path} {body}: {message}");
        assert!(message.contains(says), "{method} {path} {body}: {message}");
    }
    let (mut owner, mut reader) = (
        server.connect_second(&ada).await,
        server.connect_second(&bob).await,
    );
    let sent = say(&mut owner, room, json!({})).await["data"]["id"].clone();
    reader.expect("room_message").await;
    for (event, payload, code, says) in [
        (
            "send_message",
            json!({"room_id": room, "content": "x"}),
            "read_only",
            "only admins write",
        ),
        (
            "send_message",
            json!({"room_id": 99, "content": "x"}),
            "not_found",
            "no such room",
        ),
        (
            "send_message",
            json!({"room_id": room, "receiver_id": 1, "content": "x"}),
            "invalid_payload",
            "room_id: stands in place of receiver_id",
        ),
        (
            "send_message",
            json!({"room_id": "x", "content": "x"}),
            "invalid_payload",
            "room_id: ",
        ),
        (
            "send_message",
            json!({"room_id": room}),
            "invalid_payload",
            "content is missing",
        ),
        (
            "send_message",
            json!({"room_id": room, "content": " "}),
            "empty_message",
            "",
        ),
        (
            "mark_chat_as_read",
            json!({"room_id": 99}),
            "not_found",
            "no such room",
        ),
        (
            "mark_chat_as_read",
            json!({"room_id": room, "user_id": 1}),
            "invalid_payload",
            "room_id: ",
        ),
        (
            "mark_as_read",
            json!({"message_id": 9999}),
            "not_found",
            "no such message",
        ),
        (
            "typing",
            json!({"room_id": 99, "is_typing": true}),
            "not_found",
            "no such room",
        ),
        (
            "typing",
            json!({"room_id": room}),
            "invalid_payload",
            "is_typing is missing",
        ),
    ] {
        let (ack, _) = reader.call(1, event, payload.clone()).await;
        let message = ack["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(ack["error"]["code"], code, "{event} {payload}: {ack}");
        assert!(message.contains(says), "{event} {payload}: {message}");
    }
    for (payload, code, says) in [
        (
            json!({"mentions": [carl.id]}),
            "invalid_payload",
            "mentions",
        ),
        (json!({"mentions": "all"}), "invalid_payload", "mentions: "),
        (
            json!({"mentions": (1..=51).collect::<Vec<u64>>()}),
            "invalid_payload",
            "mentions",
        ),
        (
            json!({"mention_all": 1}),
            "invalid_payload",
            "mention_all: ",
        ),
    ] {
        let ack = say(&mut owner, room, payload.clone()).await;
        let message = ack["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(ack["error"]["code"], code, "{payload}: {ack}");
        assert!(message.contains(says), "{payload}: {message}");
    }
    // To a socket of version 1 there are no rooms, in no route of its either.
    let mut old = server.connect(&bob).await;
    for (event, payload, code) in [
        (
            "send_message",
            json!({"room_id": room, "content": "x"}),
            "invalid_payload",
        ),
        (
            "mark_chat_as_read",
            json!({"room_id": room}),
            "invalid_payload",
        ),
        (
            "typing",
            json!({"room_id": room, "is_typing": true}),
            "invalid_payload",
        ),
        ("mark_as_read", json!({"message_id": sent}), "not_found"),
    ] {
        let (ack, _) = old.call(1, event, payload.clone()).await;
        assert_eq!(ack["error"]["code"], code, "{event} {payload}: {ack}");
    }
    let path = format!("/api/chats/{sent}/read");
    assert_eq!(
        tried(&server, &bob, "PATCH", &path, Value::Null)
            .await
            .status,
        404
    );
    // Archived, it is read and not written to.
    ask(&server, &ada, "DELETE", &mine, Value::Null).await;
    assert_eq!(
        say(&mut owner, room, json!({})).await["error"]["code"],
        "read_only"
    );
    assert_eq!(
        server.get("/api/rooms", &ada.token).await["data"],
        json!([])
    );
    let archived = server.get("/api/rooms?archived=true", &ada.token).await;
    assert_eq!(archived["data"][0]["id"], room);
    server.stop().await;
}

#[tokio::test]
async fn a_room_is_found_joined_set_changed_and_left() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(
        &server,
        &[&ada],
        json!({"kind": "open", "name": "Watercooler"}),
    )
    .await;
    let path = format!("/api/rooms/{room}");
    let found = server.get("/api/rooms/open?query=cooler", &bob.token).await;
    assert_eq!(found["data"][0]["name"], "Watercooler");
    assert_eq!(
        server.get("/api/rooms/open?query=x", &bob.token).await["data"],
        json!([])
    );
    assert_eq!(
        server.get(&path, &bob.token).await["data"].get("mine"),
        None
    );
    for _ in 0..2 {
        let joined = ask(&server, &bob, "POST", &format!("{path}/join"), Value::Null).await;
        assert_eq!(joined["data"]["member_count"], 2);
    }
    assert_eq!(
        server.get("/api/rooms/open", &bob.token).await["data"],
        json!([])
    );
    let mut device = server.connect_second(&bob).await;
    let settings = json!({"notify": "mentions", "muted_until": "2100-01-01T00:00:00.000Z"});
    let set = ask(
        &server,
        &bob,
        "PATCH",
        &format!("{path}/me"),
        settings.clone(),
    )
    .await;
    assert_eq!(set["data"], settings);
    let heard = device.expect("chat_settings").await;
    assert_eq!(
        (&heard["room_id"], &heard["notify"]),
        (&json!(room), &json!("mentions"))
    );
    let pair = format!("/api/chats/{}/me", ada.id);
    let set = ask(&server, &bob, "PATCH", &pair, json!({"notify": "none"})).await;
    assert_eq!(set["data"], json!({"notify": "none", "muted_until": null}));
    assert_eq!(device.expect("chat_settings").await["user_id"], ada.id);
    let shown = server.get(&path, &bob.token).await;
    let mine = &shown["data"]["mine"];
    assert_eq!(
        (&mine["role"], &mine["notify"]),
        (&json!("member"), &json!("mentions"))
    );
    let changed = ask(
        &server,
        &ada,
        "PATCH",
        &path,
        json!({"topic": "tea", "avatar": null}),
    )
    .await;
    assert_eq!(changed["data"]["topic"], "tea");
    let heard = device.expect("room_changed").await;
    assert_eq!(
        (&heard["change"], &heard["by"]),
        (&json!("updated"), &json!(ada.id))
    );
    assert_eq!(heard["room"]["topic"], "tea");
    let members = server
        .get(&format!("{path}/members?limit=1"), &bob.token)
        .await;
    assert_eq!(members["data"][0]["username"], "ada");
    assert_eq!(members["data"][0]["role"], "owner");
    let next = members["meta"]["next_after"].as_str().unwrap();
    let rest = server
        .get(&format!("{path}/members?after={next}"), &bob.token)
        .await;
    assert_eq!(rest["data"][0]["username"], "bob");
    for _ in 0..2 {
        ask(&server, &bob, "POST", &format!("{path}/leave"), Value::Null).await;
    }
    assert_eq!(device.expect("room_member").await["change"], "left");
    assert_eq!(
        server.get("/api/rooms", &bob.token).await["data"],
        json!([])
    );
    server.stop().await;
}

/// It said that there were none, whom its maker is one of.
#[tokio::test]
async fn a_room_that_was_just_made_has_its_maker_in_it_live_and_caught_up() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let since = ask(&server, &ada, "GET", "/api/updates", Value::Null).await;
    let mut to_ada = server.connect_second(&ada).await;
    let room = room_of(&server, &[&ada, &bob], json!({})).await;
    let made = to_ada.expect("room_changed").await;
    assert_eq!(made["change"], "created");
    assert_eq!(made["room"]["member_count"], 1);
    let joined = to_ada.expect("room_member").await;
    assert_eq!(joined["room"], made["room"]);
    assert_eq!(to_ada.expect("room_member").await["user_id"], bob.id);
    let since = since["meta"]["cursor"].as_str().unwrap();
    let path = format!("/api/updates?since={since}");
    let updates = ask(&server, &ada, "GET", &path, Value::Null).await;
    assert_eq!(updates["data"][0]["data"], made);
    let one = ask(
        &server,
        &ada,
        "GET",
        &format!("/api/rooms/{room}"),
        Value::Null,
    )
    .await;
    assert_eq!(one["data"]["member_count"], 2);
    server.stop().await;
}

/// Others were told that somebody typed who could not send what they typed.
#[tokio::test]
async fn of_who_may_not_write_in_a_room_nobody_hears_that_they_type() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], json!({"post": "admins"})).await;
    let (mut owner, mut member) = (
        server.connect_second(&ada).await,
        server.connect_second(&bob).await,
    );
    let typing = |is_typing: bool| json!({"room_id": room, "is_typing": is_typing});
    let heard = |user: &Person| json!({"room_id": room, "user_id": user.id, "is_typing": true});
    let mine = format!("/api/rooms/{room}");
    let (ack, _) = member.call(1, "typing", typing(true)).await;
    assert_eq!(ack, json!({"success": true, "data": {}}));
    let (_, before) = owner.call(1, "typing", typing(true)).await;
    assert_eq!(before, Vec::<Value>::new());
    assert_eq!(member.expect("room_typing").await, heard(&ada));
    ask(&server, &ada, "PATCH", &mine, json!({"post": "all"})).await;
    for wire in [&mut owner, &mut member] {
        wire.expect("room_changed").await;
    }
    member.call(2, "typing", typing(true)).await;
    assert_eq!(owner.expect("room_typing").await, heard(&bob));
    // That they have stopped is heard, whatever the room is by then.
    ask(&server, &ada, "DELETE", &mine, Value::Null).await;
    for wire in [&mut owner, &mut member] {
        wire.expect("room_changed").await;
    }
    owner.call(2, "typing", typing(true)).await;
    owner.call(3, "typing", typing(false)).await;
    let stopped = member.expect("room_typing").await;
    assert_eq!(
        (&stopped["user_id"], &stopped["is_typing"]),
        (&json!(ada.id), &json!(false))
    );
    server.stop().await;
}

/// They were taken for keys of no meaning, whatever they were.
#[tokio::test]
async fn in_a_chat_of_two_nobody_else_is_mentioned_and_no_file_sent_that_there_is_not() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut wire = server.connect_second(&ada).await;
    let mut old = server.connect(&ada).await;
    let message = |key: &str, value: Value| {
        let mut message = json!({"receiver_id": bob.id, "content": "Halo!"});
        message[key] = value;
        message
    };
    let unknown = format!("f{}", "0".repeat(32));
    for (key, value, code) in [
        ("mentions", json!("all"), "invalid_payload"),
        ("mentions", json!([true]), "invalid_payload"),
        ("mentions", json!([carl.id]), "invalid_payload"),
        ("mentions", json!([99]), "invalid_payload"),
        ("mention_all", json!(1), "invalid_payload"),
        ("attachments", json!("x"), "invalid_payload"),
        ("attachments", json!(["x"]), "invalid_payload"),
        ("attachments", json!([unknown]), "not_found"),
    ] {
        let (ack, _) = wire.call(1, "send_message", message(key, value)).await;
        let error = &ack["error"];
        assert_eq!(error["code"], code, "{key}: {ack}");
        let text = error["message"].as_str().unwrap();
        assert!(code == "not_found" || text.starts_with(key), "{text}");
    }
    for (key, value) in [
        ("mentions", json!([bob.id, ada.id])),
        ("mentions", Value::Null),
        ("mention_all", json!(true)),
    ] {
        let (ack, _) = wire.call(1, "send_message", message(key, value)).await;
        assert_eq!(ack["success"], true, "{ack}");
    }
    // To a client of version 1 these are keys of its own.
    let (ack, _) = old
        .call(1, "send_message", message("mentions", json!("x")))
        .await;
    assert_eq!(ack["success"], true, "{ack}");
    server.stop().await;
}

#[tokio::test]
async fn only_administrators_make_rooms_where_the_operator_says_so() {
    let mut config = config();
    config.rules.room_creation = RoomCreation::Admins;
    let server = TestServer::with(config).await;
    let root = server.admin().await;
    let ada = server.register("ada").await;
    let reply = tried(&server, &ada, "POST", "/api/rooms", json!({"name": "x"})).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (403, "forbidden")
    );
    let room = room_of(&server, &[&root, &ada], json!({})).await;
    let all = server.get("/api/admin/rooms", &root.token).await;
    assert_eq!(all["data"][0]["id"], room);
    assert_eq!(all["data"][0]["member_count"], 2);
    let reply = tried(&server, &ada, "GET", "/api/admin/rooms", Value::Null).await;
    assert_eq!(reply.code(), "forbidden");
    server.stop().await;
}

fn on(folder: &Path) -> Config {
    Config {
        data: Location::File(folder.join("chatd.redb")),
        ..config()
    }
}

/// What a crowd of rooms brings while one is away comes by recovery and by REST alike, in order and
/// once, also over a restart; and a client of version 1 hears nothing of it.
#[tokio::test]
async fn what_rooms_brought_meanwhile_is_caught_up_in_order_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(on(folder.path())).await;
    let (ada, bob) = server.two_people().await;
    let mut rooms = Vec::new();
    for number in 0..200 {
        let name = json!({"name": format!("room {number}")});
        rooms.push(room_of(&server, &[&ada, &bob], name).await);
    }
    let mut kept = Vec::new();
    for v in [1, 2] {
        let mut wire = server.websocket("").await;
        assert!(wire.text().await.starts_with("0{"));
        wire.say(&format!("40{}", json!({"token": &*bob.token, "v": v})))
            .await;
        let welcome: Value = serde_json::from_str(&wire.text().await[2..]).unwrap();
        kept.push((v, welcome["pid"].clone(), wire));
    }
    let since = server.get("/api/updates", &bob.token).await["meta"]["cursor"].clone();
    let kept: Vec<_> = kept.into_iter().map(|(v, pid, _)| (v, pid)).collect();
    let mut sender = server.connect_second(&ada).await;
    let mut expected = Vec::new();
    for (turn, room) in rooms.iter().enumerate() {
        let content = json!({"content": format!("in {room}")});
        let ack = say(&mut sender, *room, content).await;
        expected.push(("room_message".to_owned(), ack["data"]["id"].clone()));
        if turn % 50 == 0 {
            let direct = json!({"receiver_id": bob.id, "content": "direct"});
            let (ack, _) = sender.call(2, "send_message", direct).await;
            expected.push(("receive_message".to_owned(), ack["data"]["id"].clone()));
        }
    }
    drop(sender);
    server.stop().await;
    let server = TestServer::with(on(folder.path())).await;
    for (v, pid) in kept {
        let mut wire = server.websocket("").await;
        assert!(wire.text().await.starts_with("0{"));
        let auth = json!({"token": &*bob.token, "v": v, "pid": pid});
        wire.say(&format!("40{auth}")).await;
        let welcome: Value = serde_json::from_str(&wire.text().await[2..]).unwrap();
        assert_eq!(welcome["pid"], pid, "it is recovered");
        for (name, id) in &expected {
            if v == 1 && name == "room_message" {
                continue;
            }
            let event = wire.event().await;
            assert_eq!(
                (&event[0], &event[1]["id"]),
                (&json!(name), id),
                "version {v}"
            );
        }
    }
    let mut told = Vec::new();
    let mut since = since.as_str().unwrap().to_owned();
    loop {
        let path = format!("/api/updates?since={since}&limit=50");
        let page = server.get(&path, &bob.token).await;
        for row in page["data"].as_array().unwrap() {
            told.push((
                row["event"].as_str().unwrap().to_owned(),
                row["data"]["id"].clone(),
            ));
        }
        page["meta"]["cursor"]
            .as_str()
            .unwrap()
            .clone_into(&mut since);
        if page["meta"]["has_more"] == false {
            break;
        }
    }
    assert_eq!(told, expected);
    server.stop().await;
}

/// A crowd is told a part at a time, while others are told meanwhile; each hears all, in order and
/// once.
#[tokio::test]
async fn a_crowd_hears_every_message_once_and_in_order_beside_what_is_for_some_alone() {
    let server = TestServer::start().await;
    let owner = server.register("owner").await;
    let mut people = Vec::new();
    for number in 0..330 {
        people.push(server.register(&format!("person{number}")).await);
    }
    let members: Vec<&Person> = std::iter::once(&owner).chain(&people).collect();
    let room = room_of(&server, &members, json!({"name": "crowd"})).await;
    let mut wires = Vec::new();
    for person in &people {
        wires.push(server.connect_second(person).await);
    }
    let mut sender = server.connect_second(&owner).await;
    let mut expected = vec![Vec::new(); people.len()];
    let mut texts = Vec::new();
    for turn in 0..12 {
        let message = json!({"room_id": room, "content": format!("{turn} to all")});
        texts.push(format!("42{}", json!(["send_message", message])));
        for (place, person) in people.iter().enumerate() {
            expected[place].push(format!("{turn} to all"));
            if (place + turn) % 7 == 0 {
                let message =
                    json!({"receiver_id": person.id, "content": format!("{turn} to one")});
                texts.push(format!("42{}", json!(["send_message", message])));
                expected[place].push(format!("{turn} to one"));
            }
        }
    }
    sender.say_at_once(texts).await;
    for (wire, expected) in wires.iter_mut().zip(expected) {
        for content in expected {
            let event = wire.event().await;
            assert_eq!(event[1]["content"], content, "{event}");
        }
    }
    server.stop().await;
}
