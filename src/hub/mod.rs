//! Socket.IO on top of the sessions: namespaces, sockets, rooms, events and their acks.
//!
//! A [`Namespace`] is made first, so that whoever broadcasts can hold it; [`Io`] joins namespaces to their [`Handler`]s
//! and takes the sessions that `transport` opens. A handler decides on each CONNECT, at once or later, and gives every
//! socket it accepts a [`SocketHandler`], which hears that socket's events one at a time and in order.
//!
//! ```text
//! session -> client.rs: decode, find the socket -> SocketHandler::event -> Ack::send
//! Namespace::to(room).emit(name, args) -> encoded once -> the outbox of every socket in the room
//! ```
//!
//! Nothing here waits: sending queues into the session's bounded outbox, and a handler must not block.

mod ack;
mod client;
mod deadlines;
mod encode;
mod library;
mod members;
mod namespace;
mod socket;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

pub use ack::{AckError, AckReply};
pub use library::Library;
pub use namespace::{Broadcast, Namespace, Room};
pub use socket::{Ack, Socket, SocketId, SocketKey};

use crate::budget::{Budget, Pool};
use crate::transport::{Acceptor, CloseReason, Connection, Handshake, Receiver};
use client::Client;
use deadlines::Deadlines;

/// What a hub is told once. The default is the reference server's.
#[derive(Debug, Clone)]
pub struct IoConfig {
    /// How long a session may stay without a socket in any namespace.
    pub connect_timeout: Duration,
    /// How long the attachments of an event may take to arrive; noticed after twice that at the latest.
    pub assembly_timeout: Duration,
    /// From where the bytes are taken of events that are half received, or wait for a CONNECT to be decided.
    pub half_received: Pool,
    /// Whether a session keeps the headers and the query of its handshake for those who decide on CONNECTs. They take
    /// some kilobytes a session; the `Authorization` header alone is kept in any case.
    pub keep_handshakes: bool,
}

impl Default for IoConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            assembly_timeout: Duration::from_secs(30),
            half_received: Budget::default().half_received,
            keep_handshakes: false,
        }
    }
}

/// Decides who may join a namespace.
pub trait Handler: Send + Sync {
    /// A client wants to join. `socket` is not yet reachable by broadcasts; it may join rooms already.
    fn connect(&self, socket: &Socket, request: ConnectRequest<'_>) -> Connecting;

    /// Returns how many attachments an event or an ack may bring here. Of one that announces more none is kept; see
    /// [`SocketHandler::refused`].
    fn max_attachments(&self) -> usize {
        0
    }
}

/// The wish to join a namespace.
#[derive(Debug)]
pub struct ConnectRequest<'a> {
    /// The CONNECT packet's payload: an object, raw; `None` where it has none.
    pub auth: Option<&'a RawValue>,
    /// The value of the handshake's `Authorization` header, where it had one.
    pub authorization: Option<&'a str>,
    /// The library that opened the session, as far as the handshake tells.
    pub library: Library,
    /// The rest of the handshake, where [`IoConfig::keep_handshakes`] says to keep it.
    pub handshake: Option<&'a Arc<KeptHandshake>>,
}

/// The HTTP request that opened a session, kept.
#[derive(Debug)]
pub struct KeptHandshake {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its query, undecoded.
    pub query: String,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// Who hears the socket from now on, or why it may not join.
pub type Decision = Result<Box<dyn SocketHandler>, Refusal>;

/// The answer to a wish to join.
pub enum Connecting {
    /// Decided.
    Done(Decision),
    /// To be decided; meanwhile the client's packets for the namespace wait.
    Later(Pin<Box<dyn Future<Output = Decision> + Send>>),
}

impl Connecting {
    /// Returns the decision once it is there.
    pub async fn decided(self) -> Decision {
        match self {
            Self::Done(decision) => decision,
            Self::Later(decision) => decision.await,
        }
    }
}

/// Hears one socket. Calls come one at a time and must not block.
pub trait SocketHandler: Send {
    /// The private id by which the client may later continue this socket (connection state recovery): told to it with
    /// its public id, and to nobody else. `None` where nothing can be continued.
    fn private_id(&self) -> Option<String> {
        None
    }

    /// The client was told that it is connected; what is emitted now reaches it.
    fn connected(&mut self) {}
    /// Somebody asked this socket to look whether it may stay: [`Socket::nudge`], [`Broadcast::nudge`].
    fn nudged(&mut self) {}
    /// The client emitted an event.
    fn event(&mut self, event: Event<'_>);
    /// The client emitted an event that announces more attachments than [`Handler::max_attachments`]. They are yet to
    /// come, and are dropped.
    fn refused(&mut self, _event: Event<'_>) {}
    /// The socket is gone from its namespace; nothing follows.
    fn disconnected(&mut self, reason: DisconnectReason);
}

/// Why a client may not join: the CONNECT_ERROR packet's payload.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// For people.
    pub message: String,
    /// For programs; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// An event of a client's.
pub struct Event<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its arguments, raw: their syntax is right, and nothing else is known of them.
    pub args: &'a [&'a RawValue],
    /// What its placeholders stand for.
    pub attachments: &'a [Bytes],
    /// Where its ack goes, if the client asked for one. Dropped without use, the client gets none.
    pub ack: Option<Ack>,
}

/// Why a socket is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// This side put it out of the namespace.
    ServerNamespaceDisconnect,
    /// Its session ended.
    Closed(CloseReason),
}

/// The hub: namespaces and those who decide on them.
#[derive(Clone)]
pub struct Io {
    shared: Arc<Shared>,
}

struct Shared {
    config: IoConfig,
    namespaces: Vec<(Namespace, Arc<dyn Handler>)>,
    /// Sessions that must have joined a namespace by then.
    unjoined: Deadlines,
    /// Sessions that must have sent the attachments by then that they have announced.
    assembling: Deadlines,
}

impl Io {
    /// A hub of these namespaces.
    pub fn new(config: IoConfig, namespaces: Vec<(Namespace, Arc<dyn Handler>)>) -> Self {
        let shared = Shared {
            unjoined: Deadlines::new(config.connect_timeout),
            assembling: Deadlines::new(config.assembly_timeout),
            config,
            namespaces,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Closes sessions that join no namespace, or send no attachment, in time. To be run beside the hub; never ends.
    pub async fn sweep(&self) {
        let Shared {
            unjoined,
            assembling,
            ..
        } = &*self.shared;
        tokio::join!(
            unjoined.run(Client::connect_timeout),
            assembling.run(Client::assembly_timeout)
        );
    }
}

impl Acceptor for Io {
    fn open(&self, handshake: &Handshake<'_>, connection: Connection) -> Arc<dyn Receiver> {
        let client = Client::new(Arc::clone(&self.shared), handshake, connection);
        self.shared.unjoined.add(Arc::downgrade(&client));
        client
    }
}
