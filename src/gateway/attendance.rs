//! Who comes and goes, told to those who watch; and how much one may watch.
//!
//! Those who are there, come and go are kept by the store in groups, each in one transaction, so
//! that many cost the writer no pause, and few one sync a minute.

use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::groups::presence_group;
use crate::chat::{Chat, KEPT_AT_ONCE, PresenceChange};
use crate::contract::{PRESENCE, Presence};
use crate::hub::Namespace;
use crate::model::{Timestamp, UserId};
use crate::verbs::Clock;

/// 1 min: how often the store learns that a person is still there.
const KEPT_EVERY: Duration = Duration::from_secs(60);
/// 5 s: how late the store learns that a person came or went. Those of that time are written
/// together, and who comes and goes within it once.
const NEWS_KEPT_EVERY: Duration = Duration::from_secs(5);

/// 16,384 subscriptions of all sockets of one person: those of more than thirty devices.
const MAX_SUBSCRIPTIONS_OF_PERSON: usize = 1 << 14;
/// And an eighth of all where that is less, as in a small container.
const SUBSCRIPTIONS_OF_PERSON: usize = 8;

/// Tells who comes and goes.
pub struct Attendance {
    chat: Chat,
    namespace: Namespace,
    /// Told when a change was put off.
    late: Notify,
    subscriptions: Mutex<Subscriptions>,
}

struct Subscriptions {
    /// Of all people together.
    most: usize,
    most_of_person: usize,
    all: usize,
    people: FxHashMap<UserId, usize>,
}

impl Subscriptions {
    fn new(most: usize) -> Self {
        Self {
            most,
            most_of_person: MAX_SUBSCRIPTIONS_OF_PERSON.min(most / SUBSCRIPTIONS_OF_PERSON),
            all: 0,
            people: FxHashMap::default(),
        }
    }

    /// Counts so many of this person's in place of so many. Returns `false`, and counts nothing,
    /// where that is too many.
    fn change(&mut self, user: UserId, from: usize, to: usize) -> bool {
        let theirs = self.people.get(&user).copied().unwrap_or(0);
        let (theirs, all) = (theirs - from + to, self.all - from + to);
        if to > from && (theirs > self.most_of_person || all > self.most) {
            return false;
        }
        self.all = all;
        match theirs {
            0 => drop(self.people.remove(&user)),
            theirs => drop(self.people.insert(user, theirs)),
        }
        true
    }
}

impl Attendance {
    /// Returns the attendance of this chat, for those who watch in this namespace by so many
    /// subscriptions at most.
    pub fn new(chat: Chat, namespace: Namespace, most_subscriptions: usize) -> Self {
        Self {
            chat,
            namespace,
            late: Notify::new(),
            subscriptions: Mutex::new(Subscriptions::new(most_subscriptions)),
        }
    }

    /// Counts a socket of this person that opened.
    pub(super) fn came(&self, now: Timestamp, user: UserId) {
        if self.chat.arrived(now, user, |change| self.tell(change)) {
            self.late.notify_one();
        }
    }

    /// Counts a socket of this person that closed.
    pub(super) fn went(&self, now: Timestamp, user: UserId) {
        if self.chat.left(now, user, |change| self.tell(change)) {
            self.late.notify_one();
        }
    }

    fn tell(&self, change: PresenceChange) {
        self.namespace
            .to(presence_group(change.user_id))
            .emit(PRESENCE.name, &(Presence::from(change),));
    }

    /// Counts how many people a socket of this person watches, `to` in place of `from`. Returns
    /// `false`, and counts nothing, where that is too many.
    pub(super) fn subscriptions(&self, user: UserId, from: usize, to: usize) -> bool {
        from == to || self.subscriptions.lock().change(user, from, to)
    }

    /// Tells what was put off, and keeps who is there. To be run beside the gateway; never ends.
    pub async fn run(&self, clock: Clock) {
        tokio::join!(
            self.tell_late(clock),
            self.keep_news(clock),
            self.keep_all(clock)
        );
    }

    async fn tell_late(&self, clock: Clock) {
        loop {
            let late = self.late.notified();
            let now = clock();
            match self.chat.tell_late(now, |change| self.tell(change)) {
                None => late.await,
                Some(next) => tokio::time::sleep(now.until(next)).await,
            }
        }
    }

    async fn keep_news(&self, clock: Clock) {
        loop {
            tokio::time::sleep(NEWS_KEPT_EVERY).await;
            self.chat.keep_news(clock()).await;
        }
    }

    async fn keep_all(&self, clock: Clock) {
        let mut round = Round::default();
        loop {
            let group = round.group(|| self.chat.presence().online());
            self.chat.keep_present(clock(), &group).await;
            tokio::time::sleep(round.pause).await;
        }
    }
}

/// One round through all who are there, in groups, in the time in which each is to be kept.
#[derive(Default)]
struct Round {
    rest: Vec<UserId>,
    pause: Duration,
}

impl Round {
    /// Returns the next group; with the first of a round it is asked who is there.
    fn group(&mut self, online: impl FnOnce() -> Vec<UserId>) -> Vec<UserId> {
        if self.rest.is_empty() {
            self.rest = online();
            // Who is kept together lies together in the file, and most share its pages.
            self.rest.sort_unstable();
            let groups = self.rest.len().div_ceil(KEPT_AT_ONCE).max(1);
            self.pause = KEPT_EVERY / u32::try_from(groups).unwrap_or(u32::MAX);
        }
        self.rest
            .split_off(self.rest.len().saturating_sub(KEPT_AT_ONCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(count: u64) -> Vec<UserId> {
        (1..=count).map(|id| UserId::new(id).unwrap()).collect()
    }

    #[test]
    fn everybody_who_is_there_is_kept_once_a_minute_in_groups() {
        for count in [0, 1, 256, 257, 10_000] {
            let (mut round, mut kept, mut time) = (Round::default(), Vec::new(), Duration::ZERO);
            while time < KEPT_EVERY {
                let group = round.group(|| people(count));
                assert!(group.len() <= KEPT_AT_ONCE);
                kept.extend(group);
                // A part of a nanosecond is lost with each.
                time += round.pause + Duration::from_nanos(1);
            }
            kept.sort_unstable();
            assert_eq!(kept, people(count), "{count}");
        }
    }

    #[test]
    fn subscriptions_are_bounded_for_one_person_and_for_all() {
        const MOST: usize = 1 << 20;
        let mut subscriptions = Subscriptions::new(MOST);
        let mut all = people(200).into_iter();
        let first = all.next().unwrap();
        for _ in 0..32 {
            assert!(subscriptions.change(first, 0, 512));
        }
        assert!(!subscriptions.change(first, 0, 1), "one person has a bound");
        assert!(subscriptions.change(first, 512, 511));
        assert!(subscriptions.change(first, 0, 1));
        let refused = all.find(|user| !subscriptions.change(*user, 0, MAX_SUBSCRIPTIONS_OF_PERSON));
        assert_eq!(refused.map(UserId::get), Some(65), "all have a bound");
        assert_eq!(subscriptions.all, MOST);
        for user in people(64) {
            let theirs = subscriptions.people[&user];
            assert!(subscriptions.change(user, theirs, 0));
        }
        assert_eq!((subscriptions.all, subscriptions.people.len()), (0, 0));
    }

    /// With 64 MiB of memory one person had all of them, and nobody else saw who was there.
    #[test]
    fn one_person_has_an_eighth_of_the_subscriptions_where_there_are_few() {
        let mut subscriptions = Subscriptions::new(1 << 14);
        let mut all = people(9).into_iter();
        let first = all.next().unwrap();
        assert!(subscriptions.change(first, 0, 1 << 11));
        assert!(!subscriptions.change(first, 0, 1));
        let taken = all.filter(|user| subscriptions.change(*user, 0, 1 << 11));
        assert_eq!(taken.count(), 7);
    }
}
