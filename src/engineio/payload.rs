//! Many packets in the body of one polling request or response.

use super::packet::{DecodeError, Packet};

/// Stands between two packets: the record separator of ASCII, which JSON never holds raw.
pub const SEPARATOR: char = '\x1e';

/// The packets of a body, in order. An empty packet (of an empty body, of a separator too many) is
/// an error where it stands; what stands before it is still read.
pub fn decode_payload(body: &str) -> impl Iterator<Item = Result<Packet<'_>, DecodeError>> {
    body.split(SEPARATOR).map(Packet::decode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_split_at_the_separator() {
        let packets: Vec<_> = decode_payload("4hello\x1e2\x1e4€").collect();
        assert_eq!(
            packets,
            [
                Ok(Packet::Message("hello")),
                Ok(Packet::Ping),
                Ok(Packet::Message("€"))
            ]
        );
    }

    #[test]
    fn an_empty_packet_is_an_error_wherever_it_stands() {
        for (body, good) in [("", 0), ("\x1e4a", 0), ("4a\x1e", 1), ("4a\x1e\x1e4b", 1)] {
            let packets: Vec<_> = decode_payload(body).collect();
            assert_eq!(
                packets.iter().position(Result::is_err),
                Some(good),
                "{body:?}"
            );
        }
    }
}
