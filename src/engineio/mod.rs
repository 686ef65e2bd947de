//! Engine.IO protocol, revision 4, without input or output: packets, payloads, the handshake, a
//! session's course and its transport.
//!
//! Bytes in, values out; the clock is an argument. What moves the bytes is `transport`. Source: the
//! Engine.IO protocol document of the reference implementation, revision 4.

mod handshake;
mod packet;
mod payload;
mod session;
mod upgrade;

pub use handshake::Handshake;
pub use packet::{DecodeError, Packet};
pub use payload::{SEPARATOR, decode_payload};
pub use session::{CloseReason, Heartbeat, Output, Session};
pub use upgrade::{Look, PollRule, ProbeOutput, Upgrade};
