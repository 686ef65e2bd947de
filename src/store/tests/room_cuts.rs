//! Rooms over power cuts, and what a message to them costs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::backends::InMemoryBackend;

use super::faults::{Disk, Served, findings};
use super::rooms::named;
use super::{OPTIONS, Open, new_user, ops, user};
use crate::model::{Extras, Notice, Role, RoomId};
use crate::store::disk::medium::Medium;
use crate::store::*;

const PEOPLE: u64 = 8;
const ROOMS: u64 = 3;

fn room(number: u64) -> RoomId {
    RoomId::new(number).unwrap()
}

fn act(by: u64, what: RoomCommand) -> Change {
    Change::Room(RoomAct {
        by: Some(user(by)),
        what,
    })
}

fn create(by: u64, members: &[u64]) -> Change {
    let what = RoomCommand::Create {
        room: ops(),
        members: members.iter().map(|member| user(*member)).collect(),
        most: 100_000,
    };
    act(by, what)
}

fn random_change(random: &mut StdRng) -> Change {
    let (by, other) = (
        random.random_range(1..=PEOPLE),
        random.random_range(1..=PEOPLE),
    );
    let number = random.random_range(1..=ROOMS);
    match random.random_range(0..10) {
        0..4 => {
            let extras = Extras {
                mentions: std::iter::once(user(other)).collect(),
                ..Extras::default()
            };
            let talk = Talk::send_to_room(user(by), room(number), "hello".into(), None);
            let names = random.random_bool(0.3);
            Change::Talk(talk.with_extras(extras.boxed().filter(|_| names)))
        }
        4 | 5 => Change::Talk(Talk::read_room(user(by), room(number), None)),
        6 => act(
            by,
            RoomCommand::Join {
                room: room(number),
                most: 100,
            },
        ),
        7 => act(by, RoomCommand::Leave { room: room(number) }),
        8 => {
            let (room, user) = (room(number), user(other));
            act(1, RoomCommand::Remove { room, user })
        }
        _ => act(
            1,
            RoomCommand::SetMembers {
                room: room(number),
                members: vec![(user(other), Some(Role::Admin))],
                most: 100,
            },
        ),
    }
}

fn notices(committed: Committed) -> Vec<Notice> {
    match committed {
        Committed::Room(done) => done.notices,
        Committed::Talk(Outcome::Entry(notice)) => vec![notice],
        _ => Vec::new(),
    }
}

/// Everything that each person would be told from the beginning on.
fn told(open: &Served) -> BTreeMap<u64, Vec<Notice>> {
    let snapshot = Snapshot::new(&open.store.intake.data);
    let people = (1..=PEOPLE).map(|person| {
        let missed = snapshot.missed_of_all(user(person), 1, MAX_MISSED, MAX_MISSED);
        (person, missed.unwrap().page.unwrap().rows)
    });
    people.collect()
}

#[test]
fn over_power_cuts_rooms_stay_sound_and_each_is_told_what_was_confirmed() {
    let (mut confirmed_in_all, mut cuts) = (0, 0);
    for seed in 0..8 {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = Disk::with(Vec::new());
        {
            let open = disk.open();
            let users = (1..=PEOPLE).map(|number| new_user(&format!("user{number}")));
            let rooms = (1..=ROOMS).map(|_| create(1, &[2, 3, 4]));
            let answers = open.apply(users.chain(rooms).collect());
            assert!(answers.iter().all(Result::is_ok));
            open.close();
        }
        let mut bytes = disk.0.lock().safe();
        let mut confirmed: Vec<Notice> = Vec::new();
        for _ in 0..12 {
            let disk = Disk::dying_after(random.random_range(150..600), bytes);
            let Ok(open) = Served::sweeping_every(16, disk.medium()) else {
                // The power may go while the file is opened, too.
                bytes = disk.0.lock().cut(&mut random);
                continue;
            };
            loop {
                let count = random.random_range(1..12);
                let changes = (0..count).map(|_| random_change(&mut random)).collect();
                let answers = open.apply(changes);
                let failed = answers
                    .iter()
                    .any(|answer| matches!(answer, Err(StoreError::Unavailable)));
                confirmed.extend(answers.into_iter().flatten().flat_map(notices));
                if failed {
                    break;
                }
            }
            confirmed.extend(open.close().into_iter().flat_map(notices));
            bytes = disk.0.lock().cut(&mut random);
            assert_eq!(findings(&bytes), [], "seed {seed}");
            let open = Disk::with(bytes.clone()).open();
            let told = told(&open);
            for notice in &confirmed {
                for hearer in named(notice) {
                    let theirs = &told[&hearer];
                    assert!(theirs.contains(notice), "seed {seed}: {notice:?} is gone");
                }
            }
            open.close();
            cuts += 1;
        }
        confirmed_in_all += confirmed.len();
    }
    assert!(
        confirmed_in_all > 500 && cuts > 60,
        "{confirmed_in_all} in {cuts}"
    );
}

/// A medium in memory that counts what is written to it.
#[derive(Debug)]
struct Counted {
    medium: InMemoryBackend,
    writes: AtomicU64,
    bytes: AtomicU64,
}

impl Medium for Counted {
    fn len(&self) -> std::io::Result<u64> {
        Medium::len(&self.medium)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        Medium::read(&self.medium, offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        Medium::write(&self.medium, offset, data)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        Medium::set_len(&self.medium, len)
    }

    fn sync(&self) -> std::io::Result<()> {
        Medium::sync(&self.medium)
    }

    fn free(&self) -> Option<u64> {
        None
    }

    fn forget_cache(&self) {}
}

/// A store with so many people, and how much is written to it.
fn counted(people: u64) -> (Arc<Counted>, Open) {
    let medium = Arc::new(Counted {
        medium: InMemoryBackend::new(),
        writes: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let options = StoreOptions {
        sweep_every: u64::MAX,
        ..OPTIONS
    };
    let open = Open::with(|done| Store::open_on(Arc::clone(&medium) as _, options, done)).unwrap();
    let users = (1..=people).map(|number| new_user(&format!("user{number}")));
    assert!(open.apply_all(0, users).iter().all(Result::is_ok));
    (medium, open)
}

#[test]
fn a_reaction_writes_as_much_however_many_have_reacted_before() {
    const CROWD: u64 = 2_000;
    let (medium, open) = counted(CROWD);
    open.apply(0, create(1, &(2..=CROWD).collect::<Vec<_>>()))
        .unwrap();
    let talk = Talk::send_to_room(user(1), room(1), "hello".into(), None);
    let sent = open.apply(0, Change::Talk(talk)).unwrap();
    let message = notices(sent)[0].entry.id.into();
    let react = |people: std::ops::Range<u64>| {
        let before = medium.bytes.load(Ordering::Relaxed);
        for number in people {
            let talk = Talk::react(user(number), message, "👍".into(), true).in_any_chat();
            open.apply(0, Change::Talk(talk)).unwrap();
        }
        medium.bytes.load(Ordering::Relaxed) - before
    };
    let (_, few, _, many) = (
        react(1..100),
        react(100..200),
        react(200..CROWD - 100),
        react(CROWD - 100..CROWD),
    );
    assert!(
        many < few * 3 / 2,
        "bytes of 100 reactions: {few} and {many}"
    );
    let read = |query: HistoryQuery| {
        let snapshot = Snapshot::new(&open.store.intake.data);
        snapshot.room_history(user(2), room(1), query).unwrap()
    };
    let query = HistoryQuery {
        before: None,
        after: None,
        limit: 10,
    };
    let extras = read(query).rows.remove(0).extras.unwrap();
    assert_eq!(extras.reactions[0].count(), CROWD - 1);
    assert!(extras.reactions[0].is_of(0), "the reader's is one of them");
    // With the message all of it is gone, and nobody finds who it was.
    let talk = Talk::delete(user(1), message).in_any_chat();
    open.apply(0, Change::Talk(talk)).unwrap();
    assert!(read(query).rows.is_empty());
    let database = open.store.intake.data.database().unwrap();
    let txn = redb::ReadableDatabase::begin_read(&*database).unwrap();
    let table = txn.open_table(crate::store::tables::REACTIONS).unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&table).unwrap(), 0);
    drop((table, txn, database));
    open.close();
}

#[test]
fn a_message_writes_as_much_to_a_room_of_ten_as_to_one_of_ten_thousand() {
    let (medium, open) = counted(10_000);
    let few: Vec<u64> = (2..=10).collect();
    open.apply(0, create(1, &few)).unwrap();
    open.apply(0, create(1, &(2..=10_000).collect::<Vec<_>>()))
        .unwrap();
    let cost = |number: u64| {
        let before = (
            medium.writes.load(Ordering::Relaxed),
            medium.bytes.load(Ordering::Relaxed),
        );
        for _ in 0..200 {
            let talk = Talk::send_to_room(user(5), room(number), "hello".into(), None);
            open.apply(0, Change::Talk(talk)).unwrap();
        }
        (
            medium.writes.load(Ordering::Relaxed) - before.0,
            medium.bytes.load(Ordering::Relaxed) - before.1,
        )
    };
    // The pages of the log that both fill are warm.
    cost(1);
    let (small, large) = (cost(1), cost(2));
    let is_near = |one: u64, other: u64| one.abs_diff(other) * 20 < one;
    assert!(
        is_near(small.0, large.0) && is_near(small.1, large.1),
        "writes and bytes of 200 messages: {small:?} and {large:?}"
    );
    let mine = Snapshot::new(&open.store.intake.data).my_room(user(9_999), room(2));
    assert_eq!(mine.unwrap().unread_count, 200);
    open.close();
}
