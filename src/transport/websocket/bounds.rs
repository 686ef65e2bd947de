//! Where one WebSocket frame ends and the next begins, counted from outside tungstenite.
//!
//! tungstenite joins fragments by itself and never gives buffers back. With the frames' bounds the
//! server can tell a flood of fragments from a long message, and can tell when nothing is pending,
//! so that a reader that has grown may be replaced by a fresh one.

use std::time::{Duration, Instant};

/// The first two bytes, eight of length and four of mask.
const MAX_HEADER: usize = 14;

/// Follows a client's bytes.
#[derive(Debug)]
pub(super) struct Bounds {
    header: [u8; MAX_HEADER],
    /// The bytes of the header that are read.
    header_read: u8,
    /// The bytes of the payload that are still to come.
    payload_left: u64,
    /// A message has begun whose last fragment has not.
    in_message: bool,
    /// The frame at hand is a control frame, which may stand among the fragments of a message.
    is_control: bool,
    /// The bytes that are read of the latest message's payload.
    message_read: usize,
    second: Instant,
    in_second: u32,
}

impl Bounds {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            header: [0; MAX_HEADER],
            header_read: 0,
            payload_left: 0,
            in_message: false,
            is_control: false,
            message_read: 0,
            second: now,
            in_second: 0,
        }
    }

    /// Returns whether all frames are whole, and all messages too.
    pub(super) fn is_between_messages(&self) -> bool {
        self.header_read == 0 && self.payload_left == 0 && !self.in_message
    }

    /// Returns how many bytes of a message are read that is not whole.
    pub(super) fn half_read(&self) -> usize {
        match self.in_message || self.payload_left > 0 && !self.is_control {
            true => self.message_read,
            false => 0,
        }
    }

    /// Takes in bytes of the client. Returns `false` where they have more than `most` frames in a
    /// second.
    pub(super) fn feed(&mut self, now: Instant, mut bytes: &[u8], most: u32) -> bool {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let skip = bytes
                    .len()
                    .min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
                self.payload_left -= skip as u64;
                if !self.is_control {
                    self.message_read += skip;
                }
                bytes = &bytes[skip..];
                continue;
            }
            self.header[usize::from(self.header_read)] = bytes[0];
            self.header_read += 1;
            bytes = &bytes[1..];
            if usize::from(self.header_read) == self.header_length() {
                self.begin();
                if !self.count(now, most) {
                    return false;
                }
            }
        }
        true
    }

    /// Returns how long the header is, as far as it is known.
    fn header_length(&self) -> usize {
        if self.header_read < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.header[1] & 0x80 == 0 { 0 } else { 4 }
    }

    /// The header is whole.
    fn begin(&mut self) {
        let extended = |count: usize| {
            self.header[2..2 + count]
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        self.payload_left = match self.header[1] & 0x7f {
            126 => extended(2),
            127 => extended(8),
            length => u64::from(length),
        };
        let (is_final, is_control) = (self.header[0] & 0x80 != 0, self.header[0] & 0x08 != 0);
        self.is_control = is_control;
        if !is_control {
            if !self.in_message {
                self.message_read = 0;
            }
            self.in_message = !is_final;
        }
        self.header_read = 0;
    }

    fn count(&mut self, now: Instant, most: u32) -> bool {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.in_second) = (now, 0);
        }
        self.in_second += 1;
        self.in_second <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES_A_SECOND: u32 = 20_000;

    /// A masked frame of a client.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..=125 => frame.push(0x80 | length as u8),
            126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + 4 + length, 7);
        frame
    }

    #[test]
    fn bounds_are_found_however_the_bytes_are_cut() {
        let now = Instant::now();
        let stream: Vec<u8> = [
            (0x81, 0),
            (0x82, 125),
            (0x01, 300),
            (0x89, 4),
            (0x00, 0),
            (0x80, 70_000),
        ]
        .iter()
        .flat_map(|(first, length)| frame(*first, *length))
        .collect();
        for step in [1, 2, 3, 7, 1_000, stream.len()] {
            let mut bounds = Bounds::new(now);
            let mut ends = 0;
            for bytes in stream.chunks(step) {
                assert!(bounds.feed(now, bytes, FRAMES_A_SECOND));
                ends += usize::from(bounds.is_between_messages());
            }
            assert!(bounds.is_between_messages() && ends > 0);
            assert_eq!(bounds.in_second, 6, "in steps of {step}");
        }
    }

    #[test]
    fn a_fragment_leaves_its_message_open_and_a_ping_within_it_does_not_close_it() {
        let mut bounds = Bounds::new(Instant::now());
        for (first, between) in [(0x01, false), (0x89, false), (0x00, false), (0x80, true)] {
            bounds.feed(Instant::now(), &frame(first, 3), FRAMES_A_SECOND);
            assert_eq!(bounds.is_between_messages(), between);
        }
    }

    #[test]
    fn what_is_half_read_of_a_message_is_counted_over_its_fragments() {
        let mut bounds = Bounds::new(Instant::now());
        let mut feed = |bytes: &[u8]| {
            assert!(bounds.feed(Instant::now(), bytes, FRAMES_A_SECOND));
            bounds.half_read()
        };
        let (first, last) = (frame(0x01, 300), frame(0x80, 200));
        assert_eq!(feed(&first[..first.len() - 100]), 200);
        assert_eq!(feed(&first[first.len() - 100..]), 300);
        assert_eq!(feed(&frame(0x89, 4)), 300, "a ping is no part of it");
        assert_eq!(feed(&last[..last.len() - 1]), 499);
        assert_eq!(feed(&last[last.len() - 1..]), 0);
        assert_eq!(feed(&frame(0x81, 50)[..30]), 30 - 6);
    }

    #[test]
    fn too_many_frames_in_a_second_are_noticed_and_the_next_second_is_a_new_one() {
        let start = Instant::now();
        let mut bounds = Bounds::new(start);
        let many: Vec<u8> = (0..FRAMES_A_SECOND).flat_map(|_| frame(0x00, 0)).collect();
        assert!(bounds.feed(start, &many, FRAMES_A_SECOND));
        assert!(!bounds.feed(start, &frame(0x00, 0), FRAMES_A_SECOND));
        assert!(bounds.feed(
            start + Duration::from_secs(1),
            &frame(0x00, 0),
            FRAMES_A_SECOND
        ));
    }
}
