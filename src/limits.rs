//! How much one person or one address may do, so that no one of them can wear the server out.
//!
//! Doors ask [`Limits::check`] before they call a verb. Each kind is a token bucket (GCRA): so many at once, and so many a
//! time after that. What turns out to cost more than was counted is [charged](Limits::charge) afterwards. A key that has
//! been quiet long enough is forgotten by [`Limits::sweep`]; while as many keys of a kind are remembered as there is room
//! for, new ones share buckets, so that a flood from many addresses costs no more memory than that.
//!
//! A key that an attacker can choose to be somebody else's is no key to lock people out by. Tries of a password
//! ([`Limits::attempt`]) are therefore counted by name and address together. Only strangers are counted by the name alone,
//! or by the address alone: an address from which that name has logged in before is not.
//!
//! The buckets are made here, not by a crate: none of those looked at can give a token back, or charge for what was done.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::metrics::LimitMetrics;
use crate::model::UserId;

/// How many buckets new keys share while there is no room for more.
const SHARED_KEYS: u64 = 1 << 10;
/// From how many addresses a name is known to log in: the devices and networks of one person.
const KNOWN_ADDRESSES: usize = 8;
/// 10 s: how often quiet keys are forgotten. Most are quiet after that time.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Writes the enum, the names and the defaults from one list.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $count:literal / $secs:literal s, $burst:literal;)*) => {
        /// What is limited.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            /// The word on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }
        }

        impl Default for Rates {
            /// What a person never meets.
            fn default() -> Self {
                Self { rates: [$(Some(Rate { count: $count, per: Duration::from_secs($secs), burst: $burst })),*] }
            }
        }
    };
}

kinds! {
    /// Messages of one person.
    Messages = "messages", 100 / 1 s, 2_000;
    /// Typing of one person.
    Typing = "typing", 20 / 1 s, 200;
    /// REST requests, and events other than those above, of one person; of one address where no token says who it is.
    Requests = "requests", 100 / 1 s, 2_000;
    /// Logins from one address; for a name that has logged in from there before, by that name and address.
    Logins = "logins", 60 / 60 s, 300;
    /// Wrong passwords for one name from one address.
    Passwords = "passwords", 20 / 60 s, 100;
    /// Wrong passwords for one name from all addresses together, but those from which it has logged in before.
    Names = "names", 100 / 60 s, 500;
    /// Registrations from one address; those with an invite that holds, by that invite and address.
    Registrations = "registrations", 20 / 60 s, 100;
    /// Sessions opened from one address, and CONNECTs of one person: twice as many at once as it may have open, for all come back at once.
    Connections = "connections", 50 / 1 s, 2_000;
    /// TLS handshakes with one address: each costs a signature before anything is known of the client.
    Handshakes = "handshakes", 50 / 1 s, 1_000;
}

/// So many a time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    count: u32,
    per: Duration,
    burst: u32,
}

/// What is allowed of each kind; a kind without a rate is not limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    rates: [Option<Rate>; Kind::ALL.len()],
}

impl Rates {
    /// Nothing is limited.
    pub const fn off() -> Self {
        Self {
            rates: [None; Kind::ALL.len()],
        }
    }

    /// With this changed.
    pub fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Off => *self = Self::off(),
            Setting::Rate(kind, rate) => self.rates[kind as usize] = rate.0,
        }
    }
}

/// One word of the command line: `off`, `messages=off`, or `messages=20/s:200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Nothing is limited.
    Off,
    /// This kind is limited so.
    Rate(Kind, SetRate),
}

/// What a kind is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetRate(Option<Rate>);

/// A setting that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "give off, or a kind and a rate such as messages=20/s:200 (20 a second, 200 at once; s, min or h) or typing=off; \
     kinds are messages, typing, requests, logins, passwords, names, registrations, connections and handshakes"
)]
pub struct SettingError;

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let (name, rate) = text.split_once('=').ok_or(SettingError)?;
        let kind = Kind::ALL.iter().find(|kind| kind.as_str() == name);
        let kind = *kind.ok_or(SettingError)?;
        if rate == "off" {
            return Ok(Self::Rate(kind, SetRate(None)));
        }
        let number = |text: &str| {
            let number: u32 = text.parse().map_err(|_| SettingError)?;
            (1..=1_000_000)
                .contains(&number)
                .then_some(number)
                .ok_or(SettingError)
        };
        let (rate, burst) = match rate.split_once(':') {
            Some((rate, burst)) => (rate, Some(number(burst)?)),
            None => (rate, None),
        };
        let (count, unit) = rate.split_once('/').ok_or(SettingError)?;
        let count = number(count)?;
        let per = Duration::from_secs(match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            _ => return Err(SettingError),
        });
        // Without a word on it, what may come in one unit of time may come at once.
        let burst = burst.unwrap_or(count);
        let rate = Rate { count, per, burst };
        Ok(Self::Rate(kind, SetRate(Some(rate))))
    }
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// A person.
    User(UserId),
    /// An address; a /64 of IPv6 counts as one, which is the caller's to see to.
    Address(IpAddr),
    /// A name that somebody claims.
    Name(&'a str),
    /// Something that is proved, such as an invite, beside the address it is shown from.
    Shown(&'a str, Option<IpAddr>),
}

/// A rate was exceeded: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// In so many milliseconds, at least 1.
    pub retry_after_ms: u64,
}

/// The buckets of one kind.
struct Buckets {
    /// After how many nanoseconds a bucket has one token more.
    interval: u64,
    /// How many nanoseconds an empty bucket takes to be full.
    burst: u64,
    /// How many keys there may be before new ones share.
    most: usize,
    /// When the bucket of each key will be full again, in nanoseconds since the start. A key whose bucket is full need not
    /// be here.
    full_at: Mutex<FxHashMap<u64, u64>>,
}

impl Buckets {
    fn new(rate: Rate, most: usize) -> Self {
        let per = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        let interval = (per / u64::from(rate.count)).max(1);
        Self {
            interval,
            burst: interval.saturating_mul(u64::from(rate.burst)),
            most,
            full_at: Mutex::default(),
        }
    }

    /// Where a key stands: in its own place if it has one, or there is room for one.
    fn place(&self, full_at: &FxHashMap<u64, u64>, key: u64) -> u64 {
        let own = key | SHARED_KEYS;
        match full_at.len() < self.most || full_at.contains_key(&own) {
            true => own,
            false => key % SHARED_KEYS,
        }
    }

    /// Takes one token, or says in how many nanoseconds there will be one.
    fn take(&self, now: u64, key: u64) -> Result<(), u64> {
        let mut all = self.full_at.lock();
        let place = self.place(&all, key);
        let full_at = all.get(&place).map_or(now, |at| now.max(*at));
        let then = full_at.saturating_add(self.interval);
        match then.saturating_sub(now).checked_sub(self.burst) {
            None | Some(0) => {
                all.insert(place, then);
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// Takes more tokens than there may be: up to a whole bucket is owed.
    fn charge(&self, now: u64, key: u64, tokens: u64) {
        let mut all = self.full_at.lock();
        let place = self.place(&all, key);
        let full_at = all.get(&place).map_or(now, |at| now.max(*at));
        let most = now
            .saturating_add(self.burst.saturating_mul(2))
            .max(full_at);
        let then = full_at.saturating_add(self.interval.saturating_mul(tokens));
        all.insert(place, then.min(most));
    }

    /// Puts one token back.
    fn give_back(&self, key: u64) {
        let mut all = self.full_at.lock();
        let place = self.place(&all, key);
        if let Some(full_at) = all.get_mut(&place) {
            *full_at = full_at.saturating_sub(self.interval);
        }
    }

    /// Forgets the keys whose buckets are full.
    fn sweep(&self, now: u64) {
        let mut all = self.full_at.lock();
        all.retain(|_, full_at| *full_at > now);
        all.shrink_to_fit();
    }
}

/// From which addresses each name has logged in, since the start.
#[derive(Default)]
struct Known {
    /// By hash of the name, hashes of name and address, the newest last.
    addresses: FxHashMap<u64, SmallVec<[u64; 2]>>,
    /// The names in the order in which they came.
    order: std::collections::VecDeque<u64>,
}

impl Known {
    fn contains(&self, name: u64, pair: u64) -> bool {
        let pairs = self.addresses.get(&name);
        pairs.is_some_and(|pairs| pairs.contains(&pair))
    }

    /// Only a right password comes here, so that nobody can push out many names without having as many accounts.
    fn put(&mut self, name: u64, pair: u64, most: usize) {
        if !self.addresses.contains_key(&name) {
            if self.order.len() >= most
                && let Some(oldest) = self.order.pop_front()
            {
                self.addresses.remove(&oldest);
            }
            self.order.push_back(name);
        }
        let pairs = self.addresses.entry(name).or_default();
        pairs.retain(|known| *known != pair);
        if pairs.len() == KNOWN_ADDRESSES {
            pairs.remove(0);
        }
        pairs.push(pair);
    }
}

/// A try of a password: it counts as a wrong one until it [succeeded](Self::succeeded).
pub struct Attempt<'a> {
    limits: &'a Limits,
    name: u64,
    pair: u64,
    is_known: bool,
}

impl Attempt<'_> {
    /// Whether this name has logged in from this address before, or a token says whose account it is.
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
        // A random hash stands for the key: nobody can choose names that meet in one bucket, and none is kept.
        self.take(kind, self.hasher.hash_one(key))
    }

    /// Counts `more` of this kind, since what was allowed cost as much as so many others. Nothing is refused: who owes
    /// something waits for longer next time.
    pub fn charge(&self, kind: Kind, key: Key<'_>, more: usize) {
        if let (Some(buckets), 1..) = (&self.buckets[kind as usize], more) {
            let more = u64::try_from(more).unwrap_or(u64::MAX);
            buckets.charge(self.now(), self.hasher.hash_one(key), more);
        }
    }

    /// Counts a login with this name from this address, unless it is too much. Where an address has logged in with a name
    /// before, it has buckets of its own, which strangers cannot empty: neither those who try that name elsewhere, nor
    /// those who share the address.
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

    /// Counts a try of the password of the caller, whose token is good, apart from all who have none.
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
    fn a_bucket_fills_again_at_its_rate_and_holds_no_more_than_its_burst() {
        let rate = Rate {
            count: 2,
            per: Duration::from_secs(1),
            burst: 3,
        };
        let (buckets, second) = (Buckets::new(rate, 10), 1_000_000_000);
        let takes = |now: u64| (0..10).filter(|_| buckets.take(now, 7).is_ok()).count();
        assert_eq!(takes(0), 3);
        assert_eq!(buckets.take(0, 7), Err(second / 2));
        assert_eq!(takes(second / 2), 1);
        assert_eq!(takes(second), 1);
        assert_eq!(takes(100 * second), 3);
        buckets.give_back(7);
        assert_eq!(takes(100 * second), 1);
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

    #[test]
    fn a_setting_is_read_or_refused_whole() {
        let rate = |count, secs, burst| {
            SetRate(Some(Rate {
                count,
                per: Duration::from_secs(secs),
                burst,
            }))
        };
        for (text, setting) in [
            ("off", Setting::Off),
            (
                "messages=20/s",
                Setting::Rate(Kind::Messages, rate(20, 1, 20)),
            ),
            (
                "logins=10/min:50",
                Setting::Rate(Kind::Logins, rate(10, 60, 50)),
            ),
            (
                "registrations=5/h",
                Setting::Rate(Kind::Registrations, rate(5, 3_600, 5)),
            ),
            ("typing=off", Setting::Rate(Kind::Typing, SetRate(None))),
        ] {
            assert_eq!(text.parse(), Ok(setting), "{text}");
        }
        for text in [
            "",
            "on",
            "messages",
            "messages=",
            "messages=20",
            "messages=0/s",
            "messages=20/d",
            "messages=20/s:",
            "messages=20/s:0",
            "messages=-1/s",
            "messages=1.5/s",
            "mails=20/s",
            "messages=20/s:1:2",
            "messages = 20/s",
        ] {
            assert_eq!(text.parse::<Setting>(), Err(SettingError), "{text}");
        }
    }

    #[test]
    fn the_error_names_every_kind() {
        let text = SettingError.to_string();
        for kind in Kind::ALL {
            assert!(text.contains(kind.as_str()), "{}", kind.as_str());
        }
    }
}
