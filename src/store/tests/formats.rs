//! Files of earlier formats.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTableMetadata};

use super::{Open, message, sent, user};
use crate::store::disk::schema;
use crate::store::log::blocks;
use crate::store::*;

/// `tests/formats/1.redb.gz` was made by the chatd of that format: 40 messages of three people in
/// the pairs 1-2, 2-1, 1-3 and 3-2 by turns, two of three with the client id `c` and the message's
/// number; 2 has read 1's, and 1 has read 2's first and third. The later ones have the same,
/// exported and imported by the chatd of that format.
#[test]
fn a_file_of_every_earlier_format_is_migrated_and_read() {
    is_migrated_and_read(include_bytes!("../../../tests/formats/1.redb.gz"));
    is_migrated_and_read(include_bytes!("../../../tests/formats/2.redb.gz"));
    is_migrated_and_read(include_bytes!("../../../tests/formats/3.redb.gz"));
    is_migrated_and_read(include_bytes!("../../../tests/formats/4.redb.gz"));
}

fn is_migrated_and_read(packed: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let mut file = std::fs::File::create(&path).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut file).unwrap();
    for _ in 0..2 {
        let open = Open::at(&Location::File(path.clone())).unwrap();
        assert_eq!(open.store.user_by_name("cleo").unwrap().id, user(3));
        let page = open.read(|snapshot| {
            let all = HistoryQuery {
                before: None,
                after: None,
                limit: 100,
            };
            snapshot.history(user(1), user(2), all)
        });
        let rows: Vec<_> = page
            .rows
            .iter()
            .map(|row| (row.message.id.get(), row.is_read))
            .collect();
        let wanted: Vec<_> = (1..=40)
            .filter(|number| number % 4 == 1 || number % 4 == 2)
            .map(|number| (number, number % 4 == 1 || number == 2 || number == 10))
            .collect();
        assert_eq!(rows, wanted);
        assert_eq!(page.rows[0].message.content.as_ref(), "message 1 👋");
        let (_, unread) = open.read(|snapshot| snapshot.unread(user(3), None, 100));
        assert_eq!(unread, 10);
        let again = message(2, 1, "message 38 👋", Some("c38"));
        let at = page.rows.last().unwrap().message.created_at.as_ms();
        let (again, fresh) = sent(open.apply(at, again));
        assert_eq!((again.id.get(), fresh), (38, false));
        open.close();
    }
    let db = Database::open(&path).unwrap();
    assert_eq!(schema::format(&db).unwrap(), Some(schema::FORMAT));
    let txn = db.begin_read().unwrap();
    assert!(txn.open_table(tables::OLD_LOG).is_err(), "it has two logs");
}

#[test]
fn a_migration_of_the_log_goes_on_where_it_was_stopped() {
    let (written, db) = {
        let open = Open::memory().with_users(3);
        for number in 0..300 {
            let content = "text ".repeat(1 + number % 40);
            open.send(1 + number as u64 % 2, 3, &content);
        }
        let db = open.store.intake.data.database().unwrap();
        let written = blocks::entries(&db);
        open.close();
        let db = Arc::into_inner(db).expect("the store is closed");
        (written, db)
    };
    // The entries of format 3 lie in blocks already.
    blocks::tamper_entries(&db);
    schema::tamper_format(&db, 3);
    assert!(blocks::old_entries(&db) == 300 && blocks::entries(&db) == written);
    schema::prepare(&db, Some(3)).unwrap();
    for stops_after in [1, 2, 5] {
        let before = blocks::old_entries(&db);
        for _ in 0..stops_after {
            assert!(schema::migrate_step(&db, 2_000).unwrap());
        }
        let after = blocks::old_entries(&db);
        assert!(0 < after && after < before, "{after} of {before} are left");
        assert_eq!(blocks::entries(&db), written, "the two forms together");
    }
    schema::migrate_log(&db, 2_000).unwrap();
    assert_eq!(blocks::old_entries(&db), 0);
    assert_eq!(blocks::entries(&db), written);
    // Those of formats 1 and 2 have a row each.
    blocks::tamper_old(&db);
    let rows = |db: &Database| {
        let txn = db.begin_read().unwrap();
        let rows = txn
            .open_table(tables::OLD_LOG)
            .map(|table| table.len().unwrap());
        rows.ok()
    };
    assert_eq!(rows(&db), Some(300));
    assert_eq!(blocks::entries(&db), written, "the old form is not read");
    // So many steps, and then it is stopped.
    for stops_after in [1, 2, 5] {
        let before = rows(&db).unwrap();
        for _ in 0..stops_after {
            assert!(schema::migrate_step(&db, 2_000).unwrap());
        }
        let after = rows(&db).unwrap();
        assert!(0 < after && after < before, "{after} of {before} are left");
        assert_eq!(blocks::entries(&db), written, "the two forms together");
    }
    schema::migrate_log(&db, 2_000).unwrap();
    assert_eq!(rows(&db), None);
    assert_eq!(blocks::old_entries(&db), 0);
    assert_eq!(blocks::entries(&db), written);
    schema::migrate_log(&db, 2_000).unwrap();
    assert_eq!(blocks::entries(&db), written);
}
