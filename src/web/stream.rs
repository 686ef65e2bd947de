//! A client's TCP connection, which ends where what is written to it makes no progress.

use std::any::Any;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::budget::ANSWER_STEP;
use crate::metrics::Counter;

/// The type of a TLS record that carries a handshake; no method of HTTP begins so.
const TLS_HANDSHAKE: u16 = 22;
/// 64 KiB: how much is read of a connection before others get their turn.
const BYTES_A_TURN: u32 = 64 << 10;

/// 5 s: an answer that takes longer is one for which a client waits, and ends with it.
const OWED_FOR: Duration = Duration::from_secs(5);

/// The stream does not end writes that make no progress.
const UNWATCHED: u8 = 0;
/// It does, as it does in the phases below.
const WATCHED: u8 = 1;
/// A request is being answered though its client says no more.
const OWING: u8 = 2;
/// Its answer is there, and to be written.
const ANSWERED: u8 = 3;

/// The progress of one connection's writes. Shared with the connection's owner.
#[derive(Debug)]
pub struct Traffic {
    since: Instant,
    /// The most time without progress of a write, in milliseconds: with a `Duration` it would take
    /// the allocator's next size, for each connection.
    patience_ms: u32,
    /// The last moment at which a write found no room; 0 before that.
    blocked_at: AtomicU32,
    /// The moment at which the first byte came since the connection began to listen; 0 before that.
    heard_at: AtomicU32,
    /// Set while the write that was tried last found no room.
    is_blocked: AtomicBool,
    /// The first byte that the client sent, and one more; 0 before that.
    first: AtomicU16,
    /// One of those below.
    phase: AtomicU8,
    /// The bytes that the kernel took.
    written: AtomicU64,
    /// Counts it where its writes, or one of its streams, make no progress.
    slow: Counter,
}

impl Traffic {
    /// Of a new connection whose writes may make no progress for so long, and is counted as `slow`
    /// then.
    pub fn new(patience: Duration, slow: Counter) -> Self {
        Self {
            since: Instant::now(),
            patience_ms: u32::try_from(patience.as_millis()).unwrap_or(u32::MAX),
            blocked_at: AtomicU32::new(0),
            heard_at: AtomicU32::new(0),
            is_blocked: AtomicBool::new(false),
            first: AtomicU16::new(0),
            phase: AtomicU8::new(WATCHED),
            written: AtomicU64::new(0),
            slow,
        }
    }

    /// The most time without progress of a write.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms.into())
    }

    /// Returns whether what the client sent began as TLS does (RFC 8446, section 5.1).
    pub fn began_as_tls(&self) -> bool {
        self.first.load(Ordering::Relaxed) == TLS_HANDSHAKE + 1
    }

    /// Begins to listen for the next head of a request.
    pub fn listen(&self) {
        self.heard_at.store(0, Ordering::Relaxed);
    }

    /// Returns how long ago the first byte came since then, if one did.
    pub fn heard(&self) -> Option<Duration> {
        let ms = self.ms_since(&self.heard_at)?;
        Some(Duration::from_millis(ms.into()))
    }

    /// Leaves writes without progress to the user of the stream: a WebSocket has a policy of its
    /// own.
    pub fn unwatch(&self) {
        self.phase.store(UNWATCHED, Ordering::Relaxed);
    }

    fn is_watched(&self) -> bool {
        self.phase.load(Ordering::Relaxed) != UNWATCHED
    }

    /// Has a request answered even if the client ends its side of the connection now, as `nc -N`
    /// does. HTTP ends a connection by that, so the stream does not tell of it before the answer is
    /// written, or too long in coming.
    pub fn owe_answer(&self) {
        self.phase.store(OWING, Ordering::Relaxed);
    }

    fn owes_answer(&self) -> bool {
        self.phase.load(Ordering::Relaxed) >= OWING
    }

    /// Notes that an answer is there.
    pub fn has_answer(&self) {
        self.enter(OWING, ANSWERED);
    }

    /// Notes that all is written that there was; returns whether an answer was among it.
    fn was_flushed(&self) -> bool {
        self.enter(ANSWERED, WATCHED)
    }

    fn enter(&self, from: u8, to: u8) -> bool {
        let order = Ordering::Relaxed;
        self.phase.compare_exchange(from, to, order, order).is_ok()
    }

    /// Returns how many bytes were written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Returns whether something waits to be written.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }

    /// Returns whether a write found no room within the time of its patience: the connection as a
    /// whole is slow then, and each of its streams with it.
    pub fn was_blocked(&self) -> bool {
        let since = self.ms_since(&self.blocked_at);
        since.is_some_and(|ms| self.is_blocked() || ms < self.patience_ms)
    }

    /// Counts a stream of the connection whose answer was not read.
    pub fn was_slow(&self) {
        self.slow.inc();
    }

    /// This moment, in milliseconds after `since`, and never 0. It begins anew every 49 days, so
    /// that what is that long ago seems to be now, which does no harm.
    fn moment(&self) -> u32 {
        (self.since.elapsed().as_millis() as u32).max(1)
    }

    /// How many milliseconds ago that was, if it ever was.
    fn ms_since(&self, moment: &AtomicU32) -> Option<u32> {
        match moment.load(Ordering::Relaxed) {
            0 => None,
            moment => Some(self.moment().wrapping_sub(moment)),
        }
    }

    /// Something came.
    pub fn hear(&self) {
        if self.heard_at.load(Ordering::Relaxed) == 0 {
            self.heard_at.store(self.moment(), Ordering::Relaxed);
        }
    }

    fn blocked(&self) {
        self.blocked_at.store(self.moment(), Ordering::Relaxed);
        self.is_blocked.store(true, Ordering::Relaxed);
    }
}

/// A TCP connection whose writes are watched: one that makes no progress for as long as
/// its [`Traffic`] has patience fails with `TimedOut`.
pub struct Stream {
    io: TcpStream,
    traffic: Arc<Traffic>,
    /// Made when a write first finds no room, or an answer is owed to a client that has ended its
    /// side.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    /// Set once something was read.
    has_begun: bool,
    /// Set once the client has ended its side while it is owed an answer.
    has_ended: bool,
    /// The bytes that were read in this turn.
    read: u32,
    /// Kept for as long as the connection lives, through an upgrade too.
    _place: Arc<dyn Any + Send + Sync>,
}

impl Stream {
    /// Watches a connection; `place` is kept until it is closed.
    pub fn new(io: TcpStream, traffic: Arc<Traffic>, place: Arc<dyn Any + Send + Sync>) -> Self {
        Self {
            io,
            traffic,
            timer: None,
            is_waiting: false,
            has_begun: false,
            has_ended: false,
            read: 0,
            _place: place,
        }
    }

    /// Reads what is there without taking it; waits until something is.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.peek(buffer).await
    }

    /// Completes once it is time to tell that the client has ended its side.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.traffic.owes_answer() {
            return Poll::Ready(Ok(()));
        }
        let is_first = !std::mem::replace(&mut self.has_ended, true);
        // A write without progress ends the connection by itself.
        if self.is_waiting {
            return Poll::Pending;
        }
        let sleep = || Box::pin(tokio::time::sleep(OWED_FOR));
        let timer = self.timer.get_or_insert_with(sleep);
        if is_first {
            timer.as_mut().reset(Instant::now() + OWED_FOR);
        }
        timer.as_mut().poll(cx).map(Ok)
    }

    /// Returns what a write came to, of which these are the first bytes.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = &written {
            if let Ok(bytes) = result {
                let bytes = *bytes as u64;
                self.traffic.written.fetch_add(bytes, Ordering::Relaxed);
            }
            if self.is_waiting {
                self.is_waiting = false;
                self.traffic.is_blocked.store(false, Ordering::Relaxed);
            }
            return written;
        }
        if !self.traffic.is_watched() {
            return Poll::Pending;
        }
        self.wait(cx, bytes)
    }

    fn wait(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.traffic.blocked();
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.traffic.patience())));
        if !self.is_waiting {
            self.is_waiting = true;
            timer
                .as_mut()
                .reset(Instant::now() + self.traffic.patience());
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        // The kernel calls a socket writable once a third of its buffer, which may be megabytes, is
        // free. What a slow client took besides shows only where a write is tried.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let taken = match rustix::net::send(&self.io, bytes, flags) {
            Ok(taken) => taken,
            Err(rustix::io::Errno::AGAIN) => 0,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        self.traffic
            .written
            .fetch_add(taken as u64, Ordering::Relaxed);
        if taken < bytes.len().min(ANSWER_STEP) {
            self.traffic.slow.inc();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.is_waiting = false;
        Poll::Ready(Ok(taken))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        // HTTP/2 reads for as long as there is something, and acts on it: a flood of small frames,
        // which cost more than they weigh, would keep the thread for as long as tokio lets it. A
        // WebSocket counts by itself.
        if stream.read >= BYTES_A_TURN && stream.traffic.is_watched() {
            stream.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if stream.has_ended {
            return stream.end(cx);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut stream.io).poll_read(cx, buffer);
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        if is_end && matches!(read, Poll::Ready(Ok(()))) {
            return stream.end(cx);
        }
        match read {
            Poll::Ready(_) => {
                let count = buffer.filled().len() - before;
                if count > 0 {
                    stream.traffic.hear();
                }
                stream.read = stream
                    .read
                    .saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            }
            Poll::Pending => stream.read = 0,
        }
        if !stream.has_begun
            && let Some(first) = buffer.filled().get(before)
        {
            stream.has_begun = true;
            let first = u16::from(*first) + 1;
            stream.traffic.first.store(first, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        let written = Pin::new(&mut stream.io).poll_write(cx, bytes);
        stream.judge(cx, bytes, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        let written = Pin::new(&mut stream.io).poll_write_vectored(cx, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        stream.judge(cx, first.map_or(&[], |slice| slice), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if stream.traffic.was_flushed() && stream.has_ended {
            // All is read that there is, and the end is told now.
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut stream.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
