//! Where changes wait for the writer, and when it takes them.
//!
//! Bounded in changes and in bytes; at the bound a change is refused at once ([`StoreError::Busy`]), and its sender may
//! try again. A lone change is taken at once. A crowd is waited for, but never longer than the commit interval after
//! the last commit began:
//!
//! - where changes came while a commit was under way, others are coming too: the next commit begins an interval after
//!   the last one began, with all that came by then;
//! - where none came, whoever waits was in that commit and answers it: the next one begins as soon as as many are here.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::StoreError;
use super::writer::Job;

/// How many changes may wait: three full transactions.
pub(super) const QUEUE_CHANGES: usize = 16_384;
/// How many bytes of content may wait. 64 MiB: all places of the queue with a long message each.
const QUEUE_BYTES: usize = 64 << 20;
/// 5,000 changes in one transaction: beyond that a commit gets longer, and not cheaper by the change.
const BATCH: usize = 5_000;

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    bytes: usize,
    closed: bool,
    /// The writer is to look up, though nothing waits.
    poked: bool,
    /// The writer sleeps until so many wait; 0 where it does not sleep.
    wake_at: usize,
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    here: Condvar,
}

/// How the writer paces itself.
pub(super) struct Pace {
    interval: Duration,
    /// When the last commit began.
    began: Option<Instant>,
    /// How many changes it had.
    size: usize,
    /// Whether more came before it ended.
    busy: bool,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            began: None,
            size: 1,
            busy: false,
        }
    }
}

impl Queue {
    /// Adds one; gives it back with the reason where it may not wait.
    pub(super) fn push(&self, job: Job) -> Result<(), (Job, StoreError)> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err((job, StoreError::Unavailable));
        }
        if waiting.jobs.len() >= QUEUE_CHANGES || waiting.bytes + job.bytes() > QUEUE_BYTES {
            return Err((job, StoreError::Busy));
        }
        waiting.bytes += job.bytes();
        waiting.jobs.push(job);
        if waiting.jobs.len() == waiting.wake_at {
            waiting.wake_at = 0;
            drop(waiting);
            self.here.notify_one();
        }
        Ok(())
    }

    /// Has the writer look up, though nothing waits.
    pub(super) fn poke(&self) {
        self.waiting.lock().poked = true;
        self.here.notify_one();
    }

    /// Takes no more, and lets the writer have the rest.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.here.notify_one();
    }

    /// For the writer, right after a commit: notes whether it is busy.
    pub(super) fn committed(&self, pace: &mut Pace) {
        pace.busy = !self.waiting.lock().jobs.is_empty();
    }

    /// Waits for changes and takes them, at most a batch. Empty where none came by `until`, or the writer was poked; `None` once the queue is
    /// closed and empty.
    pub(super) fn take(&self, pace: &mut Pace, until: Option<Instant>) -> Option<Vec<Job>> {
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return None;
            }
            if std::mem::take(&mut waiting.poked) {
                return Some(Vec::new());
            }
            waiting.wake_at = 1;
            match until {
                None => self.here.wait(&mut waiting),
                Some(until) => {
                    if self.here.wait_until(&mut waiting, until).timed_out()
                        && waiting.jobs.is_empty()
                    {
                        waiting.wake_at = 0;
                        return Some(Vec::new());
                    }
                }
            }
        }
        let wanted = if pace.busy {
            BATCH
        } else {
            pace.size.min(BATCH)
        };
        if let Some(began) = pace.began {
            let latest = began + pace.interval;
            while waiting.jobs.len() < wanted && !waiting.closed {
                waiting.wake_at = wanted;
                if self.here.wait_until(&mut waiting, latest).timed_out() {
                    break;
                }
            }
        }
        waiting.wake_at = 0;
        let jobs = if waiting.jobs.len() > BATCH {
            let rest = waiting.jobs.split_off(BATCH);
            std::mem::replace(&mut waiting.jobs, rest)
        } else {
            // As much room as this one needed: the next one is most likely of its size.
            let room = waiting.jobs.len();
            std::mem::replace(&mut waiting.jobs, Vec::with_capacity(room))
        };
        waiting.bytes -= jobs.iter().map(Job::bytes).sum::<usize>();
        drop(waiting);
        (pace.began, pace.size) = (Some(Instant::now()), jobs.len());
        Some(jobs)
    }
}
