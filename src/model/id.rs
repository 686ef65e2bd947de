//! Identifiers: positive integers below 2^53, so that every JSON reader keeps them exact.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The greatest id: 2^53 - 1, the greatest integer that a JavaScript number holds exactly.
pub const MAX_ID: u64 = (1 << 53) - 1;

/// 2^52: the first id that this server gives to accounts where an app has accounts of its own,
/// whose ids are below.
pub const FIRST_OWN_ID: u64 = 1 << 52;

/// A number that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a whole number from 1 to {MAX_ID}")]
pub struct IdError;

/// Writes one id newtype: the same checks and the same JSON for each, but types that cannot be
/// mixed up.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The id with this number; 0 and numbers of 2^53 and above are refused.
            pub const fn new(number: u64) -> Result<Self, IdError> {
                match NonZeroU64::new(number) {
                    Some(number) if number.get() <= MAX_ID => Ok(Self(number)),
                    _ => Err(IdError),
                }
            }

            /// The number itself.
            pub const fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            /// Decimal digits only: no sign, no space, at most 16 digits.
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() > 16 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(IdError);
                }
                Self::new(text.parse().map_err(|_| IdError)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(self.get())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IdVisitor).and_then(|number| Self::new(number).map_err(de::Error::custom))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                id_schema(generator)
            }
        }
    };
}

id! {
    /// An account.
    UserId
}
id! {
    /// The position of an entry in the log: a message, or a change such as a read mark. Ids grow in
    /// commit order.
    EntryId
}
id! {
    /// A message: the id of its entry in the log.
    MessageId
}
id! {
    /// What two people share. Given by the store, dense from 1, never shown to clients.
    ConversationId
}
id! {
    /// A room. Given by the store, dense from 1.
    RoomId
}

impl From<EntryId> for MessageId {
    fn from(id: EntryId) -> Self {
        Self(id.0)
    }
}

impl From<MessageId> for EntryId {
    fn from(id: MessageId) -> Self {
        Self(id.0)
    }
}

/// Which socket asked for a change, where one did: opaque here, handed back with what happened, so
/// that the door it came in by can leave that socket out or answer it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(pub u64);

impl MessageId {
    /// The greatest id there can be: a mark up to it is one up to the newest message.
    pub const LAST: Self = match Self::new(MAX_ID) {
        Ok(id) => id,
        Err(_) => panic!("the greatest id is an id"),
    };
}

/// A number in what we say; a number or its digits in what we are told.
fn id_schema(generator: &SchemaGenerator) -> Schema {
    let number = json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_ID });
    if generator.contract().is_serialize() {
        return number;
    }
    json_schema!({ "anyOf": [number, { "type": "string", "pattern": "^[0-9]{1,16}$" }] })
}

/// Reads an id from a JSON number or from a string of decimal digits; requests may hold either.
struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id: a whole number from 1, or a string of its digits")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        // A client may write 2.0 for 2; anything with a fraction, or out of range, is no id.
        if number.fract() == 0.0 && (1.0..=MAX_ID as f64).contains(&number) {
            return Ok(number as u64);
        }
        Err(E::custom(IdError))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<u64, E> {
        Err(E::custom(IdError))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse::<MessageId>()
            .map(MessageId::get)
            .map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_a_number_or_from_digits() {
        for (json, id) in [
            ("2", Some(2)),
            ("\"2\"", Some(2)),
            ("2.0", Some(2)),
            ("9007199254740991", Some(MAX_ID)),
            ("\"007\"", Some(7)),
        ] {
            assert_eq!(
                serde_json::from_str::<UserId>(json).ok().map(UserId::get),
                id,
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for json in [
            "0",
            "-1",
            "1.5",
            "9007199254740992",
            "1e300",
            "\"\"",
            "\"+2\"",
            "\" 2\"",
            "\"2x\"",
            "\"99999999999999999999\"",
            "null",
            "true",
            "[2]",
            "{}",
        ] {
            assert!(serde_json::from_str::<UserId>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_id_is_written_as_a_number() {
        assert_eq!(
            serde_json::to_string(&UserId::new(29).unwrap()).unwrap(),
            "29"
        );
    }
}
