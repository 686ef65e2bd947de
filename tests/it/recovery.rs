//! Whoever was away is told what they missed: by connection state recovery, and by REST.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use chatd::chat::Rules;
use chatd::config::Config;
use chatd::store::Location;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::program::Running;
use crate::support::{Person, Remote, TestServer, Wire, config, soon};

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
    /// Connects; with what was kept of an earlier socket, to continue it. Says whether that was
    /// recovered.
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
    for (pid, offset) in [
        (json!(of_ada.pid), json!(offset)),
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

/// A cursor is a place in the one order of events, the same for all who hear of an event: whoever
/// shows it is told what they missed themselves since then, and nothing else.
#[tokio::test]
async fn a_cursor_that_another_was_given_brings_ones_own_events_alone() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let eve = server.register("eve").await;
    let mut sender = server.connect(&ada).await;
    let (of_eve, _) = Device::connect(&server, &eve, None).await;
    let (mut of_bob, _) = Device::connect(&server, &bob, None).await;
    send(&mut sender, &bob, "to bob").await;
    let heard = of_bob.event().await;
    let kept = of_eve.lose();
    send(&mut sender, &eve, "to eve").await;
    send(&mut sender, &bob, "to bob alone").await;

    let since = of_bob.kept.offset.clone().unwrap();
    let (told, _) = updates(&server, &eve, &since, 1).await;
    let auth = json!({"token": eve.token, "pid": kept.pid, "offset": since});
    let (mut of_eve, recovered) = Device::connect_with(&server, &auth, Some(&kept)).await;
    assert!(recovered);
    let missed = of_eve.event().await;
    assert_eq!(missed[1]["content"], "to eve");
    assert_eq!(told, [missed], "by REST the same");
    send(&mut sender, &eve, "live").await;
    assert_eq!(of_eve.event().await[1]["content"], "live");
    assert_eq!(heard[1]["content"], "to bob");
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

/// A burst that filled an outbox put out whoever came back to it, before the CONNECT was answered,
/// again and again.
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
    let mut forged = since.clone();
    forged.replace_range(3..4, if &since[3..4] == "A" { "B" } else { "A" });
    for since in ["nonsense", &forged] {
        let path = format!("/api/chats/updates?since={since}");
        let reply = server.send("GET", &path, Some(&ada.token), "").await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (410, &json!("cursor_expired"))
        );
    }
    server.stop().await;
}

/// Devices of a few people are cut off at random, and the server is started anew at random, under
/// traffic: in the end each has heard of exactly what happened to its person, in order, once each.
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

/// A server on the data file of a folder.
async fn on(folder: &Path) -> TestServer {
    TestServer::with(Config {
        data: Location::File(folder.join("chatd.redb")),
        ..config()
    })
    .await
}

/// What `GET /api/chats/updates` answers to a cursor: the code of a refusal, or the contents that
/// were told.
async fn told(server: &TestServer, person: &Person, since: &str) -> Result<Vec<String>, String> {
    let path = format!("/api/chats/updates?since={since}");
    let reply = server.send("GET", &path, Some(&person.token), "").await;
    if reply.status.as_u16() != 200 {
        return Err(reply.code());
    }
    let rows = reply.json()["data"].as_array().unwrap().clone();
    let content = |row: &Value| row["data"]["content"].as_str().unwrap().to_owned();
    Ok(rows.iter().map(content).collect())
}

#[tokio::test]
async fn a_client_that_was_ahead_of_a_copy_that_was_put_in_place_begins_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("chatd.redb"), folder.path().join("copy"));
    let server = on(folder.path()).await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (mut device, _) = Device::connect(&server, &bob, None).await;
    send(&mut sender, &bob, "kept").await;
    device.event().await;
    // Both stand at the last entry that the copy has: one by an event, one by where it connected.
    let at_its_end = device.lose();
    let (silent, _) = Device::connect(&server, &bob, None).await;
    let silent = silent.lose();
    let since_its_end = present(&server, &bob).await;
    server.stop().await;
    std::fs::copy(&data, &copy).unwrap();

    let server = on(folder.path()).await;
    let (mut ahead, _) = Device::connect(&server, &bob, None).await;
    let mut sender = server.connect(&ada).await;
    for content in ["lost 1", "lost 2", "lost 3"] {
        send(&mut sender, &bob, content).await;
        ahead.event().await;
    }
    let ahead = ahead.lose();
    let (silent_ahead, _) = Device::connect(&server, &bob, None).await;
    let silent_ahead = silent_ahead.lose();
    let since_ahead = present(&server, &bob).await;
    server.stop().await;
    std::fs::copy(&copy, &data).unwrap();

    let server = on(folder.path()).await;
    // Before the file has an entry after the copy's, with as many as were lost, and with more.
    let mut news: Vec<&str> = Vec::new();
    for more in [&[][..], &["new 1", "new 2", "new 3"], &["new 4"]] {
        let mut sender = server.connect(&ada).await;
        for content in more {
            send(&mut sender, &bob, content).await;
        }
        news.extend(more);
        for kept in [&ahead, &silent_ahead] {
            let (mut fresh, recovered) = Device::connect(&server, &bob, Some(kept)).await;
            assert!(!recovered, "after {news:?}");
            let marker = send(&mut sender, &bob, "marker").await;
            news.push("marker");
            assert_eq!(fresh.event().await[1]["id"], marker["id"]);
        }
        let refusal = told(&server, &bob, &since_ahead).await;
        assert_eq!(refusal, Err("cursor_expired".into()), "after {news:?}");
    }
    let all: Vec<String> = news.iter().map(|&content| content.to_owned()).collect();
    assert_eq!(told(&server, &bob, &since_its_end).await, Ok(all));
    for kept in [&at_its_end, &silent] {
        let (mut device, recovered) = Device::connect(&server, &bob, Some(kept)).await;
        assert!(recovered, "what this client had is still there");
        for content in &news {
            assert_eq!(device.event().await[1]["content"], *content);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_cursor_of_one_of_two_copies_that_both_live_on_is_not_known_to_the_other() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let server = on(folders[0].path()).await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    send(&mut sender, &bob, "of both").await;
    let shared = present(&server, &bob).await;
    server.stop().await;
    let [one, other] = folders
        .each_ref()
        .map(|folder| folder.path().join("chatd.redb"));
    std::fs::copy(one, other).unwrap();
    let mut cursors = Vec::new();
    for folder in &folders {
        let server = on(folder.path()).await;
        let mut sender = server.connect(&ada).await;
        send(&mut sender, &bob, "of one").await;
        cursors.push(present(&server, &bob).await);
        server.stop().await;
    }
    for (number, folder) in folders.iter().enumerate() {
        let server = on(folder.path()).await;
        for (of, cursor) in cursors.iter().enumerate() {
            let answer = told(&server, &bob, cursor).await;
            assert_eq!(answer.is_ok(), of == number, "{answer:?}");
        }
        let answer = told(&server, &bob, &shared).await;
        assert_eq!(answer, Ok(vec!["of one".to_owned()]));
        server.stop().await;
    }
}

#[tokio::test]
async fn a_retry_after_the_file_went_back_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("chatd.redb"), folder.path().join("copy"));
    let server = on(folder.path()).await;
    let (ada, bob) = server.two_people().await;
    let message = |id: &str| json!({"receiver_id": bob.id, "content": id, "client_id": id});
    let mut wire = server.connect(&ada).await;
    wire.call(1, "send_message", message("kept")).await;
    server.stop().await;
    std::fs::copy(&data, &copy).unwrap();
    let server = on(folder.path()).await;
    let mut wire = server.connect(&ada).await;
    wire.call(1, "send_message", message("lost")).await;
    server.stop().await;
    std::fs::copy(&copy, &data).unwrap();
    let server = on(folder.path()).await;
    let mut wire = server.connect(&ada).await;
    // Another message gets the id that the lost one had.
    wire.call(1, "send_message", message("other")).await;
    for _ in 0..2 {
        for id in ["lost", "kept", "other"] {
            let (ack, _) = wire.call(1, "send_message", message(id)).await;
            assert_eq!(ack["data"]["content"], id, "{ack}");
        }
    }
    let history = server
        .get(&format!("/api/chats/history/{}", bob.id), &ada.token)
        .await;
    let rows = history["data"].as_array().unwrap();
    let contents: Vec<_> = rows.iter().map(|row| row["content"].clone()).collect();
    assert_eq!(contents, ["kept", "other", "lost"]);
    server.stop().await;
}

/// What a server's history is in the model of a test. What happens has a name that is never given
/// again, whatever its id.
#[derive(Clone, Default)]
struct Story {
    log: Vec<String>,
    /// Of each person, what they are told of, in order.
    of: Vec<Vec<String>>,
    /// The names of messages by their ids.
    names: HashMap<u64, String>,
}

impl Story {
    fn add(&mut self, name: &str, people: [usize; 2]) {
        self.log.push(name.to_owned());
        for person in people {
            self.of[person].push(name.to_owned());
        }
    }

    /// What an event tells of.
    fn name(&self, event: &Value) -> String {
        match event[0].as_str().unwrap() {
            "messege_read" => {
                format!(
                    "read {}",
                    self.names[&event[1]["message_id"].as_u64().unwrap()]
                )
            }
            _ => event[1]["content"].as_str().unwrap().to_owned(),
        }
    }
}

/// What a client had of a story when it last looked: how it goes on if nothing was lost.
struct Had {
    /// The log up to its place.
    log: Vec<String>,
    /// How much of what its person is told of.
    count: usize,
}

impl Had {
    fn up_to(story: &Story, person: usize) -> Self {
        Self {
            log: story.log.clone(),
            count: story.of[person].len(),
        }
    }

    fn is_of(&self, story: &Story) -> bool {
        story.log.starts_with(&self.log)
    }
}

/// Messages, marks, devices that come and go, servers that stop, and earlier files that are put in
/// place, at random: a client is continued exactly where all that it had is still there, and then
/// misses nothing.
#[tokio::test]
async fn over_files_that_go_back_at_random_no_client_is_continued_wrongly_or_misses_anything() {
    const PEOPLE: usize = 3;
    let (mut continued, mut fresh) = (0, 0);
    for seed in 0..8 {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chatd.redb");
        let mut server = on(folder.path()).await;
        let mut people = Vec::new();
        for number in 0..PEOPLE {
            people.push(server.register(&format!("user{number}")).await);
        }
        let mut story = Story {
            of: vec![Vec::new(); PEOPLE],
            ..Story::default()
        };
        let mut copies: Vec<Story> = Vec::new();
        let mut away: Vec<(usize, Kept, Had)> = Vec::new();
        let mut cursors: Vec<(usize, String, Had)> = Vec::new();
        for step in 0..90 {
            let person = random.random_range(0..PEOPLE);
            match random.random_range(0..20) {
                0..8 => {
                    let other = (person + random.random_range(1..PEOPLE)) % PEOPLE;
                    let name = format!("{seed}.{step}");
                    let mut sender = server.connect(&people[person]).await;
                    let sent = send(&mut sender, &people[other], &name).await;
                    story.add(&name, [person, other]);
                    story
                        .names
                        .insert(sent["id"].as_u64().unwrap(), name.clone());
                    if random.random_bool(0.3) {
                        let path = format!("/api/chats/{}/read", sent["id"]);
                        let token: Option<&str> = Some(&people[other].token);
                        let reply = server.send("PATCH", &path, token, "").await;
                        assert_eq!(reply.status.as_u16(), 200);
                        story.add(&format!("read {name}"), [person, other]);
                    }
                }
                8..10 => {
                    let (device, _) = Device::connect(&server, &people[person], None).await;
                    away.push((person, device.lose(), Had::up_to(&story, person)));
                }
                10..14 if !away.is_empty() => {
                    let at = random.random_range(0..away.len());
                    let (person, kept, had) = away.swap_remove(at);
                    let (mut device, recovered) =
                        Device::connect(&server, &people[person], Some(&kept)).await;
                    assert_eq!(recovered, had.is_of(&story), "seed {seed}, step {step}");
                    let mut had = had;
                    if recovered {
                        continued += 1;
                        for name in &story.of[person][had.count..] {
                            assert_eq!(story.name(&device.event().await), *name);
                        }
                        // Its place is the last event that it had, or as before.
                        if had.count < story.of[person].len() {
                            had.count = story.of[person].len();
                            let last = story.of[person].last();
                            let end = story.log.iter().position(|name| Some(name) == last);
                            had.log = story.log[..=end.unwrap()].to_vec();
                        }
                    } else {
                        fresh += 1;
                        device.kept.offset = None;
                        had = Had::up_to(&story, person);
                    }
                    away.push((person, device.lose(), had));
                }
                14..15 => {
                    let cursor = present(&server, &people[person]).await;
                    cursors.push((person, cursor, Had::up_to(&story, person)));
                }
                15..17 if !cursors.is_empty() => {
                    let (person, cursor, had) = &cursors[random.random_range(0..cursors.len())];
                    let path = format!("/api/chats/updates?since={cursor}");
                    let token: Option<&str> = Some(&people[*person].token);
                    let reply = server.send("GET", &path, token, "").await;
                    if had.is_of(&story) {
                        let rows = reply.json()["data"].as_array().unwrap().clone();
                        let names: Vec<_> = rows
                            .iter()
                            .map(|row| story.name(&json!([row["event"], row["data"]])))
                            .collect();
                        let missed = &story.of[*person][had.count..];
                        assert_eq!(names, missed, "seed {seed}, step {step}");
                    } else {
                        assert_eq!(reply.code(), "cursor_expired", "seed {seed}, step {step}");
                    }
                }
                17 => {
                    server.stop().await;
                    std::fs::copy(&data, folder.path().join(copies.len().to_string())).unwrap();
                    copies.push(story.clone());
                    server = on(folder.path()).await;
                }
                18 if !copies.is_empty() => {
                    server.stop().await;
                    let at = random.random_range(0..copies.len());
                    std::fs::copy(folder.path().join(at.to_string()), &data).unwrap();
                    story = copies[at].clone();
                    server = on(folder.path()).await;
                }
                _ => {
                    server.stop().await;
                    server = on(folder.path()).await;
                }
            }
        }
        server.stop().await;
    }
    assert!(continued > 20 && fresh > 20, "{continued}, {fresh}");
}

/// The next event with this name; presence, typing and all else before it are passed over.
async fn next(device: &mut Device, name: &str) -> Value {
    loop {
        let event = device.wire.event().await;
        if let Some(cursor) = event[2].as_str() {
            device.kept.offset = Some(cursor.to_owned());
        }
        if event[0] == name {
            return event[1].clone();
        }
    }
}

#[tokio::test]
async fn a_socket_that_is_continued_is_not_told_its_own_read_marks_and_another_device_is() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (mut device, _) = Device::connect(&server, &bob, None).await;
    let (other, _) = Device::connect(&server, &bob, None).await;
    let (mut third, _) = Device::connect(&server, &bob, None).await;
    let mut ids = Vec::new();
    for content in ["1", "2", "3"] {
        ids.push(send(&mut sender, &bob, content).await["id"].clone());
        next(&mut device, "receive_message").await;
    }
    let other = other.lose();
    // One message, a chat, and, by another device, a further message.
    let one = json!({"message_id": ids[0]});
    device.wire.call(1, "mark_as_read", one).await;
    let chat = json!({"user_id": ada.id, "up_to": ids[1]});
    device.wire.call(2, "mark_chat_as_read", chat).await;
    let theirs = json!({"message_id": ids[2]});
    third.wire.call(3, "mark_as_read", theirs).await;
    let read = json!(["messege_read", {"message_id": ids[2], "user_id": bob.id}]);
    assert_eq!(device.event().await, read);
    // It comes back twice, as a client that has heard of nothing yet.
    let mut kept = device.lose();
    for time in 1..=2 {
        kept.offset = None;
        let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
        assert!(recovered);
        for content in ["1", "2", "3"] {
            assert_eq!(device.event().await[1]["content"], content);
        }
        assert_eq!(
            device.event().await,
            read,
            "time {time}: what another device asked for"
        );
        kept = device.lose();
    }
    // What it asked for after it came back is its own too.
    let (mut device, _) = Device::connect(&server, &bob, Some(&kept)).await;
    let last = send(&mut sender, &bob, "last").await;
    assert_eq!(device.event().await[1]["id"], last["id"]);
    let last = json!({"message_id": last["id"]});
    device.wire.call(1, "mark_as_read", last).await;
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&device.lose())).await;
    assert!(recovered);
    send(&mut sender, &bob, "live").await;
    assert_eq!(device.event().await[1]["content"], "live");
    // To the person's other device they are news.
    let (mut other, recovered) = Device::connect(&server, &bob, Some(&other)).await;
    assert!(recovered);
    assert_eq!(next(&mut other, "messege_read").await["message_id"], ids[0]);
    assert_eq!(next(&mut other, "chat_read").await["up_to"], ids[1]);
}

#[tokio::test]
async fn a_socket_that_is_continued_watches_on_and_is_told_who_came_or_went_meanwhile() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (eve, kim) = (server.register("eve").await, server.register("kim").await);
    let present = server.connect(&ada).await;
    let mut stays = server.connect(&eve).await;
    let (mut device, _) = Device::connect(&server, &bob, None).await;
    let watched = json!({"user_ids": [ada.id, eve.id, kim.id]});
    let (ack, _) = device.wire.call(1, "presence_subscribe", watched).await;
    assert_eq!(ack["success"], true, "{ack}");
    device.wire.say("1").await;
    assert!(device.wire.text_or_end().await.is_none());
    let kept = device.lose();
    drop(present);
    let mut coming = server.connect(&kim).await;
    // Both are known once Eve, who watches too, has heard.
    let both = json!({"user_ids": [ada.id, kim.id]});
    loop {
        let (ack, _) = stays.call(1, "presence_subscribe", both.clone()).await;
        let online = |at: usize| ack["data"]["users"][at]["online"].clone();
        if (online(0), online(1)) == (json!(false), json!(true)) {
            break;
        }
    }
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered);
    let gone = next(&mut device, "presence").await;
    assert_eq!(
        (&gone["user_id"], &gone["online"]),
        (&json!(ada.id), &json!(false))
    );
    assert!(gone["last_seen"].is_string());
    let came = json!({"user_id": kim.id, "online": true, "last_seen": null});
    assert_eq!(next(&mut device, "presence").await, came);
    // Eve has neither come nor gone, so that what follows is told next; and it goes on.
    coming.say("41").await;
    let gone = next(&mut device, "presence").await;
    assert_eq!(
        (&gone["user_id"], &gone["online"]),
        (&json!(kim.id), &json!(false))
    );
    drop(stays);
    let gone = next(&mut device, "presence").await;
    assert_eq!(
        (&gone["user_id"], &gone["online"]),
        (&json!(eve.id), &json!(false))
    );
    let none = json!({"user_ids": []});
    device.wire.call(2, "presence_subscribe", none).await;
}

#[tokio::test]
async fn a_socket_that_takes_over_from_one_that_seems_alive_watches_on() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut device, _) = Device::connect(&server, &bob, None).await;
    let watched = json!({"user_ids": [ada.id]});
    device.wire.call(1, "presence_subscribe", watched).await;
    let Device { wire: dead, kept } = device;
    let (mut device, recovered) = Device::connect(&server, &bob, Some(&kept)).await;
    assert!(recovered);
    drop(dead);
    let coming = server.connect(&ada).await;
    assert_eq!(next(&mut device, "presence").await["online"], true);
    drop(coming);
    assert_eq!(next(&mut device, "presence").await["online"], false);
}

#[tokio::test]
async fn who_was_there_when_the_server_was_killed_was_seen_then() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let server = Running::on(&data, &["--metrics-listen", "127.0.0.1:0"], &[]).await;
    let metrics = server.said.split("metrics on ").nth(1).unwrap();
    let metrics = metrics.split_whitespace().next().unwrap();
    let metrics = Remote::at(metrics.parse().unwrap());
    let commits = async || {
        let said = metrics.send("GET", "/metrics", None, "").await.body;
        let count = said.split("chatd_commit_changes_count ").nth(1).unwrap();
        count.lines().next().unwrap().parse::<u64>().unwrap()
    };
    let person = async |name: &str| {
        let body = json!({"username": name, "password": "password1"}).to_string();
        let reply = server
            .remote
            .send("POST", "/api/auth/register", None, &body);
        let login = reply.await.json();
        let token = login["data"]["token"].as_str().unwrap().to_owned();
        (login["data"]["user"]["id"].as_u64().unwrap(), token)
    };
    let ((ada, asks), (bob, theirs)) = (person("ada").await, person("bob").await);
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut wire = server.remote.wire(path).await;
    wire.text().await;
    wire.say(&format!("40{}", json!({"token": theirs}))).await;
    wire.text().await;
    let before = commits().await;
    // The store learns of it some seconds later, with all who came meanwhile.
    soon(async {
        while commits().await == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let message = json!({"receiver_id": ada, "content": "x"});
    let (ack, _) = wire.call(1, "send_message", message).await;
    let sent = ack["data"]["created_at"].as_str().unwrap().to_owned();
    server.kill().await;
    let server = Running::on(&data, &[], &[]).await;
    let path = format!("/api/users/{bob}");
    let reply = server.remote.send("GET", &path, Some(&asks), "").await;
    let user = reply.json()["data"].clone();
    assert_eq!(user["online"], false, "{user}");
    let seen = user["last_seen"].as_str().expect("it is known");
    assert!(seen <= sent.as_str(), "{seen} {sent}");
    let path = format!("/api/users/{ada}");
    let never = server.remote.send("GET", &path, Some(&theirs), "");
    assert_eq!(never.await.json()["data"]["last_seen"], Value::Null);
    server.stop().await;
}
