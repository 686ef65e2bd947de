//! A watchdog that is fed while the server works.

use std::sync::Arc;
use std::time::Duration;

/// A watchdog that is fed while the server works.
#[derive(Clone)]
pub struct Watchdog {
    /// From one time to the next: a part of what the service manager waits for.
    pub interval: Duration,
    /// Tells it. Must not block.
    pub feed: Arc<dyn Fn() + Send + Sync>,
}
