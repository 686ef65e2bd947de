//! Changing entries where they lie, within a write transaction.
//!
//! A block whose entries grow beyond its page becomes several rows, each under the id of its last
//! entry. Ids, and with them every link and every other entry's checksum, stay as they are, so that
//! a change costs the pages of one block, however many entries point to what it changes.

use std::collections::BTreeMap;
use std::ops::Bound;

use redb::{ReadableTable, Table};

use super::block::{Block, damaged};
use super::filling::Filling;
use crate::store::error::StoreError;

/// The log in a write transaction.
type Blocks<'txn> = Table<'txn, u64, &'static [u8]>;

/// Rewrites the block that has the entry `from`, or the next one after it. `change` is given an
/// entry's id and its sealed value, and appends the value that takes its place. Returns the block's
/// last entry; `None` where no block comes so late. A block that cannot be cut fails under its own
/// key, and is left as it is.
pub(crate) fn rewrite_block(
    table: &mut Blocks<'_>,
    from: u64,
    change: impl FnMut(u64, &[u8], &mut Vec<u8>) -> Result<(), StoreError>,
) -> Result<Option<u64>, StoreError> {
    let (key, last, mut filling) = {
        let Some((key, value)) = table.lower_bound(Bound::Included(from))?.next()? else {
            return Ok(None);
        };
        let block = Block::new(value.value()).ok_or(damaged(key.value()))?;
        if block.last() < from {
            // The block that grows has the greatest key, wherever it ends.
            return Ok(None);
        }
        let filling = changed(&block, change)?.ok_or(damaged(key.value()))?;
        (key.value(), block.last(), filling)
    };
    let rows = filling.finish();
    for place in 0..rows {
        let (last, value) = filling.row(place);
        // The last one keeps the key: it may be the block that grows.
        table.insert(if place + 1 == rows { key } else { last }, value)?;
    }
    Ok(Some(last))
}

/// Gives each of these entries, by id, the sealed value that stands here. All of them are in the
/// table. Each block is rewritten once.
pub(crate) fn rewrite_entries(
    table: &mut Blocks<'_>,
    values: &BTreeMap<u64, Vec<u8>>,
) -> Result<(), StoreError> {
    let mut next = values.keys().next().copied();
    while let Some(id) = next {
        let last = rewrite_block(table, id, |id, before, out| {
            out.extend_from_slice(values.get(&id).map_or(before, |value| value));
            Ok(())
        })?
        .ok_or(damaged(id))?;
        next = values.range(last + 1..).next().map(|(id, _)| *id);
    }
    Ok(())
}

/// Returns the blocks that a block becomes, once each of its entries is as `change` says; `None`
/// for a block that cannot be cut.
fn changed(
    block: &Block<'_>,
    mut change: impl FnMut(u64, &[u8], &mut Vec<u8>) -> Result<(), StoreError>,
) -> Result<Option<Filling>, StoreError> {
    let mut filling = Filling::with_room(block.entries.len());
    let mut sealed = Vec::new();
    for (place, id) in (0..block.count()).zip(block.first..) {
        sealed.clear();
        let Some(before) = block.get(place) else {
            return Ok(None);
        };
        change(id, before, &mut sealed)?;
        filling.push(id, &sealed);
    }
    Ok(Some(filling))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use redb::backends::InMemoryBackend;
    use redb::{Database, WriteTransaction};

    use super::*;
    use crate::store::log::blocks::Appending;
    use crate::store::log::blocks::block::{BLOCK_BYTES, ID, NEWEST, PLACE};
    use crate::store::tables::LOG;

    /// What a block of so many entries has for them.
    fn room(count: usize) -> usize {
        BLOCK_BYTES - ID - count * PLACE
    }

    /// Entries from this id on, of these lengths.
    fn block_of(first: u64, lengths: &[usize]) -> Vec<u8> {
        let mut filling = Filling::with_room(0);
        for (id, length) in (first..).zip(lengths) {
            filling.push(id, &vec![id as u8; *length]);
        }
        assert_eq!(filling.finish(), 1, "a block is what this is about");
        filling.row(0).1.to_vec()
    }

    /// How it is called, the lengths of the entries from 7 on, which of them gets which length, and
    /// the ids of the blocks that there are then.
    type Case<'a> = (&'a str, &'a [usize], u64, usize, &'a [&'a [u64]]);

    #[test]
    fn a_block_becomes_as_many_as_its_entries_need() {
        let third = room(3) / 3;
        let cases: [Case<'_>; 9] = [
            ("shorter", &[100, 100, 100], 8, 0, &[&[7, 8, 9]]),
            (
                "longer, within the page",
                &[100, 100, 100],
                8,
                3_000,
                &[&[7, 8, 9]],
            ),
            (
                "as long as the page",
                &[100, 0, 100],
                8,
                room(3) - 200,
                &[&[7, 8, 9]],
            ),
            (
                "a byte beyond it",
                &[100, 0, 100],
                8,
                room(3) - 199,
                &[&[7, 8], &[9]],
            ),
            (
                "beyond it",
                &[third, third, third],
                7,
                third + 3,
                &[&[7, 8], &[9]],
            ),
            (
                "long, in the midst",
                &[10, 10, 10],
                8,
                9_000,
                &[&[7], &[8], &[9]],
            ),
            ("long, the first", &[10, 10, 10], 7, 9_000, &[&[7], &[8, 9]]),
            ("long, the last", &[10, 10, 10], 9, 9_000, &[&[7, 8], &[9]]),
            ("alone", &[9_000], 7, 200_000, &[&[7]]),
        ];
        for (what, lengths, changing, length, expected) in cases {
            let before = block_of(7, lengths);
            let before = Block::new(&before).unwrap();
            let mut filling = changed(&before, |id, sealed, out| {
                match id == changing {
                    true => out.resize(length, 0xff),
                    false => out.extend_from_slice(sealed),
                }
                Ok(())
            })
            .unwrap()
            .unwrap();
            let rows = filling.finish();
            let mut found = Vec::new();
            for place in 0..rows {
                let (last, value) = filling.row(place);
                let block = Block::new(value).unwrap();
                assert_eq!(block.last(), last, "{what}");
                for (place, id) in (0..block.count()).zip(block.first..) {
                    let same = vec![id as u8; lengths[id as usize - 7]];
                    let right = match id == changing {
                        true => vec![0xff; length],
                        false => same,
                    };
                    assert!(block.get(place) == Some(&right), "{what}: entry {id}");
                }
                found.push((block.first..=last).collect::<Vec<_>>());
            }
            assert_eq!(found, expected, "{what}");
        }
    }

    fn in_transaction(db: &Database, work: impl FnOnce(&WriteTransaction)) {
        let txn = db.begin_write().unwrap();
        work(&txn);
        txn.commit().unwrap();
    }

    /// Every row of the table, by key.
    fn rows(table: &Blocks<'_>) -> BTreeMap<u64, Vec<u8>> {
        let rows = table.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            (key.value(), value.value().to_vec())
        });
        rows.collect()
    }

    /// Every entry of these rows; each block stands under its key and, where it has several
    /// entries, fits a page.
    fn entries(rows: &BTreeMap<u64, Vec<u8>>) -> BTreeMap<u64, Vec<u8>> {
        let mut entries = BTreeMap::new();
        for (key, value) in rows {
            let block = Block::new(value).unwrap();
            assert!(*key == block.last() || *key == NEWEST);
            assert!(block.count() == 1 || value.len() <= BLOCK_BYTES);
            for (place, id) in (0..block.count()).zip(block.first..) {
                let sealed = block.get(place).unwrap().to_vec();
                assert!(
                    entries.insert(id, sealed).is_none(),
                    "entry {id} is there twice"
                );
            }
        }
        entries
    }

    #[test]
    fn what_is_appended_and_rewritten_at_random_is_what_a_plain_map_has() {
        for seed in 0..8 {
            let mut random = StdRng::seed_from_u64(seed);
            let medium = InMemoryBackend::new();
            let db = Database::builder().create_with_backend(medium).unwrap();
            let (mut model, mut next) = (BTreeMap::<u64, Vec<u8>>::new(), 1_u64);
            let some = |random: &mut StdRng| {
                let longest = [30, 200, 200, 2_500, 9_000][random.random_range(0..5)];
                let length = random.random_range(0..longest);
                vec![random.random::<u8>(); length]
            };
            for _ in 0..60 {
                in_transaction(&db, |txn| {
                    let mut table = txn.open_table(LOG).unwrap();
                    let mut end = Appending::new(&mut table, 0).unwrap();
                    for _ in 0..random.random_range(0..20) {
                        let sealed = some(&mut random);
                        end.push(next, &sealed);
                        model.insert(next, sealed);
                        next += 1;
                    }
                    end.close().unwrap();
                    for _ in 0..random.random_range(0..6).min(next - 1) {
                        let id = random.random_range(1..next);
                        let (before, sealed) = (rows(&table), some(&mut random));
                        let last = rewrite_block(&mut table, id, |at, old, out| {
                            out.extend_from_slice(if at == id { &sealed } else { old });
                            Ok(())
                        });
                        assert!(last.unwrap() >= Some(id));
                        model.insert(id, sealed);
                        // No row but that of the entry has changed, and none is gone.
                        let after = rows(&table);
                        let of_entry = |row: &&u64| **row >= id;
                        let changed = before.keys().find(of_entry).unwrap();
                        for (key, value) in before.iter().filter(|(key, _)| *key != changed) {
                            assert!(after.get(key) == Some(value), "row {key}");
                        }
                        assert!(after.contains_key(changed));
                    }
                    assert!(entries(&rows(&table)) == model, "seed {seed}");
                });
            }
            in_transaction(&db, |txn| {
                // Several at once, some of which share a block.
                let mut table = txn.open_table(LOG).unwrap();
                let ids: Vec<u64> = (0..10).map(|_| random.random_range(1..next)).collect();
                let values: BTreeMap<_, _> =
                    ids.iter().map(|id| (*id, some(&mut random))).collect();
                rewrite_entries(&mut table, &values).unwrap();
                model.extend(values);
                assert!(entries(&rows(&table)) == model, "seed {seed}");
                let beyond = BTreeMap::from([(next, Vec::new())]);
                assert!(rewrite_entries(&mut table, &beyond).is_err());
            });
            in_transaction(&db, |txn| {
                let mut table = txn.open_table(LOG).unwrap();
                let nothing = rewrite_block(&mut table, next, |_, _, _| panic!("no entry"));
                assert_eq!(nothing.unwrap(), None);
            });
        }
    }
}
