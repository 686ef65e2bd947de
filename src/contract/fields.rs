//! Reading an object key by key, so that an error can name the key.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// 1,024 keys of one object, at 40 bytes each. One that has more is refused: what is asked for may
/// be among those that are not kept.
const MAX_KEYS: usize = 1 << 10;

/// A JSON object whose values are still raw. Other keys than those that are asked for are ignored;
/// of a repeated key the last counts.
#[derive(Debug, Default)]
pub struct Fields<'a>(SmallVec<[(Cow<'a, str>, &'a RawValue); 4]>);

/// Why an object is not what was asked for. The text names the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It is no object.
    #[error("the payload must be an object")]
    NotAnObject,
    /// It has more keys than are kept.
    #[error("the payload has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// A key is not there, or null.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A key's value is of the wrong kind.
    #[error("{key}: {reason}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What was expected.
        reason: String,
    },
}

impl<'a> Fields<'a> {
    /// Reads an object.
    pub fn parse(json: &'a str) -> Result<Self, FieldError> {
        let read: Read<'a> = serde_json::from_str(json).map_err(|_| FieldError::NotAnObject)?;
        match read.is_whole {
            true => Ok(read.fields),
            false => Err(FieldError::TooManyKeys),
        }
    }

    /// Returns whether a key is there, and is not null.
    pub fn has(&self, key: &str) -> bool {
        let value = self.0.iter().rev().find(|(name, _)| name == key);
        value.is_some_and(|(_, value)| value.get() != "null")
    }

    /// Returns the value of a key that must be there.
    pub fn required<T: Deserialize<'a>>(&self, key: &'static str) -> Result<T, FieldError> {
        self.optional(key)?.ok_or(FieldError::Missing(key))
    }

    /// Returns the value of a key that may be absent, and may be null to say that there is to be
    /// none.
    pub fn nullable<T: Deserialize<'a>>(
        &self,
        key: &'static str,
    ) -> Result<Option<Option<T>>, FieldError> {
        let given = self.0.iter().any(|(name, _)| name == key);
        let value = self.optional(key)?;
        Ok(given.then_some(value))
    }

    /// Returns the value of a key that may be absent or null.
    pub fn optional<T: Deserialize<'a>>(&self, key: &'static str) -> Result<Option<T>, FieldError> {
        let Some((_, value)) = self.0.iter().rev().find(|(name, _)| name == key) else {
            return Ok(None);
        };
        serde_json::from_str(value.get()).map_err(|error| FieldError::Invalid {
            key,
            reason: reason(&error),
        })
    }
}

/// Returns the error's words without the place in the text, which says nothing about one value
/// alone.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// An object as far as it was kept.
struct Read<'a> {
    fields: Fields<'a>,
    is_whole: bool,
}

impl<'de> Deserialize<'de> for Read<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Read<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut fields, mut is_whole) = (Fields::default(), true);
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    if fields.0.len() < MAX_KEYS {
                        fields.0.push((key.0, map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        is_whole = false;
                    }
                }
                Ok(Read { fields, is_whole })
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A key, borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    #[test]
    fn an_error_names_the_key() {
        let fields = Fields::parse(r#"{"receiver_id":true,"content":5,"client_id":null}"#).unwrap();
        let text = |error: FieldError| error.to_string();
        assert_eq!(
            text(fields.required::<UserId>("message_id").unwrap_err()),
            "message_id is missing"
        );
        assert_eq!(
            text(fields.required::<String>("client_id").unwrap_err()),
            "client_id is missing"
        );
        assert!(
            text(fields.required::<UserId>("receiver_id").unwrap_err())
                .starts_with("receiver_id: invalid type: boolean")
        );
        assert!(
            text(fields.required::<String>("content").unwrap_err())
                .starts_with("content: invalid type: integer")
        );
        assert_eq!(fields.optional::<String>("absent"), Ok(None));
        assert_eq!(fields.nullable::<String>("absent"), Ok(None));
        assert_eq!(fields.nullable::<String>("client_id"), Ok(Some(None)));
    }

    #[test]
    fn only_an_object_will_do() {
        for json in ["[]", "1", "null", "\"x\"", "", "{", "{\"a\":}"] {
            assert_eq!(
                Fields::parse(json).err(),
                Some(FieldError::NotAnObject),
                "{json}"
            );
        }
    }

    /// What stood behind 32 others was passed over, as if it were not there.
    #[test]
    fn a_key_is_found_behind_many_others_or_all_are_refused() {
        let object = |others: usize| {
            let others: String = (0..others)
                .map(|number| format!("\"x{number}\":1,"))
                .collect();
            format!("{{{others}\"content\":\"hi\"}}")
        };
        for others in [0, 31, 32, 33, MAX_KEYS - 1] {
            let json = object(others);
            let fields = Fields::parse(&json).unwrap();
            assert_eq!(fields.required::<String>("content").unwrap(), "hi");
        }
        let refused = Fields::parse(&object(MAX_KEYS)).err();
        assert_eq!(refused, Some(FieldError::TooManyKeys));
    }

    #[test]
    fn half_a_surrogate_pair_spoils_its_own_key_alone() {
        let fields = Fields::parse(r#"{"content":"\ud800","receiver_id":2}"#).unwrap();
        assert!(fields.required::<String>("content").is_err());
        assert_eq!(fields.required::<UserId>("receiver_id").unwrap().get(), 2);
    }
}
