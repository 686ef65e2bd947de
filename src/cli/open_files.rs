//! How many clients find room where so many files may be open.

/// File descriptors that are kept for what is no client: the data file, the listener, requests that
/// come and go.
pub(super) const SPARE_FILES: usize = 256;

/// With room for fewer the log says so: shells start programs with 1,024 files, and mostly let them
/// have more.
pub(super) const FEW_CLIENTS: usize = 4_000;

/// Connections beside the sessions of a small server: a browser has six.
const FEW_REQUESTS: usize = 64;

/// Returns how many connections there may be: as many as files may be open, or the sessions that
/// were asked for and a quarter more, since requests come beside them. 0 sessions stand for as many
/// as there is room for.
pub(super) fn connections_for(sessions: usize, open_files: u64) -> usize {
    let most = connections_within(open_files);
    match sessions {
        0 => most,
        sessions => most.min(sessions.saturating_add(sessions / 4 + FEW_REQUESTS)),
    }
}

/// Returns how many sessions find room: an eighth of the connections is left for requests.
pub(super) fn sessions_within(open_files: u64) -> usize {
    let connections = connections_within(open_files);
    (connections - connections / 8).max(1)
}

/// Returns how many connections find room.
fn connections_within(open_files: u64) -> usize {
    usize::try_from(open_files)
        .unwrap_or(usize::MAX)
        .saturating_sub(SPARE_FILES)
        .max(1)
}

/// Returns what is to be said where the machine lets the program open no more files than for a few
/// clients, or than for the `wanted` ones.
pub(super) fn shortage_of_files(open_files: u64, wanted: usize) -> Option<String> {
    let most = sessions_within(open_files);
    let mend = "raise the hard limit (LimitNOFILE= in a unit of systemd, `ulimit -Hn` in a shell)";
    if wanted > most {
        return Some(format!(
            "only {open_files} files may be open, so that fewer clients than the --max-connections {wanted} find room: {mend}"
        ));
    }
    (wanted == 0 && most < FEW_CLIENTS).then(|| {
        format!(
            "only {open_files} files may be open, so that at most {most} clients find room: {mend}"
        )
    })
}
