//! Mode `disk`: what the disk takes for 4 KiB appended and synced, which no durable server can do
//! without.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Error;
use crate::talk::{Waits, waits};

/// Appends 4 KiB and calls fdatasync, over and over.
pub(crate) fn probe(dir: &Path, time: Duration) -> Result<Waits, Error> {
    std::fs::create_dir_all(dir)?;
    let mut file: File = tempfile::tempfile_in(dir)?;
    let block = [0x55; 4_096];
    let mut waits = waits()?;
    let begin = Instant::now();
    while begin.elapsed() < time {
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        waits.saturating_record(began.elapsed().as_nanos() as u64);
    }
    Ok(waits)
}
