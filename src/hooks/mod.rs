//! Hooks: other systems write here as a bot, and are told what happens here.
//!
//! ```text
//! verbs.rs       how administrators make, change and take away hooks
//! incoming.rs    a message that came by a hook, once; slack.rs: what Slack would show of a body
//! supervisor.rs  one follower of the log for each outgoing hook; board.rs: how they fare
//! follower.rs    reads the log on, and has events told; queue.rs: in which order, and when again;
//!                answers.rs: what came of them
//! request.rs     one event -> one signed request; signature.rs
//! retry.rs       what an answer means; rows.rs: how administrators see a hook
//! ```
//!
//! An outgoing hook follows the log from outside, from a position of its own that is on disk: no
//! send waits for it, and where there is no hook nothing is done. Events wait as places in the log,
//! some bytes each, and are read when they are sent: so a message that is gone by then is not sent,
//! and a receiver that is down for days costs no memory.

mod answers;
mod board;
mod error;
mod follower;
mod incoming;
mod queue;
mod request;
mod retry;
mod rows;
mod signature;
mod slack;
mod supervisor;
mod verbs;

pub use board::HookStatus;
pub use error::HookError;
pub use incoming::{Said, Written};
pub use retry::DEFAULT_RETRY;
pub use slack::read as read_slack;
pub use verbs::{Hooks, HooksConfig, MadeHook, NewIncoming, NewOutgoing};

pub use crate::store::{Hook, HookAnswer, HookId, HookIn, HookKind, HookOut, HookPause};
