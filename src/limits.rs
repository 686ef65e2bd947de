//! How much one person or one address may do, so that no one of them can wear the server out.
//!
//! Doors ask [`Limits::check`] before they call a verb. Each kind is a token bucket (GCRA, by `governor`): so many at
//! once, and so many a time after that. A key that has been quiet long enough is forgotten by [`Limits::sweep`]; while
//! more than 65,536 keys of a kind are remembered, strangers share buckets, so that a flood from many addresses costs no
//! more memory than that.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::metrics::METRICS;
use crate::model::UserId;

/// How many keys of one kind are remembered: 65,536, some 2 MB.
const MAX_KEYS: usize = 1 << 16;
/// How many buckets strangers share while there are more.
const SHARED_KEYS: u64 = 1 << 10;
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
    /// Logins from one address.
    Logins = "logins", 60 / 60 s, 300;
    /// Passwords tried for one name, from wherever.
    Passwords = "passwords", 20 / 60 s, 100;
    /// Registrations from one address.
    Registrations = "registrations", 20 / 60 s, 100;
    /// Sessions opened from one address: twice as many at once as it may have open, for all come back at once.
    Connections = "connections", 50 / 1 s, 2_000;
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
     kinds are messages, typing, requests, logins, passwords, registrations and connections"
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
}

/// It was too much: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch {
    /// In so many milliseconds, at least 1.
    pub retry_after_ms: u64,
}

type Limiter = RateLimiter<u64, HashMapStateStore<u64>, DefaultClock>;

/// The buckets of every kind.
pub struct Limits {
    limiters: [Option<Limiter>; Kind::ALL.len()],
    clock: DefaultClock,
    hasher: RandomState,
}

impl Limits {
    /// With these rates.
    pub fn new(rates: &Rates) -> Self {
        let limiter = |rate: Option<Rate>| {
            let rate = rate?;
            let quota = Quota::with_period(rate.per / rate.count)?;
            let quota = quota.allow_burst(NonZeroU32::new(rate.burst)?);
            Some(RateLimiter::hashmap(quota))
        };
        Self {
            limiters: rates.rates.map(limiter),
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
        }
    }

    /// Counts one of this kind, unless it is too much.
    pub fn check(&self, kind: Kind, key: Key<'_>) -> Result<(), TooMuch> {
        let Some(limiter) = &self.limiters[kind as usize] else {
            return Ok(());
        };
        // A random hash stands for the key: nobody can choose names that meet in one bucket, and none is kept.
        let hash = self.hasher.hash_one(key);
        let bucket = match limiter.len() < MAX_KEYS {
            true => hash | SHARED_KEYS,
            false => hash % SHARED_KEYS,
        };
        limiter.check_key(&bucket).map_err(|until| {
            tracing::debug!(kind = kind.as_str(), "a rate limit was met");
            METRICS.limited(kind.as_str());
            let wait = until.wait_time_from(self.clock.now());
            TooMuch {
                retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1),
            }
        })
    }

    /// Forgets those who have been quiet. To be run beside the doors; never ends.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            for limiter in self.limiters.iter().flatten() {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(settings: &[&str]) -> Limits {
        let mut rates = Rates::off();
        for setting in settings {
            rates.set(setting.parse().unwrap());
        }
        Limits::new(&rates)
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

    #[test]
    fn a_flood_of_keys_has_a_bound_and_quiet_ones_are_forgotten() {
        let limits = limits(&["logins=1000/s:1", "connections=1/h"]);
        let address = |number: u32| Key::Address(IpAddr::V4(number.into()));
        for number in 0..200_000 {
            let _ = limits.check(Kind::Logins, address(number));
            let _ = limits.check(Kind::Connections, address(number));
        }
        let limiter = |kind: Kind| limits.limiters[kind as usize].as_ref().unwrap();
        let most = MAX_KEYS + usize::try_from(SHARED_KEYS).unwrap();
        assert!((MAX_KEYS..=most).contains(&limiter(Kind::Connections).len()));
        // All are quiet within a thousandth of a second.
        while !limiter(Kind::Logins).is_empty() {
            limiter(Kind::Logins).retain_recent();
        }
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
