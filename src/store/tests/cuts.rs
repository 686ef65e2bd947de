//! Power cuts at every point of what writes much at once: sweeps, stops, migrations, copies and
//! imports. After each, a check calls the file sound, what was confirmed is there once, and a retry
//! makes nothing new.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::faults::{Disk, Served, findings};
use super::{OPTIONS, mark_chat, message, sent};
use crate::model::{MessageId, Timestamp};
use crate::store::disk::medium::Medium;
use crate::store::disk::open::open_database;
use crate::store::disk::schema;
use crate::store::log::blocks;
use crate::store::talk::client_ids;
use crate::store::*;

/// As many client ids as are remembered of one sender.
const REMEMBERED: usize = client_ids::CLIENT_IDS_PER_SENDER;

/// The messages of the first account, each of which has a client id: its number.
#[derive(Default)]
struct Sender {
    /// Those that are stored, oldest first.
    stored: VecDeque<(MessageId, u64)>,
    /// Those of which no answer came.
    unanswered: Vec<u64>,
    last: u64,
}

impl Sender {
    fn changes(numbers: impl Iterator<Item = u64>) -> Vec<Change> {
        let named = numbers.map(|number| number.to_string());
        let changes = named.map(|name| message(1, 2, &name, Some(&name)));
        changes.collect()
    }

    /// Sends these, and those before them that were not answered, until an answer does not come.
    fn send(&mut self, open: &Served, count: u64) -> bool {
        let mut numbers = std::mem::take(&mut self.unanswered);
        numbers.extend(self.last + 1..=self.last + count);
        self.last += count;
        let answers = open.apply(Self::changes(numbers.iter().copied()));
        for (number, answer) in numbers.into_iter().zip(answers) {
            match answer {
                Ok(_) => self.stored.push_back((sent(answer).0.id, number)),
                Err(_) => self.unanswered.push(number),
            }
        }
        self.unanswered.is_empty()
    }

    /// Sends some of those again that are remembered still, the oldest of them included.
    fn retry(&self, open: &Served, random: &mut StdRng) {
        let remembered = self.stored.len().saturating_sub(REMEMBERED);
        let remembered: Vec<_> = self.stored.iter().skip(remembered).copied().collect();
        let mut again = vec![remembered[0]];
        again.extend(remembered.sample(random, 100));
        let answers = open.apply(Self::changes(again.iter().map(|(_, number)| *number)));
        for ((id, number), answer) in again.into_iter().zip(answers) {
            let (message, fresh) = sent(answer);
            assert!(
                !fresh && message.id == id,
                "{number}, stored as {id}, was stored again as {}",
                message.id
            );
        }
    }

    fn assert_stored_once(&self, open: &Served) {
        let there = open.messages();
        let there: BTreeMap<_, _> = there.iter().map(|(name, one)| (&**name, one.id)).collect();
        assert_eq!(there.len(), self.stored.len());
        for (id, number) in &self.stored {
            assert_eq!(there.get(&*number.to_string()), Some(id));
        }
    }
}

#[test]
fn a_power_cut_in_a_sweep_or_a_stop_forgets_no_client_id_and_leaves_a_sound_file() {
    const CUTS: u64 = 6;
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut sender = Sender::default();
        let disk = Disk::with(Vec::new());
        disk.open().with_users().close();
        // Two blocks, to the first of which a cut may do harm; or one of more than is remembered.
        let blocks: &[u64] = [&[4_000, 3_000][..], &[10_200]][usize::from(seed == 2)];
        for count in blocks.iter().copied() {
            let open = Served::sweeping_every(u64::MAX, disk.medium()).unwrap();
            assert!(sender.send(&open, count));
            open.close();
        }
        let mut bytes = disk.0.lock().safe();
        for cut in 0..CUTS {
            let disk = Disk::dying_after(random.random_range(5..120), bytes);
            let window = [16, 1_500, 1_500, u64::MAX][random.random_range(0..4)];
            // The power may go while the file is opened, too.
            if let Ok(open) = Served::sweeping_every(window, disk.medium()) {
                let bursts = random.random_range(1..4);
                for _ in 0..bursts {
                    let is_alive = sender.send(&open, random.random_range(1..1_500));
                    if !is_alive {
                        break;
                    }
                }
                open.close();
            }
            bytes = disk.0.lock().cut(&mut random);
            assert_eq!(findings(&bytes), [], "seed {seed}, cut {cut}");
            let disk = Disk::with(bytes);
            let open = disk.open();
            open.assert_recounted();
            assert!(sender.send(&open, 0), "seed {seed}, cut {cut}");
            sender.retry(&open, &mut random);
            // Killed: of what it has in memory nothing is written.
            disk.0.lock().die();
            open.close();
            bytes = disk.0.lock().cut(&mut random);
        }
        assert!(sender.stored.len() > REMEMBERED);
        let open = Disk::with(bytes).open();
        sender.assert_stored_once(&open);
        open.close();
    }
}

/// A stopped server's file in which five people have talked.
fn talked(changes: u64) -> Vec<u8> {
    let disk = Disk::with(Vec::new());
    let open = disk.open().with_users();
    for number in 0..changes {
        let me = 1 + number % 5;
        let peer = 1 + (me + number % 3) % 5;
        let name = number.to_string();
        let change = match number % 7 {
            5 => mark_chat(me, peer, None),
            _ => message(me, peer, &name, Some(&name)),
        };
        open.apply(vec![change]).remove(0).unwrap();
    }
    open.close();
    disk.0.lock().safe()
}

/// The log of a file, as it is written.
fn log_of(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let opened = open_database(&Disk::with(bytes.to_vec()).medium(), OPTIONS.page_cache).unwrap();
    let entries = blocks::entries(&opened.db);
    opened.give_up();
    entries
}

/// What a start does before it reads, with a migration in small steps.
fn migrate(medium: &Arc<dyn Medium>) -> Result<(), OpenError> {
    let opened = open_database(medium, OPTIONS.page_cache)?;
    let found = schema::format(&opened.db)?;
    opened.release().map_err(OpenError::Io)?;
    schema::prepare(&opened.db, found)?;
    schema::migrate_log(&opened.db, 2_000)?;
    opened.close().map_err(StoreError::from)?;
    Ok(())
}

#[test]
fn a_power_cut_in_a_migration_leaves_a_sound_file_which_the_next_start_migrates() {
    let new = talked(200);
    let log = log_of(&new);
    for format in [1_u32, 2, 3] {
        let disk = Disk::with(new.clone());
        {
            let opened = open_database(&disk.medium(), OPTIONS.page_cache).unwrap();
            opened.release().unwrap();
            match format {
                3 => blocks::tamper_entries(&opened.db),
                _ => blocks::tamper_old(&opened.db),
            }
            schema::tamper_format(&opened.db, format);
            opened.close().unwrap();
        }
        let old = disk.0.lock().safe();
        let mut random = StdRng::seed_from_u64(u64::from(format));
        let (mut cuts, mut done) = (0, 0);
        for seed in 0..12 {
            let mut bytes = old.clone();
            loop {
                let disk = Disk::dying_after(random.random_range(1..40), bytes);
                let is_done = migrate(&disk.medium()).is_ok();
                bytes = disk.0.lock().cut(&mut random);
                assert_eq!(findings(&bytes), [], "format {format}, seed {seed}");
                assert!(log_of(&bytes) == log, "format {format}, seed {seed}");
                if is_done {
                    break;
                }
                cuts += 1;
            }
            let disk = Disk::with(bytes);
            let open = disk.open();
            open.assert_recounted();
            let again = open.apply(vec![message(1, 2, "0", Some("0"))]).remove(0);
            let is_known = |answer| matches!(answer, Committed::Talk(Outcome::Repeated(_)));
            done += u64::from(again.is_ok_and(is_known));
            open.close();
        }
        assert!(
            cuts > 12 && done == 12,
            "{cuts} cuts, {done} knew the client id"
        );
    }
}

/// What a command makes on a disk, and what the disk has before.
type Making<'a> = (
    &'a str,
    Vec<u8>,
    Box<dyn Fn(Arc<dyn Medium>) -> Result<(), maintain::MaintainError> + 'a>,
);

#[test]
fn what_a_copy_an_import_or_a_restore_says_is_done_outlives_a_power_cut() {
    let whole = talked(300);
    let log = log_of(&whole);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    std::fs::write(&path, &whole).unwrap();
    let mut lines = Vec::new();
    maintain::export(&path, &mut lines, &mut |_| {}).unwrap();
    let opened = open_database(&Disk::with(whole.clone()).medium(), OPTIONS.page_cache).unwrap();
    let copy = |medium| {
        let copying = maintain::copy::Copying {
            database: &|| Ok(Arc::clone(&opened.db)),
            beside_writer: false,
            is_backup: true,
            step_bytes: 2_000,
            reserve: 0,
            given_up: &AtomicBool::new(false),
        };
        copying.run(medium, &mut |_| {})
    };
    let import = |medium: Arc<dyn Medium>| {
        let judging = maintain::Judging {
            now: Timestamp::from_ms(1),
            password_hash: &|hash| Ok(hash.into()),
            file: &|_| Err("there are no files".into()),
        };
        let medium_of_log = Arc::clone(&medium);
        maintain::import::write_log(medium_of_log, &mut &lines[..], judging, &mut |_| {})?;
        maintain::derive::derive(medium)
    };
    let makings: [Making<'_>; 2] = [
        ("copy", Vec::new(), Box::new(copy)),
        ("import", Vec::new(), Box::new(import)),
    ];
    let mut random = StdRng::seed_from_u64(1);
    for (name, before, make) in makings {
        let disk = Disk::with(before.clone());
        make(disk.medium()).unwrap();
        let operations = disk.0.lock().operations;
        for dying_after in 0..=operations {
            let disk = Disk::dying_after(dying_after, before.clone());
            let made = make(disk.medium());
            if dying_after < operations && made.is_ok() {
                // It had another order this time, or what failed was of no consequence.
                assert!(disk.0.lock().operations <= operations);
            }
            if made.is_ok() {
                let bytes = disk.0.lock().cut(&mut random);
                assert_eq!(
                    findings(&bytes),
                    [],
                    "{name}, {dying_after} of {operations}"
                );
                assert!(
                    log_of(&bytes) == log,
                    "{name}, {dying_after} of {operations}"
                );
            } else {
                assert!(dying_after < operations, "{name}: {made:?}");
            }
        }
    }
    opened.give_up();
}
