//! The limits of all kinds.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::buckets::Buckets;
use super::key::{Key, RateLimited};
use super::kinds::Kind;
use super::known::Known;
use super::rates::{Rate, Rates};
use crate::metrics::LimitMetrics;
use crate::model::UserId;

/// 10 s: how often quiet keys are forgotten. Most are quiet after that time.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// A try of a password: it counts as a wrong one until it [succeeded](Self::succeeded).
pub struct Attempt<'a> {
    limits: &'a Limits,
    name: u64,
    pair: u64,
    is_known: bool,
}

impl Attempt<'_> {
    /// Returns whether this name has logged in from this address before, or a token says whose
    /// account it is.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// It was the right one: the address is known from now on.
    pub fn succeeded(self) {
        self.limits.give_back(Kind::Passwords, self.pair);
        if !self.is_known {
            self.limits.give_back(Kind::Names, self.name);
        }
        let mut known = self.limits.known.lock();
        known.put(self.name, self.pair, self.limits.most_keys);
    }
}

/// The buckets of every kind.
pub struct Limits {
    buckets: [Option<Buckets>; Kind::ALL.len()],
    known: Mutex<Known>,
    most_keys: usize,
    began: Instant,
    hasher: RandomState,
    metrics: LimitMetrics,
}

impl Limits {
    /// With these rates; `most_keys` of each kind have a bucket of their own.
    pub fn new(rates: &Rates, most_keys: usize, metrics: LimitMetrics) -> Self {
        let buckets = |rate: Option<Rate>| rate.map(|rate| Buckets::new(rate, most_keys));
        Self {
            buckets: rates.rates.map(buckets),
            known: Mutex::default(),
            most_keys,
            began: Instant::now(),
            hasher: RandomState::new(),
            metrics,
        }
    }

    /// Nanoseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Counts one of this kind, unless it is too much.
    pub fn check(&self, kind: Kind, key: Key<'_>) -> Result<(), RateLimited> {
        match &self.buckets[kind as usize] {
            None => Ok(()),
            // A random hash stands for the key: names that meet in one bucket cannot be chosen, and
            // none is kept.
            Some(_) => self.take(kind, self.hasher.hash_one(key)),
        }
    }

    /// Counts `more` of this kind, since what was allowed cost as much as so many others. Nothing
    /// is refused: who owes something waits for longer next time.
    pub fn charge(&self, kind: Kind, key: Key<'_>, more: usize) {
        if let (Some(buckets), 1..) = (&self.buckets[kind as usize], more) {
            let more = u64::try_from(more).unwrap_or(u64::MAX);
            buckets.charge(self.now(), self.hasher.hash_one(key), more);
        }
    }

    /// Counts a login with this name from this address, unless it is too much. Where an address has
    /// logged in with a name before, it has buckets of its own, which strangers cannot empty:
    /// neither those who try that name elsewhere, nor those who share the address.
    pub fn attempt(&self, name: &str, address: Option<IpAddr>) -> Result<Attempt<'_>, RateLimited> {
        let key = Key::Name(name);
        let attempt = self.new_attempt(key, address, |name, pair| {
            self.known.lock().contains(name, pair)
        })?;
        let login = match attempt.is_known {
            true => Some(attempt.pair),
            false => address.map(|address| self.hasher.hash_one(Key::Address(address))),
        };
        self.logs_in(attempt, login)
    }

    /// Counts a try of the password of the caller, whose token is good, apart from all who have
    /// none.
    pub fn attempt_of(
        &self,
        user: UserId,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, RateLimited> {
        let attempt = self.new_attempt(Key::User(user), address, |_, _| true)?;
        let login = Some(attempt.pair);
        self.logs_in(attempt, login)
    }

    fn new_attempt(
        &self,
        key: Key<'_>,
        address: Option<IpAddr>,
        is_known: impl FnOnce(u64, u64) -> bool,
    ) -> Result<Attempt<'_>, RateLimited> {
        let (name, pair) = (
            self.hasher.hash_one(key),
            self.hasher.hash_one((key, address)),
        );
        self.take(Kind::Passwords, pair)?;
        Ok(Attempt {
            limits: self,
            name,
            pair,
            is_known: is_known(name, pair),
        })
    }

    /// Counts the rest of an attempt; what was counted is taken back where that is too much.
    fn logs_in<'a>(
        &self,
        attempt: Attempt<'a>,
        login: Option<u64>,
    ) -> Result<Attempt<'a>, RateLimited> {
        let by_login = login.map_or(Ok(()), |key| self.take(Kind::Logins, key));
        let by_name = by_login.and_then(|()| match attempt.is_known {
            true => Ok(()),
            false => self.take(Kind::Names, attempt.name),
        });
        match by_name {
            Ok(()) => Ok(attempt),
            Err(refusal) => {
                self.give_back(Kind::Passwords, attempt.pair);
                Err(refusal)
            }
        }
    }

    fn take(&self, kind: Kind, key: u64) -> Result<(), RateLimited> {
        let Some(buckets) = &self.buckets[kind as usize] else {
            return Ok(());
        };
        buckets.take(self.now(), key).map_err(|wait| {
            tracing::debug!(kind = kind.as_str(), "a rate limit was met");
            self.metrics.limited(kind.as_str());
            RateLimited {
                retry_after_ms: wait.div_ceil(1_000_000).max(1),
            }
        })
    }

    fn give_back(&self, kind: Kind, key: u64) {
        if let Some(buckets) = &self.buckets[kind as usize] {
            buckets.give_back(key);
        }
    }

    /// Forgets those who have been quiet. To be run beside the doors; never ends.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            for buckets in self.buckets.iter().flatten() {
                buckets.sweep(self.now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::buckets::SHARED_KEYS;

    const MAX_KEYS: usize = 1 << 12;

    fn limits(settings: &[&str]) -> Limits {
        let mut rates = Rates::off();
        for setting in settings {
            rates.set(setting.parse().unwrap());
        }
        Limits::new(&rates, MAX_KEYS, LimitMetrics::default())
    }

    fn user(number: u64) -> Key<'static> {
        Key::User(UserId::new(number).unwrap())
    }

    #[test]
    fn so_many_at_once_and_no_more_for_one_and_not_for_others() {
        let limits = limits(&["messages=1/h:3", "typing=off"]);
        for _ in 0..3 {
            assert_eq!(limits.check(Kind::Messages, user(1)), Ok(()));
        }
        let refused = limits.check(Kind::Messages, user(1)).unwrap_err();
        assert!((1..=3_600_000).contains(&refused.retry_after_ms));
        assert_eq!(limits.check(Kind::Messages, user(2)), Ok(()));
        for _ in 0..1_000 {
            assert_eq!(limits.check(Kind::Typing, user(1)), Ok(()));
        }
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    fn kept(limits: &Limits, kind: Kind) -> usize {
        let buckets = limits.buckets[kind as usize].as_ref().unwrap();
        buckets.full_at.lock().len()
    }

    #[test]
    fn a_flood_of_keys_has_a_bound_and_quiet_ones_are_forgotten() {
        let limits = limits(&["logins=1000/s:1", "connections=1/h"]);
        let key = |number| Key::Address(address(number).unwrap());
        for number in 0..20_000 {
            let _ = limits.check(Kind::Logins, key(number));
            let _ = limits.check(Kind::Connections, key(number));
        }
        let most = MAX_KEYS + usize::try_from(SHARED_KEYS).unwrap();
        assert!((MAX_KEYS..=most).contains(&kept(&limits, Kind::Connections)));
        let buckets = limits.buckets[Kind::Logins as usize].as_ref().unwrap();
        buckets.sweep(limits.now() + 1_000_000_000);
        assert_eq!(kept(&limits, Kind::Logins), 0);
    }

    #[test]
    fn who_was_there_before_a_flood_of_keys_keeps_their_own_bucket() {
        let limits = limits(&["connections=1/h:2"]);
        let key = |number| Key::Address(address(number).unwrap());
        assert!(limits.check(Kind::Connections, key(0)).is_ok());
        for number in 1..50_000 {
            let _ = limits.check(Kind::Connections, key(number));
        }
        assert!(limits.check(Kind::Connections, key(0)).is_ok());
        assert!(limits.check(Kind::Connections, key(0)).is_err());
    }

    #[test]
    fn what_costs_as_much_as_many_is_counted_as_many_and_no_more_than_a_bucket_is_owed() {
        let limits = limits(&["requests=1/h:10", "typing=off"]);
        let takes = |number| {
            (0..100)
                .filter(|_| limits.check(Kind::Requests, user(number)).is_ok())
                .count()
        };
        limits.charge(Kind::Requests, user(1), 0);
        limits.charge(Kind::Requests, user(1), 7);
        limits.charge(Kind::Typing, user(1), 7);
        assert_eq!((takes(1), takes(2)), (3, 10));
        limits.charge(Kind::Requests, user(1), usize::MAX);
        let refused = limits.check(Kind::Requests, user(1)).unwrap_err();
        assert!(refused.retry_after_ms <= 11 * 3_600_000, "{refused:?}");
    }

    #[test]
    fn wrong_passwords_of_a_stranger_do_not_lock_out_an_address_that_has_logged_in() {
        let limits = limits(&["passwords=1/h:3", "names=1/h:5", "logins=1/h:100"]);
        let attempt = |number| limits.attempt("ada", address(number));
        attempt(1).unwrap().succeeded();
        // One stranger is stopped by their own bucket, several by that of the name.
        let tried = |number| (0..10).filter(|_| attempt(number).is_ok()).count();
        assert_eq!((tried(2), tried(3), tried(4)), (3, 2, 0));
        let own = attempt(1).ok().unwrap();
        assert!(own.is_known());
        own.succeeded();
        assert!(limits.attempt("bob", address(2)).is_ok());
        let id = UserId::new(1).unwrap();
        assert!(limits.attempt_of(id, address(2)).unwrap().is_known());
    }

    #[test]
    fn who_shares_an_address_with_an_attacker_logs_in_from_where_they_have_before() {
        let limits = limits(&["logins=1/h:4"]);
        limits.attempt("ada", address(1)).unwrap().succeeded();
        let names: Vec<String> = (0..10).map(|number| format!("name-{number}")).collect();
        let tried = names
            .iter()
            .filter(|name| limits.attempt(name, address(1)).is_ok());
        assert_eq!(tried.count(), 3);
        limits.attempt("ada", address(1)).unwrap().succeeded();
        assert!(limits.attempt("ada", address(2)).is_ok());
    }

    #[test]
    fn a_right_password_is_not_counted_as_a_wrong_one_but_its_hashing_is() {
        let limits = limits(&["passwords=1/h:2", "names=1/h:2", "logins=1/h:50"]);
        let mut logins = 0;
        while let Ok(attempt) = limits.attempt("ada", address(1)) {
            attempt.succeeded();
            logins += 1;
        }
        // The first by the address, the others by name and address.
        assert_eq!(logins, 51);
    }

    #[test]
    fn the_addresses_that_are_known_have_a_bound_by_name_and_in_all() {
        let limits = limits(&[]);
        for number in 0..100 {
            let attempt = limits.attempt("ada", address(number)).unwrap();
            attempt.succeeded();
        }
        let is_known = |name: &str, number| {
            let attempt = limits.attempt(name, address(number));
            attempt.unwrap().is_known()
        };
        assert!(is_known("ada", 99) && !is_known("ada", 0));
        for number in 0..2 * u32::try_from(MAX_KEYS).unwrap() {
            let name = number.to_string();
            limits.attempt(&name, address(1)).unwrap().succeeded();
        }
        let known = limits.known.lock();
        assert_eq!(
            (known.addresses.len(), known.order.len()),
            (MAX_KEYS, MAX_KEYS)
        );
    }
}
