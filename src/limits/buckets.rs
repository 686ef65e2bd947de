//! The token buckets of one kind, by key.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::rates::Rate;

/// Buckets that new keys share while there is no room for more.
pub(super) const SHARED_KEYS: u64 = 1 << 10;

/// The buckets of one kind.
pub(super) struct Buckets {
    /// Nanoseconds after which a bucket has one token more.
    interval: u64,
    /// Nanoseconds that an empty bucket takes to be full.
    burst: u64,
    /// Keys that there may be before new ones share.
    most: usize,
    /// The moment at which the bucket of each key is full again, in nanoseconds since the start. A
    /// key whose bucket is full need not be here.
    pub(super) full_at: Mutex<FxHashMap<u64, u64>>,
}

impl Buckets {
    pub(super) fn new(rate: Rate, most: usize) -> Self {
        let per = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        let interval = (per / u64::from(rate.count)).max(1);
        Self {
            interval,
            burst: interval.saturating_mul(u64::from(rate.burst)),
            most,
            full_at: Mutex::default(),
        }
    }

    /// Returns where a key stands: in its own place if it has one, or there is room for one.
    fn place(&self, full_at: &FxHashMap<u64, u64>, key: u64) -> u64 {
        let own = key | SHARED_KEYS;
        match full_at.len() < self.most || full_at.contains_key(&own) {
            true => own,
            false => key % SHARED_KEYS,
        }
    }

    /// Takes one token, or says in how many nanoseconds there will be one.
    pub(super) fn take(&self, now: u64, key: u64) -> Result<(), u64> {
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
    pub(super) fn charge(&self, now: u64, key: u64, tokens: u64) {
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
    pub(super) fn give_back(&self, key: u64) {
        let mut all = self.full_at.lock();
        let place = self.place(&all, key);
        if let Some(full_at) = all.get_mut(&place) {
            *full_at = full_at.saturating_sub(self.interval);
        }
    }

    /// Forgets the keys whose buckets are full.
    pub(super) fn sweep(&self, now: u64) {
        let mut all = self.full_at.lock();
        all.retain(|_, full_at| *full_at > now);
        all.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
}
