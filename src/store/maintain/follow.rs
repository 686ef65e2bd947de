//! Bringing a copy that was made beside a writer up to what the file came to since.
//!
//! Every step of such a copy has a snapshot of its own, so rows that were copied early may have
//! changed by the time others are. The log says which entries came and which were rewritten, the
//! table of changes says which other rows came, changed or went, and conversations are only ever
//! added. So a copy that follows these is the file as of the last snapshot that it followed.

use std::ops::Bound;

use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, Value, WriteTransaction};

use super::MaintainError;
use super::STEP_BYTES;
use super::copy::{Rewritten, copy_entries, copy_step};
use crate::store::changes::{Followed, Row, RowChange, decode_newest};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::tables::{
    ByNumber, ByTwo, CHANGES, CODES, CONVERSATIONS, CREDENTIALS, FILES, HOOKS, INVITES, KEYS, META,
    NEWEST_CHANGES, PUSH_SUBSCRIPTIONS, REACTIONS, RELATIONS, REPORTS, ROOM_MEMBERS, ROOMS,
    SESSIONS, UNUSED_BY_NAME, UNUSED_BY_NUMBER, UNUSED_BY_TWO, USERS,
};

/// How far a copy has followed its file.
#[derive(Default)]
pub(super) struct Following {
    /// The entry that is to be copied next.
    pub(super) next: u64,
    pub(super) rewritten: Rewritten,
    /// The newest change of a row that the copy has.
    pub(super) changes: u64,
}

impl Following {
    /// Begins to follow a file that is to be copied: rows that change from now on are caught up.
    pub(super) fn begin(snapshot: &ReadTransaction) -> Result<Self, MaintainError> {
        let changes = snapshot.open_table(CHANGES)?;
        let newest = changes.last()?;
        let mut following = Self {
            changes: newest.map_or(0, |(number, _)| number.value()),
            ..Self::default()
        };
        let last = Log::open(snapshot)?.last()?;
        following.rewritten.begin(snapshot, last)?;
        Ok(following)
    }

    /// Brings the copy up to a snapshot. Returns how many entries and rows that were.
    pub(super) fn follow(
        &mut self,
        snapshot: &ReadTransaction,
        txn: &WriteTransaction,
    ) -> Result<u64, MaintainError> {
        let from = self.next;
        let source = Log::open(snapshot)?;
        let mut walk = source.walk(from)?;
        while copy_entries(
            txn,
            STEP_BYTES,
            (&source, &mut walk),
            &mut self.next,
            &mut self.rewritten,
        )? {}
        while self.rewritten.copy(txn, STEP_BYTES, &source)? {}
        for message in self.rewritten.take_beside() {
            copy_reactions(snapshot, txn, message)?;
        }
        copy_new(snapshot, txn, CONVERSATIONS)?;
        let mut rows = 0;
        let changes = snapshot.open_table(CHANGES)?;
        for row in changes.range((Bound::Excluded(self.changes), Bound::Unbounded))? {
            let (number, sealed) = row?;
            let number = number.value();
            let change = RowChange::decode(number, sealed.value())?;
            follow_change(snapshot, txn, (number, sealed.value()), change.row)?;
            self.changes = number;
            rows += 1;
        }
        Ok(self.next - from + rows)
    }
}

/// Copies what no change is noted of and what is small: to be done once, upon the last snapshot.
pub(super) fn copy_rest(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
) -> Result<(), MaintainError> {
    for table in UNUSED_BY_NUMBER {
        copy_all(snapshot, txn, table)?;
    }
    for table in UNUSED_BY_TWO {
        copy_all(snapshot, txn, table)?;
    }
    for table in UNUSED_BY_NAME {
        copy_all(snapshot, txn, table)?;
    }
    copy_all(snapshot, txn, META)?;
    Ok(())
}

/// Copies a change of a row, and the row as it is now.
fn follow_change(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
    (number, sealed): (u64, &[u8]),
    row: Row,
) -> Result<(), MaintainError> {
    let mut newest = txn.open_table(NEWEST_CHANGES)?;
    let mut changes = txn.open_table(CHANGES)?;
    let earlier = newest.get(row)?;
    let earlier = earlier.and_then(|sealed| decode_newest(row, sealed.value()));
    if let Some(earlier) = earlier {
        changes.remove(earlier)?;
    }
    if let Some(now) = snapshot.open_table(NEWEST_CHANGES)?.get(row)? {
        newest.insert(row, now.value())?;
    }
    changes.insert(number, sealed)?;
    let damaged = StoreError::Damaged {
        table: "changes",
        key: number,
    };
    let by_number = |table: ByNumber| copy_row(snapshot, txn, table, row.1);
    let by_two = |table: ByTwo| copy_row(snapshot, txn, table, (row.1, row.2));
    match Followed::of(row.0).ok_or(damaged)? {
        Followed::Users => by_number(USERS),
        Followed::Credentials => by_number(CREDENTIALS),
        Followed::Invites => by_number(INVITES),
        Followed::Rooms => by_number(ROOMS),
        Followed::Keys => by_number(KEYS),
        Followed::Hooks => by_number(HOOKS),
        Followed::Files => by_number(FILES),
        Followed::Reports => by_number(REPORTS),
        Followed::Sessions => by_two(SESSIONS),
        Followed::Codes => by_two(CODES),
        Followed::RoomMembers => by_two(ROOM_MEMBERS),
        Followed::Relations => by_two(RELATIONS),
        Followed::PushSubscriptions => by_two(PUSH_SUBSCRIPTIONS),
    }
}

/// Copies a row as it is now, or takes it away.
fn copy_row<K: Plain>(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
    key: K,
) -> Result<(), MaintainError> {
    let mut copy = txn.open_table(table)?;
    match snapshot.open_table(table)?.get(key)? {
        Some(value) => drop(copy.insert(key, value.value())?),
        None => drop(copy.remove(key)?),
    }
    Ok(())
}

/// Copies who reacted to a message as that is now: the entries that change it are those of its log.
fn copy_reactions(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
    message: u64,
) -> Result<(), MaintainError> {
    let of_message = (message, 0)..=(message, u64::MAX);
    let mut copy = txn.open_table(REACTIONS)?;
    copy.retain_in(of_message.clone(), |_, _| false)?;
    for row in snapshot.open_table(REACTIONS)?.range(of_message)? {
        let (key, value) = row?;
        copy.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// A key that is numbers, and its own value.
pub(super) trait Plain: Key + Copy + for<'a> Value<SelfType<'a> = Self> + 'static {}

impl<K: Key + Copy + for<'a> Value<SelfType<'a> = K> + 'static> Plain for K {}

/// Copies one step of a table, in a snapshot of its own, from where the copy of it ends, and no
/// row beyond `last`. Returns whether there may be more.
pub(super) fn copy_on<K: Plain>(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
    last: Option<K>,
) -> Result<bool, MaintainError> {
    let from = txn.open_table(table)?.last()?.map(|(key, _)| key.value());
    let from = from.map_or(Bound::Unbounded, Bound::Excluded);
    let to = last.map_or(Bound::Unbounded, Bound::Included);
    let source = snapshot.open_table(table)?;
    let mut rows = source.range::<K>((from, to))?;
    copy_step(txn, table, STEP_BYTES, &mut rows)
}

/// Copies all rows that come after those of the copy.
fn copy_new<K: Plain>(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
) -> Result<(), MaintainError> {
    while copy_on(snapshot, txn, table, None)? {}
    Ok(())
}

/// Copies a table of which the copy has nothing yet.
fn copy_all<K: Key + 'static>(
    snapshot: &ReadTransaction,
    txn: &WriteTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
) -> Result<(), MaintainError> {
    let source = snapshot.open_table(table)?;
    let mut rows = source.iter()?;
    while copy_step(txn, table, STEP_BYTES, &mut rows)? {}
    Ok(())
}
