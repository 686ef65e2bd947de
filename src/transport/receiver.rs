//! The application's ear at a session.

use hyper::header::HeaderMap;

use crate::engineio::CloseReason;

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
