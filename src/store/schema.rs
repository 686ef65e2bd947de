//! The format of the data file: made once, checked at every start.

use redb::{Database, ReadableDatabase, ReadableTable, TableError, TableHandle};

use super::StoreError;
use super::record::{Entry, unseal};
use super::state::State;
use super::tables::{CONVERSATIONS, CREDENTIALS, INVITES, LOG, META, USERS};
use super::{OpenError, invites, users};
use crate::model::{ConversationId, EntryId, Pair, UserId};

/// The format that this program writes. A file of an earlier one is to be migrated, a step a version, at open; a file of
/// a later one is refused unchanged.
pub(super) const FORMAT: u32 = 1;

/// How many random bytes sign the tokens: as many as the hash has.
pub(super) const SECRET_BYTES: usize = 32;

/// The kind byte of a conversation of two.
const PAIR: u8 = 1;

/// Makes the tables of a new file, or checks the format of an old one.
pub(super) fn prepare(db: &Database) -> Result<(), OpenError> {
    let found = {
        let txn = db.begin_read().map_err(StoreError::from)?;
        match txn.open_table(META) {
            Ok(meta) => {
                let format = meta.get("format").map_err(StoreError::from)?;
                let format = format
                    .and_then(|value| value.value().try_into().ok())
                    .map(u32::from_le_bytes);
                Some(format.ok_or(OpenError::Foreign)?)
            }
            // A database with tables, but without ours, belongs to another program.
            Err(TableError::TableDoesNotExist(_))
                if txn.list_tables().map_err(StoreError::from)?.count() == 0 =>
            {
                None
            }
            Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
                return Err(OpenError::Foreign);
            }
            Err(error) => return Err(StoreError::from(error).into()),
        }
    };
    match found {
        None => create(db).map_err(Into::into),
        Some(FORMAT) => Ok(()),
        Some(found) => Err(OpenError::Newer {
            found,
            known: FORMAT,
        }),
    }
}

fn create(db: &Database) -> Result<(), StoreError> {
    let txn = db.begin_write()?;
    {
        let mut meta = txn.open_table(META)?;
        meta.insert("format", &FORMAT.to_le_bytes()[..])?;
        let secret: [u8; SECRET_BYTES] = rand::random();
        meta.insert("token_secret", &secret[..])?;
        for table in [LOG, CONVERSATIONS, USERS, CREDENTIALS] {
            tracing::trace!(table = table.name(), "table made");
            txn.open_table(table)?;
        }
    }
    txn.commit()?;
    Ok(())
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

/// Reads the accounts and conversations and replays the whole log, checking every record on the way.
pub(super) fn load(db: &Database) -> Result<State, StoreError> {
    let mut state = State::default();
    let txn = db.begin_read()?;
    for row in txn.open_table(USERS)?.iter()? {
        let (key, value) = row?;
        state
            .directory
            .put(users::decode(key.value(), value.value())?.into());
    }
    match txn.open_table(INVITES) {
        Ok(table) => {
            for row in table.iter()? {
                let (key, value) = row?;
                let invite = invites::decode(key.value(), value.value())?;
                state.invites.put(key.value(), invite);
            }
        }
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    for row in txn.open_table(CONVERSATIONS)?.iter()? {
        let (key, value) = row?;
        let damaged = StoreError::Damaged {
            table: "conversations",
            key: key.value(),
        };
        let (id, pair) = decode_conversation(key.value(), value.value())?.ok_or(damaged.clone())?;
        if !state.put_conversation(id, pair) {
            return Err(damaged);
        }
    }
    for row in txn.open_table(LOG)?.iter()? {
        let (key, value) = row?;
        let damaged = StoreError::Damaged {
            table: "log",
            key: key.value(),
        };
        let id = EntryId::new(key.value()).map_err(|_| damaged.clone())?;
        if !state.replay(id, &Entry::decode(id, value.value())?) {
            return Err(damaged);
        }
    }
    Ok(state)
}

/// The value of a conversation of two, unsealed.
pub(super) fn encode_pair(pair: Pair) -> Vec<u8> {
    let mut value = vec![PAIR];
    for member in pair.members() {
        value.extend_from_slice(&member.get().to_le_bytes());
    }
    value
}

fn decode_conversation(
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
