//! Which connections there are: how many in all and from one address, and which of them make way
//! when there are too many.
//!
//! A connection is idle while no request of it is being answered: it has said nothing yet, is at
//! its TLS handshake, has sent half a request's head, or keeps itself alive between two requests.
//! When all places are taken the idle ones make way for new ones, those of the address with
//! the most of them first, and among these the oldest.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::Portion;
use crate::config::ConnectionLimits;
use crate::metrics::ConnectionMetrics;
use crate::web::Traffic;

/// 64: of so many places one makes way at a time, and at least one. Looking for them costs a look
/// at all.
const BATCH: usize = 64;
/// 50 ms: where no connection was idle, none is looked for so long, since each look is at all of
/// them.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// The number of requests that an upgraded connection seems to have: it is never idle again.
const UPGRADED: usize = usize::MAX / 2;

/// One connection, as those who serve it know it.
pub(super) struct Visit {
    pub(super) traffic: Arc<Traffic>,
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Set with the first request.
    has_asked: AtomicBool,
    /// The moment of the last request's end, or of the beginning: milliseconds after the first
    /// connection.
    idle_since: AtomicU64,
    way: Notify,
    shared: Arc<Shared>,
    /// The place's; 0 of a connection that takes none.
    number: u64,
}

impl Visit {
    fn new(shared: &Arc<Shared>, number: u64) -> Self {
        let (patience, slow) = (shared.limits.patience, shared.metrics.slow());
        let visit = Self {
            traffic: Arc::new(Traffic::new(patience, slow)),
            requests: AtomicUsize::new(0),
            has_asked: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            way: Notify::new(),
            shared: Arc::clone(shared),
            number,
        };
        visit.idle_since.store(visit.now(), Ordering::Relaxed);
        visit
    }

    fn now(&self) -> u64 {
        u64::try_from(self.shared.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes that a request is being answered, until the answer is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Asking {
        let others = self.requests.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        Asking {
            visit: Arc::clone(self),
            is_beside: others > 0,
            portion: None,
        }
    }

    /// Returns whether a request is being answered, or an answer written.
    pub(super) fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0 || self.traffic.is_blocked()
    }

    /// Returns whether something was asked already.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Returns for how many milliseconds nothing was asked.
    pub(super) fn idle_ms(&self) -> Option<u64> {
        let since = self.idle_since.load(Ordering::Relaxed);
        (!self.is_busy()).then(|| self.now().saturating_sub(since))
    }

    /// Returns whether it was accepted no longer ago than `grace`, and its first request is yet to
    /// come.
    pub(super) fn is_new(&self, grace: Duration) -> bool {
        let age = || {
            self.now()
                .saturating_sub(self.idle_since.load(Ordering::Relaxed))
        };
        !self.has_asked() && u128::from(age()) < grace.as_millis()
    }

    /// Completes when this connection is to make way.
    pub(super) async fn makes_way(&self) {
        self.way.notified().await;
    }
}

/// A request that is being answered.
pub(super) struct Asking {
    visit: Arc<Visit>,
    is_beside: bool,
    /// Its portion of the room for streams.
    portion: Option<Portion>,
}

impl Asking {
    /// Returns whether others of its connection were being answered when it came.
    pub(super) fn is_beside(&self) -> bool {
        self.is_beside
    }

    /// Keeps what the request takes until it is answered. Returns `false` where there was no room
    /// for it.
    pub(super) fn hold(&mut self, portion: Option<Portion>) -> bool {
        self.portion = portion;
        self.portion.is_some()
    }

    /// The connection is a WebSocket from now on: it makes way no more, and nothing is noted of its
    /// requests.
    pub(super) fn upgrade(self) {
        let visit = &self.visit;
        visit.traffic.unwatch();
        visit.requests.fetch_add(UPGRADED, Ordering::Relaxed);
        let mut taken = visit.shared.taken.lock();
        if let Some(known) = taken.places.get_mut(&visit.number) {
            known.visit = None;
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let visit = &self.visit;
        visit.idle_since.store(visit.now(), Ordering::Relaxed);
        visit.requests.fetch_sub(1, Ordering::Relaxed);
        visit.traffic.has_answer();
    }
}

/// The reason that there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Too many from one address.
    Address,
    /// Too many in all.
    Full,
}

/// The places of all connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

struct Shared {
    limits: ConnectionLimits,
    metrics: ConnectionMetrics,
    since: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    /// The greatest number that was given.
    last: u64,
    places: HashMap<u64, Known>,
    addresses: HashMap<IpAddr, FxHashSet<u64>>,
    /// Those among them that were told to make way.
    leaving: usize,
    /// The last time that no idle connection was found.
    barren_at: Option<Instant>,
}

struct Known {
    address: IpAddr,
    /// `None` once it is a WebSocket.
    visit: Option<Arc<Visit>>,
    is_leaving: bool,
}

impl Shared {
    fn make_way(&self, taken: &mut Taken, count: usize, of: Option<IpAddr>) -> usize {
        let made = taken.make_way(count, of);
        self.metrics.made_way(made);
        made
    }
}

/// A place, taken until dropped.
struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Places {
    pub(super) fn new(limits: ConnectionLimits, metrics: ConnectionMetrics) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                metrics,
                since: Instant::now(),
                taken: Mutex::default(),
            }),
        }
    }

    /// A connection that takes no place: it is the operator's.
    pub(super) fn apart(&self) -> Arc<Visit> {
        Arc::new(Visit::new(&self.shared, 0))
    }

    /// Takes a place for a connection of this address, if need be that of an idle one; `is_limited`
    /// says whether its connections have a limit of their own. It is given back when the second is
    /// dropped.
    pub(super) fn take(
        &self,
        address: IpAddr,
        is_limited: bool,
    ) -> Result<(Arc<Visit>, Arc<dyn Any + Send + Sync>), NoPlace> {
        let shared = &self.shared;
        let mut taken = shared.taken.lock();
        if is_limited {
            let there = taken.addresses.get(&address).map_or(0, FxHashSet::len);
            if there >= shared.limits.per_address
                && shared.make_way(&mut taken, 1, Some(address)) == 0
            {
                return Err(NoPlace::Address);
            }
        }
        if taken.places.len() - taken.leaving >= shared.limits.total {
            let batch = (shared.limits.total / BATCH).max(1);
            // Those who leave have their descriptors for a moment longer: not too many of them.
            let is_vain = taken.leaving >= batch.max(BATCH) * 2
                || taken.barren_at.is_some_and(|at| at.elapsed() < LOOK_PAUSE);
            if is_vain || shared.make_way(&mut taken, batch, None) == 0 {
                return Err(NoPlace::Full);
            }
        }
        taken.last += 1;
        let number = taken.last;
        let visit = Arc::new(Visit::new(shared, number));
        taken.addresses.entry(address).or_default().insert(number);
        let known = Known {
            address,
            visit: Some(Arc::clone(&visit)),
            is_leaving: false,
        };
        taken.places.insert(number, known);
        let place = Place {
            shared: Arc::clone(shared),
            number,
        };
        Ok((visit, Arc::new(place)))
    }

    /// Has some idle connections make way, where the kernel gives no more descriptors.
    pub(super) fn shed(&self) {
        let mut taken = self.shared.taken.lock();
        let batch = (taken.places.len() / BATCH).max(1);
        self.shared.make_way(&mut taken, batch, None);
    }

    /// Returns how many places are taken, those of WebSockets included.
    pub(super) fn len(&self) -> usize {
        self.shared.taken.lock().places.len()
    }
}

impl Taken {
    /// Has so many idle connections make way, of this address or of those with most of them.
    /// Returns how many did.
    fn make_way(&mut self, count: usize, of: Option<IpAddr>) -> usize {
        let mut idle: Vec<(u64, IpAddr, u64)> = Vec::new();
        let mut look = |number: u64, known: &Known| {
            if !known.is_leaving
                && let Some(ms) = known.visit.as_ref().and_then(|visit| visit.idle_ms())
            {
                idle.push((number, known.address, ms));
            }
        };
        match of {
            None => self
                .places
                .iter()
                .for_each(|(number, known)| look(*number, known)),
            Some(address) => {
                for number in self.addresses.get(&address).into_iter().flatten() {
                    self.places
                        .get(number)
                        .into_iter()
                        .for_each(|known| look(*number, known));
                }
            }
        }
        let mut crowds: HashMap<IpAddr, usize> = HashMap::new();
        for (_, address, _) in &idle {
            *crowds.entry(*address).or_default() += 1;
        }
        let crowd = |address: &IpAddr| crowds.get(address).copied().unwrap_or(0);
        let order = |(number, address, ms): &(u64, IpAddr, u64)| {
            (Reverse(crowd(address)), Reverse(*ms), *number)
        };
        let count = count.min(idle.len());
        if of.is_none() {
            self.barren_at = (count == 0).then(Instant::now);
        }
        if count > 0 && count < idle.len() {
            idle.select_nth_unstable_by_key(count - 1, order);
        }
        for (number, _, _) in &idle[..count] {
            if let Some(known) = self.places.get_mut(number)
                && let Some(visit) = &known.visit
            {
                known.is_leaving = true;
                self.leaving += 1;
                visit.way.notify_one();
            }
        }
        count
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.taken.lock();
        let Some(known) = taken.places.remove(&self.number) else {
            return;
        };
        if known.is_leaving {
            taken.leaving -= 1;
        }
        if let Some(there) = taken.addresses.get_mut(&known.address) {
            there.remove(&self.number);
            if there.is_empty() {
                taken.addresses.remove(&known.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(total: usize, per_address: usize) -> Places {
        let limits = ConnectionLimits {
            total,
            per_address,
            ..ConnectionLimits::default()
        };
        Places::new(limits, ConnectionMetrics::default())
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn is_told(visit: &Visit) -> bool {
        let mut told = std::pin::pin!(visit.makes_way());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        told.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_makes_way_and_a_busy_one_does_not() {
        let places = places(2, 100);
        let (idle, _first) = places.take(from(1), true).unwrap();
        let (busy, second) = places.take(from(2), true).unwrap();
        let asking = busy.request();
        let (newest, _third) = places.take(from(3), true).unwrap();
        assert!(is_told(&idle) && !is_told(&busy));
        let _asking = newest.request();
        assert_eq!(places.take(from(4), true).err(), Some(NoPlace::Full));
        drop(asking);
        tokio::time::advance(LOOK_PAUSE).await;
        assert!(places.take(from(4), true).is_ok());
        assert!(is_told(&busy));
        drop(second);
    }

    /// Of a thousand clients that came while a server stopped one or two got no answer.
    #[tokio::test(start_paused = true)]
    async fn a_connection_is_new_until_its_first_request_and_for_no_longer_than_its_grace() {
        let places = places(2, 100);
        let grace = Duration::from_secs(1);
        let (silent, _first) = places.take(from(1), true).unwrap();
        let (asking, _second) = places.take(from(2), true).unwrap();
        assert!(silent.is_new(grace) && asking.is_new(grace));
        drop(asking.request());
        assert!(!asking.is_new(grace), "it was answered");
        tokio::time::advance(grace).await;
        assert!(!silent.is_new(grace), "it said nothing for too long");
    }

    /// Each connection has one of both, with the counts of an `Arc`.
    #[test]
    fn a_connection_costs_no_size_of_the_allocator_more() {
        assert!(size_of::<Traffic>() + 16 <= 64);
        assert!(size_of::<Visit>() + 16 <= 96);
    }

    #[tokio::test]
    async fn a_websocket_never_makes_way() {
        let places = places(1, 100);
        let (visit, place) = places.take(from(1), true).unwrap();
        visit.request().upgrade();
        assert_eq!(places.take(from(2), true).err(), Some(NoPlace::Full));
        drop(place);
        assert!(places.take(from(2), true).is_ok());
    }

    #[tokio::test]
    async fn those_of_the_address_with_most_idle_connections_make_way_first() {
        let places = places(4, 100);
        let lone = places.take(from(1), true).unwrap();
        let crowd: Vec<_> = (0..3)
            .map(|_| places.take(from(2), true).unwrap())
            .collect();
        let _newest = places.take(from(3), true).unwrap();
        assert!(!is_told(&lone.0));
        assert_eq!(crowd.iter().filter(|(visit, _)| is_told(visit)).count(), 1);
    }

    #[tokio::test]
    async fn an_address_that_has_all_its_places_replaces_its_own_idle_connections_alone() {
        let places = places(100, 2);
        let (other, _other) = places.take(from(9), true).unwrap();
        let (first, _first) = places.take(from(1), true).unwrap();
        let (second, _second) = places.take(from(1), true).unwrap();
        let _asking = second.request();
        let (third, _third) = places.take(from(1), true).unwrap();
        let _asking = third.request();
        assert!(is_told(&first) && !is_told(&other));
        // One of the two leaves, which is a place no sooner than it has gone.
        assert_eq!(places.take(from(1), true).err(), Some(NoPlace::Address));
        // A proxy is not one client.
        assert!(places.take(from(1), false).is_ok());
    }

    #[tokio::test]
    async fn places_are_given_back() {
        let places = places(2, 2);
        for _ in 0..10 {
            let (visit, place) = places.take(from(1), true).unwrap();
            drop(visit.request());
            drop(place);
        }
        assert_eq!(places.len(), 0);
        assert!(places.shared.taken.lock().addresses.is_empty());
    }
}
