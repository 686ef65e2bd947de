//! One outgoing packet, encoded once and shared by every session that it goes to.

use std::cell::RefCell;
use std::sync::Arc;

use crate::engineio::Packet;

/// The longest header of a WebSocket frame from a server.
const MAX_HEADER: usize = 10;
const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;
/// The first byte of a WebSocket's close.
const CLOSE: u8 = 0x88;
/// The first byte of a WebSocket's pong.
pub(super) const PONG: u8 = 0x8a;
/// 64 bytes that a frame takes beside those of its wire form: its place in a queue, its counts, the
/// allocator's share.
const OVERHEAD: usize = 64;
/// 16 KiB: a thread's buffer that grew larger is given back.
const MAX_KEPT_BYTES: usize = 16 << 10;

thread_local! {
    /// A buffer in which frames are written, so that each is then allocated once and in its size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An Engine.IO packet as a whole WebSocket frame, so that one piece of memory serves all sessions
/// of both transports. Cloning shares it.
#[derive(Clone)]
pub struct Frame {
    wire: Arc<[u8]>,
    /// The payload's place in `wire`.
    payload: u8,
}

impl Frame {
    /// A text message: `write` appends what follows the packet's type. It must append UTF-8, and
    /// may build no other frame.
    pub fn message(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::build(FINAL_TEXT, |out| {
            out.push(b'4');
            write(out);
        })
    }

    /// A binary message.
    pub fn binary(bytes: &[u8]) -> Self {
        Self::build(FINAL_BINARY, |out| out.extend_from_slice(bytes))
    }

    /// Any packet that carries text or nothing.
    pub(super) fn packet(packet: &Packet<'_>) -> Self {
        let mut text = String::new();
        packet.encode(&mut text);
        Self::build(FINAL_TEXT, |out| out.extend_from_slice(text.as_bytes()))
    }

    fn build(opcode: u8, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        SCRATCH.with_borrow_mut(|out| {
            // The header's length follows from the payload's, so it is written backwards into room
            // that was left for it.
            out.clear();
            out.extend_from_slice(&[0; MAX_HEADER]);
            write(out);
            let length = out.len() - MAX_HEADER;
            let start = match length {
                0..=125 => {
                    out[MAX_HEADER - 1] = length as u8;
                    MAX_HEADER - 2
                }
                126..=0xffff => {
                    out[MAX_HEADER - 2..MAX_HEADER].copy_from_slice(&(length as u16).to_be_bytes());
                    out[MAX_HEADER - 3] = 126;
                    MAX_HEADER - 4
                }
                _ => {
                    out[MAX_HEADER - 8..MAX_HEADER].copy_from_slice(&(length as u64).to_be_bytes());
                    out[MAX_HEADER - 9] = 127;
                    0
                }
            };
            out[start] = opcode;
            let frame = Self {
                wire: out[start..].into(),
                payload: (MAX_HEADER - start) as u8,
            };
            out.shrink_to(MAX_KEPT_BYTES);
            frame
        })
    }

    /// A WebSocket's close, with a code where there is one (RFC 6455, 5.5.1).
    pub(super) fn close(code: Option<u16>) -> Self {
        Self::control(match code {
            None => vec![CLOSE, 0],
            Some(code) => [&[CLOSE, 2][..], &code.to_be_bytes()].concat(),
        })
    }

    /// A whole WebSocket frame that is no packet: a pong, a close.
    pub(super) fn control(wire: Vec<u8>) -> Self {
        Self {
            wire: wire.into(),
            payload: 0,
        }
    }

    /// The WebSocket frame.
    pub(super) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Returns how many bytes it takes on a WebSocket.
    pub(super) fn len(&self) -> usize {
        self.wire.len()
    }

    /// Returns how many bytes of memory it takes.
    pub fn cost(&self) -> usize {
        self.wire.len() + OVERHEAD
    }

    /// Returns whether it answers a WebSocket's ping.
    pub(super) fn is_pong(&self) -> bool {
        self.wire.first() == Some(&PONG)
    }

    /// Returns the packet as polling writes it.
    #[cfg(test)]
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        self.encode_polling(&mut text);
        text
    }

    /// Appends the packet as polling writes it: text as it is, binary as `b` and base64.
    pub(super) fn encode_polling(&self, out: &mut String) {
        let payload = &self.wire[usize::from(self.payload)..];
        if self.wire.first() == Some(&FINAL_BINARY) {
            Packet::Binary(payload.into()).encode(out);
        } else {
            // Built from UTF-8; were it not, the client gets a replacement character and not our
            // panic.
            out.push_str(&String::from_utf8_lossy(payload));
        }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never its content: that is a person's message.
        write!(f, "Frame({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_payloads_length_in_its_three_forms() {
        for (length, header) in [
            (1, vec![0x81, 1]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (0xffff, vec![0x81, 126, 0xff, 0xff]),
            (0x1_0000, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::message(|out| out.resize(out.len() + length - 1, b'x'));
            assert_eq!(frame.wire()[..header.len()], header, "{length}");
            assert_eq!(frame.len(), header.len() + length);
            let mut polled = String::new();
            frame.encode_polling(&mut polled);
            assert_eq!(polled, format!("4{}", "x".repeat(length - 1)));
        }
    }

    #[test]
    fn a_binary_message_is_base64_in_a_poll() {
        let mut polled = String::new();
        Frame::binary(&[1, 2, 3, 4]).encode_polling(&mut polled);
        assert_eq!(polled, "bAQIDBA==");
    }
}
