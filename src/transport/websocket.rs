//! Sessions on a WebSocket: one task each, which reads, writes, keeps the time and closes.
//!
//! tungstenite reads: framing, masking, fragments, UTF-8, control frames. Data is written past it, straight from the
//! shared frames of the outbox, so a message to a thousand sockets is encoded once; tungstenite's own writes (pongs,
//! the answer to a close) are caught and put in between. Idle, a session has no buffers at all: reading and writing go
//! through one scratch buffer a thread, and tungstenite's reader lives for as long as a message is half read.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::frame::Frame;
use super::frames::Frames;
use super::outbox::Hurry;
use super::registry::Live;
use super::{Body, Refusal, Shared};
use crate::engineio::{CloseReason, Packet, ProbeOutput, Stage};

/// 1,000 bytes: most messages fit, and it is of a size that the allocator keeps at hand.
const READ_BUFFER: usize = 1_000;
/// 16 KiB, one a thread: the most that one system call reads or writes.
const SCRATCH: usize = 16 * 1_024;
/// How many messages one turn reads before others get theirs.
const MESSAGES_A_TURN: usize = 64;
/// 64 KiB: how many bytes one turn reads before others get theirs, since many fragments make no message.
const BYTES_A_TURN: usize = 64 * 1_024;
/// How long a write may make no progress. A client that reads nothing for so long is a slow consumer, however little
/// waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to answer our close, or to read why it was closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sent with a close: the message is larger than the limit.
const TOO_BIG: u16 = 1_009;
/// Sent with a close: text that is no UTF-8.
const NOT_UTF8: u16 = 1_007;
/// Sent with a close: more frames than anybody needs.
const POLICY: u16 = 1_008;
/// Sent with a close: frames against RFC 6455.
const PROTOCOL_ERROR: u16 = 1_002;

thread_local! {
    static READ_SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
    static WRITE_SCRATCH: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(SCRATCH));
}

/// Whether a request asks for a WebSocket.
pub(super) fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens a session that begins on a WebSocket.
pub(super) fn open(
    shared: &Arc<Shared>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Refusal> {
    let mut response = switching(&request)?;
    let upgrade = hyper::upgrade::on(&mut request);
    let (live, say) = shared.open(&request, peer, Stage::WebSocket)?;
    response.headers_mut().extend(say);
    start(shared, live, Phase::Open, upgrade);
    Ok(response)
}

/// Tries to move a polling session to a WebSocket.
pub(super) fn upgrade(
    shared: &Arc<Shared>,
    live: Arc<Live>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let response = switching(&request)?;
    let upgrade = hyper::upgrade::on(&mut request);
    // A session that is on a WebSocket, or being tried on one, does not mind: the new one is closed.
    let phase = if live.session.lock().begin_probe() {
        live.outbox.set_trying(true);
        Phase::Probing
    } else {
        Phase::Refused
    };
    start(shared, live, phase, upgrade);
    Ok(response)
}

/// The answer to a right WebSocket handshake.
fn switching(request: &Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let headers = request.headers();
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or(Refusal::BadRequest)?;
    let version_13 = headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_some_and(|version| version == "13");
    if request.method() != Method::GET || !version_13 {
        return Err(Refusal::BadRequest);
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| Refusal::BadRequest)?;
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    // A browser fails the connection where it offered subprotocols and none was picked.
    if let Some(offered) = headers
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .and_then(|value| value.to_str().ok())
        && let Some(first) = offered
            .split(',')
            .map(str::trim)
            .find(|name| !name.is_empty())
        && let Ok(first) = HeaderValue::from_str(first)
    {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, first);
    }
    Ok(response)
}

/// Waits for hyper to hand the connection over, and runs the session on it.
fn start(shared: &Arc<Shared>, live: Arc<Live>, phase: Phase, upgrade: hyper::upgrade::OnUpgrade) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let upgraded = match tokio::time::timeout(shared.config.upgrade_timeout, upgrade).await {
            Ok(Ok(upgraded)) => upgraded,
            _ => {
                match phase {
                    Phase::Open => {
                        live.end(CloseReason::TransportError);
                        live.forget();
                    }
                    Phase::Probing => {
                        live.session.lock().end_probe();
                        live.outbox.set_trying(false);
                    }
                    Phase::Refused | Phase::Closing => {}
                }
                return;
            }
        };
        // A task of its own, small for as long as the connection lives: this one's future holds hyper's things.
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => drop(tokio::spawn(Task::new(
                parts.io.into_inner(),
                &parts.read_buf,
                &shared,
                live,
                phase,
            ))),
            Err(upgraded) => {
                let io: TokioIo<Upgraded> = TokioIo::new(upgraded);
                drop(tokio::spawn(Task::new(io, &[], &shared, live, phase)));
            }
        }
    });
}

/// What the connection is for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It carries a session.
    Open,
    /// It wants to take a polling session over.
    Probing,
    /// It came for a session that has a WebSocket.
    Refused,
    /// A close frame is sent, or about to be; what the client still says is read and dropped, so that it sees the close
    /// and no reset.
    Closing,
}

/// The task of one connection.
struct Task<S> {
    io: S,
    /// Reads frames; made when something comes, dropped when nothing is half read.
    reader: Option<Box<WebSocketContext>>,
    max_payload: usize,
    frames: Frames,
    live: Arc<Live>,
    phase: Phase,
    timer: Pin<Box<Sleep>>,
    timer_at: Instant,
    /// The session is closing, and its last frames have until the timer to be written.
    hurried: bool,
    /// Read but not yet taken by tungstenite; mostly empty.
    input: Vec<u8>,
    /// Taken from the outbox, to be written.
    output: VecDeque<Frame>,
    /// How much of the first of them is written.
    written: usize,
    /// Since when nothing could be written, though something waits.
    blocked: Option<Instant>,
}

/// A reader of frames, of messages up to so many bytes.
fn reader(max_payload: usize) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(max_payload))
        .max_frame_size(Some(max_payload));
    WebSocketContext::new(Role::Server, Some(config))
}

/// What reading came to.
enum Read {
    /// Nothing more for now.
    Pending,
    /// More, after others had their turn.
    Yield,
    /// The client is gone without a word.
    Gone(CloseReason),
    /// The client closed by a close frame, whose answer is on its way.
    Closed,
    /// This side is to close, with this close code.
    Close(CloseReason, Option<u16>),
}

/// What one message comes to.
enum Step {
    On,
    Answer(Packet<'static>),
    Over(Read),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    fn new(io: S, read: &[u8], shared: &Shared, live: Arc<Live>, phase: Phase) -> Self {
        let now = Instant::now();
        let timer_at = match phase {
            Phase::Open => live.session.lock().deadline(),
            _ => now + shared.config.upgrade_timeout,
        };
        let mut frames = Frames::new(now);
        frames.feed(now, read);
        let mut task = Self {
            io,
            reader: None,
            max_payload: shared.config.max_payload,
            frames,
            live,
            phase,
            timer: Box::pin(tokio::time::sleep_until(timer_at.into())),
            timer_at,
            hurried: false,
            input: read.to_vec(),
            output: VecDeque::new(),
            written: 0,
            blocked: None,
        };
        if phase == Phase::Refused {
            task.close(None);
        }
        task
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer_at = at;
        self.timer.as_mut().reset(at.into());
    }

    /// Gives up what this connection was for.
    fn leave(&mut self, reason: CloseReason) {
        match self.phase {
            Phase::Open => {
                self.live.end(reason);
                self.live.forget();
            }
            Phase::Probing => {
                self.live.session.lock().end_probe();
                self.live.outbox.set_hurry(Hurry::No);
                self.live.outbox.set_trying(false);
            }
            Phase::Refused | Phase::Closing => {}
        }
        self.phase = Phase::Closing;
        self.set_timer(Instant::now() + CLOSE_TIMEOUT);
    }

    /// Sends a close frame after what is being written.
    fn close(&mut self, code: Option<u16>) {
        self.output.push_back(Frame::control(match code {
            None => vec![0x88, 0],
            Some(code) => [&[0x88, 2][..], &code.to_be_bytes()].concat(),
        }));
        self.phase = Phase::Closing;
        self.set_timer(Instant::now() + CLOSE_TIMEOUT);
    }

    /// Leaves a client that does not read: what waits for it is dropped. `true` where not even a close can be written,
    /// since a frame is half written.
    fn abandon(&mut self, reason: CloseReason) -> bool {
        self.leave(reason);
        if self.written > 0 {
            return true;
        }
        self.output = VecDeque::new();
        self.close(None);
        false
    }

    /// The timer rang. `true` where the task is over.
    fn expired(&mut self) -> bool {
        match self.phase {
            Phase::Closing => return true,
            Phase::Probing | Phase::Refused => {
                self.leave(CloseReason::TransportError);
                self.close(None);
            }
            Phase::Open if self.hurried => return self.abandon(CloseReason::TransportError),
            Phase::Open => {
                let now = Instant::now();
                if self
                    .blocked
                    .is_some_and(|since| now >= since + WRITE_TIMEOUT)
                {
                    return self.abandon(CloseReason::SlowConsumer);
                }
                self.live.tick(now);
                let (stage, deadline) = {
                    let session = self.live.session.lock();
                    (session.stage(), session.deadline())
                };
                if stage == Stage::Closed {
                    return self.abandon(CloseReason::PingTimeout);
                }
                let blocked = self.blocked.map(|since| since + WRITE_TIMEOUT);
                self.set_timer(blocked.map_or(deadline, |blocked| blocked.min(deadline)));
            }
        }
        false
    }

    /// Reads what there is, up to a turn's worth, and acts on it.
    fn read(&mut self, cx: &mut Context<'_>) -> Read {
        READ_SCRATCH.with_borrow_mut(|scratch| {
            let before = std::mem::take(&mut self.input);
            let mut shim = Shim {
                io: &mut self.io,
                cx,
                frames: &mut self.frames,
                scratch,
                filled: 0,
                taken: 0,
                total: 0,
                stopped: None,
                before: &before,
                control: Vec::new(),
            };
            // Nothing is made for a connection on which nothing has come. A reader that is there may hold whole frames
            // that the last turn left to this one.
            if self.reader.is_none()
                && shim.before.is_empty()
                && let Err(error) = shim.fill()
            {
                return match shim.stopped {
                    Some(Stopped::TooManyFrames) => flooded(),
                    _ => over(&error.into()),
                };
            }
            let max_payload = self.max_payload;
            let reader = self
                .reader
                .get_or_insert_with(|| Box::new(reader(max_payload)));
            let mut outcome = Read::Yield;
            for _ in 0..MESSAGES_A_TURN {
                let step = match reader.read(&mut shim) {
                    Ok(message) => act(&self.live, &mut self.phase, &message),
                    Err(error) => Step::Over(over(&error)),
                };
                match step {
                    Step::On => {}
                    Step::Answer(packet) => shim
                        .control
                        .extend_from_slice(Frame::packet(&packet).wire()),
                    Step::Over(read) => {
                        outcome = read;
                        break;
                    }
                }
            }
            if matches!(outcome, Read::Closed) {
                // Lets tungstenite write its answer; that it then calls the connection closed is known here.
                let _ = reader.flush(&mut shim);
            }
            match (&outcome, shim.stopped) {
                (Read::Pending, Some(Stopped::TurnIsOver)) => outcome = Read::Yield,
                (Read::Pending, Some(Stopped::TooManyFrames)) => outcome = flooded(),
                _ => {}
            }
            self.input = [shim.before, &shim.scratch[shim.taken..shim.filled]].concat();
            let control = std::mem::take(&mut shim.control);
            if !control.is_empty() {
                // Before all data, but after a frame that is half written.
                self.output
                    .insert(usize::from(self.written > 0), Frame::control(control));
            }
            // Nothing is half read, and tungstenite has written what it had to.
            if matches!(outcome, Read::Pending) && self.frames.is_between_messages() {
                self.reader = None;
            }
            outcome
        })
    }

    /// Writes what there is. Ready once there is nothing to write and nothing will come: with the reason, where the
    /// session is closing.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<CloseReason>>> {
        loop {
            if self.output.is_empty() {
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
                match self.phase {
                    Phase::Open => {
                        if let Some(reason) =
                            ready!(self.live.outbox.poll_take(cx, &mut self.output))
                        {
                            return Poll::Ready(Ok(Some(reason)));
                        }
                    }
                    Phase::Probing | Phase::Refused => return Poll::Pending,
                    Phase::Closing => return Poll::Ready(Ok(None)),
                }
            }
            let count = if self.output.len() == 1 {
                ready!(
                    Pin::new(&mut self.io).poll_write(cx, &self.output[0].wire()[self.written..])
                )?
            } else {
                let written = WRITE_SCRATCH.with_borrow_mut(|scratch| {
                    gather(&self.output, self.written, scratch);
                    Pin::new(&mut self.io).poll_write(cx, scratch)
                });
                ready!(written)?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
    }

    /// So many bytes more are written.
    fn advance(&mut self, count: usize) {
        self.blocked = None;
        self.written += count;
        while let Some(first) = self.output.front()
            && self.written >= first.len()
        {
            self.written -= first.len();
            self.output.pop_front();
        }
    }

    /// Says that nothing follows, then reads and drops until the client has closed too.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(Pin::new(&mut self.io).poll_shutdown(cx)) {
            tracing::trace!(%error, "a connection broke while it was closed");
            return Poll::Ready(());
        }
        READ_SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let mut buffer = ReadBuf::new(scratch);
                match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {}
                    _ => return Poll::Ready(()),
                }
            }
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Task<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = self.get_mut();
        while task.timer.as_mut().poll(cx).is_ready() {
            if task.expired() {
                return Poll::Ready(());
            }
        }
        let was_probing = task.phase == Phase::Probing;
        if was_probing {
            task.live.outbox.begin_look();
        }
        if task.phase != Phase::Closing {
            match task.read(cx) {
                Read::Pending => {}
                Read::Yield => cx.waker().wake_by_ref(),
                Read::Gone(reason) => {
                    task.leave(reason);
                    return Poll::Ready(());
                }
                Read::Closed => task.leave(CloseReason::TransportClose),
                Read::Close(reason, code) => {
                    task.leave(reason);
                    task.close(code);
                }
            }
        }
        if was_probing {
            task.live.outbox.end_look();
        }
        if task.phase == Phase::Open && !task.hurried {
            let deadline = task.live.session.lock().deadline();
            // A later deadline is found out when the timer rings: most pongs need no new timer.
            if deadline < task.timer_at {
                task.set_timer(deadline);
            }
        }
        match task.write(cx) {
            Poll::Ready(Err(error)) => {
                tracing::trace!(%error, "a connection broke while it was written to");
                task.leave(CloseReason::TransportError);
                return Poll::Ready(());
            }
            Poll::Ready(Ok(Some(reason))) => {
                task.leave(reason);
                task.close(None);
                // Written in the next turn, together with what may have been read by then.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(None)) => return task.drain(cx),
            Poll::Pending => {
                if !task.output.is_empty() && task.blocked.is_none() && task.phase == Phase::Open {
                    let now = Instant::now();
                    task.blocked = Some(now);
                    if now + WRITE_TIMEOUT < task.timer_at {
                        task.set_timer(now + WRITE_TIMEOUT);
                    }
                }
            }
        }
        if let Poll::Ready(reason) = task.live.outbox.poll_closing(cx) {
            match (task.phase, reason) {
                (Phase::Open, CloseReason::SlowConsumer | CloseReason::PingTimeout) => {
                    if task.abandon(reason) {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                }
                // A client that is told to stop polling and then loses the WebSocket does neither until its pings fail.
                // So one that is being tried stays until the client has made up its mind.
                (Phase::Open | Phase::Probing, _) if !task.hurried => {
                    task.hurried = true;
                    task.set_timer(Instant::now() + CLOSE_TIMEOUT);
                    cx.waker().wake_by_ref();
                }
                _ => {}
            }
        }
        Poll::Pending
    }
}

impl<S> Drop for Task<S> {
    /// A runtime that stops, or a panic in a handler, drops the task in mid-session: its people must be told.
    fn drop(&mut self) {
        if self.phase == Phase::Open {
            self.live.end(CloseReason::TransportError);
            self.live.forget();
        }
    }
}

/// Copies frames into one buffer, up to its size.
fn gather(frames: &VecDeque<Frame>, written: usize, scratch: &mut Vec<u8>) {
    scratch.clear();
    let mut skip = written;
    for frame in frames {
        let wire = &frame.wire()[skip..];
        skip = 0;
        let room = SCRATCH - scratch.len();
        scratch.extend_from_slice(&wire[..wire.len().min(room)]);
        if wire.len() >= room {
            return;
        }
    }
}

/// Acts on one message of the client.
fn act(live: &Live, phase: &mut Phase, message: &tungstenite::Message) -> Step {
    let packet = match message {
        tungstenite::Message::Text(text) => Packet::decode(text),
        tungstenite::Message::Binary(bytes) => Ok(Packet::Binary(bytes.as_ref().into())),
        tungstenite::Message::Close(_) => return Step::Over(Read::Closed),
        _ => return Step::On,
    };
    match (*phase, packet) {
        (Phase::Open, Ok(packet)) => match live.receive(Instant::now(), packet) {
            Ok(()) => Step::On,
            Err(reason) => Step::Over(Read::Close(reason, None)),
        },
        (Phase::Probing, Ok(packet)) => {
            let output = live.session.lock().handle_probe(&packet);
            match output {
                ProbeOutput::Answer => {
                    live.outbox.set_hurry(Hurry::Probing);
                    Step::Answer(Packet::PongProbe)
                }
                ProbeOutput::Upgraded => {
                    *phase = Phase::Open;
                    live.outbox.set_hurry(Hurry::Upgraded);
                    live.outbox.set_trying(false);
                    Step::On
                }
                ProbeOutput::Refuse => Step::Over(Read::Close(CloseReason::TransportError, None)),
            }
        }
        (_, Err(error)) => {
            tracing::debug!(%error, "a client sent what is no packet");
            Step::Over(Read::Close(CloseReason::ParseError, None))
        }
        (Phase::Refused | Phase::Closing, _) => Step::On,
    }
}

/// What an error of tungstenite's comes to.
fn over(error: &tungstenite::Error) -> Read {
    match error {
        tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => Read::Pending,
        tungstenite::Error::Io(_) => Read::Gone(CloseReason::TransportError),
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => Read::Gone(CloseReason::TransportClose),
        tungstenite::Error::Capacity(_) => Read::Close(CloseReason::TransportError, Some(TOO_BIG)),
        tungstenite::Error::Utf8(_) => Read::Close(CloseReason::TransportError, Some(NOT_UTF8)),
        _ => Read::Close(CloseReason::TransportError, Some(PROTOCOL_ERROR)),
    }
}

/// Why a turn reads no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// Others are to have theirs.
    TurnIsOver,
    /// The client floods.
    TooManyFrames,
}

/// What a client that sends too many frames comes to.
fn flooded() -> Read {
    tracing::debug!("a client sends too many frames");
    Read::Close(CloseReason::TransportError, Some(POLICY))
}

/// What tungstenite takes for a stream during one turn: it reads from the connection through the thread's scratch
/// buffer, and writes only pongs and the answer to a close, which are collected.
struct Shim<'a, 'cx, S> {
    io: &'a mut S,
    cx: &'a mut Context<'cx>,
    frames: &'a mut Frames,
    scratch: &'a mut [u8],
    filled: usize,
    taken: usize,
    /// How much this turn has read.
    total: usize,
    /// Why it reads no more in this turn, though there may be more.
    stopped: Option<Stopped>,
    /// What an earlier turn has read and not used.
    before: &'a [u8],
    control: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Shim<'_, '_, S> {
    /// Reads once from the connection.
    fn fill(&mut self) -> io::Result<()> {
        if self.total >= BYTES_A_TURN {
            self.stopped = Some(Stopped::TurnIsOver);
        }
        if self.stopped.is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut buffer = ReadBuf::new(self.scratch);
        // Through tokio's own poll, which makes way for others when this task has had its share.
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer) {
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(read) => read?,
        }
        (self.taken, self.filled) = (0, buffer.filled().len());
        self.total += self.filled;
        if !self
            .frames
            .feed(Instant::now(), &self.scratch[..self.filled])
        {
            (self.filled, self.stopped) = (0, Some(Stopped::TooManyFrames));
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> io::Read for Shim<'_, '_, S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.before.is_empty() {
            return self.before.read(out);
        }
        if self.taken == self.filled {
            self.fill()?;
        }
        let count = out.len().min(self.filled - self.taken);
        out[..count].copy_from_slice(&self.scratch[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

impl<S> io::Write for Shim<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.control.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
