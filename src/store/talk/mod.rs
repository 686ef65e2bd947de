//! What follows from the log: conversations, and what may be asked of them.

pub(crate) mod client_ids;
pub(crate) mod conversation;
pub(crate) mod conversations;
pub(crate) mod message_changes;
pub(crate) mod numbers;
mod pieces;
pub(crate) mod quoting;
pub(crate) mod reactions;
pub(crate) mod recency;
pub(crate) mod refusal;
pub(crate) mod rooms;
