//! The versions of the chat that a socket may speak.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::model::{Act, Members, Notice};

/// What a client knows of: the first document, or all that came with rooms. A client that says
/// nothing hears what it always heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// Two people, their messages and read marks.
    First = 1,
    /// Rooms, and messages with more than a text.
    Second = 2,
}

impl Version {
    /// Every version, as `GET /api/server` lists them.
    pub(crate) const ALL: [u8; 2] = [Self::First.number(), Self::Second.number()];

    /// Returns its number.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the newest version that is not above this number; the first where all are.
    pub(crate) const fn at_most(number: u8) -> Self {
        match number {
            0 | 1 => Self::First,
            _ => Self::Second,
        }
    }
}

/// Taken from any number, or its decimal digits as a text, as ids are: one that is not known is the
/// newest version below it.
impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Asked<'a> {
            Number(f64),
            #[serde(borrow)]
            Text(Cow<'a, str>),
        }
        let asked = match Asked::deserialize(deserializer)? {
            Asked::Number(asked) => asked,
            Asked::Text(text) => {
                let is_written = text.bytes().all(|byte| byte.is_ascii_digit());
                let asked = text.parse().ok().filter(|_| is_written);
                asked.ok_or_else(|| de::Error::custom("expected a number"))?
            }
        };
        let is_second = asked >= f64::from(Self::Second.number());
        Ok(if is_second { Self::Second } else { Self::First })
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "default": 1 })
    }
}

/// The versions that hear an entry alike.
#[derive(Debug, Clone)]
pub(crate) struct Alike {
    /// How they hear it.
    pub(crate) form: Version,
    /// Their numbers.
    pub(crate) numbers: RangeInclusive<u8>,
}

impl Alike {
    const fn new(form: Version, first: Version, last: Version) -> Self {
        Self {
            form,
            numbers: first.number()..=last.number(),
        }
    }
}

const BOTH: &[Alike] = &[Alike::new(Version::First, Version::First, Version::Second)];
const EACH: &[Alike] = &[
    Alike::new(Version::First, Version::First, Version::First),
    Alike::new(Version::Second, Version::Second, Version::Second),
];
const SECOND: &[Alike] = &[Alike::new(
    Version::Second,
    Version::Second,
    Version::Second,
)];

/// Returns the versions that hear an entry, those together that hear it alike: nearly all entries
/// are the same to all, and are encoded once.
pub(crate) const fn heard_in(notice: &Notice) -> &'static [Alike] {
    match &notice.entry.act {
        // Of rooms, and of what a person sets for themselves, the first version knows nothing.
        _ if !matches!(notice.members, Members::Pair(_)) => SECOND,
        Act::Sent {
            extras: Some(_), ..
        } => EACH,
        Act::Sent { .. } | Act::Read { .. } | Act::ReadUpTo { .. } => BOTH,
        Act::RoomChanged { .. }
        | Act::MemberChanged(_)
        | Act::RoomRead(_)
        | Act::Settings { .. } => &[],
        Act::MessageChanged { .. } | Act::ErasedMany(_) => SECOND,
        Act::Erased { .. } => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_version_is_the_newest_below_it_and_what_is_no_number_is_none() {
        for (json, version) in [
            ("1", Some(Version::First)),
            ("2", Some(Version::Second)),
            ("3", Some(Version::Second)),
            ("1e300", Some(Version::Second)),
            ("2.5", Some(Version::Second)),
            ("1.5", Some(Version::First)),
            ("0", Some(Version::First)),
            ("-7", Some(Version::First)),
            ("\"2\"", Some(Version::Second)),
            ("\"1\"", Some(Version::First)),
            ("\"17\"", Some(Version::Second)),
            ("\"\"", None),
            ("\"2.0\"", None),
            ("\"inf\"", None),
            ("[2]", None),
            ("true", None),
            ("{}", None),
        ] {
            assert_eq!(serde_json::from_str(json).ok(), version, "{json}");
        }
        let known = Version::ALL.map(|number| Version::at_most(number).number());
        assert_eq!(known, Version::ALL);
    }
}
