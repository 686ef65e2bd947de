//! One packet: the text of an Engine.IO message.
//!
//! ```text
//! <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
//! ```

use serde_json::value::RawValue;

use super::event::Elements;

/// The most attachments that an event may announce: the reference's default.
pub const MAX_ATTACHMENTS: usize = 10;
/// The greatest ack id: what a JavaScript number holds exactly.
const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// The type of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `0`
    Connect,
    /// `1`
    Disconnect,
    /// `2`, or `5` with attachments.
    Event,
    /// `3`, or `6` with attachments.
    Ack,
    /// `4`; from the server only.
    ConnectError,
}

/// One decoded packet, whose data is still JSON.
#[derive(Debug, Clone)]
pub struct Packet<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its namespace; `/` where it names none.
    pub namespace: &'a str,
    /// For an event, where its ack goes; for an ack, whose it is.
    pub ack_id: Option<u64>,
    /// The number of binary messages that follow and belong to it.
    pub attachments: usize,
    /// What it carries.
    pub data: Data<'a>,
}

/// What a packet carries: JSON whose syntax is checked.
#[derive(Debug, Clone)]
pub enum Data<'a> {
    /// Nothing: only a [`Kind::Connect`] and a [`Kind::Disconnect`] may.
    Nothing,
    /// An object, of a [`Kind::Connect`].
    Object(&'a RawValue),
    /// An array, of an event or an ack.
    Array(Elements<'a>),
}

/// The reason that a text is no packet that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A first character that is no packet type of a client's.
    #[error("unknown packet type")]
    UnknownType,
    /// The number of attachments is no number, is 0, or is over the limit.
    #[error("an event has 1 to {MAX_ATTACHMENTS} attachments, or none and no count")]
    Attachments,
    /// The ack id is too great, or an ack has none.
    #[error("the ack id is missing or too great")]
    AckId,
    /// The JSON is malformed, or of the wrong kind for the packet.
    #[error("the payload is malformed")]
    Payload,
}

impl<'a> Packet<'a> {
    /// Reads one packet.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let mut chars = text.chars();
        let (kind, binary) = match chars.next() {
            Some('0') => (Kind::Connect, false),
            Some('1') => (Kind::Disconnect, false),
            Some('2') => (Kind::Event, false),
            Some('3') => (Kind::Ack, false),
            Some('5') => (Kind::Event, true),
            Some('6') => (Kind::Ack, true),
            _ => return Err(DecodeError::UnknownType),
        };
        let rest = chars.as_str();
        let (attachments, rest) = if binary {
            let (count, rest) = rest.split_once('-').ok_or(DecodeError::Attachments)?;
            (attachment_count(count)?, rest)
        } else {
            (0, rest)
        };
        let (namespace, rest) = if rest.starts_with('/') {
            rest.split_once(',').unwrap_or((rest, ""))
        } else {
            ("/", rest)
        };
        let json = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let ack_id = match &rest[..rest.len() - json.len()] {
            "" => None,
            digits => Some(
                digits
                    .parse()
                    .ok()
                    .filter(|id| *id <= MAX_ACK_ID)
                    .ok_or(DecodeError::AckId)?,
            ),
        };
        let malformed = |_| DecodeError::Payload;
        let data = match (kind, json.as_bytes().first()) {
            (Kind::Connect | Kind::Disconnect, None) if ack_id.is_none() => Data::Nothing,
            (Kind::Connect, Some(b'{')) if ack_id.is_none() => {
                Data::Object(serde_json::from_str(json).map_err(malformed)?)
            }
            (Kind::Ack, _) if ack_id.is_none() => return Err(DecodeError::AckId),
            // At once: each look at all of a text is to be worth it.
            (Kind::Event | Kind::Ack, Some(b'[')) => {
                Data::Array(serde_json::from_str(json).map_err(malformed)?)
            }
            _ => return Err(DecodeError::Payload),
        };
        Ok(Self {
            kind,
            namespace,
            ack_id,
            attachments,
            data,
        })
    }
}

fn attachment_count(digits: &str) -> Result<usize, DecodeError> {
    let number = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten();
    number
        .filter(|count| (1..=MAX_ATTACHMENTS).contains(count))
        .ok_or(DecodeError::Attachments)
}

/// The part of a packet before its JSON, as the server sends it.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: &'a str,
    /// For an event, where its ack is to come; for an ack, whose it is.
    pub ack_id: Option<u64>,
    /// The number of binary messages that follow.
    pub attachments: usize,
}

impl Header<'_> {
    /// Appends it. The default namespace `/` is left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(match (self.kind, self.attachments) {
            (Kind::Connect, _) => b'0',
            (Kind::Disconnect, _) => b'1',
            (Kind::Event, 0) => b'2',
            (Kind::Ack, 0) => b'3',
            (Kind::ConnectError, _) => b'4',
            (Kind::Event, _) => b'5',
            (Kind::Ack, _) => b'6',
        });
        if self.attachments > 0 {
            out.extend_from_slice(self.attachments.to_string().as_bytes());
            out.push(b'-');
        }
        if self.namespace != "/" {
            out.extend_from_slice(self.namespace.as_bytes());
            out.push(b',');
        }
        if let Some(id) = self.ack_id {
            out.extend_from_slice(id.to_string().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The JSON of a packet, without its white space.
    fn written(data: &Data<'_>) -> Option<String> {
        match data {
            Data::Nothing => None,
            Data::Object(object) => Some(object.get().to_owned()),
            Data::Array(elements) => Some(serde_json::to_string(&elements.0[..]).unwrap()),
        }
    }

    #[test]
    fn every_packet_is_read() {
        use Kind::{Ack, Connect, Disconnect, Event};
        for (wire, kind, namespace, ack_id, attachments, data) in [
            ("0", Connect, "/", None, 0, None),
            ("0/", Connect, "/", None, 0, None),
            ("0/,", Connect, "/", None, 0, None),
            ("0{}", Connect, "/", None, 0, Some("{}")),
            ("0/custom", Connect, "/custom", None, 0, None),
            ("0/custom,", Connect, "/custom", None, 0, None),
            (
                "0/custom,{\"t\":1}",
                Connect,
                "/custom",
                None,
                0,
                Some("{\"t\":1}"),
            ),
            ("0/custom?x=1,", Connect, "/custom?x=1", None, 0, None),
            ("1", Disconnect, "/", None, 0, None),
            ("1/custom,", Disconnect, "/custom", None, 0, None),
            ("2[\"e\"]", Event, "/", None, 0, Some("[\"e\"]")),
            ("212[\"e\"]", Event, "/", Some(12), 0, Some("[\"e\"]")),
            (
                "2/custom,7[\"e\",\"/a,b\"]",
                Event,
                "/custom",
                Some(7),
                0,
                Some("[\"e\",\"/a,b\"]"),
            ),
            ("2/,[\"e\"]", Event, "/", None, 0, Some("[\"e\"]")),
            ("30[]", Ack, "/", Some(0), 0, Some("[]")),
            (
                "52-[\"e\",{\"_placeholder\":true,\"num\":0}]",
                Event,
                "/",
                None,
                2,
                Some("[\"e\",{\"_placeholder\":true,\"num\":0}]"),
            ),
            ("61-/a,3[1]", Ack, "/a", Some(3), 1, Some("[1]")),
        ] {
            let packet = Packet::decode(wire).unwrap_or_else(|error| panic!("{wire}: {error}"));
            let found = (
                packet.kind,
                packet.namespace,
                packet.ack_id,
                packet.attachments,
                written(&packet.data),
            );
            assert_eq!(
                found,
                (
                    kind,
                    namespace,
                    ack_id,
                    attachments,
                    data.map(str::to_owned)
                ),
                "{wire}"
            );
        }
    }

    #[test]
    fn what_no_client_may_send_is_refused() {
        for wire in [
            "",
            "7",
            "9[]",
            "é",
            "4{\"message\":\"x\"}",
            "0[]",
            "0\"x\"",
            "0null",
            "0{",
            "0,",
            "0custom",
            "05{}",
            "1{}",
            "1,",
            "15",
            "2",
            "2{}",
            "2\"a\"",
            "2null",
            "2[\"a\"",
            "2[\"a\"]x",
            "2-1[\"a\"]",
            "21.5[\"a\"]",
            "2abc[\"a\"]",
            "2 [\"e\"]",
            "29007199254740992[\"e\"]",
            "299999999999999999999[\"e\"]",
            "3[]",
            "30{}",
            "3",
            "5[\"e\"]",
            "5a-[\"e\"]",
            "5-1-[\"e\"]",
            "50-[\"e\"]",
            "511-[\"e\"]",
            "51.0-[\"e\"]",
            "5+1-[\"e\"]",
            "5",
            "51-",
            "6[]",
        ] {
            assert!(Packet::decode(wire).is_err(), "{wire}");
        }
    }

    #[test]
    fn json_that_a_parser_of_values_refuses_passes_through_raw() {
        let deep = format!("2[\"e\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        for wire in ["2[\"e\",\"\\ud800\"]", "2[\"e\",1e999]", deep.as_str()] {
            assert!(
                Packet::decode(wire).is_ok(),
                "{}",
                &wire[..20.min(wire.len())]
            );
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        for namespace in ["/", "/custom"] {
            for ack_id in [None, Some(0), Some(MAX_ACK_ID)] {
                for attachments in [0, 1, 10] {
                    let mut wire = Vec::new();
                    Header {
                        kind: Kind::Event,
                        namespace,
                        ack_id,
                        attachments,
                    }
                    .encode(&mut wire);
                    wire.extend_from_slice(b"[\"e\"]");
                    let text = String::from_utf8(wire).unwrap();
                    let packet = Packet::decode(&text).unwrap();
                    assert_eq!(
                        (packet.namespace, packet.ack_id, packet.attachments),
                        (namespace, ack_id, attachments)
                    );
                }
            }
        }
    }

    #[test]
    fn random_text_never_panics() {
        let mut random = rand::rngs::StdRng::seed_from_u64(3);
        let alphabet: Vec<char> = "0123456/,-[]{}\"\\eé\u{1F44B} ".chars().collect();
        for _ in 0..50_000 {
            let text: String = (0..random.random_range(0..14))
                .map(|_| alphabet[random.random_range(0..alphabet.len())])
                .collect();
            let _ = Packet::decode(&text);
        }
    }
}
