//! What is being written to the client: frames that were taken from the outbox, and control frames.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::incoming::SCRATCH;
use crate::transport::frame::Frame;

thread_local! {
    static WRITE_SCRATCH: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(SCRATCH));
}

/// The writing half of a connection.
#[derive(Default)]
pub(super) struct Written {
    pub(super) frames: VecDeque<Frame>,
    /// The bytes of the first of them that are written.
    begun: usize,
    /// The answer to the client's latest ping; to earlier ones none is due any more (RFC 6455,
    /// 5.5.3).
    /// In a box, since clients hardly ever ping and each connection has the room.
    pong: Option<Box<Frame>>,
}

impl Written {
    /// Returns whether nothing is to be written but a pong.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns whether a frame is written in part, so that no other may begin.
    pub(super) fn is_half_written(&self) -> bool {
        self.begun > 0
    }

    /// Takes the answer to the latest ping.
    pub(super) fn set_pong(&mut self, pong: Frame) {
        self.pong = Some(Box::new(pong));
    }

    /// Puts a frame after all others.
    pub(super) fn push(&mut self, frame: Frame) {
        self.frames.push_back(frame);
    }

    /// Puts a control frame before all data, but after a frame that is half written.
    pub(super) fn push_first(&mut self, frame: Frame) {
        self.frames.insert(usize::from(self.begun > 0), frame);
    }

    /// Drops all that is not yet written.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts the answer to the latest ping before all data, in place of an earlier one that has not
    /// begun to be written.
    pub(super) fn put_pong(&mut self) {
        if self.begun > 0 {
            return;
        }
        if let Some(pong) = self.pong.take() {
            match self.frames.front_mut().filter(|first| first.is_pong()) {
                Some(first) => *first = *pong,
                None => self.frames.push_front(*pong),
            }
        }
    }

    /// Writes once, of one frame or of many gathered. Returns how many bytes were taken.
    pub(super) fn write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let count = if self.frames.len() == 1 {
            ready!(Pin::new(io).poll_write(cx, &self.frames[0].wire()[self.begun..]))?
        } else {
            let written = WRITE_SCRATCH.with_borrow_mut(|scratch| {
                self.gather(scratch);
                Pin::new(io).poll_write(cx, scratch)
            });
            ready!(written)?
        };
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.begun += count;
        while let Some(first) = self.frames.front()
            && self.begun >= first.len()
        {
            self.begun -= first.len();
            self.frames.pop_front();
        }
        Poll::Ready(Ok(count))
    }

    /// Copies frames into one buffer, up to its size.
    fn gather(&self, scratch: &mut Vec<u8>) {
        scratch.clear();
        let mut skip = self.begun;
        for frame in &self.frames {
            let wire = &frame.wire()[skip..];
            skip = 0;
            let room = SCRATCH - scratch.len();
            scratch.extend_from_slice(&wire[..wire.len().min(room)]);
            if wire.len() >= room {
                return;
            }
        }
    }
}
