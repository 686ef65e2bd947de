//! The counters of each room.

use std::time::{Duration, Instant};

use prometheus::{Histogram, IntCounterVec};

use super::all::Metrics;
use super::registry::{Counter, Counters};

/// From an SSD that does not sync (0.1 ms) to a disk that has a crisis.
const SECONDS: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];
/// Up to a full transaction.
const CHANGES: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
];

/// Counts one more of a label.
fn count(counters: &IntCounterVec, label: &str) {
    counters.with_label_values(&[label]).inc();
}

/// Makes labels known, so that a scrape finds them at zero.
fn prepare<'a>(counters: &IntCounterVec, labels: impl IntoIterator<Item = &'a str>) {
    for label in labels {
        counters.with_label_values(&[label]);
    }
}

/// The writer and the disk.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    commit_seconds: Histogram,
    commit_changes: Histogram,
    commit_failures: Counter,
    fsync_seconds: Histogram,
    rewrites: IntCounterVec,
}

impl StoreMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        let made = Self {
            commit_seconds: counters.histogram(
                "chatd_commit_duration_seconds",
                "From taking queued changes to their being on disk.",
                SECONDS,
            ),
            commit_changes: counters.histogram(
                "chatd_commit_changes",
                "Changes that shared a commit.",
                CHANGES,
            ),
            commit_failures: counters.one(
                "chatd_commit_failures_total",
                "Commits that failed or were refused: nothing in them was confirmed.",
            ),
            fsync_seconds: counters.histogram(
                "chatd_fsync_duration_seconds",
                "How long the disk took to sync.",
                SECONDS,
            ),
            rewrites: counters.labelled(
                "chatd_rewrites_total",
                "Rewrites of the data file, by which what was erased is gone from it: done, failed, or without room on the disk.",
                "outcome",
            ),
        };
        prepare(&made.rewrites, ["done", "failed", "no_room"]);
        made
    }

    /// Counts a rewrite of the data file.
    pub fn rewritten(&self, outcome: &str) {
        count(&self.rewrites, outcome);
    }

    /// Times a commit of so many changes.
    pub fn committing<T, E>(
        &self,
        changes: usize,
        commit: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let result = commit();
        match &result {
            Ok(_) => {
                self.commit_seconds.observe(began.elapsed().as_secs_f64());
                // No transaction has so many that this is inexact.
                self.commit_changes.observe(changes as f64);
            }
            Err(_) => self.commit_failures.inc(),
        }
        result
    }

    /// Times a sync of the disk.
    pub fn syncing<T>(&self, sync: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = sync();
        self.fsync_seconds.observe(began.elapsed().as_secs_f64());
        result
    }
}

/// Sessions of Engine.IO.
#[derive(Debug, Clone)]
pub struct SessionMetrics {
    closes: IntCounterVec,
}

impl SessionMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        Self {
            closes: counters.labelled(
                "chatd_session_closes_total",
                "Sessions that ended; slow_consumer are clients that did not read, flood those that sent too much.",
                "reason",
            ),
        }
    }

    /// Makes the reasons known.
    pub fn prepare<'a>(&self, reasons: impl IntoIterator<Item = &'a str>) {
        prepare(&self.closes, reasons);
    }

    /// Counts a session that ended.
    pub fn closed(&self, reason: &str) {
        count(&self.closes, reason);
    }
}

/// Connections of clients, and what is answered on them.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    refused: IntCounterVec,
    cut: IntCounterVec,
    /// Answers that were refused because too many others wait to be read.
    pub refused_answers: Counter,
}

impl ConnectionMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        let made = Self {
            refused: counters.labelled(
                "chatd_refused_connections_total",
                "Connections that were not taken: no place in all, none for the address, too many TLS handshakes of it.",
                "reason",
            ),
            cut: counters.labelled(
                "chatd_cut_connections_total",
                "Connections that made way while idle, and connections or HTTP/2 streams whose answers were not read.",
                "reason",
            ),
            refused_answers: counters.one(
                "chatd_refused_answers_total",
                "Answers that were refused because too many others wait to be read.",
            ),
        };
        prepare(&made.refused, ["full", "address", "handshakes"]);
        prepare(&made.cut, ["idle", "slow"]);
        made
    }

    /// Counts a connection that was not taken.
    pub fn turned_away(&self, reason: &str) {
        count(&self.refused, reason);
    }

    /// Counts connections that made way while idle.
    pub fn made_way(&self, connections: usize) {
        let idle = self.cut.with_label_values(&["idle"]);
        idle.inc_by(u64::try_from(connections).unwrap_or(u64::MAX));
    }

    /// Returns the counter of connections, and streams of them, whose answers were not read.
    pub fn slow(&self) -> Counter {
        self.cut.with_label_values(&["slow"])
    }
}

/// Rate limits.
#[derive(Debug, Clone)]
pub struct LimitMetrics {
    limited: IntCounterVec,
}

impl LimitMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        Self {
            limited: counters.labelled(
                "chatd_rate_limited_total",
                "What was refused by a rate limit.",
                "kind",
            ),
        }
    }

    /// Makes the kinds known.
    pub fn prepare<'a>(&self, kinds: impl IntoIterator<Item = &'a str>) {
        prepare(&self.limited, kinds);
    }

    /// Counts something that a rate limit refused.
    pub fn limited(&self, kind: &str) {
        count(&self.limited, kind);
    }
}

/// Events of sockets, and refusals by both doors.
#[derive(Debug, Clone)]
pub struct EventMetrics {
    /// Messages that were stored; one that was sent again is not.
    pub messages: Counter,
    /// Those of them that are of rooms.
    pub room_messages: Counter,
    recoveries: IntCounterVec,
    errors: IntCounterVec,
}

impl EventMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        let made = Self {
            messages: counters.one(
                "chatd_messages_total",
                "Messages stored; one that was sent again under its client_id is not.",
            ),
            room_messages: counters.one(
                "chatd_room_messages_total",
                "Messages stored in rooms, which chatd_messages_total counts too.",
            ),
            recoveries: counters.labelled(
                "chatd_recoveries_total",
                "Sockets that came back and were recovered, or began afresh.",
                "outcome",
            ),
            errors: counters.labelled(
                "chatd_errors_total",
                "Refusals by events and by REST.",
                "code",
            ),
        };
        prepare(&made.recoveries, ["recovered", "fresh"]);
        made
    }

    /// Makes the codes known.
    pub fn prepare<'a>(&self, codes: impl IntoIterator<Item = &'a str>) {
        prepare(&self.errors, codes);
    }

    /// Counts a socket that came back.
    pub fn came_back(&self, is_recovered: bool) {
        let outcome = if is_recovered { "recovered" } else { "fresh" };
        count(&self.recoveries, outcome);
    }

    /// Counts a refusal with this code.
    pub fn refused(&self, code: &str) {
        count(&self.errors, code);
    }
}

/// Hooks.
#[derive(Debug, Clone)]
pub struct HookMetrics {
    requests: IntCounterVec,
    messages: IntCounterVec,
}

impl HookMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        let made = Self {
            requests: counters.labelled(
                "chatd_hook_requests_total",
                "Requests of outgoing hooks: told, failed and to be tried again, set aside after ten refusals, or gone.",
                "outcome",
            ),
            messages: counters.labelled(
                "chatd_hook_messages_total",
                "Messages that came by incoming hooks, written or refused.",
                "outcome",
            ),
        };
        prepare(&made.requests, ["told", "failed", "set_aside", "gone"]);
        prepare(&made.messages, ["written", "refused"]);
        made
    }

    /// Counts a request of an outgoing hook.
    pub fn asked(&self, outcome: &str) {
        count(&self.requests, outcome);
    }

    /// Counts a message that came by a hook.
    pub fn written(&self, outcome: &str) {
        count(&self.messages, outcome);
    }
}

/// Pushes to browsers.
#[derive(Debug, Clone)]
pub struct PushMetrics {
    pushes: IntCounterVec,
}

impl PushMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        let made = Self {
            pushes: counters.labelled(
                "chatd_pushes_total",
                "Messages to push services: taken, refused, for a subscription that is gone, not taken now, failed after all tries, withdrawn before they went out, or lost to a full queue.",
                "outcome",
            ),
        };
        let outcomes = [
            "taken",
            "refused",
            "gone",
            "not_now",
            "failed",
            "withdrawn",
            "lost",
        ];
        prepare(&made.pushes, outcomes);
        made
    }

    /// Counts what became of a message.
    pub fn pushed(&self, outcome: &str) {
        count(&self.pushes, outcome);
    }

    /// Counts something of which nobody was told, since too much waits.
    pub fn lost(&self) {
        self.pushed("lost");
    }
}

/// Requests that routes answer.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
}

impl HttpMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        let made = Self {
            requests: counters.labelled(
                "chatd_http_requests_total",
                "Requests answered, those of sessions left out.",
                "status",
            ),
        };
        prepare(&made.requests, ["2xx", "3xx", "4xx", "5xx"]);
        made
    }

    /// Counts a request that was answered with this status.
    pub fn answered(&self, status: u16) {
        let class = match status {
            100..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        count(&self.requests, class);
    }
}

/// The search.
#[derive(Debug, Clone)]
pub struct SearchMetrics {
    seconds: Histogram,
    remade: Counter,
    failures: Counter,
}

impl SearchMetrics {
    pub(super) fn new(counters: &Counters<'_>) -> Self {
        Self {
            seconds: counters.histogram(
                "chatd_search_duration_seconds",
                "How long searches took, the reading of what they found included.",
                SECONDS,
            ),
            remade: counters.one(
                "chatd_search_remade_total",
                "Files of the search's index that were made anew, without what was erased or edited.",
            ),
            failures: counters.one(
                "chatd_search_failures_total",
                "Times that the search's index did not get on, mostly for want of room on the disk.",
            ),
        }
    }

    /// Notes how long a search took.
    pub fn searched(&self, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a file that was made anew.
    pub fn made_again(&self) {
        self.remade.inc();
    }

    /// Counts a time that the index did not get on.
    pub fn failed(&self) {
        self.failures.inc();
    }
}

/// Writes the default of each: counters that no scrape finds, for tests and for programs without a
/// listener.
macro_rules! unseen {
    ($($room:ident: $field:ident,)*) => {$(
        impl Default for $room {
            fn default() -> Self {
                Metrics::default().$field
            }
        }
    )*};
}

unseen! {
    StoreMetrics: store,
    SessionMetrics: sessions,
    ConnectionMetrics: connections,
    LimitMetrics: limits,
    EventMetrics: events,
    HttpMetrics: http,
    SearchMetrics: search,
    PushMetrics: pushes,
}
