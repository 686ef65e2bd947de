//! The configuration of an engine. The defaults are the reference server's, where it has any.

use std::time::Duration;

use crate::budget::Budget;
use crate::engineio::Heartbeat;
use crate::metrics::SessionMetrics;
use crate::web::Origins;

/// 100,000 sessions: some 300 MB, and more than one small machine has file descriptors for.
pub const DEFAULT_MAX_SESSIONS: usize = 100_000;
/// 1,000 sessions from one address: a large office behind one router.
pub const DEFAULT_MAX_SESSIONS_PER_ADDRESS: usize = 1_000;

/// The configuration of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The rhythm of pings and their answers.
    pub heartbeat: Heartbeat,
    /// The most bytes of a polling body, or of a WebSocket message.
    pub max_payload: usize,
    /// The most time for a WebSocket to take a session over.
    pub upgrade_timeout: Duration,
    /// The most open sessions; the handshake of one more is answered with 503, and a stock client
    /// tries again.
    pub max_sessions: usize,
    /// The most sessions from one address (one /64 of IPv6). Loopback is not counted: a client
    /// there is this machine's own, or comes through its proxy, and then all do.
    pub max_sessions_per_address: usize,
    /// The bounds of one client.
    pub limits: EngineLimits,
    /// The web pages that may connect, besides our own.
    pub origins: Origins,
    /// From which the bytes are taken that sessions hold.
    pub budget: Budget,
    /// Counts sessions.
    pub metrics: SessionMetrics,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            heartbeat: Heartbeat {
                interval: Duration::from_secs(25),
                timeout: Duration::from_secs(20),
            },
            max_payload: 1_000_000,
            upgrade_timeout: Duration::from_secs(10),
            max_sessions: DEFAULT_MAX_SESSIONS,
            max_sessions_per_address: DEFAULT_MAX_SESSIONS_PER_ADDRESS,
            limits: EngineLimits::default(),
            origins: Origins::default(),
            budget: Budget::default(),
            metrics: SessionMetrics::default(),
        }
    }
}

/// The bounds of one client's activity and slowness.
#[derive(Debug, Clone, Copy)]
pub struct EngineLimits {
    /// Packets of one session in a second.
    pub packets_a_second: u32,
    /// WebSocket frames of one session in a second.
    pub frames_a_second: u32,
    /// Bytes that wait for one session's client.
    pub outbox_bytes: usize,
    /// The most time that a client whose connection takes no more may need for `min_progress`
    /// bytes. One that needs longer is a slow consumer, however little waits for it; one that takes
    /// more is none, however much does.
    pub write_timeout: Duration,
    /// See `write_timeout`.
    pub min_progress: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            // More than any program says to another, and 10 ms of one core.
            packets_a_second: 10_000,
            // A stock client sends one a message; this is more than any has to say, and 20 ms of
            // one core.
            frames_a_second: 20_000,
            // 16 MiB: a burst of 600 of the longest messages, each character of which takes six
            // bytes of JSON.
            outbox_bytes: 16 << 20,
            write_timeout: Duration::from_secs(10),
            // 8 KiB: a client that takes less, while more waits, is kept up by less than a
            // telephone line.
            min_progress: 8 << 10,
        }
    }
}
