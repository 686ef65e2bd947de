//! The program: flags to [`Config`](crate::config::Config), commands, and the process around the
//! server. The only folder that knows clap.
//!
//! Without a command the program serves; each command has its file here.

mod backup;
mod bar;
mod check;
mod command;
mod compact;
mod completions;
mod config;
mod control;
mod dispatch;
mod doctor;
mod export;
mod failure;
mod files;
mod flags;
mod health;
mod import;
mod log;
mod man;
mod memory;
mod open_files;
mod operate;
mod output;
mod restore;
mod serve;
mod service;
mod stream;
mod systemd_unit;
mod values;
mod variables;

pub use dispatch::main;
