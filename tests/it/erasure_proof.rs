//! What was erased, searched for as bytes in all that a server writes: its data file and what lies
//! beside it, a backup, an export, and its log at the loudest. Each place that takes a text has a
//! word of its own, at random in one of several scripts, before and after.

#![expect(
    clippy::print_stdout,
    reason = "where each word was is said with `--nocapture`"
)]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chatd::push::subscription_id;
use hyper::body::Bytes;
use memchr::memmem;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::files::{connect, done, register, said, tus};
use crate::program::Running;
use crate::support::{Person, Wire, soon};

/// The first letters of scripts, and how many are taken from there.
const SCRIPTS: [(char, u32); 5] = [
    ('a', 26),
    ('а', 32),
    ('一', 20_000),
    ('가', 11_000),
    ('क', 37),
];
/// Seldom enough to stand nowhere else in the test; a reaction is one of them.
const EMOJI: [&str; 4] = ["🦤", "🪼", "🫎", "🐦‍⬛"];

/// What is done to take a word away.
enum Undo {
    Ask(&'static str, String, Person, Value),
    Edit(Value),
}

struct Scene {
    server: Running,
    folder: tempfile::TempDir,
    root: Person,
    ada: Person,
    bob: Person,
    to_ada: Wire,
    random: StdRng,
    words: Vec<(&'static str, String)>,
    undos: Vec<Undo>,
    /// The newest message.
    last: u64,
}

fn person(of: &Person) -> Person {
    Person {
        id: of.id,
        token: of.token.clone(),
    }
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chatd.redb");
        let server = Running::on(&data, &["--log", "trace"], &[]).await;
        let first =
            json!({"username": "root", "password": "password1", "invite": server.setup_code});
        let path = "/api/auth/register";
        let first = first.to_string();
        let reply = server.remote.send("POST", path, None, &first).await;
        let made = reply.json()["data"].take();
        let root = Person {
            id: made["user"]["id"].as_u64().unwrap(),
            token: made["token"].as_str().unwrap().into(),
        };
        let ada = register(&server.remote, "ada").await;
        let bob = register(&server.remote, "bob").await;
        let to_ada = connect(&server.remote, &ada).await;
        Self {
            server,
            folder,
            root,
            ada,
            bob,
            to_ada,
            random: StdRng::seed_from_u64(rand::random()),
            words: Vec::new(),
            undos: Vec::new(),
            last: 0,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("chatd.redb")
    }

    /// A new word of the first of the scripts, which goes everywhere.
    fn plain(&mut self, what: &'static str) -> String {
        self.word_in(what, SCRIPTS[0])
    }

    fn word(&mut self, what: &'static str) -> String {
        self.word_in(what, SCRIPTS[self.words.len() % SCRIPTS.len()])
    }

    fn word_in(&mut self, what: &'static str, (first, count): (char, u32)) -> String {
        let letters = (0..12).map(|_| {
            let letter = u32::from(first) + self.random.random_range(0..count);
            char::from_u32(letter).unwrap()
        });
        let word: String = letters.collect();
        self.words.push((what, word.clone()));
        word
    }

    async fn ask(&self, by: &Person, method: &str, path: &str, body: Value) -> Value {
        let (token, body) = (Some(&*by.token), body.to_string());
        let reply = self.server.remote.send(method, path, token, &body).await;
        assert!(reply.status.is_success(), "{method} {path}: {}", reply.body);
        reply.json()["data"].take()
    }

    async fn emit(&mut self, event: &str, payload: Value) -> Value {
        let (ack, _) = self.to_ada.call(1, event, payload).await;
        assert_eq!(ack["success"], true, "{event}: {ack}");
        ack["data"].clone()
    }

    async fn say(&mut self, message: Value) -> u64 {
        let sent = self.emit("send_message", message).await;
        self.last = sent["id"].as_u64().unwrap();
        self.last
    }

    fn later(&mut self, method: &'static str, path: String, by: &Person, body: Value) {
        self.undos.push(Undo::Ask(method, path, person(by), body));
    }

    /// It is deleted later.
    async fn say_for_now(&mut self, message: Value) -> u64 {
        let id = self.say(message).await;
        let by = person(&self.ada);
        self.later("DELETE", format!("/api/messages/{id}"), &by, json!({}));
        id
    }

    async fn upload(&self, by: &Person, name: &str, bytes: Vec<u8>) -> String {
        let name = format!("filename {}", BASE64_STANDARD.encode(name));
        let length = bytes.len().to_string();
        let headers = [
            ("upload-length", &*length),
            ("upload-metadata", &name),
            ("content-type", "application/offset+octet-stream"),
        ];
        let made = tus(
            &self.server.remote,
            by,
            ("POST", "/api/uploads"),
            &headers,
            bytes,
        )
        .await;
        assert_eq!(made.status(), 201, "{made:?}");
        said(&made, "upload-file").to_owned()
    }
}

/// Messages between two people, and what hangs on them.
async fn talk(scene: &mut Scene) {
    let bob = scene.bob.id;
    for what in [
        "a deleted text",
        "another",
        "one more",
        "a fourth",
        "a fifth",
    ] {
        let text = scene.word(what);
        scene
            .say_for_now(json!({"receiver_id": bob, "content": text}))
            .await;
    }
    let long = format!("{} {}", scene.word("a long text"), "x".repeat(3_900));
    scene
        .say_for_now(json!({"receiver_id": bob, "content": long}))
        .await;
    let text = scene.word("a text before its edit");
    let edited = scene
        .say(json!({"receiver_id": bob, "content": text}))
        .await;
    scene.undos.push(Undo::Edit(
        json!({"message_id": edited, "content": "edited"}),
    ));
    let quoted = scene.word("a text that an answer quotes");
    let quoted = scene
        .say_for_now(json!({"receiver_id": bob, "content": quoted}))
        .await;
    scene
        .say(json!({"receiver_id": bob, "content": "an answer", "reply_to": quoted}))
        .await;
    let meta = json!({"of_app": scene.word("an app's own word")});
    scene
        .say_for_now(json!({"receiver_id": bob, "content": "with meta", "meta": meta}))
        .await;
    let reacted = scene
        .say_for_now(json!({"receiver_id": bob, "content": "with a reaction"}))
        .await;
    let emoji = EMOJI[scene.random.random_range(0..EMOJI.len())];
    scene.words.push(("a reaction", emoji.to_owned()));
    scene
        .emit(
            "react",
            json!({"message_id": reacted, "emoji": emoji, "on": true}),
        )
        .await;
    let reported = scene.word("a text that is reported");
    let reported = scene
        .say_for_now(json!({"receiver_id": bob, "content": reported}))
        .await;
    let reason = scene.word("why it is reported");
    let report = json!({"message_id": reported, "reason": reason});
    let (root, bob) = (person(&scene.root), person(&scene.bob));
    let report = scene.ask(&bob, "POST", "/api/reports", report).await["id"].clone();
    let path = format!("/api/admin/reports/{report}");
    scene.later("PATCH", path, &root, json!({"closed": true}));
}

/// Files: sent, not sent, and not whole.
async fn files(scene: &mut Scene) {
    let ada = person(&scene.ada);
    let (name, alt, bytes) = (
        format!("{}.txt", scene.word("a file's name")),
        scene.word("what is to be seen in a file"),
        scene.word("a file's bytes").into_bytes(),
    );
    let file = scene.upload(&ada, &name, bytes).await;
    // The smallest WebP, with a word in its pixels.
    let pixels = scene.plain("a preview's bytes");
    let size = |more: usize| u32::try_from(pixels.len() + more).unwrap().to_le_bytes();
    let preview = [
        b"RIFF",
        &size(18)[..],
        b"WEBPVP8L",
        &size(6)[..],
        b"\x2f\x03\x80\0\0\x09",
        pixels.as_bytes(),
    ];
    let path = format!("/api/uploads/{file}/preview");
    let put = ("PUT", path.as_str());
    let put = tus(&scene.server.remote, &ada, put, &[], preview.concat()).await;
    assert_eq!(put.status(), 200, "{put:?}");
    let attachment = json!({"id": file, "alt": alt});
    let message = json!({"receiver_id": scene.bob.id, "attachments": [attachment]});
    scene.say_for_now(message).await;
    let unsent = format!("{}.txt", scene.word("the name of a file that is not sent"));
    let bytes = scene.word("its bytes").into_bytes();
    let unsent = scene.upload(&ada, &unsent, bytes).await;
    scene.later("DELETE", format!("/api/uploads/{unsent}"), &ada, json!({}));
    let part = scene.word("the bytes of half a file");
    let said_of = scene.word("what is said of it");
    let metadata = format!("filename {}", BASE64_STANDARD.encode(said_of));
    let headers = [
        ("upload-length", "1000"),
        ("upload-metadata", &*metadata),
        ("content-type", "application/offset+octet-stream"),
    ];
    let made = ("POST", "/api/uploads");
    let made = tus(&scene.server.remote, &ada, made, &headers, part).await;
    let id = said(&made, "location")
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    scene.later("DELETE", format!("/api/uploads/{id}"), &ada, json!({}));
}

/// A room that is renamed, one that is erased, and what other systems write and are told.
async fn rooms_and_hooks(scene: &mut Scene) {
    let (root, ada) = (person(&scene.root), person(&scene.ada));
    let bot = json!({"username": scene.plain("a bot's name")});
    let bot = scene.ask(&root, "POST", "/api/admin/bots", bot).await["id"].clone();
    let room = json!({
        "name": scene.word("a room's former name"), "topic": scene.word("its former topic"), "member_ids": [bot],
    });
    let room = scene.ask(&ada, "POST", "/api/rooms", room).await["id"].clone();
    let path = format!("/api/rooms/{room}");
    scene.later("PATCH", path, &ada, json!({"name": "Ops", "topic": "Work"}));
    let wish =
        json!({"bot_id": bot, "room_id": room, "name": scene.word("an incoming hook's name")});
    let hook = scene.ask(&root, "POST", "/api/admin/hooks/in", wish).await;
    let (_, path) = hook["url"].as_str().unwrap().split_once("/api/").unwrap();
    let body = json!({
        "content": scene.word("a text by a hook"), "as": {"name": scene.word("who speaks by it")},
    });
    let path = format!("/api/{path}");
    let body = body.to_string();
    let sent = scene.server.remote.send("POST", &path, None, &body).await;
    let sent = sent.json()["data"]["id"].as_u64().unwrap();
    scene.last = sent;
    scene.later("DELETE", format!("/api/messages/{sent}"), &root, json!({}));
    scene.later(
        "DELETE",
        format!("/api/admin/hooks/in/{}", hook["id"]),
        &root,
        json!({}),
    );
    let url = format!(
        "https://{}.invalid/chat",
        scene.plain("where an outgoing hook leads")
    );
    let wish = json!({"url": url, "room_ids": [room]});
    let hook = scene.ask(&root, "POST", "/api/admin/hooks/out", wish).await;
    scene.later(
        "DELETE",
        format!("/api/admin/hooks/out/{}", hook["id"]),
        &root,
        json!({}),
    );
    scene.later(
        "DELETE",
        format!("/api/admin/users/{bot}?messages=keep"),
        &root,
        json!({}),
    );
    let gone = json!({
        "name": scene.word("an erased room's name"), "topic": scene.word("an erased room's topic"),
        "member_ids": [scene.bob.id],
    });
    let gone = scene.ask(&ada, "POST", "/api/rooms", gone).await["id"].clone();
    let text = scene.word("a text of an erased room");
    scene.say(json!({"room_id": gone, "content": text})).await;
    scene.later(
        "DELETE",
        format!("/api/rooms/{gone}?erase=true"),
        &ada,
        json!({}),
    );
}

/// One who leaves with all that they said, and a browser that is to be pushed to.
async fn leaver(scene: &mut Scene) {
    let name = scene.plain("the username of one who leaves");
    let eve = register(&scene.server.remote, &name).await;
    let avatar = format!(
        "https://example.org/{}",
        scene.plain("where their picture is")
    );
    let profile = json!({"name": scene.word("the name of one who leaves"), "avatar": avatar});
    scene.ask(&eve, "PATCH", "/api/auth/me", profile).await;
    let mut wire = connect(&scene.server.remote, &eve).await;
    let text = json!({"receiver_id": scene.ada.id, "content": scene.word("what they said")});
    let (ack, _) = wire.call(1, "send_message", text).await;
    scene.last = ack["data"]["id"].as_u64().unwrap();
    let endpoint = format!(
        "https://{}.invalid/push",
        scene.plain("where they are pushed to")
    );
    let key = SecretKey::from_slice(&scene.random.random::<[u8; 32]>()).unwrap();
    let public = key.public_key().to_encoded_point(false);
    let keys = json!({
        "p256dh": BASE64_URL_SAFE_NO_PAD.encode(public.as_bytes()), "auth": BASE64_URL_SAFE_NO_PAD.encode([7; 16]),
    });
    let wish = json!({"endpoint": endpoint, "keys": keys, "lang": "en", "show": "text"});
    let id = BASE64_URL_SAFE_NO_PAD.encode(subscription_id(&endpoint));
    let path = format!("/api/push/subscriptions/{id}");
    scene.ask(&eve, "PUT", &path, wish).await;
    let body = json!({"current_password": "password1", "messages": "erase"});
    scene.later("DELETE", "/api/auth/me".to_owned(), &eve, body);
}

/// All files of a folder and the folders in it, with their paths.
fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(all_files(&path)),
            false => files.push(path),
        }
    }
    files
}

/// The places in which words are looked for: how they are called, and their bytes.
type Places = Vec<(&'static str, Vec<u8>)>;

impl Scene {
    /// A backup and an export are made for it.
    async fn places(&self, name: &str) -> Places {
        let copies = tempfile::tempdir().unwrap();
        let copy = |ending: &str| {
            let path = copies.path().join(format!("{name}.{ending}"));
            path.to_str().unwrap().to_owned()
        };
        done(&self.data(), &["backup", &copy("redb")]).await;
        done(Path::new(&copy("redb")), &["export", &copy("jsonl")]).await;
        let folder = self.folder.path();
        let mut places: Places = ["data file", "files", "search", "backup", "export"]
            .map(|place| (place, Vec::new()))
            .into();
        for path in all_files(folder)
            .into_iter()
            .chain(all_files(copies.path()))
        {
            // A socket is no file.
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let shown = path.to_str().unwrap();
            let place = match () {
                () if path.starts_with(copies.path()) && shown.contains(".jsonl") => 4,
                () if path.starts_with(copies.path()) => 3,
                () if shown.contains(".redb.search") => 2,
                () if shown.contains(".redb.files") => 1,
                () => 0,
            };
            // Names of files are found, too.
            places[place].1.extend(shown.as_bytes());
            places[place].1.extend(bytes);
        }
        places
    }

    /// Where each word is, and how often.
    fn found(&self, places: &Places) -> Vec<String> {
        let found = self.words.iter().map(|(_, word)| {
            let there = places.iter().filter_map(|(place, bytes)| {
                let count = memmem::find_iter(bytes, word.as_bytes()).count();
                (count > 0).then(|| format!("{place} {count}"))
            });
            there.collect::<Vec<_>>().join(", ")
        });
        found.collect()
    }

    /// Takes away all that is to be erased.
    async fn erase(&mut self) {
        for undo in std::mem::take(&mut self.undos) {
            match undo {
                Undo::Edit(edit) => drop(self.emit("edit_message", edit).await),
                Undo::Ask(method, path, by, body) if path.starts_with("/api/uploads/") => {
                    let answer = tus(&self.server.remote, &by, (method, &path), &[], Bytes::new());
                    assert_eq!(answer.await.status(), 204, "{body}");
                }
                Undo::Ask(method, path, by, body) => {
                    self.ask(&by, method, &path, body).await;
                }
            }
        }
    }

    /// Waits until the search has everything, and searches for each word.
    async fn search(&self) {
        for (_, word) in &self.words {
            let word: String = word.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let path = format!("/api/search?q={word}");
            loop {
                let (remote, token) = (&self.server.remote, Some(&*self.ada.token));
                let page = remote.send("GET", &path, token, "").await.json();
                let through = page["meta"]["indexed_through"].as_u64();
                let code = page["error"]["code"].as_str();
                if through >= Some(self.last) || code.is_some_and(|code| code != "indexing") {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// What the server itself erases step by step, and files, go a moment after the answer.
async fn gone(scene: &Scene) {
    loop {
        done(&scene.data(), &["compact"]).await;
        let found = scene.found(&scene.places("after").await);
        let mut is_gone = true;
        for ((what, word), places) in scene.words.iter().zip(&found) {
            is_gone &= places.is_empty();
            if !places.is_empty() {
                println!("still there: {what}, {word}: {places}");
            }
        }
        if is_gone {
            return;
        }
    }
}

#[tokio::test]
async fn no_byte_of_what_was_erased_is_in_a_file_a_backup_an_export_or_the_log() {
    let mut scene = Scene::new().await;
    talk(&mut scene).await;
    files(&mut scene).await;
    rooms_and_hooks(&mut scene).await;
    leaver(&mut scene).await;
    scene.search().await;
    let before = scene.found(&scene.places("before").await);
    for ((what, word), places) in scene.words.iter().zip(&before) {
        println!("{what}, {word}: {places}");
        assert!(!places.is_empty(), "{what} is nowhere");
    }
    scene.erase().await;
    soon(gone(&scene)).await;
    let words = std::mem::take(&mut scene.words);
    let log = scene.server.stop().await;
    assert!(log.contains("request"), "it says nothing at all: {log}");
    for (what, word) in words {
        assert!(!log.contains(&word), "the log holds {what}");
    }
    println!(
        "after: in nothing, and in none of {} bytes of log",
        log.len()
    );
}
