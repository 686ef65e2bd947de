//! One message by its id, and those around it.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire};

async fn say(socket: &mut Wire, to: &Person, content: &str) -> u64 {
    let message = json!({"receiver_id": to.id, "content": content});
    let (ack, _) = socket.call(1, "send_message", message).await;
    ack["data"]["id"].as_u64().unwrap()
}

fn ids(page: &Value) -> Vec<u64> {
    let rows = page["data"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_message_is_shown_to_both_people_as_in_the_history_and_to_no_other() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut socket = server.connect(&ada).await;
    let id = say(&mut socket, &bob, "Halo!").await;
    let other = say(&mut socket, &carl, "x").await;
    // A mark is no message.
    let read = json!({"message_id": other});
    let mut reader = server.connect(&carl).await;
    assert_eq!(
        reader.call(1, "mark_as_read", read).await.0["success"],
        true
    );
    for (person, peer) in [(&ada, &bob), (&bob, &ada)] {
        let history = format!("/api/chats/history/{}", peer.id);
        let row = server.get(&history, &person.token).await["data"][0].take();
        let message = server
            .get(&format!("/api/messages/{id}"), &person.token)
            .await;
        assert_eq!(message, json!({"success": true, "data": row}));
    }
    for (id, person, status, says) in [
        (id.to_string(), &carl, 404, "no such message"),
        ((other + 1).to_string(), &carl, 404, "no such message"),
        ("999999".to_owned(), &ada, 404, "no such message"),
        ("x".to_owned(), &ada, 400, "id: "),
        ("0".to_owned(), &ada, 400, "id: "),
    ] {
        let path = format!("/api/messages/{id}");
        let reply = server.send("GET", &path, Some(&person.token), "").await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        let message = reply.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.starts_with(says), "{path}: {message}");
    }
    let reply = server
        .send(
            "DELETE",
            &format!("/api/messages/{other}"),
            Some(&carl.token),
            "",
        )
        .await;
    assert!(
        reply.status.is_client_error(),
        "not of a message that is another's"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_page_around_a_message_says_what_is_on_both_sides() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    let mut sent = Vec::new();
    for number in 0..9 {
        sent.push(say(&mut socket, &bob, &number.to_string()).await);
    }
    for (query, wanted, has_more, has_newer) in [
        (
            format!("limit=3&around={}", sent[4]),
            &sent[3..6],
            true,
            true,
        ),
        (
            format!("limit=4&around={}", sent[4]),
            &sent[2..6],
            true,
            true,
        ),
        (
            format!("limit=3&around={}", sent[0]),
            &sent[..3],
            false,
            true,
        ),
        (
            format!("limit=3&around={}", sent[8]),
            &sent[6..],
            true,
            false,
        ),
        ("limit=3&around=999999".to_owned(), &sent[6..], true, false),
        (format!("around={}", sent[4]), &sent[..], false, false),
        ("limit=2".to_owned(), &sent[7..], true, false),
        (
            format!("limit=2&before={}", sent[4]),
            &sent[2..4],
            true,
            true,
        ),
        (
            format!("limit=2&after={}", sent[4]),
            &sent[5..7],
            true,
            true,
        ),
        (
            format!("limit=4&after={}", sent[4]),
            &sent[5..],
            false,
            false,
        ),
    ] {
        let path = format!("/api/chats/history/{}?{query}", bob.id);
        let page = server.get(&path, &ada.token).await;
        assert_eq!(ids(&page), wanted, "{query}");
        let meta = json!({"has_more": has_more, "has_newer": has_newer});
        assert_eq!(page["meta"], meta, "{query}");
    }
    for query in [
        "around=1&before=2",
        "around=1&after=2",
        "around=x",
        "around=0",
    ] {
        let path = format!("/api/chats/history/{}?{query}", bob.id);
        let reply = server.send("GET", &path, Some(&ada.token), "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(reply.code(), "invalid_payload");
        let message = reply.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.starts_with("around: "), "{query}: {message}");
    }
    server.stop().await;
}
