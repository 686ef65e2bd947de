//! The format of the data file: made once, checked at every start.

use std::time::Instant;

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableError, TableHandle,
    WriteTransaction,
};

use super::error::OpenError;
use super::open::PROGRESS;
use crate::model::{ConversationId, EntryId, Pair, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::log::blocks::{Appending, Log, damaged};
use crate::store::sealed::{seal, unseal};
use crate::store::tables::{
    BACKUP, CLIENT_ID_KEY, CLIENT_IDS, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS, CURSOR_KEY,
    ERAS, INVITES, LOG, META, OLD_LOG, SWEPT, TOKENS_FROM, USERS,
};

/// The format that this program writes. A file of an earlier one is migrated at open; one of a later one is refused
/// unchanged.
///
/// 1: log, conversations, accounts; everything derived was made anew at each start.
/// 2: derived rows, kept by the sweep; invites.
/// 3: the log in blocks; before, a row for each entry.
pub(crate) const FORMAT: u32 = 3;

/// How many random bytes sign the tokens: as many as the hash has.
pub(crate) const SECRET_BYTES: usize = 32;

/// The kind byte of a conversation of two.
const PAIR: u8 = 1;

/// How many bytes keep strangers from choosing client ids that collide, and from forging cursors.
pub(crate) const KEY_BYTES: usize = 16;

/// The format of a file; `None` for one that is new. Fails on one of another program or of a later chatd.
pub(crate) fn format(db: &Database) -> Result<Option<u32>, OpenError> {
    let txn = db.begin_read().map_err(StoreError::from)?;
    let found = match txn.open_table(META) {
        Ok(meta) => {
            let format = meta.get("format").map_err(StoreError::from)?;
            let format = format
                .and_then(|value| value.value().try_into().ok())
                .map(u32::from_le_bytes);
            format
                .filter(|format| *format > 0)
                .ok_or(OpenError::Foreign)?
        }
        // A database with tables, but without ours, belongs to another program.
        Err(TableError::TableDoesNotExist(_))
            if txn.list_tables().map_err(StoreError::from)?.count() == 0 =>
        {
            return Ok(None);
        }
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
            return Err(OpenError::Foreign);
        }
        Err(error) => return Err(StoreError::from(error).into()),
    };
    if found > FORMAT {
        return Err(OpenError::Newer {
            found,
            known: FORMAT,
        });
    }
    Ok(Some(found))
}

/// Makes the tables of a new file, or brings a file of an earlier format to this one, in one transaction.
pub(crate) fn prepare(db: &Database, found: Option<u32>) -> Result<(), StoreError> {
    if found == Some(FORMAT) {
        return Ok(());
    }
    let txn = db.begin_write()?;
    {
        let mut meta = txn.open_table(META)?;
        if found.is_none() {
            let secret: [u8; SECRET_BYTES] = rand::random();
            meta.insert("token_secret", &secret[..])?;
            for table in [CONVERSATIONS, USERS, CREDENTIALS] {
                txn.open_table(table)?;
            }
        }
        txn.open_table(LOG)?;
        if found.unwrap_or(0) < 2 {
            let key: [u8; KEY_BYTES] = rand::random();
            meta.insert(CLIENT_ID_KEY, &seal(0, &key)[..])?;
            let key: [u8; KEY_BYTES] = rand::random();
            meta.insert(CURSOR_KEY, &seal(0, &key)[..])?;
            meta.insert(SWEPT, &seal(0, &0_u64.to_le_bytes())[..])?;
            txn.open_table(CONVERSATION_STATES)?;
            txn.open_table(CLIENT_IDS)?;
            txn.open_table(INVITES)?;
        }
        meta.insert("format", &FORMAT.to_le_bytes()[..])?;
    }
    txn.commit()?;
    if let Some(found) = found {
        tracing::info!(from = found, to = FORMAT, "the data file was migrated");
    }
    Ok(())
}

/// 4 MiB of entries change their form in one transaction: some thirty thousand, and some hundredths of a second.
pub(crate) const MIGRATED_BYTES: usize = 4 << 20;

/// Puts the entries that a file of an earlier format still has as rows into blocks, step by step, each on disk before the
/// next: the file hardly grows, and what a stop leaves undone is done by the next start. A step has [`MIGRATED_BYTES`].
pub(crate) fn migrate_log(db: &Database, step_bytes: usize) -> Result<(), StoreError> {
    let mut told = Instant::now();
    while migrate_step(db, step_bytes)? {
        if told.elapsed() >= PROGRESS {
            let entry = Log::open(&db.begin_read()?)?.last()?;
            tracing::info!(entry, "bringing the log to format {FORMAT}");
            told = Instant::now();
        }
    }
    Ok(())
}

/// One step of that; `false` where there is nothing left to do.
pub(crate) fn migrate_step(db: &Database, step_bytes: usize) -> Result<bool, StoreError> {
    let old = match db.begin_read()?.open_table(OLD_LOG) {
        Ok(old) => old,
        Err(TableError::TableDoesNotExist(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let txn = db.begin_write()?;
    let mut bytes = 0;
    {
        let (mut log, mut rows) = (txn.open_table(LOG)?, txn.open_table(OLD_LOG)?);
        let mut end = Appending::new(&mut log, step_bytes)?;
        for row in old.iter()? {
            let (key, value) = row?;
            let key = key.value();
            EntryId::new(key).map_err(|_| damaged(key))?;
            end.push(key, value.value());
            rows.remove(key)?;
            bytes += value.value().len();
            if bytes >= step_bytes {
                break;
            }
        }
        end.close()?;
    }
    if bytes == 0 {
        txn.delete_table(OLD_LOG)?;
    }
    drop(old);
    txn.commit()?;
    Ok(true)
}

/// A sealed value of `meta`, of exactly so many bytes.
pub(crate) fn sealed_meta<const N: usize>(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &'static str,
) -> Result<[u8; N], StoreError> {
    let damaged = StoreError::Damaged {
        table: "meta",
        key: 0,
    };
    let value = meta.get(name)?.ok_or(damaged.clone())?;
    let body = unseal("meta", 0, value.value())?;
    body.try_into().map_err(|_| damaged)
}

/// The secret that signs chatd's own tokens.
pub(crate) fn token_secret(db: &Database) -> Result<Vec<u8>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    let secret = meta.get("token_secret")?.ok_or(StoreError::Damaged {
        table: "meta",
        key: 0,
    })?;
    Ok(secret.value().to_vec())
}

/// Marks a file in the making as a backup.
pub(crate) fn mark_backup(txn: &WriteTransaction) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    meta.insert(BACKUP, &seal(0, &[1])[..])?;
    Ok(())
}

/// Whether a file is a backup that was not put to use yet.
pub(crate) fn is_backup(db: &Database) -> Result<bool, StoreError> {
    Ok(db.begin_read()?.open_table(META)?.get(BACKUP)?.is_some())
}

/// Renews in a file that went back in time what must not: no earlier token and no earlier cursor is good any more, and
/// there are no invites, since it is not known which were used up or withdrawn meanwhile. Gives how many there were.
pub(crate) fn renew(db: &Database, now: Timestamp) -> Result<u64, StoreError> {
    let txn = db.begin_write()?;
    let ended = {
        let mut meta = txn.open_table(META)?;
        let secret: [u8; SECRET_BYTES] = rand::random();
        meta.insert("token_secret", &secret[..])?;
        let key: [u8; KEY_BYTES] = rand::random();
        meta.insert(CURSOR_KEY, &seal(0, &key)[..])?;
        meta.insert(TOKENS_FROM, &seal(0, &now.as_ms().to_le_bytes())[..])?;
        meta.remove(ERAS)?;
        meta.remove(BACKUP)?;
        let mut all_invites = txn.open_table(INVITES)?;
        let ended = all_invites.len()?;
        all_invites.retain(|_, _| false)?;
        ended
    };
    txn.commit()?;
    Ok(ended)
}

/// When a backup was last put to use as this file.
pub(crate) fn tokens_from(db: &Database) -> Result<Option<Timestamp>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    if meta.get(TOKENS_FROM)?.is_none() {
        return Ok(None);
    }
    let at = u64::from_le_bytes(sealed_meta(&meta, TOKENS_FROM)?);
    Ok(Some(Timestamp::from_ms(at)))
}

/// Whether a table holds what follows from the log.
pub(crate) fn is_derived(table: &str) -> bool {
    [CONVERSATION_STATES.name(), CLIENT_IDS.name()].contains(&table)
}

/// Takes out everything that follows from the log, and the mark of a backup: the next start makes it anew. Fails where the log ends before what was
/// derived from it.
pub(crate) fn forget_derived(db: &Database) -> Result<(), StoreError> {
    let last = Log::open_any(&db.begin_read()?)?.last()?;
    let txn = db.begin_write()?;
    {
        let mut meta = txn.open_table(META)?;
        let swept = sealed_meta(&meta, SWEPT).map(u64::from_le_bytes);
        if swept.is_ok_and(|swept| swept > last) {
            return Err(damaged(last + 1));
        }
        txn.delete_table(CONVERSATION_STATES)?;
        txn.delete_table(CLIENT_IDS)?;
        txn.open_table(CONVERSATION_STATES)?;
        txn.open_table(CLIENT_IDS)?;
        let key: [u8; KEY_BYTES] = rand::random();
        meta.insert(CLIENT_ID_KEY, &seal(0, &key)[..])?;
        meta.insert(SWEPT, &seal(0, &0_u64.to_le_bytes())[..])?;
        meta.remove(BACKUP)?;
    }
    txn.commit()?;
    Ok(())
}

/// For tests: has a file say that it is of an earlier format; one of format 1 had nothing that is derived.
#[cfg(test)]
pub(crate) fn tamper_format(db: &Database, format: u32) {
    let txn = db.begin_write().unwrap();
    {
        let mut meta = txn.open_table(META).unwrap();
        meta.insert("format", &format.to_le_bytes()[..]).unwrap();
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

/// The value of a conversation of two, unsealed.
pub(crate) fn encode_pair(pair: Pair) -> Vec<u8> {
    let mut value = vec![PAIR];
    for member in pair.members() {
        value.extend_from_slice(&member.get().to_le_bytes());
    }
    value
}

/// Reads it back, sealed as it is; `None` where no chatd of this format wrote it.
pub(crate) fn decode_conversation(
    key: u64,
    sealed: &[u8],
) -> Result<Option<(ConversationId, Pair)>, StoreError> {
    let body = unseal("conversations", key, sealed)?;
    let member = |at: usize| {
        let bytes = body.get(at..at + 8)?.try_into().ok()?;
        UserId::new(u64::from_le_bytes(bytes)).ok()
    };
    let decode = || {
        if body.len() != 17 || body[0] != PAIR {
            return None;
        }
        Some((
            ConversationId::new(key).ok()?,
            Pair::new(member(1)?, member(9)?)?,
        ))
    };
    Ok(decode())
}
