//! Presence: how many sockets each person has open, and when the last one closed.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::{Timestamp, UserId};

/// A person came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceChange {
    /// The person.
    pub user_id: UserId,
    /// They have a socket open now.
    pub online: bool,
    /// When their last socket closed; `None` while they are online.
    pub last_seen: Option<Timestamp>,
}

/// What is known of a person since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// They have a socket open.
    pub online: bool,
    /// When their last socket closed. The store learns of it a moment later.
    pub last_seen: Option<Timestamp>,
}

/// What was told of a person, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// What was told.
    pub seen: Seen,
    /// When that was.
    pub at: Timestamp,
}

/// How many changes of one person are told at once, and one in which time after that: a person
/// whose network flaps comes and goes a few times a minute, and all who watch them hear of it.
const CHANGES_AT_ONCE: u32 = 60;
const CHANGE_INTERVAL: Duration = Duration::from_secs(2);

/// One person: 40 bytes for each who was there since the server started. Times that are not known
/// are zero.
#[derive(Default)]
struct Person {
    sockets: u32,
    /// What was told last: whether they were there, and since when they were not.
    told_online: bool,
    told_last_seen: Timestamp,
    /// When that was.
    told_at: Timestamp,
    last_seen: Timestamp,
    /// When as many changes as may be told at once are free again.
    free_at: Timestamp,
    /// A change is to be told later.
    is_late: bool,
    /// They came or went, and the store is to learn of it.
    is_unkept: bool,
}

impl Person {
    fn seen(&self) -> Seen {
        Seen {
            online: self.sockets > 0,
            last_seen: known(self.last_seen),
        }
    }

    fn told(&self) -> Seen {
        Seen {
            online: self.told_online,
            last_seen: known(self.told_last_seen),
        }
    }

    fn note_unkept(&mut self, user_id: UserId, unkept: &mut Vec<UserId>) {
        if !std::mem::replace(&mut self.is_unkept, true) {
            unkept.push(user_id);
        }
    }

    /// Returns what is to be told now; or when, where it is too soon.
    fn change(&mut self, user_id: UserId, now: Timestamp) -> Result<PresenceChange, Timestamp> {
        let most = now.plus(CHANGE_INTERVAL * CHANGES_AT_ONCE);
        if self.free_at > most {
            // The clock went back.
            self.free_at = now;
        }
        let free_at = self.free_at.max(now).plus(CHANGE_INTERVAL);
        if free_at > most {
            return Err(now.plus(CHANGE_INTERVAL));
        }
        self.free_at = free_at;
        (self.told_online, self.told_last_seen) = (self.sockets > 0, self.last_seen);
        self.told_at = now;
        Ok(PresenceChange {
            user_id,
            online: self.told_online,
            last_seen: known(self.told_last_seen).filter(|_| !self.told_online),
        })
    }
}

fn known(at: Timestamp) -> Option<Timestamp> {
    (at != Timestamp::default()).then_some(at)
}

/// Counts sockets by person. A change is told under its lock, so that two changes are never heard
/// in the wrong order; one of a person who comes and goes too often is told later, as it is then.
#[derive(Default)]
pub struct Presence {
    people: Mutex<People>,
}

#[derive(Default)]
struct People {
    known: FxHashMap<UserId, Person>,
    /// Whose change is to be told, and when: all wait equally long, so this is in order.
    late: VecDeque<(Timestamp, UserId)>,
    /// Those who came or went since [`Presence::take_unkept`], once each.
    unkept: Vec<UserId>,
}

impl People {
    /// Returns whether it is to be told later, and nothing else of this person is.
    fn tell(&mut self, user_id: UserId, now: Timestamp, tell: impl FnOnce(PresenceChange)) -> bool {
        let Some(person) = self
            .known
            .get_mut(&user_id)
            .filter(|person| !person.is_late)
        else {
            return false;
        };
        match person.change(user_id, now) {
            Ok(change) => {
                tell(change);
                false
            }
            Err(at) => {
                person.is_late = true;
                self.late.push_back((at, user_id));
                true
            }
        }
    }
}

impl Presence {
    /// A socket of this person opened; `tell` is called if it is the first, unless that is to be
    /// told later. Returns whether [`Presence::catch_up`] newly has something to tell.
    pub(super) fn connected(
        &self,
        user_id: UserId,
        now: Timestamp,
        tell: impl FnOnce(PresenceChange),
    ) -> bool {
        let mut people = self.people.lock();
        let People { known, unkept, .. } = &mut *people;
        let person = known.entry(user_id).or_default();
        person.sockets += 1;
        if person.sockets > 1 {
            return false;
        }
        person.note_unkept(user_id, unkept);
        people.tell(user_id, now, tell)
    }

    /// A socket of this person closed; `tell` is called if it was the last, unless that is to be
    /// told later. Returns whether [`Presence::catch_up`] newly has something to tell.
    pub(super) fn disconnected(
        &self,
        user_id: UserId,
        now: Timestamp,
        tell: impl FnOnce(PresenceChange),
    ) -> bool {
        let mut people = self.people.lock();
        let People { known, unkept, .. } = &mut *people;
        let Some(person) = known.get_mut(&user_id).filter(|person| person.sockets > 0) else {
            return false;
        };
        person.sockets -= 1;
        if person.sockets > 0 {
            return false;
        }
        person.last_seen = now;
        person.note_unkept(user_id, unkept);
        people.tell(user_id, now, tell)
    }

    /// Returns those who came or went since this was asked last, ascending by id, with what is
    /// known of them.
    pub(super) fn take_unkept(&self) -> Vec<(UserId, Seen)> {
        let mut people = self.people.lock();
        let People { known, unkept, .. } = &mut *people;
        let unkept = std::mem::take(unkept).into_iter();
        let mut taken: Vec<_> = unkept
            .filter_map(|user| {
                let person = known.get_mut(&user)?;
                person.is_unkept = false;
                Some((user, person.seen()))
            })
            .collect();
        drop(people);
        taken.sort_unstable_by_key(|(user, _)| *user);
        taken
    }

    /// Tells what was put off until now, where it still is another than what was told. Returns when
    /// there is more to tell.
    pub(super) fn catch_up(
        &self,
        now: Timestamp,
        mut tell: impl FnMut(PresenceChange),
    ) -> Option<Timestamp> {
        let mut people = self.people.lock();
        let People { known, late, .. } = &mut *people;
        while let Some((at, user_id)) = late.front().copied() {
            // Further away than any is only where the clock went back.
            if at > now && at <= now.plus(CHANGE_INTERVAL) {
                return Some(at);
            }
            late.pop_front();
            let Some(person) = known.get_mut(&user_id) else {
                continue;
            };
            person.is_late = false;
            if person.told() == person.seen() {
                continue;
            }
            match person.change(user_id, now) {
                Ok(change) => tell(change),
                Err(at) => {
                    person.is_late = true;
                    late.push_back((at, user_id));
                }
            }
        }
        None
    }

    /// Returns how many sockets this person has open.
    pub fn sockets(&self, user_id: UserId) -> usize {
        let people = self.people.lock();
        let sockets = people
            .known
            .get(&user_id)
            .map_or(0, |person| person.sockets);
        sockets.try_into().unwrap_or(usize::MAX)
    }

    /// Returns what is known of this person.
    pub fn seen(&self, user_id: UserId) -> Seen {
        self.people
            .lock()
            .known
            .get(&user_id)
            .map(Person::seen)
            .unwrap_or_default()
    }

    /// Returns all who are online now.
    pub fn online(&self) -> Vec<UserId> {
        let people = self.people.lock();
        people
            .known
            .iter()
            .filter(|(_, person)| person.sockets > 0)
            .map(|(user, _)| *user)
            .collect()
    }

    /// Gives `then` what is known of these, at one moment: no one comes or goes until it returns.
    pub fn look<R>(&self, users: &[UserId], then: impl FnOnce(Vec<Seen>) -> R) -> R {
        let people = self.people.lock();
        let seen = |user| people.known.get(user).map(Person::seen);
        then(
            users
                .iter()
                .map(|user| seen(user).unwrap_or_default())
                .collect(),
        )
    }

    /// Gives `then` what was told of these, and when: nothing is told until it returns.
    pub fn told<R>(&self, users: &[UserId], then: impl FnOnce(Vec<Told>) -> R) -> R {
        let people = self.people.lock();
        let told = |user| {
            let person = people.known.get(user)?;
            Some(Told {
                seen: person.told(),
                at: person.told_at,
            })
        };
        then(
            users
                .iter()
                .map(|user| told(user).unwrap_or_default())
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1);

    /// With every connection one is kept, and hardly ever forgotten.
    #[test]
    fn a_person_who_was_there_takes_no_more_than_five_words() {
        assert!(size_of::<Person>() <= 40);
    }

    #[test]
    fn only_the_first_and_the_last_socket_are_told() {
        let presence = Presence::default();
        let user_id = UserId::new(1).unwrap();
        let told = std::cell::RefCell::new(Vec::new());
        let tell =
            |change: PresenceChange| told.borrow_mut().push((change.online, change.last_seen));
        presence.connected(user_id, NOW, tell);
        presence.connected(user_id, NOW, tell);
        presence.disconnected(user_id, Timestamp::from_ms(1), tell);
        assert!(presence.seen(user_id).online);
        presence.disconnected(user_id, Timestamp::from_ms(2), tell);
        presence.disconnected(user_id, Timestamp::from_ms(3), tell);
        assert_eq!(
            *told.borrow(),
            [(true, None), (false, Some(Timestamp::from_ms(2)))]
        );
    }

    /// A client that asked when a person was last there, right after hearing that they had gone,
    /// was told an earlier time or none.
    #[test]
    fn the_time_that_was_told_is_known_at_once() {
        let presence = Presence::default();
        let user_id = UserId::new(1).unwrap();
        presence.connected(user_id, NOW, |_| {});
        presence.disconnected(user_id, Timestamp::from_ms(7), |change| {
            assert_eq!(change.last_seen, Some(Timestamp::from_ms(7)));
        });
        assert_eq!(
            presence.seen(user_id),
            Seen {
                online: false,
                last_seen: Some(Timestamp::from_ms(7))
            }
        );
        assert!(presence.online().is_empty());
    }

    /// Connecting and disconnecting in turn told all who watched of every turn.
    #[test]
    fn somebody_who_comes_and_goes_all_the_time_is_told_of_now_and_then_and_in_the_end_rightly() {
        for ends_online in [true, false] {
            let presence = Presence::default();
            let user_id = UserId::new(1).unwrap();
            let told = std::cell::RefCell::new(Vec::new());
            let tell = |change: PresenceChange| told.borrow_mut().push(change);
            let mut now = NOW;
            let turns = 10_000;
            for turn in 0..turns {
                now = now.plus(Duration::from_millis(1));
                presence.connected(user_id, now, tell);
                if turn + 1 < turns || !ends_online {
                    presence.disconnected(user_id, now, tell);
                }
                presence.catch_up(now, tell);
            }
            let most = usize::try_from(CHANGES_AT_ONCE).unwrap() + turns / 2_000;
            assert!(told.borrow().len() <= most, "{}", told.borrow().len());
            let mut rounds = 0;
            while let Some(next) = presence.catch_up(now, tell) {
                now = next;
                rounds += 1;
                assert!(rounds <= CHANGES_AT_ONCE, "it comes to rest");
            }
            let last = *told.borrow().last().unwrap();
            let seen = presence.seen(user_id);
            assert_eq!(last.online, ends_online);
            assert_eq!(last.last_seen, seen.last_seen.filter(|_| !ends_online));
            assert_eq!(
                presence.told(&[user_id], |told| told[0].seen),
                seen,
                "what is told is what is"
            );
            assert_eq!(presence.catch_up(now, |_| panic!("nothing is new")), None);
        }
    }
}
