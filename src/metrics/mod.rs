//! What a server counts of itself, in Prometheus' terms, and how that is written down.
//!
//! [`Metrics`] has a small set of counters for each room, which is handed to it when it is built; a
//! clone counts the same. On the way of a message a counter costs an atomic addition; what has
//! labels (closings, refusals) looks its counter up, which happens for no message. What is a state
//! and no event is read at each scrape: [`Readings`]. Labels are fixed words, never names or
//! addresses, so their number is bounded. Knows no other room; `server` has the listener.

mod all;
mod counters;
mod gauges;
mod process;
mod registry;

pub use all::Metrics;
pub use counters::{
    ConnectionMetrics, EventMetrics, HookMetrics, HttpMetrics, LimitMetrics, PushMetrics,
    SearchMetrics, SessionMetrics, StoreMetrics,
};
pub use gauges::Readings;
pub use registry::Counter;
