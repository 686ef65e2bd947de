//! What a flood of logins does to a healthy chat: how long a message takes to be confirmed, without
//! and beside it.
//!
//! ```text
//! cargo build --release && cargo run --release --example logins -- --seconds 10 --flood 64
//! ```
//!
//! Starts the executable (`--chatd FILE`, by default the release build beside this example) on a
//! new data file and on loopback, whose address no rate limit counts, and gives every login another
//! name, so that only the bound on password hashing is between the flood and the server. One client
//! sends a message and waits for its ack, over and over.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Socket = WebSocketStream<TcpStream>;

#[expect(
    clippy::print_stdout,
    reason = "a measurement is for whoever started it"
)]
#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    let value = |flag: &str| {
        let at = args.iter().position(|arg| arg == flag)?;
        args.get(at + 1).cloned()
    };
    let seconds: u64 = value("--seconds").unwrap_or("10".into()).parse()?;
    let flood: usize = value("--flood").unwrap_or("64".into()).parse()?;
    let beside = std::env::current_exe()?
        .parent()
        .and_then(|folder| folder.parent())
        .map(|folder| folder.join("chatd"));
    let chatd = value("--chatd").map(PathBuf::from).or(beside);
    let folder = tempfile::tempdir()?;
    let mut server = Command::new(chatd.ok_or("give --chatd FILE")?)
        .args(["--port", "0", "--registration", "open", "--data"])
        .arg(folder.path().join("chatd.redb"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut log = BufReader::new(server.stderr.take().ok_or("no log")?).lines();
    let address = loop {
        let line = log.next_line().await?.ok_or("the server did not start")?;
        if let Some((_, link)) = line.split_once("http://") {
            break link.split('/').next().unwrap_or_default().to_owned();
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });

    let ada = post(&address, "register", "ada", "correct horse").await?;
    let bob = post(&address, "register", "bob", "correct horse").await?;
    let token = ada.1["data"]["token"].as_str().ok_or("no token")?;
    let receiver = &bob.1["data"]["user"]["id"];
    let mut socket = connect(&address, token).await?;
    let time = Duration::from_secs(seconds);
    let quiet = talk(&mut socket, receiver, time).await?;
    println!("quiet:            {quiet}");

    let stop = Arc::new(AtomicBool::new(false));
    let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let mut flooding = JoinSet::new();
    for number in 0..flood {
        let (address, stop, counts) = (address.clone(), Arc::clone(&stop), Arc::clone(&counts));
        flooding.spawn(async move {
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("nobody-{number}-{round}");
                if let Ok((status, _)) = post(&address, "login", &name, "wrong horse").await {
                    counts[usize::from(status == 429)].fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let flooded = talk(&mut socket, receiver, time).await?;
    stop.store(true, Ordering::Relaxed);
    println!("beside the flood: {flooded}");
    let [checked, refused] = [&counts[0], &counts[1]].map(|count| count.load(Ordering::Relaxed));
    println!(
        "logins: {checked} checked, {refused} refused as rate_limited, {flood} clients, {seconds} s"
    );
    flooding.shutdown().await;
    Ok(())
}

/// How long confirmations took.
struct Times(Vec<Duration>);

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |share: f64| {
            let place = (self.0.len() as f64 * share) as usize;
            let time = self.0.get(place.min(self.0.len().saturating_sub(1)));
            time.map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        write!(
            f,
            "{} messages, p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
            self.0.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }
}

/// Sends one message after another, each when the last is confirmed.
async fn talk(socket: &mut Socket, receiver: &Value, time: Duration) -> Result<Times, Error> {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < time {
        let message = json!(["send_message", {"receiver_id": receiver, "content": "How are you?"}]);
        let sent = Instant::now();
        socket.send(Message::text(format!("421{message}"))).await?;
        until(socket, "431").await?;
        times.push(sent.elapsed());
        // A person would wait longer; the rate limit of messages is not what is measured.
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    times.sort_unstable();
    Ok(Times(times))
}

async fn until(socket: &mut Socket, prefix: &str) -> Result<(), Error> {
    loop {
        let message = socket.next().await.ok_or("the server closed")??;
        let text = message.to_text()?;
        if text == "2" {
            socket.send(Message::text("3")).await?;
        }
        if text.starts_with(prefix) {
            return Ok(());
        }
    }
}

async fn connect(address: &str, token: &str) -> Result<Socket, Error> {
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let stream = TcpStream::connect(address).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
    let connect = format!("40{}", json!({ "token": token }));
    socket.send(Message::text(connect)).await?;
    until(&mut socket, "40").await?;
    Ok(socket)
}

async fn post(address: &str, verb: &str, name: &str, word: &str) -> Result<(u16, Value), Error> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = json!({"username": name, "password": word}).to_string();
    let request = Request::post(format!("/api/auth/{verb}"))
        .header("host", address)
        .body(Full::<Bytes>::from(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&body)?))
}
