//! Files, and a server that is killed in the midst of taking, sending and forgetting them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::files::{connect, done, is_gone, open, place, register, said, tus, upload};
use crate::program::Running;
use crate::support::{Person, Remote, soon};

/// How often it is killed; `CRASHES` says another number.
const ROUNDS: usize = 5;
/// What a check says of what a start is to remove.
const SPARE: &str = "named by nothing";
/// So many clients are at work.
const CLIENTS: u64 = 4;

/// What clients were told.
#[derive(Default)]
struct Told {
    /// How many things were confirmed.
    count: AtomicUsize,
    /// The messages that were sent and that nobody asked to delete: of each its file and what is in
    /// that.
    sent: Mutex<HashMap<u64, (Value, u64)>>,
    /// The files of messages whose deletion was confirmed.
    deleted: Mutex<Vec<Value>>,
}

/// The bytes of a file, by its number.
fn content(seed: u64) -> Vec<u8> {
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let length = random.random_range(0..200_000);
    let mut bytes = b"plain: ".to_vec();
    bytes.extend((0..length).map(|_| random.random::<u8>()));
    bytes
}

/// Uploads, sends and deletes until the server is gone, where it panics.
async fn work(address: std::net::SocketAddr, [ada, bob]: [Person; 2], seed: u64, told: Arc<Told>) {
    let remote = Remote::at(address);
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut socket = connect(&remote, &ada).await;
    for number in 1.. {
        let seed = seed * 1_000 + u64::from(number);
        let bytes = content(seed);
        let file = match random.random_range(0..3) {
            0 => upload(&remote, &ada, "a.bin", bytes).await["id"].take(),
            _ => in_two(&remote, &ada, &bytes).await,
        };
        told.count.fetch_add(1, Ordering::Relaxed);
        let message = json!({"receiver_id": bob.id, "attachments": [file]});
        let sent = socket.call(number, "send_message", message).await.0;
        let id = sent["data"]["id"].as_u64().unwrap();
        told.sent.lock().insert(id, (file.clone(), seed));
        told.count.fetch_add(1, Ordering::Relaxed);
        if random.random_bool(0.4) {
            told.sent.lock().remove(&id);
            let path = format!("/api/messages/{id}");
            let reply = remote.send("DELETE", &path, Some(&ada.token), "").await;
            assert_eq!(reply.status, 200);
            told.deleted.lock().push(file);
            told.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Uploads a file in two requests; gives its id.
async fn in_two(remote: &Remote, ada: &Person, bytes: &[u8]) -> Value {
    let length = bytes.len().to_string();
    let begin = [("upload-length", length.as_str())];
    let made = tus(remote, ada, ("POST", "/api/uploads"), &begin, "").await;
    let path = format!("/api/{}", said(&made, "location"));
    let half = bytes.len() / 2;
    for (from, part) in [(0, &bytes[..half]), (half, &bytes[half..])] {
        let from = from.to_string();
        let headers = [
            ("upload-offset", from.as_str()),
            ("content-type", "application/offset+octet-stream"),
        ];
        let answer = tus(remote, ada, ("PATCH", &path), &headers, part.to_vec()).await;
        assert_eq!(answer.status(), 204);
    }
    said(&made, "location").replace("uploads/", "").into()
}

#[tokio::test]
async fn a_kill_leaves_no_message_without_its_file_and_no_file_without_its_row() {
    let rounds = std::env::var("CRASHES").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let running = Running::on(&data, &[], &[]).await;
    let bob = register(&running.remote, "bob").await;
    let mut ada = register(&running.remote, "ada").await;
    running.stop().await;
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for round in 0..rounds {
        let running = Running::on(&data, &["--rate-limit", "off"], &[]).await;
        if round > 0 && round % 100 == 0 {
            // Before a person has sent as much as may be sent on a day.
            ada = register(&running.remote, &format!("ada-{round}")).await;
        }
        let people = || {
            [&ada, &bob].map(|person| Person {
                id: person.id,
                token: person.token.clone(),
            })
        };
        let told = Arc::<Told>::default();
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let seed = round as u64 * CLIENTS + client;
            let told = Arc::clone(&told);
            clients.spawn(work(running.remote.address, people(), seed, told));
        }
        let most = random.random_range(1..40);
        let busy = async {
            while told.count.load(Ordering::Relaxed) < most {
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        };
        soon(busy).await;
        // No event tells the moment: any will do.
        tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
        running.kill().await;
        clients.shutdown().await;
        let checked = done(&data, &["check"]).await;
        assert!(checked.contains("is sound"), "{round}: {checked}");
        let spare = checked.lines().filter(|line| line.contains(SPARE));
        let spare: Vec<Value> = spare
            .map(|line| line.split([' ', ':']).nth(1).unwrap().into())
            .collect();

        let running = Running::on(&data, &[], &[]).await;
        let sent = std::mem::take(&mut *told.sent.lock());
        for (id, (file, seed)) in sent {
            let path = format!("/api/messages/{id}");
            let reply = running.remote.send("GET", &path, Some(&ada.token), "");
            let row = reply.await.json()["data"]["attachments"][0].take();
            assert_eq!(row["id"], file, "{round}: message {id}");
            let answer = open(&running.remote, row["url"].as_str().unwrap()).await;
            assert!(answer.body()[..] == content(seed)[..], "{round}: {file}");
        }
        // What nothing names goes with the start.
        let deleted = std::mem::take(&mut *told.deleted.lock());
        for file in spare.iter().chain(&deleted) {
            let place = place(&folder.path().join("chatd.redb.files"), file);
            for end in ["", ".part", ".new"] {
                is_gone(&PathBuf::from(format!("{}{end}", place.display()))).await;
            }
        }
        running.stop().await;
        let checked = done(&data, &["check"]).await;
        assert!(!checked.contains(SPARE), "{round}: {checked}");
    }
}
