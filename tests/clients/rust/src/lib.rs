//! The server's executable, people on it, a network that can be cut, and what both kinds of
//! the stock Rust client are tested with.
//!
//! Everything here waits on an event: a log line, a packet, an answer. [`DEADLINE`] only ends a
//! test that has failed already.

mod follower;
mod inbox;
mod network;
mod person;
mod scenarios;
mod server;

pub use follower::Follower;
pub use inbox::Inbox;
pub use network::Network;
pub use person::Person;
pub use scenarios::{Client, Connect, Listener, hears_every_event, loses_nothing};
pub use server::Server;

use std::time::Duration;

/// Far longer than anything here takes.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The time after which a sender asks again for the answer to a message.
pub const RETRY: Duration = Duration::from_secs(1);
