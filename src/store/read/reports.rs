//! Reports, as administrators read them.

use std::ops::Bound;

use redb::ReadableDatabase;

use super::snapshot::Snapshot;
use crate::store::error::{ReadError, StoreError};
use crate::store::people::reports::{self, Report};
use crate::store::tables::REPORTS;

impl Snapshot<'_> {
    /// Returns the open reports whose number is greater than this one, ascending, and whether there
    /// are more.
    pub fn reports_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Report>, bool), ReadError> {
        let db = self.database()?;
        Ok(read(&db, after, limit)?)
    }
}

fn read(db: &redb::Database, after: u64, limit: usize) -> Result<(Vec<Report>, bool), StoreError> {
    let table = db.begin_read()?.open_table(REPORTS)?;
    let mut found = Vec::new();
    for row in table.range((Bound::Excluded(after), Bound::Unbounded))? {
        let (number, value) = row?;
        let report = reports::decode(number.value(), value.value())?;
        found.extend(report);
        if found.len() > limit {
            found.truncate(limit);
            return Ok((found, true));
        }
    }
    Ok((found, false))
}
