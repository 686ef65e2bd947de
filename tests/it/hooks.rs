//! Outgoing hooks: other systems are told what happens here, each event at least once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chatd::config::Config;
use chatd::outgoing::Reach;
use chatd::store::Location;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::documents::must_be_documented;
use crate::support::{Person, TestServer, config, soon};

/// What a receiver does with a request: the status of its answer, and what stands in its head
/// beside; `None` for one that hangs up.
type Answers = Arc<dyn Fn(&Told) -> Option<(u16, String)> + Send + Sync>;

/// A request as it was told.
#[derive(Clone)]
struct Told {
    id: String,
    timestamp: String,
    signature: String,
    text: String,
    body: Value,
}

/// Another system.
struct Receiver {
    port: u16,
    told: Arc<Mutex<Vec<Told>>>,
    count: watch::Receiver<usize>,
}

async fn request(stream: &mut TcpStream) -> Option<Told> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim_start_matches(": ").to_owned())
                    .unwrap_or_default()
            };
            if body.len() >= header("content-length").parse().unwrap_or(0) {
                return Some(Told {
                    id: header("webhook-id"),
                    timestamp: header("webhook-timestamp"),
                    signature: header("webhook-signature"),
                    text: body.to_owned(),
                    body: serde_json::from_str(body).unwrap(),
                });
            }
        }
        let mut buffer = [0; 8192];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

impl Receiver {
    async fn answering(
        answers: impl Fn(&Told) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (counted, count) = watch::channel(0);
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (answers, all): (Answers, _) = (Arc::new(answers), Arc::clone(&told));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answers, all, counted) =
                    (Arc::clone(&answers), Arc::clone(&all), counted.clone());
                tokio::spawn(async move {
                    while let Some(told) = request(&mut stream).await {
                        let answer = answers(&told);
                        all.lock().push(told);
                        counted.send_modify(|count| *count += 1);
                        let Some((status, head)) = answer else { return };
                        let text =
                            format!("HTTP/1.1 {status} X\r\n{head}content-length: 0\r\n\r\n");
                        if stream.write_all(text.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, told, count }
    }

    async fn well() -> Self {
        Self::answering(|_| Some((204, String::new()))).await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/told?key=secret", self.port)
    }

    /// Waits until what was told is as this says.
    async fn until(&mut self, is_enough: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        soon(async {
            loop {
                self.count.borrow_and_update();
                let told = self.told.lock().clone();
                if is_enough(&told) {
                    told.iter().for_each(|told| must_be_documented(&told.body));
                    return told;
                }
                self.count.changed().await.unwrap();
            }
        })
        .await
    }

    async fn first(&mut self, count: usize) -> Vec<Told> {
        self.until(|told| told.len() >= count).await
    }
}

fn reaching() -> Config {
    Config {
        hook_reach: Reach::Private,
        hook_direct: true,
        hook_retry: Duration::from_millis(5),
        ..config()
    }
}

async fn ask(server: &TestServer, token: &str, method: &str, path: &str, body: Value) -> Value {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let reply = server.send(method, path, Some(token), &body).await;
    assert!(reply.status.is_success(), "{method} {path}: {}", reply.body);
    reply.json()["data"].take()
}

async fn refused(server: &TestServer, token: &str, path: &str, body: Value) -> (u16, String) {
    let reply = server
        .send("POST", path, Some(token), &body.to_string())
        .await;
    (reply.status.as_u16(), reply.code())
}

const OUT: &str = "/api/admin/hooks/out";

/// Makes a hook; gives its number and its secret.
async fn hook(server: &TestServer, admin: &Person, wish: Value) -> (u64, String) {
    let made = ask(server, &admin.token, "POST", OUT, wish).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    (made["id"].as_u64().unwrap(), secret)
}

async fn row(server: &TestServer, admin: &Person, id: u64) -> Value {
    let rows = ask(server, &admin.token, "GET", OUT, Value::Null).await;
    let rows = rows.as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap().clone()
}

async fn room(server: &TestServer, owner: &Person, members: &[u64]) -> u64 {
    let wish = json!({"name": "Ops", "member_ids": members});
    let made = ask(server, &owner.token, "POST", "/api/rooms", wish).await;
    made["id"].as_u64().unwrap()
}

fn kinds(told: &[Told]) -> Vec<&str> {
    told.iter()
        .map(|told| told.body["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_event_is_told_with_a_signature_and_those_who_are_not_there() {
    let mut receiver = Receiver::well().await;
    let server = TestServer::with(reaching()).await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let eve = server.register("eve").await;
    let room = room(&server, &ada, &[bob.id, eve.id]).await;
    let muted = json!({"muted_until": "2099-01-01T00:00:00.000Z"});
    let path = format!("/api/rooms/{room}/me");
    ask(&server, &eve.token, "PATCH", &path, muted).await;
    let (id, secret) = hook(&server, &admin, json!({"url": receiver.url()})).await;
    let mut hers = server.connect_second(&ada).await;
    let direct = json!({"receiver_id": bob.id, "content": "Halo!"});
    let (ack, _) = hers.call(1, "send_message", direct).await;
    let message = ack["data"]["id"].as_u64().unwrap();
    let of_room = json!({"room_id": room, "content": "All", "client_id": "mine"});
    hers.call(2, "send_message", of_room).await;
    let edit = json!({"message_id": message, "content": "Halo?"});
    hers.call(3, "edit_message", edit).await;
    hers.call(4, "delete_message", json!({"message_id": message}))
        .await;
    let told = receiver.first(4).await;

    // A signature as the Standard Webhooks have it.
    let first = told
        .iter()
        .find(|told| told.body["type"] == "direct_message");
    let first = first.unwrap();
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap());
    let key = key.unwrap();
    assert_eq!(key.len(), 32);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", first.id, first.timestamp, first.text).as_bytes());
    let expected = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(first.signature, format!("v1,{expected}"));

    let data = &first.body["data"];
    assert_eq!(
        (&data["sender_id"], &data["receiver_id"], &data["content"]),
        (&json!(ada.id), &json!(bob.id), &json!("Halo!"))
    );
    assert_eq!(first.body["timestamp"], data["created_at"]);
    assert_eq!(first.body["offline"], json!([bob.id]));
    let of_room = told.iter().find(|told| told.body["type"] == "room_message");
    let of_room = of_room.unwrap();
    // The sender is there, and who muted the room is not to be told.
    assert_eq!(of_room.body["offline"], json!([bob.id]));
    assert_eq!(of_room.body["data"]["client_id"], Value::Null);
    let of_pair: Vec<_> = told
        .iter()
        .filter(|told| told.body["type"] != "room_message")
        .collect();
    let of_pair: Vec<_> = of_pair
        .iter()
        .map(|told| told.body["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        of_pair,
        ["direct_message", "message_edited", "message_deleted"]
    );

    let row = row(&server, &admin, id).await;
    assert_eq!(
        (&row["state"], &row["last_answer"]["status"]),
        (&json!("active"), &json!(204))
    );
    let origin = format!("http://127.0.0.1:{}", receiver.port);
    assert_eq!(row["url"], origin, "nothing secret is shown");
    server.stop().await;
}

#[tokio::test]
async fn only_what_is_wanted_is_told_and_direct_messages_only_if_that_is_allowed() {
    let mut receiver = Receiver::well().await;
    let server = TestServer::with(Config {
        hook_direct: false,
        ..reaching()
    })
    .await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let (one, other) = (
        room(&server, &ada, &[bob.id]).await,
        room(&server, &ada, &[]).await,
    );
    let wish = json!({"url": receiver.url(), "events": ["direct_message"]});
    assert_eq!(
        refused(&server, &admin.token, OUT, wish).await,
        (400, "invalid_payload".into())
    );
    hook(&server, &admin, json!({"url": receiver.url()})).await;
    let wish = json!({"url": receiver.url(), "events": ["room_message", "user_created"], "room_ids": [one]});
    hook(&server, &admin, wish).await;
    let mut hers = server.connect_second(&ada).await;
    for (number, payload) in [
        json!({"receiver_id": bob.id, "content": "direct"}),
        json!({"room_id": one, "content": "one"}),
        json!({"room_id": other, "content": "other"}),
    ]
    .into_iter()
    .enumerate()
    {
        let id = u32::try_from(number).unwrap();
        hers.call(id, "send_message", payload).await;
    }
    let eve = server.register("eve").await;
    let path = "/api/auth/me";
    let wish = json!({"current_password": "password1", "messages": "keep"});
    let reply = server
        .send("DELETE", path, Some(&eve.token), &wish.to_string())
        .await;
    assert!(reply.status.is_success(), "{}", reply.body);
    let told = receiver
        .until(|told| {
            let kinds = kinds(told);
            let of = |kind| kinds.iter().filter(|other| **other == kind).count();
            of("room_message") == 3 && of("user_deleted") == 1
        })
        .await;
    let mut contents: Vec<_> = told
        .iter()
        .filter(|told| told.body["type"] == "room_message")
        .map(|told| told.body["data"]["content"].as_str().unwrap())
        .collect();
    contents.sort_unstable();
    assert_eq!(contents, ["one", "one", "other"], "each hook has its own");
    let of_accounts: Vec<_> = told
        .iter()
        .filter(|told| told.body["data"]["id"] == eve.id && told.id.starts_with("user-"))
        .map(|told| told.body["type"].as_str().unwrap())
        .collect();
    assert!(
        of_accounts == ["user_created", "user_deleted"] || of_accounts == ["user_deleted"],
        "{of_accounts:?}"
    );
    let shown = server.get("/api/server", "").await;
    assert_eq!(shown["data"]["hook_direct"], false);
    server.stop().await;
}

#[tokio::test]
async fn a_hook_is_refused_that_leads_inside_or_nowhere() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    for url in [
        "http://127.0.0.1/",
        "http://localhost:1/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://ada:secret@example.org/",
        "ftp://example.org/",
        "example.org",
        "",
    ] {
        assert_eq!(
            refused(&server, &admin.token, OUT, json!({"url": url})).await,
            (400, "invalid_payload".into()),
            "{url}"
        );
    }
    let wish = json!({"url": "http://8.8.8.8/", "events": ["nothing"]});
    assert_eq!(
        refused(&server, &admin.token, OUT, wish).await,
        (400, "invalid_payload".into())
    );
    // What is refused names the key that was given.
    let wish = json!({"url": "http://8.8.8.8/", "room_ids": [7]}).to_string();
    let reply = server
        .send("POST", OUT, Some(&admin.token), &wish)
        .await
        .json();
    let error = json!({"code": "invalid_payload", "message": "room_ids: no room has this id"});
    assert_eq!(reply["error"], error);
    let named = format!("{OUT}/Ops");
    let reply = server.send("DELETE", &named, Some(&admin.token), "").await;
    let error =
        json!({"code": "invalid_payload", "message": "id: must be a whole number from 0 on"});
    assert_eq!(reply.json()["error"], error);
    let (ada, _) = server.two_people().await;
    let wish = json!({"url": "http://8.8.8.8/"});
    assert_eq!(
        refused(&server, &ada.token, OUT, wish).await,
        (403, "forbidden".into())
    );
    server.stop().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_in_order_and_keeps_no_other_chat_waiting() {
    let failing = Arc::new(Mutex::new(true));
    let fails = Arc::clone(&failing);
    let mut receiver = Receiver::answering(move |told| {
        let fails = *fails.lock() && told.body["data"]["content"] == "bad";
        Some((if fails { 500 } else { 200 }, String::new()))
    })
    .await;
    let server = TestServer::with(reaching()).await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let (one, other) = (
        room(&server, &ada, &[]).await,
        room(&server, &ada, &[]).await,
    );
    let wish = json!({"url": receiver.url(), "events": ["room_message"]});
    let (id, _) = hook(&server, &admin, wish).await;
    let mut hers = server.connect_second(&ada).await;
    for (number, (room, content)) in [(one, "bad"), (one, "behind"), (other, "beside")]
        .into_iter()
        .enumerate()
    {
        let payload = json!({"room_id": room, "content": content});
        let id = u32::try_from(number).unwrap();
        hers.call(id, "send_message", payload).await;
    }
    let content = |told: &Told| told.body["data"]["content"].clone();
    // The other chat went on; this one waits.
    let told = receiver
        .until(|told| told.iter().any(|told| content(told) == "beside") && told.len() >= 3)
        .await;
    assert!(!told.iter().any(|told| content(told) == "behind"));
    assert_eq!(row(&server, &admin, id).await["state"], "failing");
    *failing.lock() = false;
    let told = receiver
        .until(|told| told.iter().any(|told| content(told) == "behind"))
        .await;
    let bad: BTreeSet<_> = told
        .iter()
        .filter(|told| content(told) == "bad")
        .map(|told| told.id.clone())
        .collect();
    assert_eq!(bad.len(), 1, "the same id whenever it is sent");
    assert_eq!(content(told.last().unwrap()), "behind");
    drop(bob);
    server.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone_until_its_hook_is_resumed() {
    let gone = Arc::new(Mutex::new(true));
    let is_gone = Arc::clone(&gone);
    let mut receiver = Receiver::answering(move |_| {
        let status = if *is_gone.lock() { 410 } else { 200 };
        Some((status, String::new()))
    })
    .await;
    let server = TestServer::with(reaching()).await;
    let admin = server.admin().await;
    let (ada, _) = server.two_people().await;
    let one = room(&server, &ada, &[]).await;
    let wish = json!({"url": receiver.url(), "events": ["room_message"]});
    let (id, _) = hook(&server, &admin, wish).await;
    let mut hers = server.connect_second(&ada).await;
    let payload = |content: &str| json!({"room_id": one, "content": content});
    hers.call(1, "send_message", payload("first")).await;
    receiver.first(1).await;
    let path = format!("{OUT}/{id}");
    soon(async {
        while row(&server, &admin, id).await["state"] != "paused" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(row(&server, &admin, id).await["paused_by"], "gone");
    hers.call(2, "send_message", payload("second")).await;
    *gone.lock() = false;
    let resumed = ask(
        &server,
        &admin.token,
        "PATCH",
        &path,
        json!({"paused": false}),
    )
    .await;
    assert_eq!(resumed["state"], "active");
    let told = receiver.first(3).await;
    let contents: Vec<_> = told
        .iter()
        .map(|told| &told.body["data"]["content"])
        .collect();
    assert_eq!(contents, ["first", "first", "second"]);

    // And again from any place, with the same ids.
    let since = told[1].body["cursor"].as_str().unwrap();
    let replay = format!("{path}/replay");
    ask(
        &server,
        &admin.token,
        "POST",
        &replay,
        json!({"since": since}),
    )
    .await;
    let again = receiver.first(4).await;
    assert_eq!(again[3].id, told[2].id);
    ask(
        &server,
        &admin.token,
        "POST",
        &replay,
        json!({"since": "start"}),
    )
    .await;
    let again = receiver.first(6).await;
    assert_eq!([&again[4].id, &again[5].id], [&told[1].id, &told[2].id]);
    let reply = server
        .send("POST", &replay, Some(&admin.token), r#"{"since":"c123"}"#)
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (410, "cursor_expired".into())
    );

    // What was deleted since is not told again; that it was deleted is.
    let wish = json!({"paused": true});
    let paused = ask(&server, &admin.token, "PATCH", &path, wish).await;
    assert_eq!(
        (&paused["state"], &paused["paused_by"]),
        (&json!("paused"), &json!("administrator"))
    );
    ask(&server, &admin.token, "DELETE", &path, Value::Null).await;
    assert_eq!(
        ask(&server, &admin.token, "GET", OUT, Value::Null).await,
        json!([])
    );
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_is_gone_is_told_no_more_and_its_deletion_is() {
    let down = Arc::new(Mutex::new(true));
    let is_down = Arc::clone(&down);
    let mut receiver = Receiver::answering(move |_| match *is_down.lock() {
        true => None,
        false => Some((200, String::new())),
    })
    .await;
    let server = TestServer::with(reaching()).await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    hook(&server, &admin, json!({"url": receiver.url()})).await;
    let mut hers = server.connect_second(&ada).await;
    let mut ids = Vec::new();
    for number in 0..2 {
        let payload = json!({"receiver_id": bob.id, "content": format!("secret {number}")});
        let (ack, _) = hers.call(number, "send_message", payload).await;
        ids.push(ack["data"]["id"].as_u64().unwrap());
    }
    // The first was tried in vain; the second waits behind it.
    receiver.first(1).await;
    hers.call(8, "delete_message", json!({"message_id": ids[1]}))
        .await;
    *down.lock() = false;
    let told = receiver
        .until(|told| {
            told.iter()
                .any(|told| told.body["type"] == "message_deleted")
        })
        .await;
    assert!(!told.iter().any(|told| told.text.contains("secret 1")));
    let last = told.last().unwrap();
    assert_eq!(last.body["data"]["message_id"], ids[1]);
    server.stop().await;
}

/// A generator of numbers, the same at each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// The server stops again and again, and the receiver fails as it likes.
#[tokio::test]
async fn each_event_is_told_in_order_over_restarts_though_the_receiver_fails_at_random() {
    let random = Mutex::new(Numbers(7));
    let mut receiver = Receiver::answering(move |_| match random.lock().next(4) {
        0 => Some((503, "retry-after: 0\r\n".to_owned())),
        1 => None,
        _ => Some((200, String::new())),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chat.redb");
    let on_disk = || Config {
        data: Location::File(data.clone()),
        ..reaching()
    };
    let mut sent: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut made: Option<(Person, Vec<u64>)> = None;
    for round in 0..4 {
        let server = TestServer::with(on_disk()).await;
        if made.is_none() {
            let admin = server.admin().await;
            let mut rooms = Vec::new();
            for _ in 0..5 {
                rooms.push(room(&server, &admin, &[]).await);
            }
            let wish = json!({"url": receiver.url(), "events": ["room_message"]});
            hook(&server, &admin, wish).await;
            made = Some((admin, rooms));
        }
        let (admin, rooms) = made.as_ref().unwrap();
        let mut socket = server.connect_second(admin).await;
        for number in 0..20_u32 {
            let room = rooms[number as usize % rooms.len()];
            let payload = json!({"room_id": room, "content": format!("{round} {number}")});
            let (ack, _) = socket.call(number, "send_message", payload).await;
            sent.entry(room)
                .or_default()
                .push(ack["data"]["id"].as_u64().unwrap());
        }
        server.stop().await;
    }
    let server = TestServer::with(on_disk()).await;
    let all: BTreeSet<u64> = sent.values().flatten().copied().collect();
    let id = |told: &Told| told.body["data"]["id"].as_u64().unwrap();
    let told = receiver
        .until(|told| told.iter().map(id).collect::<BTreeSet<_>>() == all)
        .await;
    // The first time that each is seen is in the order of its chat.
    for (room, ids) in &sent {
        let mut first = Vec::new();
        for told in &told {
            if told.body["data"]["room_id"] == *room && !first.contains(&id(told)) {
                first.push(id(told));
            }
        }
        assert_eq!(&first, ids);
    }
    let ids: BTreeSet<_> = told.iter().map(|told| told.id.clone()).collect();
    assert_eq!(ids.len(), all.len(), "one webhook-id for each");
    assert_eq!(kinds(&told[..1]), ["room_message"]);
    server.stop().await;
}

/// A backup knows less than what was told since, and perhaps not that a hook was taken away.
#[tokio::test]
async fn hooks_of_a_restored_backup_rest_until_they_are_confirmed_and_tell_of_a_gap_first() {
    let mut receiver = Receiver::well().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| Config {
        data: Location::File(folder.path().join(name)),
        ..reaching()
    };
    let server = TestServer::with(at("chat.redb")).await;
    let admin = server.admin().await;
    let wish = json!({"username": "monitor"});
    let bot = ask(&server, &admin.token, "POST", "/api/admin/bots", wish).await;
    let one = room(&server, &admin, &[bot["id"].as_u64().unwrap()]).await;
    let wish = json!({"bot_id": bot["id"], "room_id": one, "name": "alerts"});
    let incoming = ask(&server, &admin.token, "POST", "/api/admin/hooks/in", wish).await;
    let url = incoming["url"].as_str().unwrap();
    let path = format!("/api/{}", url.split_once("/api/").unwrap().1);
    let wish = json!({"url": receiver.url(), "events": ["room_message"]});
    let (id, _) = hook(&server, &admin, wish).await;
    let request = hyper::Request::get("/api/admin/backup")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", admin.token))
        .body(http_body_util::Full::default())
        .unwrap();
    let backup = server.exchange(request).await.into_body();
    std::fs::write(folder.path().join("backup.redb"), &backup).unwrap();
    server.stop().await;

    let server = TestServer::with(at("backup.redb")).await;
    let admin = server.login("root", "password1").await;
    let paused = row(&server, &admin, id).await;
    assert_eq!(
        (&paused["state"], &paused["paused_by"]),
        (&json!("paused"), &json!("restore"))
    );
    let body = json!({"content": "down"}).to_string();
    let reply = server.send("POST", &path, None, &body).await;
    assert_eq!(reply.code(), "forbidden");
    let confirm = json!({"paused": false});
    let hook = format!("/api/admin/hooks/in/{}", incoming["id"]);
    ask(&server, &admin.token, "PATCH", &hook, confirm.clone()).await;
    let reply = server.send("POST", &path, None, &body).await;
    assert_eq!(reply.status.as_u16(), 201);
    ask(
        &server,
        &admin.token,
        "PATCH",
        &format!("{OUT}/{id}"),
        confirm,
    )
    .await;
    let told = receiver.first(2).await;
    assert_eq!(kinds(&told), ["gap", "room_message"]);
    assert_eq!(told[0].body["data"], json!({}));
    server.stop().await;
}

#[tokio::test]
async fn there_are_so_many_hooks_and_no_more() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    for number in 0..=100 {
        let wish = json!({"url": format!("http://8.8.8.8/{number}")}).to_string();
        let reply = server.send("POST", OUT, Some(&admin.token), &wish).await;
        match number {
            100 => assert_eq!(reply.code(), "forbidden"),
            _ => assert_eq!(reply.status.as_u16(), 201, "{}", reply.body),
        }
    }
    server.stop().await;
}
