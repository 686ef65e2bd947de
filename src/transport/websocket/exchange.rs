//! One turn's reading and writing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::incoming::READ_SCRATCH;
use super::judge::Read;
use super::task::{Phase, Task};
use crate::engineio::CloseReason;

/// How a turn ends.
pub(super) enum Turn {
    /// Another follows when the task is woken.
    Over,
    /// The task is over.
    Last,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// Returns whether so much waits for the client, which does not take it, that nothing more is
    /// to be heard from it.
    pub(super) fn is_clogged(&self) -> bool {
        self.blocked.is_some() && self.live.outgoing.is_nearly_full()
    }

    /// Reads, unless nothing is to be heard from the client. Ready where the task is over.
    pub(super) fn hear(&mut self, cx: &mut Context<'_>, is_clogged: bool) -> Poll<()> {
        // A stopping server answers what it has heard, and hears no more.
        let is_deaf = self.phase == Phase::Open && self.live.outgoing.is_stopping();
        if self.phase == Phase::Closing || is_clogged || is_deaf {
            return Poll::Pending;
        }
        let read = self.incoming.read(
            &mut self.io,
            cx,
            &self.shared.config,
            &self.live,
            &mut self.phase,
            &mut self.written,
        );
        match read {
            Read::Pending => {}
            Read::Yield => cx.waker().wake_by_ref(),
            Read::Gone(reason) => {
                self.leave(reason);
                return Poll::Ready(());
            }
            Read::Closed => self.leave(CloseReason::TransportClose),
            Read::Close(reason, code) => {
                self.leave(reason);
                self.close(code);
            }
        }
        Poll::Pending
    }
}

/// Writing.
impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// Writes what there is. Ready once there is nothing to write and nothing will come: with the
    /// reason, where the session is closing.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<CloseReason>>> {
        loop {
            self.written.put_pong();
            if self.written.is_empty() {
                self.unblock();
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
                match self.phase {
                    Phase::Open => {
                        let frames = &mut self.written.frames;
                        if let Some(reason) = ready!(self.live.outgoing.poll_take(cx, frames)) {
                            return Poll::Ready(Ok(Some(reason)));
                        }
                    }
                    Phase::Probing | Phase::Refused => return Poll::Pending,
                    Phase::Closing => return Poll::Ready(Ok(None)),
                }
            }
            let count = ready!(self.written.write(&mut self.io, cx))?;
            if let Some(blocked) = &mut self.blocked {
                blocked.taken += count;
            }
        }
    }

    /// Writes, and acts on how that went. Ready where the turn ends here.
    pub(super) fn speak(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        match self.write(cx) {
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a connection broke while it was written to");
                self.leave(CloseReason::TransportError);
                Poll::Ready(Turn::Last)
            }
            Poll::Ready(Ok(Some(reason))) => {
                self.leave(reason);
                self.close(None);
                // Written in the next turn, together with what may have been read by then.
                cx.waker().wake_by_ref();
                Poll::Ready(Turn::Over)
            }
            Poll::Ready(Ok(None)) => Poll::Ready(match self.drain(cx) {
                Poll::Ready(()) => Turn::Last,
                Poll::Pending => Turn::Over,
            }),
            Poll::Pending => {
                let is_blocked = !self.written.is_empty() && self.phase == Phase::Open;
                if is_blocked && self.blocked.is_none() && !self.is_ending {
                    self.block(Instant::now());
                }
                Poll::Pending
            }
        }
    }

    /// Says that nothing follows, then reads and drops until the client has closed too.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(Pin::new(&mut self.io).poll_shutdown(cx)) {
            tracing::debug!(%error, "a connection broke while it was closed");
            return Poll::Ready(());
        }
        READ_SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let mut buffer = ReadBuf::new(scratch);
                match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {}
                    _ => return Poll::Ready(()),
                }
            }
        })
    }
}
