//! Socket.IO protocol, revision 5 (what clients of version 3 and 4 speak), without input or output.
//!
//! JSON passes through raw: a payload's syntax is checked without recursion, and only a handler
//! that wants a value reads it. Source: the Socket.IO protocol document of the reference
//! implementation, revision 5.

mod attachment;
mod connect;
mod event;
mod packet;

pub use attachment::{Placeholder, PlaceholderError, check_placeholders};
pub use connect::Connected;
pub use event::{Elements, Event, EventError};
pub use packet::{Data, DecodeError, Header, Kind, MAX_ATTACHMENTS, Packet};
