//! The limit of open files, which is that of connections.

use crate::Error;

/// What chatd keeps for itself of the files that it may open, and a little more for a generator's
/// own.
const KEPT: u64 = 300;
/// More are not asked for: what a loopback of some addresses and a test machine's memory hold.
const MOST: u64 = 100_000;

/// Raises the limit as far as is allowed, here and for the servers that are started from here, and
/// gives how many connections it leaves room for.
pub(crate) fn connections() -> Result<usize, Error> {
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    let left = files.saturating_sub(KEPT);
    // chatd leaves an eighth for requests.
    Ok(usize::try_from((left - left / 8).min(MOST))?)
}
