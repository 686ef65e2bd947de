//! Placeholders: where the attachments of an event stand in its JSON.
//!
//! The JSON itself is passed on as it came, so its placeholders still name its attachments; what
//! must be known of a peer's text is only that each names one that is there.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::event::Elements;

/// Stands for an attachment in the arguments of an event or ack that the server sends:
/// `{"_placeholder":true,"num":0}`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholder(pub usize);

impl Serialize for Placeholder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("_placeholder", &true)?;
        map.serialize_entry("num", &self.0)?;
        map.end()
    }
}

/// A placeholder that names no attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a placeholder names an attachment that is not there")]
pub struct PlaceholderError;

/// An array or object that is being walked.
enum Level {
    Array,
    Object(Members),
}

/// The state of the object that is being walked.
#[derive(Default)]
struct Members {
    key: Key,
    is_placeholder: bool,
    /// Its `num`, if that is one of the attachments.
    num: Option<usize>,
}

/// The key whose value comes next.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    Placeholder,
    Num,
}

/// Checks every placeholder in what an event or an ack carries.
pub fn check_placeholders(
    elements: &Elements<'_>,
    attachments: usize,
) -> Result<(), PlaceholderError> {
    let mut elements = elements.0.iter();
    elements.try_for_each(|element| check_element(element, attachments))
}

/// Walks a text of right syntax once, without recursion.
fn check_element(element: &RawValue, attachments: usize) -> Result<(), PlaceholderError> {
    let text = element.get();
    let bytes = text.as_bytes();
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'[' => levels.push(Level::Array),
            b'{' => levels.push(Level::Object(Members::default())),
            b']' => drop(levels.pop()),
            b'}' => {
                if let Some(Level::Object(members)) = levels.pop()
                    && members.is_placeholder
                    && members.num.is_none()
                {
                    return Err(PlaceholderError);
                }
            }
            b'"' => {
                at = end_of_string(bytes, at);
                let is_key =
                    bytes[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if let (true, Some(Level::Object(members))) = (is_key, levels.last_mut()) {
                    members.key = match serde_json::from_str::<String>(&text[start..at]).as_deref()
                    {
                        Ok("_placeholder") => Key::Placeholder,
                        Ok("num") => Key::Num,
                        _ => Key::Other,
                    };
                } else {
                    scalar(levels.last_mut(), "\"", attachments);
                }
            }
            b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => {
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| is_scalar(**byte))
                    .count();
                scalar(levels.last_mut(), &text[start..at], attachments);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The place behind the closing quote of a string whose opening quote is behind us.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    bytes.len()
}

fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

/// Takes in a value that is no array and no object. As for any reader of JSON, the last of a
/// repeated key counts.
fn scalar(level: Option<&mut Level>, text: &str, attachments: usize) {
    if let Some(Level::Object(members)) = level {
        match members.key {
            Key::Placeholder => members.is_placeholder = text == "true",
            Key::Num => members.num = text.parse().ok().filter(|num| *num < attachments),
            Key::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, attachments: usize) -> bool {
        check_placeholders(&serde_json::from_str(json).unwrap(), attachments).is_ok()
    }

    #[test]
    fn placeholders_that_name_an_attachment_are_right_wherever_they_stand() {
        for json in [
            r#"["e",{"_placeholder":true,"num":0}]"#,
            r#"["e",{"num":1,"_placeholder":true},{"_placeholder":true,"num":1}]"#,
            r#"["e",{"a":[{"b":{"_placeholder" : true , "num" : 0}}]}]"#,
            r#"["e",{"\u005fplaceholder":true,"num":1}]"#,
            r#"["e"]"#,
            r#"["e",{"_placeholder":false,"num":9}]"#,
            r#"["e",{"_placeholder":"true"}]"#,
            r#"["e","{\"_placeholder\":true}",{"x":"\\"}]"#,
        ] {
            assert!(check(json, 2), "{json}");
        }
    }

    #[test]
    fn placeholders_that_name_none_are_refused() {
        for json in [
            r#"["e",{"_placeholder":true,"num":2}]"#,
            r#"["e",{"_placeholder":true,"num":-1}]"#,
            r#"["e",{"_placeholder":true,"num":"0"}]"#,
            r#"["e",{"_placeholder":true,"num":0.5}]"#,
            r#"["e",{"_placeholder":true,"num":null}]"#,
            r#"["e",{"_placeholder":true,"num":[0]}]"#,
            r#"["e",{"_placeholder":true}]"#,
            r#"["e",{"x":[[{"_placeholder":true,"num":99999999999999999999}]]}]"#,
            r#"["e",{"_placeholder":false,"num":0,"_placeholder":true,"num":7}]"#,
        ] {
            assert!(!check(json, 2), "{json}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(check(&deep, 1));
    }

    #[test]
    fn a_placeholder_is_written_as_the_protocol_says() {
        assert_eq!(
            serde_json::to_string(&Placeholder(3)).unwrap(),
            r#"{"_placeholder":true,"num":3}"#
        );
    }
}
