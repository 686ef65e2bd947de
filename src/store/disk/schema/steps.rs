//! How a data file comes to the newest format: one function a step, each upon the format before it.
//!
//! All steps that a file lacks are one transaction, which says the newest format at its end: they
//! make tables and keys, and touch no row. What must be rewritten row by row is done after it, in
//! transactions of its own (`log_steps.rs`).

use redb::{Database, ReadableTableMetadata, WriteTransaction};

use super::format::FORMAT;
use super::log_steps::note_recoded;
use super::meta::{KEY_BYTES, SECRET_BYTES, make_push_key};
use crate::store::error::StoreError;
use crate::store::sealed::seal;
use crate::store::tables::{
    CHANGES, CLIENT_ID_KEY, CLIENT_IDS, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS,
    CURSOR_KEY, FILES, HOOKS, INVITES, KEYS, LOG, META, NEWEST_CHANGES, PUSH_SUBSCRIPTIONS,
    REACTIONS, RELATIONS, ROOM_MEMBERS, ROOMS, STREAM_STATES, SWEPT, UNUSED_BY_NAME,
    UNUSED_BY_NUMBER, UNUSED_BY_TWO, USERS,
};

/// One step: changes a file of the format before, within this transaction.
type Step = fn(&WriteTransaction) -> Result<(), StoreError>;

/// The step that leads to each format, beginning with a new file.
const STEPS: [Step; FORMAT as usize] = [to_1, to_2, to_3, to_4, to_5, to_6, to_7];

/// Makes the tables of a new file, or takes the steps that a file of an earlier format lacks, in
/// one transaction.
pub(crate) fn prepare(db: &Database, found: Option<u32>) -> Result<(), StoreError> {
    let taken = found.unwrap_or(0) as usize;
    let Some(steps) = STEPS.get(taken..).filter(|steps| !steps.is_empty()) else {
        return Ok(());
    };
    let txn = db.begin_write()?;
    for step in steps {
        step(&txn)?;
    }
    txn.open_table(META)?
        .insert("format", &FORMAT.to_le_bytes()[..])?;
    txn.commit()?;
    if let Some(found) = found {
        tracing::info!(from = found, to = FORMAT, "the data file was migrated");
    }
    Ok(())
}

/// Makes the tables of accounts and of who shares a conversation, and the secret that signs tokens.
/// A file that was made at this format has its log as rows, which a new file never has.
fn to_1(txn: &WriteTransaction) -> Result<(), StoreError> {
    let secret: [u8; SECRET_BYTES] = rand::random();
    txn.open_table(META)?.insert("token_secret", &secret[..])?;
    for table in [CONVERSATIONS, USERS, CREDENTIALS] {
        txn.open_table(table)?;
    }
    Ok(())
}

/// Makes the tables of what is derived from the log, with its keys, and that of invites.
fn to_2(txn: &WriteTransaction) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    for name in [CLIENT_ID_KEY, CURSOR_KEY] {
        let key: [u8; KEY_BYTES] = rand::random();
        meta.insert(name, &seal(0, &key)[..])?;
    }
    meta.insert(SWEPT, &seal(0, &0_u64.to_le_bytes())[..])?;
    txn.open_table(CONVERSATION_STATES)?;
    txn.open_table(CLIENT_IDS)?;
    txn.open_table(INVITES)?;
    Ok(())
}

/// Makes the log in blocks, into which its entries come afterwards.
fn to_3(txn: &WriteTransaction) -> Result<(), StoreError> {
    txn.open_table(LOG)?;
    Ok(())
}

/// Makes the tables of changes and those of what comes later, and the key by which push services
/// know the server; notes that the entries, where there are any, have their earlier form until they
/// are recoded afterwards.
fn to_4(txn: &WriteTransaction) -> Result<(), StoreError> {
    for table in [KEYS, FILES, HOOKS, CHANGES] {
        txn.open_table(table)?;
    }
    txn.open_table(NEWEST_CHANGES)?;
    txn.open_table(ROOMS)?;
    for table in [ROOM_MEMBERS, RELATIONS, REACTIONS, STREAM_STATES] {
        txn.open_table(table)?;
    }
    txn.open_table(PUSH_SUBSCRIPTIONS)?;
    make_push_key(txn)?;
    for table in &UNUSED_BY_NUMBER {
        txn.open_table(*table)?;
    }
    for table in &UNUSED_BY_TWO {
        txn.open_table(*table)?;
    }
    for table in &UNUSED_BY_NAME {
        txn.open_table(*table)?;
    }
    if !txn.open_table(LOG)?.is_empty()? {
        note_recoded(txn, 0)?;
    }
    Ok(())
}

/// Changes nothing: an entry says by itself in which form it is. A chatd of format 4 could not read
/// those that come from now on, and refuses the file by its number.
fn to_5(_: &WriteTransaction) -> Result<(), StoreError> {
    Ok(())
}

/// Changes nothing, likewise: an entry may change a message of a room from now on.
fn to_6(_: &WriteTransaction) -> Result<(), StoreError> {
    Ok(())
}

/// Changes nothing, likewise: an entry may erase many messages at once from now on.
fn to_7(_: &WriteTransaction) -> Result<(), StoreError> {
    Ok(())
}

/// For tests: has a file say that it is of an earlier format, without the tables that it did not
/// have; one of format 1 had nothing that is derived.
#[cfg(test)]
pub(crate) fn tamper_format(db: &Database, format: u32) {
    let txn = db.begin_write().unwrap();
    {
        let mut meta = txn.open_table(META).unwrap();
        meta.insert("format", &format.to_le_bytes()[..]).unwrap();
        if format < 4 {
            for table in &UNUSED_BY_NUMBER {
                txn.delete_table(*table).unwrap();
            }
            for table in &UNUSED_BY_TWO {
                txn.delete_table(*table).unwrap();
            }
            for table in &UNUSED_BY_NAME {
                txn.delete_table(*table).unwrap();
            }
            txn.delete_table(KEYS).unwrap();
            txn.delete_table(HOOKS).unwrap();
            txn.delete_table(FILES).unwrap();
            txn.delete_table(ROOMS).unwrap();
            for table in [ROOM_MEMBERS, RELATIONS, REACTIONS, STREAM_STATES] {
                txn.delete_table(table).unwrap();
            }
            txn.delete_table(PUSH_SUBSCRIPTIONS).unwrap();
            txn.delete_table(CHANGES).unwrap();
            txn.delete_table(NEWEST_CHANGES).unwrap();
        }
        if format == 1 {
            for name in [SWEPT, CLIENT_ID_KEY, CURSOR_KEY] {
                meta.remove(name).unwrap();
            }
            txn.delete_table(CONVERSATION_STATES).unwrap();
            txn.delete_table(CLIENT_IDS).unwrap();
            txn.delete_table(INVITES).unwrap();
        }
    }
    txn.commit().unwrap();
}
