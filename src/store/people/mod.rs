//! Accounts, their names and passwords, and invites.

pub(crate) mod accounts;
pub(crate) mod invites;
mod names;
pub(crate) mod rows;
pub(crate) mod staging;
pub(crate) mod state;
pub(crate) mod users;
