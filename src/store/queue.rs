//! Where changes wait for the writer, and when it takes them.
//!
//! Bounded in changes and in bytes; at the bound a change is refused at once ([`StoreError::Busy`]), and its sender may
//! try again. A lone change is taken at once. A crowd is waited for, but never longer than the commit interval after
//! the last commit began:
//!
//! - where changes came while a commit was under way, others are coming too: the next commit begins an interval after
//!   the last one began, with all that came by then;
//! - where none came, whoever waits was in that commit and answers it: the next one begins as soon as as many are here,
//!   and does not wait for longer than half of what the last one took.
//!
//! [`ENOUGH`] changes are never kept waiting: more of them make a commit longer, and hardly cheaper by the change.

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
/// So many are worth a commit at once: what a commit costs by itself is a tenth of theirs by then.
const ENOUGH: usize = 512;

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
    ended: Option<Instant>,
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
            ended: None,
            size: 1,
            busy: false,
        }
    }

    /// How many changes are waited for, and until when at most; `None` where the first one is taken at once.
    fn crowd(&self) -> Option<(usize, Instant)> {
        let (began, ended) = (self.began?, self.ended?);
        let wanted = if self.busy {
            ENOUGH
        } else {
            self.size.min(ENOUGH)
        };
        if wanted <= 1 || self.interval.is_zero() {
            return None;
        }
        let mut latest = began + self.interval;
        if !self.busy {
            latest = latest.max(ended + (ended - began) / 2);
        }
        (latest > Instant::now()).then_some((wanted, latest))
    }
}

impl Queue {
    /// Adds one. One that may not wait is answered with the reason at once.
    pub(super) fn push(&self, job: Job) {
        let mut waiting = self.waiting.lock();
        let refusal = if waiting.closed {
            Some(StoreError::Unavailable)
        } else if waiting.jobs.len() >= QUEUE_CHANGES || waiting.bytes + job.bytes() > QUEUE_BYTES {
            Some(StoreError::Busy)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            drop(waiting);
            return (job.answer)(Err(refusal));
        }
        waiting.bytes += job.bytes();
        waiting.jobs.push(job);
        if waiting.jobs.len() == waiting.wake_at {
            waiting.wake_at = 0;
            drop(waiting);
            self.here.notify_one();
        }
    }

    /// How many changes wait, and how many bytes of content.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let waiting = self.waiting.lock();
        (waiting.jobs.len(), waiting.bytes)
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
        pace.ended = Some(Instant::now());
    }

    /// Waits for changes and takes them, at most a batch. Empty where none came by `until`, or the writer was poked; `None`
    /// once the queue is closed and empty.
    pub(super) fn take(&self, pace: &mut Pace, until: Option<Instant>) -> Option<Vec<Job>> {
        let mut crowd = pace.crowd();
        let mut waiting = self.waiting.lock();
        loop {
            let here = waiting.jobs.len();
            if here >= crowd.map_or(1, |(wanted, _)| wanted) {
                break;
            }
            if waiting.closed {
                if here == 0 {
                    return None;
                }
                break;
            }
            if std::mem::take(&mut waiting.poked) && here == 0 {
                return Some(Vec::new());
            }
            // Woken once, when all are here, and not by the first of them.
            waiting.wake_at = crowd.map_or(1, |(wanted, _)| wanted);
            match (crowd, until) {
                (Some((_, latest)), _) => {
                    if self.here.wait_until(&mut waiting, latest).timed_out() {
                        crowd = None;
                    }
                }
                (None, None) => self.here.wait(&mut waiting),
                (None, Some(until)) => {
                    if self.here.wait_until(&mut waiting, until).timed_out()
                        && waiting.jobs.is_empty()
                    {
                        waiting.wake_at = 0;
                        return Some(Vec::new());
                    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessageId, Timestamp, UserId};
    use crate::store::Change;

    /// Longer than any test: what waits for it waits for ever.
    const LONG: Duration = Duration::from_secs(3_600);

    /// Adds a change of so many bytes; gives the answer, where there is one at once.
    fn try_push(queue: &Queue, bytes: usize) -> Option<StoreError> {
        let id = |number| UserId::new(number).unwrap();
        let change = if bytes == 0 {
            Change::MarkRead {
                reader: id(1),
                message: MessageId::new(1).unwrap(),
            }
        } else {
            Change::Send {
                sender: id(1),
                receiver: id(2),
                content: "x".repeat(bytes).into(),
                client_id: None,
            }
        };
        let (answer, answered) = std::sync::mpsc::channel();
        queue.push(Job {
            now: Timestamp::from_ms(0),
            change,
            answer: Box::new(move |result| drop(answer.send(result.err()))),
        });
        answered.try_recv().ok().flatten()
    }

    fn push(queue: &Queue, count: usize) {
        for _ in 0..count {
            assert!(try_push(queue, 0).is_none());
        }
    }

    fn after(size: usize, busy: bool, interval: Duration) -> Pace {
        let now = Instant::now();
        Pace {
            interval,
            began: Some(now),
            ended: Some(now),
            size,
            busy,
        }
    }

    #[test]
    fn a_lone_change_is_taken_at_once_and_a_crowd_when_it_is_complete() {
        for (mut pace, here) in [
            (Pace::new(LONG), 1),
            (after(1, false, LONG), 1),
            (after(40, false, LONG), 40),
            (after(2_000, false, LONG), ENOUGH),
            (after(1, true, LONG), ENOUGH),
            (after(40, true, Duration::ZERO), 1),
        ] {
            let queue = Queue::default();
            push(&queue, here);
            assert_eq!(queue.take(&mut pace, None).unwrap().len(), here);
            assert_eq!(pace.size, here);
        }
    }

    #[test]
    fn a_crowd_that_is_not_complete_is_waited_for() {
        let queue = Queue::default();
        push(&queue, 2);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| queue.take(&mut after(3, false, LONG), None));
            push(&queue, 1);
            assert_eq!(taken.join().unwrap().unwrap().len(), 3);
        });
        // One that has gone away is waited for no longer than the interval.
        push(&queue, 1);
        let taken = queue.take(&mut after(3, false, Duration::from_millis(1)), None);
        assert_eq!(taken.unwrap().len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_in_changes_and_in_bytes_and_gives_its_place_back() {
        let queue = Queue::default();
        push(&queue, QUEUE_CHANGES);
        assert!(matches!(try_push(&queue, 0), Some(StoreError::Busy)));
        let mut pace = Pace::new(Duration::ZERO);
        assert_eq!(queue.take(&mut pace, None).unwrap().len(), BATCH);
        push(&queue, BATCH);
        queue.close();
        assert!(matches!(try_push(&queue, 0), Some(StoreError::Unavailable)));
        let mut left = 0;
        while let Some(jobs) = queue.take(&mut pace, None) {
            left += jobs.len();
        }
        assert_eq!(left, QUEUE_CHANGES);

        let queue = Queue::default();
        assert!(try_push(&queue, QUEUE_BYTES - 10).is_none());
        assert!(matches!(try_push(&queue, 11), Some(StoreError::Busy)));
        assert_eq!(queue.take(&mut pace, None).unwrap().len(), 1);
        assert!(try_push(&queue, 11).is_none());
    }

    #[test]
    fn a_poke_or_the_time_ends_a_wait_with_nothing() {
        let queue = Queue::default();
        let mut pace = Pace::new(LONG);
        queue.poke();
        assert!(queue.take(&mut pace, None).unwrap().is_empty());
        let until = Some(Instant::now());
        assert!(queue.take(&mut pace, until).unwrap().is_empty());
    }
}
