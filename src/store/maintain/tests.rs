//! Files that are whole, and files that are damaged in one place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{RngExt, SeedableRng};
use redb::{Database, ReadableDatabase, ReadableTable, TableError, WriteTransaction};

use super::room_damage::roomy;
use super::*;
use crate::model::{Extras, Meta, RoomId, Subject, Timestamp, UserId};
use crate::store::disk::error::OpenError;
use crate::store::disk::medium::{Backend, Medium, Noting};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::log::blocks;
use crate::store::sealed::{put, seal};
use crate::store::tables::{
    BACKUP, CHANGES, CLIENT_ID_KEY, CLIENT_IDS, CONVERSATION_STATES, CONVERSATIONS, CREDENTIALS,
    CURSOR_KEY, ERAS, INVITES, LOG, META, NEWEST_CHANGES, OLD_LOG, SWEPT, TOKENS_FROM, USERS,
};
use crate::store::talk::refusal::TalkRefusal;
use crate::store::tests::{Open, id, mark, mark_chat, message, user};
use crate::store::write::sweep::decode_row;
use crate::store::{Change, Committed, Location, Outcome, RoomAct, RoomCommand};

/// A data file in a folder of its own.
pub(super) struct Data {
    folder: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Data {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chatd.redb");
        Self { folder, path }
    }

    /// One in which people have talked for a while, from a seed; closed.
    pub(super) fn talked(seed: u64, changes: usize) -> Self {
        let data = Self::new();
        let open = data.open().with_users(5);
        talk(&open, seed, changes);
        open.close();
        data
    }

    pub(super) fn open(&self) -> Open {
        Open::at(&Location::File(self.path.clone())).unwrap()
    }

    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes its tables as no chatd would.
    pub(super) fn tamper(&self, change: impl FnOnce(&WriteTransaction)) {
        let db = Database::open(&self.path).unwrap();
        let txn = db.begin_write().unwrap();
        change(&txn);
        txn.commit().unwrap();
    }

    /// Changes the entries of its log as no chatd would.
    pub(super) fn tamper_log(&self, change: impl FnOnce(&mut BTreeMap<u64, Vec<u8>>)) {
        self.tamper(|txn| blocks::tamper(txn, change));
    }

    pub(super) fn check(&self) -> Report {
        let before = std::fs::read(&self.path).unwrap();
        let report = check(&self.path, &mut |_| {}).unwrap();
        assert!(
            std::fs::read(&self.path).unwrap() == before,
            "a check has changed the file"
        );
        report
    }

    /// The table and key of everything that a check finds.
    pub(super) fn finds(&self) -> Vec<(&'static str, String)> {
        let findings = self.check().findings;
        findings
            .into_iter()
            .map(|one| (one.table, one.key))
            .collect()
    }

    /// The names of all files beside it.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Random changes of five people, times that grow, client ids of every kind.
fn talk(open: &Open, seed: u64, changes: usize) {
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for number in 0..changes {
        let now = 1_700_000_000_000 + number as u64 * 1_000;
        let me = random.random_range(1..=5);
        let peer = 1 + (me + random.random_range(0..4)) % 5;
        let newest = number as u64 + 1;
        // A refusal is as good as a change.
        let _ = match random.random_range(0..10) {
            0..6 => {
                let uuid = format!("018f3b2a-0000-7abc-8def-{number:012x}");
                let names = [None, Some(uuid), Some(format!("é\"{number}"))];
                let client_id = names[random.random_range(0..3)].as_deref();
                let content = ["Halo! 👋", "a\"b\\c\n\u{1}\u{7f}\u{2028}", "plain"][number % 3];
                open.apply(now, message(me, peer, content, client_id))
            }
            6..8 => open.apply(now, mark(me, id(random.random_range(1..=newest)))),
            8 => open.apply(
                now,
                Change::Seen([(user(me), Timestamp::from_ms(now))].into()),
            ),
            _ => {
                let up_to = random
                    .random_bool(0.5)
                    .then(|| random.random_range(1..=newest));
                open.apply(now, mark_chat(me, peer, up_to))
            }
        };
    }
}

/// The clock of an import: 2027-01-15.
const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// Imports at [`NOW`], and takes every hash but one.
fn import(
    data: &Path,
    lines: &mut dyn io::BufRead,
    watch: Watch<'_>,
) -> Result<Imported, MaintainError> {
    let judging = Judging {
        now: NOW,
        password_hash: &|text| match text {
            "bad" => Err("the hash is bad".into()),
            text => Ok(text.strip_prefix("other-").unwrap_or(text).into()),
        },
        file: &|_| Err("there are no files".into()),
    };
    super::import(data, lines, judging, watch)
}

fn text(key: impl ToString) -> String {
    key.to_string()
}

#[test]
fn a_file_that_nobody_harmed_is_sound() {
    for seed in 0..6 {
        let data = Data::talked(seed, 150);
        let report = data.check();
        assert_eq!(report.findings, [], "seed {seed}");
        assert_eq!(report.counts.accounts, 5);
        assert!(report.counts.entries > 50 && report.counts.conversations == 10);
    }
}

#[test]
fn a_check_needs_a_file_of_chatd_that_nobody_has_open() {
    let data = Data::new();
    let fails = || check(&data.path, &mut |_| {}).unwrap_err();
    assert!(matches!(fails(), MaintainError::Open(OpenError::Io(_))));
    assert_eq!(data.names(), [""; 0], "a check has made a file");
    std::fs::write(&data.path, "").unwrap();
    assert!(matches!(fails(), MaintainError::Empty(_)));
    std::fs::write(&data.path, "Dear diary, ".repeat(1_000)).unwrap();
    assert!(matches!(fails(), MaintainError::Open(OpenError::Foreign)));
    std::fs::remove_file(&data.path).unwrap();
    let open = data.open();
    let error = fails();
    assert!(
        matches!(error, MaintainError::Open(OpenError::InUse { .. })),
        "{error}"
    );
    open.close();
}

#[test]
fn a_record_that_changed_by_a_bit_is_found_in_each_table() {
    let tables = [
        (USERS, 2),
        (CREDENTIALS, 3),
        (CONVERSATIONS, 4),
        (CONVERSATION_STATES, 0),
    ];
    for (table, key) in tables {
        let data = Data::talked(1, 100);
        data.tamper(|txn| {
            let mut table = txn.open_table(table).unwrap();
            let mut value = table.get(key).unwrap().unwrap().value().to_vec();
            *value.last_mut().unwrap() ^= 1;
            table.insert(key, &value[..]).unwrap();
        });
        let name = redb::TableHandle::name(&table);
        let found = data.finds();
        assert!(found.contains(&(name, text(key))), "{name}: {found:?}");
    }
    let data = Data::talked(1, 100);
    data.tamper_log(|log| *log.get_mut(&7).unwrap().last_mut().unwrap() ^= 1);
    assert!(data.finds().contains(&("log", text(7))));
    let data = Data::talked(1, 100);
    let key = std::cell::Cell::new((0, 0));
    data.tamper(|txn| {
        let mut table = txn.open_table(CLIENT_IDS).unwrap();
        let (first, mut value) = {
            let (key, value) = table.first().unwrap().unwrap();
            (key.value(), value.value().to_vec())
        };
        value[9] ^= 1;
        table.insert(first, &value[..]).unwrap();
        key.set(first);
    });
    let found = data.finds();
    assert!(
        found.contains(&("client_ids", format!("{:?}", key.get()))),
        "{found:?}"
    );
}

#[test]
fn a_record_that_is_missing_is_found() {
    let data = Data::talked(2, 100);
    data.tamper_log(|log| drop(log.remove(&5).unwrap()));
    assert!(data.finds().contains(&("log", text(5))));

    let data = Data::talked(2, 100);
    data.tamper(|txn| {
        let mut table = txn.open_table(CONVERSATIONS).unwrap();
        table.remove(3).unwrap().unwrap();
    });
    assert!(data.finds().contains(&("conversations", text(3))));

    let data = Data::talked(2, 100);
    data.tamper(|txn| drop(txn.open_table(USERS).unwrap().remove(4).unwrap().unwrap()));
    let found = data.finds();
    assert!(found.contains(&("credentials", text(4))), "{found:?}");

    let data = Data::talked(2, 100);
    data.tamper(|txn| {
        let mut table = txn.open_table(CLIENT_IDS).unwrap();
        table.retain(|(sender, _), _| sender != 2).unwrap();
    });
    assert_eq!(data.finds(), [("client_ids", text(2))]);

    // The newest entry leaves no gap behind it; what is derived knows of it, and a start does not
    // give its id to another.
    let data = Data::talked(2, 100);
    data.tamper_log(|log| drop(log.pop_last().unwrap()));
    let found = data.finds();
    assert!(found.contains(&("meta", text(SWEPT))), "{found:?}");
    let error = Open::at(&Location::File(data.path.clone())).err();
    assert!(
        matches!(
            error,
            Some(OpenError::Damaged(StoreError::Damaged { table: "log", .. }))
        ),
        "{error:?}"
    );
}

#[test]
fn a_derived_row_that_is_wrong_under_a_right_checksum_is_found() {
    for wrong in 0..4 {
        let data = Data::talked(3, 100);
        data.tamper(|txn| {
            let mut table = txn.open_table(CONVERSATION_STATES).unwrap();
            let mut row = Vec::new();
            decode_row(0, table.get(0).unwrap().unwrap().value(), &mut row).unwrap();
            match wrong {
                0 => row[2].sent_by_first += 1,
                1 => row[2].read[1] = Default::default(),
                2 => row[2].last_entry = None,
                _ => drop(row.pop()),
            }
            let mut body = Vec::new();
            put(&mut body, row.len() as u64);
            row.iter()
                .for_each(|conversation| conversation.encode(&mut body));
            table.insert(0, &seal(0, &body)[..]).unwrap();
        });
        assert_eq!(data.finds(), [("conversation_states", text(0))], "{wrong}");
    }
}

#[test]
fn two_accounts_of_one_name_are_found() {
    let data = Data::talked(4, 20);
    data.tamper(|txn| {
        let mut table = txn.open_table(USERS).unwrap();
        let ada =
            crate::store::people::users::decode(1, table.get(1).unwrap().unwrap().value(), |_| {
                Ok(true)
            })
            .unwrap();
        let twin = crate::model::User {
            id: UserId::new(5).unwrap(),
            ..ada
        };
        table
            .insert(5, &crate::store::people::users::encode(&twin)[..])
            .unwrap();
    });
    assert_eq!(data.finds(), [("users", text(5))]);
}

/// A token would open either of them.
#[test]
fn two_accounts_of_one_issuer_and_subject_are_found() {
    let data = Data::talked(4, 20);
    data.tamper(|txn| {
        let mut table = txn.open_table(USERS).unwrap();
        for id in [1, 2] {
            let row = table.get(id).unwrap().unwrap().value().to_vec();
            let user = crate::store::people::users::decode(id, &row, |_| Ok(true)).unwrap();
            let subject = Subject {
                issuer: "https://id.example.org".into(),
                subject: "auth0|5f7c".into(),
            };
            let user = crate::model::User {
                subject: Some(subject.into()),
                ..user
            };
            let row = crate::store::people::users::encode(&user);
            table.insert(id, &row[..]).unwrap();
        }
    });
    assert_eq!(data.finds(), [("users", text(2))]);
}

#[test]
fn an_apps_accounts_are_exported_and_imported_with_their_subjects_and_no_subject_twice() {
    let subject = |text: &str| {
        format!(r#","of_app":true,"issuer":"https://id.example.org","subject":"{text}""#)
    };
    let lines = lines_of([&subject("auth0|5f7c"), &subject("3b24 é")], &[]);
    let data = imported(&lines).unwrap_or_else(|error| panic!("{error}"));
    let again = exported(&data);
    for subject in ["auth0|5f7c", "3b24 é"] {
        let wanted = format!(r#""issuer":"https://id.example.org","subject":"{subject}""#);
        assert!(again.contains(&wanted), "{again}");
    }
    assert_eq!(data.check().findings, []);
    for (second, reason) in [
        (subject("auth0|5f7c"), "the same issuer and subject"),
        (subject(""), "1 to 255 bytes"),
        (subject(&"x".repeat(256)), "1 to 255 bytes"),
    ] {
        let lines = lines_of([&subject("auth0|5f7c"), &second], &[]);
        match imported(&lines) {
            Err(MaintainError::Line {
                line: 3,
                reason: why,
            }) => {
                assert!(why.contains(reason), "{why}");
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{second} was taken"),
        }
    }
}

#[test]
fn a_log_that_contradicts_itself_is_found_under_right_checksums() {
    use crate::model::Act;
    use crate::model::{EntryId, MessageId};
    use crate::store::log::record::Record;
    let change = |record: &mut Record<&str>, how: usize| match (&mut record.act, how) {
        (Act::Sent { .. }, 0) => record.links.number += 1,
        (Act::Sent { .. }, 1) => record.rank += 1,
        (Act::Sent { .. }, 2) => record.links.jump = MessageId::new(1).ok(),
        (_, 3) => record.previous = None,
        (_, 4) => record.at = Timestamp::from_ms(1),
        (Act::Read { .. }, 5) => record.rank += 1,
        (Act::ReadUpTo { marked, .. }, 6) => marked.count += 1,
        (Act::ReadUpTo { marked, .. }, 7) => marked.newest.truncate(marked.newest.len() - 1),
        (Act::ReadUpTo { .. }, 8) => record.rank += 1,
        _ => {}
    };
    for how in 0..9 {
        let data = Data::talked(5, 120);
        let mut key = 0;
        data.tamper_log(|log| {
            // The last entry that this changes.
            for (candidate, value) in log.iter_mut().rev() {
                let id = EntryId::new(*candidate).unwrap();
                let right = Record::decode(id, value).unwrap();
                let mut entry = right.clone();
                change(&mut entry, how);
                if entry != right {
                    *value = entry.encode(id);
                    key = *candidate;
                    return;
                }
            }
        });
        let found = data.finds();
        assert!(
            found.contains(&("log", text(key))),
            "{how}, entry {key}: {found:?}"
        );
    }
}

#[test]
fn bytes_of_the_file_that_changed_are_found_or_are_of_no_page_in_use() {
    let data = Data::talked(6, 400);
    let whole = std::fs::read(&data.path).unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(6);
    let mut found = 0;
    for _ in 0..60 {
        let mut bytes = whole.clone();
        let at = random.random_range(0..bytes.len());
        let end = (at + 64).min(bytes.len());
        for byte in &mut bytes[at..end] {
            *byte ^= 0x55;
        }
        std::fs::write(&data.path, &bytes).unwrap();
        match check(&data.path, &mut |_| {}) {
            Ok(report) if report.is_sound() => {
                // Then nothing of it is lost.
                std::fs::write(&data.path, &whole).unwrap();
                assert_eq!(report.counts, data.check().counts);
            }
            _ => found += 1,
        }
    }
    assert!(found > 5, "{found} of 60 were found");
}

impl Data {
    /// Everything in its log, as it is written.
    pub(super) fn log(&self) -> Vec<(u64, Vec<u8>)> {
        log_of(&self.path)
    }
}

fn log_of(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let source = Source::of_file(path, false, &mut |_| {}).unwrap();
    blocks::entries(&source.db)
}

fn write_out(backup: &Backup, path: &Path) {
    let mut bytes = vec![0; usize::try_from(backup.size()).unwrap()];
    assert_eq!(backup.read_at(0, &mut bytes).unwrap(), bytes.len());
    assert_eq!(backup.read_at(backup.size(), &mut [0; 9]).unwrap(), 0);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_backup_beside_a_busy_writer_is_whole_and_has_all_that_was_confirmed_before_it() {
    let data = Data::new();
    let open = data.open().with_users(5);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for seed in 0.. {
                talk(&open, seed, 50);
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for round in 0..5 {
            let confirmed = open.send(1, 2, "confirmed").id.get();
            let backup = runtime.block_on(open.store.backup()).unwrap();
            let copy = data.beside("copy.redb");
            write_out(&backup, &copy);
            let report = check(&copy, &mut |_| {}).unwrap();
            assert_eq!(report.findings, [], "round {round}");
            assert!(report.counts.entries >= confirmed);
        }
        stopped.store(true, Ordering::Relaxed);
    });
    open.close();
    assert_eq!(data.names(), ["chatd.redb", "copy.redb"]);
    // It can be used as a data file, and goes on from there.
    let copy = Open::at(&Location::File(data.beside("copy.redb"))).unwrap();
    copy.send(1, 2, "after the backup");
    copy.close();
    let report = check(&data.beside("copy.redb"), &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

/// Copies an open store beside its writer.
fn copy_live(open: &Open, medium: Arc<dyn Medium>, step_bytes: usize) {
    let copying = Copying {
        database: &|| open.store.intake.data.database(),
        beside_writer: true,
        is_backup: true,
        step_bytes,
        reserve: 0,
        given_up: &AtomicBool::new(false),
    };
    copying.run(medium, &mut |_| {}).unwrap();
}

/// The rows of a table.
fn rows_of<K: redb::Key + 'static>(
    db: &Database,
    table: redb::TableDefinition<'static, K, &'static [u8]>,
) -> Vec<(String, Vec<u8>)> {
    let table = db.begin_read().unwrap().open_table(table).unwrap();
    let rows = table.iter().unwrap().map(|row| {
        let (key, value) = row.unwrap();
        (format!("{:?}", key.value()), value.value().to_vec())
    });
    rows.collect()
}

#[test]
fn a_copy_made_row_by_row_has_every_row_of_every_table() {
    let data = Data::talked(5, 400);
    let open = data.open();
    let medium: Arc<dyn Medium> = Arc::new(redb::backends::InMemoryBackend::new());
    copy_live(&open, Arc::clone(&medium), 1);
    let (copy, db) = (
        Backend::holding(medium).unwrap(),
        open.store.intake.data.database().unwrap(),
    );
    let copy = Database::builder().create_with_backend(copy).unwrap();
    let counts = [
        (rows_of(&db, LOG), rows_of(&copy, LOG)),
        (rows_of(&db, USERS), rows_of(&copy, USERS)),
        (rows_of(&db, CREDENTIALS), rows_of(&copy, CREDENTIALS)),
        (rows_of(&db, CONVERSATIONS), rows_of(&copy, CONVERSATIONS)),
        (
            rows_of(&db, CONVERSATION_STATES),
            rows_of(&copy, CONVERSATION_STATES),
        ),
        (rows_of(&db, CLIENT_IDS), rows_of(&copy, CLIENT_IDS)),
        (rows_of(&db, CHANGES), rows_of(&copy, CHANGES)),
        (rows_of(&db, NEWEST_CHANGES), rows_of(&copy, NEWEST_CHANGES)),
    ]
    .map(|(there, copied)| {
        assert!(there == copied);
        copied.len()
    });
    assert!(counts[0] > 2 && counts[1..].iter().all(|count| *count > 0));
}

/// A backup was written twice, the second time all at once when it was committed, and the writer's
/// syncs waited for that.
#[test]
fn a_backup_beside_a_writer_is_written_once_and_bit_by_bit() {
    let data = Data::new();
    let open = data.open().with_users(2);
    let content = "x".repeat(4_000);
    for _ in 0..600 {
        open.send(1, 2, &content);
    }
    let medium = Arc::new(Noting::default());
    copy_live(&open, Arc::clone(&medium) as Arc<dyn Medium>, STEP_BYTES);
    let [len, all, most] = [
        Medium::len(&*medium).unwrap(),
        medium.all.load(Ordering::Relaxed),
        medium.most.load(Ordering::Relaxed),
    ];
    assert!(len > 600 * 4_000, "{len}");
    assert!(all < len * 3 / 2, "{all} bytes are written for {len}");
    assert!(most < 512 << 10, "{most} bytes are written at once");
}

/// A store that was closed while a copy had the database in hand left its file unclean, and the
/// next start read all of it.
#[test]
fn closing_waits_for_a_copy_that_is_under_way_to_end() {
    let data = Data::new();
    let open = data.open().with_users(2);
    let content = "x".repeat(4_000);
    for _ in 0..300 {
        open.send(1, 2, &content);
    }
    let store = open.store.clone();
    let users = || Arc::strong_count(&store.intake);
    let before = users();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut backup = std::pin::pin!(store.backup());
    runtime.block_on(async {
        tokio::select! {
            biased;
            made = &mut backup => panic!("{made:?} at once"),
            () = std::future::ready(()) => {}
        }
    });
    assert!(users() > before, "nobody copies");
    store.close();
    // The two handles here; the writer has let go of it too.
    assert_eq!(users(), 2, "somebody still copies");
    let given_up = runtime.block_on(backup).unwrap_err();
    assert!(matches!(given_up, StoreError::Unavailable));
}

/// Where the data's disk was nearly full nobody could have a backup, not on another disk either.
#[test]
fn a_backup_that_cannot_be_made_beside_the_data_is_made_elsewhere() {
    let open = Open::memory().with_users(2);
    open.send(1, 2, "kept");
    let folder = tempfile::tempdir().unwrap();
    let backups = Backups::named(folder.path().join("full/chatd.redb.backup"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let make = |elsewhere| runtime.block_on(backups.make(&open.store.intake, elsewhere));
    assert!(matches!(make(None), Err(StoreError::Unavailable)));
    let backup = make(Some(folder.path().to_owned())).unwrap();
    assert!(!backup.is_in_the_way());
    assert!(matches!(make(None), Err(StoreError::Busy)));
    assert!(backup.is_in_the_way());
    // It has no name there.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut bytes = vec![0; usize::try_from(backup.size()).unwrap()];
    assert_eq!(backup.read_at(0, &mut bytes).unwrap(), bytes.len());
    let copy = folder.path().join("copy.redb");
    std::fs::write(&copy, bytes).unwrap();
    let copy = Open::at(&Location::File(copy)).unwrap();
    assert_eq!(copy.history(1, 2, None, None, 9).0.len(), 1);
    copy.close();
    open.close();
}

/// A copy on the data's disk leaves room to the server; one on another disk takes what there is.
#[test]
fn a_copy_leaves_room_free_only_where_it_is_told_to() {
    let open = Open::memory().with_users(2);
    let folder = tempfile::tempdir().unwrap();
    let copy = |reserve| {
        let partial = Partial::create(&folder.path().join("copy")).unwrap();
        let copying = Copying {
            database: &|| open.store.intake.data.database(),
            beside_writer: true,
            is_backup: true,
            step_bytes: 1,
            reserve,
            given_up: &AtomicBool::new(false),
        };
        copying.run(partial.medium(), &mut |_| {})
    };
    copy(0).unwrap();
    assert!(matches!(copy(u64::MAX), Err(MaintainError::NoRoom)));
    open.close();
}

#[test]
fn one_backup_at_a_time() {
    let open = Open::memory().with_users(2);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let first = runtime.block_on(open.store.backup()).unwrap();
    assert!(matches!(
        runtime.block_on(open.store.backup()),
        Err(StoreError::Busy)
    ));
    drop(first);
    runtime.block_on(open.store.backup()).unwrap();
    open.close();
}

#[test]
fn a_backup_of_a_stopped_servers_file_is_the_same_data_and_replaces_nothing() {
    let data = Data::talked(7, 200);
    let copy = data.beside("copy.redb");
    let counts = backup(&data.path, &copy, &mut |_| {}).unwrap();
    assert_eq!(counts, data.check().counts);
    assert_eq!(log_of(&copy), data.log());
    let before = std::fs::read(&copy).unwrap();
    assert!(matches!(
        backup(&data.path, &copy, &mut |_| {}),
        Err(MaintainError::Exists(_))
    ));
    assert!(std::fs::read(&copy).unwrap() == before);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds passwords' hashes");
    assert_eq!(data.names(), ["chatd.redb", "copy.redb"]);
}

#[test]
fn a_damaged_file_gives_no_backup_and_is_not_compacted() {
    let data = Data::talked(8, 100);
    data.tamper_log(|log| drop(log.remove(&9).unwrap()));
    let before = std::fs::read(&data.path).unwrap();
    for error in [
        backup(&data.path, &data.beside("copy.redb"), &mut |_| {}).unwrap_err(),
        compact(&data.path, &mut |_| {}).unwrap_err(),
    ] {
        assert!(error.to_string().contains("log 9: missing"), "{error}");
    }
    assert!(std::fs::read(&data.path).unwrap() == before);
    assert_eq!(data.names(), ["chatd.redb"]);
}

#[test]
fn compacting_gives_space_back_and_keeps_everything() {
    let data = Data::talked(9, 1_500);
    let (counts, log) = (data.check().counts, data.log());
    let compacted = compact(&data.path, &mut |_| {}).unwrap();
    assert!(compacted.after < compacted.before, "{compacted:?}");
    assert_eq!(
        std::fs::metadata(&data.path).unwrap().len(),
        compacted.after
    );
    let report = data.check();
    assert_eq!((report.findings, report.counts), (vec![], counts));
    assert!(data.log() == log);
    assert_eq!(data.names(), ["chatd.redb"]);
    let open = data.open();
    open.send(1, 2, "goes on");
    open.close();
    assert_eq!(data.check().findings, []);
}

/// The log is not migrated for these: it may be larger than memory.
#[test]
fn a_file_of_an_earlier_format_is_checked_exported_and_copied_as_it_is() {
    let data = Data::talked(17, 300);
    let (log, lines, counts) = (data.log(), exported(&data), data.check().counts);
    for half in [false, true] {
        {
            let db = Database::open(&data.path).unwrap();
            blocks::tamper_old(&db);
            if half {
                assert!(schema::migrate_step(&db, 2_000).unwrap());
            }
        }
        if !half {
            // Such a file has neither the table of blocks nor those of format 4.
            schema::tamper_format(&Database::open(&data.path).unwrap(), 2);
            data.tamper(|txn| assert!(txn.delete_table(LOG).unwrap()));
        }
        let report = data.check();
        assert_eq!((report.findings, report.counts), (vec![], counts));
        assert!(exported(&data) == lines);
        let copy = data.beside(&format!("copy-{half}.redb"));
        assert_eq!(backup(&data.path, &copy, &mut |_| {}).unwrap(), counts);
        assert!(log_of(&copy) == log);
        let restored = Data::new();
        let now = Timestamp::from_ms(0);
        assert_eq!(
            restore(&data.path, &restored.path, now, &mut |_| {})
                .unwrap()
                .counts,
            counts
        );
        restored.open().close();
        assert_eq!(restored.check().findings, []);
        assert!(restored.log() == log);
        compact(&data.path, &mut |_| {}).unwrap();
        let db = Database::open(&data.path).unwrap();
        let rows = db.begin_read().unwrap().open_table(OLD_LOG);
        assert!(rows.is_err_and(|error| matches!(error, TableError::TableDoesNotExist(_))));
        drop(db);
        assert!(data.log() == log);
    }
}

/// `tests/formats/3-talked.redb.gz` was made by the chatd of format 3: 1,300 messages and marks of
/// both kinds of six people, with client ids, imported, and two invites; `3-talked.jsonl.gz` is
/// what that chatd exported of it.
#[test]
fn a_file_of_format_3_says_the_same_before_its_migration_in_a_copy_and_after_it() {
    let unpacked = |packed: &[u8]| {
        let mut bytes = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
        bytes
    };
    let lines = unpacked(include_bytes!("../../../tests/formats/3-talked.jsonl.gz"));
    let lines = String::from_utf8(lines).unwrap();
    // The lines were written as version 1, which has the same keys for what this file holds.
    let lines = lines.replacen("\"version\":1", "\"version\":2", 1);
    let old_entries = |data: &Data| blocks::old_entries(&Database::open(&data.path).unwrap());
    let assert_right = |data: &Data| {
        let report = data.check();
        assert_eq!(report.findings, []);
        assert_eq!((report.counts.accounts, report.counts.entries), (6, 1_300));
        assert!(exported(data) == lines);
    };
    let data = Data::new();
    let packed = include_bytes!("../../../tests/formats/3-talked.redb.gz");
    std::fs::write(&data.path, unpacked(packed)).unwrap();
    assert_right(&data);
    let copy = Data::new();
    backup(&data.path, &copy.path, &mut |_| {}).unwrap();
    assert_right(&copy);
    assert_eq!((old_entries(&data), old_entries(&copy)), (1_300, 0));
    // Half migrated, as a stop leaves it: a few blocks are recoded.
    let half = Data::new();
    std::fs::copy(&data.path, &half.path).unwrap();
    {
        let db = Database::open(&half.path).unwrap();
        schema::prepare(&db, Some(3)).unwrap();
        assert!(schema::migrate_step(&db, 20_000).unwrap());
    }
    assert!((1..1_300).contains(&old_entries(&half)));
    assert_right(&half);
    let (now, copy) = (Timestamp::from_ms(u64::MAX >> 12), Data::new());
    backup(&half.path, &copy.path, &mut |_| {}).unwrap();
    let restored = Data::new();
    restore(&half.path, &restored.path, now, &mut |_| {}).unwrap();
    let left = old_entries(&half);
    compact(&half.path, &mut |_| {}).unwrap();
    // A restore copies the bytes, and the next start goes on.
    for (made, expected) in [(&copy, 0), (&restored, left), (&half, 0)] {
        assert_right(made);
        assert_eq!(old_entries(made), expected);
        made.open().close();
        assert_right(made);
        assert_eq!(old_entries(made), 0);
    }
    for _ in 0..2 {
        let open = data.open();
        assert_eq!(open.store.invites().len(), 2);
        open.close();
        assert_right(&data);
        assert_eq!(old_entries(&data), 0);
    }
}

/// What of a file must not go back in time: the secret, the key of cursors, how many eras and
/// invites, and whether it is marked as a backup.
fn renewable(path: &std::path::Path) -> (Vec<u8>, Vec<u8>, bool, u64, bool) {
    let db = Database::open(path).unwrap();
    let txn = db.begin_read().unwrap();
    let meta = txn.open_table(META).unwrap();
    let value = |name| meta.get(name).unwrap().map(|value| value.value().to_vec());
    let invites = txn.open_table(INVITES).unwrap();
    (
        value("token_secret").unwrap(),
        value(CURSOR_KEY).unwrap(),
        value(ERAS).is_some(),
        redb::ReadableTableMetadata::len(&invites).unwrap(),
        value(BACKUP).is_some(),
    )
}

#[test]
fn what_must_not_go_back_is_renewed_once_a_backup_is_put_to_use_and_not_before() {
    let data = Data::talked(12, 50);
    let open = data.open();
    let invite = crate::store::Invite {
        code: "code".into(),
        max_uses: 1,
        uses: 0,
        created_at: Timestamp::from_ms(0),
        expires_at: Timestamp::from_ms(u64::MAX >> 12),
        room: None,
        registers: true,
        by: crate::store::Maker::Operator,
    };
    open.apply(0, Change::CreateInvite(invite)).unwrap();
    open.close();
    let live = renewable(&data.path);
    let (secret, key, ..) = live.clone();
    assert_eq!(live, (secret.clone(), key.clone(), true, 1, false));

    let copy = Data::new();
    backup(&data.path, &copy.path, &mut |_| {}).unwrap();
    let marked = (secret.clone(), key.clone(), true, 1, true);
    assert_eq!(renewable(&copy.path), marked);
    // Neither a look at it nor a copy of it puts it to use.
    copy.check();
    export(&copy.path, &mut std::io::sink(), &mut |_| {}).unwrap();
    compact(&copy.path, &mut |_| {}).unwrap();
    assert_eq!(renewable(&copy.path), marked);
    let again = Data::new();
    backup(&copy.path, &again.path, &mut |_| {}).unwrap();
    assert_eq!(renewable(&again.path), marked);

    let restored = Data::new();
    let now = Timestamp::from_ms(1_749_124_800_000);
    let done = restore(&copy.path, &restored.path, now, &mut |_| {}).unwrap();
    assert_eq!(done.invites, 1);
    copy.open().close();
    for file in [&restored, &copy] {
        let (new_secret, new_key, eras, invites, is_marked) = renewable(&file.path);
        assert!(new_secret != secret && new_key != key);
        assert_eq!((eras, invites, is_marked), (false, 0, false));
        assert_eq!(file.check().findings, []);
        assert_eq!(file.log(), data.log());
        // Once, and not with each start.
        let renewed = renewable(&file.path);
        file.open().close();
        assert_eq!(renewable(&file.path), renewed);
    }
    // A file that is no backup stays as it is, compacted or not.
    compact(&data.path, &mut |_| {}).unwrap();
    data.open().close();
    assert_eq!(renewable(&data.path), live);
}

/// What is derived is made anew by a server that opens the copy, which would put a backup to use.
#[test]
fn a_backup_whose_derived_rows_are_made_anew_is_still_one_that_was_not_put_to_use() {
    let data = Data::talked(12, 50);
    let copy = Data::new();
    backup(&data.path, &copy.path, &mut |_| {}).unwrap();
    let marked = renewable(&copy.path);
    assert!(marked.4, "it is a backup");
    let harm = |file: &Data| {
        file.tamper(|txn| {
            let mut states = txn.open_table(CONVERSATION_STATES).unwrap();
            states.insert(0, &b"nothing that was sealed"[..]).unwrap();
        });
        assert!(file.check().is_derivable());
    };
    harm(&copy);
    let again = Data::new();
    backup(&copy.path, &again.path, &mut |_| {}).unwrap();
    assert_eq!(renewable(&again.path), marked);
    assert_eq!(again.check().findings, []);
    compact(&copy.path, &mut |_| {}).unwrap();
    assert_eq!(renewable(&copy.path), marked);
    assert_eq!(copy.check().findings, []);
    // And a file that is none does not become one.
    harm(&data);
    compact(&data.path, &mut |_| {}).unwrap();
    assert!(!renewable(&data.path).4);
    assert_eq!(data.check().findings, []);
}

/// What a retry stands for cannot be told then, and to guess could store a message twice.
#[test]
fn of_a_sender_whose_client_ids_are_damaged_named_messages_wait_for_a_compaction() {
    let data = Data::talked(17, 300);
    let key = |data: &Data| {
        let db = Database::open(&data.path).unwrap();
        let meta = db.begin_read().unwrap().open_table(META).unwrap();
        meta.get(CLIENT_ID_KEY).unwrap().unwrap().value().to_vec()
    };
    let key_before = key(&data);
    data.tamper(|txn| {
        let mut table = txn.open_table(CLIENT_IDS).unwrap();
        let (place, mut value) = {
            let (place, value) = table
                .range((1, 0)..(2, 0))
                .unwrap()
                .next()
                .unwrap()
                .unwrap();
            (place.value(), value.value().to_vec())
        };
        value[9] ^= 1;
        table.insert(place, &value[..]).unwrap();
    });
    let now = 1_700_000_400_000;
    let named = || message(1, 2, "named", Some("a new one"));
    let open = data.open();
    for _ in 0..2 {
        let refused = open.apply(now, named());
        assert!(matches!(
            refused,
            Err(crate::store::StoreError::Unavailable)
        ));
    }
    open.apply(now, message(1, 2, "without a name", None))
        .unwrap();
    open.apply(now, message(2, 1, "of another", Some("a new one")))
        .unwrap();
    open.close();
    let report = data.check();
    assert!(report.is_derivable(), "{:?}", report.findings);
    compact(&data.path, &mut |_| {}).unwrap();
    assert_eq!(data.check().findings, []);
    assert!(key(&data) == key_before);
    let open = data.open();
    let stored = |result: Result<Committed, _>| match result.unwrap() {
        Committed::Talk(Outcome::Entry(notice)) => (notice.entry.id, true),
        Committed::Talk(Outcome::Repeated(notice)) => (notice.entry.id, false),
        other => panic!("{other:?}"),
    };
    let (first, is_new) = stored(open.apply(now, named()));
    assert!(is_new);
    assert_eq!(stored(open.apply(now, named())), (first, false));
    open.close();
}

/// A stream of something else was copied to its end first, until the disk was full.
#[test]
fn a_restore_of_an_endless_stream_of_something_else_is_refused_at_its_beginning() {
    use std::io::Write;
    let data = Data::talked(12, 50);
    let before = std::fs::read(&data.path).unwrap();
    let (source, mut sink) = std::io::pipe().unwrap();
    let endless = std::thread::spawn(move || while sink.write_all(b"Dear diary, ").is_ok() {});
    let source = std::fs::File::from(std::os::fd::OwnedFd::from(source));
    let now = Timestamp::from_ms(0);
    let given = (std::path::Path::new("-"), &source);
    let error = restore_from(given, &data.path, now, &mut |_| {}).unwrap_err();
    assert!(matches!(error, MaintainError::Foreign(_)), "{error}");
    drop(source);
    endless.join().unwrap();
    assert!(std::fs::read(&data.path).unwrap() == before);
    assert_eq!(data.names(), ["chatd.redb"]);
}

#[test]
fn eras_and_renewals_that_are_damaged_are_found() {
    for name in [ERAS, TOKENS_FROM] {
        let data = Data::talked(13, 20);
        data.tamper(|txn| {
            let mut meta = txn.open_table(META).unwrap();
            meta.insert(name, &b"nothing that was sealed"[..]).unwrap();
        });
        assert_eq!(data.finds(), [("meta", name.to_owned())]);
    }
}

#[test]
fn a_restore_replaces_the_file_and_keeps_the_old_one() {
    let (data, other) = (Data::talked(10, 100), Data::talked(11, 50));
    let old = data.log();
    let now = Timestamp::from_ms(1_749_124_800_000);
    let restored = restore(&other.path, &data.path, now, &mut |_| {}).unwrap();
    assert_eq!(data.log(), other.log());
    let kept = data.beside("chatd.redb.before-restore-20250605T120000000Z");
    assert_eq!(restored.kept.as_deref(), Some(&*kept));
    assert_eq!(log_of(&kept), old);
    // Where there was nothing, nothing is kept.
    let empty = Data::new();
    let restored = restore(&other.path, &empty.path, now, &mut |_| {}).unwrap();
    assert_eq!(
        (restored.kept, restored.counts),
        (None, other.check().counts)
    );
    assert_eq!(empty.log(), other.log());
    assert_eq!(empty.names(), ["chatd.redb"]);
}

#[test]
fn a_restore_of_anything_but_a_whole_backup_leaves_everything_as_it_is() {
    let data = Data::talked(12, 50);
    let before = std::fs::read(&data.path).unwrap();
    let damaged = Data::talked(13, 50);
    damaged.tamper_log(|log| drop(log.remove(&3).unwrap()));
    let empty = Data::new();
    empty.open().close();
    let nothing = Data::new();
    std::fs::write(&nothing.path, "").unwrap();
    let foreign = Data::new();
    std::fs::write(&foreign.path, "Dear diary, ".repeat(1_000)).unwrap();
    let cut = Data::talked(14, 50);
    let bytes = std::fs::read(&cut.path).unwrap();
    std::fs::write(&cut.path, &bytes[..bytes.len() / 2]).unwrap();
    let cases = [
        (&damaged, "is damaged"),
        (&empty, "holds no data"),
        (&nothing, "holds no data"),
        (&foreign, "is no data file of chatd"),
        (&cut, "damaged"),
        (&Data::new(), "cannot read"),
        (&data, "is the data file itself"),
    ];
    for (backup, says) in cases {
        let error = restore(&backup.path, &data.path, Timestamp::from_ms(0), &mut |_| {});
        let error = error.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(std::fs::read(&data.path).unwrap() == before);
        assert_eq!(data.names(), ["chatd.redb"]);
    }
    let open = data.open();
    let whole = Data::talked(15, 20);
    let error = restore(&whole.path, &data.path, Timestamp::from_ms(0), &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, MaintainError::Open(OpenError::InUse { .. })),
        "{error}"
    );
    // The other way round it is what was given that is in use, which the error named as the one to
    // be replaced.
    let error = restore(&data.path, &whole.path, Timestamp::from_ms(0), &mut |_| {}).unwrap_err();
    let says = format!("{} is in use by", data.path.display());
    assert!(error.to_string().starts_with(&says), "{error}");
    open.close();
}

#[test]
fn a_copy_refuses_a_table_that_it_does_not_know() {
    let data = Data::talked(16, 20);
    data.tamper(|txn| {
        txn.open_table(redb::TableDefinition::<u64, u64>::new("later"))
            .unwrap();
    });
    let error = compact(&data.path, &mut |_| {}).unwrap_err();
    assert!(matches!(error, MaintainError::UnknownTable(_)), "{error}");
}

pub(super) fn exported(data: &Data) -> String {
    let mut lines = Vec::new();
    export(&data.path, &mut lines, &mut |_| {}).unwrap();
    String::from_utf8(lines).unwrap()
}

pub(super) fn imported(lines: &str) -> Result<Data, MaintainError> {
    let data = Data::new();
    match import(&data.path, &mut lines.as_bytes(), &mut |_| {}) {
        Ok(_) => {
            assert_eq!(data.names(), ["chatd.redb"]);
            Ok(data)
        }
        Err(error) => {
            assert_eq!(data.names(), [""; 0], "a failed import has left something");
            Err(error)
        }
    }
}

#[test]
fn what_is_exported_and_imported_is_the_same_log_and_the_same_lines() {
    for seed in 20..28 {
        let data = Data::talked(seed, 200);
        let lines = exported(&data);
        let again = imported(&lines).unwrap();
        assert!(again.log() == data.log(), "seed {seed}");
        assert!(exported(&again) == lines, "seed {seed}");
        assert_eq!(again.check(), data.check());
        // It goes on where the other one stopped, and still knows the client ids.
        let open = again.open();
        let last = again_id(&lines);
        assert_eq!(open.send(1, 2, "goes on").id.get(), last + 1);
        open.close();
        assert_eq!(again.check().findings, []);
    }
}

/// The id of the last line.
fn again_id(lines: &str) -> u64 {
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    last["id"].as_u64().unwrap()
}

/// A person and a bot, and lines of what programs and administrators have.
fn with_others(others: u64, lines: &[&str]) -> String {
    let user = |rest: &str| {
        format!(
            r#"{{"type":"user",{rest},"disabled":false,"token_version":0,"created_at":"2026-01-01T00:00:00.000Z"}}"#
        )
    };
    let header = format!(
        r#"{{"format":"chatd-export","version":3,"accounts":2,"others":{others},"entries":0}}"#
    );
    let ada = user(r#""id":1,"username":"ada","is_admin":true"#);
    let bot = user(r#""id":2,"username":"clerk","is_admin":false,"is_bot":true"#);
    let hash = "A".repeat(43);
    let times =
        r#""created_at":"2026-02-01T00:00:00.000Z","confirmed_at":"2026-02-01T00:00:00.000Z""#;
    let mut all = vec![header, ada, bot];
    all.extend(lines.iter().map(|line| {
        let line = line.replace("HASH", &format!(r#""hash":"{hash}""#));
        let line = line.replace("SECRET", &format!(r#""secret":"{hash}""#));
        format!("{{{}}}", line.replace("TIMES", times))
    }));
    all.join("\n") + "\n"
}

#[test]
fn a_key_a_hook_or_a_report_that_does_not_fit_is_named_with_its_line() {
    let key = r#""type":"api_key","key_id":3,"bot_id":2,HASH,TIMES"#;
    let backend = r#""type":"api_key","key_id":4,"name":"shop","scope":"users","hash":"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA",TIMES"#;
    let out = r#""type":"hook_out","hook_id":9,"url":"https://example.org/x",SECRET,"told_to":0,"paused":"gone","set_aside":2,"set_aside_from":0,TIMES"#;
    let report = r#""type":"report","report_id":1,"by_id":1,"user_id":2,"reason":"x","created_at":"2026-02-01T00:00:00.000Z","expires_at":"2026-05-02T00:00:00.000Z""#;
    let right = with_others(4, &[key, backend, out, report]);
    let data = imported(&right).unwrap();
    assert_eq!(data.check().findings, []);
    assert_eq!(exported(&data).lines().count(), 7);

    for (line, wrong) in [
        (key.replace(r#""bot_id":2"#, r#""bot_id":1"#), "there is no bot 1"),
        (key.replace(r#""bot_id":2"#, r#""bot_id":2,"name":"x""#), "either bot_id, or name"),
        (key.replace("HASH", r#""hash":"AAAA""#), "hash is no base64 of 32 bytes"),
        (key.replace(r#""key_id":3"#, r#""key_id":0"#), "number 0 comes after 0"),
        (key.replace("TIMES", r#""created_at":"2030-01-01T00:00:00.000Z","confirmed_at":"2026-02-01T00:00:00.000Z""#), "has not come yet"),
        (backend.replace("shop", ""), "name must have 1 to 64"),
        (r#""type":"hook_in","hook_id":1,"bot_id":2,"room_id":7,"name":"x",HASH,TIMES"#.into(), "hook 1 names room 7"),
        (r#""type":"hook_in","hook_id":1,"bot_id":2,"user_id":2,"name":"x",HASH,TIMES"#.into(), "does not write to itself"),
        (r#""type":"hook_in","hook_id":1,"bot_id":2,"user_id":8,"name":"x",HASH,TIMES"#.into(), "no account 8"),
        (r#""type":"hook_in","hook_id":1,"bot_id":2,"name":"x",HASH,TIMES"#.into(), "give room_id or user_id"),
        (out.replace("https:", "ftp:"), "url: give"),
        (out.replace(r#""told_to":0"#, r#""told_to":5"#), "hook 9 is at 5, the last entry is 0"),
        (report.replace(r#""reason":"x""#, r#""reason":"""#), "reason must have"),
        (report.replace("2026-05-02", "2026-05-03"), "90 days at most"),
        (report.replace(r#""by_id":1"#, r#""by_id":7"#), "no account 7"),
        (report.replace(r#""report_id":1"#, r#""report_id":1,"closed":true"#), "unknown field"),
    ] {
        let refused = imported(&with_others(1, &[&line])).err();
        let refused = refused.expect(&line).to_string();
        assert!(refused.contains(wrong), "{line}: {refused}");
        assert!(refused.starts_with("line 4: "), "{refused}");
    }
    let twice = imported(&with_others(
        2,
        &[key, &key.replace(r#""key_id":3"#, r#""key_id":4"#)],
    ));
    assert!(twice.err().unwrap().to_string().contains("the same hash"));
    let fewer = imported(&with_others(2, &[key])).err().unwrap();
    assert!(
        fewer.to_string().contains("its first line says 2"),
        "{fewer}"
    );
}

#[test]
fn rooms_are_exported_and_imported_as_they_are_and_only_the_server_archives_by_itself() {
    let data = roomy(7, 200);
    let open = data.open();
    let what = RoomCommand::Archive {
        room: RoomId::new(2).unwrap(),
    };
    // A retention that an administrator has set could not be imported.
    let days = RoomCommand::Retain {
        room: RoomId::new(1).unwrap(),
        days: Some(30),
    };
    for what in [days, what] {
        let act = RoomAct { by: None, what };
        open.apply(9_000_000, Change::Room(act)).unwrap();
    }
    open.close();
    let lines = exported(&data);
    let by_server = r#""change":"archived","by":null"#;
    assert!(lines.contains(by_server), "{lines}");
    let copy = imported(&lines).unwrap();
    assert_eq!(exported(&copy), lines);
    assert_eq!(copy.finds(), []);
    // Without one who did it, not even the server; and a room is made by somebody.
    let refused = imported(&lines.replace(by_server, "\"change\":\"archived\""));
    assert!(refused.is_err());
    let (before, made) = lines.split_once(r#""change":"created","by":"#).unwrap();
    let (_, rest) = made.split_once(',').unwrap();
    let by_nobody = format!(r#"{before}"change":"created","by":null,{rest}"#);
    assert!(imported(&by_nobody).is_err());
}

#[test]
fn the_lines_are_as_the_manual_says() {
    let data = Data::new();
    let open = data.open().with_users(2);
    let now = 1_749_124_800_000;
    open.apply(now, message(1, 2, "Halo! \"👋\"", Some("mine")))
        .unwrap();
    open.apply(now, message(1, 2, "2", None)).unwrap();
    open.apply(now + 1, mark(2, id(2))).unwrap();
    open.apply(now + 2, mark_chat(2, 1, None)).unwrap();
    open.close();
    let lines = exported(&data);
    let expected = [
        r#"{"format":"chatd-export","version":2,"accounts":2,"entries":4}"#,
        r#"{"type":"user","id":1,"username":"user1","is_admin":false,"disabled":false,"token_version":0,"created_at":"1970-01-01T00:00:00.000Z","password_hash":"hash"}"#,
        r#"{"type":"user","id":2,"username":"user2","is_admin":false,"disabled":false,"token_version":0,"created_at":"1970-01-01T00:00:00.000Z","password_hash":"hash"}"#,
        r#"{"type":"message","id":1,"sender_id":1,"receiver_id":2,"content":"Halo! \"👋\"","created_at":"2025-06-05T12:00:00.000Z","client_id":"mine"}"#,
        r#"{"type":"message","id":2,"sender_id":1,"receiver_id":2,"content":"2","created_at":"2025-06-05T12:00:00.000Z"}"#,
        r#"{"type":"read","id":3,"message_id":2,"user_id":2,"at":"2025-06-05T12:00:00.001Z"}"#,
        r#"{"type":"chat_read","id":4,"user_id":2,"peer_id":1,"up_to":2,"at":"2025-06-05T12:00:00.002Z"}"#,
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    assert!(lines.ends_with('\n'));
    // Version 1 knew of no names.
    let earlier = lines.replacen("\"version\":2", "\"version\":1", 1);
    assert_eq!(exported(&imported(&earlier).unwrap()), lines);
    let named = lines.replace(
        r#""username":"user1","#,
        r#""username":"user1","name":"Eve Smith","#,
    );
    assert_eq!(exported(&imported(&named).unwrap()), named);
    // A client id is as good as before.
    let again = imported(&lines).unwrap();
    let open = again.open();
    let (first, fresh) =
        crate::store::tests::sent(open.apply(now, message(1, 2, "Halo! \"👋\"", Some("mine"))));
    assert_eq!((first.id, fresh), (id(1), false));
    open.close();
}

#[test]
fn a_bad_line_is_named_and_nothing_is_made() {
    let good = exported(&Data::talked(30, 60));
    let lines: Vec<&str> = good.lines().collect();
    let message = lines
        .iter()
        .position(|line| line.contains("\"message\""))
        .unwrap();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n")
    };
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n")
    };
    let last = lines.len();
    let twin = lines[2].replace("user2", "USER1");
    let cases = [
        (String::new(), 1, "is not the first line"),
        (
            good.replacen("\"version\":2", "\"version\":4", 1),
            1,
            "version 4",
        ),
        (without(0), 1, "is not the first line"),
        (without(3), 0, ""),
        (without(message), message + 1, "the next one is"),
        (without(last - 1), last - 1, "the file ends with"),
        (with(message, "{}"), message + 1, "missing field `type`"),
        (with(message, "[1"), message + 1, ""),
        (
            with(message, &lines[message].replace("\"content\"", "\"text\"")),
            message + 1,
            "`text`",
        ),
        (
            with(
                message,
                &lines[message].replace("\"sender_id\":", "\"sender_id\":9"),
            ),
            message + 1,
            "there is no account 9",
        ),
        (with(2, &twin), 3, "has the name"),
    ];
    for (text, line, says) in cases {
        let error = imported(&text).err().expect("it was imported");
        let MaintainError::Line {
            line: found,
            reason,
        } = &error
        else {
            panic!("{error}");
        };
        assert!(reason.contains(says), "{error}");
        // A missing account is missed where it is needed first.
        assert!(
            *found == line as u64 || says.is_empty(),
            "{error}, not {line}"
        );
    }
}

/// A message that says it was edited, deleted or reacted to, and no line after it does so, or the
/// other way round, was told as a damaged file that is nowhere.
#[test]
fn lines_that_say_otherwise_than_each_other_are_named_by_the_first_of_them() {
    let data = Data::new();
    let open = data.open().with_users(3);
    let now = 1_749_124_800_000;
    open.apply(now, message(1, 2, "one", None)).unwrap();
    open.apply(now, message(1, 2, "two", None)).unwrap();
    open.close();
    let good = exported(&data);
    let at = r#""at":"2025-06-05T12:00:00.000Z"}"#;
    let edited = r#""content":"two","edited_at":"2025-06-05T12:00:00.000Z","#;
    let gone = r#"{"type":"delete","id":3,"message_id":2,"user_id":1,"#;
    let cases = [
        (good.replace(r#""content":"two","#, edited), "edited"),
        (
            good.replace(r#""entries":2"#, r#""entries":3"#) + gone + at + "\n",
            "erased",
        ),
    ];
    for (text, says) in cases {
        match imported(&text).err() {
            // Behind the first line and three accounts.
            Some(MaintainError::Line { line: 6, reason }) => {
                assert!(reason.contains(says), "{reason}");
            }
            error => panic!("{error:?} of {text}"),
        }
    }
}

/// Two people and what follows.
fn lines_of(accounts: [&str; 2], entries: &[&str]) -> String {
    let head = format!(
        r#"{{"format":"chatd-export","version":1,"accounts":2,"entries":{}}}"#,
        entries.len()
    );
    let mut lines = vec![head];
    for (id, more) in (1..).zip(accounts) {
        let seen = r#""is_admin":false,"disabled":false,"token_version":0"#;
        let created = match more.contains("created_at") {
            true => "",
            false => r#","created_at":"2025-06-05T12:00:00.000Z""#,
        };
        let name = match more.contains("username") {
            true => String::new(),
            false => format!(r#""username":"user{id}","#),
        };
        lines.push(format!(
            r#"{{"type":"user","id":{id},{name}{seen}{created}{more}}}"#
        ));
    }
    for (id, more) in (1..).zip(entries) {
        let message = r#""type":"message","sender_id":1,"receiver_id":2"#;
        lines.push(format!(r#"{{"id":{id},{message},{more}}}"#));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// One message of 2031 dated today's and all later ones.
#[test]
fn a_time_that_has_not_come_is_refused_by_its_line() {
    let said = |time: &str| format!(r#""content":"x","created_at":"{time}""#);
    // Five minutes are allowed: clocks differ.
    for (time, is_taken) in [
        ("2027-01-15T08:00:00.000Z", true),
        ("2027-01-15T08:05:00.000Z", true),
        ("2027-01-15T09:05:00.000+01:00", true),
        ("2027-01-15T08:05:00.001Z", false),
        ("2031-01-01T00:00:00.000Z", false),
        ("9999-12-30T22:00:00.000Z", false),
    ] {
        let in_message = lines_of(["", ""], &[&said("2025-01-01T00:00:00.000Z"), &said(time)]);
        let in_account = |key: &str| lines_of(["", &format!(r#","{key}":"{time}""#)], &[]);
        let cases = [
            (in_message, 5, "the time"),
            (in_account("created_at"), 3, "created_at"),
            (in_account("revoked_at"), 3, "revoked_at"),
            (in_account("last_seen"), 3, "last_seen"),
        ];
        for (lines, number, key) in cases {
            match imported(&lines) {
                Ok(_) => assert!(is_taken, "{key} {time}"),
                Err(MaintainError::Line { line, reason }) => {
                    assert!(!is_taken, "{key} {time}: {reason}");
                    assert_eq!(line, number);
                    assert!(reason.starts_with(&format!("{key}: ")), "{reason}");
                    assert!(reason.contains("has not come yet"), "{reason}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A file whose clock was in 2031 for a while, and whose times went back when it was put right.
#[test]
fn times_that_went_back_with_the_clock_are_exported_and_imported() {
    let data = Data::new();
    let open = data.open().with_users(2);
    for now in [NOW.as_ms() - 500, NOW.as_ms() - 400] {
        open.apply(now + (2 << 40), message(1, 2, "ahead", None))
            .unwrap();
        open.apply(now, message(1, 2, "right", None)).unwrap();
    }
    open.close();
    let lines = exported(&data);
    let later = Judging {
        now: Timestamp::from_ms(NOW.as_ms() + (3 << 40)),
        password_hash: &|text| Ok(text.into()),
        file: &|_| Err("there are no files".into()),
    };
    let again = Data::new();
    super::import(&again.path, &mut lines.as_bytes(), later, &mut |_| {}).unwrap();
    assert!(exported(&again) == lines);
    assert_eq!(again.check().findings, []);
    let back = lines_of(
        ["", ""],
        &[
            r#""content":"x","created_at":"2025-01-03T00:00:00.000Z""#,
            r#""content":"x","created_at":"2025-01-01T00:00:00.000Z""#,
        ],
    );
    let error = imported(&back).err().unwrap().to_string();
    assert!(
        error.contains("line 5: is earlier"),
        "no chatd writes that: {error}"
    );
}

#[test]
fn times_finer_than_milliseconds_are_cut_and_counted() {
    let lines = lines_of(
        [r#","last_seen":"2025-06-05T12:00:00.123456Z""#, ""],
        &[
            r#""content":"x","created_at":"2025-06-05T14:00:00.999999999+02:00""#,
            r#""content":"x","created_at":"2025-06-05T12:00:00.999Z""#,
            r#""content":"x","created_at":"2025-06-05T12:00:01.500000Z""#,
            r#""content":"x","created_at":"2025-06-05T12:00:02.5Z""#,
            r#""content":"x","created_at":"2025-06-05T12:00:02.500000001Z""#,
        ],
    );
    let data = Data::new();
    let came = import(&data.path, &mut lines.as_bytes(), &mut |_| {}).unwrap();
    assert_eq!(came.cut_times, 3);
    let found = exported(&data);
    for time in [
        "12:00:00.123Z",
        "12:00:00.999Z",
        "12:00:01.500Z",
        "12:00:02.500Z",
    ] {
        assert!(found.contains(&format!("2025-06-05T{time}")), "{time}");
    }
    for time in [
        "yesterday",
        "1749124800",
        "1969-12-31T23:59:59.9999Z",
        "2025-06-05",
    ] {
        let said = format!(r#""content":"x","created_at":"{time}""#);
        assert!(imported(&lines_of(["", ""], &[&said])).is_err(), "{time}");
    }
}

#[test]
fn each_field_of_a_line_is_held_to_what_its_door_asks() {
    let sent = |more: &str| format!(r#"{more},"created_at":"2025-06-05T12:00:00.000Z""#);
    let long = |count: usize| "x".repeat(count);
    let account = |more: String, says: &'static str| (lines_of([&more, ""], &[]), 2, says);
    let entry = |more: String, says: &'static str| (lines_of(["", ""], &[&sent(&more)]), 4, says);
    let cases = [
        account(
            r#","avatar":"javascript:alert(1)""#.into(),
            "avatar must be",
        ),
        account(
            r#","avatar":"http://example.org/a.png""#.into(),
            "avatar must be",
        ),
        account(
            format!(r#","avatar":"https://{}""#, long(2_048)),
            "avatar must be",
        ),
        account(
            r#","avatar":"//example.org/a.png""#.into(),
            "avatar must be",
        ),
        account(r#","username":"""#.into(), "username must be"),
        account(r#","username":"  ""#.into(), "username must be"),
        account(format!(r#","username":"{}""#, long(65)), "username must be"),
        account(r#","username":"a\u0007""#.into(), "username must be"),
        account(r#","password_hash":"bad""#.into(), "the hash is bad"),
        account(r#","role":"admin""#.into(), "unknown field `role`"),
        entry(
            format!(r#""content":"{}""#, long(100_001)),
            "the limit is 100000",
        ),
        entry(r#""content":" ""#.into(), "content must have"),
        entry(r#""content":"x","client_id":"""#.into(), "1 to 64"),
        entry(
            format!(r#""content":"x","client_id":"{}""#, long(65)),
            "1 to 64",
        ),
    ];
    for (lines, number, says) in cases {
        let error = imported(&lines).err().unwrap();
        let MaintainError::Line { line, reason } = &error else {
            panic!("{error}");
        };
        assert!(
            *line == number && reason.contains(says),
            "{error}, not {says}"
        );
    }
    let lines = lines_of(
        [
            r#","password_hash":"other-hash""#,
            r#","avatar":"https://example.org/a.png""#,
        ],
        &[&sent(&format!(r#""content":"{}""#, long(100_000)))],
    );
    let data = imported(&lines).unwrap();
    let found = exported(&data);
    assert!(
        found.contains(r#""password_hash":"hash""#),
        "not as it was given back"
    );
    assert!(found.contains("https://example.org/a.png"));
    // What earlier versions took of pictures, and exported, does not keep anybody from coming.
    let lines = lines_of(
        [r#","avatar":"/a.png""#, r#","avatar":"img/b.png?x=1:2""#],
        &[],
    );
    let data = Data::new();
    let came = import(&data.path, &mut lines.as_bytes(), &mut |_| {}).unwrap();
    assert_eq!(came.left_out_avatars, 2);
    assert!(!exported(&data).contains("avatar"));
    // The greatest number of an account ends nothing.
    let last = crate::model::MAX_ID;
    let lines = lines_of(["", ""], &[]).replace("\"id\":2", &format!("\"id\":{last}"));
    let data = imported(&lines).unwrap();
    let open = data.open();
    let made = open.apply(0, crate::store::tests::new_user("later"));
    assert!(
        matches!(made, Ok(crate::store::Committed::User(user)) if user.id == UserId::new(2).unwrap())
    );
    open.close();
}

#[test]
fn an_import_goes_into_a_new_file_or_an_empty_one() {
    let lines = exported(&Data::talked(31, 30));
    let data = Data::talked(32, 20);
    let before = std::fs::read(&data.path).unwrap();
    let error = import(&data.path, &mut lines.as_bytes(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, MaintainError::HasData(_)), "{error}");
    assert!(std::fs::read(&data.path).unwrap() == before);
    let empty = Data::new();
    empty.open().close();
    import(&empty.path, &mut lines.as_bytes(), &mut |_| {}).unwrap();
    assert!(exported(&empty) == lines);
}

#[test]
fn a_damaged_file_is_not_exported_to_its_end() {
    let data = Data::talked(33, 60);
    data.tamper_log(|log| drop(log.remove(&9).unwrap()));
    let error = export(&data.path, &mut Vec::new(), &mut |_| {}).unwrap_err();
    let MaintainError::Store(StoreError::Damaged {
        table: "log",
        key: 9,
    }) = error
    else {
        panic!("{error}");
    };
}

#[test]
fn an_apps_own_object_goes_into_the_lines_and_back_byte_for_byte() {
    let data = Data::new();
    let open = data.open().with_users(2);
    let meta = "{ \"order\" : 7.50,\n\"a\":\"\\u00e9\" }";
    let sent = |content: &str| {
        let Change::Talk(talk) = message(1, 2, content, Some(content)) else {
            panic!("a message is talk");
        };
        let meta = Some(Meta::parse(meta).unwrap());
        Change::Talk(
            talk.with_extras(
                Extras {
                    meta,
                    ..Extras::default()
                }
                .boxed(),
            ),
        )
    };
    open.apply(1, sent("one")).unwrap();
    open.apply(2, message(1, 2, "two", None)).unwrap();
    open.close();
    let lines = exported(&data);
    let line = lines.lines().nth(3).unwrap();
    let text = serde_json::to_string(meta).unwrap();
    assert!(line.ends_with(&format!(r#","client_id":"one","meta":{text}}}"#)));
    let again = imported(&lines).unwrap();
    assert!(again.log() == data.log());
    assert!(exported(&again) == lines);
    assert_eq!(again.check().findings, []);
    // A retry is the same message, and with another object another one.
    let open = again.open();
    let (first, is_new) = crate::store::tests::sent(open.apply(3, sent("one")));
    assert_eq!((first.id, is_new), (id(1), false));
    let other = open.apply(4, message(1, 2, "one", Some("one")));
    assert!(matches!(
        other,
        Err(StoreError::Talk(TalkRefusal::ClientIdReused))
    ));
    open.close();
    let wrong = lines.replace(&text, r#""[1]""#);
    let error = imported(&wrong).err().expect("it was imported").to_string();
    assert!(error.contains("meta must be an object"), "{error}");
}
