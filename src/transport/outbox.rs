//! What waits to be sent to one session's client.
//!
//! Bounded in frames and in bytes. Policy at the bound: the session is closed as a slow consumer and what waits is
//! dropped at once, since a client that reads nothing would not read it either; no sender ever waits. A frame that is
//! being written when more come is counted no more, so a session holds at most twice the bounds.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::frame::Frame;
use crate::engineio::CloseReason;

/// 4,096 frames: one transaction full of messages to one person, who is merely a moment late.
pub(super) const MAX_FRAMES: usize = 4_096;
/// 1 MiB: some 5,000 messages of a line, or one page of history's worth of the longest.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// The queue of one session.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
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
    /// These.
    Frames(VecDeque<Frame>),
    /// Nothing, at once.
    Noop,
    /// These, and then no more.
    Closing(VecDeque<Frame>, CloseReason),
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
    /// `false`, and closing, where it is full; as before, where it is closing.
    fn push(&mut self, frame: Frame) -> bool {
        if self.closing.is_some() {
            return false;
        }
        if self.frames.len() >= MAX_FRAMES
            || self.bytes + frame.len() > MAX_BYTES && !self.frames.is_empty()
        {
            self.closing = Some(CloseReason::SlowConsumer);
            self.take();
            return false;
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
        true
    }

    fn wake(&mut self) -> [Option<Waker>; 3] {
        [self.sender.take(), self.keeper.take(), self.socket.take()]
    }

    fn take(&mut self) -> VecDeque<Frame> {
        self.bytes = 0;
        std::mem::take(&mut self.frames)
    }
}

fn wake<const N: usize>(wakers: [Option<Waker>; N]) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

impl Outbox {
    /// How many frames and bytes wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.frames.len(), queue.bytes)
    }

    /// Queues a frame. `false` where the session is closing or is closed for this one.
    pub(super) fn push(&self, frame: Frame) -> bool {
        self.push_all([frame])
    }

    /// Queues frames that nothing may come between. `false` as for one.
    pub(super) fn push_all(&self, frames: impl IntoIterator<Item = Frame>) -> bool {
        let mut queue = self.queue.lock();
        for frame in frames {
            if !queue.push(frame) {
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

    /// Queues a frame if it can leave at once: nothing waits, and somebody is there to send it.
    pub(super) fn push_volatile(&self, frame: Frame) -> bool {
        let ready = {
            let queue = self.queue.lock();
            queue.frames.is_empty() && queue.sender.is_some()
        };
        ready && self.push(frame)
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

    /// For a WebSocket: moves all that waits into `frames`, which is empty. Pending where there is nothing.
    pub(super) fn poll_take(
        &self,
        cx: &Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Option<CloseReason>> {
        let mut queue = self.queue.lock();
        if queue.frames.is_empty() {
            // Both queues give their memory back: most sessions say nothing for most of their lives.
            *frames = VecDeque::new();
            queue.frames = VecDeque::new();
            if let Some(reason) = queue.closing {
                return Poll::Ready(Some(reason));
            }
            register(&mut queue.sender, cx);
            return Poll::Pending;
        }
        queue.bytes = 0;
        std::mem::swap(&mut queue.frames, frames);
        Poll::Ready(None)
    }

    /// For a GET: all that waits. Pending while there is nothing and it may wait.
    pub(super) fn poll_payload(&self, cx: &Context<'_>) -> Poll<Polled> {
        let mut queue = self.queue.lock();
        match (queue.hurry, queue.closing) {
            (Hurry::Upgraded, _) => Poll::Ready(Polled::Noop),
            (_, Some(reason)) => Poll::Ready(Polled::Closing(queue.take(), reason)),
            _ if !queue.frames.is_empty() => Poll::Ready(Polled::Frames(queue.take())),
            (Hurry::Probing, None) => Poll::Ready(Polled::Noop),
            (Hurry::No, None) => {
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

    #[test]
    fn too_many_frames_close_it_as_a_slow_consumer_and_give_the_memory_back() {
        let outbox = Outbox::default();
        for _ in 0..MAX_FRAMES {
            assert!(outbox.push(frame(1)));
        }
        assert!(!outbox.push(frame(1)));
        assert_eq!(outbox.closing(), Some(CloseReason::SlowConsumer));
        assert_eq!(outbox.queue.lock().frames.capacity(), 0);
        assert!(
            matches!(outbox.poll_payload(&cx()), Poll::Ready(Polled::Closing(frames, _)) if frames.is_empty())
        );
    }

    #[test]
    fn too_many_bytes_close_it_too_but_one_large_frame_may_pass() {
        let outbox = Outbox::default();
        assert!(
            outbox.push(frame(MAX_BYTES)),
            "alone in the queue, however large"
        );
        assert!(!outbox.push(frame(1)));
        assert_eq!(outbox.closing(), Some(CloseReason::SlowConsumer));
    }

    #[test]
    fn what_was_queued_before_it_closed_is_still_sent() {
        let outbox = Outbox::default();
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

    #[test]
    fn while_a_websocket_is_tried_a_poll_gets_what_there_is_or_a_noop() {
        let outbox = Outbox::default();
        assert!(outbox.poll_payload(&cx()).is_pending());
        outbox.set_hurry(Hurry::Probing);
        assert!(matches!(
            outbox.poll_payload(&cx()),
            Poll::Ready(Polled::Noop)
        ));
        outbox.push(frame(1));
        assert!(matches!(
            outbox.poll_payload(&cx()),
            Poll::Ready(Polled::Frames(_))
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
        let outbox = Outbox::default();
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
