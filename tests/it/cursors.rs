//! Who is given cursors: a client whose listeners break on a second argument is told every event
//! with one.

use serde_json::{Value, json};

use crate::support::{Person, Remote, TestServer, Wire};

const PYTHON: &[(&str, &str)] = &[("user-agent", "python-requests/2.32.3")];
const DART: &[(&str, &str)] = &[("user-agent", "Dart/3.4 (dart:io)")];
const JAVA: &[(&str, &str)] = &[("user-agent", "okhttp/4.12.0")];
/// What websocket-client sends has no `User-Agent`; python-engineio stamps the query.
const STAMP: &str = "&t=1764342000.1234567";

const DURABLE: [&str; 4] = [
    "receive_message",
    "message_sent",
    "messege_read",
    "chat_read",
];

/// A socket whose handshake has these headers, and whether it was given a `pid`.
async fn connect(
    server: &Remote,
    person: &Person,
    query: &str,
    headers: &[(&str, &str)],
    more: Value,
) -> (Wire, bool) {
    let path = format!("/socket.io/?EIO=4&transport=websocket{query}");
    let mut wire = server.try_wire_with(&path, headers).await.unwrap();
    assert!(wire.text().await.starts_with("0{"));
    let mut auth = json!({"token": &*person.token});
    for (key, value) in more.as_object().into_iter().flatten() {
        auth[key] = value.clone();
    }
    wire.say(&format!("40{auth}")).await;
    let welcome: Value = serde_json::from_str(&wire.text().await[2..]).unwrap();
    assert!(welcome["sid"].is_string());
    (wire, welcome["pid"].is_string())
}

/// The next durable event, with all its arguments.
async fn durable(wire: &mut Wire) -> Vec<Value> {
    loop {
        let event = wire.event().await.as_array().unwrap().clone();
        if DURABLE.contains(&event[0].as_str().unwrap()) {
            return event;
        }
    }
}

/// Has each durable event told to Bob's sockets: a message comes, one is sent, and a chat is read
/// from both sides.
async fn all_happens(server: &TestServer, ada: &Person, bob: &Person) {
    let mut sender = server.connect(ada).await;
    let mut other = server.connect(bob).await;
    let to_bob = json!({"receiver_id": bob.id, "content": "to bob"});
    let (ack, _) = sender.call(1, "send_message", to_bob).await;
    assert_eq!(ack["success"], true, "{ack}");
    let to_ada = json!({"receiver_id": ada.id, "content": "to ada"});
    let (ack, _) = other.call(1, "send_message", to_ada).await;
    assert_eq!(ack["success"], true, "{ack}");
    let read = json!({"user_id": bob.id});
    let (ack, _) = sender.call(2, "mark_chat_as_read", read).await;
    assert_eq!(ack["data"]["count"], 1, "{ack}");
}

const TOLD: [&str; 4] = [
    "receive_message",
    "message_sent",
    "chat_read",
    "messege_read",
];

#[tokio::test]
async fn a_listener_of_python_or_dart_that_takes_one_argument_loses_no_message() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut devices = Vec::new();
    for (query, headers) in [("", PYTHON), ("", DART), (STAMP, &[]), (STAMP, JAVA)] {
        let (wire, has_pid) = connect(&server, &bob, query, headers, json!({})).await;
        assert!(
            !has_pid,
            "{query} {headers:?}: nothing can be continued without cursors"
        );
        devices.push(wire);
    }
    all_happens(&server, &ada, &bob).await;
    for wire in &mut devices {
        for name in TOLD {
            let event = durable(wire).await;
            assert_eq!((&event[0], event.len()), (&json!(name), 2), "{event:?}");
        }
    }
}

#[tokio::test]
async fn every_other_client_is_given_cursors_beside_one_that_takes_none() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut python, _) = connect(&server, &bob, "", PYTHON, json!({})).await;
    let mut devices = Vec::new();
    for headers in [JAVA, &[("user-agent", "node-XMLHttpRequest")], &[]] {
        let (wire, has_pid) = connect(&server, &bob, "", headers, json!({})).await;
        assert!(has_pid, "{headers:?}");
        devices.push(wire);
    }
    all_happens(&server, &ada, &bob).await;
    for name in TOLD {
        let plain = durable(&mut python).await;
        assert_eq!(plain.len(), 2, "{plain:?}");
        for wire in &mut devices {
            let event = durable(wire).await;
            assert_eq!((&event[0], event.len()), (&json!(name), 3), "{event:?}");
            assert!(event[2].is_string(), "{event:?}");
            assert_eq!(event[1], plain[1]);
        }
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_counts_more_than_its_agent() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut devices = Vec::new();
    for (headers, cursor, takes) in [
        (PYTHON, json!(true), true),
        (DART, json!(true), true),
        (JAVA, json!(false), false),
        (&[][..], json!(false), false),
        // What is neither says nothing.
        (PYTHON, json!("true"), false),
        (JAVA, json!(0), true),
        (JAVA, json!(null), true),
    ] {
        let said = json!({"cursor": cursor});
        // A type that is not the documented one is passed over, and is for no document.
        let remote = Remote::at(server.address);
        let (wire, has_pid) = connect(&remote, &bob, "", headers, said).await;
        assert_eq!(has_pid, takes, "{headers:?} {cursor}");
        devices.push((wire, takes));
    }
    all_happens(&server, &ada, &bob).await;
    for (wire, takes) in &mut devices {
        for name in TOLD {
            let event = durable(wire).await;
            assert_eq!(event[0], name);
            assert_eq!(event.len(), if *takes { 3 } else { 2 }, "{event:?}");
        }
    }
}

/// What Dart's `socket_io_client` gives a listener: the argument, or all of them as a list where
/// there are more.
fn as_dart_calls(args: &[Value]) -> Value {
    match args {
        [one] => one.clone(),
        more => Value::Array(more.to_vec()),
    }
}

#[tokio::test]
async fn listeners_as_dart_and_java_call_them_find_the_message() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut dart, _) = connect(&server, &bob, "", DART, json!({})).await;
    let (mut java, _) = connect(&server, &bob, "", JAVA, json!({})).await;
    all_happens(&server, &ada, &bob).await;
    // `socket.on("receive_message", (data) => show(data["content"]))`
    assert_eq!(
        as_dart_calls(&durable(&mut dart).await[1..])["content"],
        "to bob"
    );
    // `socket.on("receive_message", args -> show(((JSONObject) args[0]).getString("content")))`
    assert_eq!(durable(&mut java).await[1]["content"], "to bob");
}

#[tokio::test]
async fn a_client_without_cursors_that_shows_a_pid_begins_afresh_and_finds_by_rest_what_it_missed()
{
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let mut wire = server.websocket("").await;
    wire.text().await;
    wire.say(&format!("40{}", json!({"token": &*bob.token})))
        .await;
    let welcome: Value = serde_json::from_str(&wire.text().await[2..]).unwrap();
    let cursor = server.get("/api/chats/updates", &bob.token).await["meta"]["cursor"].clone();
    drop(wire);
    let missed = json!({"receiver_id": bob.id, "content": "missed"});
    let (ack, _) = sender.call(1, "send_message", missed).await;
    assert_eq!(ack["success"], true, "{ack}");
    let more = json!({"pid": welcome["pid"], "offset": cursor});
    let (_, has_pid) = connect(&server, &bob, "", PYTHON, more).await;
    assert!(!has_pid);
    let path = format!("/api/chats/updates?since={}", cursor.as_str().unwrap());
    let page = server.get(&path, &bob.token).await;
    assert_eq!(page["data"][0]["data"]["content"], "missed");
}
