//! A whole client in Rust: it signs in, says what happened since it last ran, reads a history,
//! sends a message, and prints what the other person answers, until that is "bye".
//!
//! ```sh
//! CHATD_USER=ada CHATD_PASSWORD=… cargo run --example chat -- bob "Halo!"
//! ```
//!
//! It needs the crates `rust_socketio`, `reqwest` with `blocking`, and `serde_json`. At its end it
//! prints a cursor. Give it as `CHATD_CURSOR` to the next run.

use std::env;
use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use rust_socketio::{ClientBuilder, Payload};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server and whose token is shown to it.
struct Chat {
    url: String,
    token: String,
    http: reqwest::blocking::Client,
}

impl Chat {
    /// Calls a route: the whole answer. A refusal is an error with its code.
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> Outcome<Value> {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method.parse()?, url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer: Value = serde_json::from_str(&request.send()?.text()?)?;
        match answer["success"] == true {
            true => Ok(answer),
            false => Err(format!("{method} {path}: {}", answer["error"]).into()),
        }
    }
}

fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let peer_name = arguments.next().ok_or("to whom?")?;
    let content = arguments.next().ok_or("and what?")?;
    let mut chat = Chat {
        url: env::var("CHATD_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into()),
        token: String::new(),
        http: reqwest::blocking::Client::new(),
    };
    let account =
        json!({"username": env::var("CHATD_USER")?, "password": env::var("CHATD_PASSWORD")?});
    let login = chat.call("POST", "/api/auth/login", Some(account))?;
    chat.token = login["data"]["token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();

    let people = chat.call("GET", &format!("/api/users?query={peer_name}"), None)?;
    let people = people["data"].as_array().into_iter().flatten();
    let peer = people
        .filter(|person| person["username"] == *peer_name)
        .find_map(|person| person["id"].as_u64())
        .ok_or("there is no such person, or one may not find them")?;

    // What happened since the last run, in order and page by page.
    let mut since = env::var("CHATD_CURSOR").ok();
    while let Some(cursor) = since {
        let page = chat.call("GET", &format!("/api/updates?since={cursor}"), None)?;
        for happened in page["data"].as_array().into_iter().flatten() {
            let (event, data) = (&happened["event"], &happened["data"]);
            let event = event.as_str().unwrap_or_default();
            println!(
                "missed {event} {}",
                data["content"].as_str().unwrap_or_default()
            );
        }
        let meta = &page["meta"];
        let next = meta["cursor"].as_str().map(str::to_owned);
        since = next.filter(|_| meta["has_more"] == true);
    }

    let history = chat.call("GET", &format!("/api/chats/history/{peer}?limit=20"), None)?;
    for message in history["data"].as_array().into_iter().flatten() {
        let from_peer = message["sender_id"] == peer;
        let sender = if from_peer { &*peer_name } else { "you" };
        println!(
            "{sender} {}",
            message["content"].as_str().unwrap_or_default()
        );
    }

    let (tell, heard) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    let client = ClientBuilder::new(&chat.url)
        .auth(json!({"token": chat.token, "v": 2}))
        // The message is the first value; its cursor is one more.
        .on("receive_message", move |payload, _| {
            if let Payload::Text(values) = payload
                && let Some(message) = values.into_iter().next()
            {
                let _ = tell.send(message);
            }
        })
        .connect()?;
    // One id for one message: sent again, it is stored once.
    let client_id = format!("rust-{}", std::process::id());
    let message = json!({"receiver_id": peer, "content": content, "client_id": client_id});
    client.emit_with_ack("send_message", message, PATIENCE, move |payload, _| {
        let _ = answer.send(payload);
    })?;
    match answers.recv_timeout(PATIENCE)? {
        // An ack's arguments are a list.
        Payload::Text(values) if values[0][0]["success"] == true => println!("you {content}"),
        refused => return Err(format!("{refused:?}").into()),
    }

    for message in heard {
        if message["sender_id"] != peer {
            continue;
        }
        let content = message["content"].as_str().unwrap_or_default();
        println!("{peer_name} {content}");
        if content == "bye" {
            break;
        }
    }
    client.emit("mark_chat_as_read", json!({"user_id": peer}))?;
    let now = chat.call("GET", "/api/updates", None)?;
    println!(
        "cursor {}",
        now["meta"]["cursor"].as_str().unwrap_or_default()
    );
    client.disconnect()?;
    Ok(())
}
