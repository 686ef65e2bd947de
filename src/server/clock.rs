//! Whether the machine's clock can be right.

use std::time::Duration;

use crate::model::Timestamp;
use crate::store::{DEFAULT_CLOCK_TRIAL, Store};

/// 2026-11-01: this version was written later, so that no right clock shows an earlier time. To be
/// moved on with releases.
const WRITTEN: Timestamp = Timestamp::from_ms(1_793_491_200_000);
/// So much may lie between two clocks that are right: a minute, far more than time servers leave.
const TOLERANCE_MS: u64 = 60_000;

/// Returns what is wrong with a clock that shows `now`, while the newest change that is stored is
/// of `newest`: and what that does. In one line, without its mend, which is another on every
/// machine.
pub fn oddity(now: Timestamp, newest: Timestamp) -> Option<String> {
    if now < WRITTEN {
        return Some(format!(
            "the machine's clock shows {now}, which is before this chatd was written: tokens of other systems will seem to \
             be from the future, and certificates not yet valid"
        ));
    }
    if now.as_ms().saturating_add(TOLERANCE_MS) < newest.as_ms() {
        let what_follows = match now.following(newest) == now {
            true => "it is over a day behind, so that new messages carry the clock's time",
            false => "new messages carry the later time until the clock has reached it",
        };
        return Some(format!(
            "the machine's clock shows {now}, and the newest change in the data file is of {newest}: the clock was put \
             back, or was wrong then; {what_follows}"
        ));
    }
    None
}

/// 10 s: how often is looked whether the clock is doubted; a command is over by then.
const LOOKED_EVERY: Duration = Duration::from_secs(10);

/// Says in the log from when on a clock is doubted that is far from what the data file knows, and
/// until when. Never ends.
pub(super) async fn watch(store: Store, now: fn() -> Timestamp) {
    let mut was_doubted = false;
    loop {
        tokio::time::sleep(LOOKED_EVERY).await;
        let shown = now();
        let known = store.ending_time(shown);
        let is_doubted = store.doubts_clock();
        match (was_doubted, is_doubted) {
            (false, true) => tracing::warn!(
                "the machine's clock shows {shown}, which is over a day off what the data file knows: retention, and what \
                 else is taken away with time, goes by {known} until the clock has run on evenly for {} hours; where it is \
                 wrong, set it, as by `timedatectl set-ntp true`",
                DEFAULT_CLOCK_TRIAL.as_secs() / 3_600
            ),
            (true, false) => {
                tracing::info!("the machine's clock shows {shown}, which is believed from now on");
            }
            _ => {}
        }
        was_doubted = is_doubted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_the_program_and_by_what_is_stored() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let right = time("2027-01-01T12:00:00.000Z");
        for (now, newest, words) in [
            (right, time("2027-01-01T11:00:00.000Z"), None),
            (right, Timestamp::default(), None),
            (right, time("2027-01-01T12:00:59.000Z"), None),
            (
                right,
                time("2027-01-01T12:01:01.000Z"),
                Some("the newest change in the data file is of 2027-01-01T12:01:01.000Z"),
            ),
            (
                right,
                time("2027-01-02T12:00:00.000Z"),
                Some("new messages carry the later time"),
            ),
            (
                right,
                time("2031-01-01T12:00:00.000Z"),
                Some("new messages carry the clock's time"),
            ),
            (
                time("1970-01-01T00:00:10.000Z"),
                right,
                Some("shows 1970-01-01T00:00:10.000Z, which is before this chatd was written"),
            ),
        ] {
            let said = oddity(now, newest);
            match words {
                None => assert_eq!(said, None, "{now} {newest}"),
                Some(words) => assert!(said.as_ref().unwrap().contains(words), "{said:?}"),
            }
        }
    }
}
