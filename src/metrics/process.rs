//! What the kernel knows of this process.

/// Returns its resident memory, from the line `VmRSS: 5120 kB` of
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1_024)
}

/// Returns how many file descriptors it has open.
pub(super) fn open_files() -> Option<usize> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?;
    // One of them is this look itself.
    Some(open.count().saturating_sub(1))
}
