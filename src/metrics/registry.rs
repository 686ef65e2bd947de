//! Counters by name.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// A number that only grows. Cheap to clone: clones are the same number.
pub type Counter = IntCounter;

/// Counters whose names are used once, on the way to their owners.
pub(super) struct Counters<'a>(pub(super) &'a Registry);

impl Counters<'_> {
    pub(super) fn one(&self, name: &str, help: &str) -> Counter {
        let made = IntCounter::new(name, help).expect("the name is one");
        register(self.0, made)
    }

    pub(super) fn labelled(&self, name: &str, help: &str, label: &str) -> IntCounterVec {
        let made = IntCounterVec::new(Opts::new(name, help), &[label]);
        register(self.0, made.expect("the name is one"))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let made = Histogram::with_opts(options).expect("the name is one, and buckets ascend");
        register(self.0, made)
    }
}

pub(super) fn register<C: Collector + Clone + 'static>(registry: &Registry, made: C) -> C {
    registry
        .register(Box::new(made.clone()))
        .expect("every name is used once");
    made
}
