//! The task of one connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::exchange::Turn;
use super::incoming::Incoming;
use super::pace::Blocked;
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
    pub(super) shared: Arc<Shared>,
    pub(super) live: Arc<Live>,
    pub(super) phase: Phase,
    pub(super) incoming: Incoming,
    pub(super) written: Written,
    pub(super) timer: Pin<Box<Sleep>>,
    pub(super) timer_at: Instant,
    /// The session is closing, and its last frames have until the timer to be written.
    pub(super) is_ending: bool,
    /// That the connection takes no more, though something waits.
    /// In a box, since hardly any does and each connection has the room.
    pub(super) blocked: Option<Box<Blocked>>,
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

    pub(super) fn set_timer(&mut self, at: Instant) {
        self.timer_at = at;
        self.timer.as_mut().reset(at.into());
    }

    /// Gives up what this connection was for.
    pub(super) fn leave(&mut self, reason: CloseReason) {
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
    pub(super) fn close(&mut self, code: Option<u16>) {
        self.written.push(Frame::close(code));
        self.phase = Phase::Closing;
        self.set_timer(Instant::now() + CLOSE_TIMEOUT);
    }

    /// Leaves a client that does not read: what waits for it is dropped. Ready where not even a
    /// close can be written, since a frame is half written.
    pub(super) fn abandon(&mut self, reason: CloseReason) -> Poll<()> {
        self.leave(reason);
        if self.written.is_half_written() {
            return Poll::Ready(());
        }
        self.written.clear();
        self.close(None);
        Poll::Pending
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
