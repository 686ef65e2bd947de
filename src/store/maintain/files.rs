//! The rows of files, for who copies or checks the bytes that they name.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable};

use super::{MaintainError, Partial, Source, guard};
use crate::store::disk::medium::Medium;
use crate::store::files::row::{StoredFile, decode};
use crate::store::tables::FILES;

/// Returns the files that a stopped server's data file, or a backup, knows of. It is not verified:
/// whoever asks has done that.
pub fn files_of(data: &Path) -> Result<Vec<StoredFile>, MaintainError> {
    let source = Source::of_file(data, false, &mut |_| {})?;
    guard(|| list(&source))
}

/// [`files_of`] a file in the making.
pub fn files_of_partial(partial: &Partial) -> Result<Vec<StoredFile>, MaintainError> {
    let source = Source::open(partial.medium(), false, &mut |_| {})?;
    let source = source.ok_or_else(|| MaintainError::Empty(partial.target().to_owned()))?;
    guard(|| list(&source))
}

/// [`files_of`] a copy.
pub(super) fn files_of_medium(medium: Arc<dyn Medium>) -> Result<Vec<StoredFile>, MaintainError> {
    match Source::open(medium, false, &mut |_| {})? {
        Some(source) => guard(|| list(&source)),
        None => Ok(Vec::new()),
    }
}

fn list(source: &Source) -> Result<Vec<StoredFile>, MaintainError> {
    let txn = source.db.begin_read()?;
    let table = txn.open_table(FILES)?;
    let mut files = Vec::new();
    for row in table.iter()? {
        let (number, value) = row?;
        files.push(decode(number.value(), value.value())?);
    }
    Ok(files)
}
