//! The wire, as far as a client of the contract needs it: WebSocket frames (RFC 6455) around
//! Engine.IO 4 and Socket.IO 5 text packets, written and read without allocating.

use memchr::memmem;

/// Any key will do; nobody between the two ends is to be protected from the content.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const TEXT: u8 = 0x81;
const PONG: u8 = 0x8a;

/// The request that opens an Engine.IO session on a WebSocket.
pub(crate) const UPGRADE: &[u8] = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n\
    Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Appends a masked text frame.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    push_frame(out, TEXT, text);
}

/// Appends the masked answer to a ping of WebSocket's own.
pub(crate) fn push_pong(out: &mut Vec<u8>, payload: &[u8]) {
    push_frame(out, PONG, payload);
}

fn push_frame(out: &mut Vec<u8>, head: u8, payload: &[u8]) {
    out.push(head);
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => out.push(0x80 | length as u8),
        Ok(length) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let begin = out.len();
    out.extend_from_slice(payload);
    let mut words = out[begin..].chunks_exact_mut(4);
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip(MASK) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(MASK) {
        *byte ^= key;
    }
}

/// A server's frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame<'a> {
    Text(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    Close,
}

/// The first frame of `bytes` and its length in all; `None` while it is not whole. No server of the
/// contract sends fragments, masked frames or binary ones to a client that asked for none.
pub(crate) fn read_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, &'static str> {
    let [head, length, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (length, rest) = match length {
        126 => match rest.split_first_chunk::<2>() {
            Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((length, rest)) => {
                let length = u64::from_be_bytes(*length);
                (
                    usize::try_from(length).map_err(|_| "a frame too long")?,
                    rest,
                )
            }
            None => return Ok(None),
        },
        128.. => return Err("a masked frame from the server"),
        length => (usize::from(*length), rest),
    };
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let frame = match head {
        0x81 => Frame::Text(payload),
        0x89 => Frame::Ping(payload),
        0x8a => Frame::Pong,
        0x88 => Frame::Close,
        _ => return Err("a frame that was not to be expected"),
    };
    Ok(Some((frame, bytes.len() - rest.len() + length)))
}

/// Appends a number in decimal digits, with zeros in front up to this width.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    at = at.min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(&digits[at..]);
}

/// The number at the beginning of `bytes`, and what follows it.
pub(crate) fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(bytes.len());
    if end == 0 || end > 18 {
        return None;
    }
    let number = bytes[..end]
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some((number, &bytes[end..]))
}

/// Finds the value of a key in JSON text without reading the rest: what follows `"key":`.
pub(crate) struct Key(memmem::Finder<'static>);

impl Key {
    /// `pattern` is the key with its quotes and colon.
    pub(crate) fn new(pattern: &'static str) -> Self {
        Self(memmem::Finder::new(pattern))
    }

    pub(crate) fn after<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let at = self.0.find(text)?;
        Some(&text[at + self.0.needle().len()..])
    }

    pub(crate) fn number(&self, text: &[u8]) -> Option<u64> {
        Some(read_number(self.after(text)?)?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_come() {
        let long = [b'x'; 300];
        let mut bytes = vec![0x81, 3, b'a', b'b', b'c', 0x89, 0, 0x81, 126, 1, 44];
        bytes.extend_from_slice(&long);
        assert_eq!(read_frame(&bytes), Ok(Some((Frame::Text(b"abc"), 5))));
        assert_eq!(read_frame(&bytes[5..]), Ok(Some((Frame::Ping(b""), 2))));
        assert_eq!(read_frame(&bytes[7..]), Ok(Some((Frame::Text(&long), 304))));
        for end in 0..5 {
            assert_eq!(read_frame(&bytes[..end]), Ok(None));
        }
        assert!(read_frame(&[0x81, 0x83, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn frames_are_written_masked() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let mut out = Vec::new();
            push_text(&mut out, &payload);
            let head = out.len() - length - 4;
            assert_eq!(
                head,
                if length < 126 {
                    2
                } else if length < 65_536 {
                    4
                } else {
                    10
                }
            );
            let unmasked: Vec<u8> = out[head + 4..]
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, key)| byte ^ key)
                .collect();
            assert_eq!(unmasked, payload);
        }
    }

    #[test]
    fn numbers_go_both_ways() {
        for (number, width, text) in [(0, 0, "0"), (7, 3, "007"), (1_234, 2, "1234")] {
            let mut out = Vec::new();
            push_number(&mut out, number, width);
            assert_eq!(out, text.as_bytes());
            assert_eq!(read_number(text.as_bytes()), Some((number, &b""[..])));
        }
        assert_eq!(read_number(b"x"), None);
        assert_eq!(Key::new("\"id\":").number(br#"{"a":1,"id":42}"#), Some(42));
    }
}
