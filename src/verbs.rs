//! The verbs that both doors call, and what they ask beside them.

use std::sync::Arc;

use crate::accounts::Accounts;
use crate::chat::Chat;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::model::Timestamp;

/// Tells the time; the server's is [`Timestamp::now`].
pub type Clock = fn() -> Timestamp;

/// What `gateway` and `http` work on. Cheap to clone.
#[derive(Clone)]
pub struct Verbs {
    /// The verbs of identity.
    pub accounts: Accounts,
    /// The verbs of talk.
    pub chat: Chat,
    /// How much one may do.
    pub limits: Arc<Limits>,
    /// The time of what is done.
    pub clock: Clock,
    /// Counts what is done and refused.
    pub metrics: Metrics,
}
