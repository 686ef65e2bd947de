//! All that leaves for one session's client: its outbox, the transport that empties it, and the
//! tasks that wait for either. One lock, held across no await.
//!
//! ```text
//! WebSocket's task: poll_take, poll_closing, begin_look, end_look
//! poll:             ask, poll_asked, poll_payload, written
//! keeper of time:   poll_watch, poll_tried
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::{Mutex, MutexGuard};

use super::frame::Frame;
use super::outbox::Outbox;
use crate::budget::{Pool, Share};
use crate::engineio::{CloseReason, Packet, PollRule, ProbeOutput, Upgrade};

/// 256 KiB: the most that leaves the queue at once for a WebSocket. A longer queue is freed in such
/// steps.
const WEBSOCKET_BATCH: usize = 256 << 10;
/// 1 MiB: the most that one poll is answered with, unless it is the last.
const POLL_BATCH: usize = 1 << 20;

/// All that leaves for one client.
#[derive(Debug)]
pub(super) struct Outgoing {
    state: Mutex<State>,
    /// The server is stopping: nothing more is heard from the client, and polls wait for the last
    /// words.
    stopping: AtomicBool,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    upgrade: Upgrade,
    /// The number of polls that were answered with frames.
    polls: u32,
    /// With how many packets one poll is answered at most.
    packets_a_poll: u16,
    wakers: Wakers,
}

/// The tasks that wait.
#[derive(Debug, Default)]
struct Wakers {
    /// The one that sends: the WebSocket's task, or the poll that waits.
    sender: Option<Waker>,
    /// The keeper of a polling session's time.
    keeper: Option<Waker>,
    /// The WebSocket's task, where it is to hear of a closing while it has nothing to send or
    /// cannot.
    socket: Option<Waker>,
}

/// The content of a poll's answer.
#[derive(Debug)]
pub(super) enum Polled {
    /// These, which cost so much until [`Outgoing::written`].
    Frames(VecDeque<Frame>, usize),
    /// Nothing, at once.
    Noop,
    /// These, which cost so much, and then no more.
    Closing(VecDeque<Frame>, usize, CloseReason),
}

/// The event that ends the watch over a polling session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// It is on a WebSocket, whose task keeps its time.
    Upgraded,
    /// It is closing.
    Closing,
}

/// Returns whether what waits is still told to a polling client when its session closes for this
/// reason, and then, in an answer of its own, that it closes: a stock client that finds both in one
/// answer is disconnected before it looks at the rest.
pub(super) fn has_last_words(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::ForcedClose
            | CloseReason::ConnectTimeout
            | CloseReason::SlowConsumer
            | CloseReason::ServerShutdown
    )
}

/// Gives the lock back, then wakes everyone who waits.
fn wake_all(mut state: MutexGuard<'_, State>) {
    let Wakers {
        sender,
        keeper,
        socket,
    } = std::mem::take(&mut state.wakers);
    drop(state);
    [sender, keeper, socket]
        .into_iter()
        .flatten()
        .for_each(Waker::wake);
}

/// Gives the lock back, then wakes the one who sends.
fn wake_sender(mut state: MutexGuard<'_, State>) {
    let sender = state.wakers.sender.take();
    drop(state);
    if let Some(sender) = sender {
        sender.wake();
    }
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

impl Outgoing {
    /// Of a session on this transport, with nothing waiting. Its outbox may hold `most` bytes of
    /// `pool`.
    pub(super) fn new(upgrade: Upgrade, pool: &Pool, most: usize) -> Self {
        Self {
            state: Mutex::new(State {
                outbox: Outbox::new(pool, most),
                upgrade,
                polls: 0,
                packets_a_poll: u16::MAX,
                wakers: Wakers::default(),
            }),
            stopping: AtomicBool::new(false),
        }
    }

    /// Queues frames that nothing may come between. Returns `false` where the session is closing,
    /// or is closed for want of room; `relieve` may make some, for a session that holds so much. It
    /// is called under this lock.
    pub(super) fn push_all(
        &self,
        frames: impl IntoIterator<Item = Frame>,
        relieve: &dyn Fn(usize),
    ) -> bool {
        let mut state = self.state.lock();
        for frame in frames {
            if !state.outbox.push(frame, relieve) {
                wake_all(state);
                return false;
            }
        }
        wake_sender(state);
        true
    }

    /// Takes no more frames. What is queued is still sent, unless the client is gone.
    pub(super) fn close(&self, reason: CloseReason) {
        let mut state = self.state.lock();
        state.outbox.close(reason);
        wake_all(state);
    }

    /// Closes it as a slow consumer, and drops what waits.
    pub(super) fn evict(&self) {
        let mut state = self.state.lock();
        state.outbox.evict();
        wake_all(state);
    }

    /// The same, unless another thread is at it.
    pub(super) fn try_evict(&self) {
        if let Some(mut state) = self.state.try_lock() {
            state.outbox.evict();
            wake_all(state);
        }
    }

    /// Returns why it takes no more, if so.
    pub(super) fn closing(&self) -> Option<CloseReason> {
        self.state.lock().outbox.closing()
    }

    /// The server is stopping: from now on nothing is heard from the client, and polls wait for the
    /// last words.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns whether the server is stopping.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Returns how many frames wait, and how many bytes are held for the client.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.outbox.len(), state.outbox.held())
    }

    /// Returns what is held for the client; `None` where another thread is at it.
    pub(super) fn try_held(&self) -> Option<usize> {
        self.state.try_lock().map(|state| state.outbox.held())
    }

    /// See [`Outbox::room`].
    pub(super) fn room(&self) -> usize {
        self.state.lock().outbox.room()
    }

    /// Returns a share of the outboxes' pool, of no bytes yet.
    pub(super) fn share(&self) -> Share {
        self.state.lock().outbox.pool().nothing()
    }

    /// See [`Outbox::is_nearly_full`].
    pub(super) fn is_nearly_full(&self) -> bool {
        self.state.lock().outbox.is_nearly_full()
    }
}

/// The transport.
impl Outgoing {
    /// Returns the transport.
    pub(super) fn upgrade(&self) -> Upgrade {
        self.state.lock().upgrade
    }

    /// Moves the transport, and has everyone look at it anew.
    fn change<T>(&self, change: impl FnOnce(&mut Upgrade) -> T) -> T {
        let mut state = self.state.lock();
        let outcome = change(&mut state.upgrade);
        wake_all(state);
        outcome
    }

    /// See [`Upgrade::begin`].
    pub(super) fn begin_upgrade(&self) -> bool {
        self.change(Upgrade::begin)
    }

    /// See [`Upgrade::give_up`].
    pub(super) fn give_up_upgrade(&self) {
        self.change(Upgrade::give_up);
    }

    /// See [`Upgrade::hear`].
    pub(super) fn hear_probe(&self, packet: &Packet<'_>, is_over: bool) -> ProbeOutput {
        self.change(|upgrade| upgrade.hear(packet, is_over))
    }
}

/// For the task of a WebSocket.
impl Outgoing {
    /// For one that has written all that it had: moves what waits, or a part of it, into `frames`,
    /// which is empty. Pending while there is nothing; ready with the reason where nothing will
    /// come.
    pub(super) fn poll_take(
        &self,
        cx: &Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Option<CloseReason>> {
        let mut state = self.state.lock();
        state.outbox.written_all();
        if state.outbox.is_empty() {
            *frames = VecDeque::new();
            state.outbox.release();
            if let Some(reason) = state.outbox.closing() {
                return Poll::Ready(Some(reason));
            }
            register(&mut state.wakers.sender, cx);
            return Poll::Pending;
        }
        state.outbox.take(WEBSOCKET_BATCH, usize::MAX, frames);
        Poll::Ready(None)
    }

    /// Ready once the session is closing.
    pub(super) fn poll_closing(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut state = self.state.lock();
        if let Some(reason) = state.outbox.closing() {
            return Poll::Ready(reason);
        }
        if state.upgrade.is_asked() {
            // Asked while the task was at work, and did not wait to be woken.
            cx.waker().wake_by_ref();
        }
        register(&mut state.wakers.socket, cx);
        Poll::Pending
    }

    /// See [`Upgrade::begin_look`].
    pub(super) fn begin_look(&self) {
        self.state.lock().upgrade.begin_look();
    }

    /// See [`Upgrade::end_look`].
    pub(super) fn end_look(&self) {
        let mut state = self.state.lock();
        if state.upgrade.end_look() {
            wake_sender(state);
        }
    }
}

/// For a poll.
impl Outgoing {
    /// Answers each poll with so many packets at most.
    pub(super) fn bound_polls(&self, packets: u16) {
        self.state.lock().packets_a_poll = packets;
    }

    /// For one that comes while a WebSocket is being tried: asks its task to read what it was sent
    /// by now.
    pub(super) fn ask(&self) {
        let mut state = self.state.lock();
        state.upgrade.ask();
        let socket = state.wakers.socket.take();
        drop(state);
        if let Some(socket) = socket {
            socket.wake();
        }
    }

    /// For that poll: ready once the task has done so, or is gone.
    pub(super) fn poll_asked(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.upgrade.is_looking() || state.outbox.closing().is_some() {
            return Poll::Ready(());
        }
        register(&mut state.wakers.sender, cx);
        Poll::Pending
    }

    /// Fetches what waits, or a part of it. Pending while there is nothing and it may wait.
    pub(super) fn poll_payload(&self, cx: &Context<'_>) -> Poll<Polled> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut frames = VecDeque::new();
        let is_empty = state.outbox.is_empty();
        match (state.upgrade.poll_rule(), state.outbox.closing()) {
            (PollRule::Yield, _) => Poll::Ready(Polled::Noop),
            (_, Some(reason)) if is_empty || !has_last_words(reason) => {
                let cost = state.outbox.take(usize::MAX, usize::MAX, &mut frames);
                Poll::Ready(Polled::Closing(frames, cost, reason))
            }
            // One answer for all that is still said.
            (PollRule::Wait, None) if self.is_stopping() => {
                register(&mut state.wakers.sender, cx);
                Poll::Pending
            }
            _ if !is_empty => {
                let packets = state.packets_a_poll.into();
                let cost = state.outbox.take(POLL_BATCH, packets, &mut frames);
                state.polls = state.polls.wrapping_add(1);
                Poll::Ready(Polled::Frames(frames, cost))
            }
            (PollRule::Hurry, _) => Poll::Ready(Polled::Noop),
            (PollRule::Wait, _) => {
                register(&mut state.wakers.sender, cx);
                Poll::Pending
            }
        }
    }

    /// So much of what was taken for a poll is written, or never will be.
    pub(super) fn written(&self, cost: usize) {
        self.state.lock().outbox.written(cost);
    }
}

/// For the keeper of a polling session's time.
impl Outgoing {
    /// Ready once it is to be kept no longer.
    pub(super) fn poll_watch(&self, cx: &Context<'_>) -> Poll<Watched> {
        let mut state = self.state.lock();
        if state.outbox.closing().is_some() {
            return Poll::Ready(Watched::Closing);
        }
        if state.upgrade == Upgrade::WebSocket {
            return Poll::Ready(Watched::Upgraded);
        }
        register(&mut state.wakers.keeper, cx);
        Poll::Pending
    }

    /// For a session that is closing: ready once no WebSocket is being tried. `true` where one has
    /// taken over, and with it the session's last words.
    pub(super) fn poll_tried(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.state.lock();
        if !state.upgrade.is_probing() {
            return Poll::Ready(state.upgrade == Upgrade::WebSocket);
        }
        register(&mut state.wakers.keeper, cx);
        Poll::Pending
    }

    /// Returns how many polls were answered with frames, where some wait for the next and none is
    /// being answered.
    pub(super) fn unfetched(&self) -> Option<u32> {
        let state = self.state.lock();
        let waits = !state.outbox.is_empty() && !state.outbox.is_writing();
        waits.then_some(state.polls)
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

    fn outgoing(pool: usize) -> (Outgoing, Pool) {
        let pool = Pool::new(pool);
        (Outgoing::new(Upgrade::Polling, &pool, 16 << 20), pool)
    }

    impl Outgoing {
        fn push(&self, frame: Frame) -> bool {
            self.push_all([frame], &|_| {})
        }
    }

    #[test]
    fn a_websocket_takes_a_batch_when_it_has_written_the_one_before() {
        let (outgoing, pool) = outgoing(64 << 20);
        for _ in 0..8 {
            outgoing.push(frame(100_000));
        }
        let held = outgoing.waiting().1;
        let mut frames = VecDeque::new();
        assert_eq!(outgoing.poll_take(&cx(), &mut frames), Poll::Ready(None));
        assert_eq!(frames.len(), 3, "as many as a batch holds");
        assert_eq!(outgoing.waiting(), (5, held));
        frames.clear();
        assert_eq!(outgoing.poll_take(&cx(), &mut frames), Poll::Ready(None));
        assert_eq!(outgoing.waiting(), (2, held - 3 * frame(100_000).cost()));
        frames.clear();
        assert_eq!(outgoing.poll_take(&cx(), &mut frames), Poll::Ready(None));
        frames.clear();
        assert!(outgoing.poll_take(&cx(), &mut frames).is_pending());
        assert_eq!((outgoing.waiting(), pool.used()), ((0, 0), 0));
    }

    #[test]
    fn a_poll_is_answered_with_no_more_than_its_batch_which_counts_until_it_is_written() {
        let (outgoing, pool) = outgoing(64 << 20);
        outgoing.push(frame(100_000));
        outgoing.push(frame(POLL_BATCH));
        outgoing.push(frame(1));
        let Poll::Ready(Polled::Frames(frames, cost)) = outgoing.poll_payload(&cx()) else {
            panic!("nothing was polled");
        };
        assert_eq!((frames.len(), outgoing.unfetched()), (2, None));
        assert!(pool.used() > POLL_BATCH);
        outgoing.written(cost);
        assert_eq!((pool.used(), outgoing.unfetched()), (0, Some(1)));
    }

    #[test]
    fn a_poll_is_answered_with_no_more_packets_than_its_client_takes_and_the_next_with_the_rest() {
        let (outgoing, _) = outgoing(1 << 20);
        outgoing.bound_polls(16);
        for _ in 0..33 {
            outgoing.push(frame(1));
        }
        outgoing.close(CloseReason::ServerShutdown);
        let mut polls = Vec::new();
        let frames = loop {
            match outgoing.poll_payload(&cx()) {
                Poll::Ready(Polled::Frames(frames, _)) => polls.push(frames.len()),
                Poll::Ready(Polled::Closing(frames, ..)) => break frames,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((polls, frames.len()), (vec![16, 16, 1], 0));
    }

    #[test]
    fn a_poll_finds_nothing_of_a_session_that_was_closed_for_want_of_room() {
        let (outgoing, pool) = outgoing(64 << 20);
        assert!(outgoing.push(frame(16 << 20)));
        assert!(!outgoing.push(frame(1)));
        assert_eq!(outgoing.closing(), Some(CloseReason::SlowConsumer));
        assert_eq!(pool.used(), 0, "its memory is given back");
        let polled = outgoing.poll_payload(&cx());
        assert!(matches!(polled, Poll::Ready(Polled::Closing(frames, 0, _)) if frames.is_empty()));
    }

    #[test]
    fn what_was_queued_before_it_closed_is_still_sent() {
        let (outgoing, _) = outgoing(1 << 20);
        outgoing.push(frame(1));
        outgoing.close(CloseReason::ServerShutdown);
        assert!(!outgoing.push(frame(1)));
        let mut frames = VecDeque::new();
        assert_eq!(outgoing.poll_take(&cx(), &mut frames), Poll::Ready(None));
        assert_eq!(frames.len(), 1);
        frames.clear();
        assert_eq!(
            outgoing.poll_take(&cx(), &mut frames),
            Poll::Ready(Some(CloseReason::ServerShutdown))
        );
    }

    /// A stock client that finds an acknowledgement and the close in one answer never looks at the
    /// acknowledgement.
    #[test]
    fn a_poll_at_a_stopping_server_waits_for_all_that_is_said_and_the_next_one_is_told_of_the_close()
     {
        let (outgoing, _) = outgoing(1 << 20);
        outgoing.stop();
        outgoing.push(frame(1));
        assert!(outgoing.poll_payload(&cx()).is_pending());
        outgoing.push(frame(1));
        outgoing.close(CloseReason::ServerShutdown);
        let polled = outgoing.poll_payload(&cx());
        assert!(matches!(polled, Poll::Ready(Polled::Frames(frames, _)) if frames.len() == 2));
        let polled = outgoing.poll_payload(&cx());
        assert!(matches!(polled, Poll::Ready(Polled::Closing(frames, ..)) if frames.is_empty()));
    }

    #[test]
    fn while_a_websocket_is_tried_a_poll_gets_what_there_is_or_a_noop() {
        let (outgoing, _) = outgoing(1 << 20);
        assert!(outgoing.poll_payload(&cx()).is_pending());
        assert!(outgoing.begin_upgrade());
        assert!(outgoing.poll_payload(&cx()).is_pending());
        outgoing.hear_probe(&Packet::PingProbe, false);
        assert!(matches!(
            outgoing.poll_payload(&cx()),
            Poll::Ready(Polled::Noop)
        ));
        outgoing.push(frame(1));
        assert!(matches!(
            outgoing.poll_payload(&cx()),
            Poll::Ready(Polled::Frames(..))
        ));
        outgoing.push(frame(1));
        outgoing.hear_probe(&Packet::Upgrade, false);
        assert!(
            matches!(outgoing.poll_payload(&cx()), Poll::Ready(Polled::Noop)),
            "the rest is the WebSocket's"
        );
        assert_eq!(
            outgoing.poll_take(&cx(), &mut VecDeque::new()),
            Poll::Ready(None)
        );
    }

    /// A poll right behind the end of an upgrade was answered as one before it, about once in a
    /// hundred.
    #[test]
    fn a_poll_waits_for_its_look_until_the_session_closes() {
        let (outgoing, _) = outgoing(1 << 20);
        outgoing.ask();
        assert!(
            outgoing.poll_asked(&cx()).is_ready(),
            "no WebSocket is being tried"
        );
        assert!(outgoing.begin_upgrade());
        assert!(outgoing.poll_asked(&cx()).is_ready(), "no poll has asked");
        outgoing.begin_look();
        outgoing.ask();
        outgoing.end_look();
        assert!(
            outgoing.poll_asked(&cx()).is_pending(),
            "that look began before"
        );
        outgoing.begin_look();
        assert!(outgoing.poll_asked(&cx()).is_pending());
        outgoing.end_look();
        assert!(outgoing.poll_asked(&cx()).is_ready());
        outgoing.ask();
        outgoing.close(CloseReason::ServerShutdown);
        assert!(
            outgoing.poll_asked(&cx()).is_ready(),
            "the task will look no more"
        );
    }
}
