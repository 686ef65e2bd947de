//! chatd: a real-time chat server in one executable.
//!
//! Two pillars that do not know each other, joined in [`gateway`]: the wire ([`engineio`], [`socketio`], [`transport`],
//! [`hub`]) and the truth ([`model`], [`store`], [`accounts`], [`chat`]). Data has one way:
//!
//! ```text
//! bytes -> transport -> engineio::Packet -> socketio::Packet -> hub -> gateway -> chat verb -> store (commit)
//! bytes <- transport <- encoded once <- hub broadcast <- gateway <- chat::Event <- store (committed, in order)
//! ```
//!
//! [`http`] is the other door to the same verbs; under it and the transport lies [`web`]. Both doors ask [`limits`] how much one may do; [`server`] builds all of it and
//! closes it; [`cli`] is the program. [`contract`] is all that goes over the wire, once, and the
//! documents made of it. Who may import whom is held
//! by a test, `tests/it/house.rs`.

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod budget;
pub mod metrics;
pub mod model;

pub mod store;

pub mod accounts;
pub mod chat;

pub mod engineio;
pub mod socketio;

pub mod web;

pub mod transport;

pub mod hub;

pub mod limits;

pub mod contract;
pub mod verbs;

pub mod gateway;
pub mod http;

pub mod config;
pub mod server;

pub mod cli;
