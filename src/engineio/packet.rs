//! One packet, as it stands in a WebSocket frame or between the separators of a polling payload.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// One Engine.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0` and the handshake's JSON; from the server only.
    Open(&'a str),
    /// `1`
    Close,
    /// `2`, from the server.
    Ping,
    /// `2probe`: the first packet of an upgrade, from the client.
    PingProbe,
    /// `3`, from the client.
    Pong,
    /// `3probe`: the server's answer to a probe.
    PongProbe,
    /// `4` and a text.
    Message(&'a str),
    /// A binary WebSocket frame as it is, or `b` and base64 where only text can go.
    Binary(Cow<'a, [u8]>),
    /// `5`: the client will use the new transport from here on.
    Upgrade,
    /// `6`: ends a waiting poll.
    Noop,
}

/// The reason that a text is no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is nothing.
    #[error("the packet is empty")]
    Empty,
    /// A first character that is no packet type.
    #[error("unknown packet type {0:?}")]
    UnknownType(char),
    /// A packet that carries nothing carries something.
    #[error("a packet of type {0:?} carries no payload")]
    UnexpectedPayload(char),
    /// Bad base64.
    #[error("binary data is no base64")]
    Base64,
}

/// Reads what other encoders write: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl<'a> Packet<'a> {
    /// Reads one packet from text.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let mut chars = text.chars();
        let kind = chars.next().ok_or(DecodeError::Empty)?;
        match (kind, chars.as_str()) {
            ('4', text) => Ok(Self::Message(text)),
            ('3', "") => Ok(Self::Pong),
            ('2', "") => Ok(Self::Ping),
            ('2', "probe") => Ok(Self::PingProbe),
            ('3', "probe") => Ok(Self::PongProbe),
            ('1', "") => Ok(Self::Close),
            ('5', "") => Ok(Self::Upgrade),
            ('6', "") => Ok(Self::Noop),
            ('0', json) => Ok(Self::Open(json)),
            ('b', base64) => decode_base64(base64).map(|bytes| Self::Binary(bytes.into())),
            ('1'..='6', _) => Err(DecodeError::UnexpectedPayload(kind)),
            _ => Err(DecodeError::UnknownType(kind)),
        }
    }

    /// Appends the packet as text.
    pub fn encode(&self, out: &mut String) {
        match self {
            Self::Open(json) => {
                out.push('0');
                out.push_str(json);
            }
            Self::Close => out.push('1'),
            Self::Ping => out.push('2'),
            Self::PingProbe => out.push_str("2probe"),
            Self::Pong => out.push('3'),
            Self::PongProbe => out.push_str("3probe"),
            Self::Message(text) => {
                out.push('4');
                out.push_str(text);
            }
            Self::Binary(bytes) => {
                out.push('b');
                BASE64.encode_string(bytes, out);
            }
            Self::Upgrade => out.push('5'),
            Self::Noop => out.push('6'),
        }
    }
}

/// Takes both alphabets and a newline at the end, as the reference's decoder does.
fn decode_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    let text = text.trim_end_matches(['\n', '\r']);
    let text: Cow<'_, str> = if text.contains(['-', '_']) {
        text.chars()
            .map(|digit| match digit {
                '-' => '+',
                '_' => '/',
                other => other,
            })
            .collect::<String>()
            .into()
    } else {
        text.into()
    };
    BASE64
        .decode(text.as_bytes())
        .map_err(|_| DecodeError::Base64)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn every_packet_is_read_and_written() {
        for (wire, packet) in [
            ("0{\"sid\":\"x\"}", Packet::Open("{\"sid\":\"x\"}")),
            ("1", Packet::Close),
            ("2", Packet::Ping),
            ("2probe", Packet::PingProbe),
            ("3", Packet::Pong),
            ("3probe", Packet::PongProbe),
            ("4", Packet::Message("")),
            ("4hello", Packet::Message("hello")),
            ("4€é👋\u{2028}", Packet::Message("€é👋\u{2028}")),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
            ("b", Packet::Binary(Cow::Borrowed(&[]))),
            ("bAQIDBA==", Packet::Binary(Cow::Borrowed(&[1, 2, 3, 4]))),
        ] {
            assert_eq!(Packet::decode(wire).as_ref(), Ok(&packet), "{wire}");
            let mut out = String::new();
            packet.encode(&mut out);
            assert_eq!(out, wire);
        }
    }

    #[test]
    fn base64_is_read_as_leniently_as_by_the_reference() {
        for wire in ["bAQIDBA", "bAQIDBA==\n"] {
            assert_eq!(
                Packet::decode(wire),
                Ok(Packet::Binary(Cow::Borrowed(&[1, 2, 3, 4]))),
                "{wire:?}"
            );
        }
        assert_eq!(
            Packet::decode("b-_8="),
            Ok(Packet::Binary(Cow::Borrowed(&[0xfb, 0xff])))
        );
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (wire, error) in [
            ("", DecodeError::Empty),
            ("7", DecodeError::UnknownType('7')),
            ("abc", DecodeError::UnknownType('a')),
            ("é", DecodeError::UnknownType('é')),
            ("1x", DecodeError::UnexpectedPayload('1')),
            ("2foo", DecodeError::UnexpectedPayload('2')),
            ("3é", DecodeError::UnexpectedPayload('3')),
            ("5 ", DecodeError::UnexpectedPayload('5')),
            ("b#", DecodeError::Base64),
            ("bé", DecodeError::Base64),
        ] {
            assert_eq!(Packet::decode(wire), Err(error), "{wire}");
        }
    }

    #[test]
    fn random_text_never_panics_and_what_is_read_is_written_alike() {
        let mut random = rand::rngs::StdRng::seed_from_u64(2);
        for _ in 0..20_000 {
            let text: String = (0..random.random_range(0..8))
                .map(|_| random.random_range('\0'..'\u{300}'))
                .collect();
            let text = format!("{}{text}", random.random_range(0..8));
            if let Ok(packet) = Packet::decode(&text) {
                let mut out = String::new();
                packet.encode(&mut out);
                assert_eq!(out, text);
            }
        }
    }
}
