//! Where changes wait for the writer, and when it takes them.
//!
//! Bounded in changes and in bytes; at the bound a change is refused at once
//! ([`StoreError::Busy`]), and its sender may try again. A lone change is taken at once, and so are
//! a few ([`FEW`]). A crowd is waited for, but never longer than the commit interval after the last
//! commit began:
//!
//! - where changes came while a commit was under way, others are coming too: the next commit begins
//!   an interval after the last one began, with all that came by then;
//! - where none came, whoever waits was in that commit and answers it: the next one begins as soon
//!   as as many are here, and does not wait for longer than half of what the last one took.
//!
//! A crowd of which there lately were [`LARGE`] and more at once is taken by halves, as soon as one
//! is here: while one is committed the other is judged. So the writer has two threads: one commits,
//! the other judges what comes next, or sleeps here; whoever takes changes has the turn to judge
//! until [`Queue::judged`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::model::{Pair, Timestamp};
use crate::store::change::{Answer, Change};
use crate::store::error::StoreError;
use crate::store::people::reports::ReportAct;
use crate::store::people::sessions::SessionAct;

/// 640 bytes that a waiting change takes beside its content: its job, the room that a list has left
/// that has just grown, and what its answer keeps for whoever asked.
const BESIDE: usize = 640;
/// How many changes may wait: three full transactions.
pub(crate) const QUEUE_CHANGES: usize = 16_384;
/// 5,000 changes in one transaction: beyond that a commit gets longer, and not cheaper by the
/// change.
const BATCH: usize = 5_000;
/// So many are worth two commits: what a commit costs by itself is a quarter of what half of them
/// cost by then.
const LARGE: usize = 512;
/// So many at once are not worth waiting for: that saves a commit or two, and costs each of them
/// more than its own commit does.
const FEW: usize = 3;
/// What a crowd is thought to be shrinks by such a part once in so many commits, unless as many are
/// found: slowly, for those who come at random are not always as many.
const SHRINKS: usize = 16;

/// One queued change.
pub(crate) struct Job {
    pub(crate) now: Timestamp,
    pub(crate) change: Change,
    pub(crate) answer: Answer,
}

impl Job {
    /// Returns the two people it is about, where that can be told without reading.
    pub(crate) fn pair(&self) -> Option<Pair> {
        match &self.change {
            Change::Talk(talk) => talk.pair(),
            _ => None,
        }
    }

    /// Returns how many bytes wait with it, about.
    pub(crate) fn bytes(&self) -> usize {
        let content = match &self.change {
            Change::Talk(talk) => talk.act.bytes(),
            Change::Seen(visits) => size_of_val(&**visits),
            Change::Session(SessionAct::Used(uses)) => size_of_val(&**uses),
            Change::Report(ReportAct::File(new)) => {
                let copy = new
                    .message
                    .as_ref()
                    .map_or(0, |message| message.content.len());
                new.reason.len() + copy
            }
            _ => 0,
        };
        BESIDE + content
    }
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    bytes: usize,
    closed: bool,
    /// The writer has fallen: nothing is taken any more.
    halted: bool,
    /// The writer is to look up, though nothing waits.
    poked: bool,
    /// Somebody has taken changes and judges them; nobody else may take any.
    judging: bool,
    /// Takings that are not committed yet, the oldest first: how many changes each has.
    in_flight: VecDeque<usize>,
    pace: Pace,
    /// How many threads of the writer sleep here.
    sleepers: usize,
    /// One of them is to be woken when so many wait; 0 where none is.
    wake_at: usize,
}

/// The queue.
pub(crate) struct Queue {
    interval: Duration,
    /// How many bytes may wait; 64 MiB are seven of eight places of the queue with a long message
    /// each.
    most_bytes: usize,
    waiting: Mutex<Waiting>,
    here: Condvar,
}

/// How the writer paces itself.
struct Pace {
    /// When the last taking was.
    began: Option<Instant>,
    /// When the last commit ended.
    ended: Option<Instant>,
    /// How many changes the last taking had.
    size: usize,
    /// How many there lately were at once, in flight and waiting.
    crowd: usize,
    /// How many commits there were.
    commits: usize,
    /// Whether more came before the last commit ended.
    busy: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            began: None,
            ended: None,
            size: 1,
            crowd: 1,
            commits: 0,
            busy: false,
        }
    }
}

impl Pace {
    /// Whether it is better taken by halves.
    fn is_large(&self) -> bool {
        self.crowd >= LARGE
    }

    /// How many changes are waited for, and until when at most; `None` where the first one is taken
    /// at once.
    fn wanted(&self, interval: Duration) -> Option<(usize, Instant)> {
        let (began, ended) = (self.began?, self.ended?);
        if self.crowd <= FEW {
            return None;
        }
        let mut wanted = BATCH;
        if self.is_large() {
            wanted = (self.crowd / 2).min(BATCH);
        }
        if !self.busy {
            wanted = wanted.min(self.size);
        }
        if wanted <= 1 || interval.is_zero() {
            return None;
        }
        let mut latest = began + interval;
        if !self.busy {
            latest = latest.max(ended + ended.saturating_duration_since(began) / 2);
        }
        (latest > Instant::now()).then_some((wanted, latest))
    }
}

impl Waiting {
    /// How many changes must be here to be taken now, and until when that is so at most.
    fn wanted(&self, interval: Duration) -> (usize, Option<Instant>) {
        if self.judging {
            return (usize::MAX, None);
        }
        if let Some(beside) = self.wanted_beside() {
            return (beside, None);
        }
        match self.pace.wanted(interval) {
            Some((wanted, latest)) => (wanted, Some(latest)),
            None => (1, None),
        }
    }

    /// How many are taken while a commit is under way: half of the others of a large crowd, since
    /// the rest will come while these are judged. Fewer are left to whoever comes here after that
    /// commit. `None` where none is under way.
    fn wanted_beside(&self) -> Option<usize> {
        if self.in_flight.is_empty() {
            return None;
        }
        if !self.pace.is_large() {
            return Some(BATCH);
        }
        let others = self.pace.crowd.saturating_sub(self.in_flight());
        Some((others / 2).clamp(LARGE / 2, BATCH))
    }

    fn in_flight(&self) -> usize {
        self.in_flight.iter().sum()
    }

    /// Notes how many there are at once, where they are more than `thought`.
    fn count(&mut self, thought: usize) {
        self.pace.crowd = thought.max(self.jobs.len() + self.in_flight()).max(1);
    }
}

impl Queue {
    /// An empty one for `most_bytes` of changes; where changes come faster than commits, these are
    /// so far apart.
    pub(crate) fn new(interval: Duration, most_bytes: usize) -> Self {
        Self {
            interval,
            most_bytes,
            waiting: Mutex::default(),
            here: Condvar::new(),
        }
    }

    /// Adds one. One that may not wait is answered with the reason at once.
    pub(crate) fn push(&self, job: Job) {
        let mut waiting = self.waiting.lock();
        let refusal = if waiting.closed || waiting.halted {
            Some(StoreError::Unavailable)
        } else if waiting.jobs.len() >= QUEUE_CHANGES
            || waiting.bytes + job.bytes() > self.most_bytes
        {
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

    /// Returns how many changes wait, and how many bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let waiting = self.waiting.lock();
        (waiting.jobs.len(), waiting.bytes)
    }

    /// Has the writer look up, though nothing waits.
    pub(crate) fn poke(&self) {
        self.waiting.lock().poked = true;
        self.here.notify_one();
    }

    /// Takes no more, and lets the writer have the rest.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.here.notify_all();
    }

    /// Takes no more and gives no more: a thread of the writer panics, and what it leaves is not to
    /// be built upon. Those who wait are told by [`Queue::halt`], once it holds nothing that they
    /// may ask for.
    pub(crate) fn stop(&self) {
        self.waiting.lock().halted = true;
        self.here.notify_all();
    }

    /// Does the same, and tells those who wait.
    pub(crate) fn halt(&self) {
        let jobs = {
            let mut waiting = self.waiting.lock();
            (waiting.halted, waiting.bytes) = (true, 0);
            std::mem::take(&mut waiting.jobs)
        };
        self.here.notify_all();
        for job in jobs {
            (job.answer)(Err(StoreError::Unavailable));
        }
    }

    /// Whether [`Queue::stop`] or [`Queue::halt`] was called.
    pub(crate) fn is_halted(&self) -> bool {
        self.waiting.lock().halted
    }

    /// For whoever has the turn to judge: takes what has come since, as far as the batch has room.
    /// How many that is.
    pub(crate) fn take_more(&self, jobs: &mut Vec<Job>) -> usize {
        let mut waiting = self.waiting.lock();
        let count = waiting.jobs.len().min(BATCH.saturating_sub(jobs.len()));
        let from = jobs.len();
        jobs.extend(waiting.jobs.drain(..count));
        waiting.bytes -= jobs[from..].iter().map(Job::bytes).sum::<usize>();
        if let Some(last) = waiting.in_flight.back_mut() {
            *last = jobs.len();
        }
        waiting.pace.size = jobs.len();
        count
    }

    /// What was taken is judged, and is about to be committed: more may be taken, to be judged
    /// beside that.
    pub(crate) fn judged(&self) {
        let mut waiting = self.waiting.lock();
        waiting.judging = false;
        if waiting.sleepers > 0 {
            let beside = waiting.wanted_beside().unwrap_or(1);
            if waiting.closed || waiting.poked || waiting.jobs.len() >= beside {
                self.here.notify_one();
            } else {
                waiting.wake_at = beside;
            }
        }
    }

    /// The oldest taking is committed, or refused: notes whether the writer is busy. One of nothing
    /// says nothing of that.
    pub(crate) fn committed(&self) {
        let mut waiting = self.waiting.lock();
        let thought = waiting.pace.crowd;
        waiting.count(thought);
        if waiting.in_flight.pop_front() == Some(0) {
            return;
        }
        waiting.pace.commits += 1;
        if waiting.pace.commits.is_multiple_of(SHRINKS) {
            let crowd = waiting.pace.crowd;
            waiting.count(crowd - crowd.div_ceil(SHRINKS));
        }
        waiting.pace.busy = !waiting.in_flight.is_empty() || !waiting.jobs.is_empty();
        waiting.pace.ended = Some(Instant::now());
    }

    /// Waits for changes and takes them, at most a batch, with the turn to judge them. Empty where
    /// none came by `until`, or the writer was poked; `None` once the queue is closed and empty.
    pub(crate) fn take(&self, until: Option<Instant>) -> Option<Vec<Job>> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.halted {
                return None;
            }
            let here = waiting.jobs.len();
            let (wanted, latest) = waiting.wanted(self.interval);
            if !waiting.judging {
                if here >= wanted || waiting.closed && here > 0 {
                    break;
                }
                if waiting.closed {
                    // The other one is to see it too.
                    self.here.notify_one();
                    return None;
                }
                let is_late = here == 0 && until.is_some_and(|until| until <= Instant::now());
                if std::mem::take(&mut waiting.poked) && here == 0 || is_late {
                    break;
                }
            }
            // Woken once, when all are here, and not by the first of them.
            if wanted < usize::MAX && (waiting.wake_at == 0 || wanted < waiting.wake_at) {
                waiting.wake_at = wanted;
            }
            waiting.sleepers += 1;
            // Whoever judges comes back with a time of its own.
            let until = until.filter(|_| here == 0 && !waiting.judging);
            match [latest, until].into_iter().flatten().min() {
                Some(at) => drop(self.here.wait_until(&mut waiting, at)),
                None => self.here.wait(&mut waiting),
            }
            waiting.sleepers -= 1;
        }
        waiting.wake_at = 0;
        waiting.judging = true;
        let thought = waiting.pace.crowd;
        waiting.count(thought);
        let jobs = if waiting.jobs.len() > BATCH {
            let rest = waiting.jobs.split_off(BATCH);
            std::mem::replace(&mut waiting.jobs, rest)
        } else {
            // As much room as this one needed: the next one is most likely of its size.
            let room = waiting.jobs.len();
            std::mem::replace(&mut waiting.jobs, Vec::with_capacity(room))
        };
        waiting.bytes -= jobs.iter().map(Job::bytes).sum::<usize>();
        waiting.in_flight.push_back(jobs.len());
        if !jobs.is_empty() {
            waiting.pace.began = Some(Instant::now());
            waiting.pace.size = jobs.len();
        }
        Some(jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessageId, Timestamp, UserId};
    use crate::store::change::Talk;

    /// Longer than any test: what waits for it waits for ever.
    const QUEUE_BYTES: usize = 64 << 20;
    const LONG: Duration = Duration::from_secs(3_600);

    /// Adds a change of so many bytes; gives the answer, where there is one at once.
    fn try_push(queue: &Queue, bytes: usize) -> Option<StoreError> {
        let id = |number| UserId::new(number).unwrap();
        let change = Change::Talk(match bytes {
            0 => Talk::read(id(1), MessageId::new(1).unwrap()),
            _ => Talk::send(id(1), id(2), "x".repeat(bytes).into(), None),
        });
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

    /// A queue whose last commit had so many changes, of a crowd of so many, and has just ended.
    fn after(size: usize, crowd: usize, busy: bool, interval: Duration) -> Queue {
        let queue = Queue::new(interval, QUEUE_BYTES);
        let now = Instant::now();
        queue.waiting.lock().pace = Pace {
            began: Some(now),
            ended: Some(now),
            size,
            crowd,
            commits: 0,
            busy,
        };
        queue
    }

    /// Takes, judges and commits; how many there were.
    fn pass(queue: &Queue) -> usize {
        let jobs = queue.take(None).unwrap();
        queue.judged();
        queue.committed();
        jobs.len()
    }

    #[test]
    fn a_lone_change_is_taken_at_once_and_a_crowd_when_it_is_complete() {
        for (queue, here) in [
            (Queue::new(LONG, QUEUE_BYTES), 1),
            (after(1, 1, false, LONG), 1),
            (after(40, 40, false, LONG), 40),
            (after(3, 40, false, LONG), 3),
            (after(2_000, 2_000, false, LONG), 1_000),
            (after(500, 1_000, true, LONG), 500),
            (after(40, 40, true, Duration::ZERO), 1),
        ] {
            push(&queue, here);
            assert_eq!(pass(&queue), here);
            assert_eq!(queue.waiting.lock().pace.size, here);
        }
    }

    #[test]
    fn a_crowd_that_is_not_complete_is_waited_for() {
        let queue = &after(5, 5, false, LONG);
        push(queue, 4);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| pass(queue));
            push(queue, 1);
            assert_eq!(taken.join().unwrap(), 5);
        });
        // A crowd that comes meanwhile has no number: it is waited for, for an interval.
        let queue = after(1, 40, true, LONG);
        assert_eq!(queue.waiting.lock().wanted(LONG).0, BATCH);
        // One that has gone away is waited for no longer than the interval.
        let queue = after(5, 5, false, Duration::from_millis(1));
        push(&queue, 1);
        assert_eq!(pass(&queue), 1);
    }

    #[test]
    fn a_few_are_taken_at_once_though_changes_come_while_others_are_committed() {
        for crowd in 1..=FEW {
            let queue = after(1, crowd, true, LONG);
            assert_eq!(queue.waiting.lock().wanted(LONG), (1, None), "{crowd}");
        }
        let queue = after(1, FEW + 1, true, LONG);
        assert_eq!(queue.waiting.lock().wanted(LONG).0, BATCH);
    }

    #[test]
    fn beside_a_commit_many_are_taken_and_few_wait_for_its_end() {
        let queue = &after(1, 600, false, Duration::ZERO);
        push(queue, 300);
        assert_eq!(queue.take(None).unwrap().len(), 300);
        push(queue, 300);
        std::thread::scope(|scope| {
            // Nobody judges beside whoever has the turn.
            let other = scope.spawn(|| queue.take(None).unwrap().len());
            while queue.waiting.lock().sleepers == 0 {
                std::thread::yield_now();
            }
            assert_eq!(queue.waiting().0, 300);
            queue.judged();
            assert_eq!(other.join().unwrap(), 300);
            queue.judged();

            // Nobody else is known of, but so many are worth it.
            push(queue, LARGE / 2 - 1);
            let other = scope.spawn(|| pass(queue));
            while queue.waiting.lock().sleepers == 0 {
                std::thread::yield_now();
            }
            assert_eq!(queue.waiting().0, LARGE / 2 - 1);
            push(queue, 1);
            assert_eq!(other.join().unwrap(), LARGE / 2);
            queue.committed();
            assert!(queue.waiting.lock().pace.busy, "one is still under way");
            queue.committed();
            assert!(!queue.waiting.lock().pace.busy);
        });
        push(queue, 1);
        assert_eq!(pass(queue), 1);
    }

    #[test]
    fn whoever_sleeps_beside_a_commit_leaves_a_lone_change_to_its_end() {
        let queue = &Queue::new(Duration::ZERO, QUEUE_BYTES);
        push(queue, 1);
        assert_eq!(queue.take(None).unwrap().len(), 1);
        queue.judged();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| queue.take(None).map(|jobs| jobs.len()));
            while queue.waiting.lock().sleepers == 0 {
                std::thread::yield_now();
            }
            push(queue, 1);
            assert_eq!(queue.waiting().0, 1);
            queue.committed();
            assert_eq!(pass(queue), 1);
            queue.close();
            assert_eq!(other.join().unwrap(), None);
        });
    }

    #[test]
    fn whoever_judges_may_take_what_comes_meanwhile_up_to_a_batch() {
        let queue = Queue::new(Duration::ZERO, QUEUE_BYTES);
        push(&queue, 3);
        let mut jobs = queue.take(None).unwrap();
        assert_eq!(queue.take_more(&mut jobs), 0);
        push(&queue, BATCH);
        assert_eq!(queue.take_more(&mut jobs), BATCH - 3);
        assert_eq!((jobs.len(), queue.waiting().0), (BATCH, 3));
        assert_eq!(queue.take_more(&mut jobs), 0);
        queue.judged();
        queue.committed();
        assert_eq!(pass(&queue), 3);
    }

    #[test]
    fn the_queue_is_bounded_in_changes_and_in_bytes_and_gives_its_place_back() {
        let queue = Queue::new(Duration::ZERO, QUEUE_BYTES);
        push(&queue, QUEUE_CHANGES);
        assert!(matches!(try_push(&queue, 0), Some(StoreError::Busy)));
        assert_eq!(pass(&queue), BATCH);
        push(&queue, BATCH);
        queue.close();
        assert!(matches!(try_push(&queue, 0), Some(StoreError::Unavailable)));
        let mut left = 0;
        while let Some(jobs) = queue.take(None) {
            left += jobs.len();
            queue.judged();
            queue.committed();
        }
        assert_eq!(left, QUEUE_CHANGES);

        let queue = Queue::new(Duration::ZERO, QUEUE_BYTES);
        assert!(try_push(&queue, QUEUE_BYTES - 2 * BESIDE - 10).is_none());
        assert!(matches!(try_push(&queue, 11), Some(StoreError::Busy)));
        assert_eq!(pass(&queue), 1);
        assert!(try_push(&queue, 11).is_none());
    }

    /// Small changes took ten times what was counted of them.
    #[test]
    fn what_a_change_takes_beside_its_content_is_counted_too() {
        assert!(
            2 * size_of::<Job>() + 128 <= BESIDE,
            "a list that has just grown has room for as many again"
        );
        let queue = Queue::new(Duration::ZERO, 10 * BESIDE);
        push(&queue, 10);
        assert_eq!(queue.waiting(), (10, 10 * BESIDE));
        assert!(matches!(try_push(&queue, 0), Some(StoreError::Busy)));
        assert_eq!(pass(&queue), 10);
        assert_eq!(queue.waiting(), (0, 0));
        push(&queue, 1);
        queue.halt();
        assert_eq!(queue.waiting(), (0, 0));
    }

    #[test]
    fn a_poke_or_the_time_ends_a_wait_with_nothing() {
        let queue = Queue::new(LONG, QUEUE_BYTES);
        queue.poke();
        assert_eq!(pass(&queue), 0);
        let until = Some(Instant::now());
        assert!(queue.take(until).unwrap().is_empty());
    }

    /// A look-up after a long rest counted as the end of a commit that had lasted as long, and a
    /// lone change then waited for others for half of that.
    #[test]
    fn a_poke_after_a_rest_keeps_no_lone_change_waiting() {
        let interval = Duration::from_millis(1);
        let queue = after(5, 5, false, interval);
        {
            let pace = &mut queue.waiting.lock().pace;
            pace.began = pace.began.and_then(|at| at.checked_sub(interval * 100));
            pace.ended = pace.began;
        }
        queue.poke();
        assert_eq!(pass(&queue), 0);
        assert_eq!(queue.waiting.lock().wanted(interval), (1, None));
    }

    #[test]
    fn a_crowd_that_is_gone_is_expected_no_more() {
        let queue = Queue::new(Duration::ZERO, QUEUE_BYTES);
        push(&queue, 20);
        assert_eq!(pass(&queue), 20);
        for _ in 0..20 * SHRINKS {
            push(&queue, 1);
            assert_eq!(pass(&queue), 1);
        }
        assert_eq!(queue.waiting.lock().pace.crowd, 1);
    }

    #[test]
    fn a_writer_that_has_fallen_is_given_nothing_more() {
        let queue = Queue::new(Duration::ZERO, QUEUE_BYTES);
        let (answer, answered) = std::sync::mpsc::channel();
        queue.push(Job {
            now: Timestamp::from_ms(0),
            change: Change::RevokeInvite("code".into()),
            answer: Box::new(move |result| drop(answer.send(result.err()))),
        });
        queue.halt();
        assert!(matches!(answered.recv(), Ok(Some(StoreError::Unavailable))));
        assert!(queue.take(None).is_none());
        assert!(matches!(try_push(&queue, 0), Some(StoreError::Unavailable)));
    }
}
