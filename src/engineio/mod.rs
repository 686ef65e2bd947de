//! Engine.IO protocol, revision 4, without input or output: packets, payloads, the handshake, and a session's course.
//!
//! Bytes in, values out; the clock is an argument. Who moves the bytes is `transport`. Source: the Engine.IO protocol
//! document of the reference implementation, revision 4.

mod handshake;
mod packet;
mod payload;
mod session;

pub use handshake::Handshake;
pub use packet::{DecodeError, Packet};
pub use payload::{SEPARATOR, decode_payload};
pub use session::{CloseReason, Heartbeat, Output, ProbeOutput, Session, Stage};
