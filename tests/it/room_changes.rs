//! Editing, deleting and reacting in rooms, by sockets and by REST: who may, who hears of it, and
//! what is counted and shown after it.

use serde_json::{Value, json};

use crate::support::{Person, Reply, TestServer, Wire};

async fn ask(server: &TestServer, person: &Person, method: &str, path: &str, body: Value) -> Reply {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    server.send(method, path, Some(&person.token), &body).await
}

/// Makes a room of these people, the first of whom is its owner.
async fn room_of(server: &TestServer, people: &[&Person], history: &str) -> u64 {
    let ids: Vec<u64> = people[1..].iter().map(|person| person.id).collect();
    let body = json!({"name": "Ops", "member_ids": ids, "history": history});
    let room = ask(server, people[0], "POST", "/api/rooms", body).await;
    room.json()["data"]["id"].as_u64().unwrap()
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

async fn say(wire: &mut Wire, room: u64, content: &str, more: Value) -> u64 {
    let mut message = json!({"room_id": room, "content": content});
    for (key, value) in more.as_object().unwrap() {
        message[key] = value.clone();
    }
    done(wire, "send_message", message).await["id"]
        .as_u64()
        .unwrap()
}

async fn history(server: &TestServer, of: &Person, room: u64) -> Vec<Value> {
    let path = format!("/api/rooms/{room}/history");
    let page = server.get(&path, &of.token).await;
    page["data"].as_array().unwrap().clone()
}

/// The row of a person's only room in their inbox.
async fn listed(server: &TestServer, of: &Person) -> Value {
    let inbox = server.get("/api/inbox", &of.token).await;
    inbox["data"][0].clone()
}

#[tokio::test]
async fn members_hear_of_an_edit_a_reaction_and_a_deletion_by_one_frame_and_see_them_in_every_row()
{
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], "all").await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut other = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let first = say(&mut to_ada, room, "first", json!({})).await;
    let id = say(&mut to_ada, room, "secnd", json!({"mentions": [bob.id]})).await;
    for wire in [&mut other, &mut to_bob] {
        wire.expect("room_message").await;
        wire.expect("room_message").await;
    }

    let edit = json!({"message_id": id, "content": "second"});
    let edited = done(&mut to_ada, "edit_message", edit.clone()).await;
    let expected = json!({
        "message_id": id, "room_id": room, "content": "second", "edited_at": edited["edited_at"],
    });
    assert_eq!(edited, expected);
    let heard = to_bob.event().await;
    assert_eq!(heard[0], "message_edited");
    assert_eq!(heard[1], edited);
    assert_eq!(other.event().await, heard, "one frame, and one cursor");
    assert_eq!(done(&mut to_ada, "edit_message", edit).await, edited);

    let react = json!({"message_id": id, "emoji": "👍", "on": true});
    let reaction = done(&mut to_bob, "react", react.clone()).await;
    let expected = json!({
        "message_id": id, "room_id": room, "user_id": bob.id, "emoji": "👍", "on": true, "count": 1,
    });
    assert_eq!(reaction, expected);
    assert_eq!(other.expect("reaction").await, reaction);
    assert_eq!(done(&mut to_bob, "react", react.clone()).await, reaction);
    assert_eq!(done(&mut to_ada, "react", react.clone()).await["count"], 2);
    other.expect("reaction").await;
    let mut off = react.clone();
    off["on"] = json!(false);
    assert_eq!(done(&mut to_ada, "react", off).await["count"], 1);
    other.expect("reaction").await;

    for (person, me) in [(&ada, false), (&bob, true)] {
        let rows = history(&server, person, room).await;
        assert_eq!(rows[0].get("edited_at").or(rows[0].get("reactions")), None);
        let reactions = json!([{"emoji": "👍", "count": 1, "me": me}]);
        assert_eq!(rows[1]["content"], "second");
        assert_eq!(rows[1]["edited_at"], edited["edited_at"]);
        assert_eq!(rows[1]["reactions"], reactions);
        let path = format!("/api/messages/{id}");
        let one = server.get(&path, &person.token).await;
        assert_eq!(one["data"], rows[1]);
        assert_eq!(listed(&server, person).await["last_message"], rows[1]);
        let path = format!("/api/messages/{id}/reactions");
        let who = server.get(&path, &person.token).await;
        let names: Vec<_> = who["data"].as_array().unwrap().iter().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(
            (&names[0]["user_id"], &names[0]["emoji"]),
            (&json!(bob.id), &json!("👍"))
        );
    }
    let before = listed(&server, &bob).await;
    assert_eq!(
        (&before["unread_count"], &before["mention_count"]),
        (&json!(2), &json!(1))
    );

    let gone = json!({"message_id": id});
    assert_eq!(
        done(&mut to_ada, "delete_message", gone.clone()).await,
        gone
    );
    let deleted = other.expect("message_deleted").await;
    let expected = json!({
        "message_id": id, "room_id": room, "deleted_at": deleted["deleted_at"], "by": ada.id,
    });
    assert_eq!(deleted, expected);
    assert_eq!(
        done(&mut to_ada, "delete_message", gone.clone()).await,
        gone
    );
    let after = listed(&server, &bob).await;
    assert_eq!(
        (&after["unread_count"], &after["mention_count"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(after["last_message"]["id"], first, "it steps back");
    assert_eq!(history(&server, &bob, room).await.len(), 1);
    for (event, payload) in [
        ("edit_message", json!({"message_id": id, "content": "x"})),
        ("react", react),
        ("mark_as_read", gone),
    ] {
        assert_eq!(
            refused(&mut to_ada, event, payload).await,
            "not_found",
            "{event}"
        );
    }
    for path in [
        format!("/api/messages/{id}"),
        format!("/api/messages/{id}/reactions"),
    ] {
        let reply = ask(&server, &ada, "GET", &path, Value::Null).await;
        assert_eq!(reply.status, 404);
    }
    server.stop().await;
}

#[tokio::test]
async fn who_may_change_a_rooms_message_follows_from_membership_role_and_version() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let (carl, dora) = (server.register("carl").await, server.register("dora").await);
    let room = room_of(&server, &[&ada, &bob, &carl], "all").await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let mut to_carl = server.connect_second(&carl).await;
    let mut to_dora = server.connect_second(&dora).await;
    let mut old = server.connect(&bob).await;
    let id = say(&mut to_bob, room, "Halo!", json!({})).await;
    let edit = json!({"message_id": id, "content": "x"});
    let delete = json!({"message_id": id});
    let react = json!({"message_id": id, "emoji": "👍", "on": true});
    let all = [
        ("edit_message", &edit),
        ("delete_message", &delete),
        ("react", &react),
    ];
    to_carl.expect("room_message").await;
    for (event, payload) in all {
        let code = refused(&mut to_dora, event, payload.clone()).await;
        assert_eq!(code, "not_found", "{event}: who is no member");
        let code = refused(&mut old, event, payload.clone()).await;
        assert_eq!(code, "not_found", "{event}: of version 1");
    }
    for (event, payload) in &all[..2] {
        let code = refused(&mut to_carl, event, (*payload).clone()).await;
        assert_eq!(code, "forbidden", "{event}: another member");
    }
    to_ada.expect("room_message").await;
    let code = refused(&mut to_ada, "edit_message", edit.clone()).await;
    assert_eq!(
        code, "forbidden",
        "not even an owner writes in another's name"
    );
    // Who was removed has no say any more, though it is their own, but to take it back.
    let path = format!("/api/rooms/{room}/members/{}", bob.id);
    ask(&server, &ada, "DELETE", &path, Value::Null).await;
    to_bob.expect("room_member").await;
    for (event, payload) in [all[0], all[2]] {
        let code = refused(&mut to_bob, event, payload.clone()).await;
        assert_eq!(code, "not_found", "{event}: who was removed");
    }
    // The room's admins erase; so does an administrator of the server, by REST alone.
    done(&mut to_ada, "delete_message", delete).await;
    to_carl.expect("room_member").await;
    assert_eq!(to_carl.expect("message_deleted").await["by"], ada.id);
    let kept = say(&mut to_carl, room, "kept", json!({})).await;
    let path = format!("/api/messages/{kept}");
    let reply = ask(&server, &dora, "DELETE", &path, Value::Null).await;
    assert_eq!(reply.status, 404);
    for _ in 0..2 {
        let reply = ask(&server, &root, "DELETE", &path, Value::Null).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert!(history(&server, &carl, room).await.is_empty());
    assert_eq!(to_carl.expect("message_deleted").await["by"], root.id);
    server.stop().await;
}

/// It was `not_found`, so that nobody could take back what they had said in a room that they left.
#[tokio::test]
async fn who_has_left_a_room_takes_back_what_they_said_there_and_nothing_else() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    for past in ["all", "joined"] {
        let room = room_of(&server, &[&ada, &bob], past).await;
        let mut to_ada = server.connect_second(&ada).await;
        let mut to_bob = server.connect_second(&bob).await;
        let mut ids = Vec::new();
        for content in ["one", "two", "three"] {
            ids.push(say(&mut to_bob, room, content, json!({})).await);
        }
        let adas = say(&mut to_ada, room, "four", json!({})).await;
        to_bob.expect("room_message").await;
        let leave = format!("/api/rooms/{room}/leave");
        let left = ask(&server, &bob, "POST", &leave, Value::Null).await;
        assert_eq!(left.json(), json!({"success": true, "data": {}}));
        to_bob.expect("room_member").await;
        let which = json!({"message_id": ids[0]});
        for _ in 0..2 {
            assert_eq!(
                done(&mut to_bob, "delete_message", which.clone()).await,
                which
            );
        }
        let by_rest = format!("/api/messages/{}", ids[1]);
        let gone = ask(&server, &bob, "DELETE", &by_rest, Value::Null).await;
        let data = json!({"message_id": ids[1]});
        assert_eq!(gone.json(), json!({"success": true, "data": data}));
        // It is not theirs to read any more, nor what others said theirs to take back.
        let one = format!("/api/messages/{}", ids[2]);
        let row = ask(&server, &bob, "GET", &one, Value::Null).await;
        assert_eq!(row.status, 404);
        let which = json!({"message_id": adas});
        assert_eq!(
            refused(&mut to_bob, "delete_message", which).await,
            "not_found"
        );
        while to_ada.event().await[0] != "room_member" {}
        for id in &ids[..2] {
            let gone = to_ada.expect("message_deleted").await;
            assert_eq!(
                (&gone["message_id"], &gone["by"]),
                (&json!(id), &json!(bob.id))
            );
        }
        let rows = history(&server, &ada, room).await;
        assert_eq!(rows.len(), 2);
        // Back in the room, which may hide its past from them by now, they take the last one back.
        let member = format!("/api/rooms/{room}/members/{}", bob.id);
        let added = ask(&server, &ada, "PUT", &member, Value::Null).await;
        assert_eq!(added.json(), json!({"success": true, "data": {}}));
        to_bob.expect("room_member").await;
        done(&mut to_bob, "delete_message", json!({"message_id": ids[2]})).await;
        assert_eq!(listed(&server, &ada).await["last_message"]["id"], adas);
    }
    server.stop().await;
}

#[tokio::test]
async fn in_an_archived_room_what_was_said_can_be_taken_back_and_nothing_else() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], "all").await;
    let mut to_bob = server.connect_second(&bob).await;
    let id = say(&mut to_bob, room, "Halo!", json!({})).await;
    ask(
        &server,
        &ada,
        "DELETE",
        &format!("/api/rooms/{room}"),
        Value::Null,
    )
    .await;
    to_bob.expect("room_changed").await;
    for (event, payload) in [
        ("edit_message", json!({"message_id": id, "content": "x"})),
        (
            "react",
            json!({"message_id": id, "emoji": "👍", "on": true}),
        ),
    ] {
        assert_eq!(refused(&mut to_bob, event, payload).await, "read_only");
    }
    done(&mut to_bob, "delete_message", json!({"message_id": id})).await;
    server.stop().await;
}

/// Who may not write in a room any more wrote on in the place of what they had written before.
#[tokio::test]
async fn where_admins_post_nobody_else_edits_what_they_once_said() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], "all").await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let id = say(&mut to_bob, room, "Halo!", json!({})).await;
    let hers = say(&mut to_ada, room, "Quiet!", json!({})).await;
    to_bob.expect("room_message").await;
    let path = format!("/api/rooms/{room}");
    ask(&server, &ada, "PATCH", &path, json!({"post": "admins"})).await;
    to_bob.expect("room_changed").await;
    let edit = |id: u64| json!({"message_id": id, "content": "and another thing"});
    assert_eq!(
        refused(&mut to_bob, "edit_message", edit(id)).await,
        "read_only"
    );
    done(&mut to_ada, "edit_message", edit(hers)).await;
    let react = json!({"message_id": hers, "emoji": "👍", "on": true});
    done(&mut to_bob, "react", react).await;
    done(&mut to_bob, "delete_message", json!({"message_id": id})).await;
    server.stop().await;
}

/// What was before a member came to a room that hides it is not told by what becomes of it.
#[tokio::test]
async fn a_newcomer_to_a_room_that_hides_its_past_hears_nothing_of_it_live_or_caught_up() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob], "joined").await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let id = say(&mut to_ada, room, "secret", json!({})).await;
    to_bob.expect("room_message").await;
    let mut to_carl = server.connect_second(&carl).await;
    let began = server.get("/api/updates", &carl.token).await["meta"]["cursor"].clone();
    let path = format!("/api/rooms/{room}/members/{}", carl.id);
    ask(&server, &ada, "PUT", &path, json!({})).await;
    to_carl.expect("room_member").await;
    to_bob.expect("room_member").await;
    let edit = json!({"message_id": id, "content": "another secret"});
    done(&mut to_ada, "edit_message", edit).await;
    let react = json!({"message_id": id, "emoji": "👍", "on": true});
    assert_eq!(
        refused(&mut to_carl, "react", react.clone()).await,
        "not_found"
    );
    done(&mut to_bob, "react", react).await;
    let seen = say(&mut to_ada, room, "for all", json!({})).await;
    assert_eq!(to_carl.expect("room_message").await["id"], seen);
    let since = began.as_str().unwrap();
    let path = format!("/api/updates?since={since}");
    let updates = server.get(&path, &carl.token).await["data"].clone();
    assert!(!updates.to_string().contains("secret"), "{updates}");
    let events: Vec<_> = updates
        .as_array()
        .unwrap()
        .iter()
        .map(|update| update["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["room_member", "room_message"]);
    // What came since they came is told of as to all.
    let edit = json!({"message_id": seen, "content": "for everybody"});
    done(&mut to_ada, "edit_message", edit).await;
    let heard = to_carl.expect("message_edited").await;
    assert_eq!(heard["content"], "for everybody");
    server.stop().await;
}

#[tokio::test]
async fn who_reacted_is_read_page_by_page_and_so_is_one_emoji() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let room = room_of(&server, &[&ada, &bob, &carl], "all").await;
    let mut wires = Vec::new();
    for person in [&ada, &bob, &carl] {
        wires.push(server.connect_second(person).await);
    }
    let id = say(&mut wires[0], room, "Halo!", json!({})).await;
    let mut all = Vec::new();
    for (place, emoji) in [(2, "👍"), (0, "❤️"), (0, "👍"), (1, "🎉"), (0, "🎉")] {
        let react = json!({"message_id": id, "emoji": emoji, "on": true});
        // What the others did is heard in between.
        done(&mut wires[place], "react", react).await;
        all.push(([ada.id, bob.id, carl.id][place], emoji.to_owned()));
    }
    all.sort_unstable();
    for (emoji, limit) in [
        (None, 1),
        (None, 2),
        (None, 100),
        (Some("🎉"), 1),
        (Some("😮"), 5),
    ] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/messages/{id}/reactions?limit={limit}{after}");
            let path = match emoji {
                Some("🎉") => format!("{path}&emoji=%F0%9F%8E%89"),
                Some(_) => format!("{path}&emoji=%F0%9F%98%AE"),
                None => path,
            };
            let page = server.get(&path, &bob.token).await;
            let rows = page["data"].as_array().unwrap();
            assert!(rows.len() <= limit);
            found.extend(rows.iter().map(|row| {
                let user = row["user_id"].as_u64().unwrap();
                (user, row["emoji"].as_str().unwrap().to_owned())
            }));
            match page["meta"]["next_after"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        found.sort_unstable();
        let wanted = all
            .iter()
            .filter(|(_, one)| emoji.is_none_or(|emoji| emoji == one));
        assert_eq!(
            found,
            wanted.cloned().collect::<Vec<_>>(),
            "{emoji:?} {limit}"
        );
    }
    server.stop().await;
}

/// Catching up gave messages as they are by now, and so what was written, and who reacted, after
/// somebody was removed; and a retry brought the quote of by now.
#[tokio::test]
async fn who_was_removed_sees_nothing_of_what_became_of_the_messages_after_it() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], "all").await;
    let since = server.get("/api/updates", &bob.token).await["meta"]["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let kept = say(&mut to_ada, room, "kept", json!({})).await;
    let quoted = say(&mut to_ada, room, "quoted", json!({})).await;
    let answer = json!({"reply_to": quoted, "client_id": "an answer"});
    let answer_id = say(&mut to_bob, room, "answer", answer.clone()).await;
    let before = json!({"message_id": quoted, "content": "edited in time"});
    done(&mut to_ada, "edit_message", before).await;

    let path = format!("/api/rooms/{room}/members/{}", bob.id);
    let removed = ask(&server, &ada, "DELETE", &path, Value::Null).await;
    assert!(removed.status.is_success(), "{}", removed.body);
    let after = json!({"message_id": quoted, "content": "SECRET"});
    done(&mut to_ada, "edit_message", after).await;
    let react = json!({"message_id": kept, "emoji": "👍", "on": true});
    done(&mut to_ada, "react", react).await;

    let path = format!("/api/updates?since={since}");
    let missed = server.get(&path, &bob.token).await["data"].clone();
    let told = missed.as_array().unwrap().iter();
    let told = told.filter(|update| update["event"] == "room_message");
    let told: Vec<_> = told.map(|update| update["data"].clone()).collect();
    // The one that has another text by now is left out; the others are as they were.
    assert_eq!(told.len(), 2, "{missed}");
    assert_eq!(
        (&told[0]["id"], &told[0]["content"]),
        (&json!(kept), &json!("kept"))
    );
    assert_eq!(told[0].get("reactions"), None);
    assert_eq!(told[1]["id"], answer_id);
    assert_eq!(told[1]["reply_to"], json!({"id": quoted}));
    assert!(!missed.to_string().contains("SECRET"), "{missed}");
    let events = missed.as_array().unwrap().iter();
    let mut events = events.map(|update| update["event"].as_str().unwrap());
    assert_eq!(
        events
            .clone()
            .filter(|event| *event == "message_edited")
            .count(),
        0
    );
    assert_eq!(events.next_back(), Some("room_member"));

    let again = say(&mut to_bob, room, "answer", answer).await;
    assert_eq!(again, answer_id);
    let mut payload = json!({"room_id": room, "content": "answer", "client_id": "an answer"});
    payload["reply_to"] = json!(quoted);
    let repeated = done(&mut to_bob, "send_message", payload).await;
    assert_eq!(repeated["reply_to"], json!({"id": quoted}));
    server.stop().await;
}

/// A message that was sent again came back as though its sender had not reacted to it, and to one
/// who had left the room with what had been put on it since.
#[tokio::test]
async fn a_message_that_is_sent_again_says_which_reactions_are_its_senders_own() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let room = room_of(&server, &[&ada, &bob], "all").await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let message = json!({"room_id": room, "content": "Halo!", "client_id": "c1"});
    let id = done(&mut to_bob, "send_message", message.clone()).await["id"].clone();
    let react = |emoji: &str| json!({"message_id": id, "emoji": emoji, "on": true});
    done(&mut to_bob, "react", react("👍")).await;
    done(&mut to_ada, "react", react("👍")).await;
    done(&mut to_ada, "react", react("🎉")).await;
    for emoji in ["👍", "🎉"] {
        assert_eq!(to_bob.expect("reaction").await["emoji"], emoji);
    }
    let reactions = json!([
        {"emoji": "👍", "count": 2, "me": true},
        {"emoji": "🎉", "count": 1, "me": false},
    ]);
    let (ack, heard) = to_bob.call(3, "send_message", message.clone()).await;
    assert_eq!(ack["data"]["reactions"], reactions);
    assert_eq!(heard.last().unwrap()[1]["reactions"], reactions);
    let row = history(&server, &bob, room).await.remove(0);
    assert_eq!(row["reactions"], reactions);

    let path = format!("/api/rooms/{room}/members/{}", bob.id);
    ask(&server, &ada, "DELETE", &path, Value::Null).await;
    to_bob.expect("room_member").await;
    let again = done(&mut to_bob, "send_message", message).await;
    assert_eq!((&again["id"], again.get("reactions")), (&id, None));
    server.stop().await;
}
