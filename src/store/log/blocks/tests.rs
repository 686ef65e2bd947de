//! The log's blocks, by way of their table.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTableMetadata};

use super::block::{BLOCK_BYTES, ID, NEWEST, PLACE};
use super::*;
use crate::model::{Act, ConversationId, EntryId, Stream, Timestamp};
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::{Author, Links, Record};
use crate::store::tables::LOG;

/// The sealed value of a message of so long a text.
fn sealed(id: u64, chars: usize) -> Vec<u8> {
    let record = Record {
        stream: Stream::Pair(ConversationId::new(1).unwrap()),
        author: Author::Member(0),
        at: Timestamp::from_ms(id),
        previous: None,
        rank: id,
        links: Links {
            number: id,
            ..Links::default()
        },
        act: Act::Sent {
            content: "x".repeat(chars),
            client_id: None,
            extras: None,
        },
    };
    record.encode(EntryId::new(id).unwrap())
}

/// Appends messages of these lengths in one transaction.
fn append(db: &Database, next: &mut u64, lengths: impl IntoIterator<Item = usize>) {
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(LOG).unwrap();
        let mut end = Appending::new(&mut table, 0).unwrap();
        for chars in lengths {
            end.push(*next, &sealed(*next, chars));
            *next += 1;
        }
        end.close().unwrap();
    }
    txn.commit().unwrap();
}

fn database() -> Database {
    let medium = InMemoryBackend::new();
    Database::builder().create_with_backend(medium).unwrap()
}

fn newest(db: &Database) -> Vec<u8> {
    let table = db.begin_read().unwrap().open_table(LOG).unwrap();
    table.get(NEWEST).unwrap().unwrap().value().to_vec()
}

/// The log with each bit of its newest block changed in turn, and which bit that is.
fn with_each_bit_changed(db: &Database, mut look: impl FnMut(Log, usize)) {
    let whole = newest(db);
    for bit in 0..whole.len() * 8 {
        let mut value = whole.clone();
        value[bit / 8] ^= 1 << (bit % 8);
        let txn = db.begin_write().unwrap();
        let mut table = txn.open_table(LOG).unwrap();
        table.insert(NEWEST, &value[..]).unwrap();
        drop(table);
        txn.commit().unwrap();
        look(Log::open(&db.begin_read().unwrap()).unwrap(), bit);
    }
}

fn length(record: &Record<&str>) -> usize {
    match &record.act {
        Act::Sent { content, .. } => content.len(),
        _ => panic!("a message was written"),
    }
}

#[test]
fn every_entry_is_found_whatever_the_transactions_and_the_lengths_were() {
    let mut random = StdRng::seed_from_u64(3);
    let (db, mut next, mut written) = (database(), 1, Vec::new());
    while next < 4_000 {
        let longest = [1, 150, 150, 5_000, 200_000][random.random_range(0..5)];
        let count = if longest > 5_000 {
            2
        } else {
            random.random_range(0..90)
        };
        let lengths: Vec<_> = (0..count)
            .map(|_| random.random_range(0..longest))
            .collect();
        append(&db, &mut next, lengths.iter().copied());
        written.extend(lengths);
    }
    let log = Log::open(&db.begin_read().unwrap()).unwrap();
    assert_eq!(log.last().unwrap(), next - 1);
    for (number, chars) in (1..).zip(&written) {
        let id = EntryId::new(number).unwrap();
        assert_eq!(log.read(id, |entry| length(&entry)).unwrap(), *chars);
    }
    for absent in [next, next + 40] {
        let error = log.read(EntryId::new(absent).unwrap(), |_| ()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { table: "log", key } if key == absent));
    }
    for from in [0, 1, 2, 1_234, next - 1, next, next + 9] {
        let mut walk = log.walk(from).unwrap();
        let mut expected = from.max(1);
        while let Some(row) = walk.next() {
            let (id, sealed) = row.unwrap();
            assert_eq!(id, expected);
            let (_, entry) = decode(id, sealed).unwrap();
            assert_eq!(length(&entry), written[id as usize - 1]);
            expected += 1;
        }
        assert_eq!(expected, next.max(from), "from {from}");
    }
}

#[test]
fn blocks_fill_their_pages_however_small_the_transactions_are() {
    for count in [1, 7, 100] {
        let (db, mut next) = (database(), 1);
        while next < 5_000 {
            append(&db, &mut next, std::iter::repeat_n(100, count));
        }
        let table = db.begin_read().unwrap().open_table(LOG).unwrap();
        let stats = table.stats().unwrap();
        let bytes: usize = (1..next).map(|id| sealed(id, 100).len()).sum();
        let pages = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
        assert!(
            (pages as usize) < bytes * 108 / 100,
            "{pages} bytes of pages for {bytes} by transactions of {count}"
        );
    }
}

#[test]
fn the_longest_block_of_several_fits_one_page() {
    let (db, mut next) = (database(), 1);
    let rest = BLOCK_BYTES - 2 * sealed(1, 100).len() - 2 * PLACE - ID;
    // The third one has no room with them.
    append(&db, &mut next, [100, 100 + rest, 3_000]);
    let table = db.begin_read().unwrap().open_table(LOG).unwrap();
    assert_eq!(table.len().unwrap(), 2);
    let stats = table.stats().unwrap();
    let bytes = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
    let pages = stats.leaf_pages() + stats.branch_pages();
    assert_eq!((pages, bytes), (3, 3 * 4_096));
}

#[test]
fn a_bit_that_changed_in_a_block_is_an_error_and_never_a_wrong_entry() {
    let (db, mut next) = (database(), 1);
    let lengths = [20, 0, 35, 7, 90, 20];
    append(&db, &mut next, lengths);
    with_each_bit_changed(&db, |log, bit| {
        let mut damaged = 0;
        for (number, chars) in (1..).zip(lengths) {
            match log.read(EntryId::new(number).unwrap(), |entry| length(&entry)) {
                Ok(found) => assert_eq!(found, chars, "entry {number}, bit {bit}"),
                Err(StoreError::Damaged { table: "log", key }) if key == number => damaged += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(damaged > 0, "bit {bit} is of nothing");
        // A walk over all meets it too.
        let mut walk = log.walk(1).unwrap();
        let (mut expected, mut is_met) = (1, false);
        while let Some(row) = walk.next() {
            let read = row.and_then(|(id, sealed)| Ok(decode(id, sealed)?.0.get()));
            is_met |= !read.is_ok_and(|id| id == expected);
            expected += 1;
        }
        assert!(is_met || expected != next, "bit {bit}");
    });
}

/// Where a start took another entry for the last one, the next would get an id that one has.
#[test]
fn no_bit_that_changed_in_the_newest_block_gives_another_last_entry() {
    let (db, mut next) = (database(), 1);
    append(&db, &mut next, std::iter::repeat_n(100, 80));
    let table = db.begin_read().unwrap().open_table(LOG).unwrap();
    assert!(table.len().unwrap() > 2, "there are blocks before it");
    drop(table);
    let numbers = (newest(&db).len() - PLACE - ID) * 8;
    with_each_bit_changed(&db, |log, bit| match log.last() {
        Ok(last) => assert!(last == 80 && bit < numbers, "bit {bit}: {last}"),
        Err(StoreError::Damaged { table: "log", .. }) => {}
        Err(error) => panic!("{error}"),
    });
    // What is no block at all is not written over.
    let txn = db.begin_write().unwrap();
    let mut table = txn.open_table(LOG).unwrap();
    table.insert(NEWEST, &[0_u8; 9][..]).unwrap();
    assert!(Appending::new(&mut table, 0).is_err());
}
