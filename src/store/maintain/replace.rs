//! Making one data file of another: backup, compaction, restore. Each new file is checked before it gets its name.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::check::check_medium;
use super::file::sync_folder;
use super::{
    Copying, Counts, MaintainError, Partial, Progress, STEP_BYTES, Source, Unit, Watch,
    check_partial,
};
use crate::model::Timestamp;
use crate::store::log::Log;
use crate::store::medium::{LockedFile, Medium};
use crate::store::tables::{CONVERSATIONS, USERS};
use crate::store::{OpenError, StoreError, open_database, schema};

/// 1 MiB: how much is copied at once, byte for byte.
const CHUNK_BYTES: u64 = 1 << 20;

impl Source {
    /// Copies everything into a file in the making.
    fn copy_to(&self, partial: &Partial, watch: Watch<'_>) -> Result<(), MaintainError> {
        let copying = Copying {
            database: &|| Ok(Arc::clone(&self.db)),
            beside_writer: false,
            step_bytes: STEP_BYTES,
            given_up: &AtomicBool::new(false),
        };
        copying.run(partial.medium(), watch)
    }

    /// How much there is.
    pub(super) fn counts(&self) -> Result<Counts, StoreError> {
        let txn = self.db.begin_read()?;
        Ok(Counts {
            accounts: txn.open_table(USERS)?.len()?,
            conversations: txn.open_table(CONVERSATIONS)?.len()?,
            entries: Log::open_any(&txn)?.last()?,
        })
    }
}

impl Partial {
    /// Checks what was written, a copy of `source`, and makes it durable under its name, which must be free.
    pub fn keep_whole(self, source: &Path, watch: Watch<'_>) -> Result<Counts, MaintainError> {
        let counts = check_partial(&self, watch)?.must_be_whole(source)?;
        self.keep()?;
        Ok(counts)
    }
}

/// Copies a stopped server's file, compactly, to one that must not be there yet.
pub fn backup(data: &Path, target: &Path, watch: Watch<'_>) -> Result<Counts, MaintainError> {
    let source = Source::of_file(data, true, watch)?;
    let partial = Partial::create_new(target)?;
    source.copy_to(&partial, watch)?;
    partial.keep_whole(data, watch)
}

/// What a compaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// How many bytes the file had.
    pub before: u64,
    /// How many it has.
    pub after: u64,
}

/// Puts a compact copy in the place of a stopped server's file. Until that moment the file is as it was, however this
/// ends; so it is where the file turns out to be damaged.
pub fn compact(data: &Path, watch: Watch<'_>) -> Result<Compacted, MaintainError> {
    // A link stays one; what it leads to is replaced.
    let data = &std::fs::canonicalize(data).map_err(MaintainError::io("find", data))?;
    let source = Source::of_file(data, true, watch)?;
    let before = source.backend.len_in_bytes();
    let partial = Partial::create(data)?;
    source.copy_to(&partial, watch)?;
    let counts = check_partial(&partial, watch)?.must_be_whole(data)?;
    if counts != source.counts()? {
        return Err(MaintainError::Incomplete);
    }
    let after = partial.medium().len()?;
    partial.replace()?;
    Ok(Compacted { before, after })
}

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// How much there is now.
    pub counts: Counts,
    /// Where the file is that was there before.
    pub kept: Option<PathBuf>,
}

/// Gives a file another key for cursors: what a client heard of the file that is replaced may have the numbers of other
/// changes in this one.
fn renew_cursors(medium: &Arc<dyn Medium>) -> Result<(), MaintainError> {
    let opened = open_database(medium)?;
    opened.release().map_err(OpenError::Io)?;
    schema::renew_cursor_key(&opened.db)?;
    opened.close().map_err(StoreError::from)?;
    medium.sync().map_err(OpenError::Io)?;
    Ok(())
}

/// Puts a copy of `backup` in the place of `data`, once that copy was checked and found to hold something. The file that
/// was there keeps its data under `….before-restore-<now>`. At every moment there is one or the other.
pub fn restore(
    backup: &Path,
    data: &Path,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Restored, MaintainError> {
    // Held until the end, so that no server begins with the old file.
    let old = match LockedFile::open_to_read(data) {
        Ok(old) => Some(old),
        Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let data = &match old {
        Some(_) => std::fs::canonicalize(data).map_err(MaintainError::io("find", data))?,
        None => data.to_owned(),
    };
    if old.is_some() && std::fs::canonicalize(backup).is_ok_and(|backup| backup == *data) {
        return Err(MaintainError::SameFile(backup.to_owned()));
    }
    let source = LockedFile::open_to_read(backup).map_err(|error| match error {
        OpenError::Io(error) => MaintainError::io("read", backup)(error),
        error => error.into(),
    })?;
    let partial = Partial::create(data)?;
    copy_bytes(source.file(), &partial, watch)?;
    let report = check_medium(partial.medium(), backup, watch).map_err(|error| match error {
        MaintainError::Open(OpenError::Foreign) => MaintainError::Foreign(backup.to_owned()),
        error => error,
    })?;
    let counts = report.must_be_whole(backup)?;
    renew_cursors(&partial.medium())?;
    let Some(_old) = old else {
        partial.keep()?;
        return Ok(Restored { counts, kept: None });
    };
    let time: String = now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let mut name = data.as_os_str().to_owned();
    name.push(format!(".before-restore-{time}"));
    let kept = PathBuf::from(name);
    // A second name first, so that there is no moment without a data file.
    std::fs::hard_link(data, &kept).map_err(MaintainError::io("make", &kept))?;
    sync_folder(data)?;
    if let Err(error) = partial.replace() {
        // It is the name of what is still in its place.
        let _ = std::fs::remove_file(&kept);
        return Err(error);
    }
    Ok(Restored {
        counts,
        kept: Some(kept),
    })
}

fn copy_bytes(
    source: &std::fs::File,
    partial: &Partial,
    watch: Watch<'_>,
) -> Result<(), MaintainError> {
    let total = source.metadata()?.len();
    let mut copy = partial.file();
    let mut done = 0;
    loop {
        let chunk = io::copy(&mut source.take(CHUNK_BYTES), &mut copy)?;
        done += chunk;
        watch(Progress {
            what: "copying",
            done,
            total,
            unit: Unit::Bytes,
        });
        if chunk == 0 {
            break;
        }
    }
    Ok(())
}
