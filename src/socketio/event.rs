//! The array inside an event or an ack: a name and arguments, still raw.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// Names that a client may not use for events: the client library uses them for itself.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// The reason that an array is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is empty, or its first element is neither a string nor a number.
    #[error("an event starts with its name")]
    Name,
    /// Its name is one that the protocol keeps for itself.
    #[error("the event's name is reserved")]
    Reserved,
}

/// An event: its name and its arguments.
#[derive(Debug)]
pub struct Event<'a> {
    /// What a client calls it. A number, or text that is no Unicode (half of a surrogate pair), is
    /// given as the JSON has it, and so is like no name that a handler knows.
    pub name: Cow<'a, str>,
    /// Raw, of any number.
    pub args: SmallVec<[&'a RawValue; 2]>,
}

impl<'a> Event<'a> {
    /// Reads the array of an event's packet.
    pub fn parse(Elements(mut args): Elements<'a>) -> Result<Self, EventError> {
        if args.is_empty() {
            return Err(EventError::Name);
        }
        let raw = args.remove(0).get();
        let name = match raw.as_bytes().first() {
            Some(b'"') => {
                serde_json::from_str::<Text<'a>>(raw).map_or(Cow::Borrowed(raw), |text| text.0)
            }
            Some(b'0'..=b'9' | b'-') => Cow::Borrowed(raw),
            _ => return Err(EventError::Name),
        };
        if RESERVED.contains(&&*name) {
            Err(EventError::Reserved)
        } else {
            Ok(Self { name, args })
        }
    }
}

/// A string that is borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The elements of an array: an event's name and arguments, or an ack's arguments. Raw, of any
/// number.
#[derive(Debug, Clone, Default)]
pub struct Elements<'a>(pub SmallVec<[&'a RawValue; 2]>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = SmallVec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Elements<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_event_is_a_name_and_raw_arguments() {
        let event = Event::parse(raw(r#"["send_message",{"a":1},"\ud800",1e999]"#)).unwrap();
        assert_eq!(event.name, "send_message");
        let args: Vec<&str> = event.args.iter().map(|arg| arg.get()).collect();
        assert_eq!(args, [r#"{"a":1}"#, r#""\ud800""#, "1e999"]);
    }

    #[test]
    fn escapes_in_a_name_are_read_and_half_a_pair_is_no_known_name() {
        assert_eq!(
            Event::parse(raw(r#"["typ\u0069ng"]"#)).unwrap().name,
            "typing"
        );
        assert_eq!(
            Event::parse(raw(r#"["\ud800"]"#)).unwrap().name,
            r#""\ud800""#
        );
        assert_eq!(Event::parse(raw("[1,2]")).unwrap().name, "1");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for json in ["[]", "[null]", "[{}]", "[true]", "[[]]"] {
            assert_eq!(
                Event::parse(raw(json)).err(),
                Some(EventError::Name),
                "{json}"
            );
        }
        for name in RESERVED {
            assert_eq!(
                Event::parse(raw(&format!("[\"{name}\"]"))).err(),
                Some(EventError::Reserved),
                "{name}"
            );
        }
        assert_eq!(
            Event::parse(raw(r#"["conn\u0065ct"]"#)).err(),
            Some(EventError::Reserved)
        );
    }
}
