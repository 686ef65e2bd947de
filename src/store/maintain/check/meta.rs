//! What the file says of itself, and invites.

use redb::{Database, ReadTransaction, ReadableTable};

use super::report::Report;
use crate::store::disk::{eras, schema};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::people::invites;
use crate::store::tables::{
    CLIENT_ID_KEY, CLOCK, CURSOR_KEY, ERAS, ERASED, INVITES, LEAVERS_ERASED, META, PUSH_KEY,
    RETAINED, SWEPT, TOKENS_FROM,
};

/// Checks `meta` and the invites. Returns up to which entry the derived rows are to say everything.
pub(super) fn check_meta(txn: &ReadTransaction, report: &mut Report) -> Result<u64, StoreError> {
    let meta = txn.open_table(META)?;
    let secret = meta.get("token_secret")?;
    if secret.is_none_or(|secret| secret.value().len() != schema::SECRET_BYTES) {
        report.add("meta", "token_secret", "missing, or of another length");
    }
    if schema::sealed_meta::<16>(&meta, CLIENT_ID_KEY).is_err() {
        report.derivable(CLIENT_ID_KEY);
    }
    if schema::sealed_meta::<16>(&meta, CURSOR_KEY).is_err() {
        report.damaged("meta", CURSOR_KEY);
    }
    if meta.get(ERASED)?.is_some() && schema::sealed_meta::<8>(&meta, ERASED).is_err() {
        report.damaged("meta", ERASED);
    }
    if meta.get(RETAINED)?.is_some() && schema::sealed_meta::<8>(&meta, RETAINED).is_err() {
        report.damaged("meta", RETAINED);
    }
    let is_noted = meta.get(LEAVERS_ERASED)?.is_some();
    if is_noted && schema::sealed_meta::<1>(&meta, LEAVERS_ERASED).is_err() {
        report.damaged("meta", LEAVERS_ERASED);
    }
    if meta.get(CLOCK)?.is_some() && schema::sealed_meta::<24>(&meta, CLOCK).is_err() {
        report.damaged("meta", CLOCK);
    }
    if meta.get(PUSH_KEY)?.is_some() && schema::sealed_meta::<32>(&meta, PUSH_KEY).is_err() {
        report.damaged("meta", PUSH_KEY);
    }
    for row in txn.open_table(INVITES)?.iter()? {
        let (key, value) = row?;
        if invites::decode(key.value(), value.value()).is_err() {
            report.damaged("invites", key.value());
        }
    }
    let Ok(swept) = schema::sealed_meta(&meta, SWEPT) else {
        report.derivable(SWEPT);
        return Ok(0);
    };
    let swept = u64::from_le_bytes(swept);
    let last = match Log::open_any(txn)?.last() {
        Ok(last) => last,
        // Found where the log is gone through.
        Err(StoreError::Damaged { .. }) => return Ok(swept),
        Err(error) => return Err(error),
    };
    if swept > last {
        report.add(
            "meta",
            SWEPT,
            format!("the derived rows claim entry {swept}, the log ends with {last}"),
        );
    }
    Ok(swept)
}

/// Checks what is renewed where the file goes back in time.
pub(super) fn check_renewals(db: &Database, report: &mut Report) {
    // Where it is the key before them that is damaged, that is said already.
    let is_damaged = |error| matches!(error, StoreError::Damaged { .. });
    if eras::read(db).is_err_and(is_damaged) && report.is_sound() {
        report.damaged("meta", ERAS);
    }
    if schema::tokens_from(db).is_err_and(is_damaged) {
        report.damaged("meta", TOKENS_FROM);
    }
}
