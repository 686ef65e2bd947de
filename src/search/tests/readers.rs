//! Who may read what: people come to rooms and go, messages are deleted, and nobody is ever shown
//! what their history would not show them.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::house::{House, user, words};
use crate::model::{RoomHistory, RoomId, RoomKind, RoomPost};
use crate::store::{Change, Committed, NewRoom, RoomAct, RoomCommand};

const PEOPLE: u64 = 6;
const ROOMS: u64 = 4;

/// A room of the plain list.
struct Plain {
    history: RoomHistory,
    /// Since which entry each member is in it.
    members: BTreeMap<u64, u64>,
    /// Of each message who wrote it.
    messages: BTreeMap<u64, u64>,
}

async fn apply(house: &House, by: u64, what: RoomCommand) -> u64 {
    let by = Some(user(by));
    match house.apply(Change::Room(RoomAct { by, what })).await {
        Committed::Room(done) => done
            .notices
            .last()
            .map_or(0, |notice| notice.entry.id.get()),
        other => panic!("{other:?}"),
    }
}

/// Makes the rooms, whose owner is 1: every other one shows those who join nothing of before.
async fn rooms(house: &House) -> Vec<(RoomId, Plain)> {
    let mut rooms = Vec::new();
    for number in 1..=ROOMS {
        let history = match number % 2 {
            0 => RoomHistory::All,
            _ => RoomHistory::Joined,
        };
        let room = NewRoom {
            name: "room".into(),
            topic: "".into(),
            avatar: None,
            kind: RoomKind::Open,
            history,
            post: RoomPost::All,
        };
        let what = RoomCommand::Create {
            room,
            members: Vec::new(),
            most: 100,
        };
        let entry = apply(house, 1, what).await;
        let plain = Plain {
            history,
            members: [(1, entry)].into(),
            messages: BTreeMap::new(),
        };
        rooms.push((RoomId::new(number).unwrap(), plain));
    }
    rooms
}

/// Does something at random in a room.
async fn act(house: &House, random: &mut StdRng, room: RoomId, plain: &mut Plain) {
    let members: Vec<u64> = plain.members.keys().copied().collect();
    let who = random.random_range(2..=PEOPLE);
    match (random.random_range(0..10), plain.members.contains_key(&who)) {
        (0 | 1, false) => {
            let entry = apply(house, who, RoomCommand::Join { room, most: 100 }).await;
            plain.members.insert(who, entry);
        }
        (0, true) => {
            apply(house, who, RoomCommand::Leave { room }).await;
            plain.members.remove(&who);
        }
        (1, true) => {
            let what = RoomCommand::Remove {
                room,
                user: user(who),
            };
            apply(house, 1, what).await;
            plain.members.remove(&who);
        }
        (2, _) => {
            let ids: Vec<_> = plain.messages.iter().collect();
            let Some((id, author)) = ids.choose(random).map(|(id, author)| (**id, **author)) else {
                return;
            };
            // The room's owner may, whoever wrote it.
            let by = if plain.members.contains_key(&author) {
                author
            } else {
                1
            };
            house.delete(by, id).await;
            plain.messages.remove(&id);
        }
        _ => {
            let from = *members.choose(random).unwrap();
            let id = house.send_to_room(from, room, "a secret word").await;
            plain.messages.insert(id, from);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_finds_what_they_may_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(11);
    let mut house = House::open(folder.path()).with_users(PEOPLE).await;
    let mut rooms = rooms(&house).await;
    let mut shown = 0;
    for round in 0..24 {
        for _ in 0..60 {
            let which = random.random_range(0..rooms.len());
            let (room, plain) = &mut rooms[which];
            act(&house, &mut random, *room, plain).await;
        }
        // What is searched while the index is behind may be less, and never more.
        if random.random_bool(0.7) {
            house.caught_up().await;
        }
        let is_behind = house.search.readings().behind > 0;
        for reader in 1..=PEOPLE {
            let mut may_read = BTreeSet::new();
            for (_, plain) in &rooms {
                let since = plain.members.get(&reader);
                let floor = since.map(|since| match plain.history {
                    RoomHistory::All => 0,
                    RoomHistory::Joined => *since,
                });
                let readable = plain.messages.keys();
                let readable = readable.filter(|id| floor.is_some_and(|floor| **id > floor));
                may_read.extend(readable.copied());
            }
            let found: BTreeSet<_> = house
                .found(reader, &words("secret"))
                .await
                .into_iter()
                .collect();
            let leaked: Vec<_> = found.difference(&may_read).collect();
            assert!(leaked.is_empty(), "{reader} is shown {leaked:?}");
            assert!(is_behind || found == may_read, "{reader} misses some");
            shown += found.len();
        }
        if round % 8 == 7 {
            house.close().await;
            house = House::open(folder.path());
            house.caught_up().await;
        }
    }
    assert!(shown > 5_000, "{shown}");
    house.close().await;
}
