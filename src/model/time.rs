//! Times as chatd keeps and shows them.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment: milliseconds since 1970 in UTC. Written as RFC 3339 with milliseconds,
/// `2025-06-05T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// The last moment that RFC 3339 can write, 9999-12-30: later ones are shown as this one.
const LAST_MS: u64 = 253_402_207_200_000;

/// 24 h: a clock that is further behind the newest change than this was wrong before, and is right
/// now.
const MAX_BEHIND_MS: u64 = 24 * 60 * 60 * 1_000;

/// 2026-11-01: earlier than any chatd that lets times go back. A clock that shows less was never
/// set.
const STEPS_BACK_SINCE: Timestamp = Timestamp::from_ms(1_793_491_200_000);

impl Timestamp {
    /// From milliseconds since 1970 in UTC.
    pub const fn from_ms(ms: u64) -> Self {
        Self(if ms > LAST_MS { LAST_MS } else { ms })
    }

    /// What the machine's clock says now.
    pub fn now() -> Self {
        Self::from_ms(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
    }

    /// As headers of HTTP have it (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn to_http_date(self) -> String {
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
        printer
            .timestamp_to_rfc9110_string(&time)
            .unwrap_or_default()
    }

    /// Milliseconds since 1970 in UTC.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Seconds since 1970 in UTC, rounded down: the unit of a token's claims.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The time of a change that follows one of `newest`, where the clock shows this moment: the
    /// later of the two, so that a clock that is put back a little does not take the times with it.
    /// A clock that is over a day behind is believed instead: the newest change came from a wrong
    /// clock, or from elsewhere, and would date all later ones.
    pub fn following(self, newest: Self) -> Self {
        if self < newest && self.may_follow(newest) {
            return self;
        }
        self.max(newest)
    }

    /// Whether a change of this time may follow one of `newest` in the log: see
    /// [`Timestamp::following`].
    pub fn may_follow(self, newest: Self) -> bool {
        let steps_back =
            self >= STEPS_BACK_SINCE && self.0.saturating_add(MAX_BEHIND_MS) < newest.0;
        self >= newest || steps_back
    }

    /// How long it is until then; nothing where that is over.
    pub fn until(self, later: Self) -> std::time::Duration {
        std::time::Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// The time so much earlier, or the first there is.
    pub fn minus(self, duration: std::time::Duration) -> Self {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_ms(self.0.saturating_sub(ms))
    }

    /// The time so much later.
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self::from_ms(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// How a moment is written: `2025-06-05T12:00:00.000Z`
const WRITTEN: usize = 24;
/// Where its milliseconds stand.
const MILLIS: std::ops::Range<usize> = 20..23;

/// The second that was written last, and how. A message is told of three times, and most come
/// within a second of the one before.
#[derive(Clone, Copy)]
struct LastSecond {
    second: u64,
    text: [u8; WRITTEN],
}

thread_local! {
    static LAST: Cell<LastSecond> = const {
        Cell::new(LastSecond { second: 0, text: *b"1970-01-01T00:00:00.000Z" })
    };
}

impl Timestamp {
    /// Its text; always there, since [`Timestamp::from_ms`] goes no further than jiff does.
    fn text(self) -> Option<[u8; WRITTEN]> {
        let (second, mut millis) = (self.0 / 1_000, self.0 % 1_000);
        let mut last = LAST.get();
        if last.second != second {
            static PRINTER: jiff::fmt::temporal::DateTimePrinter =
                jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
            let moment = jiff::Timestamp::from_second(second.cast_signed()).ok()?;
            let text = PRINTER.timestamp_to_string(&moment);
            last = LastSecond {
                second,
                text: text.as_bytes().try_into().ok()?,
            };
            LAST.set(last);
        }
        for digit in last.text[MILLIS].iter_mut().rev() {
            *digit = b'0' + (millis % 10) as u8;
            millis /= 10;
        }
        Some(last.text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text().ok_or(fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// A text that is no moment of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written like 2025-06-05T12:00:00.000Z")]
pub struct TimestampError;

impl Timestamp {
    /// RFC 3339 with any offset, from 1970, cut to the millisecond; and whether it was finer than
    /// that. Later moments than can be kept are taken as the last one.
    pub fn parse_and_cut(text: &str) -> Result<(Self, bool), TimestampError> {
        let moment: jiff::Timestamp = match text.parse() {
            Ok(moment) => moment,
            Err(_) if is_beyond_last(text) => return Ok((Self(LAST_MS), false)),
            Err(_) => return Err(TimestampError),
        };
        // Rounded down, also where it is before 1970.
        let ms = moment.as_nanosecond().div_euclid(1_000_000);
        let ms = u64::try_from(ms).map_err(|_| TimestampError)?;
        let is_finer = moment.subsec_nanosecond() % 1_000_000 != 0;
        Ok((Self::from_ms(ms), is_finer))
    }
}

/// Returns whether a text is a moment of the last hours of 9999, by which programs say "for ever".
fn is_beyond_last(text: &str) -> bool {
    let pieces = jiff::fmt::temporal::Pieces::parse(text);
    pieces.is_ok_and(|pieces| {
        let is_moment = pieces.time().is_some() && pieces.offset().is_some();
        is_moment && pieces.date() >= jiff::civil::date(9999, 12, 30)
    })
}

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    /// RFC 3339 with any offset, from 1970; what is finer than a millisecond is refused, since it
    /// would be lost.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        match Self::parse_and_cut(text)? {
            (moment, false) => Ok(moment),
            (_, true) => Err(TimestampError),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// Clients may write a time more finely than it is kept, as Python does by itself.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let (moment, _) = Self::parse_and_cut(&text).map_err(de::Error::custom)?;
        Ok(moment)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text();
        let text = text
            .as_ref()
            .and_then(|text| std::str::from_utf8(text).ok());
        serializer.serialize_str(text.ok_or_else(|| S::Error::custom("a time beyond all years"))?)
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_749_124_800_000, "2025-06-05T12:00:00.000Z"),
            (1_749_124_800_007, "2025-06-05T12:00:00.007Z"),
            (u64::MAX, "9999-12-30T22:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::from_ms(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_ms(ms)));
        }
    }

    #[test]
    fn a_time_is_written_as_itself_whatever_was_written_before() {
        let begin = 1_749_124_799_000;
        for ms in [0, 999, 1_000, 1_999, 1_000, 999, 61_007, 0, 86_400_070, 5] {
            let time = Timestamp::from_ms(begin + ms);
            assert_eq!(time.to_string().parse(), Ok(time));
            assert_eq!(serde_json::to_string(&time).unwrap(), format!("\"{time}\""));
        }
    }

    #[test]
    fn a_clock_that_is_over_a_day_behind_the_newest_change_is_believed() {
        let day = 24 * 60 * 60 * 1_000;
        let now = STEPS_BACK_SINCE.as_ms() + day;
        for (newest, time) in [
            (0, now),
            (now - 1, now),
            (now, now),
            (now + 1, now + 1),
            (now + day, now + day),
            (now + day + 1, now),
            (u64::MAX, now),
        ] {
            let (newest, time) = (Timestamp::from_ms(newest), Timestamp::from_ms(time));
            assert_eq!(Timestamp::from_ms(now).following(newest), time, "{newest}");
            assert!(time.may_follow(newest), "{newest}");
        }
        let newest = Timestamp::from_ms(now + day);
        assert!(!Timestamp::from_ms(now).may_follow(newest));
        // A clock that was never set is not believed: machines without a battery begin with it.
        let unset = Timestamp::from_ms(5_000);
        assert_eq!(unset.following(newest), newest);
        assert!(!unset.may_follow(newest));
    }

    /// A time to the microsecond was refused, and so was the last second of 9999.
    #[test]
    fn a_time_is_read_as_programs_write_it() {
        let last = Timestamp::from_ms(LAST_MS);
        for (text, time) in [
            (
                "2025-06-05T12:00:00.000999Z",
                Timestamp::from_ms(1_749_124_800_000),
            ),
            (
                "2025-06-05T12:00:00.007123456+00:00",
                Timestamp::from_ms(1_749_124_800_007),
            ),
            ("9999-12-30T22:00:00.001Z", last),
            ("9999-12-31T23:59:59Z", last),
            ("9999-12-31T23:59:59.999Z", last),
            ("9999-12-31T23:59:59.9999999+07:00", last),
        ] {
            let read = serde_json::from_str::<Timestamp>(&format!("\"{text}\""));
            assert_eq!(read.unwrap(), time, "{text}");
        }
        for text in ["9999-12-31", "9999-12-31T23:59:59", "9999-12-32T00:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_of_ours_is_refused() {
        assert_eq!(
            "2025-06-05T14:00:00+02:00".parse(),
            Ok(Timestamp::from_ms(1_749_124_800_000))
        );
        for text in [
            "",
            "2025-06-05",
            "2025-06-05T12:00:00",
            "2025-06-05T12:00:00.0001Z",
            "1969-12-31T23:59:59Z",
            "1749124800000",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }
}
