//! Hooks: incoming ones, by which programs write as a bot, and outgoing ones, by which other
//! systems are told what happens here.
//!
//! ```text
//! hook.rs      what a hook is, and how far an outgoing one has come
//! row.rs       how it stands in the table
//! all.rs       every hook in memory
//! staging.rs   how they are made, changed and taken away
//! refusal.rs   why that is refused
//! ```
//!
//! What happens to accounts is no entry of the log. So while there is an outgoing hook that is to
//! tell of it, each account that is made or deleted leaves a row among the hooks, which is there
//! until all of those have told of it.

pub(crate) mod all;
pub(crate) mod hook;
pub(crate) mod refusal;
pub(crate) mod row;
pub(crate) mod staging;
