//! The task of one connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::incoming::{Incoming, READ_SCRATCH};
use super::judge::Read;
use super::written::Written;
use crate::engineio::CloseReason;
use crate::transport::frame::Frame;
use crate::transport::live::Live;
use crate::transport::shared::Shared;

/// The most time for a client to answer our close, or to read why it was closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The present use of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It carries a session.
    Open,
    /// It wants to take a polling session over.
    Probing,
    /// It came for a session that has a WebSocket.
    Refused,
    /// A close frame is sent, or about to be; what the client still says is read and dropped, so
    /// that it sees the close and no reset.
    Closing,
}

/// The task of one connection. Each of its turns tells the time, reads, writes, and looks whether
/// the session is closing.
pub(super) struct Task<S> {
    pub(super) io: S,
    shared: Arc<Shared>,
    pub(super) live: Arc<Live>,
    pub(super) phase: Phase,
    pub(super) incoming: Incoming,
    pub(super) written: Written,
    timer: Pin<Box<Sleep>>,
    timer_at: Instant,
    /// The session is closing, and its last frames have until the timer to be written.
    is_ending: bool,
    /// That the connection takes no more, though something waits.
    pub(super) blocked: Option<Blocked>,
}

/// How a connection that takes no more gets on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocked {
    pub(super) since: Instant,
    /// The bytes that it has taken since.
    taken: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// Begins on a connection of which `read` was read already.
    pub(super) fn new(
        io: S,
        read: &[u8],
        shared: &Arc<Shared>,
        live: Arc<Live>,
        phase: Phase,
    ) -> Self {
        let (now, config) = (Instant::now(), &shared.config);
        let timer_at = match phase {
            Phase::Open => live.deadline(),
            _ => now + config.upgrade_timeout,
        };
        let mut task = Self {
            io,
            shared: Arc::clone(shared),
            live,
            phase,
            incoming: Incoming::new(now, read, config.limits.frames_a_second),
            written: Written::default(),
            timer: Box::pin(tokio::time::sleep_until(timer_at.into())),
            timer_at,
            is_ending: false,
            blocked: None,
        };
        if phase == Phase::Refused {
            task.close(None);
        }
        task
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer_at = at;
        self.timer.as_mut().reset(at.into());
    }

    /// Gives up what this connection was for.
    fn leave(&mut self, reason: CloseReason) {
        match self.phase {
            Phase::Open => {
                self.live.end(reason);
                self.live.forget();
            }
            Phase::Probing => self.live.outgoing.give_up_upgrade(),
            Phase::Refused | Phase::Closing => {}
        }
        self.phase = Phase::Closing;
        self.incoming.give_up();
        self.set_timer(Instant::now() + CLOSE_TIMEOUT);
    }

    /// Sends a close frame after what is being written.
    fn close(&mut self, code: Option<u16>) {
        self.written.push(Frame::close(code));
        self.phase = Phase::Closing;
        self.set_timer(Instant::now() + CLOSE_TIMEOUT);
    }

    /// Leaves a client that does not read: what waits for it is dropped. Ready where not even a
    /// close can be written, since a frame is half written.
    fn abandon(&mut self, reason: CloseReason) -> Poll<()> {
        self.leave(reason);
        if self.written.is_half_written() {
            return Poll::Ready(());
        }
        self.written.clear();
        self.close(None);
        Poll::Pending
    }
}

/// The time.
impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// Acts on the timer, where it rang. Ready where the task is over.
    fn tell_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.expired().is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn expired(&mut self) -> Poll<()> {
        match self.phase {
            Phase::Closing => return Poll::Ready(()),
            Phase::Probing | Phase::Refused => {
                self.leave(CloseReason::TransportError);
                self.close(None);
            }
            Phase::Open if self.is_ending => return self.abandon(CloseReason::TransportError),
            Phase::Open => {
                let now = Instant::now();
                if let Some(blocked) = self.blocked {
                    return self.judge(now, blocked);
                }
                self.live.tick(now);
                if self.live.is_over() {
                    return self.abandon(CloseReason::PingTimeout);
                }
                self.set_timer(self.live.deadline());
            }
        }
        Poll::Pending
    }

    /// Judges a connection that takes no more by what it took of late. Pings are of no use
    /// meanwhile: they wait behind the rest, and so do their answers. Ready where the task is over.
    pub(super) fn judge(&mut self, now: Instant, blocked: Blocked) -> Poll<()> {
        let limits = &self.shared.config.limits;
        let due = blocked.since + limits.write_timeout;
        if now < due {
            self.set_timer(due);
        } else if blocked.taken < limits.min_progress {
            return self.abandon(CloseReason::SlowConsumer);
        } else {
            self.block(now);
        }
        Poll::Pending
    }

    /// The connection takes no more at the moment.
    pub(super) fn block(&mut self, now: Instant) {
        self.blocked = Some(Blocked {
            since: now,
            taken: 0,
        });
        self.set_timer(now + self.shared.config.limits.write_timeout);
    }

    /// The connection has taken all that was to be written. A ping that went with it is answered
    /// only now.
    fn unblock(&mut self) {
        if self.blocked.take().is_some() {
            self.live.heard_of(Instant::now());
        }
    }

    /// Brings the timer forward to the session's deadline. A later one is found out when the timer
    /// rings: most pongs need no new timer.
    fn bring_timer_forward(&mut self) {
        if self.phase == Phase::Open && !self.is_ending && self.blocked.is_none() {
            let deadline = self.live.deadline();
            if deadline < self.timer_at {
                self.set_timer(deadline);
            }
        }
    }
}

/// Reading.
impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// Returns whether so much waits for the client, which does not take it, that nothing more is
    /// to be heard from it.
    fn is_clogged(&self) -> bool {
        self.blocked.is_some() && self.live.outgoing.is_nearly_full()
    }

    /// Reads, unless nothing is to be heard from the client. Ready where the task is over.
    fn hear(&mut self, cx: &mut Context<'_>, is_clogged: bool) -> Poll<()> {
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
    fn speak(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        match self.write(cx) {
            Poll::Ready(Err(error)) => {
                tracing::trace!(%error, "a connection broke while it was written to");
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
            tracing::trace!(%error, "a connection broke while it was closed");
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

    /// Acts on a session that is closing. Ready where the task is over.
    fn heed_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reason = ready!(self.live.outgoing.poll_closing(cx));
        match (self.phase, reason) {
            (Phase::Open, CloseReason::SlowConsumer | CloseReason::PingTimeout) => {
                if self.abandon(reason).is_ready() {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
            }
            // A client that is told to stop polling and then loses the WebSocket does neither until
            // its pings fail. So one that is being tried stays until the client has made up its
            // mind.
            (Phase::Open | Phase::Probing, _) if !self.is_ending => {
                self.is_ending = true;
                self.set_timer(Instant::now() + CLOSE_TIMEOUT);
                cx.waker().wake_by_ref();
            }
            _ => {}
        }
        Poll::Pending
    }
}

/// How a turn ends.
enum Turn {
    /// Another follows when the task is woken.
    Over,
    /// The task is over.
    Last,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Task<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = self.get_mut();
        if task.tell_time(cx).is_ready() {
            return Poll::Ready(());
        }
        let was_probing = task.phase == Phase::Probing;
        if was_probing {
            task.live.outgoing.begin_look();
        }
        let was_clogged = task.is_clogged();
        if task.hear(cx, was_clogged).is_ready() {
            return Poll::Ready(());
        }
        if was_probing {
            task.live.outgoing.end_look();
        }
        task.bring_timer_forward();
        match task.speak(cx) {
            Poll::Ready(Turn::Last) => return Poll::Ready(()),
            Poll::Ready(Turn::Over) => return Poll::Pending,
            Poll::Pending => {}
        }
        if was_clogged && !task.is_clogged() {
            // What the client sent meanwhile is read in the next turn.
            cx.waker().wake_by_ref();
        }
        task.heed_closing(cx)
    }
}

impl<S> Drop for Task<S> {
    /// A runtime that stops, or a panic in a handler, drops the task in mid-session: those
    /// concerned must be told.
    fn drop(&mut self) {
        if self.phase == Phase::Open {
            self.live.end(CloseReason::TransportError);
            self.live.forget();
        }
    }
}
