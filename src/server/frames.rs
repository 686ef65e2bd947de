//! What a client sends by HTTP/2 beside its requests: frames that cost it nothing, counted.
//!
//! hyper keeps no more of them than one at a time, and answers them only as fast as the client
//! reads. But of those that need no answer a client may send millions a second, which would take a
//! processor from everybody else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// 5,000 a second of one connection: no client sends more of anything but of `WINDOW_UPDATE`, and
/// of those it has some without.
const MOST_A_SECOND: u32 = 5_000;
/// 2 KiB that were sent allow one `WINDOW_UPDATE` more: some clients send two, for the stream and
/// for the connection, whenever they have read 4 KiB.
const BYTES_AN_UPDATE: usize = 2 << 10;
/// 16 MiB of what was sent allow them later on: no client lets more arrive before it reads.
const MOST_UNREAD: usize = 16 << 20;
/// What a client sends first: `PRI * HTTP/2.0` and what belongs to it.
const PREFACE: usize = 24;
/// Length, type, flags, stream.
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// A connection whose client may send so many frames beside its requests.
pub(super) struct Counted<I> {
    io: I,
    frames: Frames,
}

impl<I> Counted<I> {
    /// Counts from the first byte of HTTP/2 on.
    pub(super) fn new(io: I) -> Self {
        let frames = Frames::new(Instant::now());
        Self { io, frames }
    }
}

/// Follows a client's bytes from frame to frame.
#[derive(Debug)]
struct Frames {
    /// The bytes until the next frame begins.
    skip: usize,
    header: [u8; HEADER],
    header_read: usize,
    second: Instant,
    in_second: u32,
    /// Bytes that the client was sent, and has not said yet that it read.
    unread: usize,
}

impl Frames {
    fn new(now: Instant) -> Self {
        Self {
            skip: PREFACE,
            header: [0; HEADER],
            header_read: 0,
            second: now,
            in_second: 0,
            unread: 0,
        }
    }

    /// The client was sent so many bytes.
    fn sent(&mut self, bytes: usize) {
        self.unread = (self.unread + bytes).min(MOST_UNREAD);
    }

    /// Takes in bytes of the client. Returns `false` where they have too many frames in a second.
    fn feed(&mut self, now: impl Fn() -> Instant, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - self.header_read).min(bytes.len());
            if taken == 0 {
                return true;
            }
            self.header[self.header_read..][..taken].copy_from_slice(&bytes[..taken]);
            self.header_read += taken;
            bytes = &bytes[taken..];
            if self.header_read == HEADER && !self.begin(&now) {
                return false;
            }
        }
    }

    /// A header is whole.
    fn begin(&mut self, now: impl Fn() -> Instant) -> bool {
        self.header_read = 0;
        let [high, middle, low, kind, ..] = self.header;
        self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
        // Those of requests are bounded by what they come to.
        if self.skip > 0 && matches!(kind, DATA | HEADERS | CONTINUATION) {
            return true;
        }
        if kind == WINDOW_UPDATE
            && let Some(unread) = self.unread.checked_sub(BYTES_AN_UPDATE)
        {
            self.unread = unread;
            return true;
        }
        self.in_second += 1;
        if self.in_second > MOST_A_SECOND {
            let now = now();
            if now.duration_since(self.second) < Duration::from_secs(1) {
                return false;
            }
            (self.second, self.in_second) = (now, 1);
        }
        true
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let counted = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut counted.io).poll_read(cx, buffer))?;
        if counted
            .frames
            .feed(Instant::now, &buffer.filled()[before..])
        {
            return Poll::Ready(Ok(()));
        }
        let flood = "too many frames beside requests in one second";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, flood)))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let counted = self.get_mut();
        let written = ready!(Pin::new(&mut counted.io).poll_write(cx, bytes))?;
        counted.frames.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let counted = self.get_mut();
        let written = ready!(Pin::new(&mut counted.io).poll_write_vectored(cx, pieces))?;
        counted.frames.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let size = (length as u32).to_be_bytes();
        let mut frame = vec![size[1], size[2], size[3], kind, 0, 0, 0, 0, 1];
        frame.resize(HEADER + length, 0xff);
        frame
    }

    fn begun(now: Instant) -> Frames {
        let mut frames = Frames::new(now);
        assert!(frames.feed(|| now, &[b'P'; PREFACE]));
        frames
    }

    #[test]
    fn frames_beside_requests_are_counted_however_the_bytes_are_cut() {
        let now = Instant::now();
        let stream = [
            frame(4, 0),
            frame(HEADERS, 300),
            frame(PING, 8),
            frame(DATA, 16_384),
            frame(DATA, 0),
            frame(CONTINUATION, 5),
            frame(WINDOW_UPDATE, 4),
            frame(0x77, 100),
        ]
        .concat();
        for step in [1, 2, 8, 9, 10, 1_000, stream.len()] {
            let mut frames = begun(now);
            for bytes in stream.chunks(step) {
                assert!(frames.feed(|| now, bytes));
            }
            assert_eq!(frames.in_second, 5, "in steps of {step}");
        }
    }

    #[test]
    fn too_many_in_a_second_are_noticed_and_the_next_second_is_a_new_one() {
        let start = Instant::now();
        let many: Vec<u8> = (0..MOST_A_SECOND).flat_map(|_| frame(PING, 8)).collect();
        let mut frames = begun(start);
        assert!(frames.feed(|| start, &many));
        let later = start + Duration::from_secs(1);
        assert!(frames.feed(|| later, &many));
        assert!(!frames.feed(|| later, &frame(PING, 8)));
        let mut frames = begun(start);
        let uploading: Vec<u8> = (0..MOST_A_SECOND * 2)
            .flat_map(|_| frame(DATA, 9))
            .collect();
        assert!(frames.feed(|| start, &uploading));
    }

    /// A download of 80 MB/s ended in the middle.
    #[test]
    fn a_client_that_reads_fast_says_so_as_often_as_it_wants() {
        let now = Instant::now();
        let mut frames = begun(now);
        let update = frame(WINDOW_UPDATE, 4);
        for _ in 0..MOST_A_SECOND * 4 {
            frames.sent(4 << 10);
            assert!(frames.feed(|| now, &[&update[..], &update].concat()));
        }
        assert_eq!(frames.in_second, 0);
        frames.sent(1 << 30);
        let most = MOST_UNREAD / BYTES_AN_UPDATE + MOST_A_SECOND as usize;
        assert!(frames.feed(|| now, &update.repeat(most)));
        assert!(!frames.feed(|| now, &update));
    }
}
