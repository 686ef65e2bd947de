//! What a check says of rows beside the log: that their changes have their places, and that what
//! this program does not read is as it was written.

use redb::{Key, ReadTransaction, ReadableTable, TableHandle};

use super::report::Report;
use crate::store::changes::{RowChange, decode_newest};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::sealed::unseal_under;
use crate::store::tables::{
    CHANGES, NEWEST_CHANGES, UNUSED_BY_NAME, UNUSED_BY_NUMBER, UNUSED_BY_TWO,
};

/// Holds the changes of rows against one another, and against the end of the log.
pub(super) fn check_changes(txn: &ReadTransaction, report: &mut Report) -> Result<(), StoreError> {
    let last = match Log::open_any(txn)?.last() {
        Ok(last) => last,
        // Found where the log is gone through.
        Err(StoreError::Damaged { .. }) => u64::MAX,
        Err(error) => return Err(error),
    };
    let changes = txn.open_table(CHANGES)?;
    let newest = txn.open_table(NEWEST_CHANGES)?;
    let mut after = 0;
    for row in changes.iter()? {
        let (number, value) = row?;
        let number = number.value();
        let Ok(change) = RowChange::decode(number, value.value()) else {
            report.damaged("changes", number);
            continue;
        };
        if change.after > last {
            let wrong = format!(
                "came after entry {}, the log ends with {last}",
                change.after
            );
            report.add("changes", number, wrong);
        } else if change.after < after {
            report.add(
                "changes",
                number,
                "came after an earlier entry than the one before it",
            );
        }
        after = after.max(change.after);
        let known = newest.get(change.row)?;
        if known.is_none_or(|known| decode_newest(change.row, known.value()) != Some(number)) {
            report.add("changes", number, "is not the newest of its row");
        }
    }
    for row in newest.iter()? {
        let (key, value) = row?;
        let key = key.value();
        let place = format!("({}, {}, {})", key.0, key.1, key.2);
        match decode_newest(key, value.value()) {
            None => report.damaged("newest_changes", place),
            Some(number) if changes.get(number)?.is_none() => {
                report.add(
                    "newest_changes",
                    place,
                    format!("change {number} is missing"),
                );
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Holds the rows of tables that no part of this program writes to their checksums.
pub(super) fn check_unused(txn: &ReadTransaction, report: &mut Report) -> Result<(), StoreError> {
    for table in &UNUSED_BY_NUMBER {
        check_sealed(&txn.open_table(*table)?, table.name(), report, |key| {
            vec![key]
        })?;
    }
    for table in &UNUSED_BY_TWO {
        let numbers = |(first, second): (u64, u64)| vec![first, second];
        check_sealed(&txn.open_table(*table)?, table.name(), report, numbers)?;
    }
    for table in &UNUSED_BY_NAME {
        check_sealed(&txn.open_table(*table)?, table.name(), report, |_| vec![0])?;
    }
    Ok(())
}

fn check_sealed<K: Key + 'static>(
    table: &impl ReadableTable<K, &'static [u8]>,
    name: &'static str,
    report: &mut Report,
    numbers: impl Fn(K::SelfType<'_>) -> Vec<u64>,
) -> Result<(), StoreError> {
    for row in table.iter()? {
        let (key, value) = row?;
        let numbers = numbers(key.value());
        if unseal_under(&numbers, value.value()).is_none() {
            let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
            report.damaged(name, numbers.join(", "));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::maintain::backup;
    use crate::store::maintain::tests::Data;
    use crate::store::sealed::{seal, seal_under};

    /// Puts a row into each table that no part of this program writes.
    fn fill_unused(data: &Data, harm: Option<&str>) {
        let value = |name: &str, key: &[u64]| {
            let mut value = seal_under(key, b"{}");
            value[3] ^= u8::from(harm == Some(name));
            value
        };
        data.tamper(|txn| {
            for table in &UNUSED_BY_NUMBER {
                let value = value(table.name(), &[7]);
                let mut table = txn.open_table(*table).unwrap();
                table.insert(7, &value[..]).unwrap();
            }
            for table in &UNUSED_BY_TWO {
                let value = value(table.name(), &[7, 8]);
                let mut table = txn.open_table(*table).unwrap();
                table.insert((7, 8), &value[..]).unwrap();
            }
            for table in &UNUSED_BY_NAME {
                let value = value(table.name(), &[0]);
                let mut table = txn.open_table(*table).unwrap();
                table.insert("one", &value[..]).unwrap();
            }
        });
    }

    #[test]
    fn rows_of_tables_that_nothing_reads_are_copied_and_held_to_their_checksums() {
        let data = Data::talked(3, 40);
        fill_unused(&data, None);
        assert_eq!(data.finds(), []);
        let copy = Data::new();
        backup(&data.path, &copy.path, &mut |_| {}).unwrap();
        let rows = |data: &Data| {
            let mut rows = 0;
            data.tamper(|txn| {
                use redb::ReadableTableMetadata;
                for table in &UNUSED_BY_NUMBER {
                    rows += txn.open_table(*table).unwrap().len().unwrap();
                }
                for table in &UNUSED_BY_TWO {
                    rows += txn.open_table(*table).unwrap().len().unwrap();
                }
                for table in &UNUSED_BY_NAME {
                    rows += txn.open_table(*table).unwrap().len().unwrap();
                }
            });
            rows
        };
        let tables = UNUSED_BY_NUMBER.len() + UNUSED_BY_TWO.len() + UNUSED_BY_NAME.len();
        let all = u64::try_from(tables).unwrap();
        assert_eq!((rows(&data), rows(&copy)), (all, all));
        let one_each = [
            (UNUSED_BY_NUMBER[0].name(), "7"),
            (UNUSED_BY_TWO[0].name(), "7, 8"),
            (UNUSED_BY_NAME[0].name(), "0"),
        ];
        for (name, key) in one_each {
            fill_unused(&data, Some(name));
            assert_eq!(data.finds(), [(name, key.to_owned())]);
        }
    }

    #[test]
    fn a_change_of_a_row_that_is_not_as_it_was_written_is_found() {
        type Harm = fn(&redb::WriteTransaction);
        // The fourth change is that of the second account's password, the sixth of the third one's.
        let cases: [(&str, &str, Harm); 5] = [
            ("changes", "4", |txn| {
                let mut table = txn.open_table(CHANGES).unwrap();
                let mut value = table.get(4).unwrap().unwrap().value().to_vec();
                value[5] ^= 1;
                table.insert(4, &value[..]).unwrap();
            }),
            ("newest_changes", "(2, 2, 0)", |txn| {
                let mut table = txn.open_table(CHANGES).unwrap();
                assert!(table.remove(4).unwrap().is_some());
            }),
            ("changes", "4", |txn| {
                let mut table = txn.open_table(NEWEST_CHANGES).unwrap();
                assert!(table.remove((2, 2, 0)).unwrap().is_some());
            }),
            ("newest_changes", "(2, 2, 0)", |txn| {
                let mut table = txn.open_table(NEWEST_CHANGES).unwrap();
                table.insert((2, 2, 0), &seal(0, &[4; 8])[..]).unwrap();
            }),
            ("changes", "6", |txn| {
                // After an entry that the log does not have.
                let mut table = txn.open_table(CHANGES).unwrap();
                let mut body = Vec::new();
                for number in [9_000, 2, 3, 0] {
                    crate::store::sealed::put(&mut body, number);
                }
                table.insert(6, &seal(6, &body)[..]).unwrap();
            }),
        ];
        for (number, (table, key, harm)) in cases.into_iter().enumerate() {
            let data = Data::talked(3, 40);
            assert_eq!(data.finds(), []);
            data.tamper(harm);
            let found = data.finds();
            let expected = (table, key.to_owned());
            assert!(found.contains(&expected), "case {number}: {found:?}");
        }
    }
}
