//! For tests: a log as no chatd would write it.

use std::collections::BTreeMap;

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::appending::Appending;
use super::block::Block;
use super::rewriting::rewrite_block;
use super::walking::Log;
use crate::store::log::record::{in_format_3, recoded};
use crate::store::tables::{LOG, OLD_LOG};

/// Has the log hold what `change` makes of its entries, as no chatd would.
pub(crate) fn tamper(txn: &WriteTransaction, change: impl FnOnce(&mut BTreeMap<u64, Vec<u8>>)) {
    let mut entries = BTreeMap::new();
    {
        let table = txn.open_table(LOG).unwrap();
        for row in table.iter().unwrap() {
            let (_, value) = row.unwrap();
            let block = Block::new(value.value()).unwrap();
            let sealed = (0..block.count()).map(|place| block.get(place).unwrap().to_vec());
            entries.extend((block.first..).zip(sealed));
        }
    }
    change(&mut entries);
    txn.delete_table(LOG).unwrap();
    let mut table = txn.open_table(LOG).unwrap();
    let mut end = Appending::new(&mut table, 0).unwrap();
    for (id, sealed) in entries {
        end.push(id, &sealed);
    }
    end.close().unwrap();
}

/// Returns every entry as the newest format writes it.
pub(crate) fn entries(db: &Database) -> Vec<(u64, Vec<u8>)> {
    let log = Log::open_any(&db.begin_read().unwrap()).unwrap();
    let mut walk = log.walk(0).unwrap();
    let next = std::iter::from_fn(|| {
        let (id, sealed) = walk.next()?.unwrap();
        Some((id, recoded(id, sealed).into_owned()))
    });
    next.collect()
}

/// Returns how many entries of blocks are in the form of format 3.
pub(crate) fn old_entries(db: &Database) -> usize {
    let log = Log::open(&db.begin_read().unwrap()).unwrap();
    let mut walk = log.walk(0).unwrap();
    let mut count = 0;
    while let Some(row) = walk.next() {
        let (id, sealed) = row.unwrap();
        count += usize::from(*recoded(id, sealed) != *sealed);
    }
    count
}

/// Has a file hold its log as format 3 did.
pub(crate) fn tamper_entries(db: &Database) {
    let txn = db.begin_write().unwrap();
    {
        let mut log = txn.open_table(LOG).unwrap();
        let mut from = 1;
        let mut recode = |from| {
            rewrite_block(&mut log, from, |id, sealed, out| {
                out.extend_from_slice(&in_format_3(id, sealed));
                Ok(())
            })
        };
        while let Some(last) = recode(from).unwrap() {
            from = last + 1;
        }
    }
    txn.commit().unwrap();
}

/// Has a file hold its log as formats 1 and 2 did.
pub(crate) fn tamper_old(db: &Database) {
    let entries = entries(db);
    let txn = db.begin_write().unwrap();
    txn.delete_table(LOG).unwrap();
    txn.open_table(LOG).unwrap();
    let mut old = txn.open_table(OLD_LOG).unwrap();
    for (id, sealed) in &entries {
        old.insert(id, &in_format_3(*id, sealed)[..]).unwrap();
    }
    drop(old);
    txn.commit().unwrap();
}
