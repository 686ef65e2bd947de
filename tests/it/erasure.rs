//! What was deleted or edited away, and the bytes of the data file.

use std::path::Path;
use std::time::Duration;

use chatd::config::Config;
use chatd::store::Location;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire, config, soon};

/// Words that stand nowhere else, in several scripts.
const SECRETS: [&str; 4] = [
    "qzvkwjxbyplm",
    "щфъыжэюгцшбх",
    "龘靐齉龗麤鱻爨",
    "🦤🪼🫎🪿🦩🐦‍⬛",
];

/// How many of them a file has.
fn found(file: &Path) -> usize {
    let bytes = std::fs::read(file).unwrap();
    let has = |word: &str| {
        bytes
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    SECRETS.iter().filter(|word| has(word)).count()
}

async fn call(wire: &mut Wire, event: &str, payload: Value) -> Value {
    let (ack, _) = wire.call(1, event, payload).await;
    assert_eq!(ack["success"], true, "{event}: {ack}");
    ack["data"].clone()
}

async fn say(wire: &mut Wire, to: &Person, content: &str) -> u64 {
    let message = json!({"receiver_id": to.id, "content": content});
    let sent = call(wire, "send_message", message).await;
    sent["id"].as_u64().unwrap()
}

#[tokio::test]
async fn a_server_rewrites_its_file_once_what_was_erased_is_half_as_old_as_it_may_get() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let server = TestServer::with(Config {
        data: Location::File(path.clone()),
        erase_within: Duration::from_secs(1),
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.connect(&ada).await;
    let kept = say(&mut wire, &bob, "kept").await;
    let mut ids = Vec::new();
    for word in SECRETS {
        ids.push(say(&mut wire, &bob, word).await);
    }
    assert_eq!(found(&path), SECRETS.len());
    let edit = json!({"message_id": ids[0], "content": "edited"});
    call(&mut wire, "edit_message", edit).await;
    for id in &ids[1..] {
        call(&mut wire, "delete_message", json!({"message_id": id})).await;
    }
    let gone = async {
        while found(&path) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(gone).await;
    // Everything goes on, upon the new file.
    let later = say(&mut wire, &bob, "later").await;
    let history = format!("/api/chats/history/{}", ada.id);
    let page = server.get(&history, &bob.token).await;
    let rows = page["data"].as_array().unwrap().iter();
    let rows: Vec<_> = rows
        .map(|row| (row["id"].clone(), row["content"].clone()))
        .collect();
    let expected = [(kept, "kept"), (ids[0], "edited"), (later, "later")];
    assert_eq!(
        rows,
        expected.map(|(id, content)| (json!(id), json!(content)))
    );
    server.stop().await;
    let names = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(names.count(), 1, "something is left beside the file");
    assert_eq!(found(&path), 0);
}
