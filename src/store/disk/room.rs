//! How much of the disk the server leaves free, and what is to be said where there is less.

use std::fmt;

/// 32 MiB: with less room than that nothing is written. A transaction of 5,000 of the longest
/// messages takes 80 MB, but most take a few KB; and where this is too little the disk refuses,
/// which loses nothing either.
pub(crate) const RESERVE_BYTES: u64 = 32 << 20;

/// There is too little room to write anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// So many bytes are free.
    pub(crate) free: u64,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the disk of the data file has {} MiB free, and with less than {} MiB nothing is written: nobody can register or \
             send a message; make room, or give a --data on a larger disk",
            self.free >> 20,
            RESERVE_BYTES >> 20
        )
    }
}
