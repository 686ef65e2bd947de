//! A server in this process, and clients that speak to it in its own words.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chatd::accounts::{Passwords, Registration};
use chatd::config::Config;
use chatd::limits::Rates;
use chatd::server::ServerError;
use chatd::store::OpenError;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};

use crate::documents::{Documents, documents};

/// Ends a test that waits for what never comes. Nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must come.
pub async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("what must come did not come")
}

/// What a server told when it was ready: its set-up code, if any.
type Ready = Option<String>;

/// A server that listens somewhere.
pub struct Remote {
    pub address: SocketAddr,
    /// Against which all is held that it says; what is no chatd has none.
    documents: Option<&'static Documents>,
}

/// chatd on a port of its own.
pub struct TestServer {
    remote: Remote,
    /// While there is no account.
    pub setup_code: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<Result<(), ServerError>>,
}

/// The settings of a test: in memory, anybody may register, cheap passwords, no rate limits.
pub fn config() -> Config {
    Config {
        registration: Registration::Open,
        passwords: Passwords::cheap(),
        rates: Rates::off(),
        ..Config::default()
    }
}

impl std::ops::Deref for TestServer {
    type Target = Remote;

    fn deref(&self) -> &Remote {
        &self.remote
    }
}

impl Remote {
    /// A server that is not documented.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            documents: None,
        }
    }

    /// A chatd, whose every reply and packet is held against its documents.
    pub async fn documented(address: SocketAddr) -> Self {
        let remote = Self::at(address);
        let documents = Some(documents(&remote).await);
        Self {
            documents,
            ..remote
        }
    }

    /// Sends one request over a connection of its own.
    pub async fn request(&self, request: Request<Full<Bytes>>) -> Reply {
        let (method, target) = (request.method().to_string(), request.uri().to_string());
        let asked = request.body().clone().collect().await.unwrap().to_bytes();
        let (head, body) = self.exchange(request).await.into_parts();
        let reply = Reply {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        if let Some(documents) = self.documents {
            let asked = String::from_utf8_lossy(&asked);
            let checked = documents.check_reply(&method, &target, &asked, &reply);
            checked.unwrap_or_else(|error| panic!("{error}"));
        }
        reply
    }

    /// The same where the answer may be no text.
    pub async fn exchange(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let response = soon(sender.send_request(request)).await.unwrap();
        let (head, body) = response.into_parts();
        let body = soon(body.collect()).await.unwrap().to_bytes();
        Response::from_parts(head, body)
    }

    pub async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.request(request.body(Full::from(body.to_owned())).unwrap())
            .await
    }

    /// Sends a GET and cuts the connection when the server has had the time to begin with it: it
    /// does not say that it has, so five milliseconds are given, as the official suite does.
    pub async fn abandon(&self, path: &str) {
        use tokio::io::AsyncWriteExt;
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// The bare connection of a WebSocket, for what no client library would send.
    pub async fn raw_websocket(&self) -> TcpStream {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
                       upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        stream
    }

    /// A WebSocket on which nothing was said yet.
    pub async fn wire(&self, path: &str) -> Wire {
        self.try_wire(path)
            .await
            .expect("the handshake was refused")
    }

    /// A WebSocket, or the status with which its handshake was refused.
    pub async fn try_wire(&self, path: &str) -> Result<Wire, u16> {
        self.try_wire_from(path, None).await
    }

    /// The same from a page of this origin.
    pub async fn try_wire_from(&self, path: &str, origin: Option<&str>) -> Result<Wire, u16> {
        let headers: Vec<_> = origin
            .map(|origin| ("origin", origin))
            .into_iter()
            .collect();
        self.try_wire_with(path, &headers).await
    }

    /// The same with these headers in the handshake.
    pub async fn try_wire_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Wire, u16> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!("ws://{}{path}", self.address)
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match soon(tokio_tungstenite::client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Wire {
                socket,
                documents: self.documents,
                asked: HashMap::new(),
            }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl TestServer {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        // A process that another test is starting holds every file of this one until it runs its
        // program, and so, for a moment, the lock of a data file whose server has stopped.
        let starting = async {
            loop {
                match Self::try_with(config.clone()).await {
                    Ok(server) => return server,
                    Err(ServerError::Open(OpenError::InUse { .. })) => {
                        tokio::task::yield_now().await
                    }
                    Err(error) => panic!("the server did not start: {error}"),
                }
            }
        };
        soon(starting).await
    }

    async fn try_with(config: Config) -> Result<Self, ServerError> {
        // What speaks TLS cannot be asked for them like this.
        let is_plain = config.tls.is_none();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel::<Ready>();
        let running = tokio::spawn(async move {
            let ready = |code: Option<&str>| drop(ready.send(code.map(str::to_owned)));
            chatd::server::run(config, listener, ready, async { drop(stopped.await) }).await
        });
        match soon(is_ready).await {
            Ok(setup_code) => {
                let remote = match is_plain {
                    true => Remote::documented(address).await,
                    false => Remote::at(address),
                };
                Ok(Self {
                    remote,
                    setup_code,
                    stop: Some(stop),
                    running,
                })
            }
            Err(_) => match running.await.unwrap() {
                Ok(()) => panic!("the server ended before it was ready"),
                Err(error) => Err(error),
            },
        }
    }

    /// Stops it as SIGTERM does, and waits until it has ended.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        soon(self.running).await.unwrap().unwrap();
    }

    pub async fn get(&self, path: &str, token: &str) -> Value {
        let reply = self.send("GET", path, Some(token), "").await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
        reply.json()
    }

    pub async fn register(&self, username: &str) -> Person {
        let body = json!({"username": username, "password": "password1"}).to_string();
        let reply = self.send("POST", "/api/auth/register", None, &body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        person(&reply)
    }

    /// The administrator, who must come first.
    pub async fn admin(&self) -> Person {
        let code = self
            .setup_code
            .as_deref()
            .expect("there is an account already");
        let reply = self.register_with("root", Some(code)).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        person(&reply)
    }

    pub async fn register_with(&self, username: &str, invite: Option<&str>) -> Reply {
        let mut body = json!({"username": username, "password": "password1"});
        if let Some(invite) = invite {
            body["invite"] = invite.into();
        }
        self.send("POST", "/api/auth/register", None, &body.to_string())
            .await
    }

    pub async fn login(&self, username: &str, password: &str) -> Person {
        let body = json!({"username": username, "password": password}).to_string();
        let reply = self.send("POST", "/api/auth/login", None, &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        person(&reply)
    }

    pub async fn two_people(&self) -> (Person, Person) {
        (self.register("ada").await, self.register("bob").await)
    }

    /// A WebSocket on which nothing was said yet.
    pub async fn websocket(&self, query: &str) -> Wire {
        self.wire(&format!("/socket.io/?EIO=4&transport=websocket{query}"))
            .await
    }

    /// A socket of a person's, by WebSocket.
    pub async fn connect(&self, person: &Person) -> Wire {
        self.connect_with(&json!({"token": &*person.token})).await
    }

    /// One of version 2.
    pub async fn connect_second(&self, person: &Person) -> Wire {
        self.connect_with(&json!({"token": &*person.token, "v": 2}))
            .await
    }

    /// One whose CONNECT carries this.
    pub async fn connect_with(&self, auth: &Value) -> Wire {
        let mut wire = self.websocket("").await;
        assert!(wire.text().await.starts_with("0{"));
        wire.say(&format!("40{auth}")).await;
        assert!(wire.text().await.starts_with("40{\"sid\":\""));
        wire
    }
}

fn person(login: &Reply) -> Person {
    let data = &login.json()["data"];
    Person {
        id: data["user"]["id"].as_u64().unwrap(),
        token: data["token"].as_str().unwrap().into(),
    }
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

pub struct Person {
    pub id: u64,
    pub token: Arc<str>,
}

/// A WebSocket whose texts are looked at as they are.
pub struct Wire {
    socket: WebSocketStream<TcpStream>,
    documents: Option<&'static Documents>,
    /// What waits for an answer, by the packet's kind and the ack's id.
    asked: HashMap<String, Value>,
}

impl Wire {
    pub async fn say(&mut self, text: &str) {
        self.say_at_once([text.to_owned()]).await;
    }

    /// Says several things in one write.
    pub async fn say_at_once(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            let body = text.find(['{', '[', '/']).unwrap_or(text.len());
            let (head, body) = text.split_at(body);
            // An event with attachments is acked as any other: `451-7` asks for the ack of `427`.
            let binary = head
                .strip_prefix("45")
                .and_then(|rest| rest.split_once('-'));
            let head = binary.map_or(head.to_owned(), |(_, id)| format!("42{id}"));
            if head.starts_with("42") || head == "40" {
                let body = serde_json::from_str(body).unwrap_or(Value::Null);
                self.asked.insert(head, body);
            }
            self.socket.feed(Message::text(text)).await.unwrap();
        }
        self.socket.flush().await.unwrap();
    }

    pub async fn say_binary(&mut self, bytes: &'static [u8]) {
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    /// Holds a packet of the chat's namespace against the documents.
    fn check(&mut self, text: &str) {
        let Some(documents) = self.documents else {
            return;
        };
        let body = text.find(['{', '[', '/']).unwrap_or(text.len());
        let (head, body) = text.split_at(body);
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            return;
        };
        let checked = match (head, head.strip_prefix("43")) {
            ("42", _) => documents.check_event(&body),
            ("40" | "44", _) => {
                let auth = self.asked.remove("40").unwrap_or(json!({}));
                let auth = if auth.is_null() { json!({}) } else { auth };
                documents.check_connect(&auth, &body, head == "44")
            }
            (_, Some(id)) => {
                let sent = self.asked.remove(&format!("42{id}")).unwrap();
                documents.check_ack(&sent, &body[0])
            }
            _ => Ok(()),
        };
        checked.unwrap_or_else(|error| panic!("{error}"));
    }

    /// What comes next, as it is; pings are not answered.
    pub async fn hear(&mut self) -> Heard {
        match soon(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => {
                self.check(&text);
                Heard::Text(text.to_string())
            }
            Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes.to_vec()),
            Some(Ok(Message::Close(frame))) => {
                Heard::Close(frame.map_or(1005, |frame| frame.code.into()))
            }
            other => panic!("ended without a close frame: {other:?}"),
        }
    }

    /// The next text, which must be this.
    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.hear().await, Heard::Text(text.to_owned()));
    }

    /// The next text; pings are answered on the way.
    pub async fn text(&mut self) -> String {
        self.text_or_end().await.expect("the connection ended")
    }

    /// The next text, or `None` once the server has closed.
    pub async fn text_or_end(&mut self) -> Option<String> {
        loop {
            match soon(self.socket.next()).await?.ok()? {
                Message::Text(text) if text.as_str() == "2" => self.say("3").await,
                Message::Text(text) => {
                    self.check(&text);
                    return Some(text.to_string());
                }
                Message::Close(_) => return None,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Why the server closed: the close frame's code, 1005 for one without.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => {
                    return frame.map_or(1005, |frame| frame.code.into());
                }
                Some(Ok(_)) => {}
                other => panic!("ended without a close frame: {other:?}"),
            }
        }
    }

    /// Emits an event and gives its ack; what comes before the ack is given too.
    pub async fn call(&mut self, id: u32, event: &str, payload: Value) -> (Value, Vec<Value>) {
        self.say(&format!("42{id}{}", json!([event, payload])))
            .await;
        let ack = format!("43{id}");
        let mut before = Vec::new();
        loop {
            let text = self.text().await;
            match text.strip_prefix(&ack) {
                Some(args) => {
                    return (
                        serde_json::from_str::<Value>(args).unwrap()[0].take(),
                        before,
                    );
                }
                None => before.push(parse_event(&text)),
            }
        }
    }

    /// The next event: `[name, payload]`.
    pub async fn event(&mut self) -> Value {
        parse_event(&self.text().await)
    }

    pub async fn expect(&mut self, name: &str) -> Value {
        let mut event = self.event().await;
        assert_eq!(event[0], name, "{event}");
        event[1].take()
    }
}

/// What a WebSocket brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    /// With this code; 1005 for a close frame without one.
    Close(u16),
}

fn parse_event(text: &str) -> Value {
    serde_json::from_str(
        text.strip_prefix("42")
            .unwrap_or_else(|| panic!("no event: {text}")),
    )
    .unwrap()
}
