//! Measures chatd's store: its writes beside SQLite's, a large file, how that opens, how it is
//! read.
//!
//! ```text
//! cargo run --release --manifest-path tests/bench/Cargo.toml -- store --dir FOLDER
//! cargo run --release --manifest-path tests/bench/Cargo.toml -- fill --messages NUMBER --data FILE
//! cargo run --release --manifest-path tests/bench/Cargo.toml -- open --data FILE [--kill]
//! cargo run --release --manifest-path tests/bench/Cargo.toml -- read --data FILE
//! ```
//!
//! What a mode measures, how, and what it does not, stands at the head of `writes.rs` (`store`),
//! `files.rs` (`fill`, `open`) and `reads.rs` (`read`). Every mode ends by itself. Needs Linux: the
//! numbers of processes and disks come from `/proc`.

#![expect(
    clippy::print_stdout,
    reason = "a measurement is for whoever started it"
)]

mod files;
mod ours;
mod reads;
mod sqlite;
mod workload;
mod writes;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use rustix::time::{ClockId, clock_gettime};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures chatd's store, and SQLite beside it.
#[derive(Parser)]
enum Mode {
    /// Writes: chatd and SQLite in turns, a table, and the project's targets.
    Store(writes::Args),
    /// Makes a large file and closes it.
    Fill(files::Fill),
    /// Times the opening of a file, with a cold and a warm page cache, and weighs what is derived
    /// from it.
    Open {
        /// The file.
        #[arg(long)]
        data: PathBuf,
        /// Have another process write to it and killed first; adds messages to the file.
        #[arg(long)]
        kill: bool,
    },
    /// Times history and recents, for one reader.
    Read {
        /// The file.
        #[arg(long)]
        data: PathBuf,
        /// How many of each query.
        #[arg(long, default_value_t = 20_000)]
        queries: usize,
    },
    /// A process of `open`: opens once.
    #[command(hide = true)]
    OpenOnce {
        #[arg(long)]
        data: PathBuf,
    },
    /// A process of `open --kill`: writes until it is killed.
    #[command(hide = true)]
    WriteOn {
        #[arg(long)]
        data: PathBuf,
    },
}

fn main() -> Result<(), Error> {
    match Mode::parse() {
        Mode::Store(args) => writes::compare(&args),
        Mode::Fill(args) => files::fill(&args),
        Mode::Open { data, kill: false } => files::open(&data),
        Mode::Open { data, kill: true } => files::open_after_kill(&data),
        Mode::Read { data, queries } => reads::read(&data, queries),
        Mode::OpenOnce { data } => files::open_once(&data),
        Mode::WriteOn { data } => files::write_on(&data),
    }
}

/// The bytes that a file has on its disk; holes are none.
fn allocated(path: &Path) -> Result<u64, Error> {
    Ok(std::fs::metadata(path)?.blocks() * 512)
}

/// A number of one of this process's files in `/proc/self`, by the beginning of its line.
fn own(file: &str, name: &str) -> Result<u64, Error> {
    let text = std::fs::read_to_string(Path::new("/proc/self").join(file))?;
    let mut found = text.lines().filter_map(|line| line.strip_prefix(name));
    let words = found
        .next()
        .ok_or_else(|| format!("/proc/self/{file} has no {name}"))?;
    let number = words.split_whitespace().next().unwrap_or_default();
    Ok(number.parse()?)
}

/// What has been used so far.
struct Usage {
    /// User and system time of all threads.
    cpu: Duration,
    /// Bytes that were written to the folder's disk by anybody; `None` where the folder's disk is
    /// not in the list of disks.
    device: Option<u64>,
    /// Bytes of the page cache that this process dirtied.
    dirty: u64,
}

impl Usage {
    fn now(dir: &Path) -> Result<Self, Error> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let device = std::fs::metadata(dir)?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let disks = std::fs::read_to_string("/proc/diskstats")?;
        let sectors = disks.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let here = words.next()?.parse() == Ok(major) && words.next()?.parse() == Ok(minor);
            here.then(|| words.nth(7)?.parse::<u64>().ok()).flatten()
        });
        Ok(Self {
            cpu: Duration::new(cpu.tv_sec.unsigned_abs(), u32::try_from(cpu.tv_nsec)?),
            device: sectors.map(|sectors| sectors * 512),
            dirty: own("io", "write_bytes:")?,
        })
    }
}

/// The smallest value that is not less than this part of all.
fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted
        .get(at.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}
