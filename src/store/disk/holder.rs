//! Who has a data file open, for the message of whoever comes second.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The process that holds a file's lock, as far as the system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(Option<u32>);

impl Holder {
    /// Looks the file up in the kernel's list of locks.
    pub(crate) fn of(path: &Path) -> Self {
        let find = || {
            let metadata = std::fs::metadata(path).ok()?;
            let locks = std::fs::read_to_string("/proc/locks").ok()?;
            find_in(&locks, metadata.dev(), metadata.ino())
        };
        Self(find())
    }
}

/// The process of a line such as `3: FLOCK  ADVISORY  WRITE 13171 fe:00:10010657 0 EOF`.
fn find_in(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "FLOCK")
            .skip(3);
        let process = words.next()?.parse().ok()?;
        (words.next()? == file).then_some(process)
    })
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(process) => write!(f, "process {process}"),
            None => f.write_str("another process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_among_other_locks() {
        let locks = "1: OFDLCK ADVISORY  WRITE -1 fe:00:10010657 0 46\n\
                     2: FLOCK  ADVISORY  WRITE 7 fe:00:10010658 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13171 fe:00:10010657 0 EOF\n";
        assert_eq!(find_in(locks, 0xfe00, 10_010_657), Some(13_171));
        assert_eq!(find_in(locks, 0xfe00, 1), None);
        assert_eq!(find_in(locks, 0xfd00, 10_010_657), None);
    }
}
