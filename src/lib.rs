//! chatd: a real-time chat server in one executable.
//!
//! Two pillars that do not know each other, joined in [`gateway`]: the wire ([`engineio`],
//! [`socketio`], [`transport`], [`hub`]) and the truth ([`model`], [`store`], [`accounts`],
//! [`chat`]). Data has one way:
//!
//! ```text
//! bytes -> transport -> engineio -> hub -> socketio -> gateway -> chat -> store (commit)
//! bytes <- transport <- hub (encoded once) <- gateway <- chat <- store (committed, in order)
//! ```
//!
//! | room | holds |
//! |---|---|
//! | [`json`] | values as JSON text |
//! | [`budget`] | the memory that anything may take, as pools |
//! | [`metrics`] | counters and gauges, a set for each room |
//! | [`model`] | the nouns: ids, names, messages, cursors |
//! | [`store`] | the data file; the only room that says redb |
//! | [`accounts`], [`chat`] | the verbs of identity and of talk |
//! | [`files`] | the verbs of files, whose bytes lie beside the data file |
//! | [`search`] | finding what was said, by an index beside the data file |
//! | [`engineio`], [`socketio`] | pure codecs, and a session as a value |
//! | [`outgoing`] | requests that leave this server, bounded in one place |
//! | [`push`] | what is told to browsers whose page is closed |
//! | [`web`] | HTTP's ground floor: bodies, origins, addresses, proxies |
//! | [`transport`] | sessions over polling and WebSocket: where bytes meet tokio |
//! | [`hub`] | namespaces, sockets, groups, acknowledgements |
//! | [`limits`] | how much one person or one address may do |
//! | [`contract`] | all that goes over the wire, once, and the documents made of it |
//! | [`hooks`] | other systems, which write here and are told |
//! | [`gateway`], [`http`] | the two doors to the same [`verbs`]: sockets and REST |
//! | [`config`] | what a server is told, as values |
//! | [`server`] | open, build, serve, drain |
//! | [`cli`] | the program; the only room that says clap |
//!
//! The modules below stand in that order: each may name only such as stand above it. A test,
//! `tests/it/house.rs`, holds every import against the plan.

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod json;

pub mod budget;
pub mod metrics;
pub mod model;

pub mod store;

pub mod accounts;
pub mod chat;
pub mod files;
pub mod search;

pub mod engineio;
pub mod socketio;

pub mod outgoing;
pub mod web;

pub mod push;

pub mod transport;

pub mod hub;

pub mod limits;

pub mod contract;
pub mod hooks;
pub mod verbs;

pub mod gateway;
pub mod http;

pub mod config;
pub mod server;

pub mod cli;
