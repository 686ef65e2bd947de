//! The examples of `/docs`: what a test sends by every route and every event, and what it gets. The
//! documents keep them, so that a reader sees what has run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chatd::config::Config;
use chatd::push::subscription_id;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::documents::{Documents, documents};
use crate::foreign;
use crate::pushes::Service;
use crate::support::{TestServer, Wire, soon};

/// What has no example, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("postCompact", "the control socket alone answers it"),
    ("putProbe", "the control socket alone answers it"),
    ("getProbe", "a doctor alone asks for it"),
    ("postToken", "the control socket alone answers it"),
    ("getAnyMembers", "the control socket alone answers it"),
    (
        "to_client.room_skipped",
        "it takes 2,000 messages; tests/it/rooms.rs sends them",
    ),
];

/// A picture of 4 by 3 pixels.
const WEBP: &[u8] = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\x03\x80\0\0\x09";
/// RFC 8291, section 5: the keys of a browser.
const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
/// 2^52: where ids of a server's own accounts begin that knows an app's, too. They are shown from
/// 1.
const LEAST_ID: u64 = 1 << 52;
/// A text longer than this is written over several lines.
const LINE: usize = 90;
/// Of an answer that is a document or a file no more than this is shown.
const PLAIN: usize = 200;

/// Whether a word is drawn by lot, or changes with the page: a key, a code, a cursor, a hash.
fn is_drawn(word: &str) -> bool {
    let has_digit = word.chars().any(|c| c.is_ascii_digit());
    let has_letter = word.chars().any(|c| c.is_ascii_lowercase());
    let has_capital = word.chars().any(|c| c.is_ascii_uppercase());
    let is_hex = word.chars().all(|c| c.is_ascii_hexdigit() || c == 's');
    (word.len() >= 20 && (has_digit || (has_letter && has_capital)))
        || (word.len() >= 16 && is_hex && has_digit && has_letter)
}

/// A text in which everything that is another at each run is made alike: times, tokens, keys, codes
/// and ports.
fn alike(text: &str, port: u16) -> String {
    let text = text.replace(&format!("127.0.0.1:{port}"), "chat.example.org");
    let mut made = String::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        let is_time = word.len() == 13 && word.as_bytes()[10] == b'T' && rest.starts_with(':');
        if is_time {
            // The rest of it: `:34:56.789Z`.
            made.push_str("2026-11-30T12:00:00.000Z");
            rest = rest.split_once('Z').map_or("", |(_, after)| after);
        } else if word.starts_with("eyJ") {
            made.push_str("eyJ…");
            rest = rest.trim_start_matches(|c| is_word(c) || c == '.');
        } else if word.starts_with("whsec_") || is_drawn(word) {
            let known = ["ck_", "cb_", "whsec_"];
            let known = known.into_iter().find(|known| word.starts_with(known));
            let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
            // Of sessions and files, in front of whole bytes; a code may begin with any letter.
            let of_id = ["s", "f"]
                .into_iter()
                .find(|of| word.len() % 2 == 1 && word.strip_prefix(of).is_some_and(is_hex));
            let begins = known.or(of_id).unwrap_or_default();
            let _ = write!(made, "{begins}…");
            // Of the secrets of hooks, in base64 that goes on; what follows another one is a path.
            if begins == "whsec_" {
                rest = rest.trim_start_matches(|c: char| is_word(c) || "+/=".contains(c));
            }
        } else if let Some(id) = word.parse::<u64>().ok().filter(|id| *id >= LEAST_ID) {
            let _ = write!(made, "{}", id - LEAST_ID + 1);
        } else if made.ends_with("?k=") && rest.starts_with('.') {
            // The day until which the URL of a file is good.
            made.push_str("20789");
        } else if word == "indexed_through" {
            // How far the index has come by then.
            made.push_str("indexed_through\":10");
            rest = rest.trim_start_matches(|c: char| c == '"' || c == ':' || c.is_ascii_digit());
        } else {
            made.push_str(word);
        }
    }
    made
}

/// JSON as it came, over several lines where one would be too long.
fn laid_out(text: &str) -> String {
    if text.chars().count() <= LINE {
        return text.to_owned();
    }
    let mut made = String::new();
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for character in text.chars() {
        let opens = !in_text && matches!(character, '{' | '[');
        let closes = !in_text && matches!(character, '}' | ']');
        let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
        if closes {
            depth -= 1;
            if depth < 2 {
                made.push_str(&line(depth));
            }
        }
        made.push(character);
        if opens {
            depth += 1;
        }
        if (opens || (!in_text && character == ',')) && depth <= 2 {
            made.push_str(&line(depth));
        }
        in_text = match character {
            '"' if !escaped => !in_text,
            _ => in_text,
        };
        escaped = character == '\\' && !escaped;
    }
    made
}

/// A server, and what was seen of it.
struct Scene {
    server: TestServer,
    documents: &'static Documents,
    seen: BTreeMap<String, String>,
    asked: u32,
    /// The port of the push service.
    push_port: u16,
    /// The ids of two people.
    ada: u64,
    bob: u64,
}

impl Scene {
    fn keep(&mut self, of: &str, example: String) {
        let push = format!("localhost:{}", self.push_port);
        let example = example.replace(&push, "push.example.org");
        let example = alike(&example, self.server.address.port());
        self.seen.entry(of.to_owned()).or_insert(example);
    }

    /// Sends a request, which must succeed: a body with what is shown of it, and further headers.
    async fn send(
        &mut self,
        token: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        (body, shown): (Bytes, &str),
    ) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.server.address.to_string());
        let bearer = format!("Bearer {token}");
        let authorization = (!token.is_empty()).then_some(("authorization", &*bearer));
        let mut example = format!("{method} {path}\n");
        for (name, value) in authorization.iter().chain(headers) {
            request = request.header(*name, *value);
            let _ = writeln!(example, "{name}: {value}");
        }
        if !shown.is_empty() {
            let _ = writeln!(example, "{}", laid_out(shown));
        }
        let request = request.body(Full::from(body)).unwrap();
        let answer = self.server.exchange(request).await;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(answer.status().is_success(), "{method} {path}: {text}");
        let _ = write!(example, "\n{}", answer.status().as_u16());
        for name in ["location", "upload-offset", "upload-length", "upload-file"] {
            if let Some(value) = answer.headers().get(name) {
                let _ = write!(example, "\n{name}: {}", value.to_str().unwrap());
            }
        }
        let kind = answer.headers().get("content-type").cloned();
        let kind = kind.map_or(String::new(), |kind| kind.to_str().unwrap().to_owned());
        match (&*kind, text.len()) {
            (_, 0) => {}
            ("application/json", _) if text.starts_with("{\"success\"") => {
                let _ = write!(example, "\n{}", laid_out(&text));
            }
            (kind, 1..=PLAIN) if kind.starts_with("text/") => {
                let _ = write!(example, "\n{}", text.trim_end());
            }
            (kind, _) => {
                let _ = write!(example, "\ncontent-type: {kind}\n…");
            }
        }
        let id = self.documents.operation(method, path);
        self.keep(&id, example);
        answer
    }

    /// Sends a request with a body in JSON, or without one, and gives `data`.
    async fn ask(&mut self, token: &str, method: &str, path: &str, body: Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let shown = body.clone();
        let answer = self
            .send(token, (method, path), &[], (body.into(), &shown))
            .await;
        let mut answer: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        answer["data"].take()
    }

    /// Sends a picture as the body.
    async fn picture(&mut self, token: &str, path: &str) -> Value {
        let picture = (Bytes::from_static(WEBP), "(the bytes of a picture)");
        let answer = self.send(token, ("PUT", path), &[], picture).await;
        let mut answer: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        answer["data"].take()
    }

    fn heard(&mut self, text: &str) {
        let event = text.strip_prefix("42").unwrap();
        let name: Value = serde_json::from_str(event).unwrap();
        let key = format!("to_client.{}", name[0].as_str().unwrap());
        self.keep(&key, laid_out(event));
    }

    /// Emits an event whose ack must tell of success, and gives its `data`.
    async fn emit(&mut self, wire: &mut Wire, name: &str, payload: Value) -> Value {
        self.asked += 1;
        let event = json!([name, payload]).to_string();
        wire.say(&format!("42{}{event}", self.asked)).await;
        let ack = format!("43{}", self.asked);
        loop {
            let text = wire.text().await;
            let Some(ack) = text.strip_prefix(&ack) else {
                self.heard(&text);
                continue;
            };
            let answer: Value = serde_json::from_str(ack).unwrap();
            assert_eq!(answer[0]["success"], true, "{event}: {ack}");
            let key = format!("from_client.{name}");
            self.keep(
                &key,
                format!("{}\n\nack\n{}", laid_out(&event), laid_out(ack)),
            );
            return answer[0]["data"].clone();
        }
    }

    /// Reads what a socket hears up to the first event of this name.
    async fn hear(&mut self, wire: &mut Wire, name: &str) {
        let begins = format!("42[\"{name}\"");
        let hearing = async {
            loop {
                let text = wire.text().await;
                self.heard(&text);
                if text.starts_with(&begins) {
                    return;
                }
            }
        };
        // What does not come is named at the end, with all else that has no example.
        let _ = tokio::time::timeout(Duration::from_secs(10), hearing).await;
    }
}

/// Two people, what they say to each other, and what follows from it.
async fn talk(scene: &mut Scene, (ada, bob): (&str, &str)) {
    let mut hers = scene.server.websocket("").await;
    hers.text().await;
    let connect = json!({"token": ada, "v": 2}).to_string();
    hers.say(&format!("40{connect}")).await;
    let connected = hers.text().await;
    let connected = connected.strip_prefix("40").unwrap();
    scene.keep(
        "connect",
        format!("CONNECT {connect}\n\nCONNECT {connected}"),
    );
    let a = &mut hers;
    let watched = json!({"user_ids": [scene.bob]});
    scene.emit(a, "presence_subscribe", watched).await;
    let auth = json!({"token": bob, "v": 2});
    let mut his = scene.server.connect_with(&auth).await;
    let b = &mut his;
    scene.hear(a, "presence").await;
    let view = json!({"receiver_id": scene.bob, "on": true});
    scene.emit(a, "in_view", view).await;
    let typing = json!({"receiver_id": scene.bob, "is_typing": true});
    scene.emit(a, "typing", typing).await;
    scene.hear(b, "typing").await;
    let wish = json!({"receiver_id": scene.bob, "content": "Selamat pagi!", "client_id": "3f0c", "meta": {"order": 7}});
    let first = scene.emit(a, "send_message", wish).await["id"].clone();
    scene.hear(b, "receive_message").await;
    let wish = json!({"receiver_id": scene.ada, "content": "Pagi!", "reply_to": first});
    let second = scene.emit(b, "send_message", wish).await["id"].clone();
    let read = json!({"message_id": first});
    scene.emit(b, "mark_as_read", read).await;
    scene.hear(a, "messege_read").await;
    let wish = json!({"receiver_id": scene.ada, "content": "Coffee?"});
    let third = scene.emit(b, "send_message", wish).await["id"].clone();
    let read = json!({"message_id": second, "user_id": scene.ada});
    scene.emit(a, "messege_read", read).await;
    let unread = scene
        .ask(ada, "GET", "/api/chats/unread", Value::Null)
        .await;
    assert_eq!(unread[0]["id"], third);
    scene.ask(ada, "GET", "/api/chats", Value::Null).await;
    let path = format!("/api/chats/{third}/read");
    scene.ask(ada, "PATCH", &path, Value::Null).await;
    let wish = json!({"receiver_id": scene.bob, "content": "At nine."});
    let fourth = scene.emit(a, "send_message", wish).await["id"].clone();
    let read = json!({"user_id": scene.ada, "up_to": fourth});
    scene.emit(b, "mark_chat_as_read", read).await;
    scene.hear(a, "chat_read").await;
    let edit = json!({"message_id": fourth, "content": "At ten."});
    scene.emit(a, "edit_message", edit).await;
    scene.hear(b, "message_edited").await;
    let react = json!({"message_id": fourth, "emoji": "👍", "on": true});
    scene.emit(b, "react", react).await;
    scene.hear(a, "reaction").await;
    let path = format!("/api/messages/{fourth}/reactions");
    scene.ask(ada, "GET", &path, Value::Null).await;
    let path = format!("/api/messages/{fourth}");
    scene.ask(bob, "GET", &path, Value::Null).await;
    let history = format!("/api/chats/history/{}?limit=2", scene.bob);
    scene.ask(ada, "GET", &history, Value::Null).await;
    scene.ask(ada, "GET", "/api/inbox", Value::Null).await;
    found(scene, ada).await;
    let delete = json!({"message_id": third});
    scene.emit(b, "delete_message", delete).await;
    scene.hear(a, "message_deleted").await;
    let path = format!("/api/messages/{second}");
    scene.ask(bob, "DELETE", &path, Value::Null).await;
    scene
        .ask(ada, "GET", "/api/chats/updates", Value::Null)
        .await;
    let updates = scene.server.get("/api/updates", ada).await;
    let since = updates["meta"]["cursor"].as_str().unwrap().to_owned();
    let quiet = json!({"notify": "mentions", "muted_until": "2026-12-01T08:00:00.000Z"});
    scene
        .ask(ada, "PATCH", &format!("/api/chats/{}/me", scene.bob), quiet)
        .await;
    scene.hear(a, "chat_settings").await;
    let path = format!("/api/updates?since={since}");
    scene.ask(ada, "GET", &path, Value::Null).await;
    // An event that asks for no ack, and fails.
    a.say(r#"42["send_message",{"receiver_id":3,"content":""}]"#)
        .await;
    scene.hear(a, "chat_error").await;

    scene
        .ask(
            ada,
            "PUT",
            &format!("/api/blocks/{}", scene.bob),
            Value::Null,
        )
        .await;
    scene.hear(a, "block_changed").await;
    scene.ask(ada, "GET", "/api/blocks", Value::Null).await;
    scene
        .ask(
            ada,
            "DELETE",
            &format!("/api/blocks/{}", scene.bob),
            Value::Null,
        )
        .await;
    let named = json!({"name": "Bob Smith"});
    scene.ask(bob, "PATCH", "/api/auth/me", named).await;
    scene.hear(a, "user_changed").await;
}

/// Searches until the index has come as far.
async fn found(scene: &mut Scene, token: &str) {
    let path = "/api/search?q=sel%20pag";
    let searching = async {
        loop {
            let page = scene.server.send("GET", path, Some(token), "").await;
            if page.status == 200 && page.json()["data"][0].is_object() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(searching).await;
    scene.ask(token, "GET", path, Value::Null).await;
}

/// A room, from its making to its end.
async fn meet(scene: &mut Scene, (root, ada, bob): (&str, &str, &str)) {
    let auth = json!({"token": ada, "v": 2});
    let hers = &mut scene.server.connect_with(&auth).await;
    let auth = json!({"token": bob, "v": 2});
    let his = &mut scene.server.connect_with(&auth).await;
    let wish = json!({"name": "Ops", "member_ids": [scene.bob]});
    let room = scene.ask(ada, "POST", "/api/rooms", wish).await["id"].clone();
    scene.hear(his, "room_member").await;
    let path = format!("/api/rooms/{room}");
    let wish = json!({"topic": "Who is on call", "kind": "open"});
    scene.ask(ada, "PATCH", &path, wish).await;
    scene.hear(his, "room_changed").await;
    scene.picture(ada, &format!("{path}/avatar")).await;
    let wish =
        json!({"room_id": room, "content": "@bob the disk is full", "mentions": [scene.bob]});
    let message = scene.emit(hers, "send_message", wish).await["id"].clone();
    scene.hear(his, "room_message").await;
    let typing = json!({"room_id": room, "is_typing": true});
    let of_room = scene.seen.remove("from_client.typing");
    scene.emit(his, "typing", typing).await;
    scene
        .seen
        .extend(of_room.map(|of| ("from_client.typing".to_owned(), of)));
    scene.hear(hers, "room_typing").await;
    let read = json!({"up_to": message});
    let second = &mut scene.server.connect_with(&auth).await;
    scene.ask(bob, "POST", &format!("{path}/read"), read).await;
    scene.hear(second, "room_read").await;
    scene.hear(hers, "room_seen").await;
    for more in ["", "/members", "/history?limit=1", "/reads"] {
        scene
            .ask(ada, "GET", &format!("{path}{more}"), Value::Null)
            .await;
    }
    let settings = json!({"notify": "mentions"});
    scene
        .ask(bob, "PATCH", &format!("{path}/me"), settings)
        .await;
    scene.ask(ada, "GET", "/api/rooms", Value::Null).await;
    let eve = scene.server.register("eve").await;
    scene
        .ask(&eve.token, "GET", "/api/rooms/open", Value::Null)
        .await;
    scene
        .ask(&eve.token, "POST", &format!("{path}/join"), Value::Null)
        .await;
    scene
        .ask(&eve.token, "POST", &format!("{path}/leave"), Value::Null)
        .await;
    scene
        .ask(ada, "PUT", &format!("{path}/members"), json!([eve.id]))
        .await;
    let member = format!("{path}/members/{}", eve.id);
    scene
        .ask(ada, "PUT", &member, json!({"role": "admin"}))
        .await;
    scene.ask(ada, "DELETE", &member, Value::Null).await;
    let invites = format!("{path}/invites");
    let wish = json!({"max_uses": 5});
    let invite = scene.ask(ada, "POST", &invites, wish).await;
    scene.ask(ada, "GET", &invites, Value::Null).await;
    let code = json!({"code": invite["code"]});
    scene.ask("", "POST", "/api/invites/look", code).await;
    let code = json!({"invite": invite["code"]});
    scene.ask(&eve.token, "POST", "/api/rooms/join", code).await;
    let code = invite["code"].as_str().unwrap();
    scene
        .ask(ada, "DELETE", &format!("{invites}/{code}"), Value::Null)
        .await;

    let report = json!({"message_id": message, "reason": "Not true"});
    let report = scene.ask(bob, "POST", "/api/reports", report).await["id"].clone();
    scene
        .ask(root, "GET", "/api/admin/reports", Value::Null)
        .await;
    let path_of = format!("/api/admin/reports/{report}");
    scene
        .ask(root, "PATCH", &path_of, json!({"closed": true}))
        .await;
    scene
        .ask(root, "GET", "/api/admin/rooms", Value::Null)
        .await;
    let any = format!("/api/admin/rooms/{room}");
    scene.ask(root, "GET", &any, Value::Null).await;
    let wish = json!({"retention_days": 90});
    scene.ask(root, "PATCH", &any, wish).await;
    hook(scene, root, &room).await;
    scene.ask(ada, "DELETE", &path, Value::Null).await;
    scene
        .ask(root, "DELETE", &format!("{any}?erase=true"), Value::Null)
        .await;
    scene.hear(hers, "messages_erased").await;
}

/// A bot, its keys, and hooks that write and are told.
async fn hook(scene: &mut Scene, root: &str, room: &Value) {
    let wish = json!({"username": "clerk", "name": "The Clerk"});
    let bot = scene.ask(root, "POST", "/api/admin/bots", wish).await["id"].clone();
    scene.ask(root, "GET", "/api/admin/bots", Value::Null).await;
    let keys = format!("/api/admin/bots/{bot}/keys");
    let key = scene.ask(root, "POST", &keys, Value::Null).await["id"].clone();
    scene
        .ask(root, "DELETE", &format!("{keys}/{key}"), Value::Null)
        .await;
    let wish = json!({"name": "shop", "scope": "users"});
    let key = scene.ask(root, "POST", "/api/admin/keys", wish).await["id"].clone();
    scene.ask(root, "GET", "/api/admin/keys", Value::Null).await;
    let path = format!("/api/admin/keys/{key}");
    let go_on = json!({"paused": false});
    scene.ask(root, "PATCH", &path, go_on.clone()).await;
    scene.ask(root, "DELETE", &path, Value::Null).await;

    let member = format!("/api/rooms/{room}/members");
    let ada = scene.server.login("ada", "password1").await;
    let add = json!([bot]).to_string();
    let added = scene
        .server
        .send("PUT", &member, Some(&ada.token), &add)
        .await;
    assert!(added.status.is_success(), "{}", added.body);
    let wish = json!({"bot_id": bot, "room_id": room, "name": "alerts"});
    let made = scene.ask(root, "POST", "/api/admin/hooks/in", wish).await;
    scene
        .ask(root, "GET", "/api/admin/hooks/in", Value::Null)
        .await;
    let path = format!("/api/admin/hooks/in/{}", made["id"]);
    scene.ask(root, "PATCH", &path, go_on.clone()).await;
    let url = made["url"].as_str().unwrap();
    let (_, at) = url.split_once("/api/hooks/").unwrap();
    let body = json!({"content": "disk full", "as": {"name": "db1"}});
    let by_url = format!("/api/hooks/{at}");
    scene.ask("", "POST", &by_url, body).await;
    let (id, secret) = at.split_once('/').unwrap();
    let body = json!({"text": "disk full again"}).to_string();
    let by_bearer = format!("/api/hooks/{id}");
    let shown = body.clone();
    let json_type = [("content-type", "application/json")];
    scene
        .send(
            secret,
            ("POST", &by_bearer),
            &json_type,
            (body.into(), &shown),
        )
        .await;
    scene.ask(root, "DELETE", &path, Value::Null).await;

    let wish = json!({"url": "https://backend.example.org/chat", "events": ["user_deleted"]});
    let out = "/api/admin/hooks/out";
    let made = scene.ask(root, "POST", out, wish).await;
    let path = format!("{out}/{}", made["id"]);
    scene
        .ask(root, "PATCH", &path, json!({"paused": true}))
        .await;
    scene.ask(root, "GET", out, Value::Null).await;
    let since = json!({"since": "start"});
    scene
        .ask(root, "POST", &format!("{path}/replay"), since)
        .await;
    scene.ask(root, "DELETE", &path, Value::Null).await;
}

/// Files, from their upload to their message.
async fn upload(scene: &mut Scene, token: &str) {
    let bytes = (Bytes::from_static(WEBP), "(the bytes of trip.webp)");
    let whole = "/api/uploads?name=trip.webp";
    let answer = scene
        .server
        .exchange(request(&scene.server, token, whole, &[], WEBP))
        .await;
    let file: Value = serde_json::from_slice(answer.body()).unwrap();
    let file = &file["data"];
    let id = file["id"].as_str().unwrap().to_owned();
    let again = scene.send(token, ("POST", whole), &[], bytes).await;
    assert_eq!(again.status(), 201);
    scene
        .picture(token, &format!("/api/uploads/{id}/preview"))
        .await;
    let auth = json!({"token": token, "v": 2});
    let wire = &mut scene.server.connect_with(&auth).await;
    let wish = json!({"receiver_id": scene.bob, "attachments": [{"id": id, "alt": "A pier"}]});
    let sent = scene.emit(wire, "send_message", wish).await;
    let sent = &sent["attachments"][0];
    for key in ["url", "preview"] {
        let path = format!("/{}", sent[key].as_str().unwrap());
        scene
            .send("", ("GET", &path), &[], (Bytes::new(), ""))
            .await;
    }
    scene
        .ask(token, "POST", "/api/files/urls", json!({"ids": [id]}))
        .await;

    // By tus, in parts.
    let tus = ("tus-resumable", "1.0.0");
    let head = [
        tus,
        ("upload-length", "5"),
        ("upload-metadata", "filename dHJpcC50eHQ="),
    ];
    let begun = request(&scene.server, token, "/api/uploads", &head, b"");
    let begun = scene.server.exchange(begun).await;
    let place = begun.headers()["location"].to_str().unwrap();
    let place = format!("/api/uploads/{}", place.rsplit('/').next().unwrap());
    let head = [
        tus,
        ("upload-offset", "0"),
        ("content-type", "application/offset+octet-stream"),
    ];
    let part = (Bytes::from_static(b"Hal"), "(3 bytes)");
    scene.send(token, ("PATCH", &place), &head, part).await;
    scene
        .send(token, ("GET", &place), &[tus], (Bytes::new(), ""))
        .await;
    scene
        .send(token, ("DELETE", &place), &[tus], (Bytes::new(), ""))
        .await;
    let mine = scene.picture(token, "/api/auth/me/avatar").await;
    let path = format!("/{}", mine["avatar"].as_str().unwrap());
    scene
        .send("", ("GET", &path), &[], (Bytes::new(), ""))
        .await;
}

/// A request that is no example.
fn request(
    server: &TestServer,
    token: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static [u8],
) -> Request<Full<Bytes>> {
    let mut request = Request::post(path)
        .header("host", server.address.to_string())
        .header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from(Bytes::from_static(body))).unwrap()
}

/// Accounts, sessions and browsers, and the ways out.
async fn leave(scene: &mut Scene, (root, ada): (&str, &str), service: &Service) {
    let endpoint = format!("https://localhost:{}/ada", service.port);
    scene.push_port = service.port;
    let id = BASE64_URL_SAFE_NO_PAD.encode(subscription_id(&endpoint));
    let path = format!("/api/push/subscriptions/{id}");
    let keys = json!({"p256dh": P256DH, "auth": AUTH});
    let wish = json!({"endpoint": endpoint, "keys": keys, "show": "sender"});
    scene.ask(ada, "PUT", &path, wish).await;
    scene.ask(ada, "GET", "/api/push", Value::Null).await;
    scene.ask(ada, "POST", "/api/push/test", json!({})).await;
    scene.ask(ada, "DELETE", &path, Value::Null).await;

    scene.ask("", "GET", "/api/server", Value::Null).await;
    for path in [
        "/api/openapi.json",
        "/api/asyncapi.json",
        "/docs",
        "/docs/app",
    ] {
        scene.send("", ("GET", path), &[], (Bytes::new(), "")).await;
    }
    for path in ["/docs/chat", "/docs/operate", "/healthz", "/readyz"] {
        scene.send("", ("GET", path), &[], (Bytes::new(), "")).await;
    }
    let export = "/api/auth/me/export";
    scene
        .send(ada, ("GET", export), &[], (Bytes::new(), ""))
        .await;
    scene.ask(ada, "GET", "/api/auth/me", Value::Null).await;
    scene
        .ask(ada, "GET", "/api/users?query=bob", Value::Null)
        .await;
    scene
        .ask(
            ada,
            "GET",
            &format!("/api/users/{}", scene.bob),
            Value::Null,
        )
        .await;
    let backup = "/api/admin/backup";
    scene
        .send(root, ("GET", backup), &[], (Bytes::new(), ""))
        .await;

    let app = foreign::token(1, json!({"sub": "auth0|9", "name": "Eve Smith"}));
    let wish = json!({"path": format!("/#/chat/{}", scene.ada)});
    let link = scene
        .ask(&app.token, "POST", "/api/auth/sign-in-link", wish)
        .await;
    let url = link["url"].as_str().unwrap();
    let (_, code) = url.split_once("#/sign-in/").unwrap();
    let code = code.split('/').next().unwrap();
    scene
        .ask("", "POST", "/api/auth/sign-in", json!({"code": code}))
        .await;

    let invites = "/api/admin/invites";
    let invite = scene
        .ask(root, "POST", invites, json!({"max_uses": 5}))
        .await;
    scene.ask(root, "GET", invites, Value::Null).await;
    let code = invite["code"].as_str().unwrap();
    let wish = json!({"username": "dewi", "password": "password1", "invite": code});
    let dewi = scene.ask("", "POST", "/api/auth/register", wish).await;
    scene
        .ask(root, "DELETE", &format!("{invites}/{code}"), Value::Null)
        .await;
    let users = "/api/admin/users";
    let wish = json!({"username": "raka", "name": "Raka", "password": "password1"});
    scene.ask(root, "POST", users, wish).await;
    scene
        .ask(root, "GET", &format!("{users}?limit=2"), Value::Null)
        .await;
    let wish = json!([{"subject": "auth0|10", "name": "Kim Jones"}]);
    scene.ask(root, "PUT", users, wish).await;
    let wish = json!({"username": "sari", "name": "Sari"});
    scene.ask(root, "PUT", &format!("{users}/1001"), wish).await;
    let wish = json!({"disabled": true});
    scene
        .ask(root, "PATCH", &format!("{users}/1001"), wish)
        .await;
    scene
        .ask(root, "DELETE", &format!("{users}/1001"), Value::Null)
        .await;

    let path = format!("{users}/{}/reset-link", dewi["user"]["id"]);
    let link = scene.ask(root, "POST", &path, Value::Null).await;
    let url = link["url"].as_str().unwrap();
    let code = url.rsplit(['/', '=']).next().unwrap();
    let wish = json!({"code": code, "password": "password2"});
    let dewi = scene.ask("", "POST", "/api/auth/reset", wish).await;
    let token = dewi["token"].as_str().unwrap();
    let log_in = json!({"username": "dewi", "password": "password2"});
    for _ in 0..2 {
        scene
            .ask("", "POST", "/api/auth/login", log_in.clone())
            .await;
    }
    let sessions = scene
        .ask(token, "GET", "/api/auth/sessions", Value::Null)
        .await;
    let sessions = sessions.as_array().unwrap();
    let other = sessions.iter().find(|one| one["current"] == false).unwrap();
    let id = other["id"].to_string();
    let path = format!("/api/auth/sessions/{}", id.trim_matches('"'));
    scene.ask(token, "DELETE", &path, Value::Null).await;
    let others = "/api/auth/sessions?others=true";
    scene.ask(token, "DELETE", others, Value::Null).await;
    scene
        .ask(token, "POST", "/api/auth/logout", Value::Null)
        .await;
    let again = scene.server.login("dewi", "password2").await;
    let wish = json!({"current_password": "password2", "messages": "keep"});
    scene
        .ask(&again.token, "DELETE", "/api/auth/me", wish)
        .await;
}

/// What is kept in `contract/documents/made/examples.json` is what happens now.
#[tokio::test]
async fn every_route_and_event_has_an_example_that_has_run() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start().await;
    let mut config = service.config();
    let (app, place) = (foreign::with(true), crate::files::in_folder(folder.path()));
    config.foreign_tokens = app.foreign_tokens;
    let config = Config {
        data: place.data,
        files: place.files,
        ..config
    };
    let server = TestServer::with(config).await;
    let documents = documents(&server).await;
    let root = server.admin().await.token;
    let (ada, bob) = server.two_people().await;
    let mut scene = Scene {
        server,
        documents,
        seen: BTreeMap::new(),
        asked: 0,
        push_port: 0,
        ada: ada.id,
        bob: bob.id,
    };
    let (ada, bob) = (ada.token, bob.token);
    talk(&mut scene, (&ada, &bob)).await;
    meet(&mut scene, (&root, &ada, &bob)).await;
    upload(&mut scene, &ada).await;
    leave(&mut scene, (&root, &ada), &service).await;
    scene.server.stop().await;

    let without: Vec<_> = WITHOUT.iter().map(|(of, _)| (*of).to_owned()).collect();
    let mut wrong = documents.operations();
    wrong.retain(|of| scene.seen.contains_key(of) == without.contains(of));
    assert!(
        wrong.is_empty(),
        "without an example, or with one after all: {wrong:?}"
    );
    let now = format!("{:#}\n", json!(scene.seen));
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/contract/documents/made/examples.json"
    );
    if std::env::var_os("WRITE_DOCUMENTS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let kept: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (of, example) in &scene.seen {
        assert_eq!(
            kept.get(of),
            Some(example),
            "{of}: WRITE_DOCUMENTS=1 cargo test --test it examples"
        );
    }
    assert_eq!(kept.len(), scene.seen.len());
}

#[test]
fn what_differs_from_run_to_run_is_made_alike() {
    let text = r#"{"token":"eyJhb.eyJz-d.x_1","at":"2025-06-05T01:02:03.456Z","url":"http://127.0.0.1:41/#/join/AbCdEfGhIjKlMnOpQr12"}"#;
    assert_eq!(
        alike(text, 41),
        r#"{"token":"eyJ…","at":"2026-11-30T12:00:00.000Z","url":"http://chat.example.org/#/join/…"}"#
    );
    assert_eq!(alike("f0123456789abcdef0123456789abcdef", 41), "f…");
    assert_eq!(
        alike("/api/uploads/f0123456789abcdef0123456789abcdef/preview", 41),
        "/api/uploads/f…/preview"
    );
    assert_eq!(alike("ck_0123456789abcdef0123456789abcdef", 41), "ck_…");
    assert_eq!(alike("sAbCdEfGhIjKlMnOpQr12", 41), "…");
    assert_eq!(
        alike("?k=20790.f123456789abcdef0123456789abcdef", 41),
        "?k=20789.…"
    );
    assert_eq!(
        alike("whsec_hZkQTY+bbV+tLbsX4Qq8ib9aol6D+mQM8uhSd3Ie01w=", 41),
        "whsec_…"
    );
    assert_eq!(
        alike(r#"{"indexed_through":9}"#, 41),
        r#"{"indexed_through":10}"#
    );
}
