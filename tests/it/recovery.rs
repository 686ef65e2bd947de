//! Whoever was away is told what they missed: by connection state recovery, and by REST.

use std::time::Duration;

use chatd::chat::Rules;
use chatd::config::Config;
use chatd::store::Location;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire, config};

/// What a stock client keeps of a socket.
struct Kept {
    sid: String,
    pid: String,
    offset: Option<String>,
}

/// A socket that keeps what a stock client keeps.
struct Device {
    wire: Wire,
    kept: Kept,
}

impl Device {
    /// Connects; with what was kept of an earlier socket, to continue it. Says whether that was recovered.
    async fn connect(server: &TestServer, person: &Person, kept: Option<&Kept>) -> (Self, bool) {
        let mut auth = json!({"token": person.token});
        if let Some(kept) = kept {
            auth["pid"] = kept.pid.as_str().into();
            if let Some(offset) = &kept.offset {
                auth["offset"] = offset.as_str().into();
            }
        }
        Self::connect_with(server, &auth, kept).await
    }

    async fn connect_with(server: &TestServer, auth: &Value, kept: Option<&Kept>) -> (Self, bool) {
        let mut wire = server.websocket("").await;
        assert!(wire.text().await.starts_with("0{"));
        wire.say(&format!("40{auth}")).await;
        let welcome = wire.text().await;
        let welcome: Value = serde_json::from_str(welcome.strip_prefix("40").unwrap()).unwrap();
        let text = |key: &str| welcome[key].as_str().unwrap().to_owned();
        let recovered = kept.is_some_and(|kept| kept.pid == text("pid"));
        if let Some(kept) = kept {
            assert_eq!(
                recovered,
                kept.sid == text("sid"),
                "its public id goes with it"
            );
        }
        let kept = Kept {
            sid: text("sid"),
            pid: text("pid"),
            offset: kept.and_then(|kept| kept.offset.clone()),
        };
        (Self { wire, kept }, recovered)
    }

    /// The next durable event: `[name, data]`. Keeps its cursor.
    async fn event(&mut self) -> Value {
        loop {
            let event = self.wire.event().await;
            if let Some(cursor) = event[2].as_str() {
                assert!(cursor.len() <= 64 && !cursor.starts_with('_'));
                self.kept.offset = Some(cursor.to_owned());
                return json!([event[0], event[1]]);
            }
            assert!(
                event[0] == "presence" || event[0] == "typing",
                "a durable event without a cursor: {event}"
            );
        }
    }

    /// The connection is gone, and nobody was told.
    fn lose(self) -> Kept {
        self.kept
    }
}

async fn send(wire: &mut Wire, receiver: &Person, content: &str) -> Value {
    let message = json!({"receiver_id": receiver.id, "content": content});
    let (ack, _) = wire.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true, "{ack}");
    ack["data"].clone()
}

/// All that a person is told after a cursor, page by page, and where that ends.
async fn updates(
    server: &TestServer,
    person: &Person,
    since: &str,
    limit: u32,
) -> (Vec<Value>, String) {
    let (mut all, mut since) = (Vec::new(), since.to_owned());
    loop {
        let path = format!("/api/chats/updates?since={since}&limit={limit}");
        let page = server.get(&path, &person.token).await;
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= limit as usize);
        all.extend(rows.iter().map(|row| json!([row["event"], row["data"]])));
        page["meta"]["cursor"]
            .as_str()
            .unwrap()
            .clone_into(&mut since);
        if page["meta"]["has_more"] == false {
            return (all, since);
        }
    }
}

async fn present(server: &TestServer, person: &Person) -> String {
    let page = server.get("/api/chats/updates", &person.token).await;
    assert_eq!(page["data"], json!([]));
    page["meta"]["cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_socket_is_continued_with_what_it_missed_in_order_and_once() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (mut device, _) = Device::connect(&server, &bob, None).await;
    send(&mut sender, &bob, "heard").await;
    assert_eq!(device.event().await[1]["content"], "heard");
    let kept = device.lose();
    for content in ["missed 1", "missed 2"] {
        send(&mut sender, &bob, content).await;
    }
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered);
    send(&mut sender, &bob, "live").await;
    for content in ["missed 1", "missed 2", "live"] {
        assert_eq!(device.event().await[1]["content"], content);
    }
    let kept = device.lose();
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered, "again, by the same place");
    send(&mut sender, &bob, "last").await;
    assert_eq!(
        device.event().await[1]["content"],
        "last",
        "and nothing twice"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_socket_that_had_no_event_yet_is_continued_from_where_it_connected() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    send(&mut sender, &bob, "before it came").await;
    let (device, _) = Device::connect(&server, &bob, None).await;
    let kept = device.lose();
    assert_eq!(kept.offset, None);
    send(&mut sender, &bob, "missed").await;
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered);
    assert_eq!(device.event().await[1]["content"], "missed");
    server.stop().await;
}

#[tokio::test]
async fn a_place_is_one_sockets_and_the_old_one_is_closed() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (mut half_open, _) = Device::connect(&server, &bob, None).await;
    let kept = Kept {
        sid: half_open.kept.sid.clone(),
        pid: half_open.kept.pid.clone(),
        offset: None,
    };
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered);
    assert_eq!(half_open.wire.close_code().await, 1005);
    send(&mut sender, &bob, "to the new one").await;
    assert_eq!(device.event().await[1]["content"], "to the new one");
    server.stop().await;
}

#[tokio::test]
async fn who_leaves_on_purpose_or_shows_what_is_not_theirs_begins_afresh() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (mut device, _) = Device::connect(&server, &bob, None).await;
    send(&mut sender, &bob, "x").await;
    device.event().await;
    let kept = device.lose();

    let (mut other, _) = Device::connect(&server, &ada, None).await;
    send(&mut sender, &bob, "y").await;
    other.event().await;
    let of_ada = other.lose();
    let offset = kept.offset.clone().unwrap();
    let mut forged = offset.clone();
    forged.replace_range(3..4, if &offset[3..4] == "A" { "B" } else { "A" });
    let of_ada_offset = of_ada.offset.clone().unwrap();
    for (pid, offset) in [
        (json!(of_ada.pid), json!(offset)),
        (json!(kept.pid), json!(of_ada_offset)),
        (json!(kept.pid), json!(forged)),
        (json!(kept.pid), json!(7)),
        (json!(kept.pid), json!("7")),
        (json!("x".repeat(59)), json!(offset)),
        (json!(["x"]), json!(offset)),
    ] {
        let auth = json!({"token": bob.token, "pid": pid, "offset": offset});
        let (mut fresh, _) = Device::connect_with(&server, &auth, None).await;
        assert_ne!(fresh.kept.pid, kept.pid, "{auth}");
        let marker = send(&mut sender, &bob, "marker").await;
        assert_eq!(fresh.event().await[1]["id"], marker["id"], "{auth}");
    }

    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered, "the true one still holds");
    device.wire.say("41").await;
    device.wire.say("40").await;
    assert!(
        device
            .wire
            .text()
            .await
            .starts_with("42[\"receive_message\"")
    );
    let kept = device.lose();
    let (_, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(!recovered, "given up");
    server.stop().await;
}

#[tokio::test]
async fn who_was_away_for_longer_than_the_window_or_missed_too_much_begins_afresh() {
    let server = TestServer::with(Config {
        rules: Rules {
            recovery_window: Duration::ZERO,
            ..Rules::default()
        },
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (device, _) = Device::connect(&server, &bob, None).await;
    let since = present(&server, &bob).await;
    let kept = device.lose();
    send(&mut sender, &bob, "missed").await;
    server.login("bob", "password1").await;
    let (_, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(!recovered);
    let path = format!("/api/chats/updates?since={since}");
    let reply = server.send("GET", &path, Some(&bob.token), "").await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["error"]["code"]),
        (410, &json!("cursor_expired"))
    );
    server.stop().await;

    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (device, _) = Device::connect(&server, &bob, None).await;
    let kept = device.lose();
    for _ in 0..180 {
        send(&mut sender, &bob, &"\u{1}".repeat(4_000)).await;
    }
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(!recovered, "4,320 kB are more than is told at once");
    let marker = send(&mut sender, &bob, "live").await;
    assert_eq!(device.event().await[1]["id"], marker["id"]);
    server.stop().await;
}

/// A burst that filled an outbox put out whoever came back to it, before the CONNECT was answered, again and again.
#[tokio::test]
async fn what_others_did_meanwhile_keeps_nobody_from_coming_back() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (device, _) = Device::connect(&server, &bob, None).await;
    let kept = device.lose();
    let content = "\u{1}".repeat(4_000);
    for _ in 0..90 {
        send(&mut sender, &bob, &content).await;
    }
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered, "90 messages, six bytes of JSON a character");
    for id in 1..=90 {
        assert_eq!(device.event().await[1]["id"], id);
    }

    let mut of_bob = server.connect(&bob).await;
    let message = json!(["send_message", {"receiver_id": ada.id, "content": "x"}]);
    for _ in 0..42 {
        of_bob
            .say_at_once((0..100).map(|id| format!("42{id}{message}")))
            .await;
        let mut acks = 0;
        while acks < 100 {
            acks += usize::from(of_bob.text().await.starts_with("43"));
        }
    }
    for _ in 0..4_200 {
        assert_eq!(device.event().await[0], "message_sent");
    }
    let kept = device.lose();
    for chat in 1..=42 {
        let mark = json!({"user_id": bob.id, "up_to": 90 + chat * 100});
        let (ack, _) = sender.call(1, "mark_chat_as_read", mark).await;
        assert_eq!(ack["data"]["count"], 100, "{ack}");
    }
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered, "42 chats read, of 100 messages each");
    for _ in 0..42 {
        assert_eq!(device.event().await[0], "chat_read");
        for _ in 0..100 {
            assert_eq!(device.event().await[0], "messege_read");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn updates_by_rest_are_what_a_socket_hears_on_pages_of_any_size() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let since = present(&server, &ada).await;
    let (mut device, _) = Device::connect(&server, &ada, None).await;
    let mut of_bob = server.connect(&bob).await;
    let mut heard = Vec::new();
    for number in 0..4 {
        send(&mut of_bob, &ada, &number.to_string()).await;
        heard.push(device.event().await);
    }
    let mut of_ada = server.connect(&ada).await;
    let mark = json!({"user_id": bob.id, "up_to": heard[2][1]["id"]});
    of_ada.call(1, "mark_chat_as_read", mark).await;
    send(&mut of_ada, &bob, "answer").await;
    for _ in 0..5 {
        heard.push(device.event().await);
    }
    let names: Vec<_> = heard.iter().map(|event| event[0].clone()).collect();
    assert_eq!(names[4..6], ["chat_read", "messege_read"]);
    for limit in [1, 2, 3, 200] {
        let (all, end) = updates(&server, &ada, &since, limit).await;
        assert_eq!(all, heard, "by pages of {limit}");
        assert_eq!(
            updates(&server, &ada, &end, limit).await.0,
            Vec::<Value>::new()
        );
    }
    // In the middle of one change: the chat was read, and of three messages one was told.
    let kept = device.lose();
    let page = format!("/api/chats/updates?since={since}&limit=6");
    let page = server.get(&page, &ada.token).await;
    let kept = Kept {
        offset: page["meta"]["cursor"].as_str().map(str::to_owned),
        ..kept
    };
    let (mut device, recovered) = Device::connect(&server, &ada, Some(&kept)).await;
    assert!(recovered);
    for event in &heard[6..] {
        assert_eq!(device.event().await, *event);
    }
    for (since, token) in [("nonsense", &ada.token), (since.as_str(), &bob.token)] {
        let path = format!("/api/chats/updates?since={since}");
        let reply = server.send("GET", &path, Some(token), "").await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (410, &json!("cursor_expired"))
        );
    }
    server.stop().await;
}

/// Devices of a few people are cut off at random, and the server is started anew at random, under traffic: in the end each
/// has heard of exactly what happened to its person, in order, once each.
#[tokio::test]
async fn devices_that_come_and_go_all_hear_the_same_story() {
    const PEOPLE: usize = 3;
    const DEVICES: usize = 6;
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let start = || {
            TestServer::with(Config {
                data: Location::File(folder.path().join("chatd.redb")),
                ..config()
            })
        };
        let mut server = start().await;
        let mut people = Vec::new();
        let mut since = Vec::new();
        for number in 0..PEOPLE {
            people.push(server.register(&format!("user{number}")).await);
            since.push(present(&server, &people[number]).await);
        }
        let mut online: Vec<Option<Device>> = Vec::new();
        let mut kept: Vec<Option<Kept>> = Vec::new();
        let mut heard: Vec<Vec<Value>> = vec![Vec::new(); DEVICES];
        for number in 0..DEVICES {
            let (device, _) = Device::connect(&server, &people[number % PEOPLE], None).await;
            online.push(Some(device));
            kept.push(None);
        }
        let mut numbers = 0;
        for _ in 0..60 {
            let number = random.random_range(0..DEVICES);
            let person = &people[number % PEOPLE];
            match random.random_range(0..10) {
                // Goes away, having heard whatever it has heard by then.
                0..3 => {
                    if let Some(mut device) = online[number].take() {
                        for _ in 0..random.random_range(0..3) {
                            let (truth, _) =
                                updates(&server, person, &since[number % PEOPLE], 1_000).await;
                            if heard[number].len() < truth.len() {
                                heard[number].push(device.event().await);
                            }
                        }
                        kept[number] = Some(device.lose());
                    }
                }
                3..5 => {
                    if let Some(before) = kept[number].take() {
                        let (device, recovered) =
                            Device::connect(&server, person, Some(&before)).await;
                        assert!(recovered, "seed {seed}");
                        online[number] = Some(device);
                    }
                }
                5..9 => {
                    numbers += 1;
                    let other = &people[(number + 1 + random.random_range(0..PEOPLE - 1)) % PEOPLE];
                    if other.id == person.id {
                        continue;
                    }
                    let mut sender = server.connect(person).await;
                    let sent = send(&mut sender, other, &numbers.to_string()).await;
                    if random.random_bool(0.4) {
                        let path = format!("/api/chats/{}/read", sent["id"]);
                        let reply = server.send("PATCH", &path, Some(&other.token), "").await;
                        assert_eq!(reply.status.as_u16(), 200);
                    }
                }
                _ => {
                    for (online, kept) in online.iter_mut().zip(&mut kept) {
                        if let Some(device) = online.take() {
                            *kept = Some(device.lose());
                        }
                    }
                    server.stop().await;
                    server = start().await;
                }
            }
        }
        for number in 0..DEVICES {
            let person = &people[number % PEOPLE];
            let mut device = match (online[number].take(), kept[number].take()) {
                (Some(device), _) => device,
                (None, before) => {
                    let (device, recovered) =
                        Device::connect(&server, person, before.as_ref()).await;
                    assert!(recovered, "seed {seed}");
                    device
                }
            };
            let (truth, _) = updates(&server, person, &since[number % PEOPLE], 1_000).await;
            while heard[number].len() < truth.len() {
                heard[number].push(device.event().await);
            }
            assert_eq!(heard[number], truth, "seed {seed}, device {number}");
        }
        server.stop().await;
    }
}
