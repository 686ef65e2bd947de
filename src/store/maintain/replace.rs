//! Making one data file of another: backup, compaction, restore. Each new file is checked before it
//! gets its name.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::copy::RESERVE_BYTES;
use super::derive::check_whole;
use super::file::{DATABASE, is_on_disk_of, sync_folder};
use super::undone::{Undone, undone};
use super::{
    Copying, Counts, MaintainError, Partial, Progress, STEP_BYTES, Source, Unit, Watch, guard,
};
use crate::model::Timestamp;
use crate::store::disk::error::OpenError;
use crate::store::disk::guard::guarded;
use crate::store::disk::holder::Holder;
use crate::store::disk::medium::{LockedFile, Medium};
use crate::store::disk::open::open_database;
use crate::store::disk::schema::{self, Renewed};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::options::page_cache_of_command;
use crate::store::tables::{CONVERSATIONS, USERS};

/// 1 MiB: how much is copied at once, byte for byte.
const CHUNK_BYTES: u64 = 1 << 20;

impl Source {
    /// Copies everything of the file at `data` into a file in the making.
    fn copy_to(
        &self,
        data: &Path,
        partial: &Partial,
        is_backup: bool,
        watch: Watch<'_>,
    ) -> Result<(), MaintainError> {
        let copying = Copying {
            is_backup,
            database: &|| Ok(Arc::clone(&self.db)),
            beside_writer: false,
            step_bytes: STEP_BYTES,
            reserve: match is_on_disk_of(partial.file(), data) {
                true => RESERVE_BYTES,
                false => 0,
            },
            given_up: &AtomicBool::new(false),
        };
        guard(|| copying.run(partial.medium(), watch))
    }

    /// Counts what there is.
    pub(super) fn counts(&self) -> Result<Counts, StoreError> {
        let count = || {
            let txn = self.db.begin_read()?;
            Ok(Counts {
                accounts: txn.open_table(USERS)?.len()?,
                conversations: txn.open_table(CONVERSATIONS)?.len()?,
                entries: Log::open_any(&txn)?.last()?,
            })
        };
        guarded(count).unwrap_or_else(Err)
    }
}

impl Partial {
    /// Checks what was written, a copy of `source`, and makes it durable under its name, which must
    /// be free.
    pub fn keep_whole(self, source: &Path, watch: Watch<'_>) -> Result<Counts, MaintainError> {
        let counts = check_whole(&self.medium(), source, watch)?;
        self.keep()?;
        Ok(counts)
    }

    /// Checks what was written, a copy of `source`, and sends it.
    pub fn send_whole(
        self,
        source: &Path,
        out: &mut dyn Write,
        watch: Watch<'_>,
    ) -> Result<Counts, MaintainError> {
        let counts = check_whole(&self.medium(), source, watch)?;
        let mut copy = self.file();
        copy.seek(SeekFrom::Start(0))?;
        copy_bytes(copy, out, watch)?;
        out.flush()?;
        Ok(counts)
    }
}

/// Copies a stopped server's file, compactly, to one that must not be there yet.
pub fn backup(data: &Path, target: &Path, watch: Watch<'_>) -> Result<Counts, MaintainError> {
    let source = Source::of_file(data, true, watch)?;
    let partial = Partial::create_new(target)?;
    source.copy_to(data, &partial, true, watch)?;
    partial.keep_whole(data, watch)
}

/// [`backup`] to a file beside the data, which is removed when it is dropped. It is not checked
/// yet.
pub fn backup_aside(data: &Path, watch: Watch<'_>) -> Result<Partial, MaintainError> {
    let source = Source::of_file(data, true, watch)?;
    let mut name = data.as_os_str().to_owned();
    name.push(".backup");
    let partial = Partial::create(Path::new(&name))?;
    source.copy_to(data, &partial, true, watch)?;
    Ok(partial)
}

/// The outcome of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The bytes that the file had.
    pub before: u64,
    /// The bytes that it has.
    pub after: u64,
}

/// Puts a compact copy in the place of a stopped server's file. Until that moment the file is as it
/// was, however this ends; so it is where the file turns out to be damaged.
pub fn compact(data: &Path, watch: Watch<'_>) -> Result<Compacted, MaintainError> {
    // A link stays one; what it leads to is replaced.
    let data = &std::fs::canonicalize(data).map_err(OpenError::Io)?;
    let source = Source::of_file(data, true, watch)?;
    let before = source.backend.len_in_bytes();
    let partial = Partial::create(data)?;
    source.copy_to(data, &partial, false, watch)?;
    let counts = check_whole(&partial.medium(), data, watch)?;
    if counts != source.counts()? {
        return Err(MaintainError::Incomplete);
    }
    let after = partial.medium().len()?;
    partial.replace()?;
    Ok(Compacted { before, after })
}

/// The outcome of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What there is now.
    pub counts: Counts,
    /// The number of invites that the backup had, which have ended.
    pub invites: u64,
    /// Whether it has keys of bots and backends, or hooks: they wait to be confirmed.
    pub pauses: bool,
    /// The path of the file that was there before.
    pub kept: Option<PathBuf>,
    /// The deletions that are undone by it; `None` where there was no file that could be read.
    pub undone: Option<Undone>,
}

/// Has a file forget what must not go back in time: tokens and invites that were revoked since, and
/// cursors, since what a client heard of the file that is replaced may have the numbers of other
/// changes in this one.
fn renew(medium: &Arc<dyn Medium>, now: Timestamp) -> Result<Renewed, MaintainError> {
    let opened = open_database(medium, page_cache_of_command())?;
    opened.release().map_err(OpenError::Io)?;
    let renewed = schema::renew(&opened.db, now)?;
    opened.close().map_err(StoreError::from)?;
    medium.sync().map_err(OpenError::Io)?;
    Ok(renewed)
}

/// [`restore_from`] a file.
pub fn restore(
    backup: &Path,
    data: &Path,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Restored, MaintainError> {
    let source = File::open(backup).map_err(MaintainError::io("read", backup))?;
    restore_from((backup, &source), data, now, watch)
}

/// Puts a copy of `source`, which is called `backup`, in the place of `data`, once that copy was
/// checked and found to hold something; it may be a pipe. The file that was there keeps its data
/// under `….before-restore-<now>`. At every moment there is one or the other.
pub fn restore_from(
    (backup, source): (&Path, &File),
    data: &Path,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Restored, MaintainError> {
    // Held until the end, so that no server begins with the old file.
    let old = match LockedFile::open_to_read(data) {
        Ok(old) => Some(Arc::new(old)),
        Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let data = &match old {
        Some(_) => std::fs::canonicalize(data).map_err(MaintainError::io("find", data))?,
        None => data.to_owned(),
    };
    let cannot_read = |error| MaintainError::io("read", backup)(error);
    may_be_read((backup, source), old.as_deref())?;
    let head = head(source).map_err(cannot_read)?;
    if !head.is_empty() && head != DATABASE {
        return Err(MaintainError::Foreign(backup.to_owned()));
    }
    let partial = Partial::create(data)?;
    partial.file().write_all(&head)?;
    copy_bytes(source, &mut partial.file(), watch)?;
    let counts = check_whole(&partial.medium(), backup, watch).map_err(|error| match error {
        MaintainError::Open(OpenError::Foreign) => MaintainError::Foreign(backup.to_owned()),
        error => error,
    })?;
    let Renewed { invites, pauses } = renew(&partial.medium(), now)?;
    let Some(old) = old else {
        partial.keep()?;
        return Ok(Restored {
            counts,
            invites,
            pauses,
            kept: None,
            undone: None,
        });
    };
    let undone = undone(partial.medium(), Arc::clone(&old) as Arc<dyn Medium>);
    let kept = put_aside(data, now)?;
    if let Err(error) = partial.replace() {
        // It is the name of what is still in its place.
        let _ = std::fs::remove_file(&kept);
        return Err(error);
    }
    Ok(Restored {
        counts,
        invites,
        pauses,
        kept: Some(kept),
        undone,
    })
}

/// Refuses the data file itself as its backup, and a file that a process works on.
fn may_be_read(
    (backup, source): (&Path, &File),
    old: Option<&LockedFile>,
) -> Result<(), MaintainError> {
    let place = |file: &File| file.metadata().map(|found| (found.dev(), found.ino()));
    let read = place(source).map_err(MaintainError::io("read", backup))?;
    if old.is_some_and(|old| place(old.file()).is_ok_and(|place| place == read)) {
        return Err(MaintainError::SameFile(backup.to_owned()));
    }
    match source.try_lock() {
        Err(TryLockError::WouldBlock) => Err(MaintainError::BackupInUse {
            path: backup.to_owned(),
            holder: Holder::of(backup),
        }),
        // Where it cannot be locked it is no file, and so in use by no process.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Gives the data file that is replaced a second name, so that there is no moment without a data
/// file.
fn put_aside(data: &Path, now: Timestamp) -> Result<PathBuf, MaintainError> {
    let time: String = now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let mut name = data.as_os_str().to_owned();
    name.push(format!(".before-restore-{time}"));
    let kept = PathBuf::from(name);
    std::fs::hard_link(data, &kept).map_err(MaintainError::io("make", &kept))?;
    sync_folder(data)?;
    Ok(kept)
}

/// Reads as much as tells whether it begins as a data file does: what does not, and may have no
/// end, is not copied whole to be refused.
fn head(source: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(DATABASE.len());
    source.take(DATABASE.len() as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Copies up to the end: how much a pipe gives is not known before.
fn copy_bytes(
    source: &File,
    out: &mut (impl Write + ?Sized),
    watch: Watch<'_>,
) -> Result<(), MaintainError> {
    let total = source.metadata()?.len();
    let mut done = 0;
    loop {
        let chunk = io::copy(&mut source.take(CHUNK_BYTES), out)?;
        done += chunk;
        watch(Progress {
            what: "copying",
            done,
            total: total.max(done),
            unit: Unit::Bytes,
        });
        if chunk == 0 {
            break;
        }
    }
    Ok(())
}
