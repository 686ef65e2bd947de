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

use super::groups::user_group;
use crate::chat::Behind;
use crate::contract::Version;
use crate::hub::{Encoded, Namespace, SocketKey};
use crate::model::UserId;

/// 256 people are told at once, in some milliseconds, most of which are the kernel's.
const AT_ONCE: usize = 256;
/// So many where a crowd is told of one event alone: others wait less for it. Where more wait,
/// those who hear them all get them in one piece.
const AT_ONCE_OF_ONE: usize = 64;
/// 256 KiB are queued at once, and at least for so many people.
const BYTES_AT_ONCE: usize = 256 << 10;
const FEWEST: usize = 16;
/// With so many events on their way to crowds, nothing else is told before one is through.
const MOST_WAITING: usize = 16;

/// What is on its way to the members of rooms.
pub(super) struct Fanout {
    namespace: Namespace,
    /// Nothing waits: known without the lock, since it is asked for everything that is told.
    is_idle: AtomicBool,
    waiting: Mutex<VecDeque<Waiting>>,
}

/// An event for the members of a room.
pub(super) struct RoomEvent {
    pub(super) event: Encoded,
    /// The entry that it is of.
    pub(super) entry: u64,
    /// A socket that does not hear it.
    pub(super) except: Option<SocketKey>,
}

/// An event on its way.
struct Waiting {
    what: RoomEvent,
    /// Those who have not been told yet.
    left: FxHashSet<UserId>,
    /// The same in an order, with some who have been.
    order: Vec<UserId>,
}

impl RoomEvent {
    fn tell(&self, namespace: &Namespace, people: &[UserId]) {
        namespace
            .to_each(people.iter().map(|user| user_group(*user)))
            .except(self.except)
            .sequenced(self.entry)
            .versions(Version::Second.number()..=u8::MAX)
            .send(&self.event);
    }
}

impl Waiting {
    /// Tells the next part, of `people` at most. Returns whether there is more.
    fn go_on(&mut self, namespace: &Namespace, people: usize) -> bool {
        let most = BYTES_AT_ONCE / self.what.event.cost().max(1);
        let most = most.clamp(FEWEST, people);
        let mut part = Vec::with_capacity(most);
        while part.len() < most
            && let Some(user) = self.order.pop()
        {
            if self.left.remove(&user) {
                part.push(user);
            }
        }
        self.what.tell(namespace, &part);
        !self.left.is_empty()
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
    pub(super) fn tell(&self, what: RoomEvent, people: Vec<UserId>) {
        if people.len() <= AT_ONCE {
            self.catch_up(people.iter().copied());
            return what.tell(&self.namespace, &people);
        }
        let waiting = Waiting {
            what,
            left: people.iter().copied().collect(),
            order: people,
        };
        self.waiting.lock().push_back(waiting);
        self.is_idle.store(false, Ordering::Relaxed);
    }

    /// Tells these people what waits for them: something newer is to come.
    pub(super) fn catch_up(&self, people: impl Iterator<Item = UserId> + Clone) {
        if self.is_idle.load(Ordering::Relaxed) {
            return;
        }
        for waiting in self.waiting.lock().iter_mut() {
            let left = &mut waiting.left;
            let theirs: Vec<UserId> = people.clone().filter(|user| left.remove(user)).collect();
            waiting.what.tell(&self.namespace, &theirs);
        }
    }

    /// Tells a part of what waits.
    pub(super) fn go_on(&self) -> Behind {
        if self.is_idle.load(Ordering::Relaxed) {
            return Behind::No;
        }
        let mut waiting = self.waiting.lock();
        let people = match waiting.len() {
            1 => AT_ONCE_OF_ONE,
            _ => AT_ONCE,
        };
        if let Some(first) = waiting.front_mut()
            && !first.go_on(&self.namespace, people)
        {
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
}
