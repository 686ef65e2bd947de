//! What a start reads: accounts, derived rows, and the end of the log beyond these.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use redb::{
    AccessGuard, Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
};
use rustc_hash::FxHashSet;

use super::sweep::{ROW_CONVERSATIONS, Sweep, decode_row};
use crate::model::{Act, CursorKeys, EntryId, Stream, Timestamp};
use crate::store::disk::eras;
use crate::store::disk::error::OpenError;
use crate::store::disk::guard::guarded;
use crate::store::disk::open::{Opened, PROGRESS};
use crate::store::disk::schema::{
    self, decode_conversation, forget_derived, is_derived, sealed_meta,
};
use crate::store::error::StoreError;
use crate::store::files::all::Files;
use crate::store::files::row as files;
use crate::store::log::blocks::{Log, damaged, decode};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::options::StoreOptions;
use crate::store::people::api_keys::{self, ApiKeys};
use crate::store::people::codes::{self, Codes};
use crate::store::people::hooks::all::Hooks;
use crate::store::people::hooks::row as hooks;
use crate::store::people::invites::{self, Invites};
use crate::store::people::reports::{self, Reports};
use crate::store::people::sessions::{self, Sessions};
use crate::store::people::state::People;
use crate::store::people::subscriptions::{self, Subscriptions};
use crate::store::people::users::{self, Directory};
use crate::store::state::State;
use crate::store::tables::{
    CLIENT_ID_KEY, CODES, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS, FILES, HOOKS, INVITES,
    KEYS, META, PUSH_SUBSCRIPTIONS, REPORTS, SESSIONS, STREAM_STATES, SWEPT, USERS,
};
use crate::store::talk::client_ids::{self, ClientIds};
use crate::store::talk::conversation::Conversation;
use crate::store::talk::conversations::{BLOCK, Conversations};
use crate::store::talk::rooms::{self, Rooms};

/// Brings an opened file to this format, and reads what a start must know. Nothing is changed in a
/// file that is not chatd's.
pub(crate) fn open(
    opened: &Opened,
    options: &StoreOptions,
    cursor_keys: &CursorKeys,
) -> Result<(Loaded, Option<Timestamp>), OpenError> {
    let db = &opened.db;
    let loading = guarded(|| {
        let found = schema::format(db).inspect_err(|_| opened.give_up())?;
        opened.release().map_err(OpenError::Io)?;
        schema::prepare(db, found)?;
        schema::push_key(db)?;
        schema::migrate_log(db, schema::MIGRATED_BYTES)?;
        put_to_use(db)?;
        cursor_keys.set(eras::read(db)?);
        let tokens_from = schema::tokens_from(db)?;
        Ok((load_or_derive(db, options)?, tokens_from))
    });
    loading.unwrap_or_else(|panic| {
        opened.give_up();
        // What it holds is half changed, and closing it might panic again.
        std::mem::forget(Arc::clone(db));
        Err(panic.into())
    })
}

/// Renews what must not go back in time, where this is a backup that is now opened to be written.
fn put_to_use(db: &Database) -> Result<(), StoreError> {
    if schema::is_backup(db)? {
        let schema::Renewed { invites, pauses } = schema::renew(db, Timestamp::now())?;
        tracing::warn!(
            invites,
            "the data file is a backup that is put to use: everybody logs in anew, and its invites have ended"
        );
        if pauses {
            tracing::warn!(
                "its keys of bots and backends, and its hooks, are paused until an administrator confirms each"
            );
        }
    }
    Ok(())
}

/// [`load`], once more where what is derived is damaged, and was made anew.
pub(crate) fn load_or_derive(db: &Database, options: &StoreOptions) -> Result<Loaded, StoreError> {
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
pub(crate) struct Loaded {
    pub(crate) state: State,
    pub(crate) sweep: Sweep,
    pub(crate) client_ids: ClientIds,
}

/// Reads the accounts, and beside them the derived rows, and replays what the log has beyond those.
pub(crate) fn load(db: &Database, options: &StoreOptions) -> Result<Loaded, StoreError> {
    std::thread::scope(|scope| {
        let people = scope.spawn(|| guarded(|| load_people(db)));
        let mut loaded = load_talk(db, options)?;
        let people = people.join();
        let mut people = people.unwrap_or_else(|panic| std::panic::resume_unwind(panic))??;
        people.directory.begin_ids_at(options.first_user_id);
        loaded.state.people = people;
        let meta = db.begin_read()?.open_table(META)?;
        loaded.state.retained = schema::retained(&meta)?;
        loaded.state.leavers_erased = schema::leavers_erased(&meta)?;
        Ok(loaded)
    })
}

fn load_people(db: &Database) -> Result<People, StoreError> {
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
    let mut all_keys = ApiKeys::default();
    for row in txn.open_table(KEYS)?.iter()? {
        let (key, value) = row?;
        all_keys.put(api_keys::decode(key.value(), value.value())?);
    }
    let mut all_hooks = Hooks::default();
    for row in txn.open_table(HOOKS)?.iter()? {
        let (key, value) = row?;
        all_hooks.put(key.value(), hooks::decode(key.value(), value.value())?);
    }
    let mut all_files = Files::default();
    for row in txn.open_table(FILES)?.iter()? {
        let (key, value) = row?;
        all_files.put(files::decode(key.value(), value.value())?.into());
    }
    let mut all_subscriptions = Subscriptions::default();
    for row in txn.open_table(PUSH_SUBSCRIPTIONS)?.iter()? {
        let (key, value) = row?;
        let subscription = subscriptions::decode(key.value(), value.value())?;
        all_subscriptions.put(subscription.into());
    }
    Ok(People {
        subscriptions: all_subscriptions,
        files: all_files,
        directory: Directory::of(users),
        invites: all_invites,
        api_keys: all_keys,
        sessions: load_sessions(&txn)?,
        codes: load_codes(&txn)?,
        reports: load_reports(&txn)?,
        hooks: all_hooks,
    })
}

fn load_sessions(txn: &ReadTransaction) -> Result<Sessions, StoreError> {
    let mut all = Sessions::default();
    for row in txn.open_table(SESSIONS)?.iter()? {
        let (key, value) = row?;
        all.take(sessions::decode(key.value(), value.value())?);
    }
    Ok(all)
}

fn load_codes(txn: &ReadTransaction) -> Result<Codes, StoreError> {
    let mut all = Codes::default();
    for row in txn.open_table(CODES)?.iter()? {
        let (key, value) = row?;
        all.take(codes::decode(key.value(), value.value())?);
    }
    Ok(all)
}

fn load_reports(txn: &ReadTransaction) -> Result<Reports, StoreError> {
    let mut all = Reports::default();
    for row in txn.open_table(REPORTS)?.iter()? {
        let (key, value) = row?;
        let report = reports::decode(key.value(), value.value())?;
        all.take(key.value(), report.as_ref());
    }
    Ok(all)
}

/// How many rows make a block of conversations in memory.
const BLOCK_ROWS: usize = BLOCK / ROW_CONVERSATIONS as usize;

/// A row of `conversation_states`, its page kept.
type Row = AccessGuard<'static, &'static [u8]>;

/// The conversations as their rows tell them.
///
/// This thread alone reads the rows, which is soon done; it and another one decode them. Were both
/// to read, the memory of every page would cost the other one a call of the system, as glibc gives
/// it to all but a process's first thread.
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

/// The conversations of these rows, the first of which has the key `first`; `left` rows are left
/// with them. Every row but the last one of all is full.
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

/// The rooms as their rows tell them, with what is derived of each. Every room and every membership
/// from before the entry `swept` has its row there.
fn load_rooms(txn: &ReadTransaction, swept: u64) -> Result<Rooms, StoreError> {
    let mut all = rooms::rows::read(txn)?;
    let mut there = FxHashSet::default();
    let table = txn.open_table(STREAM_STATES)?;
    for row in table.iter()? {
        let (key, value) = row?;
        let key = key.value();
        let damaged = || StoreError::Damaged {
            table: "stream_states",
            key: key.0,
        };
        all.take_state(key, value.value()).ok_or_else(damaged)?;
        there.insert(key);
    }
    let missing = all.derived_before(swept).find(|key| !there.contains(key));
    match missing {
        None => Ok(all),
        Some((key, _)) => Err(StoreError::Damaged {
            table: "stream_states",
            key,
        }),
    }
}

/// Puts the conversations there that were made since the derived rows were written.
fn load_newer_conversations(
    txn: &ReadTransaction,
    state: &mut State,
    sweep: &mut Sweep,
) -> Result<(), StoreError> {
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
    Ok(())
}

/// Remembers the client id of a message, unless that is older than client ids are remembered.
fn note_client_id(
    client_ids: &mut ClientIds,
    state: &State,
    (id, record): (EntryId, &Record<&str>),
    newest_at: Timestamp,
) {
    if let Act::Sent {
        client_id: Some(client_id),
        ..
    }
    | Act::Erased {
        client_id: Some(client_id),
        ..
    } = &record.act
        && !client_ids::is_old(record.at, newest_at)
    {
        let hash = client_ids.hash(client_id);
        if let Some(sender) = state.author_of(record) {
            client_ids.put(sender, hash, id.into(), record.at);
        }
    }
}

fn load_talk(db: &Database, options: &StoreOptions) -> Result<Loaded, StoreError> {
    let mut state = State::default();
    let txn = db.begin_read()?;
    let meta = txn.open_table(META)?;
    let swept = u64::from_le_bytes(sealed_meta(&meta, SWEPT)?);
    let mut client_ids = ClientIds::new(sealed_meta(&meta, CLIENT_ID_KEY)?, options.client_ids);
    let mut sweep = Sweep::new(swept, options.sweep_every);
    state.put_conversations(load_conversations(db)?);
    load_newer_conversations(&txn, &mut state, &mut sweep)?;
    state.rooms = load_rooms(&txn, swept)?;
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
        let (id, record) = decode(key, value)?;
        let replayed = (key == expected)
            .then(|| state.apply(id, &record))
            .flatten();
        replayed.ok_or(damaged(expected))?;
        expected += 1;
        match record.stream {
            Stream::Pair(id) => sweep.mark(id),
            Stream::Room(_) | Stream::Own(_) => {
                rooms::for_touched(&record, |key| sweep.mark_stream(key));
            }
        }
        note_client_id(&mut client_ids, &state, (id, &record), newest_at);
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
