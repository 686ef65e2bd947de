//! By how much the clocks of other systems differ from this machine's, as the tokens show that they
//! issue.
//!
//! A token says by its issuer's clock when it was issued, and is never shown before that. So the
//! issuer's clock is ahead by at least as much as the token is when it is first shown: that is its
//! lead. The greatest lead of a key's tokens comes close to the truth as soon as one of them was
//! shown right after it was issued.
//!
//! A logout needs both ends of that. Tokens from before it are dated up to the lead later than it,
//! and are refused. Tokens from after it are dated later than these once the slowest of the issuers
//! has passed that moment: its answer waits.

use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::keys::KeyId;
use crate::model::Timestamp;

/// 5 s: how far two machines' clocks may be apart. A token that is further ahead is refused.
pub(super) const LEEWAY: Duration = Duration::from_secs(5);
/// 2 s: a clock that seems slower than that more likely belongs to tokens that are shown long after
/// they were issued.
const MOST_BEHIND_MS: i64 = 2_000;
/// 100 ms: what a token takes at least from its issuer to here.
const WAY_MS: i64 = 100;
/// Most tokens tell whole seconds: a clock that is surely ahead may be ahead by a second more than
/// they show.
const UNTOLD_MS: i64 = 1_000;
/// How many keys are remembered: more than an operator gives, and than a set has that is renewed
/// each day of a month.
const MOST_KEYS: usize = 256;

/// The greatest lead that each key's tokens had, in milliseconds; below zero where all were shown
/// later than they are dated.
#[derive(Default)]
pub(super) struct Leads(Mutex<FxHashMap<KeyId, i64>>);

impl Leads {
    /// Notes a token that this key signed and that is shown now.
    pub(super) fn note(&self, key: KeyId, issued_at: Timestamp, now: Timestamp) {
        let lead = i64::try_from(issued_at.as_ms()).unwrap_or(i64::MAX);
        let lead = lead.saturating_sub_unsigned(now.as_ms());
        if lead.unsigned_abs() > LEEWAY.as_millis() as u64 {
            return;
        }
        let mut leads = self.0.lock();
        if leads.len() >= MOST_KEYS && !leads.contains_key(&key) {
            leads.clear();
        }
        let greatest = leads.entry(key).or_insert(lead);
        *greatest = lead.max(*greatest);
    }

    /// Returns how much later than a logout a token may be dated that was issued before it. While
    /// no token has shown how clocks differ, as much as is allowed at all.
    pub(super) fn ahead(&self) -> Duration {
        let Some(lead) = self.0.lock().values().copied().max() else {
            return LEEWAY;
        };
        let ms = match lead {
            WAY_MS.. => lead + UNTOLD_MS,
            _ => (lead + WAY_MS).max(0),
        };
        Duration::from_millis(ms.unsigned_abs())
    }

    /// Returns how long it takes from now on until every issuer dates tokens later than this
    /// moment. Most of them write whole seconds.
    pub(super) fn until_dated_after(&self, moment: Timestamp, now: Timestamp) -> Duration {
        let slowest = self.0.lock().values().copied().min().unwrap_or_default();
        let slowest = slowest.max(-MOST_BEHIND_MS);
        let next_second = (moment.as_secs() + 1) * 1_000;
        let ours = next_second.saturating_add_signed(-slowest);
        now.until(Timestamp::from_ms(ours))
            .min(LEEWAY + Duration::from_secs(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half past a second.
    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_500);

    /// Of each key's tokens how much they were ahead, in milliseconds.
    fn leads(of_keys: &[&[i64]]) -> Leads {
        let leads = Leads::default();
        for (key, tokens) in of_keys.iter().enumerate() {
            for ms in *tokens {
                let issued = Timestamp::from_ms(NOW.as_ms().checked_add_signed(*ms).unwrap());
                leads.note(KeyId::of(key), issued, NOW);
            }
        }
        leads
    }

    #[test]
    fn a_logout_reaches_as_far_ahead_as_the_fastest_clock_and_its_answer_waits_for_the_slowest() {
        for (of_keys, ahead, wait) in [
            // Nothing is known yet.
            (&[][..], 5_000, 5_500),
            // A right clock, whose tokens tell whole seconds.
            (&[&[-500, -20, -700][..]], 80, 520),
            // A clock that is two seconds slow, and one slower than that.
            (&[&[-2_000, -2_900]], 0, 2_500),
            (&[&[-4_000]], 0, 2_500),
            // A clock that is fast.
            (&[&[300, -900]], 1_300, 1_200),
            (&[&[3_900, 2_000]], 4_900, 1_600),
            (&[&[5_000]], 6_000, 1_500),
            // Two issuers.
            (&[&[2_000], &[-1_000]], 3_000, 4_500),
            // Tokens from long ago show nothing.
            (&[&[-5_001, -3_600_000]], 5_000, 5_500),
            (&[&[-3_600_000, -10]], 90, 510),
        ] {
            let leads = leads(of_keys);
            let until = NOW.plus(leads.ahead());
            let waits = leads.until_dated_after(until, NOW);
            assert_eq!(
                (leads.ahead().as_millis(), waits.as_millis()),
                (ahead, wait),
                "{of_keys:?}"
            );
        }
    }

    #[test]
    fn no_moment_keeps_an_answer_waiting_for_long() {
        let far = Timestamp::from_ms(u64::MAX / 2);
        assert_eq!(
            leads(&[]).until_dated_after(far, NOW),
            Duration::from_secs(7)
        );
        assert_eq!(
            leads(&[]).until_dated_after(Timestamp::from_ms(0), NOW),
            Duration::ZERO
        );
    }

    #[test]
    fn keys_that_come_and_go_take_no_more_room() {
        let leads = Leads::default();
        for key in 0..10 * MOST_KEYS {
            leads.note(KeyId::of(key), NOW, NOW);
            assert!(leads.0.lock().len() <= MOST_KEYS);
        }
        assert_eq!(leads.ahead(), Duration::from_millis(100));
    }
}
