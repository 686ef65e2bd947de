//! Accounts, their names and passwords, sessions, invites, reports, the keys of programs, hooks,
//! and browsers that are pushed to.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod codes;
pub(crate) mod hooks;
pub(crate) mod invites;
pub(crate) mod leaving;
mod names;
pub(crate) mod refusal;
pub(crate) mod reports;
pub(crate) mod rows;
pub(crate) mod sessions;
pub(crate) mod staging;
pub(crate) mod state;
pub(crate) mod subscriptions;
pub(crate) mod users;
