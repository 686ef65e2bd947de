//! What was deleted or edited away, and the bytes of the data file.

use std::path::Path;
use std::time::Duration;

use chatd::config::Config;
use chatd::store::Location;
use serde_json::{Value, json};

use crate::files::{in_folder, is_gone, place, upload};
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

/// Waits for an event of this name.
async fn hears(wire: &mut Wire, name: &str) -> Value {
    loop {
        let mut event = wire.event().await;
        if event[0] == name {
            return event[1].take();
        }
    }
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

/// What is older than retention allows goes by itself, and its file with it; those who have it on
/// their screens hear of that.
#[tokio::test]
async fn what_is_older_than_retention_allows_is_gone_from_every_chat_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let mut config = Config {
        erase_within: Duration::from_secs(1),
        ..in_folder(folder.path())
    };
    config.rules.retention = Some(Duration::from_secs(2));
    let server = TestServer::with(config).await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let mut last = 0;
    for word in SECRETS {
        last = say(&mut wire, &bob, word).await;
    }
    let file = upload(&server, &ada, "trip.bin", "not a picture").await;
    let message = json!({"receiver_id": bob.id, "attachments": [file["id"]]});
    let sent = call(&mut wire, "send_message", message).await;
    assert!(last < sent["id"].as_u64().unwrap());
    last = sent["id"].as_u64().unwrap();
    let bytes = place(&folder.path().join("files"), &file["id"]);
    assert!(bytes.exists());
    let room = json!({"name": "Ops", "member_ids": [bob.id]}).to_string();
    let made = server.send("POST", "/api/rooms", Some(&ada.token), &room);
    let room = made.await.json()["data"]["id"].clone();
    let message = json!({"room_id": room, "content": "to the room"});
    let in_room = call(&mut wire, "send_message", message).await["id"].clone();
    let history = format!("/api/chats/history/{}", ada.id);
    let mut gone = (0, 0);
    while gone != (last, in_room.as_u64().unwrap()) {
        let erased = hears(&mut to_bob, "messages_erased").await;
        assert!(erased.get("sender_id").is_none(), "{erased}");
        let before = erased["before"].as_u64().unwrap() - 1;
        match erased.get("room_id") {
            Some(id) => {
                assert_eq!(*id, room);
                gone.1 = before;
            }
            None => {
                assert_eq!(erased["user_id"], ada.id);
                gone.0 = before;
            }
        }
    }
    assert_eq!(server.get(&history, &bob.token).await["data"], json!([]));
    let path_of_room = format!("/api/rooms/{room}/history");
    let page = server.get(&path_of_room, &bob.token).await;
    assert_eq!(page["data"], json!([]));
    let unread = server.get("/api/chats/unread", &bob.token).await;
    assert_eq!(unread["meta"]["total"], 0);
    let about = server.send("GET", "/api/server", None, "").await;
    assert_eq!(about.json()["data"]["retention_ms"], 2_000);
    is_gone(&bytes).await;
    soon(async {
        while found(&path) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn an_administrator_says_after_how_many_days_a_rooms_messages_go_and_its_members_hear_it() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let room = json!({"name": "Ops", "member_ids": [bob.id]}).to_string();
    let made = server.send("POST", "/api/rooms", Some(&ada.token), &room);
    let room = made.await.json()["data"]["id"].clone();
    let mut wire = server.connect_second(&bob).await;
    let path = format!("/api/admin/rooms/{room}");
    for days in [json!(30), Value::Null] {
        let body = json!({"retention_days": days}).to_string();
        let refused = server.send("PATCH", &path, Some(&ada.token), &body).await;
        assert_eq!(refused.code(), "forbidden", "its owner is no administrator");
        let changed = server.send("PATCH", &path, Some(&admin.token), &body).await;
        let changed = changed.json();
        assert_eq!(changed["success"], true, "{changed}");
        let heard = hears(&mut wire, "room_changed").await;
        assert_eq!(
            (&heard["change"], &heard["by"]),
            (&json!("updated"), &Value::Null)
        );
        let shown = server.get(&format!("/api/rooms/{room}"), &bob.token).await;
        for row in [&changed["data"], &heard["room"], &shown["data"]] {
            assert_eq!(row.get("retention_days").cloned().unwrap_or_default(), days);
        }
    }
    for wrong in ["0", "36526", "-1", "1.5", "\"30\""] {
        let body = format!("{{\"retention_days\":{wrong}}}");
        let refused = server.send("PATCH", &path, Some(&admin.token), &body).await;
        assert_eq!(refused.code(), "invalid_payload", "{wrong}");
    }
    let body = json!({"retention_days": 30}).to_string();
    let unknown = server.send("PATCH", "/api/admin/rooms/99", Some(&admin.token), &body);
    assert_eq!(unknown.await.code(), "not_found");
    server.stop().await;
}
