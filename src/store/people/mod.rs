//! Accounts, their names and passwords, invites, the keys of programs, and hooks.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod hooks;
pub(crate) mod invites;
pub(crate) mod leaving;
mod names;
pub(crate) mod rows;
pub(crate) mod staging;
pub(crate) mod state;
pub(crate) mod users;
