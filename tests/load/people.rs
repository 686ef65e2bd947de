//! People for the load programs: accounts, the executable that serves them, and their sockets.

use std::process::Stdio;

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

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// How many connect, or register, at once.
pub(crate) const AT_ONCE: usize = 64;

/// Makes the accounts and gives their tokens.
pub(crate) async fn register(data: &std::path::Path, count: usize) -> Result<Vec<String>, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let config = Config {
        data: Location::File(data.to_owned()),
        registration: Registration::Open,
        passwords: Passwords::cheap(),
        ..Config::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel::<()>();
    let ready = |_: Option<&str>| {
        let _ = ready.send(());
    };
    let serving = tokio::spawn(chatd::server::run(config, listener, ready, async {
        drop(stopped.await)
    }));
    is_ready.await?;
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
pub(crate) async fn start(
    chatd: &std::path::Path,
    data: &std::path::Path,
) -> Result<(Child, String), Error> {
    let mut command = Command::new(chatd);
    command
        .args(["--port", "0", "--rate-limit", "off", "--data"])
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

/// A socket that connects with this `auth`, and the server's answer.
pub(crate) async fn enter(address: &str, auth: &str) -> Result<(Socket, String), Error> {
    let stream = TcpStream::connect(address).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(1_024)
        .write_buffer_size(0);
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let (mut socket, _) =
        tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
    hear(&mut socket, "0{").await?;
    socket.send(Message::text(format!("40{auth}"))).await?;
    let answer = hear(&mut socket, "40{").await?;
    Ok((socket, answer))
}

/// The next text, which must begin so; pings are answered on the way.
pub(crate) async fn hear(socket: &mut Socket, beginning: &str) -> Result<String, Error> {
    loop {
        match socket.next().await.ok_or("the server closed")?? {
            Message::Text(text) if text.as_str() == "2" => socket.send(Message::text("3")).await?,
            Message::Text(text) if text.starts_with(beginning) => return Ok(text.to_string()),
            other => return Err(format!("{other:?}").into()),
        }
    }
}
