//! Messages that answer others: in acks, events and rows of both kinds of chat, live, caught up and
//! after what they answer is gone.

use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire};

/// The data of an event's ack.
async fn done(wire: &mut Wire, event: &str, payload: Value) -> Value {
    let (ack, _) = wire.call(2, event, payload).await;
    assert_eq!(ack["success"], true, "{event}: {ack}");
    ack["data"].clone()
}

async fn rows(server: &TestServer, of: &Person, path: &str) -> Vec<Value> {
    let page = server.get(path, &of.token).await;
    page["data"].as_array().unwrap().clone()
}

async fn room_of(server: &TestServer, people: &[&Person], history: &str) -> u64 {
    let ids: Vec<u64> = people[1..].iter().map(|person| person.id).collect();
    let body = json!({"name": "Ops", "member_ids": ids, "history": history});
    let room = server
        .send(
            "POST",
            "/api/rooms",
            Some(&people[0].token),
            &body.to_string(),
        )
        .await;
    room.json()["data"]["id"].as_u64().unwrap()
}

#[tokio::test]
async fn an_answer_between_two_says_what_it_answers_in_every_row_and_event_of_version_2() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let mut old = server.connect(&bob).await;
    let long = "\u{1f600}".repeat(250);
    let first = json!({"receiver_id": bob.id, "content": long});
    let first = done(&mut to_ada, "send_message", first).await["id"].clone();
    to_bob.expect("receive_message").await;
    let began = server.get("/api/updates", &bob.token).await["meta"]["cursor"].clone();
    let answer = json!({
        "receiver_id": bob.id, "content": "and more", "reply_to": first, "client_id": "c",
    });
    let quote = json!({"id": first, "sender_id": ada.id, "content": "\u{1f600}".repeat(200)});
    let sent = done(&mut to_ada, "send_message", answer.clone()).await;
    assert_eq!(sent["reply_to"], quote);
    let heard = to_bob.expect("receive_message").await;
    assert_eq!(heard["reply_to"], quote);
    assert_eq!(
        done(&mut to_ada, "send_message", answer.clone()).await,
        sent
    );
    let mut another = answer.clone();
    another.as_object_mut().unwrap().remove("reply_to");
    let (ack, _) = to_ada.call(3, "send_message", another).await;
    assert_eq!(ack["error"]["code"], "client_id_reused");
    // The first version has no further key.
    old.expect("receive_message").await;
    let keys = old.expect("receive_message").await;
    assert_eq!(keys.as_object().unwrap().len(), 5, "{keys}");
    let id = sent["id"].clone();
    let since = began.as_str().unwrap().to_owned();
    let everywhere = async |quote: Value| {
        let history = rows(&server, &bob, &format!("/api/chats/history/{}", ada.id)).await;
        assert_eq!(history.last().unwrap()["reply_to"], quote);
        let unread = rows(&server, &bob, "/api/chats/unread").await;
        assert_eq!(unread.last().unwrap()["reply_to"], quote);
        let inbox = rows(&server, &bob, "/api/inbox").await;
        assert_eq!(inbox[0]["last_message"]["reply_to"], quote);
        let one = server.get(&format!("/api/messages/{id}"), &bob.token).await;
        assert_eq!(one["data"]["reply_to"], quote);
        let updates = rows(&server, &bob, &format!("/api/updates?since={since}")).await;
        assert_eq!(updates[0]["data"]["reply_to"], quote);
        let old = rows(&server, &bob, &format!("/api/chats/updates?since={since}")).await;
        assert_eq!(old[0]["data"].get("reply_to"), None);
    };
    everywhere(quote).await;
    done(&mut to_ada, "delete_message", json!({"message_id": first})).await;
    everywhere(json!({"id": first})).await;
    for (to, code) in [
        (json!(first), "not_found"),
        (json!(999), "not_found"),
        (json!("x"), "invalid_payload"),
    ] {
        let answer = json!({"receiver_id": bob.id, "content": "x", "reply_to": to});
        let (ack, _) = to_ada.call(3, "send_message", answer).await;
        assert_eq!(ack["error"]["code"], code, "{to}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_answer_in_a_room_says_what_it_answers_and_where_the_past_is_hidden_only_in_rows() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    for history in ["all", "joined"] {
        let room = room_of(&server, &[&ada, &bob], history).await;
        let said = json!({"room_id": room, "content": "secret"});
        let first = done(&mut to_ada, "send_message", said).await["id"].clone();
        let path = format!("/api/rooms/{room}/members/{}", carl.id);
        server.send("PUT", &path, Some(&ada.token), "{}").await;
        let began = server.get("/api/updates", &bob.token).await["meta"]["cursor"].clone();
        let answer = json!({"room_id": room, "content": "why?", "reply_to": first});
        let whole = json!({"id": first, "sender_id": ada.id, "content": "secret"});
        let bare = json!({"id": first});
        let told = if history == "all" { &whole } else { &bare };
        let sent = done(&mut to_bob, "send_message", answer.clone()).await;
        assert_eq!(sent["reply_to"], *told, "{history}");
        loop {
            let heard = to_ada.event().await;
            if heard[0] == "room_message" && heard[1]["id"] == sent["id"] {
                assert_eq!(heard[1]["reply_to"], *told);
                break;
            }
        }
        let since = began.as_str().unwrap();
        let updates = rows(&server, &bob, &format!("/api/updates?since={since}")).await;
        assert_eq!(updates.last().unwrap()["data"]["reply_to"], *told);
        // Each reader's own rows show it to those who may read it.
        for (person, quote) in [(&bob, &whole), (&carl, told)] {
            let page = rows(&server, person, &format!("/api/rooms/{room}/history")).await;
            assert_eq!(page.last().unwrap()["reply_to"], *quote);
            let path = format!("/api/messages/{}", sent["id"]);
            let one = server.get(&path, &person.token).await;
            assert_eq!(one["data"]["reply_to"], *quote);
        }
        let mut to_carl = server.connect_second(&carl).await;
        let (ack, _) = to_carl.call(3, "send_message", answer).await;
        match history {
            "all" => assert_eq!(ack["data"]["reply_to"], whole),
            _ => assert_eq!(ack["error"]["code"], "not_found"),
        }
    }
    server.stop().await;
}
