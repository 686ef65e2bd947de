//! How answers get on: an answer of which its client takes nothing ends.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::places::Asking;
use crate::web::{Body, Traffic};

/// 16 KiB: as much of an answer is given to an HTTP/2 stream at once, and is a frame of it.
const STEP: usize = 16 << 10;

/// How an answer gets on.
#[derive(Default)]
pub(super) struct Pace {
    begun: Notify,
    /// The number of its pieces that were taken.
    pieces: AtomicU64,
    /// Set while the next piece is not there yet: then it is not the client that is slow.
    is_wanting: AtomicBool,
}

impl Pace {
    /// Completes when the client has left the answer's stream without room for as long as the
    /// connection has patience, though the connection itself had some.
    pub(super) async fn is_stuck(&self, traffic: &Traffic) {
        self.begun.notified().await;
        let mut before = None;
        loop {
            let pieces = Some(self.pieces.load(Ordering::Relaxed));
            let is_late = before == pieces && !self.is_wanting.load(Ordering::Relaxed);
            if is_late && !traffic.was_blocked() {
                return;
            }
            before = pieces;
            tokio::time::sleep(traffic.patience()).await;
        }
    }
}

/// The last pieces of answers, of which hyper does not say whether they leave, with the moment at
/// which they were given to the connection.
#[derive(Default)]
pub(super) struct Tails(Mutex<VecDeque<(Instant, Weak<()>)>>);

impl Tails {
    fn add(&self, piece: Bytes) -> Bytes {
        let alive = Arc::new(());
        let mut tails = self.0.lock();
        while tails
            .front()
            .is_some_and(|(_, tail)| tail.strong_count() == 0)
        {
            tails.pop_front();
        }
        tails.push_back((Instant::now(), Arc::downgrade(&alive)));
        Bytes::from_owner(Tail {
            piece,
            _alive: alive,
        })
    }

    /// Returns whether one has been there for so long.
    pub(super) fn are_stuck(&self, patience: Duration) -> bool {
        let mut tails = self.0.lock();
        tails.retain(|(_, tail)| tail.strong_count() > 0);
        let oldest = tails.front();
        oldest.is_some_and(|(since, _)| since.elapsed() >= patience)
    }
}

struct Tail {
    piece: Bytes,
    _alive: Arc<()>,
}

impl AsRef<[u8]> for Tail {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

/// An answer given away piece by piece, so that its pace is seen.
pub(super) struct Paced {
    body: Body,
    /// Of the body's last frame.
    rest: Bytes,
    pub(super) pace: Option<Arc<Pace>>,
    pub(super) tails: Option<Arc<Tails>>,
    /// Until it is sent the request is being answered.
    _asking: Asking,
}

impl Paced {
    pub(super) fn new(body: Body, asking: Asking) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            pace: None,
            tails: None,
            _asking: asking,
        }
    }

    pub(super) fn begin(&self) {
        if let Some(pace) = &self.pace {
            pace.begun.notify_one();
        }
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let paced = self.get_mut();
        if paced.rest.is_empty() {
            let polled = Pin::new(&mut paced.body).poll_frame(cx);
            if let Some(pace) = &paced.pace {
                let is_wanting = polled.is_pending();
                pace.is_wanting.store(is_wanting, Ordering::Relaxed);
            }
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => paced.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return Poll::Ready(other),
            }
        }
        let step = match &paced.pace {
            Some(pace) => {
                pace.pieces.fetch_add(1, Ordering::Relaxed);
                STEP
            }
            None => usize::MAX,
        };
        let mut piece = paced.rest.split_to(paced.rest.len().min(step));
        if let Some(tails) = &paced.tails
            && paced.is_end_stream()
        {
            piece = tails.add(piece);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        match hint.exact() {
            Some(left) => SizeHint::with_exact(left + rest),
            None => hint,
        }
    }
}
