//! Bursts: many and long messages at once reach those who read, and close those who do not.

use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire};

const COUNT: u64 = 300;

/// A session by polling, joined by a person.
struct Poller<'a> {
    server: &'a TestServer,
    path: String,
}

impl<'a> Poller<'a> {
    async fn connect(server: &'a TestServer, person: &Person) -> Self {
        Self::stamped(server, person, "t=PfO1xyz").await
    }

    /// With the time stamp of its client.
    async fn stamped(server: &'a TestServer, person: &Person, stamp: &str) -> Self {
        let open = &format!("/socket.io/?EIO=4&transport=polling&{stamp}");
        let reply = server.send("GET", open, None, "").await;
        let handshake: Value = serde_json::from_str(&reply.body[1..]).unwrap();
        let path = format!("{open}&sid={}", handshake["sid"].as_str().unwrap());
        let poller = Self { server, path };
        poller
            .post(&format!("40{{\"token\":\"{}\"}}", person.token))
            .await;
        let welcome = poller.poll().await;
        assert!(welcome[0].starts_with("40{"), "{welcome:?}");
        poller
    }

    async fn post(&self, body: &str) {
        let reply = self.server.send("POST", &self.path, None, body).await;
        assert_eq!((reply.status.as_u16(), &*reply.body), (200, "ok"));
    }

    /// The packets of the next poll; pings are answered.
    async fn poll(&self) -> Vec<String> {
        let reply = self.server.send("GET", &self.path, None, "").await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
        let packets: Vec<_> = reply.body.split('\x1e').map(str::to_owned).collect();
        if packets.iter().any(|packet| packet == "2") {
            self.post("3").await;
        }
        packets
    }
}

async fn send_all(sender: &mut Wire, receiver: &Person, content: &str) {
    let message = json!(["send_message", {"receiver_id": receiver.id, "content": content}]);
    sender
        .say_at_once((0..COUNT).map(|id| format!("42{id}{message}")))
        .await;
    let mut acks = 0;
    while acks < COUNT {
        let text = sender.text().await;
        if text.starts_with("43") {
            assert!(text.contains("\"success\":true"), "{text}");
            acks += 1;
        }
    }
}

/// All were told in one turn, which filled the receiver's outbox before its task had run once, and
/// put it out as slow.
#[tokio::test]
async fn a_burst_of_the_longest_messages_reaches_a_receiver_who_reads_at_full_speed() {
    for character in ["x", "\u{1}"] {
        let server = TestServer::start().await;
        let (ada, bob) = server.two_people().await;
        let mut sender = server.connect(&ada).await;
        let mut receiver = server.connect(&bob).await;
        let poller = Poller::connect(&server, &bob).await;
        let content = character.repeat(4_000);
        let by_websocket = async {
            for id in 1..=COUNT {
                assert_eq!(receiver.expect("receive_message").await["id"], id);
            }
        };
        let by_polling = async {
            let mut ids = Vec::new();
            while ids.len() < COUNT as usize {
                let packets = poller.poll().await;
                let events = packets
                    .iter()
                    .filter_map(|packet| packet.strip_prefix("42"));
                ids.extend(events.map(|event| {
                    let event: Value = serde_json::from_str(event).unwrap();
                    event[1]["id"].as_u64().unwrap()
                }));
            }
            assert_eq!(ids, Vec::from_iter(1..=COUNT));
        };
        tokio::join!(
            send_all(&mut sender, &bob, &content),
            by_websocket,
            by_polling
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn one_who_reads_nothing_keeps_nobody_else_from_reading() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let mut receiver = server.connect(&bob).await;
    let silent = Poller::connect(&server, &bob).await;
    let content = "\u{1}".repeat(4_000);
    for round in 0..3 {
        let reading = async {
            for id in 1..=COUNT {
                let id = round * COUNT + id;
                assert_eq!(receiver.expect("receive_message").await["id"], id);
            }
        };
        tokio::join!(send_all(&mut sender, &bob, &content), reading);
    }
    assert_eq!(
        silent.poll().await,
        ["1"],
        "more waits for it than may: it is told to begin afresh, and of nothing else"
    );
    server.stop().await;
}

/// The stock Python client takes 16 packets of one poll: with more it gave up its connection and
/// lost all of them, as the author of 16 messages did that were read at once.
#[tokio::test]
async fn a_poll_of_python_brings_no_more_packets_than_it_takes_and_the_next_one_the_rest() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let poller = Poller::stamped(&server, &bob, "t=1764342000.25").await;
    send_all(&mut sender, &bob, "hi").await;
    let mut ids = Vec::new();
    while ids.len() < COUNT as usize {
        let packets = poller.poll().await;
        assert!(packets.len() <= 16, "{}", packets.len());
        for event in packets.iter().filter_map(|text| text.strip_prefix("42")) {
            let event: Value = serde_json::from_str(event).unwrap();
            ids.push(event[1]["id"].as_u64().unwrap());
        }
    }
    assert_eq!(ids, Vec::from_iter(1..=COUNT));
    server.stop().await;
}
