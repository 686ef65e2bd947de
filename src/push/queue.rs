//! The messages that wait for their push services: whose turn it is, how many are on their way at
//! once, and which are to be tried again. Pure: the clock is the caller's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::courier::Push;
use crate::model::UserId;
use crate::outgoing::Target;
use crate::store::Subscription;

/// 32 messages are on their way at once.
const MAX_AT_ONCE: usize = 32;
/// 8 of them to one host, by whatever port, so that one that hangs holds up no other.
const MAX_AT_HOST: usize = 8;
/// 4 of them to the browsers of one person: with the 16 that they may have, at 16 hosts that never
/// answer, one person would hold half of all.
const MAX_OF_PERSON: usize = 4;
/// 16,384 messages wait, or are to be tried again, at some 500 bytes each.
const MAX_WAITING: usize = 1 << 14;
/// 256 of them for one person: for each of 16 browsers a message of 16 chats.
const MAX_WAITING_OF_PERSON: usize = 256;

/// A message for one browser.
pub(super) struct Job {
    pub(super) subscription: Arc<Subscription>,
    pub(super) target: Target,
    pub(super) push: Arc<Push>,
    /// How often it was tried.
    pub(super) tries: usize,
    /// Less is shown: the push service takes no more.
    pub(super) is_cut: bool,
}

impl Job {
    /// Where it goes and whose it is: what it takes room of while it is on its way.
    pub(super) fn room(&self) -> (String, UserId) {
        (self.target.host().to_owned(), self.subscription.user)
    }
}

/// The messages of one person.
#[derive(Default)]
struct Held {
    waiting: usize,
    flying: usize,
}

/// The messages to one host that may go out.
#[derive(Default)]
struct AtHost {
    jobs: FxHashMap<UserId, VecDeque<Job>>,
    /// The people who have any, whose turn it is first.
    turns: VecDeque<UserId>,
}

/// The messages that wait.
#[derive(Default)]
pub(super) struct Queue {
    ready: FxHashMap<String, AtHost>,
    /// The hosts that have any, whose turn it is first.
    turns: VecDeque<String>,
    /// Those to be tried again.
    later: BTreeMap<(Instant, u64), Job>,
    /// How many are on their way to each host.
    flying_to: FxHashMap<String, usize>,
    people: FxHashMap<UserId, Held>,
    flying: usize,
    waiting: usize,
    made: u64,
}

impl Queue {
    /// Takes on a message; returns whether there was room for it.
    pub(super) fn push(&mut self, job: Job) -> bool {
        let held = self.people.entry(job.subscription.user).or_default();
        if self.waiting >= MAX_WAITING || held.waiting >= MAX_WAITING_OF_PERSON {
            self.forget(job.subscription.user);
            return false;
        }
        held.waiting += 1;
        self.waiting += 1;
        self.put(job);
        true
    }

    /// Takes the next message that may go out.
    pub(super) fn take(&mut self, now: Instant) -> Option<Job> {
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            let job = entry.remove();
            self.put(job);
        }
        if self.flying >= MAX_AT_ONCE {
            return None;
        }
        for _ in 0..self.turns.len() {
            let host = self.turns.pop_front()?;
            let is_full = self.flying_to.get(&host).copied().unwrap_or(0) >= MAX_AT_HOST;
            let job = match is_full {
                true => None,
                false => self.next_to(&host),
            };
            match self.ready.get(&host) {
                Some(at) if !at.turns.is_empty() => self.turns.push_back(host.clone()),
                _ => drop(self.ready.remove(&host)),
            }
            if let Some(job) = job {
                let held = self.people.entry(job.subscription.user).or_default();
                held.waiting -= 1;
                held.flying += 1;
                *self.flying_to.entry(host).or_default() += 1;
                self.waiting -= 1;
                self.flying += 1;
                return Some(job);
            }
        }
        None
    }

    /// Notes that a message has arrived, or not; it may be tried again.
    pub(super) fn landed(
        &mut self,
        (host, user): &(String, UserId),
        again: Option<(Instant, Job)>,
    ) {
        self.flying -= 1;
        if let Some(flying) = self.flying_to.get_mut(host) {
            *flying -= 1;
            if *flying == 0 {
                self.flying_to.remove(host);
            }
        }
        let held = self.people.entry(*user).or_default();
        held.flying -= 1;
        if let Some((at, job)) = again {
            held.waiting += 1;
            self.waiting += 1;
            self.made += 1;
            self.later.insert((at, self.made), job);
        }
        self.forget(*user);
    }

    /// When the next one is to be tried again.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many wait, are on their way, or are to be tried again.
    pub(super) fn len(&self) -> usize {
        self.waiting + self.flying
    }

    /// Returns whether some are on their way, or may go out now.
    pub(super) fn is_busy(&self) -> bool {
        self.flying > 0 || !self.ready.is_empty()
    }

    fn put(&mut self, job: Job) {
        let (host, user) = job.room();
        let at = self.ready.entry(host.clone()).or_default();
        if at.turns.is_empty() {
            self.turns.push_back(host);
        }
        let jobs = at.jobs.entry(user).or_default();
        if jobs.is_empty() {
            at.turns.push_back(user);
        }
        jobs.push_back(job);
    }

    /// Takes the next message to a host, of a person who has room. Few have none: not so many are
    /// on their way.
    fn next_to(&mut self, host: &str) -> Option<Job> {
        let at = self.ready.get_mut(host)?;
        for _ in 0..at.turns.len() {
            let user = at.turns.pop_front()?;
            if (self.people.get(&user)).is_some_and(|held| held.flying >= MAX_OF_PERSON) {
                at.turns.push_back(user);
                continue;
            }
            let jobs = at.jobs.get_mut(&user)?;
            let job = jobs.pop_front();
            match jobs.is_empty() {
                true => drop(at.jobs.remove(&user)),
                false => at.turns.push_back(user),
            }
            return job;
        }
        None
    }

    /// Forgets a person who has no message any more.
    fn forget(&mut self, user: UserId) {
        let held = self.people.get(&user);
        if held.is_some_and(|held| held.waiting == 0 && held.flying == 0) {
            self.people.remove(&user);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::payload::{Telling, Told};
    use super::*;
    use crate::model::Timestamp;
    use crate::store::{NewSubscription, PushLanguage, PushShow, subscription_id};

    fn job(user: u64, service: &str, number: u64) -> Job {
        let endpoint = format!("https://{service}/{number}");
        Job {
            target: endpoint.parse().unwrap(),
            subscription: Arc::new(Subscription {
                user: UserId::new(user).unwrap(),
                number,
                id: subscription_id(&endpoint),
                created_at: Timestamp::from_ms(1),
                wish: NewSubscription {
                    endpoint: endpoint.into(),
                    p256dh: [4; 65],
                    auth: [7; 16],
                    lang: PushLanguage::En,
                    show: PushShow::Text,
                    base: "".into(),
                    session: None,
                    until: None,
                },
            }),
            push: Push::new(Telling {
                chat: None,
                title: String::new(),
                told: Told::Test,
            }),
            tries: 0,
            is_cut: false,
        }
    }

    fn taken(queue: &mut Queue, now: Instant) -> Vec<(String, u64)> {
        let jobs = std::iter::from_fn(|| queue.take(now));
        jobs.map(|job| (job.target.host().to_owned(), job.subscription.number))
            .collect()
    }

    fn at(host: &str, user: u64) -> (String, UserId) {
        (host.to_owned(), UserId::new(user).unwrap())
    }

    #[test]
    fn push_services_take_turns_and_one_that_hangs_holds_up_no_other() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for number in 0..20 {
            assert!(queue.push(job(number + 1, "hangs.example", number)));
        }
        assert!(queue.push(job(30, "works.example", 100)));
        let out = taken(&mut queue, now);
        assert_eq!(out.len(), MAX_AT_HOST + 1);
        let works = ("works.example".to_owned(), 100);
        assert_eq!(out[1], works, "after one of the other");
        queue.landed(&at("works.example", 30), None);
        assert_eq!(taken(&mut queue, now), []);
        queue.landed(&at("hangs.example", 1), None);
        assert_eq!(taken(&mut queue, now), [("hangs.example".to_owned(), 8)]);
    }

    /// Two such people held all 32 places for as long as nothing answered.
    #[test]
    fn one_person_with_many_browsers_that_never_answer_holds_up_nobody_else() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for number in 0..16 {
            for chat in 0..20 {
                let host = format!("{number}.evil.example");
                let is_taken = queue.push(job(1, &host, chat));
                assert_eq!(is_taken, number * 20 + chat < MAX_WAITING_OF_PERSON as u64);
            }
        }
        assert_eq!(taken(&mut queue, now).len(), MAX_OF_PERSON);
        // Others find room at the same host and elsewhere, behind all of those.
        assert!(queue.push(job(2, "0.evil.example", 100)));
        assert!(queue.push(job(3, "works.example", 101)));
        let mut others = taken(&mut queue, now);
        others.sort_unstable();
        let expected = [("0.evil.example", 100), ("works.example", 101)];
        assert_eq!(
            others,
            expected.map(|(host, number)| (host.to_owned(), number))
        );
        // What comes back makes room for one more of theirs.
        queue.landed(&at("0.evil.example", 1), None);
        assert_eq!(taken(&mut queue, now).len(), 1);
    }

    #[test]
    fn one_host_has_no_more_room_by_its_ports() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for number in 0..20 {
            assert!(queue.push(job(
                number + 1,
                &format!("hangs.example:{}", 4_000 + number),
                1
            )));
        }
        assert_eq!(taken(&mut queue, now).len(), MAX_AT_HOST);
    }

    #[test]
    fn so_many_are_on_their_way_and_so_many_wait() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for number in 0..MAX_WAITING as u64 {
            let host = format!("s{}.example", number % 100);
            assert!(queue.push(job(number % 1_000 + 1, &host, number)));
        }
        assert!(!queue.push(job(2_000, "other.example", 1)));
        assert_eq!(queue.people.len(), 1_000);
        assert_eq!(taken(&mut queue, now).len(), MAX_AT_ONCE);
        assert!(queue.push(job(2_000, "other.example", 1)));
    }

    #[test]
    fn what_is_to_be_tried_again_waits_for_its_time() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(job(1, "busy.example", 1));
        let again = queue.take(now).unwrap();
        let later = now + Duration::from_secs(5);
        queue.landed(&again.room(), Some((later, again)));
        assert_eq!(taken(&mut queue, now), []);
        assert_eq!((queue.waiting, queue.flying), (1, 0));
        assert_eq!(queue.next_try(), Some(later));
        assert_eq!(taken(&mut queue, later).len(), 1);
        assert_eq!((queue.waiting, queue.flying), (0, 1));
        queue.landed(&at("busy.example", 1), None);
        assert!(queue.people.is_empty() && queue.flying_to.is_empty() && !queue.is_busy());
    }
}
