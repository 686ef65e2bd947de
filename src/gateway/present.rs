//! Who of each room is there, with a socket that hears of rooms.
//!
//! Offline members cost nothing. A person is added to their rooms with their first such socket and
//! taken out with the last, and moves as entries of memberships are told: so whoever is in here
//! when an entry is told was a member at that entry.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::{EntryId, RoomId, UserId};

/// The people who are there, and the rooms that have some of them.
#[derive(Default)]
pub(super) struct Present(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    people: FxHashMap<UserId, Person>,
    /// Of each room the members who are there, with the entry by which they came in.
    rooms: FxHashMap<RoomId, FxHashMap<UserId, EntryId>>,
}

/// A person who is there.
#[derive(Default)]
struct Person {
    sockets: u32,
    rooms: Vec<RoomId>,
}

impl Present {
    /// Counts a socket of this person that opened. With their first, `rooms` is asked for theirs.
    pub(super) fn came(&self, user: UserId, rooms: impl FnOnce() -> Vec<(RoomId, EntryId)>) {
        let mut inner = self.0.lock();
        let person = inner.people.entry(user).or_default();
        person.sockets += 1;
        if person.sockets == 1 {
            // Asked under the lock: what changes after that is told after that, and is waiting for
            // the lock then.
            for (room, since) in rooms() {
                inner.put(room, user, since);
            }
        }
    }

    /// Counts a socket of this person that closed.
    pub(super) fn went(&self, user: UserId) {
        let mut inner = self.0.lock();
        let Some(person) = inner.people.get_mut(&user) else {
            return;
        };
        person.sockets -= 1;
        if person.sockets > 0 {
            return;
        }
        let rooms = inner.people.remove(&user).map(|person| person.rooms);
        for room in rooms.into_iter().flatten() {
            inner.take(room, user);
        }
    }

    /// Notes that a person came into a room by this entry.
    pub(super) fn joined(&self, room: RoomId, user: UserId, since: EntryId) {
        self.0.lock().put(room, user, since);
    }

    /// Notes that a person is in a room no more.
    pub(super) fn left(&self, room: RoomId, user: UserId) {
        let mut inner = self.0.lock();
        if let Some(person) = inner.people.get_mut(&user) {
            person.rooms.retain(|theirs| *theirs != room);
            inner.take(room, user);
        }
    }

    /// Returns the members who are there and hear an entry of a room: those who were in it by then.
    pub(super) fn of(&self, room: RoomId, entry: EntryId) -> Vec<UserId> {
        let inner = self.0.lock();
        let members = inner.rooms.get(&room).into_iter().flatten();
        let by_then = members.filter(|(_, since)| **since <= entry);
        by_then.map(|(user, _)| *user).collect()
    }
}

impl Inner {
    fn put(&mut self, room: RoomId, user: UserId, since: EntryId) {
        let Some(person) = self.people.get_mut(&user) else {
            return;
        };
        let members = self.rooms.entry(room).or_default();
        if members.insert(user, since).is_none() {
            person.rooms.push(room);
        }
    }

    fn take(&mut self, room: RoomId, user: UserId) {
        if let Some(members) = self.rooms.get_mut(&room) {
            members.remove(&user);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    fn room(number: u64) -> RoomId {
        RoomId::new(number).unwrap()
    }

    fn entry(number: u64) -> EntryId {
        EntryId::new(number).unwrap()
    }

    fn of(present: &Present, number: u64, at: u64) -> Vec<u64> {
        let mut there: Vec<_> = present
            .of(room(number), entry(at))
            .into_iter()
            .map(UserId::get)
            .collect();
        there.sort_unstable();
        there
    }

    #[test]
    fn a_person_is_in_their_rooms_from_the_first_socket_to_the_last() {
        let present = Present::default();
        let rooms = || vec![(room(1), entry(5)), (room(2), entry(7))];
        present.came(user(1), rooms);
        present.came(user(1), || panic!("they are known by then"));
        present.came(user(2), || vec![(room(1), entry(6))]);
        assert_eq!(of(&present, 1, 10), [1, 2]);
        assert_eq!(of(&present, 2, 10), [1]);
        present.went(user(1));
        assert_eq!(of(&present, 1, 10), [1, 2]);
        present.went(user(1));
        assert_eq!(of(&present, 1, 10), [2]);
        present.went(user(2));
        let inner = present.0.lock();
        assert!(inner.people.is_empty() && inner.rooms.is_empty());
    }

    #[test]
    fn memberships_change_those_who_are_there_and_nobody_hears_what_was_before_them() {
        let present = Present::default();
        present.came(user(1), Vec::new);
        present.joined(room(1), user(1), entry(8));
        // Told once more than it was read, as it is where a socket opens meanwhile.
        present.joined(room(1), user(1), entry(8));
        present.joined(room(1), user(2), entry(9));
        assert_eq!(of(&present, 1, 7), [0; 0]);
        assert_eq!(of(&present, 1, 8), [1], "their own joining");
        assert_eq!(of(&present, 1, 9), [1], "who is away is not there");
        present.left(room(1), user(2));
        present.left(room(1), user(1));
        present.left(room(1), user(1));
        assert_eq!(of(&present, 1, 9), [0; 0]);
        assert!(present.0.lock().rooms.is_empty());
        present.joined(room(1), user(1), entry(12));
        present.went(user(1));
        assert!(present.0.lock().rooms.is_empty());
    }

    #[test]
    fn a_crowd_that_leaves_and_comes_back_costs_each_no_more_than_one_alone() {
        let present = Present::default();
        let crowd = 20_000;
        for number in 1..=crowd {
            present.came(user(number), || vec![(room(1), entry(1))]);
        }
        assert_eq!(present.of(room(1), entry(1)).len(), 20_000);
        for number in 1..=crowd {
            present.went(user(number));
        }
        assert!(present.0.lock().rooms.is_empty());
    }
}
