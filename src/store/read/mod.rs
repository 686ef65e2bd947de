//! Queries, beside the writer. Short transactions, everything copied out.
//!
//! What stands in memory is copied first, under a short lock, and the log is read after: an id that
//! memory knows is committed, so the end of the log in memory, or else the later snapshot of its
//! table, always holds it.

pub(crate) mod chats;
pub(crate) mod history;
pub(crate) mod inbox;
pub(crate) mod leavers;
pub(crate) mod missed;
pub(crate) mod notified;
pub(crate) mod page;
mod present;
mod profiles;
pub(crate) mod reactions;
pub(crate) mod recents;
mod reports;
pub(crate) mod rooms;
pub(crate) mod search;
pub(crate) mod sent;
pub(crate) mod snapshot;
pub(crate) mod trailing;
mod unread;
