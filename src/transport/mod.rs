//! Where bytes meet tokio: Engine.IO sessions over HTTP polling and WebSocket.
//!
//! [`Engine::serve`] takes the HTTP requests of one path. A session that opens is handed to the [`Acceptor`], which
//! answers with a [`Receiver`] for what the client says and keeps the [`Connection`] to speak to it:
//!
//! ```text
//! request -> polling.rs | websocket.rs -> engineio::Session -> Receiver::message
//! socket  <- websocket.rs | polling.rs <- Outbox            <- Connection::send
//! ```
//!
//! One session has one outbox, bounded in bytes, and their sum is too. A session whose client does not take what waits
//! for it is closed, and what it held is given back; the client may come back and catch up.

mod frame;
mod frames;
mod outbox;
mod polling;
mod refusals;
mod registry;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

pub use frame::Frame;
pub use registry::{Census, Connection, SessionId};

use crate::budget::{Budget, Pool};
pub use crate::engineio::{CloseReason, Heartbeat};
use crate::engineio::{Packet, Stage};
use crate::metrics::SessionMetrics;
use crate::web::{self, Body, Origins, Verdict};
use refusals::Refusals;
use registry::{Live, Registry};
use tokio_util::task::TaskTracker;

/// 100,000 sessions: some 300 MB, and more than one small machine has file descriptors for.
pub const DEFAULT_MAX_SESSIONS: usize = 100_000;
/// 1,000 sessions from one address: a large office behind one router.
pub const DEFAULT_MAX_SESSIONS_PER_ADDRESS: usize = 1_000;

/// What an engine is told once. The defaults are the reference server's.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// When pings go out, and how long their answers may take.
    pub heartbeat: Heartbeat,
    /// The most bytes of a polling body, or of a WebSocket message.
    pub max_payload: usize,
    /// How long a WebSocket may take to take a session over.
    pub upgrade_timeout: Duration,
    /// How many sessions may be open; the handshake of one more is answered with 503, and a stock client tries again.
    pub max_sessions: usize,
    /// How many of them may come from one address (one /64 of IPv6). Loopback is not counted: whoever comes from there
    /// is this machine's own, or comes through its proxy, and then all do.
    pub max_sessions_per_address: usize,
    /// Which web pages may connect, besides our own.
    pub origins: Origins,
    /// From which the bytes are taken that sessions hold.
    pub budget: Budget,
    /// Counts sessions.
    pub metrics: SessionMetrics,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            heartbeat: Heartbeat {
                interval: Duration::from_secs(25),
                timeout: Duration::from_secs(20),
            },
            max_payload: 1_000_000,
            upgrade_timeout: Duration::from_secs(10),
            max_sessions: DEFAULT_MAX_SESSIONS,
            max_sessions_per_address: DEFAULT_MAX_SESSIONS_PER_ADDRESS,
            origins: Origins::default(),
            budget: Budget::default(),
            metrics: SessionMetrics::default(),
        }
    }
}

/// The HTTP request that opens a session.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query, undecoded.
    pub query: &'a str,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// Takes the sessions that open.
pub trait Acceptor: Send + Sync {
    /// Whether a session may open, asked first. An error is answered with 403 and its text.
    fn allow(&self, _handshake: &Handshake<'_>) -> Result<(), &'static str> {
        Ok(())
    }

    /// What else the response to a handshake is to say: cookies, mostly.
    fn response_headers(&self, _handshake: &Handshake<'_>) -> HeaderMap {
        HeaderMap::new()
    }

    /// A session opened. What its client says goes to the answer.
    fn open(&self, handshake: &Handshake<'_>, connection: Connection) -> Arc<dyn Receiver>;
}

/// Hears one session: its messages one at a time, in order, and its end once. Must not block.
pub trait Receiver: Send + Sync {
    /// A polling request with these headers brings what is heard next.
    fn posting(&self, _headers: &HeaderMap) {}
    /// The client said this. An error ends the session.
    fn message(&self, text: &str) -> Result<(), CloseReason>;
    /// The client said this. An error ends the session.
    fn binary(&self, bytes: &[u8]) -> Result<(), CloseReason>;
    /// The session is over; nothing follows.
    fn closed(&self, reason: CloseReason);
}

/// The sessions of one path. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    config: EngineConfig,
    acceptor: Arc<dyn Acceptor>,
    registry: Registry,
    refusals: Refusals,
    /// The tasks of WebSockets: each counts until its connection has ended, however long its session is over.
    sockets: TaskTracker,
}

/// Which transport a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransportKind {
    Polling,
    WebSocket,
}

/// Why a request is refused before it reaches a session. The numbers and words are the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    TransportUnknown,
    SessionUnknown,
    HandshakeMethod,
    BadRequest,
    /// A WebSocket was asked for by a request that is no attempt to open one.
    NoUpgrade,
    ProtocolVersion,
    /// The application's word.
    Forbidden(&'static str),
    /// A WebSocket of another site's page.
    ForeignPage,
    /// As many sessions are open as may be.
    Full,
    /// The server is stopping.
    Stopping,
}

/// How long a client is to wait where the server is full, in seconds.
const FULL_RETRY_AFTER: &str = "5";

impl Refusal {
    const fn code_and_message(self) -> (u8, &'static str) {
        match self {
            Self::TransportUnknown => (0, "Transport unknown"),
            Self::SessionUnknown => (1, "Session ID unknown"),
            Self::HandshakeMethod => (2, "Bad handshake method"),
            Self::BadRequest | Self::NoUpgrade => (3, "Bad request"),
            Self::Forbidden(message) => (4, message),
            Self::ForeignPage => (4, "Forbidden"),
            Self::ProtocolVersion => (5, "Unsupported protocol version"),
            Self::Full => (3, "Too many sessions"),
            Self::Stopping => (3, "The server is stopping"),
        }
    }

    /// As JSON for polling; as bare text, and the connection closed, for a WebSocket.
    fn response(self, websocket: bool) -> Response<Body> {
        let (code, message) = self.code_and_message();
        let mut response = Response::new(if websocket {
            Body::from(message)
        } else {
            Body::from(format!("{{\"code\":{code},\"message\":\"{message}\"}}"))
        });
        *response.status_mut() = match self {
            // As the reference: to a WebSocket every refusal is a bad request.
            Self::Forbidden(_) if !websocket => StatusCode::FORBIDDEN,
            Self::Full | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let headers = response.headers_mut();
        if matches!(self, Self::Full | Self::Stopping) {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from_static(FULL_RETRY_AFTER),
            );
        }
        if websocket {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        } else {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        response
    }
}

/// What of a query matters here. Of a repeated key the last one counts.
#[derive(Debug, Default)]
struct Query {
    transport: Option<TransportKind>,
    sid: Option<String>,
    revision_4: bool,
}

impl Query {
    fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "EIO" => query.revision_4 = value == "4",
                "transport" => {
                    query.transport = match &*value {
                        "polling" => Some(TransportKind::Polling),
                        "websocket" => Some(TransportKind::WebSocket),
                        _ => None,
                    }
                }
                "sid" => query.sid = Some(value.into_owned()).filter(|sid| !sid.is_empty()),
                _ => {}
            }
        }
        query
    }
}

impl Engine {
    /// Returns an engine whose sessions go to `acceptor`.
    pub fn new(mut config: EngineConfig, acceptor: Arc<dyn Acceptor>) -> Self {
        // Two of the largest messages that are allowed can arrive at once, however little memory there is.
        let half_received = &mut config.budget.half_received;
        if half_received.limit() < config.max_payload * 2 {
            *half_received = Pool::new(config.max_payload * 2);
        }
        Self {
            shared: Arc::new(Shared {
                config,
                acceptor,
                registry: Registry::default(),
                refusals: Refusals::default(),
                sockets: TaskTracker::new(),
            }),
        }
    }

    /// Answers one request. Must run in a tokio runtime; a request whose future is dropped closes its session.
    pub async fn serve(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let origins = &self.shared.config.origins;
        let page = origins.judge(&request);
        let allowed = origins.headers(page, request.headers());
        let mut response = match origins.preflight(page, request.method(), request.headers()) {
            Some(answer) => answer,
            None => {
                let websocket = websocket::wants_upgrade(request.headers());
                match self.route(request, peer, websocket, page).await {
                    Ok(response) => response,
                    Err(refusal) => {
                        self.shared.refusals.log(refusal);
                        refusal.response(websocket)
                    }
                }
            }
        };
        web::say(&mut response, allowed);
        response
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        websocket: bool,
        page: Verdict,
    ) -> Result<Response<Body>, Refusal> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let kind = query.transport.ok_or(Refusal::TransportUnknown)?;
        let live = match &query.sid {
            None => None,
            Some(sid) => Some(
                self.shared
                    .registry
                    .get(sid)
                    .ok_or(Refusal::SessionUnknown)?,
            ),
        };
        match (kind, websocket) {
            (TransportKind::WebSocket, false) => return Err(Refusal::NoUpgrade),
            (TransportKind::Polling, true) => return Err(Refusal::BadRequest),
            (TransportKind::WebSocket, true) if !page.may_connect() => {
                return Err(Refusal::ForeignPage);
            }
            _ => {}
        }
        match (live, kind) {
            (Some(_), _) if !query.revision_4 => Err(Refusal::BadRequest),
            (Some(live), TransportKind::Polling) => {
                polling::serve(&self.shared, live, request).await
            }
            (Some(live), TransportKind::WebSocket) => {
                websocket::upgrade(&self.shared, live, request)
            }
            (None, _) if request.method() != Method::GET => Err(Refusal::HandshakeMethod),
            (None, _) if !query.revision_4 => Err(Refusal::ProtocolVersion),
            (None, TransportKind::Polling) => polling::open(&self.shared, &request, peer),
            (None, TransportKind::WebSocket) => websocket::open(&self.shared, request, peer),
        }
    }

    /// Which web pages may connect.
    pub fn origins(&self) -> &Origins {
        &self.shared.config.origins
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.shared.registry.len()
    }

    /// What the sessions are, and what waits for their clients.
    pub fn census(&self) -> Census {
        self.shared.registry.census()
    }

    /// Opens no session any more, and hears nothing more from clients. What is said to them is still sent.
    pub fn pause(&self) {
        self.shared.registry.pause();
    }

    /// Closes every session, telling its client what waits for it and that it is over, and waits until all have heard
    /// that or have had their time to.
    pub async fn shutdown(&self) {
        self.pause();
        let registry = &self.shared.registry;
        registry.close_all(CloseReason::ServerShutdown).await;
        self.shared.sockets.close();
        self.shared.sockets.wait().await;
    }
}

impl Shared {
    /// Opens a session and introduces it. Gives also what else the response is to say.
    fn open(
        self: &Arc<Self>,
        request: &Request<Incoming>,
        peer: SocketAddr,
        stage: Stage,
    ) -> Result<(Arc<Live>, HeaderMap), Refusal> {
        let query = request.uri().query().unwrap_or_default();
        let handshake = Handshake {
            headers: request.headers(),
            query,
            peer,
        };
        self.acceptor
            .allow(&handshake)
            .map_err(Refusal::Forbidden)?;
        let live = self.registry.open(self, Instant::now(), stage, peer.ip())?;
        if stage == Stage::WebSocket {
            // Before anybody can speak to it.
            let json = self.handshake_json(&live, &[]);
            live.send([Frame::packet(&Packet::Open(&json))]);
        }
        let receiver = self
            .acceptor
            .open(&handshake, Connection::new(Arc::clone(&live)));
        live.introduce(receiver);
        Ok((live, self.acceptor.response_headers(&handshake)))
    }

    /// The JSON of a session's open packet.
    fn handshake_json(&self, live: &Live, upgrades: &[&str]) -> String {
        crate::engineio::Handshake {
            sid: live.sid().as_str(),
            upgrades,
            ping_interval: self.config.heartbeat.interval,
            ping_timeout: self.config.heartbeat.timeout,
            max_payload: self.config.max_payload,
        }
        .to_json()
    }
}
