//! What an answer means, and when to try again.

use std::time::Duration;

use crate::outgoing::{Answer, OutboundError};

/// 1 s after the first failure, and twice as long after each further one: up to 1 h.
pub const DEFAULT_RETRY: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3_600);
/// So often something is tried that the receiver will not have.
const MOST_REFUSALS: u32 = 10;

/// What is to become of an event after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is told.
    Told,
    /// It is to be tried again, so much later.
    Again(Duration),
    /// It is given up: the receiver refuses this one event.
    SetAside,
    /// The receiver is gone.
    Gone,
}

/// Returns what becomes of an event that was tried so often, this time included. `shortest` is the
/// time until the second try.
pub(super) fn judge(
    answer: &Result<Answer, OutboundError>,
    tries: u32,
    shortest: Duration,
) -> Verdict {
    let pause = pause(tries, shortest);
    let Ok(answer) = answer else {
        return Verdict::Again(pause);
    };
    let asked = answer.retry_after.unwrap_or_default().min(LONGEST);
    match answer.status.as_u16() {
        200..300 => Verdict::Told,
        410 => Verdict::Gone,
        // Too slow, too early, too much: all of that may be otherwise later.
        408 | 425 | 429 => Verdict::Again(pause.max(asked)),
        400..500 if tries >= MOST_REFUSALS => Verdict::SetAside,
        _ => Verdict::Again(pause.max(asked)),
    }
}

fn pause(tries: u32, shortest: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
    shortest.saturating_mul(doubled).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use hyper::body::Bytes;

    use super::*;

    fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer, OutboundError> {
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(Duration::from_secs),
            body_start: Bytes::new(),
        })
    }

    #[test]
    fn an_answer_says_what_becomes_of_an_event() {
        let again = |secs| Verdict::Again(Duration::from_secs(secs));
        for (status, retry_after, tries, verdict) in [
            (200, None, 1, Verdict::Told),
            (204, Some(60), 1, Verdict::Told),
            (410, None, 1, Verdict::Gone),
            (301, None, 1, again(1)),
            (307, None, 3, again(4)),
            (400, None, 1, again(1)),
            (404, None, 9, again(256)),
            (404, None, 10, Verdict::SetAside),
            (408, None, 50, again(3_600)),
            (425, None, 10, again(512)),
            (429, Some(90), 1, again(90)),
            (429, Some(86_400), 1, again(3_600)),
            (500, None, 2, again(2)),
            (503, Some(5), 1, again(5)),
            (599, None, 1_000, again(3_600)),
        ] {
            let judged = judge(&answer(status, retry_after), tries, DEFAULT_RETRY);
            assert_eq!(judged, verdict, "{status} {tries}");
        }
        assert_eq!(judge(&Err(OutboundError::Slow), 1, DEFAULT_RETRY), again(1));
        assert_eq!(
            judge(&Err(OutboundError::Private), 40, DEFAULT_RETRY),
            again(3_600)
        );
    }
}
