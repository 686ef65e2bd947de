//! The two documents, held against every frame and body that the other tests see: what a server of
//! these tests answers, acks or emits, and what it was asked when that went well, must be
//! documented.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{Remote, Reply, TestServer};

/// Both documents, as the first server of these tests gave them.
pub struct Documents {
    rest: Document,
    events: Document,
}

static DOCUMENTS: OnceCell<Documents> = OnceCell::const_new();

/// What is documented; asked of this server, unless another was asked before.
pub async fn documents(server: &Remote) -> &'static Documents {
    let get = async |path| server.send("GET", path, None, "").await.json();
    let made = async || Documents {
        rest: Document::new(
            get("/api/openapi.json").await,
            "https://json-schema.org/draft/2020-12/schema",
        ),
        events: Document::new(
            get("/api/asyncapi.json").await,
            "http://json-schema.org/draft-07/schema#",
        ),
    };
    DOCUMENTS.get_or_init(made).await
}

/// Holds what a hook told against the documents, which some server gave by then.
pub fn must_be_documented(told: &Value) {
    let documents = DOCUMENTS
        .get()
        .expect("no server was asked for its documents");
    let checked = documents.check_told(told);
    checked.unwrap_or_else(|error| panic!("{error}"));
}

/// One document, and the validators that were made of its parts so far.
struct Document {
    told: Value,
    /// The same, but an object that says what is in it has nothing else.
    closed: Value,
    dialect: &'static str,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    fn new(told: Value, dialect: &'static str) -> Self {
        let mut closed = told.clone();
        close(&mut closed);
        Self {
            told,
            closed,
            dialect,
            validators: Mutex::default(),
        }
    }

    /// Whether a value is as the schema at this place says.
    fn check(&self, place: &str, value: &Value, is_closed: bool) -> Result<(), String> {
        let document = if is_closed { &self.closed } else { &self.told };
        let key = format!("{is_closed} {place}");
        let known = self.validators.lock().unwrap().get(&key).cloned();
        let validator = known.unwrap_or_else(|| {
            let schema = document.pointer(place);
            let schema = json!({
                "$schema": self.dialect,
                "components": document["components"],
                "allOf": [schema.unwrap_or_else(|| panic!("nothing is at {place}"))],
            });
            let made = jsonschema::options()
                .should_validate_formats(true)
                .build(&schema);
            let made = Arc::new(made.unwrap_or_else(|error| panic!("{place}: {error}")));
            let mut validators = self.validators.lock().unwrap();
            Arc::clone(validators.entry(key).or_insert(made))
        });
        validator
            .validate(value)
            .map_err(|error| format!("{value} is not as {place} says: {error}"))
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            if keys.get("type") == Some(&json!("object")) && keys.contains_key("properties") {
                keys.insert("additionalProperties".into(), false.into());
            }
            keys.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Whether the code of a refusal is one of those that are documented for it.
fn among(codes: &Value, code: impl Into<Value>) -> Result<(), String> {
    let code = code.into();
    match codes.as_array().is_some_and(|all| all.contains(&code)) {
        true => Ok(()),
        false => Err(format!("{code} is not one of {codes}")),
    }
}

/// A part of a path in a JSON pointer.
fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

impl Documents {
    /// The documented path that this one is of.
    fn route(&self, path: &str) -> Option<&str> {
        let path = match path.strip_suffix('/') {
            Some(trimmed) if path.starts_with("/api/") => trimmed,
            _ => path,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &str| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            pattern.len() == parts.len()
                && pattern
                    .iter()
                    .zip(&parts)
                    .all(|(one, other)| one.starts_with('{') || one == other)
        };
        let paths = self.rest.told["paths"].as_object().unwrap();
        let fitting = paths.keys().filter(|pattern| fits(pattern));
        fitting
            .min_by_key(|pattern| pattern.matches('{').count())
            .map(String::as_str)
    }

    /// What the operation of a request is called.
    pub fn operation(&self, method: &str, target: &str) -> String {
        let path = target.split('?').next().unwrap_or_default();
        let route = self.route(path).unwrap_or_else(|| panic!("{path}"));
        let operation = &self.rest.told["paths"][route][method.to_lowercase()];
        operation["operationId"].as_str().unwrap().to_owned()
    }

    /// The names of all operations of routes, and the keys of all events.
    pub fn operations(&self) -> Vec<String> {
        let paths = self.rest.told["paths"].as_object().unwrap();
        let methods = paths
            .values()
            .flat_map(|methods| methods.as_object().unwrap().values());
        let routes = methods.map(|operation| operation["operationId"].as_str().unwrap().to_owned());
        let events = self.events.told["operations"].as_object().unwrap();
        routes.chain(events.keys().cloned()).collect()
    }

    /// Whether a request and its reply are documented.
    pub fn check_reply(
        &self,
        method: &str,
        target: &str,
        body: &str,
        reply: &Reply,
    ) -> Result<(), String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let status = reply.status.as_u16();
        if method == "OPTIONS" || path.starts_with("/socket.io") || status == 304 {
            return Ok(());
        }
        let failed = |code: &str| {
            let failure = "/components/schemas/Failure";
            self.rest.check(failure, &reply.json(), true)?;
            match reply.code() == code {
                true => Ok(()),
                false => Err(format!("{method} {target}: {}", reply.body)),
            }
        };
        let is_head = method == "HEAD";
        let method = if is_head {
            "get"
        } else {
            &method.to_lowercase()
        };
        let Some(route) = self.route(path) else {
            return match status {
                405 => failed("method_not_allowed"),
                404 => failed("not_found"),
                // A file of the page.
                200 if !path.starts_with("/api/") => Ok(()),
                _ => Err(format!("{method} {target} is no documented route")),
            };
        };
        let operation = format!("/paths/{}/{method}", escaped(route));
        let Some(documented) = self.rest.told.pointer(&operation) else {
            return failed("method_not_allowed");
        };
        let response = &documented["responses"][status.to_string()];
        if response.is_null() {
            return Err(format!(
                "{method} {route}: {status} is not documented: {}",
                reply.body
            ));
        }
        let media_type = reply.headers["content-type"].to_str().unwrap();
        if response["content"][media_type].is_null() && response["content"]["*/*"].is_null() {
            return Err(format!(
                "{method} {route}: {media_type} is not documented for {status}"
            ));
        }
        if media_type == "application/json" && !is_head {
            let place = format!("{operation}/responses/{status}/content/application~1json/schema");
            self.rest.check(&place, &reply.json(), true)?;
        }
        if !reply.status.is_success() {
            return match media_type == "application/json" && !is_head {
                true => among(&response["x-codes"], reply.code())
                    .map_err(|error| format!("{method} {route}: {error}")),
                false => Ok(()),
            };
        }
        let parameters = documented["parameters"].as_array();
        for (key, _) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if !parameters.is_some_and(|all| all.iter().any(|known| known["name"] == key)) {
                return Err(format!("{method} {route}: {key} is not documented"));
            }
        }
        if documented["requestBody"].is_null() || body.is_empty() {
            return Ok(());
        }
        let body = serde_json::from_str(body).unwrap();
        let place = format!("{operation}/requestBody/content/application~1json/schema");
        self.rest.check(&place, &body, false)
    }

    /// Whether a hook may tell this.
    fn check_told(&self, body: &Value) -> Result<(), String> {
        let webhook = format!("/webhooks/{}", body["type"].as_str().unwrap_or_default());
        if self.rest.told.pointer(&webhook).is_none() {
            return Err(format!("{webhook} is not documented: {body}"));
        }
        let place = format!("{webhook}/post/requestBody/content/application~1json/schema");
        self.rest.check(&place, body, true)
    }

    /// Whether a message of the events' document may carry this.
    fn check_message(&self, key: &str, payload: &Value, is_closed: bool) -> Result<(), String> {
        let message = format!("/components/messages/{key}");
        if self.events.told.pointer(&message).is_none() {
            return Err(format!("{key} is not documented: {payload}"));
        }
        self.events
            .check(&format!("{message}/payload"), payload, is_closed)
    }

    /// Whether an event of the server is documented: `[name, payload]`, and a cursor at the end
    /// where it has one.
    pub fn check_event(&self, event: &Value) -> Result<(), String> {
        let args = event.as_array().unwrap();
        let key = format!("to_client.{}", args[0].as_str().unwrap());
        self.check_message(&key, &args[1], true)?;
        let has_cursor = self.events.told["components"]["messages"][&key]["x-cursor"] == true;
        match &args[2..] {
            [] => Ok(()),
            [Value::String(_)] if has_cursor => Ok(()),
            _ => Err(format!("{event} has more arguments than are documented")),
        }
    }

    /// Whether the ack of an event is documented, and what was sent if that went well.
    pub fn check_ack(&self, sent: &Value, ack: &Value) -> Result<(), String> {
        let name = sent[0].as_str().unwrap_or_default();
        let key = format!("ack.{name}");
        let is_known = !self.events.told["components"]["messages"][&key].is_null();
        let of_any = ["invalid_payload", "rate_limited"].map(Value::from);
        if !is_known && of_any.contains(&ack["error"]["code"]) {
            return Ok(());
        }
        self.check_message(&key, ack, true)?;
        if ack["success"] == true {
            return self.check_message(&format!("from_client.{name}"), &sent[1], false);
        }
        let codes = &self.events.told["components"]["messages"][&key]["x-codes"];
        among(codes, ack["error"]["code"].clone()).map_err(|error| format!("{key}: {error}"))
    }

    /// Whether the answer to a CONNECT in the chat's namespace is documented, and the CONNECT if
    /// that went well.
    pub fn check_connect(&self, auth: &Value, answer: &Value, refused: bool) -> Result<(), String> {
        if refused {
            return self.check_message("connect_error", answer, true);
        }
        // What could not be continued need not have been readable.
        if auth["pid"].is_null() || auth["pid"] == answer["pid"] {
            self.check_message("connect", auth, false)?;
        }
        self.check_message("connected", answer, true)
    }
}

#[tokio::test]
async fn what_is_not_documented_fails_a_test() {
    let server = TestServer::start().await;
    let documents = documents(&server).await;
    let (ada, bob) = server.two_people().await;
    let good = server.send("GET", "/api/users", Some(&ada.token), "").await;
    let mut reply = Reply {
        status: good.status,
        headers: good.headers.clone(),
        body: good.body.clone(),
    };
    let check = |reply: &Reply| documents.check_reply("GET", "/api/users?query=", "", reply);
    assert_eq!(check(&reply), Ok(()));
    for (from, to) in [
        ("\"avatar\":null,", ""),
        ("\"avatar\":null", "\"avatar\":5"),
        ("\"online\":false", "\"online\":false,\"more\":1"),
        ("\"success\":true", "\"success\":false"),
        ("}]}", "}],\"meta\":{}}"),
    ] {
        assert!(good.body.contains(from), "{}", good.body);
        reply.body = good.body.replacen(from, to, 1);
        assert!(check(&reply).is_err(), "{}", reply.body);
    }
    reply.body = r#"{"success":false,"error":{"code":"forbidden","message":""}}"#.into();
    reply.status = hyper::StatusCode::FORBIDDEN;
    assert!(check(&reply).is_err(), "a code that this route has not");
    reply.status = hyper::StatusCode::IM_A_TEAPOT;
    assert!(check(&reply).is_err());
    let elsewhere = documents.check_reply("GET", "/api/elsewhere", "", &good);
    assert!(elsewhere.is_err());
    assert!(
        documents
            .check_reply("GET", "/api/users?page=2", "", &good)
            .is_err()
    );
    let at = "2025-06-05T12:00:00.000Z";
    let event = |name: &str| json!([name, {"id": 1, "sender_id": ada.id, "receiver_id": bob.id, "content": "x", "created_at": at}, "c"]);
    assert_eq!(documents.check_event(&event("receive_message")), Ok(()));
    for event in [
        event("message_came"),
        event("message_sent"),
        json!(["receive_message", {"id": 1}, "c"]),
        json!(["typing", {"user_id": 1, "is_typing": true}, "c"]),
        json!(["chat_error", {"event": "x", "code": "no_such_code", "message": ""}]),
    ] {
        assert!(documents.check_event(&event).is_err(), "{event}");
    }
    let told = |kind: &str, data: Value| json!({"type": kind, "timestamp": at, "cursor": "c", "data": data, "offline": [2]});
    assert_eq!(
        documents.check_told(&told("user_deleted", json!({"id": 2}))),
        Ok(())
    );
    assert_eq!(documents.check_told(&told("gap", json!({}))), Ok(()));
    for body in [
        told("user_erased", json!({"id": 2})),
        told("user_deleted", json!({"id": 2, "username": "bob"})),
        told("room_message", json!({"id": 2})),
        json!({"type": "gap", "data": {}}),
    ] {
        assert!(documents.check_told(&body).is_err(), "{body}");
    }
    let sent = json!(["typing", {"receiver_id": 2, "is_typing": true}]);
    let ack = json!({"success": true, "data": {}});
    assert_eq!(documents.check_ack(&sent, &ack), Ok(()));
    for (sent, ack) in [
        (json!(["typing", {"receiver_id": 2}]), ack.clone()),
        (json!(["types", {}]), ack.clone()),
        (
            sent.clone(),
            json!({"success": false, "error": {"code": "empty_message", "message": ""}}),
        ),
        (sent, json!({"success": true})),
    ] {
        assert!(documents.check_ack(&sent, &ack).is_err(), "{ack}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_schema_is_one_and_every_route_that_the_manual_names_is_there() {
    let server = TestServer::start().await;
    let documents = documents(&server).await;
    let rest = &documents.rest.told;
    assert_eq!(rest["openapi"], "3.1.1");
    assert_eq!(documents.events.told["asyncapi"], "3.0.0");
    for document in [&documents.rest, &documents.events] {
        for (name, schema) in document.told["components"]["schemas"].as_object().unwrap() {
            let mut schema = schema.clone();
            schema["$schema"] = document.dialect.into();
            let is_one = jsonschema::meta::validate(&schema);
            assert!(is_one.is_ok(), "{name}");
        }
    }
    let manual = [
        include_str!("../../README.md"),
        include_str!("../../src/contract/documents/app.md"),
        include_str!("../../src/contract/documents/changes.md"),
        include_str!("../../src/contract/documents/chat.md"),
        include_str!("../../src/contract/documents/operate.md"),
    ]
    .join("\n");
    let mut named = 0;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        for begins in [format!("`{method} "), format!("\"{method}\", \"")] {
            for text in manual.split(&begins).skip(1) {
                let ends = ['`', '?', '"', ' ', '\n', '$'];
                let path = text.split(ends).next().unwrap_or_default();
                if !path.starts_with('/') {
                    continue;
                }
                let route = documents.route(path);
                let route = route.unwrap_or_else(|| panic!("{method} {path} is nowhere"));
                let known = &rest["paths"][route][method.to_lowercase()];
                assert!(known.is_object() || path == "/metrics", "{method} {path}");
                named += 1;
            }
        }
    }
    assert!(named > 50, "{named}");
    server.stop().await;
}

/// The keys of what is sent by this schema, whatever it is made of.
fn keys<'a>(document: &'a Value, schema: &'a Value, found: &mut Vec<&'a str>) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = document.pointer(target.strip_prefix('#').unwrap());
        return keys(document, target.unwrap(), found);
    }
    let properties = schema["properties"].as_object();
    found.extend(properties.into_iter().flatten().map(|(key, _)| &**key));
    for word in ["anyOf", "oneOf", "allOf"] {
        for one in schema[word].as_array().into_iter().flatten() {
            keys(document, one, found);
        }
    }
    if !schema["items"].is_null() {
        keys(document, &schema["items"], found);
    }
}

/// The page told of keys that only the documents for programs have, and of things "the same" as
/// what stood elsewhere in the order of the alphabet. It did not tell which events version 2 alone
/// hears, nor how many rows a page has where nobody says.
#[tokio::test]
async fn the_page_says_in_words_of_its_own_what_a_reader_has_to_know() {
    let server = TestServer::start().await;
    let page = server.send("GET", "/docs", None, "").await.body;
    let dangling = ["To the same.", "; likewise.", "<p>The same, ", ">Likewise."];
    for word in ["x-cursor", "x-version", "x-codes"].iter().chain(&dangling) {
        assert!(!page.contains(word), "{word}");
    }
    let article = |id: &str| {
        let heading = format!("<h3 id=\"{id}\">");
        let (_, rest) = page.split_once(&heading).unwrap_or_else(|| panic!("{id}"));
        rest.split_once("</article>").unwrap().0
    };
    assert!(article("to_client.room_message").contains("Version 2: only sockets"));
    assert!(!article("to_client.receive_message").contains("Version 2: only sockets"));
    assert!(article("getRoomHistory").contains("50 where nothing is said, 500 at most"));
    server.stop().await;
}

/// The payloads of `send_message`, which names a person or a room, and the bodies that are lists
/// were not on the page.
#[tokio::test]
async fn the_page_shows_what_is_sent_by_every_event_and_route_that_takes_something() {
    let server = TestServer::start().await;
    let documents = documents(&server).await;
    let page = server.send("GET", "/docs", None, "").await.body;
    let article = |id: &str| {
        let heading = format!("<h3 id=\"{id}\">");
        let (_, rest) = page.split_once(&heading).unwrap_or_else(|| panic!("{id}"));
        rest.split_once("</article>").unwrap().0
    };
    let mut of_several = 0;
    let mut shows = |id: &str, title: &str, document: &'static Value, schema: &'static Value| {
        let article = article(id);
        let begins = [format!("<caption>{title}"), format!("<p>{title}: ")];
        let is_shown = begins.iter().any(|begins| article.contains(begins));
        assert!(is_shown, "{id} has no {title}: {article}");
        let mut wanted = Vec::new();
        keys(document, schema, &mut wanted);
        for key in &wanted {
            let row = format!("<th scope=\"row\"><code>{key}</code></th>");
            assert!(article.contains(&row), "{id} does not show {key}");
        }
        of_several += usize::from(article.contains(&format!("<caption>{title}, or</caption>")));
    };
    let events = &documents.events.told;
    for key in events["operations"].as_object().unwrap().keys() {
        let payload = &events["components"]["messages"][key]["payload"];
        assert!(!payload.is_null(), "{key}");
        shows(key, "Payload", events, payload);
    }
    let rest = &documents.rest.told;
    let mut bodies = 0;
    for operation in rest["paths"].as_object().unwrap().values() {
        for operation in operation.as_object().unwrap().values() {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            if !body.is_null() {
                shows(
                    operation["operationId"].as_str().unwrap(),
                    "Body",
                    rest,
                    body,
                );
                bodies += 1;
            }
        }
    }
    assert_eq!(
        of_several, 4,
        "send_message, mark_chat_as_read, typing, in_view"
    );
    assert!(bodies >= 20, "{bodies}");
    let list = "<caption>Body, a list of these</caption>";
    assert!(article("putAccounts").contains(list));
    server.stop().await;
}

#[tokio::test]
async fn the_page_shows_every_event_route_and_code() {
    let server = TestServer::start().await;
    let documents = documents(&server).await;
    let page = server.send("GET", "/docs", None, "").await;
    for name in chatd::model::HookEvent::ALL.map(chatd::model::HookEvent::as_str) {
        assert!(documents.rest.told["webhooks"][name].is_object(), "{name}");
        assert!(
            page.body
                .contains(&format!("<code>{name}</code> to other systems")),
            "{name}"
        );
    }
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self'"), "{policy}");
    // The search field alone takes a script, a file of this server's.
    let script = "<script type=\"module\" src=\"docs.js\"></script>";
    assert_eq!(page.body.matches("<script").count(), 1);
    assert!(page.body.contains(script) && !page.body.contains("style="));
    let script = server.send("GET", "/docs.js", None, "").await;
    assert_eq!(script.headers["content-type"], "text/javascript");
    let paths = documents.rest.told["paths"].as_object().unwrap();
    let operations = documents.events.told["operations"].as_object().unwrap();
    assert!(paths.len() > 20 && operations.len() == 32, "{operations:?}");
    for path in paths.keys() {
        assert!(page.body.contains(&format!("{path}</code></h3>")), "{path}");
    }
    for key in operations.keys() {
        assert!(page.body.contains(&format!("<h3 id=\"{key}\">")), "{key}");
    }
    for code in chatd::contract::Code::ALL {
        let row = format!("<th scope=\"row\"><code>{}</code></th>", code.as_str());
        assert!(page.body.contains(&row), "{row}");
    }
    for link in page.body.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap();
        let id = format!(" id=\"{target}\"");
        assert!(page.body.contains(&id), "nothing is at #{target}");
    }
    for path in ["/docs", "/api/openapi.json", "/api/asyncapi.json"] {
        let tag = server.send("GET", path, None, "").await.headers["etag"].clone();
        let request = hyper::Request::get(path)
            .header("host", "x")
            .header("if-none-match", tag);
        let again = server
            .request(request.body(Default::default()).unwrap())
            .await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
    }
    server.stop().await;
}

/// What is served was written down when the code last said it.
#[test]
fn the_documents_that_are_kept_are_those_that_the_code_says() {
    let said = chatd::http::written();
    let json = |value: &Value| format!("{value:#}\n");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/contract/documents/made");
    for (name, text) in [
        ("openapi.json", json(&said.openapi)),
        ("asyncapi.json", json(&said.asyncapi)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into_iter()
    .chain(said.pages)
    {
        let path = format!("{folder}/{name}");
        if std::env::var_os("WRITE_DOCUMENTS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(
            kept == text,
            "{path} is no longer what the code says: WRITE_DOCUMENTS=1 cargo test --test it documents"
        );
    }
}
