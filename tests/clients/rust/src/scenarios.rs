//! What both kinds of client are tested with.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rust_socketio::{Event, Payload};
use serde_json::{Value, json};

use crate::{DEADLINE, Follower, Inbox, Network, Person, Server};

/// A listener as its users write one: it takes the payload, and leaves the client alone.
pub type Listener = Arc<dyn Fn(Payload) + Send + Sync>;

/// How a client connects: to a URL, as a person, with these listeners.
pub type Connect<'a> = dyn Fn(&str, &Person, Vec<(Event, Listener)>) -> Box<dyn Client + 'a> + 'a;

/// A connected client.
pub trait Client {
    /// Emits an event with a callback, and returns the one object that this was given; `None` where
    /// none came within [`RETRY`](crate::RETRY) or the connection was lost.
    fn ask(&self, event: &str, payload: Value) -> Option<Value>;
}

/// A client whose events wait in an inbox.
fn connect<'a>(to: &Connect<'a>, url: &str, person: &Person) -> (Box<dyn Client + 'a>, Inbox) {
    let inbox = Inbox::default();
    let mut listeners = Vec::new();
    for event in [
        "receive_message",
        "message_sent",
        "messege_read",
        "chat_read",
    ] {
        let inbox = inbox.clone();
        let listener: Listener = Arc::new(move |payload| inbox.hear(event, payload));
        listeners.push((Event::from(event), listener));
    }
    let connected = inbox.clone();
    listeners.push((
        Event::Connect,
        Arc::new(move |payload| connected.hear("connect", payload)),
    ));
    let client = to(url, person, listeners);
    inbox.next("connect");
    (client, inbox)
}

/// Sends a message as often as it takes until it is confirmed.
fn send(client: &dyn Client, receiver: &Person, content: &str) -> u64 {
    let payload = json!({"receiver_id": receiver.id, "content": content, "client_id": content});
    let started = Instant::now();
    let answer = loop {
        assert!(started.elapsed() < DEADLINE, "no answer to {content}");
        match client.ask("send_message", payload.clone()) {
            Some(answer) => break answer,
            // It refuses at once where its connection was just lost.
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(answer["success"], true, "{answer}");
    answer["data"]["id"].as_u64().expect("the message's id")
}

/// Emits what must be confirmed at once, and returns the answer's data.
fn confirmed(client: &dyn Client, event: &str, payload: Value) -> Value {
    let answer = client
        .ask(event, payload)
        .unwrap_or_else(|| panic!("no answer to {event}"));
    assert_eq!(answer["success"], true, "{event}: {answer}");
    answer["data"].clone()
}

/// Every durable event reaches its listener, its payload first and its cursor after it.
pub fn hears_every_event(to: &Connect<'_>) {
    let server = Server::new();
    let (ada, bob) = (server.person("ada"), server.person("bob"));
    let (a, ada_heard) = connect(to, &server.url(), &ada);
    let (b, bob_heard) = connect(to, &server.url(), &bob);
    let next = |inbox: &Inbox, event: &str| match &inbox.next(event)[..] {
        [payload, Value::String(_)] => payload.clone(),
        other => panic!("{event} without its cursor: {other:?}"),
    };

    let id = send(&*a, &bob, "Halo, “b”! 😀");
    for (inbox, event) in [
        (&ada_heard, "message_sent"),
        (&bob_heard, "receive_message"),
    ] {
        let message = next(inbox, event);
        assert_eq!(message["id"], id);
        assert_eq!(message["content"], "Halo, “b”! 😀");
    }
    confirmed(&*b, "mark_as_read", json!({"message_id": id}));
    let read = json!({"message_id": id, "user_id": bob.id});
    assert_eq!(next(&ada_heard, "messege_read"), read);
    send(&*b, &ada, "and back");
    assert_eq!(next(&ada_heard, "receive_message")["content"], "and back");
    let marked = confirmed(&*a, "mark_chat_as_read", json!({"user_id": bob.id}));
    assert_eq!(marked["count"], 1);
    assert_eq!(next(&bob_heard, "chat_read")["reader_id"], ada.id);
}

/// An app with a listener of messages and one of connections misses none, though its network is cut
/// and the server is killed.
pub fn loses_nothing(to: &Connect<'_>) {
    const ROUNDS: usize = 6;
    let mut server = Server::new();
    let (ada, bob) = (server.person("ada"), server.person("bob"));
    let network = Network::before(server.port());
    let (a, ada_heard) = connect(to, &server.url(), &ada);
    let follower = Follower::new(&bob);
    let (received, connected) = (follower.clone(), follower.clone());
    let receive: Listener = Arc::new(move |payload| received.receive(payload));
    let connected: Listener = Arc::new(move |_| connected.connected());
    let listeners = vec![
        ("receive_message".into(), receive),
        (Event::Connect, connected),
    ];
    let _b = to(&network.url(), &bob, listeners);

    let mut sent = Vec::new();
    for round in 1..=ROUNDS {
        follower.has_connected(round);
        sent.push(send(&*a, &bob, &format!("live {round}")));
        follower.has_received(sent.len());
        network.cut();
        if round % 3 == 0 {
            server.kill_and_start();
            // What is asked while it is not connected leaves a callback behind in the client on
            // tokio, and it panics when an answer fits two of them.
            ada_heard.next("connect");
        }
        sent.push(send(&*a, &bob, &format!("missed {round}")));
        network.mend();
    }
    let (received, caught_up) = follower.has_received(sent.len());
    assert_eq!(received, sent, "each once, in order");
    assert!(
        caught_up >= ROUNDS,
        "{caught_up} messages were caught up with"
    );
    assert_eq!(bob.history(&ada), sent);
}
