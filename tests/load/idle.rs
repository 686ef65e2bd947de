//! What an idle connection costs the server: resident memory over many authenticated WebSockets, each of its own person.
//!
//! ```text
//! cargo build --release && cargo run --release --example idle -- --connections 10000
//! ```
//!
//! Makes the accounts with cheap passwords in this process, starts the executable (`--chatd FILE`, by default the release
//! build beside this example) on the same data file and on loopback, connects, and reads the server's `/proc` entry:
//! after start, with all connected and quiet, after each has sent one event of 100 kB, and after all have left; with
//! `--rounds N` also after all have come and left again so often, which shows what is never given back.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use chatd::accounts::{Passwords, Registration};
use chatd::config::Config;
use chatd::store::Location;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Socket = WebSocketStream<TcpStream>;

/// How many connect, or register, at once.
const AT_ONCE: usize = 64;

#[expect(
    clippy::print_stdout,
    reason = "a measurement is for whoever started it"
)]
#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    let value = |flag: &str| {
        args.iter()
            .position(|arg| arg == flag)
            .and_then(|at| args.get(at + 1))
            .cloned()
    };
    let connections: usize = value("--connections").unwrap_or("10000".into()).parse()?;
    let rounds: usize = value("--rounds").unwrap_or("1".into()).parse()?;
    let beside = std::env::current_exe()?
        .parent()
        .and_then(|folder| folder.parent())
        .map(|folder| folder.join("chatd"));
    let chatd = value("--chatd")
        .map(PathBuf::from)
        .or(beside)
        .ok_or("give --chatd FILE")?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("chatd.redb");
    rlimit::increase_nofile_limit(u64::MAX)?;

    let tokens = register(&data, connections).await?;
    let (mut server, address) = start(&chatd, &data).await?;
    let pid = server.id().ok_or("the server has ended")?;
    let before = settled(pid).await?;
    println!("resident after start: {} KiB", before);

    let mut sockets = connect(&address, tokens.clone()).await?;
    let idle = settled(pid).await?;
    let each = |kib: u64| kib.saturating_sub(before) as f64 / connections as f64;
    println!(
        "{connections} idle connections: {idle} KiB, {:.2} KiB each",
        each(idle)
    );

    let large = format!("42[\"unknown\",\"{}\"]", "x".repeat(100_000));
    for socket in &mut sockets {
        socket.send(Message::text(large.as_str())).await?;
        // The ack of a second event says that the first has been read.
        socket
            .send(Message::text(
                r#"421["presence_subscribe",{"user_ids":[]}]"#,
            ))
            .await?;
    }
    for socket in &mut sockets {
        hear(socket, "431").await?;
    }
    let after = settled(pid).await?;
    println!(
        "after an event of 100 kB from each: {after} KiB, {:.2} KiB each",
        each(after)
    );

    drop(sockets);
    println!("after all have left: {} KiB", settled(pid).await?);
    for round in 2..=rounds {
        drop(connect(&address, tokens.clone()).await?);
        println!(
            "after all have come and left {round} times: {} KiB",
            settled(pid).await?
        );
    }
    server.kill().await?;
    Ok(())
}

/// Makes the accounts and gives their tokens.
async fn register(data: &std::path::Path, count: usize) -> Result<Vec<String>, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let config = Config {
        data: Location::File(data.to_owned()),
        registration: Registration::Open,
        passwords: Passwords::cheap(),
        ..Config::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(chatd::server::run(config, listener, |_| {}, async {
        drop(stopped.await)
    }));
    let mut workers = JoinSet::new();
    for worker in 0..AT_ONCE {
        let address = address.clone();
        workers.spawn(async move {
            let mut tokens = Vec::new();
            let stream = TcpStream::connect(&address).await?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            for number in (worker..count).step_by(AT_ONCE) {
                loop {
                    let body = serde_json::json!({"username": format!("user{number}"), "password": "password1"});
                    let request = Request::post("/api/auth/register").header("host", "x");
                    let request = request.body(Full::new(Bytes::from(body.to_string())))?;
                    let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
                    let answer: serde_json::Value = serde_json::from_slice(&body)?;
                    match answer["data"]["token"].as_str() {
                        Some(token) => break tokens.push(token.to_owned()),
                        // Passwords are hashed one at a time, and few may wait.
                        None if answer["error"]["code"] == "rate_limited" => tokio::task::yield_now().await,
                        None => return Err(format!("{answer}").into()),
                    }
                }
            }
            Ok::<_, Error>(tokens)
        });
    }
    let mut tokens = Vec::new();
    while let Some(worker) = workers.join_next().await {
        tokens.extend(worker??);
    }
    drop(stop);
    serving.await??;
    Ok(tokens)
}

/// Starts the executable and waits until it says where it is.
async fn start(chatd: &std::path::Path, data: &std::path::Path) -> Result<(Child, String), Error> {
    let mut command = Command::new(chatd);
    command
        .args(["--port", "0", "--data"])
        .arg(data)
        .kill_on_drop(true);
    let mut server = command.stderr(Stdio::piped()).spawn()?;
    let mut log = BufReader::new(server.stderr.take().ok_or("no log")?).lines();
    while let Some(line) = log.next_line().await? {
        if let Some((_, address)) = line.split_once("http://") {
            let address = address.split('/').next().unwrap_or_default().to_owned();
            return Ok((server, address));
        }
    }
    Err("the server did not start".into())
}

async fn connect(address: &str, tokens: Vec<String>) -> Result<Vec<Socket>, Error> {
    let mut sockets = Vec::with_capacity(tokens.len());
    let mut connecting = JoinSet::new();
    let mut tokens = tokens.into_iter();
    loop {
        while connecting.len() < AT_ONCE
            && let Some(token) = tokens.next()
        {
            connecting.spawn(join(address.to_owned(), token));
        }
        match connecting.join_next().await {
            Some(socket) => sockets.push(socket??),
            None => return Ok(sockets),
        }
    }
}

async fn join(address: String, token: String) -> Result<Socket, Error> {
    let stream = TcpStream::connect(&address).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(1_024)
        .write_buffer_size(0);
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let (mut socket, _) =
        tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
    hear(&mut socket, "0{").await?;
    socket
        .send(Message::text(format!("40{{\"token\":\"{token}\"}}")))
        .await?;
    hear(&mut socket, "40{").await?;
    Ok(socket)
}

async fn hear(socket: &mut Socket, beginning: &str) -> Result<(), Error> {
    loop {
        match socket.next().await.ok_or("the server closed")?? {
            Message::Text(text) if text.as_str() == "2" => socket.send(Message::text("3")).await?,
            Message::Text(text) if text.starts_with(beginning) => return Ok(()),
            other => return Err(format!("{other:?}").into()),
        }
    }
}

/// The resident memory of a process in KiB, once it has been the same for a second.
async fn settled(pid: u32) -> Result<u64, Error> {
    let mut last = 0;
    loop {
        let status = tokio::fs::read_to_string(format!("/proc/{pid}/status")).await?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .ok_or("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).ok_or("no VmRSS")?.parse()?;
        if kib.abs_diff(last) <= 64 {
            return Ok(kib);
        }
        last = kib;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
