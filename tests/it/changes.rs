//! Editing, deleting and reacting, by sockets of both versions and by REST.

use chatd::config::Config;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire, config};

/// Sends a message; gives its id.
async fn say(wire: &mut Wire, to: &Person, content: &str) -> u64 {
    let message = json!({"receiver_id": to.id, "content": content, "client_id": content});
    let (ack, _) = wire.call(1, "send_message", message).await;
    ack["data"]["id"].as_u64().unwrap()
}

/// The data of an event's ack.
async fn done(wire: &mut Wire, event: &str, payload: Value) -> Value {
    let (ack, _) = wire.call(2, event, payload).await;
    assert_eq!(ack["success"], true, "{event}: {ack}");
    ack["data"].clone()
}

/// The code by which an event is refused.
async fn refused(wire: &mut Wire, event: &str, payload: Value) -> String {
    let (ack, heard) = wire.call(2, event, payload).await;
    assert_eq!((&ack["success"], heard.len()), (&json!(false), 0), "{ack}");
    ack["error"]["code"].as_str().unwrap().to_owned()
}

async fn history(server: &TestServer, of: &Person, with: &Person) -> Vec<Value> {
    let path = format!("/api/chats/history/{}", with.id);
    let page = server.get(&path, &of.token).await;
    page["data"].as_array().unwrap().clone()
}

/// A heart with a selector and one without were two reactions that looked alike.
#[tokio::test]
async fn a_heart_is_one_reaction_however_it_is_written() {
    const HEART: &str = "\u{2764}\u{fe0f}";
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let id = say(&mut to_ada, &bob, "hello").await;
    to_bob.expect("receive_message").await;
    let react = |emoji: &str, on: bool| json!({"message_id": id, "emoji": emoji, "on": on});
    let first = done(&mut to_ada, "react", react("\u{2764}", true)).await;
    assert_eq!(
        (&first["emoji"], &first["count"]),
        (&json!(HEART), &json!(1))
    );
    assert_eq!(to_bob.expect("reaction").await["emoji"], HEART);
    let second = done(&mut to_bob, "react", react(HEART, true)).await;
    assert_eq!(
        (&second["emoji"], &second["count"]),
        (&json!(HEART), &json!(2))
    );
    to_ada.expect("reaction").await;
    for written in ["%E2%9D%A4", "%E2%9D%A4%EF%B8%8F"] {
        let path = format!("/api/messages/{id}/reactions?emoji={written}");
        let who = server.get(&path, &ada.token).await;
        assert_eq!(who["data"].as_array().unwrap().len(), 2, "{written}");
    }
    let off = done(&mut to_bob, "react", react("\u{2764}\u{fe0e}", false)).await;
    assert_eq!((&off["emoji"], &off["count"]), (&json!(HEART), &json!(1)));
    let rows = history(&server, &bob, &ada).await;
    assert_eq!(
        rows[0]["reactions"],
        json!([{"emoji": HEART, "count": 1, "me": false}])
    );
    server.stop().await;
}

#[tokio::test]
async fn both_people_hear_of_an_edit_a_reaction_and_a_deletion_and_see_them_in_every_row() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let first = say(&mut to_ada, &bob, "first").await;
    let id = say(&mut to_ada, &bob, "secnd").await;
    for _ in 0..2 {
        to_bob.expect("receive_message").await;
    }
    let chat = json!({"message_id": id, "sender_id": ada.id, "receiver_id": bob.id});

    let edited = done(
        &mut to_ada,
        "edit_message",
        json!({"message_id": id, "content": "second"}),
    )
    .await;
    assert_eq!(to_bob.expect("message_edited").await, edited);
    for (key, value) in chat.as_object().unwrap() {
        assert_eq!(&edited[key], value);
    }
    assert_eq!(edited["content"], "second");
    // Again: no event, and the same time.
    let again = done(
        &mut to_ada,
        "edit_message",
        json!({"message_id": id, "content": "second"}),
    )
    .await;
    assert_eq!(again, edited);

    let react = json!({"message_id": id, "emoji": "👍", "on": true});
    let reaction = done(&mut to_bob, "react", react.clone()).await;
    assert_eq!(to_ada.expect("reaction").await, reaction);
    assert_eq!(
        (&reaction["user_id"], &reaction["count"], &reaction["on"]),
        (&json!(bob.id), &json!(1), &json!(true))
    );
    assert_eq!(done(&mut to_bob, "react", react.clone()).await, reaction);
    assert_eq!(done(&mut to_ada, "react", react).await["count"], 2);
    to_bob.expect("reaction").await;
    let off = json!({"message_id": id, "emoji": "👍", "on": false});
    assert_eq!(done(&mut to_ada, "react", off).await["count"], 1);
    to_bob.expect("reaction").await;

    for (person, peer, me) in [(&ada, &bob, false), (&bob, &ada, true)] {
        let rows = history(&server, person, peer).await;
        assert_eq!(rows[0].get("edited_at"), None);
        assert_eq!(rows[0].get("reactions"), None);
        let reactions = json!([{"emoji": "👍", "count": 1, "me": me}]);
        assert_eq!(rows[1]["content"], "second");
        assert_eq!(rows[1]["edited_at"], edited["edited_at"]);
        assert_eq!(rows[1]["updated_at"], edited["edited_at"]);
        assert_eq!(rows[1]["reactions"], reactions);
        let path = format!("/api/messages/{id}/reactions");
        let who = server.get(&path, &person.token).await;
        assert_eq!(who["data"].as_array().unwrap().len(), 1);
        assert_eq!(who["data"][0]["user_id"], bob.id);
        assert_eq!(who["data"][0]["emoji"], "👍");
    }
    let unread = server.get("/api/chats/unread", &bob.token).await;
    assert_eq!(unread["data"][1]["content"], "second");
    assert_eq!(unread["meta"]["total"], 2);

    let gone = json!({"message_id": id});
    assert_eq!(
        done(&mut to_ada, "delete_message", gone.clone()).await,
        gone
    );
    let deleted = to_bob.expect("message_deleted").await;
    assert_eq!(deleted["by"], ada.id);
    assert_eq!(deleted["message_id"], id);
    assert_eq!(
        done(&mut to_ada, "delete_message", gone.clone()).await,
        gone
    );
    let unread = server.get("/api/chats/unread", &bob.token).await;
    assert_eq!(unread["meta"]["total"], 1);
    let recents = server.get("/api/chats", &bob.token).await;
    assert_eq!(recents["data"][0]["last_message"], "first");
    assert_eq!(recents["data"][0]["last_message_id"], first);
    assert_eq!(recents["data"][0]["unread_count"], 1);
    assert_eq!(history(&server, &bob, &ada).await.len(), 1);
    for (event, payload) in [
        ("edit_message", json!({"message_id": id, "content": "x"})),
        (
            "react",
            json!({"message_id": id, "emoji": "👍", "on": true}),
        ),
        ("mark_as_read", gone),
    ] {
        let wire = if event == "mark_as_read" {
            &mut to_bob
        } else {
            &mut to_ada
        };
        assert_eq!(refused(wire, event, payload).await, "not_found");
    }
    // Sent again under its client id it is no second message.
    let again = json!({"receiver_id": bob.id, "content": "secnd", "client_id": "secnd"});
    assert_eq!(
        refused(&mut to_ada, "send_message", again).await,
        "not_found"
    );
    let path = format!("/api/messages/{id}");
    let reply = server.send("GET", &path, Some(&ada.token), "").await;
    assert_eq!(reply.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn who_is_no_part_of_it_or_did_not_write_it_changes_nothing() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut to_ada = server.connect_second(&ada).await;
    let id = say(&mut to_ada, &bob, "Halo!").await;
    let mut to_bob = server.connect_second(&bob).await;
    let mut to_carl = server.connect_second(&carl).await;
    let edit = json!({"message_id": id, "content": "x"});
    let delete = json!({"message_id": id});
    let react = json!({"message_id": id, "emoji": "👍", "on": true});
    for (event, payload, bobs) in [
        ("edit_message", &edit, Some("forbidden")),
        ("delete_message", &delete, Some("forbidden")),
        ("react", &react, None),
    ] {
        let code = refused(&mut to_carl, event, payload.clone()).await;
        assert_eq!(code, "not_found", "{event}");
        if let Some(bobs) = bobs {
            assert_eq!(refused(&mut to_bob, event, payload.clone()).await, bobs);
        }
    }
    for (payload, code) in [
        (json!({"message_id": id, "content": " "}), "empty_message"),
        (
            json!({"message_id": id, "content": "x".repeat(4_001)}),
            "message_too_long",
        ),
        (json!({"message_id": id}), "invalid_payload"),
        (json!({"message_id": 999, "content": "x"}), "not_found"),
    ] {
        assert_eq!(refused(&mut to_ada, "edit_message", payload).await, code);
    }
    for emoji in ["", "ab", " ", "👍👍"] {
        let payload = json!({"message_id": id, "emoji": emoji, "on": true});
        assert_eq!(
            refused(&mut to_ada, "react", payload).await,
            "invalid_payload"
        );
    }
    // By REST: their own, and an administrator any.
    let path = format!("/api/messages/{id}");
    for (person, status) in [(&bob, 403), (&carl, 404)] {
        let reply = server.send("DELETE", &path, Some(&person.token), "").await;
        assert_eq!(reply.status, status, "{}", reply.body);
    }
    let path = format!("/api/messages/{id}");
    for _ in 0..2 {
        let reply = server.send("DELETE", &path, Some(&admin.token), "").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    for wire in [&mut to_ada, &mut to_bob] {
        let deleted = wire.expect("message_deleted").await;
        assert_eq!(deleted["by"], admin.id);
        assert_eq!(deleted["sender_id"], ada.id);
    }
    assert!(history(&server, &ada, &bob).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_client_of_version_1_hears_nothing_and_catches_up_on_messages_as_they_are() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect(&ada).await;
    let mut old = server.connect(&bob).await;
    let edited = say(&mut to_ada, &bob, "first").await;
    let since: Value = serde_json::from_str(old.text().await.strip_prefix("42").unwrap()).unwrap();
    let gone = say(&mut to_ada, &bob, "second").await;
    let changed = say(&mut to_ada, &bob, "third").await;
    for _ in 0..2 {
        old.expect("receive_message").await;
    }
    for (id, content) in [(edited, "1"), (changed, "3")] {
        let edit = json!({"message_id": id, "content": content});
        done(&mut to_ada, "edit_message", edit).await;
    }
    let react = json!({"message_id": changed, "emoji": "👍", "on": true});
    done(&mut to_ada, "react", react).await;
    done(&mut to_ada, "delete_message", json!({"message_id": gone})).await;
    let last = say(&mut to_ada, &bob, "fourth").await;
    // The next that it hears is a message.
    let heard = old.text().await;
    assert!(heard.starts_with(r#"42["receive_message","#), "{heard}");
    let rows = history(&server, &bob, &ada).await;
    let texts: Vec<_> = rows
        .iter()
        .map(|row| row["content"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["1", "3", "fourth"]);
    let since = since[2].as_str().unwrap();
    let updates = async |path: &str| {
        let path = format!("{path}?since={since}");
        let updates = server.get(&path, &bob.token).await;
        let updates = updates["data"].as_array().unwrap().clone();
        let told = updates.iter().map(|update| {
            let data = &update["data"];
            let id = data.get("id").or(data.get("message_id"));
            let content = data["content"].as_str().unwrap_or_default().to_owned();
            (
                update["event"].as_str().unwrap().to_owned(),
                id.unwrap().as_u64().unwrap(),
                content,
            )
        });
        told.collect::<Vec<_>>()
    };
    let told = |event: &str, id, content: &str| (event.to_owned(), id, content.to_owned());
    assert_eq!(
        updates("/api/chats/updates").await,
        [
            told("receive_message", changed, "3"),
            told("receive_message", last, "fourth")
        ]
    );
    assert_eq!(
        updates("/api/updates").await,
        [
            told("receive_message", changed, "3"),
            told("message_edited", edited, "1"),
            told("message_edited", changed, "3"),
            told("reaction", changed, ""),
            told("message_deleted", gone, ""),
            told("receive_message", last, "fourth"),
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn the_edit_window_is_as_the_server_says() {
    for (window, ms, code) in [
        (
            Some(std::time::Duration::ZERO),
            json!(0),
            Some("edit_window_over"),
        ),
        (None, json!(null), None),
    ] {
        let mut config: Config = config();
        config.rules.edit_window = window;
        let server = TestServer::with(config).await;
        let (ada, bob) = server.two_people().await;
        let about = server.get("/api/server", &ada.token).await;
        assert_eq!(about["data"]["edit_window_ms"], ms);
        let mut to_ada = server.connect_second(&ada).await;
        let id = say(&mut to_ada, &bob, "first").await;
        let edit = json!({"message_id": id, "content": "x"});
        match code {
            Some(code) => assert_eq!(refused(&mut to_ada, "edit_message", edit).await, code),
            None => drop(done(&mut to_ada, "edit_message", edit).await),
        }
        done(&mut to_ada, "delete_message", json!({"message_id": id})).await;
        server.stop().await;
    }
}

/// Pages of nothing that it hears told a client of version 1 to go on from where it was, for ever;
/// and what it does not hear counted against what it may have missed.
#[tokio::test]
async fn a_client_of_version_1_catches_up_however_much_was_changed_around_it() {
    let mut config: Config = config();
    config.rates = chatd::limits::Rates::off();
    let server = TestServer::with(config).await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect_second(&ada).await;
    let id = say(&mut to_ada, &bob, "first").await;
    let path = "/api/chats/updates";
    let began = server.get(path, &bob.token).await["meta"]["cursor"].clone();
    for turn in 0..40 {
        let react = json!({"message_id": id, "emoji": "👍", "on": turn % 2 == 0});
        done(&mut to_ada, "react", react).await;
    }
    let last = say(&mut to_ada, &bob, "second").await;
    let (mut since, mut told, mut pages) = (began.as_str().unwrap().to_owned(), Vec::new(), 0);
    loop {
        let path = format!("{path}?since={since}&limit=2");
        let page = server.get(&path, &bob.token).await;
        let rows = page["data"].as_array().unwrap();
        told.extend(rows.iter().map(|row| row["data"]["id"].as_u64().unwrap()));
        since = page["meta"]["cursor"].as_str().unwrap().to_owned();
        pages += 1;
        if page["meta"]["has_more"] == false {
            break;
        }
        assert!(pages < 10, "it never ends");
    }
    assert_eq!((told, pages), (vec![last], 1));
    server.stop().await;
}
