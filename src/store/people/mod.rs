//! Accounts, their names and passwords, sessions, invites, reports, and the keys of programs.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod codes;
pub(crate) mod invites;
pub(crate) mod leaving;
mod names;
pub(crate) mod reports;
pub(crate) mod rows;
pub(crate) mod sessions;
pub(crate) mod staging;
pub(crate) mod state;
pub(crate) mod users;
