//! What a data file says of itself in `meta`: keys, marks, and how far what is derived reaches.

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableError, TableHandle,
    WriteTransaction,
};

use crate::model::Timestamp;
use crate::store::changes::{Changing, Followed};
use crate::store::error::StoreError;
use crate::store::log::blocks::{Log, damaged};
use crate::store::sealed::{seal, unseal};
use crate::store::tables::{
    BACKUP, ByTwo, CHANGES, CLIENT_ID_KEY, CLIENT_IDS, CLOCK, CODES, CONVERSATION_STATES,
    CURSOR_KEY, ERAS, ERASED, HOOKS, INVITES, KEYS, LEAVERS_ERASED, META, PUSH_KEY,
    PUSH_SUBSCRIPTIONS, RETAINED, SESSIONS, STREAM_STATES, SWEPT, TOKENS_FROM,
};

/// 32 random bytes sign the tokens: as many as the hash has.
pub(crate) const SECRET_BYTES: usize = 32;

/// 16 random bytes keep strangers from choosing client ids that collide, and from forging cursors.
pub(crate) const KEY_BYTES: usize = 16;

/// Returns a sealed value of `meta` that has exactly `N` bytes.
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

/// Returns the secret that signs chatd's own tokens.
pub(crate) fn token_secret(db: &Database) -> Result<Vec<u8>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    let secret = meta.get("token_secret")?.ok_or(StoreError::Damaged {
        table: "meta",
        key: 0,
    })?;
    Ok(secret.value().to_vec())
}

/// Returns the key by which push services know this server, and makes it where there is none.
pub(crate) fn push_key(db: &Database) -> Result<[u8; SECRET_BYTES], StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    if meta.get(PUSH_KEY)?.is_some() {
        return sealed_meta(&meta, PUSH_KEY);
    }
    let txn = db.begin_write()?;
    let key = make_push_key(&txn)?;
    txn.commit()?;
    Ok(key)
}

/// Makes that key.
pub(crate) fn make_push_key(txn: &WriteTransaction) -> Result<[u8; SECRET_BYTES], StoreError> {
    let key = loop {
        let key: [u8; SECRET_BYTES] = rand::random();
        // Below the order of P-256, which begins with four bytes of ones, and not 0.
        if key[..4] != [u8::MAX; 4] && key[..4] != [0; 4] {
            break key;
        }
    };
    let mut meta = txn.open_table(META)?;
    meta.insert(PUSH_KEY, &seal(0, &key)[..])?;
    Ok(key)
}

/// Marks a file in the making as a backup.
pub(crate) fn mark_backup(txn: &WriteTransaction) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    meta.insert(BACKUP, &seal(0, &[1])[..])?;
    Ok(())
}

/// Returns whether a file is a backup that no server has opened yet.
pub(crate) fn is_backup(db: &Database) -> Result<bool, StoreError> {
    Ok(db.begin_read()?.open_table(META)?.get(BACKUP)?.is_some())
}

/// What has ended with a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Renewed {
    /// How many invites there were.
    pub(crate) invites: u64,
    /// Whether there are keys or hooks, which count again once an administrator confirms them.
    pub(crate) pauses: bool,
}

/// Renews what must not go back in time with a file: no earlier token and no earlier cursor is good
/// any more, and all invites end, since the file does not know which were used or revoked
/// meanwhile. With the sessions end the subscriptions of browsers; the key that they know stays.
pub(crate) fn renew(db: &Database, now: Timestamp) -> Result<Renewed, StoreError> {
    let followed_to = followed_to(db)?;
    let txn = db.begin_write()?;
    let renewed = {
        let mut meta = txn.open_table(META)?;
        let secret: [u8; SECRET_BYTES] = rand::random();
        meta.insert("token_secret", &secret[..])?;
        let key: [u8; KEY_BYTES] = rand::random();
        meta.insert(CURSOR_KEY, &seal(0, &key)[..])?;
        put_tokens_from(&mut meta, now)?;
        meta.remove(ERAS)?;
        meta.remove(BACKUP)?;
        // It was that of the server from which it was made.
        meta.remove(CLOCK)?;
        let mut invites = txn.open_table(INVITES)?;
        let mut changing = match followed_to {
            Some(last_entry) => Some(Changing::begin(&txn, last_entry)?),
            None => None,
        };
        let (mut ended, mut pauses) = (0, false);
        while let Some((number, _)) = invites.pop_first()? {
            if let Some(changing) = &mut changing {
                changing.note(Followed::Invites, number.value())?;
            }
            ended += 1;
        }
        if let Some(changing) = &mut changing {
            pauses = has_keys(&txn)?;
            remove_all(&txn, SESSIONS, Followed::Sessions, changing)?;
            remove_all(&txn, CODES, Followed::Codes, changing)?;
            let mut subscriptions = txn.open_table(PUSH_SUBSCRIPTIONS)?;
            while let Some((key, _)) = subscriptions.pop_first()? {
                changing.note_of_two(Followed::PushSubscriptions, key.value())?;
            }
        }
        Renewed {
            invites: ended,
            pauses,
        }
    };
    txn.commit()?;
    Ok(renewed)
}

/// Returns whether there are keys of bots and backends, or hooks.
pub(crate) fn has_keys(txn: &WriteTransaction) -> Result<bool, StoreError> {
    Ok(!txn.open_table(KEYS)?.is_empty()? || !txn.open_table(HOOKS)?.is_empty()?)
}

/// Takes every row out of a table.
fn remove_all(
    txn: &WriteTransaction,
    table: ByTwo,
    followed: Followed,
    changing: &mut Changing<'_>,
) -> Result<(), StoreError> {
    let mut table = txn.open_table(table)?;
    while let Some((key, _)) = table.pop_first()? {
        changing.note_of_two(followed, key.value())?;
    }
    Ok(())
}

/// Returns the newest entry, after which a change of a row comes; `None` in a file of a format that
/// has no changes, and may not have the log's table either.
fn followed_to(db: &Database) -> Result<Option<u64>, StoreError> {
    let txn = db.begin_read()?;
    match txn.open_table(CHANGES) {
        Ok(_) => Ok(Some(Log::open_any(&txn)?.last()?)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Notes that a file is put to use that may not know what was revoked elsewhere.
pub(crate) fn renew_from(txn: &WriteTransaction, now: Timestamp) -> Result<(), StoreError> {
    put_tokens_from(&mut txn.open_table(META)?, now)
}

fn put_tokens_from(
    meta: &mut redb::Table<'_, &'static str, &'static [u8]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    meta.insert(TOKENS_FROM, &seal(0, &now.as_ms().to_le_bytes())[..])?;
    Ok(())
}

/// Returns when a backup was last put to use as this file, or an export; `None` where none was.
pub(crate) fn tokens_from(db: &Database) -> Result<Option<Timestamp>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    if meta.get(TOKENS_FROM)?.is_none() {
        return Ok(None);
    }
    let at = u64::from_le_bytes(sealed_meta(&meta, TOKENS_FROM)?);
    Ok(Some(Timestamp::from_ms(at)))
}

/// Notes since when something that was erased may still lie in free pages of the file.
pub(crate) fn note_erased(txn: &WriteTransaction, at: Timestamp) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    meta.insert(ERASED, &seal(0, &at.as_ms().to_le_bytes())[..])?;
    Ok(())
}

/// Returns since when that is so; `None` where nothing is to be erased. A note that is damaged is
/// taken for the oldest there can be.
pub(crate) fn erased(db: &Database) -> Result<Option<Timestamp>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    if meta.get(ERASED)?.is_none() {
        return Ok(None);
    }
    match sealed_meta(&meta, ERASED) {
        Ok(at) => Ok(Some(Timestamp::from_ms(u64::from_le_bytes(at)))),
        Err(StoreError::Damaged { .. }) => Ok(Some(Timestamp::default())),
        Err(error) => Err(error),
    }
}

/// Notes up to which entry retention has gone through the log.
pub(crate) fn note_retained(txn: &WriteTransaction, entry: u64) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    meta.insert(RETAINED, &seal(0, &entry.to_le_bytes())[..])?;
    Ok(())
}

/// Returns up to which entry that is; 0 where it is not known, so that it is gone through again.
pub(crate) fn retained(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<u64, StoreError> {
    if meta.get(RETAINED)?.is_none() {
        return Ok(0);
    }
    match sealed_meta(meta, RETAINED) {
        Ok(entry) => Ok(u64::from_le_bytes(entry)),
        Err(StoreError::Damaged { .. }) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Notes that nothing is left of what accounts said that left with all of it.
pub(crate) fn note_leavers_erased(txn: &WriteTransaction) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    meta.insert(LEAVERS_ERASED, &seal(0, &[1])[..])?;
    Ok(())
}

/// Returns whether that is known. A note that is damaged says nothing: it is looked for again.
pub(crate) fn leavers_erased(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<bool, StoreError> {
    match sealed_meta::<1>(meta, LEAVERS_ERASED) {
        Ok(_) => Ok(true),
        Err(StoreError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Notes what time it is: three numbers, see [`CLOCK`].
pub(crate) fn note_clock(txn: &WriteTransaction, noted: [u64; 3]) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    let body = noted.map(u64::to_le_bytes);
    meta.insert(CLOCK, &seal(0, body.as_flattened())[..])?;
    Ok(())
}

/// Returns what time it was; `None` where that is not noted, or cannot be read.
pub(crate) fn clock(db: &Database) -> Result<Option<[u64; 3]>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    if meta.get(CLOCK)?.is_none() {
        return Ok(None);
    }
    match sealed_meta::<24>(&meta, CLOCK) {
        Ok(body) => {
            let (numbers, _) = body.as_chunks::<8>();
            let mut noted = [0; 3];
            for (place, number) in noted.iter_mut().zip(numbers) {
                *place = u64::from_le_bytes(*number);
            }
            Ok(Some(noted))
        }
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether a table of this name holds what follows from the log.
pub(crate) fn is_derived(table: &str) -> bool {
    let derived = [
        CONVERSATION_STATES.name(),
        STREAM_STATES.name(),
        CLIENT_IDS.name(),
    ];
    derived.contains(&table)
}

/// Removes everything that follows from the log, and the mark of a backup: the next start derives
/// it anew. Fails where the log ends before what was derived from it.
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
        txn.delete_table(STREAM_STATES)?;
        txn.delete_table(CLIENT_IDS)?;
        txn.open_table(CONVERSATION_STATES)?;
        txn.open_table(STREAM_STATES)?;
        txn.open_table(CLIENT_IDS)?;
        // What is hashed by it stands in the log, too.
        let key: [u8; KEY_BYTES] = match sealed_meta(&meta, CLIENT_ID_KEY) {
            Err(StoreError::Damaged { .. }) => rand::random(),
            key => key?,
        };
        meta.insert(CLIENT_ID_KEY, &seal(0, &key)[..])?;
        meta.insert(SWEPT, &seal(0, &0_u64.to_le_bytes())[..])?;
        meta.remove(BACKUP)?;
    }
    txn.commit()?;
    Ok(())
}
