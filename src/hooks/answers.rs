//! What an answer of a receiver means to its hook.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::follower::{DOWN, Follower, UNREAD_PAUSE};
use super::queue::{Chat, Place};
use super::request::{Outcome, Posted};
use super::retry::{Verdict, judge};
use crate::outgoing::{Answer, OutboundError};
use crate::store::{HookAnswer, HookPause};

/// 3 days: a receiver that fails for so long is asked no more.
const PATIENCE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// By the 12th try the pauses between two are an hour.
const MANY_TRIES: u32 = 12;

impl Follower {
    /// Takes in what came of an event.
    pub(super) fn take(&mut self, posted: Result<Posted, JoinError>) {
        let Ok(Posted { taken, outcome }) = posted else {
            tracing::error!(
                hook = self.hook.id.0,
                "a request of a hook failed by our mistake"
            );
            self.rests_until = Some(Instant::now() + UNREAD_PAUSE);
            return self.begin();
        };
        let answer = match outcome {
            Outcome::Void => return self.void(taken.chat, taken.place),
            Outcome::Unread => {
                let due = Instant::now() + UNREAD_PAUSE;
                return self.queue.failed(taken.chat, due, taken.offline);
            }
            Outcome::Asked(answer) => answer,
        };
        self.note_answer(&answer);
        let verdict = judge(&answer, taken.tries, self.shared.retry);
        self.shared.metrics.asked(match verdict {
            Verdict::Told => "told",
            Verdict::Again(_) => "failed",
            Verdict::SetAside => "set_aside",
            Verdict::Gone => "gone",
        });
        match verdict {
            Verdict::Told => self.told(taken.chat, taken.place),
            Verdict::SetAside => self.set_aside(taken.chat, taken.place),
            Verdict::Again(pause) => {
                let due = Instant::now() + jittered(pause);
                self.queue.failed(taken.chat, due, taken.offline);
                self.failed(taken.tries);
            }
            Verdict::Gone => {
                let due = Instant::now() + Duration::from_secs(1);
                self.queue.failed(taken.chat, due, taken.offline);
                self.pause(HookPause::Gone);
            }
        }
    }

    /// There is nothing to be told any more: it was erased, or retention took it, which is a gap.
    fn void(&mut self, chat: Chat, place: Place) {
        self.queue.done(chat);
        if let Place::Entry { entry, .. } = place
            && entry <= self.shared.store.retained()
        {
            self.note_gap();
        }
        self.note_health();
    }

    fn note_answer(&mut self, answer: &Result<Answer, OutboundError>) {
        let at_ms = (self.shared.clock)().as_ms();
        let (status, error) = match answer {
            Ok(answer) => (Some(answer.status.as_u16()), None),
            Err(error) => (None, Some(error.line().into())),
        };
        self.progress.last = Some(HookAnswer {
            at_ms,
            status,
            error,
        });
    }

    fn told(&mut self, chat: Chat, place: Place) {
        self.queue.done(chat);
        if let Place::Gap(_) = place {
            self.progress.gap = false;
        }
        if self.failures >= DOWN {
            self.queue.hasten(Instant::now());
        }
        self.failures = 0;
        self.note_health();
    }

    fn set_aside(&mut self, chat: Chat, place: Place) {
        self.queue.done(chat);
        self.progress.set_aside += 1;
        match place {
            Place::Gap(_) => self.progress.gap = false,
            Place::Account(_) => {}
            Place::Entry { entry, .. } => {
                let from = self.progress.set_aside_from.unwrap_or(u64::MAX);
                self.progress.set_aside_from = Some(from.min(entry - 1));
            }
        }
        self.failures = 0;
        self.note_health();
        tracing::warn!(
            hook = self.hook.id.0,
            "the receiver of a hook refuses an event, which is set aside"
        );
    }

    /// Notes whether something fails still.
    fn note_health(&mut self) {
        if !self.queue.is_failing() && self.progress.failing_since_ms.take().is_some() {
            tracing::info!(hook = self.hook.id.0, "a hook is well again");
        }
    }

    fn failed(&mut self, tries: u32) {
        self.failures = self.failures.saturating_add(1);
        let now = (self.shared.clock)().as_ms();
        if self.progress.failing_since_ms.is_none() {
            let last = self.progress.last.as_ref();
            tracing::warn!(
                hook = self.hook.id.0,
                status = last.and_then(|last| last.status),
                error = last.and_then(|last| last.error.as_deref()),
                "a hook fails, and is tried again"
            );
        }
        let since = *self.progress.failing_since_ms.get_or_insert(now);
        let longest = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        // One event has failed for long, and not each of many once.
        if now.saturating_sub(since) >= longest && tries >= MANY_TRIES {
            self.pause(HookPause::Failing);
        }
    }

    fn pause(&mut self, why: HookPause) {
        tracing::warn!(
            hook = self.hook.id.0,
            ?why,
            "a hook rests until it is resumed"
        );
        self.progress.paused = Some(why);
    }
}

/// A tenth more or less, so that what failed together does not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.9..=1.1))
}
