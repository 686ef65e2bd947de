//! The order of the readings.

use std::path::Path;
use std::sync::Arc;

use redb::ReadableDatabase;

use super::client_ids::check_client_ids;
use super::meta::{check_meta, check_renewals};
use super::people::{
    check_accounts, check_hooks, check_keys, check_sign_ins, check_subscriptions, conversations,
};
use super::reactions::check_reactions;
use super::recount::Recount;
use super::report::{Report, text};
use super::rooms::compare_rooms;
use super::rows::{check_changes, check_unused};
use super::states::compare;
use crate::model::EntryId;
use crate::store::disk::error::OpenError;
use crate::store::disk::guard::guarded;
use crate::store::disk::medium::{LockedFile, Medium};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::maintain::{Counts, MaintainError, Partial, Source, Watch};
use crate::store::options::StoreOptions;
use crate::store::tables::META;
use crate::store::write::load;

/// Reads everything in a stopped server's file; changes nothing in it. What is wrong with the data
/// is in the report; an error is that nothing could be read: no such file, a file of something else
/// or of a newer chatd, or in use.
pub fn check(path: &Path, watch: Watch<'_>) -> Result<Report, MaintainError> {
    check_medium(Arc::new(LockedFile::open_to_read(path)?), path, watch)
}

/// [`check`] of a file in the making.
pub fn check_partial(partial: &Partial, watch: Watch<'_>) -> Result<Report, MaintainError> {
    check_medium(partial.medium(), partial.target(), watch)
}

pub(crate) fn check_medium(
    medium: Arc<dyn Medium>,
    path: &Path,
    watch: Watch<'_>,
) -> Result<Report, MaintainError> {
    match Source::open(medium, true, watch) {
        Ok(Some(source)) => Ok(check_source(&source, watch)),
        Ok(None) => Err(MaintainError::Empty(path.to_owned())),
        Err(OpenError::Damaged(error)) => {
            let mut report = Report::default();
            report.add("file", "", text(&error));
            Ok(report)
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads what is in the tables of a file, whose pages were read already.
fn check_source(source: &Source, watch: Watch<'_>) -> Report {
    let mut report = Report::default();
    let recounted = guarded(|| recount(source, &mut report, watch));
    if let Err(error) = recounted.unwrap_or_else(Err) {
        report.failed("file", &error);
    }
    // What is derived is wrong where the truth is, so the truth stands first.
    report
        .findings
        .sort_by_key(|finding| schema::is_derived(finding.table));
    report
}

fn recount(source: &Source, report: &mut Report, watch: Watch<'_>) -> Result<(), StoreError> {
    let txn = source.db.begin_read()?;
    let swept = check_meta(&txn, report)?;
    check_renewals(&source.db, report);
    let accounts = check_accounts(&txn, report)?;
    check_changes(&txn, report)?;
    check_keys(&txn, &accounts, report)?;
    check_sign_ins(&txn, &accounts, report)?;
    check_hooks(&txn, &accounts, report)?;
    check_subscriptions(&txn, &accounts, report)?;
    check_unused(&txn, report)?;
    let fresh = conversations(&txn, &accounts, report)?;
    let log = Log::open_any(&txn)?;
    let client_ids = check_client_ids(&txn, &log, &fresh, report)?;
    let reacted_to = check_reactions(&txn, &log, report)?;
    let mut recount = Recount::begin(&log, fresh, client_ids, swept, report);
    recount.reacted_to = reacted_to;
    recount.retained = schema::retained(&txn.open_table(META)?)?;
    recount.replay(watch)?;
    recount.client_ids_are_there();
    let Recount {
        state,
        broken,
        broken_streams,
        files,
        ..
    } = recount;
    files.compare(&txn, report)?;
    report.counts = Counts {
        accounts: accounts.len() as u64,
        conversations: state.conversation_count(),
        entries: report.counts.entries,
    };
    // What a start would know must be what the log says.
    match load::load(&source.db, &StoreOptions::of_command()) {
        Ok(loaded) => {
            let last = EntryId::new(loaded.state.last_entry).ok();
            compare(&loaded.state, &state, &broken, last, report);
            if broken_streams.is_empty() {
                compare_rooms(&loaded.state, &state, report);
            }
        }
        Err(error) if report.is_sound() => report.failed("file", &error),
        // It is among the findings already.
        Err(_) => {}
    }
    Ok(())
}
