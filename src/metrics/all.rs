//! All counters of one server.

use prometheus::{Encoder, Registry, TextEncoder};

use super::counters::{
    ConnectionMetrics, EventMetrics, HookMetrics, HttpMetrics, LimitMetrics, PushMetrics,
    SearchMetrics, SessionMetrics, StoreMetrics,
};
use super::gauges::{self, Readings};
use super::registry::Counters;

/// All counters of one server, by room. Cheap to clone: clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// The writer and the disk.
    pub store: StoreMetrics,
    /// Sessions of Engine.IO.
    pub sessions: SessionMetrics,
    /// Connections of clients.
    pub connections: ConnectionMetrics,
    /// Rate limits.
    pub limits: LimitMetrics,
    /// Events of sockets, and refusals by both doors.
    pub events: EventMetrics,
    /// Requests that routes answer.
    pub http: HttpMetrics,
    /// Hooks.
    pub hooks: HookMetrics,
    /// The search.
    pub search: SearchMetrics,
    /// Pushes to browsers.
    pub pushes: PushMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let counters = Counters(&registry);
        Self {
            store: StoreMetrics::new(&counters),
            sessions: SessionMetrics::new(&counters),
            connections: ConnectionMetrics::new(&counters),
            limits: LimitMetrics::new(&counters),
            events: EventMetrics::new(&counters),
            http: HttpMetrics::new(&counters),
            hooks: HookMetrics::new(&counters),
            search: SearchMetrics::new(&counters),
            pushes: PushMetrics::new(&counters),
            registry,
        }
    }
}

impl Metrics {
    /// Returns everything as Prometheus reads it, `text/plain; version=0.0.4`.
    pub fn text(&self, readings: &Readings) -> String {
        let mut families = self.registry.gather();
        families.extend(gauges::gather(readings));
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "the metrics could not be written down");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}
