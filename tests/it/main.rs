//! chatd from outside: a real server in this process, on a port of its own, and real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so best by stopping"
)]
#![allow(unreachable_pub, reason = "the modules of a test are all of one house")]
#![allow(
    clippy::duplicate_mod,
    reason = "the two official suites share cases, each on its own path"
)]

mod accounts;
mod acme;
mod addresses;
mod admin;
mod api;
mod avatars;
mod bursts;
mod changes;
mod chat;
mod cursors;
mod demo;
mod doctor;
mod documents;
mod engineio;
mod erasure;
mod erasure_proof;
mod examples;
mod file_crashes;
mod files;
mod firefox;
mod floods;
mod foreign;
mod fuzz;
mod harness;
mod headers;
mod hooks;
mod house;
mod hub;
mod incoming_hooks;
mod key_sets;
mod leaving;
mod limits;
mod log;
mod logins;
mod maintain;
mod messages;
mod metrics;
mod moves;
mod operate;
mod page;
mod people;
mod profiles;
mod program;
mod programs;
mod pushes;
mod readme;
mod recovery;
mod replies;
mod resources;
mod room_bounds;
mod room_changes;
mod room_invites;
mod rooms;
mod search;
mod service;
mod sessions;
mod shutdown;
mod socketio;
mod support;
mod tls;
mod unused;
mod versions;
mod words;
