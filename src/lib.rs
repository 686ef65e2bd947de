//! chatd: a real-time chat server in one executable.

pub mod model;
pub mod store;
pub mod accounts;
pub mod chat;
pub mod engineio;
pub mod socketio;
pub mod transport;
pub mod hub;
