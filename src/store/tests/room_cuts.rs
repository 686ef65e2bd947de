//! What a message to a room costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::InMemoryBackend;

use super::{OPTIONS, Open, new_user, user};
use crate::model::{RoomHistory, RoomId, RoomKind, RoomPost};
use crate::store::disk::medium::Medium;
use crate::store::*;

fn room(number: u64) -> RoomId {
    RoomId::new(number).unwrap()
}

fn act(by: u64, what: RoomCommand) -> Change {
    Change::Room(RoomAct { by: user(by), what })
}

fn create(by: u64, members: &[u64]) -> Change {
    let what = RoomCommand::Create {
        room: NewRoom {
            name: "Ops".into(),
            topic: "".into(),
            avatar: None,
            kind: RoomKind::Open,
            history: RoomHistory::All,
            post: RoomPost::All,
        },
        members: members.iter().map(|member| user(*member)).collect(),
        most: 100_000,
    };
    act(by, what)
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

#[test]
fn a_message_writes_as_much_to_a_room_of_ten_as_to_one_of_ten_thousand() {
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
    let users = (1..=10_000).map(|number| new_user(&format!("user{number}")));
    assert!(open.apply_all(0, users).iter().all(Result::is_ok));
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
