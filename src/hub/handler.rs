//! What a program that uses the hub implements: who may join a namespace, and what becomes of a
//! socket's events.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Ack, Library, Socket};
use crate::transport::CloseReason;

/// Decides who may join a namespace.
pub trait Handler: Send + Sync {
    /// A client wants to join. `socket` is not yet reachable by broadcasts; it may join groups
    /// already.
    fn connect(&self, socket: &Socket, request: ConnectRequest<'_>) -> Connecting;

    /// Returns how many attachments an event or an ack may bring here. One that announces more
    /// keeps none; see [`SocketHandler::refused`].
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
    /// The rest of the handshake, where [`crate::hub::IoConfig::keep_handshakes`] says to keep it.
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

/// The handler of the socket from now on, or why it may not join.
pub type Decision = Result<Box<dyn SocketHandler>, Refusal>;

/// The answer to a wish to join.
pub enum Connecting {
    /// Decided.
    Done(Decision),
    /// Decided later; meanwhile the client's packets for the namespace wait.
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
    /// The private id by which the client may later continue this socket (connection state
    /// recovery): sent to it with its public id, and to no other. `None` where nothing can be
    /// continued.
    fn private_id(&self) -> Option<String> {
        None
    }

    /// The client was told that it is connected; what is emitted now reaches it.
    fn connected(&mut self) {}
    /// The socket is to be put out if it may no longer stay; see [`Socket::revalidate`].
    fn revalidate(&mut self) {}
    /// The client emitted an event.
    fn event(&mut self, event: Event<'_>);
    /// The client emitted an event that announces more attachments than
    /// [`Handler::max_attachments`]. They are yet to come, and are dropped.
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

/// An event of a client.
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
