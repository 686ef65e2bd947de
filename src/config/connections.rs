//! The bounds on connections.

use std::time::Duration;

use crate::budget::{ANSWER_STALL, MAX_CONNECTIONS_PER_ADDRESS};
use crate::transport::DEFAULT_MAX_SESSIONS;

/// The bounds on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all: each takes a file descriptor, of which the operator's commands and the data file
    /// need some.
    pub total: usize,
    /// From one address (one /64 of IPv6); loopback and trusted proxies are not counted.
    pub per_address: usize,
    /// The most time without progress of an answer.
    pub patience: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: DEFAULT_MAX_SESSIONS,
            per_address: MAX_CONNECTIONS_PER_ADDRESS,
            patience: ANSWER_STALL,
        }
    }
}
