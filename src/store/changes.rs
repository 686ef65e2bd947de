//! The changes of rows beside the log, in the one order with its entries: who follows the log from
//! a place in it, with a snapshot of that place in hand, learns here which rows to read again, and
//! misses nothing.
//!
//! A change has a number of its own, so that accounts take no ids from messages, and says after
//! which entry it came; the row holds what it came to. Of each row only the newest change is kept:
//! an account's last visit changes a hundred times a day, and the table has never more changes than
//! there ever were rows.

use redb::{ReadableTable, Table, WriteTransaction};

use crate::store::error::StoreError;
use crate::store::sealed::{Rest, put, seal, seal_under, unseal, unseal_under};
use crate::store::tables::{CHANGES, NEWEST_CHANGES};

/// A table whose rows are followed, by its number in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed {
    /// Accounts.
    Users = 1,
    /// Passwords.
    Credentials = 2,
    /// Invites.
    Invites = 3,
    /// Descriptions of rooms.
    Rooms = 4,
    /// Memberships.
    RoomMembers = 5,
    /// Login sessions.
    Sessions = 6,
    /// Keys of bots and backends.
    Keys = 7,
    /// Hooks.
    Hooks = 8,
    /// What one person has set about another.
    Relations = 9,
    /// Browsers that are pushed to.
    PushSubscriptions = 10,
    /// Files.
    Files = 11,
    /// Reports.
    Reports = 13,
    /// Codes of links that reset a password.
    Codes = 14,
}

impl Followed {
    /// Returns the table of this number.
    pub(crate) fn of(number: u64) -> Option<Self> {
        let all = [
            Self::Users,
            Self::Credentials,
            Self::Invites,
            Self::Rooms,
            Self::RoomMembers,
            Self::Keys,
            Self::Hooks,
            Self::Relations,
            Self::PushSubscriptions,
            Self::Files,
            Self::Sessions,
            Self::Reports,
            Self::Codes,
        ];
        all.into_iter().find(|table| *table as u64 == number)
    }
}

/// A row of such a table: the table's number, and the one or two numbers of the row's key.
pub(crate) type Row = (u64, u64, u64);

/// One change, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowChange {
    /// The newest entry of the log when the change was committed, those of its own transaction
    /// included; 0 for none.
    pub(crate) after: u64,
    /// What changed.
    pub(crate) row: Row,
}

impl RowChange {
    fn encode(self, number: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        put(&mut body, self.after);
        put(&mut body, self.row.0);
        put(&mut body, self.row.1);
        put(&mut body, self.row.2);
        seal(number, &body)
    }

    /// Reads a change back.
    pub(crate) fn decode(number: u64, sealed: &[u8]) -> Result<Self, StoreError> {
        let body = unseal("changes", number, sealed)?;
        let decode = || {
            let mut rest = Rest(body);
            let after = rest.take()?;
            let row = (rest.take()?, rest.take()?, rest.take()?);
            rest.0.is_empty().then_some(Self { after, row })
        };
        decode().ok_or(StoreError::Damaged {
            table: "changes",
            key: number,
        })
    }
}

/// Returns the number of a row's newest change, as its place in `newest_changes` says; `None` for a
/// damaged one.
pub(crate) fn decode_newest(row: Row, sealed: &[u8]) -> Option<u64> {
    let number = unseal_under(&[row.0, row.1, row.2], sealed)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

/// Notes the changes of one transaction.
pub(crate) struct Changing<'txn> {
    changes: Table<'txn, u64, &'static [u8]>,
    newest: Table<'txn, Row, &'static [u8]>,
    after: u64,
    next: u64,
}

impl<'txn> Changing<'txn> {
    /// Begins with what a transaction changes, after which the log ends with the entry `after`.
    pub(crate) fn begin(txn: &'txn WriteTransaction, after: u64) -> Result<Self, StoreError> {
        let changes = txn.open_table(CHANGES)?;
        let last = changes.last()?.map_or(0, |(number, _)| number.value());
        Ok(Self {
            newest: txn.open_table(NEWEST_CHANGES)?,
            after,
            next: last + 1,
            changes,
        })
    }

    /// Notes that the row of this key changed, came or went.
    pub(crate) fn note(&mut self, table: Followed, key: u64) -> Result<(), StoreError> {
        self.note_of_two(table, (key, 0))
    }

    /// Does the same for a row whose key is two numbers.
    pub(crate) fn note_of_two(
        &mut self,
        table: Followed,
        key: (u64, u64),
    ) -> Result<(), StoreError> {
        let (number, row) = (self.next, (table as u64, key.0, key.1));
        self.next += 1;
        let sealed = seal_under(&[row.0, row.1, row.2], &number.to_le_bytes());
        let earlier = self.newest.insert(row, &sealed[..])?;
        // One that is damaged leaves its change behind, which a check finds.
        if let Some(earlier) = earlier.and_then(|sealed| decode_newest(row, sealed.value())) {
            self.changes.remove(earlier)?;
        }
        let after = self.after;
        let change = RowChange { after, row }.encode(number);
        self.changes.insert(number, &change[..])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};

    use super::*;

    fn database() -> Database {
        let medium = InMemoryBackend::new();
        Database::builder().create_with_backend(medium).unwrap()
    }

    fn note(db: &Database, after: u64, rows: &[(Followed, u64)]) {
        let txn = db.begin_write().unwrap();
        {
            let mut changing = Changing::begin(&txn, after).unwrap();
            for (table, key) in rows {
                changing.note(*table, *key).unwrap();
            }
        }
        txn.commit().unwrap();
    }

    /// Every change: its number, after which entry, and which row.
    fn changes(db: &Database) -> Vec<(u64, u64, Row)> {
        let txn = db.begin_read().unwrap();
        let table = txn.open_table(CHANGES).unwrap();
        let all = table.iter().unwrap().map(|row| {
            let (number, value) = row.unwrap();
            let number = number.value();
            let change = RowChange::decode(number, value.value()).unwrap();
            (number, change.after, change.row)
        });
        all.collect()
    }

    #[test]
    fn of_each_row_the_newest_change_is_kept_in_the_order_of_all() {
        use Followed::{Credentials, Invites, Users};
        let db = database();
        note(&db, 0, &[(Users, 1), (Credentials, 1), (Invites, 1)]);
        note(&db, 7, &[(Users, 2)]);
        note(&db, 7, &[(Users, 1)]);
        let user = |key| (Users as u64, key, 0);
        let others = [(2, 0, (2, 1, 0)), (3, 0, (3, 1, 0))];
        let mut expected = others.to_vec();
        expected.extend([(4, 7, user(2)), (5, 7, user(1))]);
        assert_eq!(changes(&db), expected);
        // Twice in one transaction, and a row that is only ever changed.
        for after in 8..100 {
            note(&db, after, &[(Users, 2), (Users, 2)]);
        }
        let mut expected = others.to_vec();
        expected.extend([(5, 7, user(1)), (189, 99, user(2))]);
        assert_eq!(changes(&db), expected);
    }

    #[test]
    fn one_flipped_bit_or_another_key_is_noticed() {
        let change = RowChange {
            after: 9_000_000,
            row: (1, 300, 0),
        };
        let sealed = change.encode(12);
        assert_eq!(RowChange::decode(12, &sealed).unwrap(), change);
        assert!(RowChange::decode(13, &sealed).is_err());
        let newest = seal_under(&[1, 300, 0], &12_u64.to_le_bytes());
        assert_eq!(decode_newest((1, 300, 0), &newest), Some(12));
        for row in [(2, 300, 0), (1, 301, 0), (1, 300, 1)] {
            assert_eq!(decode_newest(row, &newest), None);
        }
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(RowChange::decode(12, &damaged).is_err(), "bit {bit}");
        }
        for bit in 0..newest.len() * 8 {
            let mut damaged = newest.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_newest((1, 300, 0), &damaged), None, "bit {bit}");
        }
    }
}
