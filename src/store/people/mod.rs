//! Accounts, their names and passwords, invites, the keys of programs, and browsers that are pushed to.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod invites;
pub(crate) mod leaving;
mod names;
pub(crate) mod rows;
pub(crate) mod staging;
pub(crate) mod state;
pub(crate) mod subscriptions;
pub(crate) mod users;
