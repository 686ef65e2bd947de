//! For tests: a log as no chatd would write it.

use std::collections::BTreeMap;

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::appending::Appending;
use super::block::Block;
use super::walking::Log;
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

/// Returns every entry as it is written.
pub(crate) fn entries(db: &Database) -> Vec<(u64, Vec<u8>)> {
    let log = Log::open_any(&db.begin_read().unwrap()).unwrap();
    let mut walk = log.walk(0).unwrap();
    let next = std::iter::from_fn(|| {
        let (id, sealed) = walk.next()?.unwrap();
        Some((id, sealed.to_vec()))
    });
    next.collect()
}

/// Has a file hold its log as formats 1 and 2 did.
pub(crate) fn tamper_old(db: &Database) {
    let entries = entries(db);
    let txn = db.begin_write().unwrap();
    txn.delete_table(LOG).unwrap();
    txn.open_table(LOG).unwrap();
    let mut old = txn.open_table(OLD_LOG).unwrap();
    for (id, sealed) in &entries {
        old.insert(id, &sealed[..]).unwrap();
    }
    drop(old);
    txn.commit().unwrap();
}
