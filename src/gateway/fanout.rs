//! A room's events to all of its members who are there, a part at a time.
//!
//! A crowd is not told in one go: whatever else happened would wait for it. So what is for more
//! than [`AT_ONCE`] people waits here, and the notifier tells a part of it after each thing that it
//! tells. A socket must hear entries in their order, since its client shows the last cursor that it
//! had: a person who is to hear something newer is told first what waits for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::groups::user_group;
use crate::chat::Behind;
use crate::contract::Version;
use crate::hub::{Namespace, Prepared};
use crate::model::UserId;

/// 256 people are told at once, in some milliseconds, most of which are the kernel's.
const AT_ONCE: usize = 256;
/// So many where a crowd is told of one event alone: others wait less for it. Where more wait,
/// those who hear them all get them in one piece.
const AT_ONCE_OF_ONE: usize = 64;
/// 256 KiB are queued at once, and at least for so many people.
const BYTES_AT_ONCE: usize = 256 << 10;
const FEWEST: usize = 16;
/// With so many events on their way to crowds, nothing else is told before one is through. The
/// notifier looks after every few answers, so some more may be on their way by then.
const MOST_WAITING: usize = 16;

/// What is on its way to the members of rooms.
pub(super) struct Fanout {
    namespace: Namespace,
    /// Nothing waits: known without the lock, since it is asked for everything that is told.
    is_idle: AtomicBool,
    waiting: Mutex<VecDeque<Waiting>>,
}

/// An event on its way.
struct Waiting {
    event: Prepared,
    /// Those who have not been told yet.
    left: FxHashSet<UserId>,
    /// The same in an order, with some who have been.
    order: Vec<UserId>,
}

impl Waiting {
    fn new(event: Prepared, people: Vec<UserId>) -> Self {
        Self {
            event,
            left: people.iter().copied().collect(),
            order: people,
        }
    }

    /// Returns the next who has not been told.
    fn next(&mut self) -> Option<UserId> {
        loop {
            let user = self.order.pop()?;
            if self.left.contains(&user) {
                return Some(user);
            }
        }
    }
}

impl Fanout {
    pub(super) fn new(namespace: Namespace) -> Self {
        Self {
            namespace,
            is_idle: AtomicBool::new(true),
            waiting: Mutex::default(),
        }
    }

    /// Tells these people: now, where they are few, else from now on.
    pub(super) fn tell(&self, event: Prepared, people: Vec<UserId>) {
        if people.len() <= AT_ONCE {
            self.catch_up(people.iter().copied());
            return self.send(&people, std::iter::once(&event));
        }
        self.waiting.lock().push_back(Waiting::new(event, people));
        self.is_idle.store(false, Ordering::Relaxed);
    }

    /// Tells these people what waits for them: something newer is to come.
    pub(super) fn catch_up(&self, people: impl Iterator<Item = UserId>) {
        if self.is_idle.load(Ordering::Relaxed) {
            return;
        }
        let mut waiting = self.waiting.lock();
        people.for_each(|user| self.tell_all(&mut waiting, user));
    }

    /// Tells a part of what waits: the next people of the event that waits the longest, and each of
    /// them all that waits for them, which leaves in one piece.
    pub(super) fn go_on(&self) -> Behind {
        if self.is_idle.load(Ordering::Relaxed) {
            return Behind::No;
        }
        let mut waiting = self.waiting.lock();
        let people = match waiting.len() {
            1 => AT_ONCE_OF_ONE,
            _ => AT_ONCE,
        };
        let cost: usize = waiting.iter().map(|waiting| waiting.event.cost()).sum();
        let most = (BYTES_AT_ONCE / cost.max(1)).clamp(FEWEST, people);
        for _ in 0..most {
            let next = waiting.front_mut().and_then(Waiting::next);
            let Some(user) = next else { break };
            self.tell_all(&mut waiting, user);
        }
        while waiting.front().is_some_and(|first| first.left.is_empty()) {
            waiting.pop_front();
        }
        match waiting.len() {
            0 => {
                self.is_idle.store(true, Ordering::Relaxed);
                Behind::No
            }
            1 => Behind::ByOne,
            waiting if waiting < MOST_WAITING => Behind::Somewhat,
            _ => Behind::TooFar,
        }
    }

    /// Tells one person all that waits for them.
    fn tell_all(&self, waiting: &mut VecDeque<Waiting>, user: UserId) {
        let mut theirs = SmallVec::<[&Prepared; MOST_WAITING]>::new();
        for waiting in waiting {
            if waiting.left.remove(&user) {
                theirs.push(&waiting.event);
            }
        }
        if !theirs.is_empty() {
            self.send(&[user], theirs.into_iter());
        }
    }

    fn send<'e>(&self, people: &[UserId], events: impl Iterator<Item = &'e Prepared> + Clone) {
        self.namespace
            .to_each(people.iter().map(|user| user_group(*user)))
            .versions(Version::Second.number()..=u8::MAX)
            .send(events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(numbers: std::ops::RangeInclusive<u64>) -> Vec<UserId> {
        numbers.map(|number| UserId::new(number).unwrap()).collect()
    }

    fn tell(fanout: &Fanout, sequence: u64, people: Vec<UserId>) {
        let encoded = fanout.namespace.encode("e", &("a", "cursor"), &("a",));
        let event = Prepared {
            encoded: encoded.unwrap(),
            sequence,
            except: None,
        };
        fanout.tell(event, people);
    }

    fn left(fanout: &Fanout) -> Vec<usize> {
        let waiting = fanout.waiting.lock();
        waiting.iter().map(|waiting| waiting.left.len()).collect()
    }

    /// Each was told of the first event before anyone was told of the second, by a system call for
    /// each.
    #[test]
    fn a_crowd_is_told_all_that_waits_for_it_together() {
        let fanout = Fanout::new(Namespace::new("/"));
        tell(&fanout, 1, people(1..=1_000));
        tell(&fanout, 2, people(1..=1_000));
        tell(&fanout, 3, people(501..=1_500));
        assert_eq!(fanout.go_on(), Behind::Somewhat);
        assert_eq!(left(&fanout), [744, 744, 744], "the last 256 of the first");
        fanout.catch_up(people(1..=1).into_iter());
        assert_eq!(left(&fanout), [743, 743, 744], "all before something newer");
        while fanout.go_on() == Behind::Somewhat {}
        assert_eq!(left(&fanout), [500], "the other two ended together");
        while fanout.go_on() != Behind::No {}
        assert_eq!(left(&fanout), [0; 0]);
        tell(&fanout, 4, people(1..=20));
        assert_eq!(fanout.go_on(), Behind::No, "few are told at once");
    }
}
