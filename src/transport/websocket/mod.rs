//! Sessions on a WebSocket: one task each, which reads, writes, keeps the time and closes.
//!
//! tungstenite reads: framing, masking, fragments, UTF-8, control frames. Data is written past it,
//! straight from the shared frames of the outbox, so a message to a thousand sockets is encoded
//! once; tungstenite's own writes (pongs, the answer to a close) are caught and put in between.
//! Idle, a session has no buffers at all: reading and writing go through one scratch buffer a
//! thread, and tungstenite's reader lives for as long as a message is half read. Source: RFC 6455.

mod bounds;
mod exchange;
mod handshake;
mod incoming;
mod judge;
mod pace;
mod shim;
mod task;
mod written;

#[cfg(test)]
mod tests;

pub(super) use handshake::{open, upgrade, wants_upgrade};
