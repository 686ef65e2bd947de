//! Accounts that leave: by themselves, by an administrator, and what is left of them.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chatd::accounts::ForeignTokens;
use chatd::config::Config;
use chatd::model::{MessageId, Timestamp, UserId};
use chatd::store::{BATCHES, Command, EraseMany, Location, OpenError, Store, StoreOptions};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::files::{in_folder, is_gone, open, place, said, tus, upload};
use crate::support::{Person, Reply, TestServer, Wire, config, soon};

const ME: &str = "/api/auth/me";

/// Asks to have one's own account deleted.
async fn leaves(server: &TestServer, person: &Person, body: Value) -> Reply {
    let body = body.to_string();
    server.send("DELETE", ME, Some(&person.token), &body).await
}

/// The same, and it is done.
async fn left(server: &TestServer, person: &Person, messages: &str) {
    let body = json!({"current_password": "password1", "messages": messages});
    let reply = leaves(server, person, body).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
}

async fn say(wire: &mut Wire, to: &Person, content: &str) -> u64 {
    let message = json!({"receiver_id": to.id, "content": content});
    let (ack, _) = wire.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true, "{ack}");
    ack["data"]["id"].as_u64().unwrap()
}

async fn texts(server: &TestServer, of: &Person, with: &Person) -> Vec<String> {
    let path = format!("/api/chats/history/{}", with.id);
    let page = server.get(&path, &of.token).await;
    let rows = page["data"].as_array().unwrap().iter();
    rows.map(|row| row["content"].as_str().unwrap().to_owned())
        .collect()
}

/// The next event of this name.
async fn hears(wire: &mut Wire, name: &str) -> Value {
    loop {
        let mut event = wire.event().await;
        if event[0] == name {
            return event[1].take();
        }
    }
}

#[tokio::test]
async fn who_leaves_is_gone_at_once_and_what_they_said_stays_unless_it_is_to_go_too() {
    let server = TestServer::start().await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    say(&mut to_ada, &bob, "Halo!").await;
    hears(&mut to_bob, "receive_message").await;

    for (body, code) in [
        (json!({}), "invalid_credentials"),
        (
            json!({"current_password": "wrong-one"}),
            "invalid_credentials",
        ),
        (
            json!({"current_password": "password1", "messages": "some"}),
            "invalid_payload",
        ),
    ] {
        let refused = leaves(&server, &ada, body).await;
        assert_eq!(refused.code(), code, "{}", refused.body);
    }
    left(&server, &ada, "keep").await;

    let error = hears(&mut to_ada, "chat_error").await;
    assert_eq!(error["code"], "invalid_token");
    let refused = server.send("GET", ME, Some(&ada.token), "").await;
    assert_eq!(refused.code(), "invalid_token");
    let name = format!("deleted-{}", ada.id);
    let changed = hears(&mut to_bob, "user_changed").await;
    let shown =
        json!({"user_id": ada.id, "username": name, "name": name, "avatar": null, "deleted": true});
    assert_eq!(changed, shown);
    let seen = server
        .get(&format!("/api/users/{}", ada.id), &bob.token)
        .await;
    assert_eq!(
        (&seen["data"]["username"], &seen["data"]["deleted"]),
        (&json!(name), &json!(true))
    );
    let recents = server.get("/api/chats/", &bob.token).await;
    let row = &recents["data"][0];
    assert_eq!(
        (&row["username"], &row["deleted"]),
        (&json!(name), &json!(true))
    );
    assert_eq!(texts(&server, &bob, &ada).await, ["Halo!"]);
    let found = server.get("/api/users?query=ada", &bob.token).await;
    assert_eq!(found["data"], json!([]));
    let message = json!({"receiver_id": ada.id, "content": "Are you there?"});
    let (ack, _) = to_bob.call(2, "send_message", message).await;
    assert_eq!(ack["error"]["code"], "not_found");

    // The name is free, the id is not.
    let again = server.register("ada").await;
    assert!(again.id > ada.id);
    assert_eq!(texts(&server, &again, &bob).await, [""; 0]);
    let reserved = server.register_with(&name, None).await;
    assert_eq!(reserved.code(), "invalid_payload");
    server.stop().await;
}

/// A client whose ack was lost was told that there is nobody, of a message that stands in the chat.
#[tokio::test]
async fn what_was_sent_to_who_is_gone_since_is_given_again_and_nothing_else_is_taken() {
    let server = TestServer::start().await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect(&ada).await;
    let message = |content: &str, client_id: Option<&str>| match client_id {
        Some(client_id) => {
            json!({"receiver_id": bob.id, "content": content, "client_id": client_id})
        }
        None => json!({"receiver_id": bob.id, "content": content}),
    };
    let halo = message("Halo!", Some("a-1"));
    let (first, _) = to_ada.call(1, "send_message", halo.clone()).await;
    assert_eq!(first["success"], true, "{first}");
    left(&server, &bob, "erase").await;
    let (again, _) = to_ada.call(2, "send_message", halo).await;
    assert_eq!(again, first);
    for (content, client_id, code) in [
        ("Halo?", Some("a-1"), "client_id_reused"),
        ("Halo?", Some("a-2"), "not_found"),
        ("Halo?", None, "not_found"),
    ] {
        let (ack, _) = to_ada
            .call(3, "send_message", message(content, client_id))
            .await;
        assert_eq!(ack["error"]["code"], code, "{client_id:?}");
    }
    assert_eq!(texts(&server, &ada, &bob).await, ["Halo!"]);
    server.stop().await;
}

/// What somebody said who is gone was unread for ever: a mark of their chat was refused.
#[tokio::test]
async fn what_is_left_of_who_is_gone_can_be_marked_read() {
    let server = TestServer::start().await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect(&ada).await;
    let id = say(&mut to_ada, &bob, "Halo!").await;
    say(&mut to_ada, &bob, "Bye!").await;
    left(&server, &ada, "keep").await;

    let mut to_bob = server.connect(&bob).await;
    for (mark, count, unread) in [
        (json!({"user_id": ada.id, "up_to": id}), 1, 1),
        (json!({"user_id": ada.id}), 1, 0),
        (json!({"user_id": ada.id}), 0, 0),
    ] {
        let (ack, _) = to_bob.call(2, "mark_chat_as_read", mark).await;
        let marked = json!({"user_id": ada.id, "count": count});
        assert_eq!(ack, json!({"success": true, "data": marked}));
        let total = server.get("/api/chats/unread", &bob.token).await["meta"]["total"].clone();
        assert_eq!(total, unread);
    }
    // With whom nothing was said there is nothing to be marked.
    let carl = server.register("carl").await;
    left(&server, &carl, "keep").await;
    let mark = json!({"user_id": carl.id});
    let (ack, _) = to_bob.call(3, "mark_chat_as_read", mark).await;
    assert_eq!(ack["error"]["code"], "not_found");
    server.stop().await;
}

#[tokio::test]
async fn who_leaves_with_all_they_said_takes_it_out_of_every_chat() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let mut ids = Vec::new();
    for number in 0..600 {
        ids.push(say(&mut to_ada, &bob, &format!("word {number}")).await);
    }
    say(&mut to_ada, &admin, "to another").await;
    let room = json!({"name": "Ops", "member_ids": [bob.id]}).to_string();
    let made = server
        .send("POST", "/api/rooms", Some(&ada.token), &room)
        .await;
    let room = made.json()["data"]["id"].as_u64().unwrap();
    for content in ["to the room", "and again"] {
        let message = json!({"room_id": room, "content": content});
        let (ack, _) = to_ada.call(1, "send_message", message).await;
        ids.push(ack["data"]["id"].as_u64().unwrap());
    }
    say(&mut to_bob, &ada, "an answer").await;
    left(&server, &ada, "erase").await;

    // Few events say what went: all before an id, part by part, and in the end all.
    let mut heard = Vec::new();
    while heard
        .iter()
        .filter(|erased| **erased == Value::Null)
        .count()
        < 2
    {
        let erased = hears(&mut to_bob, "messages_erased").await;
        assert_eq!(erased["sender_id"], ada.id);
        let is_pair = erased["user_id"] == ada.id && erased.get("room_id").is_none();
        assert!(is_pair || erased["room_id"] == room && erased.get("user_id").is_none());
        heard.push(erased["before"].clone());
    }
    assert_eq!(
        heard.len(),
        4,
        "of 600 messages and of two of a room: {heard:?}"
    );
    let path = format!("/api/admin/users?after={}&limit=1", ada.id - 1);
    soon(async {
        while server.get(&path, &admin.token).await["data"][0]["erasing"] == true {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(texts(&server, &bob, &ada).await, ["an answer"]);
    assert_eq!(texts(&server, &admin, &ada).await, [""; 0]);
    let path = format!("/api/rooms/{room}/history");
    assert_eq!(server.get(&path, &bob.token).await["data"], json!([]));
    let unread = server.get("/api/chats/unread", &bob.token).await;
    assert_eq!(unread["meta"]["total"], 0);
    server.stop().await;
}

#[tokio::test]
async fn an_administrator_deletes_any_account_but_the_last_of_their_own() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let mut to_ada = server.connect(&ada).await;
    say(&mut to_ada, &bob, "Halo!").await;
    let path = |id: u64, query: &str| format!("/api/admin/users/{id}{query}");
    let delete =
        async |who: &Person, path: String| server.send("DELETE", &path, Some(&who.token), "").await;
    assert_eq!(delete(&bob, path(ada.id, "")).await.code(), "forbidden");
    assert_eq!(delete(&admin, path(admin.id, "")).await.code(), "forbidden");
    let own = leaves(&server, &admin, json!({"current_password": "password1"})).await;
    assert_eq!(own.code(), "forbidden");
    assert_eq!(delete(&admin, path(99, "")).await.code(), "not_found");
    assert_eq!(
        delete(&admin, path(ada.id, "?messages=all")).await.code(),
        "invalid_payload"
    );
    // To do it again changes nothing; with what was said it may be done later, too.
    for _ in 0..2 {
        assert!(delete(&admin, path(ada.id, "")).await.status.is_success());
    }
    assert_eq!(texts(&server, &bob, &ada).await, ["Halo!"]);
    assert!(
        delete(&admin, path(ada.id, "?messages=erase"))
            .await
            .status
            .is_success()
    );
    soon(async {
        while !texts(&server, &bob, &ada).await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let changed = json!({"disabled": false}).to_string();
    let refused = server
        .send("PATCH", &path(ada.id, ""), Some(&admin.token), &changed)
        .await;
    assert_eq!(refused.code(), "not_found");
    server.stop().await;
}

#[tokio::test]
async fn a_rooms_last_owner_is_followed_by_its_eldest_admin_else_by_its_eldest_member() {
    let server = TestServer::start().await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let (carl, dora) = (server.register("carl").await, server.register("dora").await);
    let ask = async |who: &Person, method: &str, path: String, body: Value| {
        let reply = server
            .send(method, &path, Some(&who.token), &body.to_string())
            .await;
        assert!(reply.status.is_success(), "{method} {path}: {}", reply.body);
        reply.json()["data"].take()
    };
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let body = json!({"name": "Ops", "member_ids": [bob.id]});
        let room = ask(&ada, "POST", "/api/rooms".into(), body).await;
        rooms.push(room["id"].as_u64().unwrap());
    }
    let member = |room: u64, who: &Person| format!("/api/rooms/{room}/members/{}", who.id);
    for who in [&carl, &dora] {
        ask(&ada, "PUT", member(rooms[0], who), json!({})).await;
        ask(&ada, "PUT", member(rooms[1], who), json!({"role": "admin"})).await;
    }
    let mut to_bob = server.connect_second(&bob).await;
    left(&server, &ada, "keep").await;
    for (room, owner) in [(rooms[0], &bob), (rooms[1], &carl)] {
        let members = ask(&bob, "GET", format!("/api/rooms/{room}/members"), json!({})).await;
        let roles: Vec<_> = members
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["user_id"].as_u64().unwrap(), row["role"] == "owner"))
            .collect();
        let expected = [&bob, &carl, &dora].map(|who| (who.id, who.id == owner.id));
        assert_eq!(roles, expected, "room {room}");
        let change = hears(&mut to_bob, "room_member").await;
        assert_eq!(
            (&change["user_id"], &change["role"]),
            (&json!(owner.id), &json!("owner"))
        );
        let change = hears(&mut to_bob, "room_member").await;
        assert_eq!(
            (&change["user_id"], &change["change"]),
            (&json!(ada.id), &json!("left"))
        );
    }
    server.stop().await;
}

fn found(file: &Path, words: &[&str]) -> usize {
    let bytes = std::fs::read(file).unwrap();
    let has = |word: &str| {
        bytes
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    words.iter().filter(|word| has(word)).count()
}

#[tokio::test]
async fn no_byte_of_who_left_is_in_the_file_once_it_was_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let server = TestServer::with(Config {
        data: Location::File(path.clone()),
        erase_within: Duration::from_secs(1),
        ..config()
    })
    .await;
    let _admin = server.admin().await;
    let (bob, eve) = (
        server.register("bob").await,
        server.register("qzvkwjxbyplm").await,
    );
    let words = [
        "qzvkwjxbyplm",
        "Щфъыжэюг цшбх",
        "example.org/龘靐齉龗",
        "🦤🪼🫎🪿🦩",
    ];
    let profile = json!({"name": words[1], "avatar": format!("https://{}", words[2])});
    let changed = server
        .send("PATCH", ME, Some(&eve.token), &profile.to_string())
        .await;
    assert!(changed.status.is_success(), "{}", changed.body);
    let mut wire = server.connect(&eve).await;
    say(&mut wire, &bob, words[3]).await;
    assert_eq!(found(&path, &words), words.len());
    left(&server, &eve, "erase").await;
    soon(async {
        while found(&path, &words) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    server.stop().await;
    assert_eq!(found(&path, &words), 0);
}

#[tokio::test]
async fn an_apps_person_leaves_by_a_young_token_and_comes_again_by_a_later_one_alone() {
    const SECRET: &str = "a secret of an app that has its own users";
    let mut tokens = ForeignTokens::new(None, None, true);
    tokens.add_secret(SECRET.as_bytes()).unwrap();
    let server = TestServer::with(Config {
        foreign_tokens: tokens,
        ..config()
    })
    .await;
    let secs = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let token = |subject: &str, issued: u64| {
        let claims =
            json!({"sub": subject, "name": "Eve Smith", "iat": issued, "exp": secs() + 600});
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    };
    for subject in ["29", "auth0|5f7c8ec7c33c6c004bbafe82"] {
        let now = secs();
        let (old, young) = (token(subject, now - 400), token(subject, now - 10));
        let me = server.get(ME, &old).await;
        let id = me["data"]["id"].as_u64().unwrap();
        let delete = async |token: &str| server.send("DELETE", ME, Some(token), "{}").await;
        assert_eq!(delete(&old).await.code(), "invalid_credentials");
        assert!(delete(&young).await.status.is_success());
        for earlier in [&old, &young, &token(subject, now - 1)] {
            let refused = server.send("GET", ME, Some(earlier), "").await;
            assert_eq!(refused.code(), "invalid_token", "{subject}");
        }
        // The app sends them anew.
        let reply = soon(async {
            loop {
                let reply = server
                    .send("GET", ME, Some(&token(subject, secs())), "")
                    .await;
                if reply.status.is_success() {
                    return reply;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let again = reply.json()["data"].take();
        assert_eq!(
            (&again["id"], &again["name"]),
            (&json!(id), &json!("Eve Smith"))
        );
        let refused = server.send("GET", ME, Some(&old), "").await;
        assert_eq!(refused.code(), "invalid_token");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_ones_own_is_exported_line_by_line_once_a_day() {
    let server = TestServer::with(Config {
        rates: chatd::limits::Rates::default(),
        ..config()
    })
    .await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let room = json!({"name": "Ops", "member_ids": [bob.id]}).to_string();
    let made = server
        .send("POST", "/api/rooms", Some(&ada.token), &room)
        .await;
    let room = made.json()["data"]["id"].as_u64().unwrap();
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect(&bob).await;
    let mut ids = Vec::new();
    for number in 0..600 {
        ids.push(say(&mut to_ada, &bob, &format!("word {number}")).await);
    }
    say(&mut to_bob, &ada, "an answer").await;
    let (ack, _) = to_ada
        .call(1, "delete_message", json!({"message_id": ids[3]}))
        .await;
    assert_eq!(ack["success"], true);
    let message = json!({"room_id": room, "content": "Halo!"});
    let (ack, _) = to_ada.call(1, "send_message", message).await;
    let in_room = ack["data"]["id"].as_u64().unwrap();

    let path = "/api/auth/me/export";
    let reply = server.send("GET", path, Some(&ada.token), "").await;
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    let lines = reply
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    assert_eq!(
        (&lines[0]["type"], &lines[0]["username"]),
        (&json!("account"), &json!("ada"))
    );
    ids.remove(3);
    ids.reverse();
    let texts = lines[1..]
        .iter()
        .filter(|line| line["receiver_id"] == bob.id);
    let sent: Vec<_> = texts.map(|line| line["id"].as_u64().unwrap()).collect();
    assert_eq!(sent, ids);
    let rest = lines[1..].iter().filter(|line| line["room_id"] == room);
    let rest: Vec<_> = rest
        .map(|line| (line["id"].clone(), line["content"].clone()))
        .collect();
    assert_eq!(rest, [(json!(in_room), json!("Halo!"))]);
    assert_eq!(lines.len(), 1 + ids.len() + 1);
    let again = server.send("GET", path, Some(&ada.token), "").await;
    assert_eq!(again.code(), "rate_limited");
    server.stop().await;
}

/// What somebody had uploaded and not sent lay on the disk for a day after they were gone, and its
/// URL opened it.
#[tokio::test]
async fn what_who_left_had_uploaded_and_not_sent_is_gone_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(in_folder(folder.path())).await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.connect_second(&ada).await;
    let [sent, unsent, bobs] = [
        upload(&server, &ada, "sent.txt", "sent").await,
        upload(&server, &ada, "unsent.txt", "unsent").await,
        upload(&server, &bob, "bobs.txt", "bobs").await,
    ];
    let headers = [
        ("upload-length", "100"),
        ("content-type", "application/offset+octet-stream"),
    ];
    let begun = tus(&server, &ada, ("POST", "/api/uploads"), &headers, "begun").await;
    assert_eq!(
        (begun.status().as_u16(), said(&begun, "upload-offset")),
        (201, "5")
    );
    let begun = json!(said(&begun, "location").rsplit('/').next().unwrap());
    let message = json!({"receiver_id": bob.id, "content": "", "attachments": [sent["id"]]});
    let (ack, _) = wire.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true, "{ack}");
    let files = folder.path().join("files");
    let begun = place(&files, &begun).with_extension("part");
    let [sent, unsent, bobs] =
        [&sent, &unsent, &bobs].map(|file| (place(&files, &file["id"]), file));
    for path in [&sent.0, &unsent.0, &bobs.0, &begun] {
        assert!(path.exists(), "{}", path.display());
    }

    left(&server, &ada, "keep").await;
    is_gone(&unsent.0).await;
    is_gone(&begun).await;
    for (file, status) in [(sent.1, 200), (unsent.1, 403), (bobs.1, 200)] {
        let url = file["url"].as_str().unwrap();
        assert_eq!(open(&server, url).await.status(), status, "{url}");
    }
    assert!(sent.0.exists() && bobs.0.exists());
    server.stop().await;
}

/// Rooms in which a person says a word each, with another one who stays; and these messages.
async fn said_in_rooms(
    server: &TestServer,
    (by, with): (&Person, &Person),
    words: &[String],
) -> Vec<(u64, u64)> {
    let mut wire = server.connect_second(by).await;
    let mut said = Vec::new();
    for word in words {
        let room = json!({"name": "Ops", "member_ids": [by.id]}).to_string();
        let made = server
            .send("POST", "/api/rooms", Some(&with.token), &room)
            .await;
        let room = made.json()["data"]["id"].as_u64().unwrap();
        let message = json!({"room_id": room, "content": word});
        let (ack, _) = wire.call(1, "send_message", message).await;
        assert_eq!(ack["success"], true, "{ack}");
        said.push((room, ack["data"]["id"].as_u64().unwrap()));
    }
    said
}

/// Erases messages of somebody who left, as an earlier chatd did it with all of their last rooms.
async fn erase_some(path: &Path, sender: &Person, messages: &[(u64, u64)]) {
    let location = Location::File(path.to_owned());
    let opening = async {
        loop {
            let (done, batches) = mpsc::channel(BATCHES);
            match Store::open(&location, StoreOptions::default(), done) {
                Ok(store) => return (store, batches),
                // A process that another test is starting holds the lock for a moment.
                Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let (store, mut batches) = soon(opening).await;
    let telling = tokio::spawn(async move {
        while let Some(batch) = batches.recv().await {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    let many = messages.iter().map(|(_, message)| EraseMany {
        messages: vec![MessageId::new(*message).unwrap()],
        sender: Some(UserId::new(sender.id).unwrap()),
        all_of: None,
    });
    let erase = Command::erase_many(many.collect());
    store.apply(Timestamp::now(), erase).await.unwrap();
    tokio::task::spawn_blocking(move || store.close())
        .await
        .unwrap();
    telling.await.unwrap();
}

/// An earlier chatd erased what somebody said in the last 64 rooms that they left alone, and said
/// that all of it was gone. What it left in the others stayed there, and in the file.
#[tokio::test]
async fn what_an_earlier_chatd_left_of_an_account_is_erased_at_a_start() {
    const ROOMS: u64 = 70;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let on_file = || Config {
        data: Location::File(path.clone()),
        erase_within: Duration::from_secs(1),
        ..config()
    };
    let server = TestServer::with(on_file()).await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let eve = server.register("eve").await;
    let words_of = |name: &str| -> Vec<String> {
        let words = (0..ROOMS).map(|number| format!("qzvkwj-{name}-{number:02}"));
        words.collect()
    };
    let (of_ada, of_eve) = (words_of("ada"), words_of("eve"));
    let in_rooms = said_in_rooms(&server, (&ada, &bob), &of_ada).await;
    let of_eve_in_rooms = said_in_rooms(&server, (&eve, &bob), &of_eve).await;
    for person in [&ada, &eve] {
        left(&server, person, "keep").await;
    }
    server.stop().await;
    erase_some(&path, &ada, &in_rooms[6..]).await;
    let [of_ada, of_eve] = [&of_ada, &of_eve].map(|words| -> Vec<&str> {
        let words = words.iter().map(String::as_str);
        words.collect()
    });
    assert!(found(&path, &of_ada[..6]) == 6 && found(&path, &of_eve) == of_eve.len());

    let server = TestServer::with(on_file()).await;
    soon(async {
        while found(&path, &of_ada) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let said = async |(room, _): &(u64, u64)| {
        let path = format!("/api/rooms/{room}/history");
        let page = server.get(&path, &bob.token).await;
        page["data"].as_array().unwrap().len()
    };
    for (of_ada, of_eve) in in_rooms.iter().zip(&of_eve_in_rooms) {
        assert_eq!((said(of_ada).await, said(of_eve).await), (0, 1));
    }
    server.stop().await;
    // Who left with what they said kept has left it.
    assert_eq!(found(&path, &of_eve), of_eve.len());
    let copy = folder.path().join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    let report = chatd::store::maintain::check(&copy, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn a_room_that_its_owner_erases_or_that_nobody_is_in_any_more_leaves_no_message_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let server = TestServer::with(Config {
        data: Location::File(path.clone()),
        erase_within: Duration::from_secs(1),
        ..config()
    })
    .await;
    let _admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let words = ["qzvkwjxbyplm", "щфъыжэюгцшбх"];
    let mut to_ada = server.connect_second(&ada).await;
    let mut to_bob = server.connect_second(&bob).await;
    let mut rooms = Vec::new();
    for (word, others) in words.iter().zip([vec![bob.id], vec![]]) {
        let room = json!({"name": "Ops", "member_ids": others}).to_string();
        let made = server
            .send("POST", "/api/rooms", Some(&ada.token), &room)
            .await;
        let room = made.json()["data"]["id"].as_u64().unwrap();
        let message = json!({"room_id": room, "content": word});
        let (ack, _) = to_ada.call(1, "send_message", message).await;
        assert_eq!(ack["success"], true, "{ack}");
        rooms.push(room);
    }
    assert_eq!(found(&path, &words), 2);
    let erase = format!("/api/rooms/{}?erase=true", rooms[0]);
    let refused = server.send("DELETE", &erase, Some(&bob.token), "").await;
    assert_eq!(refused.code(), "forbidden");
    let done = server.send("DELETE", &erase, Some(&ada.token), "").await;
    assert!(done.status.is_success(), "{}", done.body);
    loop {
        let change = hears(&mut to_bob, "room_member").await;
        if change["user_id"] == bob.id && change["change"] == "removed" {
            break;
        }
    }
    for who in [&ada, &bob] {
        let path = format!("/api/rooms/{}/history", rooms[0]);
        let refused = server.send("GET", &path, Some(&who.token), "").await;
        assert_eq!(refused.code(), "not_found");
    }
    // Of the other one the last member goes.
    left(&server, &ada, "keep").await;
    soon(async {
        while found(&path, &words) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    server.stop().await;
}
