//! Random operations and restarts, held against a plain list of messages.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};

use super::{Open, chat_read, id, mark, mark_chat, user};
use crate::model::MessageId;
use crate::store::*;

/// What a plain model of the same operations says.
#[derive(Default)]
struct Model {
    /// By id: sender, receiver, read.
    messages: BTreeMap<u64, (u64, u64, bool)>,
}

impl Model {
    fn unread(&self, reader: u64, after: u64) -> Vec<u64> {
        let unread = self
            .messages
            .iter()
            .filter(|(id, (_, to, read))| *to == reader && !read && **id > after);
        unread.map(|(id, _)| *id).collect()
    }
}

/// The store's answers are the model's, for every person.
fn assert_agrees(open: &Open, model: &Model, users: u64, random: &mut rand::rngs::StdRng) {
    for me in 1..=users {
        let after = random.random_range(0..=model.messages.len() as u64);
        let limit = random.random_range(1..20);
        let (page, total) =
            open.read(|snapshot| snapshot.unread(user(me), (after > 0).then(|| id(after)), limit));
        let wanted = model.unread(me, after);
        assert_eq!(
            page.rows.iter().map(|row| row.id.get()).collect::<Vec<_>>(),
            wanted[..limit.min(wanted.len())]
        );
        assert_eq!(
            (page.has_more, total),
            (wanted.len() > limit, model.unread(me, 0).len() as u64)
        );
        let recents = open
            .read(|snapshot| snapshot.recents(user(me), None, 100))
            .rows;
        let peers: std::collections::BTreeSet<u64> = model
            .messages
            .values()
            .filter(|(from, to, _)| *from == me || *to == me)
            .map(|(from, to, _)| from + to - me)
            .collect();
        assert_eq!(recents.len(), peers.len());
        for row in &recents {
            let peer = row.peer.id.get();
            let unread = model
                .messages
                .values()
                .filter(|(from, to, read)| (*from, *to) == (peer, me) && !read)
                .count();
            assert_eq!(row.unread_count, unread as u64);
            let of_two = |(from, to, _): &(u64, u64, bool)| {
                (*from, *to) == (peer, me) || (*from, *to) == (me, peer)
            };
            let last = model
                .messages
                .iter()
                .filter(|(_, message)| of_two(message))
                .map(|(id, _)| *id)
                .next_back();
            assert_eq!(Some(row.last_message.id.get()), last);
            let all = HistoryQuery {
                before: None,
                after: None,
                limit: 10_000,
            };
            let history = open.read(|snapshot| snapshot.history(user(me), user(peer), all));
            let rows: Vec<_> = history
                .rows
                .iter()
                .map(|row| (row.message.id.get(), row.is_read))
                .collect();
            let wanted: Vec<_> = model
                .messages
                .iter()
                .filter(|(_, message)| of_two(message))
                .map(|(id, (_, _, read))| (*id, *read))
                .collect();
            assert_eq!(rows, wanted);
        }
        assert!(recents.is_sorted_by(|left, right| left.last_message.id > right.last_message.id));
    }
}

#[test]
fn nothing_derived_drifts_over_random_operations_and_restarts() {
    const USERS: u64 = 4;
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("chatd.redb"));
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut model = Model::default();
        let mut open = Open::at(&location).unwrap().with_users(USERS);
        for round in 0..4 {
            for _ in 0..60 {
                let me = random.random_range(1..=USERS);
                let peer = 1 + (me + random.random_range(0..USERS - 1)) % USERS;
                match random.random_range(0..10) {
                    0..6 => {
                        let message = open.send(me, peer, "x");
                        model.messages.insert(message.id.get(), (me, peer, false));
                    }
                    6..9 => {
                        let Some(message) =
                            model.unread(me, 0).get(random.random_range(0..5)).copied()
                        else {
                            continue;
                        };
                        open.apply(0, mark(me, id(message))).unwrap();
                        model.messages.get_mut(&message).unwrap().2 = true;
                    }
                    _ => {
                        let newest = open.store.intake.data.state.read().last_entry;
                        let up_to = random
                            .random_bool(0.7)
                            .then(|| random.random_range(1..=newest.max(1)));
                        let read = chat_read(open.apply(0, mark_chat(me, peer, up_to)));
                        let mut changed = Vec::new();
                        for (id, (from, to, is_read)) in &mut model.messages {
                            if (*from, *to) == (peer, me)
                                && up_to.is_none_or(|up_to| *id <= up_to)
                                && !*is_read
                            {
                                *is_read = true;
                                changed.push(MessageId::new(*id).unwrap());
                            }
                        }
                        assert_eq!((read.count, read.changed), (changed.len() as u64, changed));
                    }
                }
            }
            assert_agrees(&open, &model, USERS, &mut random);
            if round % 2 == 0 {
                open.close();
                open = Open::at(&location).unwrap();
                assert_agrees(&open, &model, USERS, &mut random);
            }
        }
        open.close();
    }
}
