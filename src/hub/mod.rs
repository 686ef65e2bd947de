//! Socket.IO on top of the sessions: namespaces, sockets, groups, events and their acks.
//!
//! A [`Namespace`] is made first, so that those who broadcast can hold it; [`Io`] joins namespaces
//! to their [`Handler`]s and takes the sessions that `transport` opens. A handler decides on each
//! CONNECT, at once or later, and gives every socket that it accepts a [`SocketHandler`], which
//! gets that socket's events one at a time and in order. A [`Group`] is what Socket.IO calls a
//! room; in this house a room is a conversation.
//!
//! ```text
//! session -> client.rs: decode, find the socket -> SocketHandler::event -> Ack::send
//!            joining.rs: or make it, for a CONNECT
//! Namespace::to(group).emit(name, args) -> encoded once -> the outbox of every socket in the group
//! ```
//!
//! All of Socket.IO is here, and not only what the chat uses: acks that are asked of clients,
//! attachments and kept handshakes serve the fixtures of the official suites, `tests/harness`.
//!
//! Nothing here waits: sending queues into the session's bounded outbox, and a handler must not
//! block.
//!
//! # Locks
//!
//! A lock is taken only by a thread that holds none that stands below it in this table. Handlers
//! are called under a session's, so that their calls into `chat` and `gateway` come between it and
//! the rest.
//!
//! | lock | guards | held over |
//! | --- | --- | --- |
//! | `Client::state` | one session's sockets and half received events | its handlers' calls |
//! | `chat`'s presence | who is there | a broadcast of the change, so that none overtakes another |
//! | `Socket::groups` | the groups of one socket | joining and leaving them in the namespace |
//! | `Namespace::groups`, `sockets` | sockets by group; all | encoding and queuing a broadcast |
//! | `Socket::held` | what is held for a socket that is being resumed | queuing it |
//! | `transport`'s outbox | the frames of one session | pushing one |

mod ack;
mod broadcast;
mod client;
mod deadlines;
mod encode;
mod handler;
mod held;
mod incoming;
mod io;
mod joining;
mod library;
mod members;
mod namespace;
mod socket;
mod socket_id;

pub use ack::{AckError, AckReply};
pub use broadcast::{Broadcast, Encoded, Prepared};
pub use handler::{
    ConnectRequest, Connecting, Decision, DisconnectReason, Event, Handler, KeptHandshake, Refusal,
    SocketHandler,
};
pub use io::{Io, IoConfig};
pub use library::Library;
pub use namespace::{Group, Namespace};
pub use socket::{Ack, Socket, SocketKey};
pub use socket_id::SocketId;
