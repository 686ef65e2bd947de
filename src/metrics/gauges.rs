//! The state of the server at a scrape: each gauge with its field, name and help in one table.

use prometheus::proto::MetricFamily;
use prometheus::{Gauge, Opts, Registry};

use super::process;
use super::registry::register;

/// A reading as Prometheus has it.
trait Value {
    fn value(self) -> f64;
}

// No count here is so great that a float cannot hold it.
impl Value for usize {
    fn value(self) -> f64 {
        self as f64
    }
}

impl Value for u64 {
    fn value(self) -> f64 {
        self as f64
    }
}

impl Value for bool {
    fn value(self) -> f64 {
        f64::from(u8::from(self))
    }
}

impl Value for f64 {
    fn value(self) -> f64 {
        self
    }
}

/// A gauge: name, label if there is one, help, value.
type Row = (
    &'static str,
    Option<(&'static str, &'static str)>,
    &'static str,
    f64,
);

/// Writes the struct and its rows from one table.
macro_rules! gauges {
    ($($field:ident: $kind:ty = $name:literal $({$label:ident = $word:literal})?, $help:literal;)*) => {
        /// The state of the server at a scrape.
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        pub struct Readings {
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl Readings {
            fn rows(&self) -> Vec<Row> {
                vec![$((
                    $name,
                    gauges!(@label $($label = $word)?),
                    $help,
                    self.$field.value(),
                ),)*]
            }
        }
    };
    (@label) => { None };
    (@label $label:ident = $word:literal) => { Some((stringify!($label), $word)) };
}

gauges! {
    polling_sessions: usize = "chatd_sessions" {transport = "polling"}, "Open sessions by transport.";
    websocket_sessions: usize = "chatd_sessions" {transport = "websocket"}, "Open sessions by transport.";
    connections: usize = "chatd_connections", "Open connections of clients, WebSockets included.";
    http_connections: usize = "chatd_http_connections",
        "Open connections that speak HTTP; those that became WebSockets are sessions.";
    sockets: usize = "chatd_sockets", "Connected sockets.";
    users_online: usize = "chatd_users_online", "People with at least one connected socket.";
    rooms: usize = "chatd_rooms", "Rooms, archived ones among them.";
    login_sessions: usize = "chatd_login_sessions", "Logins that have not ended.";
    open_reports: usize = "chatd_open_reports", "Reports that no administrator has closed.";
    waiting_marks: usize = "chatd_waiting_room_marks",
        "Marks in rooms that wait until their reader's last one is a second old.";
    queued_changes: usize = "chatd_writer_queue_changes", "Changes that wait for the writer.";
    queued_bytes: usize = "chatd_writer_queue_bytes", "Bytes of changes that wait for the writer.";
    outbox_frames: usize = "chatd_outbox_frames", "Frames that wait for clients.";
    outbox_bytes: usize = "chatd_outbox_bytes", "Bytes that wait for clients.";
    outbox_largest_bytes: usize = "chatd_outbox_largest_bytes",
        "Bytes that wait for the client that reads slowest.";
    answer_bytes: usize = "chatd_answer_bytes",
        "Bytes of answers over 4 KiB that clients have not taken yet.";
    half_received_bytes: usize = "chatd_half_received_bytes",
        "Bytes that clients have sent of what is not yet complete.";
    database_bytes: u64 = "chatd_database_bytes", "Size of the data file.";
    files: u64 = "chatd_files", "Files that people sent, and uploads that are not whole.";
    files_bytes: u64 = "chatd_files_bytes",
        "Bytes of files on the disk.";
    active_hooks: usize = "chatd_hooks" {state = "active"}, "Outgoing hooks by how they fare.";
    failing_hooks: usize = "chatd_hooks" {state = "failing"}, "Outgoing hooks by how they fare.";
    paused_hooks: usize = "chatd_hooks" {state = "paused"}, "Outgoing hooks by how they fare.";
    hooks_behind: u64 = "chatd_hooks_behind_entries",
        "Entries of the log that the outgoing hook which is furthest behind, paused ones left out, has not told of.";
    search_behind: u64 = "chatd_search_behind_entries",
        "Entries of the log that the search has not indexed yet.";
    search_bytes: u64 = "chatd_search_bytes", "Bytes of the files of the search's index.";
    search_parts: usize = "chatd_search_files", "Files of the search's index.";
    search_stale_parts: usize = "chatd_search_stale_files",
        "Files of the search's index that hold something that was edited or erased, and will be made anew.";
    push_subscriptions: usize = "chatd_push_subscriptions", "Browsers that are pushed to.";
    waiting_pushes: usize = "chatd_waiting_pushes",
        "Messages that wait for push services, those to be tried again among them.";
    log_entries: u64 = "chatd_log_entries", "Messages and read marks ever stored.";
    is_writable: bool = "chatd_writable",
        "1 while changes can be written, 0 while the disk takes none.";
    erased_seconds: f64 = "chatd_erased_age_seconds",
        "Age of the oldest erased content that may still lie in free pages of the data file; 0 for none.";
    lacks_room_to_erase: bool = "chatd_erasure_lacks_room",
        "1 while the disk has no room to rewrite the data file without what was erased.";
    doubts_clock: bool = "chatd_clock_doubted",
        "1 while the machine's clock is over a day off what the data file knows, so that nothing is taken away by it.";
    open_seconds: f64 = "chatd_open_duration_seconds",
        "How long opening the data file took at the start.";
}

/// The program's version, as a label.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns what was read, and what the kernel knows of the process.
pub(super) fn gather(readings: &Readings) -> Vec<MetricFamily> {
    let registry = Registry::new();
    let mut rows = readings.rows();
    let version = Some(("version", VERSION));
    let build = "1, with the version of the program.";
    rows.push(("chatd_build_info", version, build, 1.0));
    if let Some(bytes) = process::resident_bytes() {
        let help = "Resident memory size in bytes.";
        rows.push(("process_resident_memory_bytes", None, help, bytes.value()));
    }
    if let Some(open) = process::open_files() {
        let help = "Open file descriptors.";
        rows.push(("process_open_fds", None, help, open.value()));
    }
    for (name, label, help, value) in rows {
        let mut options = Opts::new(name, help);
        if let Some((label, word)) = label {
            options = options.const_label(label, word);
        }
        let gauge = Gauge::with_opts(options).expect("the name is one");
        register(&registry, gauge).set(value);
    }
    registry.gather()
}
