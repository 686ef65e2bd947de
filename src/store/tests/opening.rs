//! Files that are opened and closed: foreign, newer, in use, damaged; and a writer that hangs.

use std::path::Path;

use redb::{Database, ReadableTable};
use tokio::sync::mpsc;

use super::{OPTIONS, Open, message, new_user, user};
use crate::model::Timestamp;
use crate::store::disk::schema;
use crate::store::log::blocks;
use crate::store::write::{load, sweep};
use crate::store::*;

#[test]
fn closing_writes_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    let (answered, answers) = std::sync::mpsc::channel();
    for _ in 0..500 {
        let answered = answered.clone();
        let answer: Answer = Box::new(move |result| answered.send(result.is_ok()).unwrap());
        open.store
            .submit(Timestamp::from_ms(1), message(1, 2, "x", None), answer);
    }
    drop(answered);
    open.close();
    assert_eq!(answers.iter().filter(|stored| *stored).count(), 500);
    let open = Open::at(&location).unwrap();
    assert_eq!(open.history(1, 2, None, None, 1_000).0.len(), 500);
    open.close();
    let late = Open::at(&location).unwrap();
    late.store.close();
    assert!(matches!(
        late.apply(0, message(1, 2, "x", None)),
        Err(StoreError::Unavailable)
    ));
}

fn refusal(path: &Path) -> OpenError {
    let before = std::fs::read(path).unwrap();
    let error = Open::at(&Location::File(path.to_owned()))
        .err()
        .expect("it was opened");
    assert!(
        std::fs::read(path).unwrap() == before,
        "a file that was refused has changed"
    );
    error
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "Dear diary, this is longer than any header of any database. ".repeat(100),
    )
    .unwrap();
    assert!(matches!(refusal(&text), OpenError::Foreign));
    let other = folder.path().join("other.redb");
    let db = Database::create(&other).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("theirs"))
        .unwrap();
    txn.commit().unwrap();
    drop(db);
    assert!(matches!(refusal(&other), OpenError::Foreign));
}

#[test]
fn a_newer_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    Open::at(&Location::File(path.clone())).unwrap().close();
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(tables::META)
        .unwrap()
        .insert("format", &8_u32.to_le_bytes()[..])
        .unwrap();
    txn.commit().unwrap();
    drop(db);
    let error = refusal(&path);
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 8,
                known: schema::FORMAT
            }
        ),
        "{error}"
    );
}

#[test]
fn a_file_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap();
    assert!(matches!(
        Open::at(&location).err(),
        Some(OpenError::InUse { .. })
    ));
    open.close();
    Open::at(&location).unwrap().close();
}

#[test]
fn a_damaged_record_is_an_error_and_never_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(2);
    for content in ["the right text", "another"] {
        open.send(1, 2, content);
    }
    open.close();
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    blocks::tamper(&txn, |log| {
        *log.get_mut(&1).unwrap().last_mut().unwrap() ^= 1;
    });
    txn.commit().unwrap();
    drop(db);
    let open = Open::at(&Location::File(path)).unwrap();
    let query = |limit| HistoryQuery {
        before: None,
        after: None,
        limit,
    };
    let snapshot = Snapshot::new(&open.store.intake.data);
    let error = snapshot.history(user(1), user(2), query(2)).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Failed(StoreError::Damaged {
                table: "log",
                key: 1
            })
        ),
        "{error}"
    );
    assert_eq!(
        snapshot.history(user(1), user(2), query(1)).unwrap().rows[0]
            .message
            .content
            .as_ref(),
        "another",
        "what is whole is still read"
    );
    open.close();
}

#[test]
fn conversations_of_several_rows_are_read_back_and_a_row_that_is_not_whole_is_named_and_made_anew()
{
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let location = Location::File(path.clone());
    let open = Open::at(&location).unwrap().with_users(20);
    // 190 conversations in three rows, the last of which is not full.
    for low in 1..20 {
        for high in low + 1..=20 {
            open.send(low, high, &format!("{low} to {high}"));
        }
    }
    open.close();
    let are_read_back = |location: &Location| {
        let open = Open::at(location).unwrap();
        let snapshot = Snapshot::new(&open.store.intake.data);
        for low in 1..20 {
            let recents = snapshot.recents(user(low), None, 50).unwrap().rows;
            let peers: Vec<u64> = recents.iter().map(|row| row.peer.id.get()).collect();
            let expected: Vec<u64> = (low + 1..=20).rev().chain((1..low).rev()).collect();
            assert_eq!(peers, expected);
        }
        open.close();
    };
    are_read_back(&location);
    type Tamper = fn(&mut redb::Table<'_, u64, &'static [u8]>);
    let cases: [(&str, u64, Tamper); 4] = [
        ("a flipped bit", 1, |rows| {
            let mut value = rows.get(1).unwrap().unwrap().value().to_vec();
            value[20] ^= 1;
            rows.insert(1, &value[..]).unwrap();
        }),
        ("a row in the midst with fewer conversations", 1, |rows| {
            let mut row = Vec::new();
            sweep::decode_row(1, rows.get(1).unwrap().unwrap().value(), &mut row).unwrap();
            row.pop();
            let mut body = Vec::new();
            sealed::put(&mut body, row.len() as u64);
            row.iter()
                .for_each(|conversation| conversation.encode(&mut body));
            rows.insert(1, &sealed::seal(1, &body)[..]).unwrap();
        }),
        ("a missing row", 2, |rows| {
            rows.remove(1).unwrap();
        }),
        ("a row beyond the last", 1_000_000_000_000, |rows| {
            rows.insert(1_000_000_000_000, &sealed::seal(0, &[])[..])
                .unwrap();
        }),
    ];
    for (what, expected, tamper) in cases {
        let damaged = folder.path().join("damaged.redb");
        std::fs::copy(&path, &damaged).unwrap();
        let db = Database::open(&damaged).unwrap();
        let txn = db.begin_write().unwrap();
        tamper(&mut txn.open_table(tables::CONVERSATION_STATES).unwrap());
        txn.commit().unwrap();
        let error = load::load(&db, &OPTIONS).err().unwrap();
        assert!(
            matches!(
                error,
                StoreError::Damaged {
                    table: "conversation_states",
                    key
                } if key == expected
            ),
            "{what}: {error:?}"
        );
        drop(db);
        are_read_back(&Location::File(damaged.clone()));
        let report = maintain::check(&damaged, &mut |_| {}).unwrap();
        assert_eq!(report.findings, [], "{what}");
    }
}

#[test]
fn a_new_data_file_is_its_owners_alone_and_an_old_one_is_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    Open::at(&Location::File(path.clone())).unwrap().close();
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    Open::at(&Location::File(path.clone())).unwrap().close();
    assert_eq!(mode(), 0o640);
}

#[test]
fn the_pulse_stands_still_while_the_writer_hangs_and_goes_on_after_it() {
    // Nobody takes the batches: one finds room, and the writer waits with the next.
    let (done, mut batches) = mpsc::channel::<Vec<Done>>(1);
    let store = Store::open(&Location::Memory, OPTIONS, done).unwrap();
    // Every round that was asked for is made.
    let first = store.pulse();
    while store.pulse() == first {
        std::thread::yield_now();
    }
    for name in ["ada", "bob"] {
        store.submit(Timestamp::from_ms(0), new_user(name), drop);
        while store.user_by_name(name).is_none() {
            std::thread::yield_now();
        }
    }
    // The second account is stored, and so its round goes on until somebody takes the first batch.
    let hanging = store.pulse();
    assert_eq!(store.pulse(), hanging);
    let told = std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    while store.pulse() == hanging {
        std::thread::yield_now();
    }
    store.close();
    told.join().unwrap();
}

/// A server that had ended kept its data file locked for as long as any task held the store.
#[test]
fn a_file_that_is_closed_can_be_opened_though_something_still_holds_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    open.send(1, 2, "x");
    let held = open.store.clone();
    open.close();
    let again = Open::at(&location).unwrap();
    assert_eq!(again.history(1, 2, None, None, 10).0.len(), 1);
    again.close();
    drop(held);
}
