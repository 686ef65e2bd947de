//! What a push service's answer means for a subscription and for the message. Pure.

use std::time::Duration;

use hyper::StatusCode;

/// How long is waited before each further try where a push service says nothing of it.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];
/// An hour: who asks to wait longer is not asked again for this message.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The push service has it.
    Taken,
    /// The subscription is no more.
    Gone,
    /// The message is too long for it.
    TooLong,
    /// It does not take the message; nor will it later.
    Refused,
    /// It does not take the server's signature: of this subscription, or of none.
    Denied,
    /// It does not take the message now.
    NotNow,
}

impl Verdict {
    /// Returns what a status says (RFC 8030, section 5; RFC 8292, section 4.2; redirects are not
    /// followed).
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Taken,
            401 | 403 => Self::Denied,
            404 | 410 => Self::Gone,
            413 => Self::TooLong,
            408 | 425 | 429 | 500.. => Self::NotNow,
            _ => Self::Refused,
        }
    }
}

/// Returns how long to wait before the message is tried again, after so many tries; `None` where
/// that is over.
pub(super) fn pause(tries: usize, asked: Option<Duration>) -> Option<Duration> {
    let usual = *PAUSES.get(tries.checked_sub(1)?)?;
    match asked {
        Some(asked) if asked > MAX_PAUSE => None,
        Some(asked) => Some(asked.max(Duration::from_secs(1))),
        None => Some(usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_verdict() {
        for (statuses, verdict) in [
            (&[200, 201, 202, 204][..], Verdict::Taken),
            (&[404, 410], Verdict::Gone),
            (&[413], Verdict::TooLong),
            (&[408, 425, 429, 500, 502, 503, 599], Verdict::NotNow),
            (&[401, 403], Verdict::Denied),
            (&[100, 301, 302, 307, 400, 418], Verdict::Refused),
        ] {
            for status in statuses {
                let status = StatusCode::from_u16(*status).unwrap();
                assert_eq!(Verdict::of(status), verdict, "{status}");
            }
        }
    }

    #[test]
    fn a_push_service_is_asked_again_later_and_later_and_not_for_ever() {
        let secs = Duration::from_secs;
        let pauses: Vec<_> = (1..).map_while(|tries| pause(tries, None)).collect();
        assert_eq!(pauses, [secs(5), secs(30), secs(120), secs(600)]);
        assert_eq!(pause(1, Some(secs(0))), Some(secs(1)));
        assert_eq!(pause(1, Some(secs(90))), Some(secs(90)));
        assert_eq!(pause(1, Some(secs(3_601))), None);
        assert_eq!(pause(5, Some(secs(1))), None);
    }
}
