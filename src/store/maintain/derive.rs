//! Deriving what follows from the log anew, where it is wrong and the log is not.

use std::path::Path;
use std::sync::Arc;

use redb::Database;
use tokio::sync::mpsc;

use super::check::check_medium;
use super::{Counts, MaintainError, Watch};
use crate::store::change::BATCHES;
use crate::store::disk::error::OpenError;
use crate::store::disk::guard::guarded;
use crate::store::disk::medium::Medium;
use crate::store::disk::open::open_database;
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::options::{StoreOptions, page_cache_of_command};
use crate::store::write::writer::Writer;

/// Checks a file in the making, which is one of `path`. Where nothing is wrong but what is derived,
/// that is made anew from the log. Fails where more is wrong, or where it holds no data.
pub(crate) fn check_whole(
    medium: &Arc<dyn Medium>,
    path: &Path,
    watch: Watch<'_>,
) -> Result<Counts, MaintainError> {
    let report = check_medium(Arc::clone(medium), path, watch)?;
    if !report.is_derivable() {
        return report.must_be_whole(path);
    }
    tracing::warn!(
        findings = report.findings.len() as u64 + report.more,
        "{}: nothing of the data is lost, but what is derived from it is damaged; the new file has it made anew",
        path.display()
    );
    let is_backup = forget(medium)?;
    derive(Arc::clone(medium))?;
    if is_backup {
        change(medium, |db| {
            let txn = db.begin_write()?;
            schema::mark_backup(&txn)?;
            Ok(txn.commit()?)
        })?;
    }
    check_medium(Arc::clone(medium), path, watch)?.must_be_whole(path)
}

/// Removes everything that follows from the log of a file. Returns whether the file was marked as a
/// backup, which it is no more: deriving is not the use that such a file waits for.
fn forget(medium: &Arc<dyn Medium>) -> Result<bool, MaintainError> {
    change(medium, |db| {
        let is_backup = schema::is_backup(db)?;
        schema::forget_derived(db)?;
        Ok(is_backup)
    })
}

/// Changes a file that no server has open.
fn change<R>(
    medium: &Arc<dyn Medium>,
    change: impl FnOnce(&Database) -> Result<R, StoreError>,
) -> Result<R, MaintainError> {
    let opened = open_database(medium, page_cache_of_command())?;
    opened.release().map_err(OpenError::Io)?;
    let changed = guarded(|| change(&opened.db)).unwrap_or_else(Err)?;
    opened.close().map_err(StoreError::from)?;
    Ok(changed)
}

/// Writes what is derived, as a server does that opens the file and is stopped at once.
pub(crate) fn derive(medium: Arc<dyn Medium>) -> Result<(), MaintainError> {
    let (done, _batches) = mpsc::channel(BATCHES);
    let (intake, writer) = Writer::open(medium, StoreOptions::default(), done)?;
    intake.queue.close();
    let written = guarded(|| writer.run());
    intake.data.close();
    Ok(written?)
}
