//! Where bytes meet tokio: Engine.IO sessions over HTTP polling and WebSocket.
//!
//! [`Engine::serve`] takes the HTTP requests of one path. A session that opens is handed to the
//! [`Acceptor`], which answers with a [`Receiver`] for what the client says and keeps the
//! [`Connection`] to speak to it:
//!
//! ```text
//! request -> polling/ | websocket/ -> Live -> engineio::Session -> Receiver::message
//! socket  <- websocket/ | polling/ <- Outgoing (Outbox, engineio::Upgrade) <- Connection::send
//! ```
//!
//! One session has one outbox, bounded in bytes, and their sum is too. A session whose client does
//! not take what waits for it is closed, and what it held is given back; the client may come back
//! and catch up.
//!
//! Locks, each held across no await, in the order in which they are taken:
//!
//! | lock | guards | taken under it |
//! |---|---|---|
//! | `Registry::open` | the sessions by id, and how many each address has | none |
//! | `Live::requests` | which polling requests are under way | none |
//! | `Live::session` | the session's course in time | `Outgoing::state`, to move an upgrade |
//! | `Live::receiver` | who hears the session | none: it is cloned out |
//! | `Outgoing::state` | outbox, transport, wakers | `Registry::relieving`, for room in the pool |
//! | `Registry::relieving` | which sessions to close | `Registry::open`; others by `try_lock` |

mod application;
mod config;
mod connection;
mod engine;
mod frame;
mod live;
mod outbox;
mod outgoing;
mod polling;
mod query;
mod receiver;
mod refusal;
mod refusals;
mod registry;
mod session_id;
mod shared;
mod websocket;

pub use application::{Acceptor, Handshake};
pub use config::{
    DEFAULT_MAX_SESSIONS, DEFAULT_MAX_SESSIONS_PER_ADDRESS, EngineConfig, EngineLimits,
};
pub use connection::Connection;
pub use engine::Engine;
pub use frame::Frame;
pub use receiver::Receiver;
pub use registry::Census;
pub use session_id::SessionId;

pub use crate::engineio::{CloseReason, Heartbeat};
