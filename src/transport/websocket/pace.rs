//! The time of a connection: pings, and whether its client keeps up.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};

use super::task::{Phase, Task};
use crate::engineio::CloseReason;

/// How a connection that takes no more gets on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocked {
    pub(super) since: Instant,
    /// The bytes that it has taken since.
    pub(super) taken: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// Acts on the timer, where it rang. Ready where the task is over.
    pub(super) fn tell_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
                if let Some(blocked) = self.blocked.as_deref().copied() {
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
        self.blocked = Some(Box::new(Blocked {
            since: now,
            taken: 0,
        }));
        self.set_timer(now + self.shared.config.limits.write_timeout);
    }

    /// The connection has taken all that was to be written. A ping that went with it is answered
    /// only now.
    pub(super) fn unblock(&mut self) {
        if self.blocked.take().is_some() {
            self.live.heard_of(Instant::now());
        }
    }

    /// Brings the timer forward to the session's deadline. A later one is found out when the timer
    /// rings: most pongs need no new timer.
    pub(super) fn bring_timer_forward(&mut self) {
        if self.phase == Phase::Open && !self.is_ending && self.blocked.is_none() {
            let deadline = self.live.deadline();
            if deadline < self.timer_at {
                self.set_timer(deadline);
            }
        }
    }
}
