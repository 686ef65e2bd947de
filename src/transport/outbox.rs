//! The frames that wait for one session's client: a bounded queue.
//!
//! Bounded in bytes as they are encoded, with the memory that a frame takes besides: for one
//! session by [`EngineLimits::outbox_bytes`](super::EngineLimits), for all of them by a pool. No
//! sender ever waits. Below that bound size alone makes no client a slow consumer, since a burst
//! may be queued before the session's task has run once; the tasks judge by progress. At the bound
//! the session is closed as a slow consumer and what waits is dropped: its client begins anew, and
//! catches up by its cursor. Where the pool is empty, the sessions that hold most of it make room
//! ([`Registry::relieve`](super::registry::Registry::relieve)). What was taken from the queue
//! counts until it is written.

use std::collections::VecDeque;

use super::frame::Frame;
use crate::budget::{Pool, Share};
use crate::engineio::CloseReason;

/// 2 KiB of each session are not taken from the pool: a message and its acknowledgement touch
/// nothing that is shared.
const UNCOUNTED: usize = 2 << 10;
/// 16 KiB are taken from the pool at once, so that a burst asks it seldom.
const STEP: usize = 16 << 10;

/// The queue of one session.
#[derive(Debug)]
pub(super) struct Outbox {
    frames: VecDeque<Frame>,
    /// The frames' cost.
    bytes: usize,
    /// The cost of those that were taken from the queue and are not written yet.
    writing: usize,
    /// The most that both may cost.
    limit: usize,
    /// The part of both that is taken from the pool.
    share: Share,
    closing: Option<CloseReason>,
}

impl Outbox {
    /// Returns an empty one that may hold `most` bytes of this pool. A pool that has not twice as
    /// much lets one session have half of it.
    pub(super) fn new(pool: &Pool, most: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            writing: 0,
            limit: most.min(pool.limit() / 2),
            share: pool.nothing(),
            closing: None,
        }
    }

    /// Queues a frame. Returns `false` where it is closing, or closes for want of room. `relieve`
    /// may make room in the pool, for a session that holds so much.
    pub(super) fn push(&mut self, frame: Frame, relieve: &dyn Fn(usize)) -> bool {
        if self.closing.is_some() {
            return false;
        }
        let held = self.held() + frame.cost();
        // However large a frame is, it may pass alone.
        let fits = held <= self.limit || self.held() == 0;
        let has_room = fits
            && (self.charge(held) || {
                relieve(held);
                self.charge(held)
            });
        if !has_room {
            self.evict();
            return false;
        }
        self.bytes += frame.cost();
        self.frames.push_back(frame);
        true
    }

    /// Moves frames that cost `most`, or a little more, and so many at most, into `taken`, which is
    /// empty, and returns their cost. They count until they are [written](Self::written).
    pub(super) fn take(
        &mut self,
        most: usize,
        most_frames: usize,
        taken: &mut VecDeque<Frame>,
    ) -> usize {
        let mut cost = self.bytes;
        if cost <= most && self.frames.len() <= most_frames {
            std::mem::swap(&mut self.frames, taken);
        } else {
            cost = 0;
            while cost < most
                && taken.len() < most_frames
                && let Some(frame) = self.frames.pop_front()
            {
                cost += frame.cost();
                taken.push_back(frame);
            }
        }
        self.bytes -= cost;
        self.writing += cost;
        self.settle();
        cost
    }

    /// So much of what was taken is written, or never will be.
    pub(super) fn written(&mut self, cost: usize) {
        self.writing -= cost.min(self.writing);
        self.settle();
    }

    /// All that was taken is written.
    pub(super) fn written_all(&mut self) {
        self.writing = 0;
    }

    /// Gives back all memory of an empty queue: most sessions say nothing for most of their lives.
    pub(super) fn release(&mut self) {
        self.frames = VecDeque::new();
        self.settle();
    }

    /// Takes no more frames. What is queued may still be taken.
    pub(super) fn close(&mut self, reason: CloseReason) {
        self.closing.get_or_insert(reason);
    }

    /// Closes it as a slow consumer, and drops what waits.
    pub(super) fn evict(&mut self) {
        self.close(CloseReason::SlowConsumer);
        (self.frames, self.bytes) = (VecDeque::new(), 0);
        self.settle();
    }

    /// Returns why it takes no more, if so.
    pub(super) fn closing(&self) -> Option<CloseReason> {
        self.closing
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns whether something that was taken is not written yet.
    pub(super) fn is_writing(&self) -> bool {
        self.writing > 0
    }

    /// Returns how many frames wait.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns how many bytes are held for the client, waiting or being written.
    pub(super) fn held(&self) -> usize {
        self.bytes + self.writing
    }

    /// Returns whether three quarters of what may be are held: what the client says now would be
    /// answered into the rest.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.held() >= self.limit / 4 * 3
    }

    /// Returns how much more may be queued, and leave half of what is left in the pool to others.
    pub(super) fn room(&self) -> usize {
        let pool = self.pool();
        let left = pool.limit().saturating_sub(pool.used()) / 2;
        left.min(self.limit.saturating_sub(self.held()))
    }

    /// Returns the pool that it takes its bytes from.
    pub(super) fn pool(&self) -> &Pool {
        self.share.pool()
    }

    /// Takes from the pool what holding so much needs. Returns `false` where it has not got that.
    fn charge(&mut self, held: usize) -> bool {
        let (due, has) = (due(held), self.share.bytes());
        due <= has || self.share.grow(due - has)
    }

    /// Gives back to the pool what is not needed any more.
    fn settle(&mut self) {
        let has = self.share.bytes();
        if has > 0 {
            self.share.shrink(has.saturating_sub(due(self.held())));
        }
    }
}

/// Returns what is to be taken from the pool by a session that holds so much.
fn due(held: usize) -> usize {
    match held.saturating_sub(UNCOUNTED) {
        0 => 0,
        over => over.next_multiple_of(STEP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: usize = 16 << 20;

    fn frame(bytes: usize) -> Frame {
        Frame::message(|out| out.resize(out.len() + bytes, b'x'))
    }

    fn outbox(pool: usize) -> (Outbox, Pool) {
        let pool = Pool::new(pool);
        (Outbox::new(&pool, MAX_BYTES), pool)
    }

    fn push(outbox: &mut Outbox, bytes: usize) -> bool {
        outbox.push(frame(bytes), &|_| {})
    }

    #[test]
    fn a_burst_of_any_number_of_frames_waits_and_what_is_over_the_bound_closes_it() {
        let (mut outbox, pool) = outbox(64 << 20);
        let cost = frame(1).cost();
        for _ in 0..MAX_BYTES / cost {
            assert!(push(&mut outbox, 1));
        }
        assert!(pool.used() > MAX_BYTES - 2 * STEP);
        assert!(!push(&mut outbox, 1));
        assert_eq!(outbox.closing(), Some(CloseReason::SlowConsumer));
        assert_eq!(outbox.frames.capacity(), 0);
        assert_eq!(pool.used(), 0, "its memory is given back");
        assert_eq!((outbox.is_empty(), outbox.held()), (true, 0));
    }

    #[test]
    fn one_frame_over_the_bound_may_pass_alone() {
        let (mut outbox, _) = outbox(64 << 20);
        assert!(push(&mut outbox, MAX_BYTES));
        assert!(!push(&mut outbox, 1));
        assert_eq!(outbox.closing(), Some(CloseReason::SlowConsumer));
    }

    #[test]
    fn what_was_taken_counts_until_it_is_written() {
        let (mut outbox, pool) = outbox(64 << 20);
        for _ in 0..8 {
            push(&mut outbox, 100_000);
        }
        let (held, cost) = (outbox.held(), frame(100_000).cost());
        let mut frames = VecDeque::new();
        let taken = outbox.take(256 << 10, usize::MAX, &mut frames);
        assert_eq!(
            (frames.len(), taken),
            (3, 3 * cost),
            "as many as a batch holds"
        );
        assert_eq!((outbox.len(), outbox.held()), (5, held));
        outbox.written(cost);
        assert_eq!(outbox.held(), held - cost);
        outbox.written_all();
        frames.clear();
        outbox.take(usize::MAX, usize::MAX, &mut frames);
        assert_eq!((outbox.len(), outbox.held()), (0, 5 * cost));
        outbox.written(5 * cost);
        assert_eq!((outbox.held(), pool.used()), (0, 0));
    }

    #[test]
    fn a_session_is_closed_where_the_pool_is_empty_unless_room_is_made() {
        use std::cell::RefCell;
        let pool = Pool::new(4 * STEP);
        let new = || Outbox::new(&pool, MAX_BYTES);
        let (first, second) = (RefCell::new(new()), RefCell::new(new()));
        for full in [&first, &second] {
            assert!(push(&mut full.borrow_mut(), STEP + UNCOUNTED));
        }
        assert_eq!(pool.used(), pool.limit());
        let mut third = new();
        let made = third.push(frame(STEP), &|held| {
            assert_eq!(held, frame(STEP).cost());
            first.borrow_mut().evict();
        });
        assert!(made);
        assert_eq!(first.borrow().closing(), Some(CloseReason::SlowConsumer));
        assert!(push(&mut new(), STEP), "its room was two steps");
        let mut fourth = new();
        let evict = |_| second.borrow_mut().evict();
        let made = fourth.push(frame(STEP), &evict) && fourth.push(frame(STEP), &evict);
        assert!(!made, "half of the pool is the most that one may have");
        assert_eq!(
            second.borrow().closing(),
            None,
            "and takes no other session's room for more"
        );
        assert!(push(&mut third, 100));
        let mut others = Vec::new();
        while others
            .last()
            .is_none_or(|other: &Outbox| other.closing().is_none())
        {
            let mut other = new();
            push(&mut other, STEP);
            others.push(other);
        }
        assert!(
            push(&mut new(), 100),
            "a short message needs no room of the pool"
        );
    }

    #[test]
    fn what_was_queued_before_it_closed_may_still_be_taken() {
        let (mut outbox, _) = outbox(1 << 20);
        push(&mut outbox, 1);
        outbox.close(CloseReason::ServerShutdown);
        outbox.close(CloseReason::ForcedClose);
        assert!(!push(&mut outbox, 1));
        let mut frames = VecDeque::new();
        outbox.take(usize::MAX, usize::MAX, &mut frames);
        assert_eq!(frames.len(), 1);
        assert_eq!(outbox.closing(), Some(CloseReason::ServerShutdown));
    }
}
