//! Builds the house, serves, and closes it: [`run`] is open -> build -> serve -> drain, a file
//! each.
//!
//! Below that are the connections of clients: [`Connections`] accepts and counts them, TLS and HTTP
//! are spoken on each, and a connection that is in the way of others makes room.

mod build;
pub mod clock;
mod connections;
mod control;
mod demo;
mod drain;
mod ending;
mod erasure;
mod error;
mod frames;
mod heads;
mod http1;
mod http2;
mod key_sets;
mod open;
mod pace;
mod places;
mod plain;
mod renewal;
mod run;
mod scrapes;
mod serve;
mod sign_ins;
mod tls;
mod turns;
mod watch;
mod watchdog;

pub use connections::Connections;
pub use control::{Door, SocketPath, control_socket};
pub use demo::DemoError;
pub use erasure::retain_in;
pub use error::ServerError;
pub use run::run;
pub use tls::TlsError;
