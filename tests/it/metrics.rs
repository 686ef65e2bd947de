//! What Prometheus reads of a running server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::program::{Running, command};
use crate::support::{Person, Remote, Wire, soon};

/// Every sample, by its name and labels.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Asks, and reads the answer by the rules of the format: every sample belongs to a family that
    /// was announced with a help text and a kind before it, and none is there twice.
    async fn of(metrics: &Remote) -> Self {
        let reply = metrics.send("GET", "/metrics", None, "").await;
        assert_eq!(
            reply.headers["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let mut families = BTreeSet::new();
        let mut helped = String::new();
        let mut family = String::new();
        let mut samples = BTreeMap::new();
        for line in reply.body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                helped = help.split_once(' ').unwrap().0.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, helped, "a family without help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                assert!(families.insert(name.to_owned()), "{line} is there twice");
                family = name.to_owned();
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(sample.starts_with(&family), "{line} is not of {family}");
                let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                let twice = samples.insert(sample.to_owned(), value);
                assert_eq!(twice, None, "{line} is there twice");
            }
        }
        Self(samples)
    }

    fn get(&self, sample: &str) -> f64 {
        let known = || self.0.keys().cloned().collect::<Vec<_>>().join("\n");
        *self
            .0
            .get(sample)
            .unwrap_or_else(|| panic!("no {sample} in\n{}", known()))
    }

    /// The families' names.
    fn names(&self) -> BTreeSet<String> {
        let names = self.0.keys().map(|sample| {
            let name = sample.split('{').next().unwrap();
            let part = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| name.strip_suffix(part));
            part.unwrap_or(name).to_owned()
        });
        names.collect()
    }
}

/// A server that can be asked, and where.
async fn start(flags: &[&str]) -> (Running, Remote) {
    let flags = [&["--metrics-listen", "127.0.0.1:0"], flags].concat();
    let server = Running::start(&flags, &[]).await;
    let address = server.said.split("metrics on ").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();
    let metrics = Remote::at(address.parse().unwrap());
    (server, metrics)
}

async fn register(server: &Remote, username: &str) -> Person {
    let body = json!({"username": username, "password": "password1"}).to_string();
    let reply = server.send("POST", "/api/auth/register", None, &body).await;
    let data = &reply.json()["data"];
    Person {
        id: data["user"]["id"].as_u64().unwrap(),
        token: data["token"].as_str().unwrap().into(),
    }
}

/// Connects, with more than the token where there is more; gives the answer to the CONNECT too.
async fn connect(server: &Remote, person: &Person, more: &str) -> (Wire, String) {
    let mut wire = server.wire("/socket.io/?EIO=4&transport=websocket").await;
    assert!(wire.text().await.starts_with("0{"));
    wire.say(&format!("40{{\"token\":\"{}\"{more}}}", person.token))
        .await;
    let answer = wire.text().await;
    (wire, answer)
}

/// Opens a session that speaks by HTTP requests; gives the path of its requests.
async fn poll(server: &Remote) -> String {
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = server.send("GET", path, None, "").await;
    let opened: serde_json::Value = serde_json::from_str(&opened.body[1..]).unwrap();
    format!("{path}&sid={}", opened["sid"].as_str().unwrap())
}

#[tokio::test]
async fn the_numbers_move_with_what_happens() {
    let (running, metrics) = start(&["--rate-limit", "typing=1/h:1"]).await;
    let server = &running.remote;
    let before = Scrape::of(&metrics).await;
    let (ada, bob) = (register(server, "ada").await, register(server, "bob").await);
    let (mut wire, welcome) = connect(server, &ada, "").await;
    let message = json!({"receiver_id": bob.id, "content": "Halo!", "client_id": "c"});
    for id in 0..3 {
        let (ack, _) = wire.call(id, "send_message", message.clone()).await;
        assert_eq!(ack["success"], true);
    }
    let (ack, _) = wire
        .call(
            4,
            "send_message",
            json!({"receiver_id": bob.id, "content": " "}),
        )
        .await;
    assert_eq!(ack["error"]["code"], "empty_message");
    for id in 5..8 {
        wire.call(
            id,
            "typing",
            json!({"receiver_id": bob.id, "is_typing": true}),
        )
        .await;
    }
    server.send("GET", "/api/chats", None, "").await;
    let now = Scrape::of(&metrics).await;
    let moved = |sample: &str| now.get(sample) - before.get(sample);
    for (sample, by) in [
        // Sent three times under one client id.
        ("chatd_messages_total", 1.0),
        ("chatd_errors_total{code=\"empty_message\"}", 1.0),
        ("chatd_errors_total{code=\"missing_token\"}", 1.0),
        ("chatd_errors_total{code=\"rate_limited\"}", 2.0),
        ("chatd_rate_limited_total{kind=\"typing\"}", 2.0),
        ("chatd_rate_limited_total{kind=\"messages\"}", 0.0),
        ("chatd_http_requests_total{status=\"2xx\"}", 2.0),
        ("chatd_http_requests_total{status=\"4xx\"}", 1.0),
        ("chatd_sessions{transport=\"websocket\"}", 1.0),
        ("chatd_sessions{transport=\"polling\"}", 0.0),
        ("chatd_sockets", 1.0),
        ("chatd_users_online", 1.0),
        ("chatd_log_entries", 1.0),
        ("chatd_recoveries_total{outcome=\"recovered\"}", 0.0),
        ("chatd_recoveries_total{outcome=\"fresh\"}", 0.0),
    ] {
        assert_eq!(moved(sample), by, "{sample}");
    }
    // The accounts and the message; what was sent again was committed too, with nothing to write.
    assert!(moved("chatd_commit_duration_seconds_count") >= 3.0);
    assert!(moved("chatd_commit_changes_sum") >= 3.0);
    assert!(moved("chatd_fsync_duration_seconds_count") >= 3.0);
    assert!(now.get("chatd_fsync_duration_seconds_sum") > 0.0);
    assert_eq!(now.get("chatd_commit_failures_total"), 0.0);
    assert_eq!(now.get("chatd_writable"), 1.0);
    assert!(now.get("chatd_database_bytes") > 4_096.0);
    assert!(now.get("chatd_open_duration_seconds") > 0.0);
    assert!(now.get("process_resident_memory_bytes") > 1e6);
    assert!(now.get("process_open_fds") > 5.0);
    let build = format!(
        "chatd_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(now.get(&build), 1.0);

    let pid = serde_json::from_str::<serde_json::Value>(&welcome[2..]).unwrap();
    let pid = pid["pid"].as_str().unwrap();
    let (_other, _) = connect(server, &ada, &format!(",\"pid\":\"{pid}\"")).await;
    let (_third, _) = connect(server, &bob, ",\"pid\":\"forged\"").await;
    // The first one was closed, for its place was taken.
    assert_eq!(wire.text_or_end().await, None);
    let later = Scrape::of(&metrics).await;
    for (sample, by) in [
        ("chatd_recoveries_total{outcome=\"recovered\"}", 1.0),
        ("chatd_recoveries_total{outcome=\"fresh\"}", 1.0),
        ("chatd_session_closes_total{reason=\"forced_close\"}", 1.0),
        ("chatd_session_closes_total{reason=\"slow_consumer\"}", 0.0),
        ("chatd_users_online", 1.0),
    ] {
        assert_eq!(later.get(sample) - now.get(sample), by, "{sample}");
    }
    running.stop().await;
}

#[tokio::test]
async fn rooms_are_counted_with_their_messages_and_the_marks_that_wait() {
    let (running, metrics) = start(&["--rate-limit", "rooms=1/h:1"]).await;
    let server = &running.remote;
    let ada = register(server, "ada").await;
    let body = json!({"name": "Ops"}).to_string();
    for status in [201, 429] {
        let made = server.send("POST", "/api/rooms", Some(&ada.token), &body);
        assert_eq!(made.await.status, status);
    }
    let (mut wire, _) = connect(server, &ada, ",\"v\":2").await;
    for id in 1..=2 {
        let message = json!({"room_id": 1, "content": "Halo!"});
        wire.call(id, "send_message", message).await;
    }
    // The second waits for a second after the first; once both are acked nothing does.
    let mark = |id| format!("42{id}{}", json!(["mark_chat_as_read", {"room_id": 1}]));
    wire.say_at_once([mark(3), mark(4)]).await;
    let mut acks = 0;
    while acks < 2 {
        acks += u32::from(wire.text().await.starts_with("43"));
    }
    let now = Scrape::of(&metrics).await;
    for (sample, is) in [
        ("chatd_waiting_room_marks", 0.0),
        ("chatd_rooms", 1.0),
        ("chatd_room_messages_total", 2.0),
        ("chatd_messages_total", 2.0),
        ("chatd_rate_limited_total{kind=\"rooms\"}", 1.0),
        ("chatd_rate_limited_total{kind=\"members\"}", 0.0),
    ] {
        assert_eq!(now.get(sample), is, "{sample}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_seen_and_counted() {
    let (running, metrics) = start(&["--rate-limit", "off"]).await;
    let server = &running.remote;
    let (ada, bob) = (register(server, "ada").await, register(server, "bob").await);
    let path = poll(server).await;
    let connect_packet = format!("40{{\"token\":\"{}\"}}", bob.token);
    server.send("POST", &path, None, &connect_packet).await;
    let welcome = server.send("GET", &path, None, "").await;
    assert!(welcome.body.starts_with("40{"), "{}", welcome.body);

    let (mut wire, _) = connect(server, &ada, "").await;
    // 16 MiB may wait for one client; each of these characters is six bytes of JSON.
    let message = json!({"receiver_id": bob.id, "content": "\u{1}".repeat(4_000)});
    for id in 0..700 {
        let (ack, _) = wire.call(id, "send_message", message.clone()).await;
        assert_eq!(ack["success"], true, "{ack}");
    }
    let reason = "chatd_session_closes_total{reason=\"slow_consumer\"}";
    let counted = async { while Scrape::of(&metrics).await.get(reason) < 1.0 {} };
    soon(counted).await;
    let now = Scrape::of(&metrics).await;
    assert_eq!(now.get("chatd_sessions{transport=\"polling\"}"), 0.0);
    assert_eq!(now.get("chatd_outbox_largest_bytes"), 0.0);
    // A stop would wait for a while, for that client to hear why.
    running.kill().await;
}

#[tokio::test]
async fn what_waits_for_a_client_is_seen() {
    let (running, metrics) = start(&[]).await;
    let server = &running.remote;
    let path = poll(server).await;
    // Refused, for it shows no token; the refusal waits to be fetched.
    server.send("POST", &path, None, "40").await;
    let now = Scrape::of(&metrics).await;
    assert_eq!(now.get("chatd_sessions{transport=\"polling\"}"), 1.0);
    assert_eq!(now.get("chatd_outbox_frames"), 1.0);
    assert!(now.get("chatd_outbox_bytes") > 20.0);
    assert_eq!(
        now.get("chatd_outbox_largest_bytes"),
        now.get("chatd_outbox_bytes")
    );
    assert_eq!(now.get("chatd_errors_total{code=\"missing_token\"}"), 1.0);
    running.stop().await;
}

#[tokio::test]
async fn only_metrics_are_there_and_no_label_names_anybody() {
    let (running, metrics) = start(&[]).await;
    let ada = register(&running.remote, "adalovelace").await;
    let _wire = connect(&running.remote, &ada, "").await;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/api/server", 404),
        ("GET", "/socket.io/?EIO=4&transport=polling", 404),
        ("POST", "/metrics", 405),
        ("HEAD", "/metrics", 200),
    ] {
        let reply = metrics.send(method, path, None, "").await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}");
    }
    let reply = running.remote.send("GET", "/metrics", None, "").await;
    assert_eq!(reply.status.as_u16(), 404, "not on the chat's own port");
    let text = metrics.send("GET", "/metrics", None, "").await.body;
    assert!(
        !text.contains("adalovelace") && !text.contains("127.0.0.1"),
        "{text}"
    );
    assert!(!text.contains(&*ada.token));
    running.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_said_and_nothing_is_served() {
    let (running, metrics) = start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let taken = metrics.address.to_string();
    let flags = ["--port", "0", "--metrics-listen", &taken];
    let ended = command(&folder.path().join("chatd.redb"), &flags, "").await;
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let line =
        format!("chatd: cannot listen for metrics on {taken}, give another --metrics-listen: ");
    assert!(
        said.starts_with(&line) && said.lines().count() == 1,
        "{said}"
    );
    running.stop().await;
}

#[tokio::test]
async fn the_handbook_names_every_metric_and_no_other() {
    let (running, metrics) = start(&[]).await;
    let scraped = Scrape::of(&metrics).await.names();
    let handbook = include_str!("../../src/contract/documents/operate.md");
    let section = handbook.split("## Metrics\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let named = rows.map(|row| {
        let end = row.find(['`', '{']).unwrap();
        row[..end].to_owned()
    });
    assert_eq!(named.collect::<BTreeSet<_>>(), scraped);
    running.stop().await;
}

#[tokio::test]
async fn scrapers_that_leave_give_their_places_back() {
    let (running, metrics) = start(&[]).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(
            tokio::net::TcpStream::connect(metrics.address)
                .await
                .unwrap(),
        );
    }
    // No more are answered at once than may be; when those have gone, the next one is.
    drop(idle);
    assert!(Scrape::of(&metrics).await.get("chatd_writable") > 0.0);
    running.stop().await;
}
