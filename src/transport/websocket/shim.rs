//! What tungstenite takes for a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};

use super::bounds::Bounds;
use crate::transport::frame::PONG;

/// 64 KiB: how many bytes one turn reads before others get theirs, since many fragments make no
/// message.
const BYTES_A_TURN: usize = 64 * 1_024;

/// The reason that a turn reads no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Others are to have theirs.
    TurnIsOver,
    /// The client floods.
    TooManyFrames,
}

/// A stream for tungstenite during one turn: it reads from the connection through the thread's
/// scratch buffer, and writes only pongs and the answer to a close, which are collected.
pub(super) struct Shim<'a, 'cx, S> {
    pub(super) io: &'a mut S,
    pub(super) cx: &'a mut Context<'cx>,
    /// When it read last. The clock is asked for once a read: dozens of messages come with one.
    pub(super) now: Instant,
    pub(super) bounds: &'a mut Bounds,
    /// Frames of the client in one second.
    pub(super) frames_a_second: u32,
    pub(super) scratch: &'a mut [u8],
    pub(super) filled: usize,
    pub(super) taken: usize,
    /// The bytes that this turn has read.
    pub(super) total: usize,
    /// The reason that it reads no more in this turn, though there may be more.
    pub(super) stopped: Option<Stopped>,
    /// Bytes that an earlier turn has read and not used.
    pub(super) before: &'a [u8],
    pub(super) control: Vec<u8>,
    /// The answer to the latest ping of this turn.
    pub(super) pong: Option<Vec<u8>>,
}

impl<S: AsyncRead + Unpin> Shim<'_, '_, S> {
    /// Reads once from the connection.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        if self.total >= BYTES_A_TURN {
            self.stopped = Some(Stopped::TurnIsOver);
        }
        if self.stopped.is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut buffer = ReadBuf::new(self.scratch);
        // Through tokio's own poll, which makes way for others when this task has had its share.
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer) {
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(read) => read?,
        }
        if self.total > 0 {
            self.now = Instant::now();
        }
        (self.taken, self.filled) = (0, buffer.filled().len());
        self.total += self.filled;
        let read = &self.scratch[..self.filled];
        if !self.bounds.feed(self.now, read, self.frames_a_second) {
            (self.filled, self.stopped) = (0, Some(Stopped::TooManyFrames));
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> io::Read for Shim<'_, '_, S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.before.is_empty() {
            return self.before.read(out);
        }
        if self.taken == self.filled {
            self.fill()?;
        }
        let count = out.len().min(self.filled - self.taken);
        out[..count].copy_from_slice(&self.scratch[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

impl<S> io::Write for Shim<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole frames without a mask, and short ones: a control frame has at most 125 bytes.
        let mut rest = bytes;
        while let [first, length, ..] = rest {
            let (frame, after) = rest.split_at(rest.len().min(2 + usize::from(*length)));
            if *first == PONG {
                self.pong = Some(frame.to_vec());
            } else {
                self.control.extend_from_slice(frame);
            }
            rest = after;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
