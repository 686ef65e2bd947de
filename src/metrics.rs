//! What the process counts of itself, in Prometheus' terms, and how that is written down.
//!
//! One set of counters for the process, so that a hook is one line wherever something happens. On the way of a message
//! they cost an atomic addition; what has labels (closings, refusals) looks its counter up, which nobody does for each
//! message. What is a state and no event is read when somebody asks: [`Readings`]. Labels are words of ours, never names
//! or addresses: their number is fixed. Knows nobody; `server` has the listener.

use std::sync::LazyLock;
use std::time::Instant;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// From an SSD that does not sync (0.1 ms) to a disk that has a crisis.
const SECONDS: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];
/// Up to a full transaction.
const CHANGES: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
];

/// The process's counters.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// See [`METRICS`].
pub struct Metrics {
    registry: Registry,
    /// Messages that were stored; one that was sent again is not.
    pub messages: IntCounter,
    commit_seconds: Histogram,
    commit_changes: Histogram,
    commit_failures: IntCounter,
    fsync_seconds: Histogram,
    closes: IntCounterVec,
    recoveries: IntCounterVec,
    rate_limited: IntCounterVec,
    errors: IntCounterVec,
    requests: IntCounterVec,
    refused_connections: IntCounterVec,
    cut_connections: IntCounterVec,
    /// Answers that were refused because too many others wait to be read.
    pub refused_answers: IntCounter,
}

/// What is the case when somebody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Readings {
    /// TCP connections of clients.
    pub connections: usize,
    /// TCP connections that speak HTTP; those that became WebSockets are not among them.
    pub http_connections: usize,
    /// Sessions that speak by HTTP requests.
    pub polling_sessions: usize,
    /// Sessions on a WebSocket.
    pub websocket_sessions: usize,
    /// Sockets in the namespace of the chat.
    pub sockets: usize,
    /// People with at least one socket.
    pub users_online: usize,
    /// Changes that wait for the writer.
    pub queued_changes: usize,
    /// Bytes of content among them.
    pub queued_bytes: usize,
    /// Frames that wait for clients, of all sessions.
    pub outbox_frames: usize,
    /// Their bytes.
    pub outbox_bytes: usize,
    /// Bytes of the session that has most.
    pub outbox_largest_bytes: usize,
    /// Bytes of answers that are not yet written.
    pub answer_bytes: usize,
    /// Bytes of what is half received.
    pub half_received_bytes: usize,
    /// The size of the data file; 0 where there is none.
    pub database_bytes: u64,
    /// The newest entry of the log: messages and read marks ever stored.
    pub log_entries: u64,
    /// Whether changes can be written.
    pub is_writable: bool,
    /// How long opening the data file took, with what had to be replayed.
    pub open_seconds: f64,
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let made = IntCounter::new(name, help).expect("the name is one");
            register(&registry, made)
        };
        let counters = |name: &str, help: &str, label: &str| {
            let made = IntCounterVec::new(Opts::new(name, help), &[label]);
            register(&registry, made.expect("the name is one"))
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let made = Histogram::with_opts(options).expect("the name is one, and buckets ascend");
            register(&registry, made)
        };
        Self {
            messages: counter(
                "chatd_messages_total",
                "Messages stored; one that was sent again under its client_id is not.",
            ),
            commit_seconds: histogram(
                "chatd_commit_duration_seconds",
                "From taking queued changes to their being on disk.",
                SECONDS,
            ),
            commit_changes: histogram(
                "chatd_commit_changes",
                "Changes that shared a commit.",
                CHANGES,
            ),
            commit_failures: counter(
                "chatd_commit_failures_total",
                "Commits that failed or were refused: nothing in them was confirmed.",
            ),
            fsync_seconds: histogram(
                "chatd_fsync_duration_seconds",
                "How long the disk took to sync.",
                SECONDS,
            ),
            closes: counters(
                "chatd_session_closes_total",
                "Sessions that ended; slow_consumer are clients that did not read.",
                "reason",
            ),
            recoveries: counters(
                "chatd_recoveries_total",
                "Sockets that came back and were recovered, or began afresh.",
                "outcome",
            ),
            rate_limited: counters(
                "chatd_rate_limited_total",
                "What was refused by a rate limit.",
                "kind",
            ),
            errors: counters(
                "chatd_errors_total",
                "Refusals by events and by REST.",
                "code",
            ),
            requests: counters(
                "chatd_http_requests_total",
                "Requests answered, those of sessions left out.",
                "status",
            ),
            refused_connections: counters(
                "chatd_refused_connections_total",
                "Connections that were not taken: no place in all, none for the address, too many TLS handshakes of it.",
                "reason",
            ),
            cut_connections: counters(
                "chatd_cut_connections_total",
                "Connections that made way while idle, and connections or HTTP/2 streams whose answers were not read.",
                "reason",
            ),
            refused_answers: counter(
                "chatd_refused_answers_total",
                "Answers that were refused because too many others wait to be read.",
            ),
            registry,
        }
    }

    /// Makes every label that there can be known, so that all are seen from the start.
    pub fn prepare<'a>(
        &self,
        reasons: impl IntoIterator<Item = &'a str>,
        kinds: impl IntoIterator<Item = &'a str>,
        codes: impl IntoIterator<Item = &'a str>,
    ) {
        let prepare = |counters: &IntCounterVec, label: &str| {
            counters.with_label_values(&[label]);
        };
        reasons
            .into_iter()
            .for_each(|reason| prepare(&self.closes, reason));
        kinds
            .into_iter()
            .for_each(|kind| prepare(&self.rate_limited, kind));
        codes
            .into_iter()
            .for_each(|code| prepare(&self.errors, code));
        for outcome in ["recovered", "fresh"] {
            prepare(&self.recoveries, outcome);
        }
        for status in ["2xx", "3xx", "4xx", "5xx"] {
            prepare(&self.requests, status);
        }
        for reason in ["full", "address", "handshakes"] {
            prepare(&self.refused_connections, reason);
        }
        for reason in ["idle", "slow"] {
            prepare(&self.cut_connections, reason);
        }
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

    /// A connection was not taken.
    pub fn turned_away(&self, reason: &str) {
        self.refused_connections.with_label_values(&[reason]).inc();
    }

    /// A connection, or a stream of it, was ended.
    pub fn cut(&self, reason: &str) {
        self.cut_connections.with_label_values(&[reason]).inc();
    }

    /// A session ended.
    pub fn closed(&self, reason: &str) {
        self.closes.with_label_values(&[reason]).inc();
    }

    /// A socket came back.
    pub fn came_back(&self, is_recovered: bool) {
        let outcome = if is_recovered { "recovered" } else { "fresh" };
        self.recoveries.with_label_values(&[outcome]).inc();
    }

    /// A rate limit was met.
    pub fn limited(&self, kind: &str) {
        self.rate_limited.with_label_values(&[kind]).inc();
    }

    /// Something was refused.
    pub fn refused(&self, code: &str) {
        self.errors.with_label_values(&[code]).inc();
    }

    /// A request was answered with this status.
    pub fn answered(&self, status: u16) {
        let class = match status {
            100..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.requests.with_label_values(&[class]).inc();
    }

    /// Everything as Prometheus reads it, `text/plain; version=0.0.4`.
    pub fn text(&self, readings: &Readings) -> String {
        let mut families = self.registry.gather();
        families.extend(gauges(readings).gather());
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "the metrics could not be written down");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, made: C) -> C {
    registry
        .register(Box::new(made.clone()))
        .expect("every name is used once");
    made
}

/// What was read, and what the kernel knows of the process.
fn gauges(readings: &Readings) -> Registry {
    let registry = Registry::new();
    let gauge = |name: &str, help: &str, value: f64| {
        let made = register(&registry, Gauge::new(name, help).expect("the name is one"));
        made.set(value);
    };
    let gauges = |name: &str, help: &str, label: &str, values: &[(&str, usize)]| {
        let made = IntGaugeVec::new(Opts::new(name, help), &[label]).expect("the name is one");
        let made = register(&registry, made);
        for (word, value) in values {
            let value = i64::try_from(*value).unwrap_or(i64::MAX);
            made.with_label_values(&[*word]).set(value);
        }
    };
    gauges(
        "chatd_build_info",
        "1, with the version of the program.",
        "version",
        &[(env!("CARGO_PKG_VERSION"), 1)],
    );
    gauges(
        "chatd_sessions",
        "Open sessions by transport.",
        "transport",
        &[
            ("polling", readings.polling_sessions),
            ("websocket", readings.websocket_sessions),
        ],
    );
    // No count below is so great that a float cannot hold it.
    for (name, help, value) in [
        (
            "chatd_connections",
            "Open connections of clients, WebSockets included.",
            readings.connections as f64,
        ),
        (
            "chatd_http_connections",
            "Open connections that speak HTTP; those that became WebSockets are sessions.",
            readings.http_connections as f64,
        ),
        (
            "chatd_sockets",
            "Connected sockets.",
            readings.sockets as f64,
        ),
        (
            "chatd_users_online",
            "People with at least one connected socket.",
            readings.users_online as f64,
        ),
        (
            "chatd_writer_queue_changes",
            "Changes that wait for the writer.",
            readings.queued_changes as f64,
        ),
        (
            "chatd_writer_queue_bytes",
            "Bytes of content that wait for the writer.",
            readings.queued_bytes as f64,
        ),
        (
            "chatd_outbox_frames",
            "Frames that wait for clients.",
            readings.outbox_frames as f64,
        ),
        (
            "chatd_outbox_bytes",
            "Bytes that wait for clients.",
            readings.outbox_bytes as f64,
        ),
        (
            "chatd_outbox_largest_bytes",
            "Bytes that wait for the client that reads slowest.",
            readings.outbox_largest_bytes as f64,
        ),
        (
            "chatd_answer_bytes",
            "Bytes of answers over 4 KiB that clients have not taken yet.",
            readings.answer_bytes as f64,
        ),
        (
            "chatd_half_received_bytes",
            "Bytes that clients have sent of what is not yet complete.",
            readings.half_received_bytes as f64,
        ),
        (
            "chatd_database_bytes",
            "Size of the data file.",
            readings.database_bytes as f64,
        ),
        (
            "chatd_log_entries",
            "Messages and read marks ever stored.",
            readings.log_entries as f64,
        ),
        (
            "chatd_writable",
            "1 while changes can be written, 0 while the disk takes none.",
            f64::from(u8::from(readings.is_writable)),
        ),
        (
            "chatd_open_duration_seconds",
            "How long opening the data file took at the start.",
            readings.open_seconds,
        ),
    ] {
        gauge(name, help, value);
    }
    if let Some(bytes) = resident_bytes() {
        gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            bytes as f64,
        );
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // One of them is this look itself.
        let open = open.count().saturating_sub(1);
        gauge("process_open_fds", "Open file descriptors.", open as f64);
    }
    registry
}

/// From the line `VmRSS: 5120 kB` of <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1_024)
}
