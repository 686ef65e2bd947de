//! The time by which things are taken away: the machine's clock, as far as it can be believed.
//!
//! A clock that is years ahead, since its battery is empty or nobody has set it yet, would have
//! retention erase everything. So what is taken away goes by the earlier of two times: the one that
//! the clock shows, and the one that the data file knew, with what has passed since by a clock that
//! nobody can set. Where the two are a day apart the machine's clock is doubted, until it has run
//! on evenly for so long (`StoreOptions::clock_trial`) while the server ran: its operator has had
//! time to set it right.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::model::Timestamp;

/// 1 day: so far a clock may be from the time that is known. As late as retention may be.
const NEAR: Duration = Duration::from_secs(24 * 60 * 60);
/// 1 hour: so old may be what the data file notes, while something is written.
const NOTED_EVERY: Duration = Duration::from_secs(60 * 60);

/// What is known of the time, as the data file notes it. Nothing is of a file that no server has
/// written to for long: one that was imported, restored, or made by an earlier version. What its
/// entries are dated says when they were sent, and not until when somebody ran a server on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KnownTime {
    /// What time it is; `None` where nothing tells.
    now: Option<Timestamp>,
    /// What the machine's clock shows instead.
    doubted: Option<Doubted>,
}

/// A clock that shows another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Doubted {
    shown: Timestamp,
    /// For so long it has run on evenly, beside a clock that nobody can set.
    even: Duration,
}

fn is_near(one: Timestamp, other: Timestamp) -> bool {
    u128::from(one.as_ms().abs_diff(other.as_ms())) <= NEAR.as_millis()
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl KnownTime {
    /// Reads it from three numbers of milliseconds: the time, what a doubted clock showed (0 for
    /// none), and for how long that ran on evenly.
    pub(crate) fn of_noted([now, shown, even]: [u64; 3]) -> Self {
        Self {
            now: Some(Timestamp::from_ms(now)),
            doubted: (shown > 0).then_some(Doubted {
                shown: Timestamp::from_ms(shown),
                even: Duration::from_millis(even),
            }),
        }
    }

    /// Returns these three numbers; `None` where nothing is known.
    pub(crate) fn as_noted(&self) -> Option<[u64; 3]> {
        let doubted = self.doubted.map(|doubted| {
            // 0 says that there is none.
            (doubted.shown.as_ms().max(1), as_ms(doubted.even))
        });
        let (shown, even) = doubted.unwrap_or_default();
        Some([self.now?.as_ms(), shown, even])
    }

    /// Takes in what the machine's clock shows, so long after the last time. Returns the time by
    /// which things may be taken away. A clock that is doubted is believed after `trial`.
    fn look(&mut self, shown: Timestamp, passed: Duration, trial: Duration) -> Timestamp {
        let known = self.now.map_or(shown, |known| known.plus(passed));
        let even = match self.doubted {
            Some(doubted) if is_near(shown, doubted.shown.plus(passed)) => {
                doubted.even.saturating_add(passed)
            }
            _ => Duration::ZERO,
        };
        if is_near(shown, known) || even >= trial {
            *self = Self {
                now: Some(shown),
                doubted: None,
            };
            return shown;
        }
        *self = Self {
            now: Some(known),
            doubted: Some(Doubted { shown, even }),
        };
        shown.min(known)
    }

    /// Returns whether it is so far from what is noted that it is to be noted.
    fn is_far_from(&self, noted: &Self) -> bool {
        let ms = |known: &Self| known.now.map_or(0, Timestamp::as_ms);
        let even = |known: &Self| known.doubted.map(|doubted| as_ms(doubted.even));
        let hour = as_ms(NOTED_EVERY);
        ms(self).abs_diff(ms(noted)) >= hour
            || match (even(self), even(noted)) {
                (Some(one), Some(other)) => one.abs_diff(other) >= hour,
                (one, other) => one.is_some() != other.is_some(),
            }
    }
}

/// The clock of an open store.
pub(crate) struct Clock {
    opened: Instant,
    trial: Duration,
    inner: Mutex<Inner>,
}

struct Inner {
    known: KnownTime,
    /// How long after the store was opened the clock was last looked at.
    seen: Duration,
    /// What the data file notes; `None` where that is not known.
    noted: Option<KnownTime>,
}

impl Clock {
    /// One that begins with what the data file knows; `noted` says whether that is noted there.
    pub(crate) fn begin(known: KnownTime, noted: bool, trial: Duration) -> Self {
        Self {
            opened: Instant::now(),
            trial,
            inner: Mutex::new(Inner {
                known,
                seen: Duration::ZERO,
                noted: noted.then_some(known),
            }),
        }
    }

    /// Returns the time by which things may be taken away, while the machine's clock shows this
    /// one.
    pub(crate) fn look(&self, shown: Timestamp) -> Timestamp {
        let mut inner = self.inner.lock();
        let seen = self.opened.elapsed();
        let passed = seen.saturating_sub(inner.seen);
        inner.seen = inner.seen.max(seen);
        inner.known.look(shown, passed, self.trial)
    }

    /// Returns this time, or the one that is known, where the machine's clock is doubted and that
    /// is earlier.
    pub(super) fn bounded(&self, time: Timestamp) -> Timestamp {
        let known = self.inner.lock().known;
        match (known.doubted, known.now) {
            (Some(_), Some(now)) => time.min(now),
            _ => time,
        }
    }

    /// Returns whether the machine's clock is doubted.
    pub(crate) fn is_doubted(&self) -> bool {
        self.inner.lock().known.doubted.is_some()
    }

    /// Returns what a transaction is to note, where that is due.
    pub(super) fn due(&self) -> Option<KnownTime> {
        let inner = self.inner.lock();
        let is_due = inner
            .noted
            .is_none_or(|noted| inner.known.is_far_from(&noted));
        (is_due && inner.known.now.is_some()).then_some(inner.known)
    }

    /// The transaction that notes this is on disk; `None` where nobody knows what is noted there.
    pub(super) fn noted(&self, known: Option<KnownTime>) {
        self.inner.lock().noted = known;
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    const NOW: u64 = 1_800_000_000_000;
    const TRIAL: Duration = Duration::from_millis(DAY);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn knowing(ms: u64) -> KnownTime {
        KnownTime::of_noted([ms, 0, 0])
    }

    #[test]
    fn a_clock_that_jumps_ten_years_ahead_takes_nothing_away_until_it_has_kept_to_that_for_a_day() {
        let mut known = knowing(NOW);
        let look = |known: &mut KnownTime, shown, passed| {
            let passed = Duration::from_millis(passed);
            known.look(at(shown), passed, TRIAL).as_ms()
        };
        assert_eq!(look(&mut known, NOW + HOUR, HOUR), NOW + HOUR);
        let jumped = NOW + HOUR + 10 * YEAR;
        assert_eq!(look(&mut known, jumped, 0), NOW + HOUR);
        for hours in 1..24 {
            let by = look(&mut known, jumped + hours * HOUR, HOUR);
            assert_eq!(by, NOW + (1 + hours) * HOUR);
        }
        // Set right in time, it is believed at once; else when the day is over.
        let mut set_right = known;
        assert_eq!(look(&mut set_right, NOW + 25 * HOUR, HOUR), NOW + 25 * HOUR);
        assert_eq!(set_right.doubted, None);
        assert_eq!(look(&mut known, jumped + DAY, HOUR), jumped + DAY);
        assert_eq!(known.doubted, None);
        // One that is behind is followed as far as it is.
        assert_eq!(look(&mut known, HOUR, HOUR), HOUR);
    }

    #[test]
    fn a_server_that_was_off_for_long_believes_its_clock_after_a_day_of_running_over_many_starts() {
        let mut known = knowing(NOW);
        let mut shown = NOW + 4 * DAY;
        let mut ran = 0;
        // On for eight hours of each day; what is known is noted and read again.
        for _ in 0..3 {
            for _ in 0..8 {
                let by = known.look(at(shown), Duration::from_millis(HOUR), TRIAL);
                assert_eq!(by.as_ms(), NOW + ran + HOUR, "{known:?}");
                (shown, ran) = (shown + HOUR, ran + HOUR);
            }
            known = KnownTime::of_noted(known.as_noted().unwrap());
            shown += 16 * HOUR;
        }
        let by = known.look(at(shown), Duration::from_millis(HOUR), TRIAL);
        assert_eq!(by.as_ms(), shown);
    }

    #[test]
    fn what_nothing_is_known_of_is_as_the_clock_says() {
        let mut known = KnownTime::default();
        assert_eq!(known.as_noted(), None);
        assert_eq!(known.look(at(NOW), Duration::ZERO, TRIAL), at(NOW));
        assert_eq!(known.as_noted(), Some([NOW, 0, 0]));
    }

    /// A machine whose clock goes wrong and is set right, which is switched off and on.
    #[test]
    fn by_whatever_clock_nothing_is_taken_away_before_its_time_and_in_the_end_all_is() {
        let mut doubts = 0;
        for seed in 0..300 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut known = knowing(NOW);
            // How far the clock is off, and for how long it has been so while the server ran.
            let (mut truth, mut ahead, mut even_for) = (NOW, 0_i64, 0);
            for _ in 0..400 {
                let mut passed = random.random_range(0..6 * HOUR);
                if random.random_bool(0.1) {
                    // A stop, and a start with what was noted; the time in between is not seen.
                    known = KnownTime::of_noted(known.as_noted().unwrap());
                    (truth, passed) = (truth + random.random_range(0..3 * DAY), 0);
                }
                (truth, even_for) = (truth + passed, even_for + passed);
                if random.random_bool(0.05) {
                    let years = 20 * YEAR.cast_signed();
                    let set = match random.random_bool(0.5) {
                        true => 0,
                        false => random.random_range(-years..years),
                    };
                    if set != ahead {
                        (ahead, even_for) = (set, 0);
                    }
                }
                let shown = truth.saturating_add_signed(ahead);
                let most = known.now.unwrap().as_ms() + passed + DAY;
                let passed = Duration::from_millis(passed);
                let by = known.look(at(shown), passed, TRIAL).as_ms();
                doubts += u32::from(known.doubted.is_some());
                assert!(by <= shown, "seed {seed}");
                assert!(
                    by <= most || even_for >= DAY,
                    "seed {seed}: {by} of {shown}, after {even_for} ms"
                );
            }
            // Set right, and left on.
            let mut by = 0;
            for _ in 0..25 {
                truth += HOUR;
                by = known
                    .look(at(truth), Duration::from_millis(HOUR), TRIAL)
                    .as_ms();
            }
            assert_eq!(by, truth, "seed {seed}");
        }
        assert!(doubts > 10_000, "{doubts}");
    }

    #[test]
    fn what_is_known_is_noted_with_the_first_transaction_and_once_an_hour() {
        let clock = Clock::begin(knowing(NOW), false, TRIAL);
        let due = |shown| {
            clock.look(at(shown));
            let due = clock.due();
            if due.is_some() {
                clock.noted(due);
            }
            due.and_then(|due| due.as_noted())
        };
        let [now, ..] = due(NOW + 1).unwrap();
        assert_eq!(now, NOW + 1);
        assert_eq!(due(NOW + HOUR - 1), None);
        assert_eq!(due(NOW + HOUR + 1), Some([NOW + HOUR + 1, 0, 0]));
        let [_, shown, _] = due(NOW + YEAR).unwrap();
        assert_eq!(shown, NOW + YEAR);
        assert!(clock.is_doubted());
        assert_eq!(due(NOW + YEAR + 1), None);
        // The disk may not have it: it is noted again.
        clock.noted(None);
        assert!(due(NOW + YEAR + 2).is_some());
    }
}
