//! Stopping: what was accepted is written and answered, and clients are told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chatd::config::Config;
use chatd::store::Location;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::files::upload;
use crate::program::Running;
use crate::support::{Heard, TestServer, Wire, config, soon};

#[tokio::test]
async fn a_stopping_server_tells_its_clients_and_keeps_what_it_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let data = Location::File(folder.path().join("chatd.redb"));
    let server = TestServer::with(Config {
        data: data.clone(),
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    for number in 0..200 {
        let message =
            json!(["send_message", {"receiver_id": bob.id, "content": number.to_string()}]);
        socket.say(&format!("42{number}{message}")).await;
    }
    socket.text().await;
    let (confirmed, ()) = tokio::join!(
        async {
            let mut confirmed = 1;
            loop {
                match socket.text_or_end().await {
                    Some(text) if text.starts_with("42[\"message_sent\"") => confirmed += 1,
                    Some(_) => {}
                    None => return confirmed,
                }
            }
        },
        server.stop(),
    );
    let server = TestServer::with(Config { data, ..config() }).await;
    let history = server
        .get(
            &format!("/api/chats/history/{}?limit=500", bob.id),
            &ada.token,
        )
        .await;
    let stored = history["data"].as_array().unwrap().len();
    assert!(
        stored >= confirmed,
        "{confirmed} were confirmed, {stored} are stored"
    );
    let person = server
        .get(&format!("/api/users/{}", ada.id), &bob.token)
        .await;
    assert!(
        person["data"]["last_seen"].is_string(),
        "who was there when it stopped was seen then"
    );
    server.stop().await;
}

/// Sends without a pause until the server says that it ends; gives the ids of what was
/// acknowledged.
async fn talk_until_told(
    mut wire: Wire,
    receiver: u64,
    busy: Arc<tokio::sync::Semaphore>,
) -> BTreeSet<u64> {
    let message = json!(["send_message", {"receiver_id": receiver, "content": "x"}]);
    wire.say_at_once((0..8).map(|id| format!("42{id}{message}")))
        .await;
    let (mut next, mut stored) = (8, BTreeSet::new());
    loop {
        match wire.hear().await {
            Heard::Text(text) if text.starts_with("43") => {
                let answer: Value =
                    serde_json::from_str(text.split_once('[').unwrap().1.trim_end_matches(']'))
                        .unwrap();
                match answer["data"]["id"].as_u64() {
                    Some(id) => assert!(stored.insert(id)),
                    None => assert_eq!(answer["error"]["code"], "storage_unavailable"),
                }
                busy.add_permits(1);
                wire.say(&format!("42{next}{message}")).await;
                next += 1;
            }
            Heard::Text(_) => {}
            Heard::Close(code) => {
                assert_eq!(code, 1005);
                return stored;
            }
            Heard::Binary(_) => panic!("nobody sent binary"),
        }
    }
}

/// Of 32 sockets that were talking when the server stopped, most were cut before they were told,
/// and before what was stored was answered.
#[tokio::test]
async fn a_server_that_stops_under_load_answers_what_it_stored_and_tells_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let flags = ["--rate-limit", "off"];
    let mut server = Running::on(&data, &flags, &[]).await;
    let register = async |name: &str| {
        let body = json!({"username": name, "password": "password1"}).to_string();
        let path = "/api/auth/register";
        let reply = server.remote.send("POST", path, None, &body).await.json();
        let person = &reply["data"];
        (
            person["user"]["id"].as_u64().unwrap(),
            person["token"].as_str().unwrap().to_owned(),
        )
    };
    let bob = register("bob").await.0;
    // Each hears of what their own sockets have sent: four people, so that this does not take long.
    let mut people = Vec::new();
    for name in ["ada", "cleo", "dora", "eve"] {
        people.push((register(name).await.1, 0));
    }
    let dial = async |server: &Running, token: &str| {
        let path = "/socket.io/?EIO=4&transport=websocket";
        let mut wire = server.remote.wire(path).await;
        assert!(wire.text().await.starts_with("0{"));
        wire.say(&format!("40{{\"token\":\"{token}\"}}")).await;
        while !wire.text().await.starts_with("40{") {}
        wire
    };
    for (token, newest) in &mut people {
        let first = json!({"receiver_id": bob, "content": "first"});
        let mut wire = dial(&server, token).await;
        let (ack, _) = wire.call(1, "send_message", first).await;
        *newest = ack["data"]["id"].as_u64().unwrap();
    }
    for round in 0..20 {
        let busy = Arc::new(tokio::sync::Semaphore::new(0));
        let mut talking = Vec::new();
        for number in 0..32 {
            let wire = dial(&server, &people[number % 4].0).await;
            talking.push(tokio::spawn(talk_until_told(wire, bob, Arc::clone(&busy))));
        }
        soon(busy.acquire_many(100)).await.unwrap().forget();
        let log = server.stop().await;
        assert!(!log.contains("not told"), "{log}");
        let mut answered = [const { BTreeSet::new() }; 4];
        for (number, talk) in talking.into_iter().enumerate() {
            answered[number % 4].append(&mut soon(talk).await.unwrap());
        }
        server = Running::on(&data, &flags, &[]).await;
        for ((token, newest), answered) in people.iter_mut().zip(answered) {
            let stored = sent_after(&server, token, bob, newest).await;
            assert_eq!(
                stored, answered,
                "round {round}: what is stored was answered, and no more"
            );
        }
    }
    server.stop().await;
}

/// What a person has sent to another after a message, which becomes the newest.
async fn sent_after(server: &Running, token: &str, to: u64, newest: &mut u64) -> BTreeSet<u64> {
    let mut stored = BTreeSet::new();
    loop {
        let path = format!("/api/chats/history/{to}?limit=500&after={newest}");
        let page = server.remote.send("GET", &path, Some(token), "").await;
        let page = page.json();
        let rows = page["data"].as_array().unwrap();
        stored.extend(rows.iter().map(|row| row["id"].as_u64().unwrap()));
        *newest = stored.last().copied().unwrap_or(*newest);
        if page["meta"]["has_more"] == false {
            return stored;
        }
    }
}

/// Of a thousand clients that came while a server stopped one or two got no answer.
#[tokio::test]
async fn a_connection_from_right_before_the_end_of_a_stop_gets_an_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    loop {
        let server = TestServer::start().await;
        let mut wire = server.websocket("").await;
        assert!(wire.text().await.starts_with("0{"));
        let began = std::time::Instant::now();
        let mut new = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        // Connections are accepted in their order, so that the first is when the second is
        // answered.
        server.send("GET", "/healthz", None, "").await;
        let address = server.address;
        let asking = async {
            while wire.text_or_end().await.is_some() {}
            drop(wire);
            // From here on nobody else is accepted, and those that are here come to their end.
            while tokio::net::TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
            let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
            let _ = new.write_all(request).await;
            let mut answer = Vec::new();
            let _ = soon(new.read_to_end(&mut answer)).await;
            String::from_utf8(answer).unwrap()
        };
        let (answer, ()) = tokio::join!(asking, server.stop());
        // A second after it came it is not waited for any more; on a busy machine this may take
        // longer.
        if began.elapsed() < std::time::Duration::from_secs(1) {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
            return;
        }
    }
}

#[tokio::test]
async fn a_request_that_never_ends_holds_a_stopping_server_no_longer_than_its_grace() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Running::start(&["--shutdown-grace", "200ms"], &[]).await;
    let mut stream = tokio::net::TcpStream::connect(server.remote.address)
        .await
        .unwrap();
    let request = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    // The server says so once it waits for the body, which never comes.
    let mut waits = [0; 25];
    soon(stream.read_exact(&mut waits)).await.unwrap();
    assert_eq!(&waits, b"HTTP/1.1 100 Continue\r\n\r\n");
    let log = server.stop().await;
    assert!(log.contains("some clients were not told in time"), "{log}");
    // Had it waited for as long as bodies may take, it would have answered.
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn half_a_request_holds_a_stopping_server_no_longer_than_a_second() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // Shorter than a body may take to arrive, and than the head of a request may.
    let server = Running::start(&["--shutdown-grace", "9s"], &[]).await;
    let dial = async || {
        tokio::net::TcpStream::connect(server.remote.address)
            .await
            .unwrap()
    };
    let mut bodies = Vec::new();
    let reply = server
        .remote
        .send("GET", "/socket.io/?EIO=4&transport=polling", None, "")
        .await;
    let opened: serde_json::Value = serde_json::from_str(&reply.body[1..]).unwrap();
    let sid = opened["sid"].as_str().unwrap();
    for path in [
        "/api/auth/login",
        &format!("/socket.io/?EIO=4&transport=polling&sid={sid}"),
    ] {
        let mut stream = dial().await;
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut waits = [0; 25];
        soon(stream.read_exact(&mut waits)).await.unwrap();
        assert_eq!(&waits, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"{\"userna").await.unwrap();
        bodies.push(stream);
    }
    let mut head = dial().await;
    head.write_all(b"GET /healthz HTT").await.unwrap();
    let silent = dial().await;
    let log = server.stop().await;
    assert!(!log.contains("not told in time"), "{log}");
    drop((bodies, head, silent));
}

/// What a disk does that hangs: a library that is loaded before the C library's, in which no sync
/// ends while a file is there.
const HANGING_SYNC: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void hang(void) {
    const char *file = getenv("CHATD_TEST_HANGS_WHILE");
    while (file && access(file, F_OK) == 0) usleep(10000);
}

int fsync(int file) { hang(); return syscall(SYS_fsync, file); }
int fdatasync(int file) { hang(); return syscall(SYS_fdatasync, file); }
"#;

#[tokio::test]
async fn a_disk_that_hangs_holds_a_stopping_server_no_longer_than_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("hang.c"), HANGING_SYNC).unwrap();
    let compiled = tokio::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o", &path("hang.so"), &path("hang.c")])
        .status();
    assert!(soon(compiled).await.unwrap().success());
    let variables = [
        ("LD_PRELOAD", path("hang.so")),
        ("CHATD_TEST_HANGS_WHILE", path("hang")),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, &**value));
    let data = folder.path().join("chatd.redb");
    let server = Running::on(&data, &["--shutdown-grace", "2s"], &variables).await;
    let register = async |server: &Running, name: &str| {
        let wish = json!({"username": name, "password": "password1"}).to_string();
        let send = server
            .remote
            .send("POST", "/api/auth/register", None, &wish);
        send.await.json()["data"]["token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let token = register(&server, "ada").await;
    register(&server, "bob").await;
    let mut wire = server
        .remote
        .wire("/socket.io/?EIO=4&transport=websocket")
        .await;
    wire.say(&format!("40{{\"token\":\"{token}\"}}")).await;
    while !wire.text().await.starts_with("40{") {}
    let send = json!({"receiver_id": 2, "content": "confirmed"});
    let (ack, _) = wire.call(1, "send_message", send).await;
    assert_eq!(ack["success"], true);
    std::fs::write(path("hang"), "").unwrap();
    wire.say(r#"422["send_message",{"receiver_id":2,"content":"never confirmed"}]"#)
        .await;
    // Its client is told all the same, by a close frame.
    let (told, (status, log)) = tokio::join!(wire.text_or_end(), server.end());
    assert_eq!(told, None);
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("did not take what was still queued within --shutdown-grace"),
        "{log}"
    );
    let server = Running::on(&data, &[], &[]).await;
    let path = "/api/chats/history/2";
    let history = server.remote.send("GET", path, Some(&token), "").await;
    let history = history.json();
    assert_eq!(history["data"][0]["content"], "confirmed", "{history}");
    server.stop().await;
}

/// Asks for a file, and reads the beginning of the answer; gives the connection.
async fn begin_to_read(server: &TestServer, url: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET /{url} HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 12];
    soon(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 200");
    stream
}

/// One client that took some bytes of a picture now and then took the whole grace of every stop.
#[tokio::test]
async fn a_download_that_trickles_does_not_hold_a_stop_up_and_one_that_is_read_is_finished() {
    const BYTES: usize = 16 << 20;
    let server = TestServer::with(Config {
        shutdown_grace: Duration::from_secs(600),
        ..config()
    })
    .await;
    let ada = server.register("ada").await;
    let file = upload(&server, &ada, "a.bin", vec![b'x'; BYTES]).await;
    let url = file["url"].as_str().unwrap();
    let mut trickling = begin_to_read(&server, url).await;
    let mut reading = begin_to_read(&server, url).await;
    let read = async {
        let mut bytes = Vec::new();
        reading.read_to_end(&mut bytes).await.unwrap();
        bytes.iter().rev().take_while(|byte| **byte == b'x').count()
    };
    let trickle = async {
        let mut byte = [0];
        while trickling.read(&mut byte).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // It was cut, as is right.
        std::future::pending::<()>().await;
    };
    let (read, ()) = soon(async {
        tokio::select! {
            done = async { tokio::join!(read, server.stop()) } => done,
            () = trickle => unreachable!("it waits"),
        }
    })
    .await;
    assert_eq!(read, BYTES);
}
