//! The frames that wait for one session's client.
//!
//! Bounded in bytes as they are encoded, with the places that frames take: for one session by [`MAX_BYTES`], for all
//! of them by a pool. No sender ever waits. Size alone makes nobody a slow consumer below that bound, since a burst may
//! be queued before the session's task has run once; the tasks judge by progress. At the bound the session is closed
//! as a slow consumer and what waits is dropped: its client begins anew, and catches up by its cursor. Where the pool is
//! empty, those sessions make room that hold most of it ([`Registry::relieve`](super::registry::Registry::relieve)).
//! What was taken from the queue counts until it is written.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::frame::Frame;
use crate::budget::{Pool, Share};
use crate::engineio::CloseReason;

/// 16 MiB: a burst of 600 of the longest messages, each character of which takes six bytes of JSON. A pool that has
/// not twice as much lets one session have half of it.
const MAX_BYTES: usize = 16 << 20;
/// 2 KiB of each session are not taken from the pool: a message and its acknowledgement touch nothing that is shared.
const UNCOUNTED: usize = 2 << 10;
/// 16 KiB are taken from the pool at once, so that a burst asks it seldom.
const STEP: usize = 16 << 10;
/// 256 KiB: the most that leaves the queue at once for a WebSocket. A longer queue is freed in such steps.
const WEBSOCKET_BATCH: usize = 256 << 10;
/// 1 MiB: the most that one poll is answered with, unless it is the last.
const POLL_BATCH: usize = 1 << 20;

/// The queue of one session.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// The server is stopping: nothing more is heard from the client, and polls wait for the last words.
    stopping: AtomicBool,
}

#[derive(Debug)]
struct Queue {
    frames: VecDeque<Frame>,
    /// What the frames cost.
    bytes: usize,
    /// What those cost that were taken from the queue and are not written yet.
    writing: usize,
    /// The most that both may cost.
    limit: usize,
    /// What of both is taken from the pool.
    share: Share,
    /// How many polls were answered with frames.
    polls: u32,
    closing: Option<CloseReason>,
    /// Whoever sends: the WebSocket's task, or the GET that waits.
    sender: Option<Waker>,
    /// Whoever keeps a polling session's time.
    keeper: Option<Waker>,
    /// The WebSocket's task, where it is to hear of a closing while it has nothing to send or cannot.
    socket: Option<Waker>,
    /// The session moved from polling to a WebSocket, or is being tried on one: polls are not to wait.
    hurry: Hurry,
    /// A poll that came while a WebSocket is being tried waits until that one's task has read what it was sent.
    look: Look,
}

/// Whether a WebSocket that is being tried has read what it was sent by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Look {
    /// None is being tried.
    #[default]
    Nobody,
    /// Nobody wants to know.
    Unasked,
    /// Somebody does.
    Asked,
    /// Its task has begun to.
    Begun,
}

/// Whether a poll may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hurry {
    /// It may.
    #[default]
    No,
    /// A WebSocket is being tried: a poll gets what there is, or a noop.
    Probing,
    /// The WebSocket has taken over: a poll gets a noop and leaves what there is.
    Upgraded,
}

/// What a poll gets.
#[derive(Debug)]
pub(super) enum Polled {
    /// These, which cost so much until [`Outbox::written`].
    Frames(VecDeque<Frame>, usize),
    /// Nothing, at once.
    Noop,
    /// These, which cost so much, and then no more.
    Closing(VecDeque<Frame>, usize, CloseReason),
}

/// What the keeper of a polling session is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// It is on a WebSocket, whose task keeps its time.
    Upgraded,
    /// It is closing.
    Closing,
}

impl Queue {
    /// Queues a frame. Returns `false`, and is closing, where there is no room; as before, where it is closing.
    /// `relieve` may make room in the pool, for a session that holds so much.
    fn push(&mut self, frame: Frame, relieve: &dyn Fn(usize)) -> bool {
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

    /// What is held for the client.
    fn held(&self) -> usize {
        self.bytes + self.writing
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

    /// Closes it as a slow consumer, and drops what waits.
    fn evict(&mut self) {
        self.closing.get_or_insert(CloseReason::SlowConsumer);
        (self.frames, self.bytes) = (VecDeque::new(), 0);
        self.settle();
    }

    fn wake(&mut self) -> [Option<Waker>; 3] {
        [self.sender.take(), self.keeper.take(), self.socket.take()]
    }

    /// Moves frames that cost `most`, or a little more, into `taken`, which is empty. They count until they are written.
    fn take(&mut self, most: usize, taken: &mut VecDeque<Frame>) -> usize {
        let mut cost = self.bytes;
        if cost <= most {
            std::mem::swap(&mut self.frames, taken);
        } else {
            cost = 0;
            while cost < most
                && let Some(frame) = self.frames.pop_front()
            {
                cost += frame.cost();
                taken.push_back(frame);
            }
        }
        self.bytes -= cost;
        self.writing += cost;
        cost
    }
}

/// Whether what waits is still told to a polling client when its session closes for this reason, and then, in an answer of
/// its own, that it closes: a stock client that finds both in one answer is disconnected before it looks at the rest.
pub(super) fn has_last_words(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::ForcedClose
            | CloseReason::ConnectTimeout
            | CloseReason::SlowConsumer
            | CloseReason::ServerShutdown
    )
}

/// What is to be taken from the pool by a session that holds so much.
fn due(held: usize) -> usize {
    match held.saturating_sub(UNCOUNTED) {
        0 => 0,
        over => over.next_multiple_of(STEP),
    }
}

fn wake<const N: usize>(wakers: [Option<Waker>; N]) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

impl Outbox {
    /// An empty one that takes its bytes from this pool.
    pub(super) fn new(pool: &Pool) -> Self {
        let share = pool.take(0).expect("no bytes are always there");
        Self {
            queue: Mutex::new(Queue {
                frames: VecDeque::new(),
                bytes: 0,
                writing: 0,
                limit: MAX_BYTES.min(pool.limit() / 2),
                share,
                polls: 0,
                closing: None,
                sender: None,
                keeper: None,
                socket: None,
                hurry: Hurry::default(),
                look: Look::default(),
            }),
            stopping: AtomicBool::new(false),
        }
    }

    /// How many frames wait, and how many bytes are held for the client.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.frames.len(), queue.held())
    }

    /// Queues frames that nothing may come between. Returns `false` where the session is closing, or is closed for
    /// want of room; `relieve` may make some, for a session that holds so much. It is called under this outbox's lock.
    pub(super) fn push_all(
        &self,
        frames: impl IntoIterator<Item = Frame>,
        relieve: &dyn Fn(usize),
    ) -> bool {
        let mut queue = self.queue.lock();
        for frame in frames {
            if !queue.push(frame, relieve) {
                let wakers = queue.wake();
                drop(queue);
                wake(wakers);
                return false;
            }
        }
        let sender = queue.sender.take();
        drop(queue);
        wake([sender]);
        true
    }

    /// How much more may be queued, and leave half of what is left in the pool to others.
    pub(super) fn room(&self) -> usize {
        let queue = self.queue.lock();
        let pool = queue.share.pool();
        let left = pool.limit().saturating_sub(pool.used()) / 2;
        left.min(queue.limit.saturating_sub(queue.held()))
    }

    /// Returns a share of the pool, of no bytes yet.
    pub(super) fn share(&self) -> Share {
        let pool = self.queue.lock().share.pool().clone();
        pool.take(0).expect("no bytes are always there")
    }

    /// Whether three quarters of what may be are held: what the client says now would be answered into the rest.
    pub(super) fn is_nearly_full(&self) -> bool {
        let queue = self.queue.lock();
        queue.held() >= queue.limit / 4 * 3
    }

    /// Whether a frame could leave at once: nothing waits, and somebody is there to send it.
    pub(super) fn is_ready(&self) -> bool {
        let queue = self.queue.lock();
        queue.frames.is_empty() && queue.sender.is_some()
    }

    /// What is held for the client; `None` where another thread is at this outbox.
    pub(super) fn try_held(&self) -> Option<usize> {
        self.queue.try_lock().map(|queue| queue.held())
    }

    /// Closes it as a slow consumer and gives back what waits, unless another thread is at it.
    pub(super) fn try_evict(&self) {
        if let Some(mut queue) = self.queue.try_lock() {
            queue.evict();
            let wakers = queue.wake();
            drop(queue);
            wake(wakers);
        }
    }

    /// Closes it as a slow consumer, and drops what waits.
    pub(super) fn evict(&self) {
        let mut queue = self.queue.lock();
        queue.evict();
        let wakers = queue.wake();
        drop(queue);
        wake(wakers);
    }

    /// So much of what was taken for a poll is written, or never will be.
    pub(super) fn written(&self, cost: usize) {
        let mut queue = self.queue.lock();
        queue.writing -= cost.min(queue.writing);
        queue.settle();
    }

    /// How many polls were answered with frames, where some wait for the next and none is being answered.
    pub(super) fn unfetched(&self) -> Option<u32> {
        let queue = self.queue.lock();
        let waits = !queue.frames.is_empty() && queue.writing == 0;
        waits.then_some(queue.polls)
    }

    /// The server is stopping: from now on nothing is heard from the client, and polls wait for the last words.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the server is stopping.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Takes no more frames. What is queued is still sent, unless the client is gone.
    pub(super) fn close(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        queue.closing.get_or_insert(reason);
        let wakers = queue.wake();
        drop(queue);
        wake(wakers);
    }

    /// Why it takes no more, if so.
    pub(super) fn closing(&self) -> Option<CloseReason> {
        self.queue.lock().closing
    }

    /// Lets polls wait, or not.
    pub(super) fn set_hurry(&self, hurry: Hurry) {
        let mut queue = self.queue.lock();
        queue.hurry = hurry;
        let wakers = queue.wake();
        drop(queue);
        wake(wakers);
    }

    /// For a WebSocket that has written all that it had: moves what waits, or a part of it, into `frames`, which is
    /// empty. Pending where there is nothing.
    pub(super) fn poll_take(
        &self,
        cx: &Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Option<CloseReason>> {
        let mut queue = self.queue.lock();
        queue.writing = 0;
        if queue.frames.is_empty() {
            // Both queues give their memory back: most sessions say nothing for most of their lives.
            *frames = VecDeque::new();
            queue.frames = VecDeque::new();
            queue.settle();
            if let Some(reason) = queue.closing {
                return Poll::Ready(Some(reason));
            }
            register(&mut queue.sender, cx);
            return Poll::Pending;
        }
        queue.take(WEBSOCKET_BATCH, frames);
        queue.settle();
        Poll::Ready(None)
    }

    /// For a GET: what waits, or a part of it. Pending while there is nothing and it may wait.
    pub(super) fn poll_payload(&self, cx: &Context<'_>) -> Poll<Polled> {
        let mut queue = self.queue.lock();
        let mut frames = VecDeque::new();
        match (queue.hurry, queue.closing) {
            (Hurry::Upgraded, _) => Poll::Ready(Polled::Noop),
            (_, Some(reason)) if queue.frames.is_empty() || !has_last_words(reason) => {
                let cost = queue.take(usize::MAX, &mut frames);
                Poll::Ready(Polled::Closing(frames, cost, reason))
            }
            // One answer for all that is still said.
            (Hurry::No, None) if self.is_stopping() => {
                register(&mut queue.sender, cx);
                Poll::Pending
            }
            _ if !queue.frames.is_empty() => {
                let cost = queue.take(POLL_BATCH, &mut frames);
                queue.polls = queue.polls.wrapping_add(1);
                Poll::Ready(Polled::Frames(frames, cost))
            }
            (Hurry::Probing, _) => Poll::Ready(Polled::Noop),
            (Hurry::No, _) => {
                register(&mut queue.sender, cx);
                Poll::Pending
            }
        }
    }

    /// For a WebSocket's task: ready once the session is closing.
    pub(super) fn poll_closing(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut queue = self.queue.lock();
        if let Some(reason) = queue.closing {
            return Poll::Ready(reason);
        }
        if queue.look == Look::Asked {
            // Asked while the task was at work, and nobody was there to be woken.
            cx.waker().wake_by_ref();
        }
        register(&mut queue.socket, cx);
        Poll::Pending
    }

    /// For a GET that comes while a WebSocket is being tried: asks its task to read what it was sent by now. The client
    /// may have finished the upgrade there before it sent this request, and then polling is over.
    pub(super) fn ask_socket(&self) {
        let mut queue = self.queue.lock();
        if queue.look == Look::Nobody {
            return;
        }
        queue.look = Look::Asked;
        let socket = queue.socket.take();
        drop(queue);
        wake([socket]);
    }

    /// For that GET: ready once the task has done so, or is gone.
    pub(super) fn poll_asked(&self, cx: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if matches!(queue.look, Look::Nobody | Look::Unasked) || queue.closing.is_some() {
            return Poll::Ready(());
        }
        register(&mut queue.sender, cx);
        Poll::Pending
    }

    /// A WebSocket is being tried, or none is any more: then nobody is left to be asked.
    pub(super) fn set_trying(&self, trying: bool) {
        let mut queue = self.queue.lock();
        queue.look = if trying { Look::Unasked } else { Look::Nobody };
        let wakers = [queue.sender.take(), queue.keeper.take()];
        drop(queue);
        wake(wakers);
    }

    /// For that task: it begins to read. What is asked after this is not answered by it.
    pub(super) fn begin_look(&self) {
        let mut queue = self.queue.lock();
        if queue.look == Look::Asked {
            queue.look = Look::Begun;
        }
    }

    /// For that task: it has read what there was, since it began to.
    pub(super) fn end_look(&self) {
        let mut queue = self.queue.lock();
        if queue.look == Look::Begun {
            queue.look = Look::Unasked;
            let sender = queue.sender.take();
            drop(queue);
            wake([sender]);
        }
    }

    /// For the keeper of a polling session that is closing: ready once no WebSocket is being tried. `true` where one has
    /// taken over, and with it the session's last words.
    pub(super) fn poll_tried(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut queue = self.queue.lock();
        if queue.look == Look::Nobody {
            return Poll::Ready(queue.hurry == Hurry::Upgraded);
        }
        register(&mut queue.keeper, cx);
        Poll::Pending
    }

    /// For the keeper of a polling session.
    pub(super) fn poll_watch(&self, cx: &Context<'_>) -> Poll<Watched> {
        let mut queue = self.queue.lock();
        if queue.closing.is_some() {
            return Poll::Ready(Watched::Closing);
        }
        if queue.hurry == Hurry::Upgraded {
            return Poll::Ready(Watched::Upgraded);
        }
        register(&mut queue.keeper, cx);
        Poll::Pending
    }
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Frame {
        Frame::message(|out| out.resize(out.len() + bytes, b'x'))
    }

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn outbox(pool: usize) -> (Outbox, Pool) {
        let pool = Pool::new(pool);
        (Outbox::new(&pool), pool)
    }

    impl Outbox {
        fn push(&self, frame: Frame) -> bool {
            self.push_all([frame], &|_| {})
        }
    }

    #[test]
    fn a_burst_of_any_number_of_frames_waits_and_what_is_over_the_bound_closes_it() {
        let (outbox, pool) = outbox(64 << 20);
        let cost = frame(1).cost();
        for _ in 0..MAX_BYTES / cost {
            assert!(outbox.push(frame(1)));
        }
        assert!(pool.used() > MAX_BYTES - 2 * STEP);
        assert!(!outbox.push(frame(1)));
        assert_eq!(outbox.closing(), Some(CloseReason::SlowConsumer));
        assert_eq!(outbox.queue.lock().frames.capacity(), 0);
        assert_eq!(pool.used(), 0, "its memory is given back");
        let polled = outbox.poll_payload(&cx());
        assert!(matches!(polled, Poll::Ready(Polled::Closing(frames, 0, _)) if frames.is_empty()));
    }

    #[test]
    fn one_frame_over_the_bound_may_pass_alone() {
        let (outbox, _) = outbox(64 << 20);
        assert!(outbox.push(frame(MAX_BYTES)));
        assert!(!outbox.push(frame(1)));
        assert_eq!(outbox.closing(), Some(CloseReason::SlowConsumer));
    }

    #[test]
    fn what_was_taken_counts_until_it_is_written() {
        let (outbox, pool) = outbox(64 << 20);
        for _ in 0..8 {
            outbox.push(frame(100_000));
        }
        let held = outbox.waiting().1;
        let mut frames = VecDeque::new();
        assert_eq!(outbox.poll_take(&cx(), &mut frames), Poll::Ready(None));
        assert_eq!(frames.len(), 3, "as many as a batch holds");
        assert_eq!(outbox.waiting(), (5, held));
        frames.clear();
        assert_eq!(outbox.poll_take(&cx(), &mut frames), Poll::Ready(None));
        assert_eq!(outbox.waiting(), (2, held - 3 * frame(100_000).cost()));
        frames.clear();
        assert_eq!(outbox.poll_take(&cx(), &mut frames), Poll::Ready(None));
        frames.clear();
        assert!(outbox.poll_take(&cx(), &mut frames).is_pending());
        assert_eq!((outbox.waiting(), pool.used()), ((0, 0), 0));

        outbox.push(frame(100_000));
        outbox.push(frame(POLL_BATCH));
        outbox.push(frame(1));
        let Poll::Ready(Polled::Frames(frames, cost)) = outbox.poll_payload(&cx()) else {
            panic!("nothing was polled");
        };
        assert_eq!((frames.len(), outbox.unfetched()), (2, None));
        assert!(pool.used() + UNCOUNTED >= cost);
        outbox.written(cost);
        assert_eq!((pool.used(), outbox.unfetched()), (0, Some(1)));
    }

    #[test]
    fn a_session_is_closed_where_the_pool_is_empty_unless_room_is_made() {
        let (first, pool) = outbox(4 * STEP);
        let second = Outbox::new(&pool);
        for full in [&first, &second] {
            assert!(full.push(frame(STEP + UNCOUNTED)));
        }
        assert_eq!(pool.used(), pool.limit());
        let third = Outbox::new(&pool);
        let made = third.push_all([frame(STEP)], &|held| {
            assert_eq!(held, frame(STEP).cost());
            first.try_evict();
        });
        assert!(made);
        assert_eq!(first.closing(), Some(CloseReason::SlowConsumer));
        assert!(
            Outbox::new(&pool).push(frame(STEP)),
            "its room was two steps"
        );
        let fourth = Outbox::new(&pool);
        let made = fourth.push_all([frame(STEP), frame(STEP)], &|_| second.try_evict());
        assert!(!made, "half of the pool is the most that one may have");
        assert_eq!(
            second.closing(),
            None,
            "and takes nobody else's room for more"
        );
        assert!(third.push(frame(100)));
        let mut others = Vec::new();
        while others
            .last()
            .is_none_or(|other: &Outbox| other.closing().is_none())
        {
            others.push(Outbox::new(&pool));
            others.last().unwrap().push(frame(STEP));
        }
        assert!(
            Outbox::new(&pool).push(frame(100)),
            "a short message needs no room of the pool"
        );
    }

    #[test]
    fn what_was_queued_before_it_closed_is_still_sent() {
        let (outbox, _) = outbox(1 << 20);
        outbox.push(frame(1));
        outbox.close(CloseReason::ServerShutdown);
        assert!(!outbox.push(frame(1)));
        let mut frames = VecDeque::new();
        assert_eq!(outbox.poll_take(&cx(), &mut frames), Poll::Ready(None));
        assert_eq!(frames.len(), 1);
        frames.clear();
        assert_eq!(
            outbox.poll_take(&cx(), &mut frames),
            Poll::Ready(Some(CloseReason::ServerShutdown))
        );
    }

    /// A stock client that finds an acknowledgement and the close in one answer never looks at the acknowledgement.
    #[test]
    fn a_poll_at_a_stopping_server_waits_for_all_that_is_said_and_the_next_one_is_told_of_the_close()
     {
        let (outbox, _) = outbox(1 << 20);
        outbox.stop();
        outbox.push(frame(1));
        assert!(outbox.poll_payload(&cx()).is_pending());
        outbox.push(frame(1));
        outbox.close(CloseReason::ServerShutdown);
        let polled = outbox.poll_payload(&cx());
        assert!(matches!(polled, Poll::Ready(Polled::Frames(frames, _)) if frames.len() == 2));
        let polled = outbox.poll_payload(&cx());
        assert!(matches!(polled, Poll::Ready(Polled::Closing(frames, ..)) if frames.is_empty()));
    }

    #[test]
    fn while_a_websocket_is_tried_a_poll_gets_what_there_is_or_a_noop() {
        let (outbox, _) = outbox(1 << 20);
        assert!(outbox.poll_payload(&cx()).is_pending());
        outbox.set_hurry(Hurry::Probing);
        assert!(matches!(
            outbox.poll_payload(&cx()),
            Poll::Ready(Polled::Noop)
        ));
        outbox.push(frame(1));
        assert!(matches!(
            outbox.poll_payload(&cx()),
            Poll::Ready(Polled::Frames(..))
        ));
        outbox.push(frame(1));
        outbox.set_hurry(Hurry::Upgraded);
        assert!(
            matches!(outbox.poll_payload(&cx()), Poll::Ready(Polled::Noop)),
            "the rest is the WebSocket's"
        );
        assert_eq!(
            outbox.poll_take(&cx(), &mut VecDeque::new()),
            Poll::Ready(None)
        );
    }

    /// A poll right behind the end of an upgrade was answered as one before it, about once in a hundred.
    #[test]
    fn a_poll_is_answered_only_by_a_look_that_began_after_it_asked() {
        let (outbox, _) = outbox(1 << 20);
        outbox.ask_socket();
        assert!(
            outbox.poll_asked(&cx()).is_ready(),
            "no WebSocket is being tried"
        );
        outbox.set_trying(true);
        assert!(outbox.poll_asked(&cx()).is_ready(), "nobody has asked");
        outbox.begin_look();
        outbox.ask_socket();
        outbox.end_look();
        assert!(
            outbox.poll_asked(&cx()).is_pending(),
            "that look began before"
        );
        outbox.begin_look();
        assert!(outbox.poll_asked(&cx()).is_pending());
        outbox.end_look();
        assert!(outbox.poll_asked(&cx()).is_ready());
        outbox.ask_socket();
        outbox.close(CloseReason::ServerShutdown);
        assert!(
            outbox.poll_asked(&cx()).is_ready(),
            "nobody will look any more"
        );
    }
}
