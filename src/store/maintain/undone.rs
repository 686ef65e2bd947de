//! What a restore brings back that was deleted since the backup was made.

use std::fmt;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableDatabase, ReadableTable};

use super::{MaintainError, Source, guard};
use crate::model::Act;
use crate::store::disk::medium::Medium;
use crate::store::log::blocks::{Log, decode};
use crate::store::log::record::Record;
use crate::store::people::users;
use crate::store::tables::USERS;

/// So many of each kind are named.
const NAMED: usize = 20;

/// The deletions that a restore undid: those that the file that was replaced knows, and the backup
/// does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone {
    /// The messages that are there again, by id.
    pub messages: Ids,
    /// The accounts that are there again, by id.
    pub accounts: Ids,
}

/// Ids of one kind, of which the first 20 are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// The number of all of them.
    pub count: u64,
    /// The first ones, ascending.
    pub first: Vec<u64>,
}

impl Ids {
    fn push(&mut self, id: u64) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(id);
        }
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, id) in self.first.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{id}")?;
        }
        if self.count > self.first.len() as u64 {
            f.write_str(", ...")?;
        }
        Ok(())
    }
}

/// Compares what is restored with what it replaces. `None` where the latter cannot be read, or
/// holds nothing.
pub(super) fn undone(restored: Arc<dyn Medium>, replaced: Arc<dyn Medium>) -> Option<Undone> {
    match compared(restored, replaced) {
        Ok(undone) => undone,
        Err(error) => {
            tracing::debug!(%error, "the file that is replaced cannot be read");
            None
        }
    }
}

fn compared(
    restored: Arc<dyn Medium>,
    replaced: Arc<dyn Medium>,
) -> Result<Option<Undone>, MaintainError> {
    let Some(replaced) = Source::open(replaced, false, &mut |_| {})? else {
        return Ok(None);
    };
    let Some(restored) = Source::open(restored, false, &mut |_| {})? else {
        return Ok(None);
    };
    guard(|| {
        let [restored, replaced] = [restored.db.begin_read()?, replaced.db.begin_read()?];
        let mut undone = Undone::default();
        messages(&restored, &replaced, &mut undone.messages)?;
        accounts(&restored, &replaced, &mut undone.accounts)?;
        Ok(Some(undone))
    })
}

/// Finds the entries that are messages in one log, and messages that are gone in the other.
fn messages(
    restored: &ReadTransaction,
    replaced: &ReadTransaction,
    ids: &mut Ids,
) -> Result<(), MaintainError> {
    let [restored, replaced] = [Log::open_any(restored)?, Log::open_any(replaced)?];
    let [mut restored, mut replaced] = [restored.walk(1)?, replaced.walk(1)?];
    while let (Some(there), Some(before)) = (restored.next(), replaced.next()) {
        let ((id, sealed), (number, sealed_before)) = (there?, before?);
        let (id, there) = decode(id, sealed)?;
        let (_, before) = decode(number, sealed_before)?;
        if id.get() != number || !is_same(&there, &before) {
            // Another file's log: from here on their numbers mean other things.
            break;
        }
        if matches!(there.act, Act::Sent { .. }) && matches!(before.act, Act::Erased { .. }) {
            ids.push(id.get());
        }
    }
    Ok(())
}

/// Whether two records are of one entry, whatever became of its content.
fn is_same(one: &Record<&str>, other: &Record<&str>) -> bool {
    (one.stream, one.author, one.at) == (other.stream, other.author, other.at)
}

/// Finds the accounts that are deleted in one table, and not in the other.
fn accounts(
    restored: &ReadTransaction,
    replaced: &ReadTransaction,
    ids: &mut Ids,
) -> Result<(), MaintainError> {
    let replaced = replaced.open_table(USERS)?;
    for row in restored.open_table(USERS)?.iter()? {
        let (key, value) = row?;
        let key = key.value();
        let there = users::decode(key, value.value(), |_| Ok(false))?;
        let Some(before) = replaced.get(key)? else {
            continue;
        };
        let before = users::decode(key, before.value(), |_| Ok(false))?;
        if before.deleted && !there.deleted && before.created_at == there.created_at {
            ids.push(key);
        }
    }
    Ok(())
}
