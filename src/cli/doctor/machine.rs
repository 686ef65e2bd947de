//! This machine: the data file and its folder, room, writes, limits, the clock.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::report::Report;
use crate::cli::failure;
use crate::cli::open_files::{FEW_CLIENTS, SPARE_FILES};
use crate::model::Timestamp;
use crate::server::clock;

/// Writes that are timed, at most.
const WRITES: usize = 64;
/// No further write is begun after this time.
const WRITING: Duration = Duration::from_secs(3);
/// 4 KiB: a page, as a small transaction writes.
const WRITE_BYTES: usize = 4096;
/// A disk slower than this lets people wait: it is a spinning one, or shared with a greedy
/// neighbour.
const SLOW: Duration = Duration::from_millis(50);
/// With less room the server takes no messages (32 MiB) or makes no backup (64 MiB).
const NO_ROOM: u64 = 64 << 20;
/// With less room it is time to look for more.
const LITTLE_ROOM: u64 = 1 << 30;

/// Looks at all of it.
pub(super) fn examine(data: &Path, report: &mut Report) {
    let folder = failure::folder(data);
    if folder_is_usable(folder, data, report) {
        kind_of_disk(folder, report);
        room(folder, data, report);
        writes(data, report);
    }
    data_file(data, report);
    open_files(report);
    machine_clock(data, report);
}

/// Returns whether there is a folder in which files can be made.
fn folder_is_usable(folder: &Path, data: &Path, report: &mut Report) -> bool {
    let what = "data folder";
    let name = folder.display();
    let metadata = match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            report.wrong(what, &format!("{name} is no folder: give another --data"));
            return false;
        }
        Err(error) => {
            report.wrong(what, &trouble(data, &error));
            return false;
        }
    };
    if let Err(error) = scratch(data).and_then(|scratch| scratch.remove()) {
        report.wrong(what, &trouble(data, &error));
        return false;
    }
    let mode = metadata.permissions().mode();
    // A user who may write a folder may put another file in the place of ours; a sticky bit forbids
    // that.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        report.wrong(
            what,
            &format!(
                "{name} can be written by others (mode {:o}): chmod go-w {name}",
                mode & 0o7777
            ),
        );
    } else {
        report.good(
            what,
            &format!(
                "{name}, writable, of user {}, mode {:o}",
                metadata.uid(),
                mode & 0o7777
            ),
        );
    }
    true
}

/// The words for a path that cannot be used.
fn trouble(data: &Path, error: &io::Error) -> String {
    failure::path(data, error.kind()).unwrap_or_else(|| format!("{}: {error}", data.display()))
}

/// A file beside the data file that is there for as long as this is.
struct Scratch {
    file: File,
    path: PathBuf,
}

fn scratch(data: &Path) -> io::Result<Scratch> {
    let mut path = data.as_os_str().to_owned();
    path.push(".doctor");
    let path = PathBuf::from(path);
    // One that was killed left its own.
    let _ = std::fs::remove_file(&path);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    Ok(Scratch { file, path })
}

impl Scratch {
    fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// File systems that are no place for a database, by their number in statfs(2).
fn kind_of_disk(folder: &Path, report: &mut Report) {
    let Ok(found) = rustix::fs::statfs(folder) else {
        return;
    };
    // The width of the number differs between machines; none of these has more than 32 bits.
    let doubt = match found.f_type as u32 {
        0x0102_1994 => {
            "is memory (tmpfs): what is in it is gone when the machine stops; give another --data"
        }
        0x6969 | 0xfe53_4d42 | 0xff53_4d42 => {
            "is on another machine: locks and syncs may not hold there; give a --data on a disk of this one"
        }
        0x794c_7630 => {
            "is a container's own layer: what is in it is gone with the container; mount a volume for --data"
        }
        _ => return,
    };
    report.doubt("disk", &format!("{} {doubt}", folder.display()));
}

fn room(folder: &Path, data: &Path, report: &mut Report) {
    let what = "free space";
    // The file may be on another disk than its folder: mounted, or behind a link.
    let disk = if data.exists() { data } else { folder };
    let room = match rustix::fs::statvfs(disk) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => return report.wrong(what, &format!("the disk does not say: {error}")),
    };
    let size = std::fs::metadata(data).map_or(0, |data| data.len());
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let found = format!("{} beside {} of data", mib(room), mib(size));
    if room < NO_ROOM {
        report.wrong(
            what,
            &format!("{found}: make room, or give a --data on a larger disk; with less than 32 MiB nothing is written, no message and no account, with less than 64 no backup made"),
        );
    } else if room < LITTLE_ROOM || room < size {
        report.doubt(
            what,
            &format!(
                "{found}: make room; a backup or a compaction beside the data needs as much again"
            ),
        );
    } else {
        report.good(what, &found);
    }
}

/// Times small writes until they are on the disk, which is what every confirmation waits for.
fn writes(data: &Path, report: &mut Report) {
    let what = "fsync";
    let mut times = match time_writes(data) {
        Ok(times) => times,
        Err(error) => return report.wrong(what, &trouble(data, &error)),
    };
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let longest = times.last().copied().unwrap_or_default();
    let found = format!(
        "median {:.2} ms, longest {:.2} ms of {}",
        median.as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3,
        times.len()
    );
    if median > SLOW {
        report.doubt(
            what,
            &format!("{found}: every confirmation waits that long; use a faster disk, or one that is less busy"),
        );
    } else {
        report.good(what, &found);
    }
}

fn time_writes(data: &Path) -> io::Result<Vec<Duration>> {
    let mut scratch = scratch(data)?;
    let page = [0x5a; WRITE_BYTES];
    let mut times = Vec::with_capacity(WRITES);
    let begun = Instant::now();
    while times.len() < WRITES && begun.elapsed() < WRITING {
        let began = Instant::now();
        scratch.file.write_all(&page)?;
        scratch.file.sync_data()?;
        times.push(began.elapsed());
    }
    scratch.remove()?;
    Ok(times)
}

fn data_file(data: &Path, report: &mut Report) {
    let what = "data file";
    let name = data.display();
    let metadata: Metadata = match std::fs::metadata(data) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return report.good(what, &format!("{name} is made by the first start"));
        }
        Err(error) => return report.wrong(what, &trouble(data, &error)),
    };
    if metadata.is_dir() {
        return report.wrong(what, &trouble(data, &io::ErrorKind::IsADirectory.into()));
    }
    if let Err(error) = OpenOptions::new().read(true).write(true).open(data) {
        return report.wrong(what, &trouble(data, &error));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return report.wrong(
            what,
            &format!("{name} is open to others (mode {mode:o}), and holds every message: chmod 600 {name}"),
        );
    }
    report.good(
        what,
        &format!("{name}, of user {}, mode {mode:o}", metadata.uid()),
    );
}

fn open_files(report: &mut Report) {
    let what = "open files";
    let (_, hard) = match rlimit::Resource::NOFILE.get() {
        Ok(limits) => limits,
        Err(error) => return report.wrong(what, &format!("the limit is not known: {error}")),
    };
    let clients = usize::try_from(hard)
        .unwrap_or(usize::MAX)
        .saturating_sub(SPARE_FILES);
    let found =
        format!("{hard} allowed (here; the server's may be another), room for {clients} clients");
    if clients < FEW_CLIENTS {
        report.doubt(
            what,
            &format!("{found}: raise the hard limit (LimitNOFILE= in a unit of systemd, ulimit -Hn in a shell)"),
        );
    } else {
        report.good(what, &found);
    }
}

/// The newest change of the data file was made by this machine's clock, or by one that is to be
/// compared with it.
fn machine_clock(data: &Path, report: &mut Report) {
    let changed = std::fs::metadata(data)
        .and_then(|data| data.modified())
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_millis()).ok());
    let newest = Timestamp::from_ms(changed.unwrap_or(0));
    let now = Timestamp::now();
    match clock::oddity(now, newest) {
        Some(oddity) => report.wrong(
            "clock",
            &format!("{oddity}; set it, as by timedatectl set-ntp true"),
        ),
        None => report.good("clock", &now.to_string()),
    }
}
