//! Searching by REST: what is found, in which form, and what is refused.

use std::time::Duration;

use chatd::limits::Rates;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Person, TestServer, Wire, config};

async fn say(socket: &mut Wire, message: Value) -> u64 {
    let (ack, _) = socket.call(1, "send_message", message).await;
    ack["data"]["id"].as_u64().unwrap()
}

/// Asks until the index has everything up to this message.
pub(crate) async fn search(
    server: &TestServer,
    person: &Person,
    query: &str,
    through: u64,
) -> Value {
    loop {
        let path = format!("/api/search?{query}");
        let reply = server.send("GET", &path, Some(&person.token), "").await;
        let page = reply.json();
        let code = page["error"]["code"].as_str().unwrap_or_default();
        assert!(reply.status == 200 || code == "indexing", "{path}: {page}");
        if page["meta"]["indexed_through"].as_u64() >= Some(through) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn ids(page: &Value) -> Vec<u64> {
    let rows = page["data"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn what_was_said_is_found_in_both_kinds_of_chat_as_histories_have_it() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let carl = server.register("carl").await;
    let mut socket = server.connect_second(&ada).await;
    let direct = say(
        &mut socket,
        json!({"receiver_id": bob.id, "content": "😀 Selamat pagi, Café!"}),
    )
    .await;
    let other = json!({"receiver_id": carl.id, "content": "selamat malam"});
    let other = say(&mut socket, other).await;
    let body = json!({"name": "Ops", "member_ids": [bob.id]}).to_string();
    let room = server
        .send("POST", "/api/rooms", Some(&ada.token), &body)
        .await
        .json();
    let room = room["data"]["id"].as_u64().unwrap();
    let said = json!({"room_id": room, "content": "Selamat datang"});
    let in_room = say(&mut socket, said).await;
    let page = search(&server, &ada, "q=sela", in_room).await;
    assert_eq!(ids(&page), [in_room, other, direct]);
    assert_eq!(page["meta"]["next_before"], Value::Null);
    let page = search(&server, &bob, "q=cafe", in_room).await;
    let mut row = page["data"][0].clone();
    assert_eq!(row["matches"], json!([[17, 21]]), "{row}");
    row.as_object_mut().unwrap().remove("matches");
    let history = format!("/api/chats/history/{}", ada.id);
    assert_eq!(row, server.get(&history, &bob.token).await["data"][0]);
    let page = search(&server, &bob, "q=selamat", in_room).await;
    assert_eq!(ids(&page), [in_room, direct]);
    let mut row = page["data"][0].clone();
    row.as_object_mut().unwrap().remove("matches");
    let history = format!("/api/rooms/{room}/history");
    assert_eq!(row, server.get(&history, &bob.token).await["data"][0]);
    for (query, wanted) in [
        (format!("q=selamat&room_id={room}"), vec![in_room]),
        (format!("q=selamat&user_id={}", bob.id), vec![direct]),
        (
            format!("sender_id={}", ada.id),
            vec![in_room, other, direct],
        ),
        (format!("q=selamat&sender_id={}", bob.id), vec![]),
        ("q=%22selamat+pagi%22".to_owned(), vec![direct]),
        ("q=selamat+-pagi".to_owned(), vec![in_room, other]),
        ("has=file".to_owned(), vec![]),
        (format!("q=selamat&before={other}"), vec![direct]),
    ] {
        let page = search(&server, &ada, &query, in_room).await;
        assert_eq!(ids(&page), wanted, "{query}");
    }
    let page = search(&server, &ada, "q=selamat&limit=2", in_room).await;
    assert_eq!(ids(&page), [in_room, other]);
    let next = page["meta"]["next_before"].as_str().unwrap();
    let rest = search(&server, &ada, &format!("q=selamat&before={next}"), in_room).await;
    assert_eq!(ids(&rest), [direct]);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_searched_for_is_refused_with_the_key_that_is_wrong() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let long = "a".repeat(257);
    for (query, status, code, says) in [
        ("", 400, "invalid_payload", "q: "),
        ("q=", 400, "invalid_payload", "q: "),
        ("q=%21%3F", 400, "invalid_payload", "q: "),
        ("q=-halo", 400, "invalid_payload", "q: "),
        (&format!("q={long}"), 400, "invalid_payload", "q: has 257"),
        ("q=halo&has=picture", 400, "invalid_payload", "has: "),
        ("q=halo&limit=0", 400, "invalid_payload", "limit: "),
        ("q=halo&before=x", 400, "invalid_payload", "before: "),
        ("q=halo&room_id=x", 400, "invalid_payload", "room_id: "),
        ("q=halo&sender_id=-1", 400, "invalid_payload", "sender_id: "),
        (
            &format!("q=halo&room_id=1&user_id={}", bob.id),
            400,
            "invalid_payload",
            "room_id: ",
        ),
        ("q=halo&room_id=1", 404, "not_found", "no such room"),
        ("q=halo&user_id=999", 404, "not_found", "no such user"),
    ] {
        let path = format!("/api/search?{query}");
        let reply = server.send("GET", &path, Some(&ada.token), "").await;
        let error = reply.json()["error"].clone();
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (status, code),
            "{path}: {error}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(says), "{path}: {message}");
    }
    let reply = server.send("GET", "/api/search?q=halo", None, "").await;
    assert_eq!(reply.code(), "missing_token");
    let reply = server
        .send("POST", "/api/search?q=halo", Some(&ada.token), "")
        .await;
    assert_eq!(reply.code(), "method_not_allowed");
    server.stop().await;
}

#[tokio::test]
async fn an_edit_and_a_deletion_are_in_the_search_at_once() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect_second(&ada).await;
    let first = say(
        &mut socket,
        json!({"receiver_id": bob.id, "content": "mango"}),
    )
    .await;
    let second = say(
        &mut socket,
        json!({"receiver_id": bob.id, "content": "mango"}),
    )
    .await;
    let page = search(&server, &bob, "q=mango", second).await;
    assert_eq!(ids(&page), [second, first]);
    let edit = json!({"message_id": first, "content": "papaya"});
    assert_eq!(
        socket.call(2, "edit_message", edit).await.0["success"],
        true
    );
    let deletion = json!({"message_id": second});
    assert_eq!(
        socket.call(3, "delete_message", deletion).await.0["success"],
        true
    );
    // What is gone is so at once, however far the index is.
    assert!(ids(&search(&server, &bob, "q=mango", 0).await).is_empty());
    let page = search(&server, &bob, "q=papaya", second + 2).await;
    assert_eq!(ids(&page), [first]);
    server.stop().await;
}

#[tokio::test]
async fn a_search_counts_as_what_it_reads() {
    let mut rates = Rates::default();
    rates.set("requests=1/h:40".parse().unwrap());
    let server = TestServer::with(chatd::config::Config { rates, ..config() }).await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect_second(&ada).await;
    let mut last = 0;
    for _ in 0..25 {
        last = say(
            &mut socket,
            json!({"receiver_id": bob.id, "content": "mango ".repeat(300)}),
        )
        .await;
    }
    search(&server, &bob, "q=nothing", last).await;
    let mut answered = 0;
    let refused = loop {
        let path = "/api/search?q=mango&limit=100";
        let reply = server.send("GET", path, Some(&bob.token), "").await;
        if reply.status != 200 {
            break reply;
        }
        answered += 1;
    };
    assert_eq!(refused.code(), "rate_limited");
    // 25 rows of 2 KB each are more than one request.
    assert!((1..30).contains(&answered), "{answered}");
    server.stop().await;
}

/// A search whose client went away before it ended cost nothing, and made room for the next.
#[tokio::test]
async fn who_goes_away_has_the_search_counted_all_the_same() {
    let mut rates = Rates::off();
    rates.set("requests=1/h:40".parse().unwrap());
    let server = TestServer::with(chatd::config::Config { rates, ..config() }).await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect_second(&ada).await;
    let mut last = 0;
    for _ in 0..25 {
        let content = format!("x {}", "mango ".repeat(500));
        last = say(
            &mut socket,
            json!({"receiver_id": bob.id, "content": content}),
        )
        .await;
    }
    search(&server, &ada, "q=nothing", last).await;
    // Each text is compared with it at each of its words.
    let query = format!("%22{}x", "mango+".repeat(40));
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!(
            "GET /api/search?q={query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            bob.token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        drop(stream);
    }
    let mut refused = false;
    for _ in 0..20 {
        let reply = server
            .send("GET", "/api/search?q=no", Some(&bob.token), "")
            .await;
        refused |= reply.status == 429;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(refused);
    server.stop().await;
}
