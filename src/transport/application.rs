//! What the engine needs of the application above it.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::header::HeaderMap;

use super::connection::Connection;
use super::receiver::Receiver;

/// The HTTP request that opens a session.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query, undecoded.
    pub query: &'a str,
    /// Its sender.
    pub peer: SocketAddr,
}

/// Takes the sessions that open.
pub trait Acceptor: Send + Sync {
    /// Returns whether a session may open, asked first. An error is answered with 403 and its text.
    fn allow(&self, _handshake: &Handshake<'_>) -> Result<(), &'static str> {
        Ok(())
    }

    /// Returns headers for the response to a handshake: cookies, mostly.
    fn response_headers(&self, _handshake: &Handshake<'_>) -> HeaderMap {
        HeaderMap::new()
    }

    /// Takes a session that opened. What its client says goes to the answer.
    fn open(&self, handshake: &Handshake<'_>, connection: Connection) -> Arc<dyn Receiver>;
}
