//! Rows of rooms that were changed or taken away: a check finds each, and a start builds on none.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::{ReadableTable, TableDefinition, TableHandle};
use serde_json::{Value, json};

use super::tests::Data;
use crate::model::{ChatId, Notify, Role, RoomHistory, RoomId, RoomKind, RoomPost};
use crate::store::sealed::{seal, seal_under, unseal, unseal_under};
use crate::store::tables::{RELATIONS, ROOM_MEMBERS, ROOMS, STREAM_STATES};
use crate::store::tests::{Open, user};
use crate::store::{Change, Location, NewRoom, RoomAct, RoomCommand, Talk};

fn room(number: u64) -> RoomId {
    RoomId::new(number).unwrap()
}

fn act(by: u64, what: RoomCommand) -> Change {
    let by = Some(user(by));
    Change::Room(RoomAct { by, what })
}

fn make(by: u64, members: &[u64]) -> Change {
    let room = NewRoom {
        name: "Ops".into(),
        topic: "what it is for".into(),
        avatar: None,
        kind: RoomKind::Open,
        history: RoomHistory::All,
        post: RoomPost::All,
    };
    let members = members.iter().copied().map(user).collect();
    let what = RoomCommand::Create {
        room,
        members,
        most: 100,
    };
    act(by, what)
}

/// A random change in one of three rooms of five people.
fn change(random: &mut StdRng) -> Change {
    let (by, other) = (random.random_range(1..=5), random.random_range(1..=5));
    let room = room(random.random_range(1..=3));
    match random.random_range(0..14) {
        0..7 => Change::Talk(Talk::send_to_room(user(by), room, "Halo!".into(), None)),
        7..9 => Change::Talk(Talk::read_room(user(by), room, None)),
        9 => act(by, RoomCommand::Join { room, most: 100 }),
        10 => act(by, RoomCommand::Leave { room }),
        11 => {
            let members = vec![(user(other), Some(Role::Admin))];
            let what = RoomCommand::SetMembers {
                room,
                members,
                most: 100,
            };
            act(by, what)
        }
        _ => {
            let chat = match random.random_bool(0.5) {
                true => ChatId::Room(room),
                false => ChatId::Person(user(other)),
            };
            let what = RoomCommand::Set {
                chat,
                notify: Some(Notify::None),
                muted_until: None,
            };
            act(by, what)
        }
    }
}

/// A data file in which people have talked in rooms for a while, from a seed; closed.
pub(super) fn roomy(seed: u64, changes: usize) -> Data {
    let data = Data::new();
    let open = data.open().with_users(5);
    for members in [&[2, 3][..], &[1, 4, 5], &[]] {
        open.apply(0, make(1 + members.len() as u64, members))
            .unwrap();
    }
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0..changes {
        // A refusal is as good as a change.
        let _ = open.apply(number as u64 * 1_000, change(&mut random));
    }
    open.close();
    data
}

type ByTwo = TableDefinition<'static, (u64, u64), &'static [u8]>;

/// The keys of a table.
fn keys(data: &Data, table: ByTwo) -> Vec<(u64, u64)> {
    let mut keys = Vec::new();
    data.tamper(|txn| {
        let table = txn.open_table(table).unwrap();
        keys.extend(table.iter().unwrap().map(|row| row.unwrap().0.value()));
    });
    keys
}

/// Gives a row other bytes, or takes it away.
fn set(data: &Data, table: ByTwo, key: (u64, u64), to: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    data.tamper(|txn| {
        let mut table = txn.open_table(table).unwrap();
        let before = table.get(key).unwrap().unwrap().value().to_vec();
        match to(before) {
            Some(after) => drop(table.insert(key, &after[..]).unwrap()),
            None => drop(table.remove(key).unwrap()),
        }
    });
}

/// The same of the row of a room.
fn set_room(data: &Data, key: u64, to: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    data.tamper(|txn| {
        let mut table = txn.open_table(ROOMS).unwrap();
        let before = table.get(key).unwrap().unwrap().value().to_vec();
        match to(before) {
            Some(after) => drop(table.insert(key, &after[..]).unwrap()),
            None => drop(table.remove(key).unwrap()),
        }
    });
}

/// The same data in a file of its own.
fn copy(bytes: &[u8]) -> Data {
    let data = Data::new();
    std::fs::write(&data.path, bytes).unwrap();
    data
}

/// Holds that a check finds something in one of these tables.
fn must_find(data: &Data, tables: &[&str], what: &str) {
    let found = data.finds();
    let is_found = found.iter().any(|(name, _)| tables.contains(name));
    assert!(is_found, "{what}: {found:?}");
}

/// Holds that a start refuses a file in a sentence, or has made anew what is derived.
fn must_not_build_on(data: &Data, what: &str) {
    match Open::at(&Location::File(data.path.clone())) {
        Err(error) => assert!(error.to_string().contains("damaged"), "{what}: {error}"),
        Ok(open) => {
            open.close();
            assert_eq!(data.finds(), [], "{what}: it was built on");
        }
    }
}

const TABLES: [ByTwo; 3] = [ROOM_MEMBERS, RELATIONS, STREAM_STATES];

#[test]
fn rooms_that_nobody_harmed_are_sound() {
    for seed in 0..4 {
        let data = roomy(seed, 150);
        assert_eq!(data.finds(), []);
        for table in TABLES {
            assert!(!keys(&data, table).is_empty(), "{}", table.name());
        }
    }
}

/// All that a start makes rooms of; what is missing in one is found where another points to it.
const ALL: [&str; 4] = ["rooms", "room_members", "relations", "stream_states"];

#[test]
fn a_row_of_rooms_that_changed_by_a_bit_or_is_missing_is_found() {
    let whole = roomy(2, 150);
    let bytes = std::fs::read(&whole.path).unwrap();
    let mut random = StdRng::seed_from_u64(1);
    for is_gone in [false, true] {
        let mut harm = |mut row: Vec<u8>| {
            let at = random.random_range(0..row.len());
            row[at] ^= 1 << (at % 8);
            (!is_gone).then_some(row)
        };
        for number in 1..=3 {
            let data = copy(&bytes);
            set_room(&data, number, &mut harm);
            let what = format!("room {number}, gone: {is_gone}");
            must_find(&data, if is_gone { &ALL } else { &["rooms"] }, &what);
            must_not_build_on(&data, &what);
        }
        for table in TABLES {
            for key in keys(&whole, table) {
                let data = copy(&bytes);
                set(&data, table, key, &mut harm);
                let what = format!("{} {key:?}, gone: {is_gone}", table.name());
                let own = [table.name()];
                let tables = if is_gone { &ALL[..] } else { &own };
                must_find(&data, tables, &what);
            }
        }
    }
}

/// Changes what a row in JSON says, under a right checksum.
fn edited(body: &[u8], key: &str, to: Value) -> Vec<u8> {
    let mut row: Value = serde_json::from_slice(body).unwrap();
    assert_ne!(row[key], to, "{row}");
    row[key] = to;
    serde_json::to_vec(&row).unwrap()
}

#[test]
fn a_row_of_rooms_that_is_wrong_under_a_right_checksum_is_found() {
    let whole = roomy(3, 150);
    let bytes = std::fs::read(&whole.path).unwrap();
    for (key, to) in [
        ("name", json!("Spo")),
        ("topic", json!("")),
        ("kind", json!("closed")),
        ("history", json!("joined")),
        ("post", json!("admins")),
        ("archived_at_ms", json!(1)),
    ] {
        let data = copy(&bytes);
        set_room(&data, 1, |row| {
            Some(seal(1, &edited(unseal("rooms", 1, &row).unwrap(), key, to)))
        });
        must_find(&data, &["rooms"], key);
    }
    let is_member = |data: &Data, key: (u64, u64)| {
        let mut is_one = false;
        set(data, ROOM_MEMBERS, key, |row| {
            let body = unseal_under(&[key.0, key.1], &row).unwrap();
            let record: Value = serde_json::from_slice(body).unwrap();
            is_one = record["role"] == "member";
            Some(row)
        });
        is_one
    };
    let members = keys(&whole, ROOM_MEMBERS);
    let key = members.into_iter().find(|key| is_member(&whole, *key));
    let key = key.expect("somebody is an ordinary member");
    for (name, to) in [("role", json!("owner")), ("since", json!(1))] {
        let data = copy(&bytes);
        set(&data, ROOM_MEMBERS, key, |row| {
            let body = unseal_under(&[key.0, key.1], &row).unwrap();
            Some(seal_under(&[key.0, key.1], &edited(body, name, to)))
        });
        must_find(&data, &["room_members"], name);
    }
    // One who never was in it.
    let data = roomy(3, 0);
    data.tamper(|txn| {
        let mut table = txn.open_table(ROOM_MEMBERS).unwrap();
        let (theirs, row) = {
            let (key, row) = table.first().unwrap().unwrap();
            let key = key.value();
            let body = unseal_under(&[key.0, key.1], row.value()).unwrap();
            ((key.0, 5), seal_under(&[key.0, 5], body))
        };
        assert!(table.insert(theirs, &row[..]).unwrap().is_none());
    });
    must_find(&data, &ALL, "one who never was in it");
}

/// What somebody had read would be unread again.
#[test]
fn a_position_that_went_back_under_a_right_checksum_is_found() {
    let data = roomy(4, 0);
    let talk = |talk: Talk| {
        let open = data.open();
        open.apply(0, Change::Talk(talk)).unwrap();
        open.close();
    };
    talk(Talk::send_to_room(user(3), room(1), "x".into(), None));
    let key = (1, 2);
    let mut before = Vec::new();
    set(&data, STREAM_STATES, key, |row| {
        before.clone_from(&row);
        Some(row)
    });
    talk(Talk::read_room(user(2), room(1), None));
    assert_eq!(data.finds(), []);
    set(&data, STREAM_STATES, key, |row| {
        assert_ne!(row, before);
        Some(before)
    });
    must_find(&data, &["stream_states"], "a position of before");
}
