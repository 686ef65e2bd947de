//! The format of the data file: made once, checked at every start.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use redb::{
    AccessGuard, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableError,
    TableHandle, WriteTransaction,
};

use super::chain::ReadLog;
use super::client_ids::{self, ClientIds};
use super::conversations::{BLOCK, Conversations};
use super::guard::guarded;
use super::invites::{self, Invites};
use super::log::{Appending, Log, damaged, decode};
use super::record::{Body, seal, unseal};
use super::state::{Conversation, State};
use super::sweep::{ROW_CONVERSATIONS, Sweep, decode_row};
use super::tables::{
    BACKUP, CLIENT_ID_KEY, CLIENT_IDS, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS, CURSOR_KEY,
    ERAS, INVITES, LOG, META, OLD_LOG, SWEPT, TOKENS_FROM, USERS,
};
use super::users::{self, Directory};
use super::{OpenError, PROGRESS, StoreError, StoreOptions};
use crate::model::{ConversationId, EntryId, MessageId, Pair, Timestamp, UserId};

/// The format that this program writes. A file of an earlier one is migrated at open; one of a later one is refused
/// unchanged.
///
/// 1: log, conversations, accounts; everything derived was made anew at each start.
/// 2: derived rows, kept by the sweep; invites.
/// 3: the log in blocks; before, a row for each entry.
pub(super) const FORMAT: u32 = 3;

/// How many random bytes sign the tokens: as many as the hash has.
pub(super) const SECRET_BYTES: usize = 32;

/// The kind byte of a conversation of two.
const PAIR: u8 = 1;

/// How many bytes keep strangers from choosing client ids that collide, and from forging cursors.
pub(super) const KEY_BYTES: usize = 16;

/// The format of a file; `None` for one that is new. Fails on one of another program or of a later chatd.
pub(super) fn format(db: &Database) -> Result<Option<u32>, OpenError> {
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
pub(super) fn prepare(db: &Database, found: Option<u32>) -> Result<(), StoreError> {
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
pub(super) const MIGRATED_BYTES: usize = 4 << 20;

/// Puts the entries that a file of an earlier format still has as rows into blocks, step by step, each on disk before the
/// next: the file hardly grows, and what a stop leaves undone is done by the next start. A step has [`MIGRATED_BYTES`].
pub(super) fn migrate_log(db: &Database, step_bytes: usize) -> Result<(), StoreError> {
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
pub(super) fn migrate_step(db: &Database, step_bytes: usize) -> Result<bool, StoreError> {
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
pub(super) fn sealed_meta<const N: usize>(
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
pub(super) fn token_secret(db: &Database) -> Result<Vec<u8>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    let secret = meta.get("token_secret")?.ok_or(StoreError::Damaged {
        table: "meta",
        key: 0,
    })?;
    Ok(secret.value().to_vec())
}

/// Marks a file in the making as a backup.
pub(super) fn mark_backup(txn: &WriteTransaction) -> Result<(), StoreError> {
    let mut meta = txn.open_table(META)?;
    meta.insert(BACKUP, &seal(0, &[1])[..])?;
    Ok(())
}

/// Whether a file is a backup that was not put to use yet.
pub(super) fn is_backup(db: &Database) -> Result<bool, StoreError> {
    Ok(db.begin_read()?.open_table(META)?.get(BACKUP)?.is_some())
}

/// Renews in a file that went back in time what must not: no earlier token and no earlier cursor is good any more, and
/// there are no invites, since it is not known which were used up or withdrawn meanwhile. Gives how many there were.
pub(super) fn renew(db: &Database, now: Timestamp) -> Result<u64, StoreError> {
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
pub(super) fn tokens_from(db: &Database) -> Result<Option<Timestamp>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    if meta.get(TOKENS_FROM)?.is_none() {
        return Ok(None);
    }
    let at = u64::from_le_bytes(sealed_meta(&meta, TOKENS_FROM)?);
    Ok(Some(Timestamp::from_ms(at)))
}

/// Whether a table holds what follows from the log.
pub(super) fn is_derived(table: &str) -> bool {
    [CONVERSATION_STATES.name(), CLIENT_IDS.name()].contains(&table)
}

/// Takes out everything that follows from the log, and the mark of a backup: the next start makes it anew. Fails where the log ends before what was
/// derived from it.
pub(super) fn forget_derived(db: &Database) -> Result<(), StoreError> {
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

/// [`load`], once more where what is derived is damaged, and was made anew.
pub(super) fn load_or_derive(db: &Database, options: &StoreOptions) -> Result<Loaded, StoreError> {
    match load(db, options) {
        Err(error @ StoreError::Damaged { table, .. }) if is_derived(table) => {
            tracing::warn!(%error, "what is derived from the log is damaged; it is made anew");
            forget_derived(db)?;
            load(db, options)
        }
        loaded => loaded,
    }
}

/// What a start reads.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) sweep: Sweep,
    pub(super) client_ids: ClientIds,
}

/// Reads the accounts, and beside them the derived rows, and replays what the log has beyond those.
pub(super) fn load(db: &Database, options: &StoreOptions) -> Result<Loaded, StoreError> {
    std::thread::scope(|scope| {
        let people = scope.spawn(|| guarded(|| load_people(db)));
        let mut loaded = load_talk(db, options)?;
        let people = people.join();
        (loaded.state.directory, loaded.state.invites) =
            people.unwrap_or_else(|panic| std::panic::resume_unwind(panic))??;
        loaded.state.directory.begin_ids_at(options.first_user_id);
        Ok(loaded)
    })
}

fn load_people(db: &Database) -> Result<(Directory, Invites), StoreError> {
    let (mut users, mut all_invites) = (Vec::new(), Invites::default());
    let txn = db.begin_read()?;
    // Both tables ascend by id, so that one walk beside the other finds who has a password.
    let with_password = txn.open_table(CREDENTIALS)?;
    let mut credentials = with_password.iter()?.peekable();
    let mut has_password = |id: u64| {
        loop {
            match credentials.next_if(|row| row.as_ref().is_ok_and(|(key, _)| key.value() < id)) {
                Some(_) => {}
                None => match credentials.peek() {
                    Some(Err(_)) => {
                        let failed = credentials.next().and_then(Result::err);
                        return failed.map_or(Ok(false), |error| Err(error.into()));
                    }
                    next => {
                        let key = next.and_then(|row| row.as_ref().ok());
                        return Ok(key.is_some_and(|(key, _)| key.value() == id));
                    }
                },
            }
        }
    };
    for row in txn.open_table(USERS)?.iter()? {
        let (key, value) = row?;
        users.push(users::decode(key.value(), value.value(), &mut has_password)?.into());
    }
    for row in txn.open_table(INVITES)?.iter()? {
        let (key, value) = row?;
        let invite = invites::decode(key.value(), value.value())?;
        all_invites.put(key.value(), invite);
    }
    Ok((Directory::of(users), all_invites))
}

/// How many rows make a block of conversations in memory.
const BLOCK_ROWS: usize = BLOCK / ROW_CONVERSATIONS as usize;

/// A row of `conversation_states`, its page kept.
type Row = AccessGuard<'static, &'static [u8]>;

/// The conversations as their rows tell them.
///
/// This thread alone reads the rows, which is soon done; it and another one decode them. Were both to read, the memory of
/// every page would cost the other one a call of the system, as glibc gives it to all but a process's first thread.
fn load_conversations(db: &Database) -> Result<Conversations, StoreError> {
    let states = db.begin_read()?.open_table(CONVERSATION_STATES)?;
    let damaged = |key| StoreError::Damaged {
        table: "conversation_states",
        key,
    };
    let mut rows: Vec<Row> = Vec::new();
    for (expected, row) in (0..).zip(states.range::<u64>(..)?) {
        let (key, value) = row?;
        if key.value() != expected {
            return Err(damaged(key.value()));
        }
        rows.push(value);
    }
    if rows.len() as u64 != states.len()? {
        return Err(damaged(rows.len() as u64));
    }
    let next = AtomicUsize::new(0);
    let decode = || {
        let mut blocks = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let first = number * BLOCK_ROWS;
            let Some(rest) = rows.get(first..).filter(|rest| !rest.is_empty()) else {
                return blocks;
            };
            let rows = &rest[..rest.len().min(BLOCK_ROWS)];
            blocks.push((number, decode_block(first as u64, rows, rest.len())));
        }
    };
    let mut blocks = std::thread::scope(|scope| {
        let beside = scope.spawn(|| guarded(decode));
        let mut blocks = decode();
        let beside = beside.join();
        blocks.extend(beside.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        Ok::<_, StoreError>(blocks)
    })?;
    blocks.sort_unstable_by_key(|(number, _)| *number);
    let blocks = blocks.into_iter().map(|(_, block)| block);
    Conversations::of(blocks.collect::<Result<_, _>>()?).ok_or(damaged(0))
}

/// The conversations of these rows, the first of which has the key `first`; `left` rows are left with them. Every row but
/// the last one of all is full.
fn decode_block(first: u64, rows: &[Row], left: usize) -> Result<Vec<Conversation>, StoreError> {
    let mut block = Vec::with_capacity(rows.len() * ROW_CONVERSATIONS as usize);
    for (at, row) in rows.iter().enumerate() {
        let key = first + at as u64;
        decode_row(key, row.value(), &mut block)?;
        let is_full = block.len() == (at + 1) * ROW_CONVERSATIONS as usize;
        if !is_full && at + 1 < left {
            return Err(StoreError::Damaged {
                table: "conversation_states",
                key,
            });
        }
    }
    Ok(block)
}

fn load_talk(db: &Database, options: &StoreOptions) -> Result<Loaded, StoreError> {
    let mut state = State::default();
    let txn = db.begin_read()?;
    let meta = txn.open_table(META)?;
    let swept = u64::from_le_bytes(sealed_meta(&meta, SWEPT)?);
    let mut client_ids = ClientIds::new(sealed_meta(&meta, CLIENT_ID_KEY)?, options.client_ids);
    let mut sweep = Sweep::new(swept, options.sweep_every);
    state.put_conversations(load_conversations(db)?);
    let newer = state.conversation_count() + 1;
    for row in txn.open_table(CONVERSATIONS)?.range(newer..)? {
        let (key, value) = row?;
        let damaged = StoreError::Damaged {
            table: "conversations",
            key: key.value(),
        };
        let (id, pair) = decode_conversation(key.value(), value.value())?.ok_or(damaged.clone())?;
        if id.get() != state.conversation_count() + 1 {
            return Err(damaged);
        }
        state.put_conversation(Conversation::new(pair));
        sweep.mark(id);
    }
    let log = Log::open_any(&txn)?;
    let last = log.last()?;
    if swept > last {
        return Err(damaged(last + 1));
    }
    // The newest entry tells the next id, and the time.
    let newest = EntryId::new(last).ok();
    let newest = newest
        .map(|last| log.read(last, |entry| (last, entry.at)))
        .transpose()?;
    let newest_at = newest.map_or(Timestamp::default(), |(_, at)| at);
    let mut walk = log.walk(swept + 1)?;
    let mut expected = swept + 1;
    let mut told = Instant::now();
    while let Some(row) = walk.next() {
        let (key, value) = row?;
        let (id, entry) = decode(key, value)?;
        let replayed = (key == expected)
            .then(|| state.replay(id, &entry))
            .flatten();
        let pair = replayed.ok_or(damaged(expected))?.pair;
        expected += 1;
        sweep.mark(entry.conversation);
        if let Body::Message(message) = &entry.body
            && let Some(client_id) = message.client_id
            && !client_ids::is_old(entry.at, newest_at)
        {
            let hash = client_ids.hash(&client_id.text());
            let message = MessageId::new(id.get()).expect("an entry id is a valid id");
            client_ids.put(pair.members()[entry.side], hash, message, entry.at);
        }
        if told.elapsed() >= PROGRESS {
            tracing::info!(entry = id.get(), "reading the log");
            told = Instant::now();
        }
    }
    if last != expected - 1 {
        return Err(damaged(last.min(expected - 1) + 1));
    }
    if let Some((last, at)) = newest {
        state.ends_with(last, at);
    }
    state.derive();
    Ok(Loaded {
        state,
        sweep,
        client_ids,
    })
}

/// For tests: has a file say that it is of an earlier format; one of format 1 had nothing that is derived.
#[cfg(test)]
pub(super) fn tamper_format(db: &Database, format: u32) {
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
pub(super) fn encode_pair(pair: Pair) -> Vec<u8> {
    let mut value = vec![PAIR];
    for member in pair.members() {
        value.extend_from_slice(&member.get().to_le_bytes());
    }
    value
}

/// Reads it back, sealed as it is; `None` where no chatd of this format wrote it.
pub(super) fn decode_conversation(
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
