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
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::frame::{Frame, PONG};
use super::frames::Frames;
use super::outbox::Hurry;
use super::registry::Live;
use super::{Refusal, Shared};
use crate::budget::{Share, UNCOUNTED_HALF as UNCOUNTED};
use crate::engineio::{CloseReason, Packet, ProbeOutput, Stage};
use crate::web::{Body, Stream};

/// 1,000 bytes: most messages fit, and it is of a size that the allocator keeps at hand.
const READ_BUFFER: usize = 1_000;
/// 16 KiB, one a thread: the most that one system call reads or writes.
const SCRATCH: usize = 16 * 1_024;
/// How many messages one turn reads before others get theirs.
const MESSAGES_A_TURN: usize = 64;
/// 64 KiB: how many bytes one turn reads before others get theirs, since many fragments make no message.
const BYTES_A_TURN: usize = 64 * 1_024;
/// How long a client whose connection takes no more may need for [`MIN_PROGRESS`]. One that needs longer is a slow
/// consumer, however little waits for it; one that takes more is none, however much does.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// 8 KiB: a client that takes less in [`WRITE_TIMEOUT`], while more waits, is kept up by less than a telephone line.
const MIN_PROGRESS: usize = 8 * 1_024;
/// 128 KiB: how much the kernel keeps that it cannot send yet; some milliseconds of a fast network.
const UNSENT: u32 = 128 << 10;
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
/// Sent with a close: there is no room for such a message at the moment.
const TRY_AGAIN_LATER: u16 = 1_013;

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
    if live.outbox.is_stopping() {
        return Err(Refusal::Stopping);
    }
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
        .ok_or(Refusal::NoUpgrade)?;
    let version_13 = headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_some_and(|version| version == "13");
    if request.method() != Method::GET || !version_13 {
        return Err(Refusal::NoUpgrade);
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| Refusal::NoUpgrade)?;
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
        match upgraded.downcast::<TokioIo<Stream>>() {
            Ok(parts) => {
                let io = parts.io.into_inner();
                bound_unsent(&io);
                let task = Task::new(io, &parts.read_buf, &shared, live, phase);
                shared.sockets.spawn(task);
            }
            Err(upgraded) => {
                let io: TokioIo<Upgraded> = TokioIo::new(upgraded);
                shared
                    .sockets
                    .spawn(Task::new(io, &[], &shared, live, phase));
            }
        }
    });
}

/// Has the kernel take no more than it can soon send. It would take megabytes, for a client that reads nothing too, and ask
/// for more only once a third of them has left: a client that reads 50 KiB a second would seem to make no progress.
fn bound_unsent(stream: &impl AsFd) {
    let bounded = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    if let Err(error) = bounded {
        tracing::debug!(%error, "the kernel does not bound what is unsent");
    }
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
    /// The answer to the client's latest ping; to earlier ones none is due any more (RFC 6455, 5.5.3).
    pong: Option<Frame>,
    /// What is taken from the pool for a message that is half received and large.
    half: Option<Box<Share>>,
    /// That the connection takes no more, though something waits.
    blocked: Option<Blocked>,
}

/// How a connection that takes no more gets on.
#[derive(Debug, Clone, Copy)]
struct Blocked {
    since: Instant,
    /// How many bytes it has taken since.
    taken: usize,
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
            pong: None,
            half: None,
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
        // Nothing more is heard: a message that is half read would be kept, uncounted, until the client is gone.
        (self.reader, self.input, self.half) = (None, Vec::new(), None);
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
        self.pong = None;
        self.close(None);
        false
    }

    /// Whether so much waits for the client, which does not take it, that nothing more is to be heard from it.
    fn is_clogged(&self) -> bool {
        self.blocked.is_some() && self.live.outbox.is_nearly_full()
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
                if let Some(blocked) = self.blocked {
                    return self.is_stuck(now, blocked);
                }
                self.live.tick(now);
                let (stage, deadline) = {
                    let session = self.live.session.lock();
                    (session.stage(), session.deadline())
                };
                if stage == Stage::Closed {
                    return self.abandon(CloseReason::PingTimeout);
                }
                self.set_timer(deadline);
            }
        }
        false
    }

    /// Judges a connection that takes no more by what it took of late. Pings are of no use meanwhile: they wait behind
    /// the rest, and so do their answers. `true` where the task is over.
    fn is_stuck(&mut self, now: Instant, blocked: Blocked) -> bool {
        if now < blocked.since + WRITE_TIMEOUT {
            self.set_timer(blocked.since + WRITE_TIMEOUT);
        } else if blocked.taken < MIN_PROGRESS {
            return self.abandon(CloseReason::SlowConsumer);
        } else {
            self.block(now);
        }
        false
    }

    /// The connection takes no more at the moment.
    fn block(&mut self, now: Instant) {
        self.blocked = Some(Blocked {
            since: now,
            taken: 0,
        });
        self.set_timer(now + WRITE_TIMEOUT);
    }

    /// The connection has taken all that was to be written. A ping that went with it is answered only now.
    fn unblock(&mut self) {
        if self.blocked.take().is_some() {
            self.live.session.lock().heard_of(Instant::now());
        }
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
                pong: None,
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
                    // One that waits answers all probes.
                    Step::Answer(packet) if self.output.is_empty() && shim.control.is_empty() => {
                        shim.control
                            .extend_from_slice(Frame::packet(&packet).wire());
                    }
                    Step::Answer(_) => {}
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
            if let Some(pong) = shim.pong.take() {
                self.pong = Some(Frame::control(pong));
            }
            let control = std::mem::take(&mut shim.control);
            if !control.is_empty() {
                // Before all data, but after a frame that is half written.
                self.output
                    .insert(usize::from(self.written > 0), Frame::control(control));
            }
            if !hold_half(&mut self.half, &self.live, self.frames.half_read()) {
                outcome = Read::Close(CloseReason::TransportError, Some(TRY_AGAIN_LATER));
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
            self.put_pong();
            if self.output.is_empty() {
                self.unblock();
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

    /// Puts the answer to the latest ping before all data, in place of an earlier one that has not begun to be written.
    fn put_pong(&mut self) {
        if self.written > 0 {
            return;
        }
        if let Some(pong) = self.pong.take() {
            match self.output.front_mut().filter(|first| first.is_pong()) {
                Some(first) => *first = pong,
                None => self.output.push_front(pong),
            }
        }
    }

    /// So many bytes more are written.
    fn advance(&mut self, count: usize) {
        if let Some(blocked) = &mut self.blocked {
            blocked.taken += count;
        }
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
        let is_clogged = task.is_clogged();
        // A stopping server answers what it has heard, and hears no more.
        let is_deaf = task.phase == Phase::Open && task.live.outbox.is_stopping();
        if task.phase != Phase::Closing && !is_clogged && !is_deaf {
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
        if task.phase == Phase::Open && !task.hurried && task.blocked.is_none() {
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
                let is_blocked = !task.output.is_empty() && task.phase == Phase::Open;
                if is_blocked && task.blocked.is_none() && !task.hurried {
                    task.block(Instant::now());
                }
            }
        }
        if is_clogged && !task.is_clogged() {
            // What the client sent meanwhile is read in the next turn.
            cx.waker().wake_by_ref();
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

/// Counts a message that is half received. Returns `false` where there is no room for it: that of all such messages is
/// bounded.
fn hold_half(held: &mut Option<Box<Share>>, live: &Live, half: usize) -> bool {
    if half <= UNCOUNTED {
        *held = None;
        return true;
    }
    let share = match held {
        Some(share) => share,
        None => match live.half_received() {
            Some(share) => held.insert(Box::new(share)),
            None => return true,
        },
    };
    let more = half.saturating_sub(share.bytes());
    more == 0 || share.grow(more.next_multiple_of(UNCOUNTED))
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
    /// The answer to the latest ping of this turn.
    pong: Option<Vec<u8>>,
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
        // Whole frames without a mask, and short ones: a control frame has at most 125 bytes.
        let mut rest = bytes;
        while let [first, length, ..] = rest {
            let (frame, after) = rest.split_at(rest.len().min(2 + usize::from(*length)));
            if *first == PONG {
                self.pong = Some(frame.to_vec());
            } else {
                self.control.extend_from_slice(frame);
            }
            rest = after;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::task::Waker;

    use super::super::{Acceptor, Connection, Engine, EngineConfig, Handshake, Receiver};
    use super::*;
    use crate::budget::{Budget, Pool};

    /// Hears nothing.
    struct Nobody;

    impl Acceptor for Nobody {
        fn open(&self, _: &Handshake<'_>, _: Connection) -> Arc<dyn Receiver> {
            Arc::new(Nobody)
        }
    }

    impl Receiver for Nobody {
        fn message(&self, _: &str) -> Result<(), CloseReason> {
            Ok(())
        }

        fn binary(&self, _: &[u8]) -> Result<(), CloseReason> {
            Ok(())
        }

        fn closed(&self, _: CloseReason) {}
    }

    /// A connection whose client has sent this, and takes so many bytes.
    #[derive(Default)]
    struct Fake {
        sent: VecDeque<Vec<u8>>,
        takes: usize,
        taken: Vec<u8>,
    }

    impl AsyncRead for Fake {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.get_mut().sent.pop_front() {
                Some(bytes) => {
                    buffer.put_slice(&bytes);
                    Poll::Ready(Ok(()))
                }
                None => Poll::Pending,
            }
        }
    }

    impl AsyncWrite for Fake {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let fake = self.get_mut();
            let count = bytes.len().min(fake.takes);
            if count == 0 {
                return Poll::Pending;
            }
            fake.takes -= count;
            fake.taken.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A frame of a client, masked with zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
    }

    fn task(budget: Budget, phase: Phase) -> (Task<Fake>, Engine) {
        let config = EngineConfig {
            budget,
            ..EngineConfig::default()
        };
        let engine = Engine::new(config, Arc::new(Nobody));
        (another(&engine.shared, phase), engine)
    }

    fn another(shared: &Arc<Shared>, phase: Phase) -> Task<Fake> {
        let stage = match phase {
            Phase::Open => Stage::WebSocket,
            _ => Stage::Polling,
        };
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let live = shared
            .registry
            .open(shared, Instant::now(), stage, loopback)
            .unwrap();
        if phase == Phase::Probing {
            assert!(live.session.lock().begin_probe());
        }
        Task::new(Fake::default(), &[], shared, live, phase)
    }

    fn turn(task: &mut Task<Fake>) -> Poll<()> {
        Pin::new(task).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Each ping was answered by a frame that waited: 12 MiB in eight seconds, without a token.
    #[tokio::test]
    async fn a_client_that_pings_and_reads_nothing_is_owed_no_more_than_the_latest_pong() {
        let (mut task, _engine) = task(Budget::default(), Phase::Open);
        task.live
            .send([Frame::message(|out| out.extend_from_slice(b"hi"))]);
        task.io.takes = 1;
        assert!(turn(&mut task).is_pending());
        for number in 0..1_000_u16 {
            let pings = (0..10).map(|_| frame(0x89, &number.to_be_bytes()));
            task.io.sent.extend(pings);
            assert!(turn(&mut task).is_pending());
            assert!(task.output.len() <= 2, "{} frames wait", task.output.len());
        }
        task.io.takes = usize::MAX;
        assert!(turn(&mut task).is_pending());
        let pong = [0x8a, 2, 999_u16.to_be_bytes()[0], 999_u16.to_be_bytes()[1]];
        assert_eq!(task.io.taken, [b"\x81\x034hi", &pong[..]].concat());
        // The same where nothing is half written.
        (task.io.takes, task.io.taken) = (0, Vec::new());
        for number in 0..100_u16 {
            task.io.sent.push_back(frame(0x89, &number.to_be_bytes()));
            assert!(turn(&mut task).is_pending());
            assert_eq!(task.output.len(), 1);
        }
        task.io.takes = usize::MAX;
        assert!(turn(&mut task).is_pending());
        assert_eq!(task.io.taken, [0x8a, 2, 0, 99]);
    }

    #[tokio::test]
    async fn a_websocket_that_probes_again_and_again_and_reads_nothing_is_owed_one_answer() {
        let (mut task, _engine) = task(Budget::default(), Phase::Probing);
        for _ in 0..1_000 {
            task.io.sent.push_back(frame(0x81, b"2probe"));
            assert!(turn(&mut task).is_pending());
            assert_eq!(task.output.len(), 1);
        }
        task.io.takes = usize::MAX;
        assert!(turn(&mut task).is_pending());
        assert_eq!(task.io.taken, b"\x81\x063probe");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_slow_and_one_that_takes_little_by_little_is_not() {
        let (mut task, _engine) = task(Budget::default(), Phase::Open);
        let waits = Frame::message(|out| out.resize(100_000, b'x'));
        task.live.send([waits]);
        assert!(turn(&mut task).is_pending());
        for _ in 0..5 {
            task.block(Instant::now());
            task.io.takes = MIN_PROGRESS;
            assert!(turn(&mut task).is_pending());
            let blocked = task.blocked.unwrap();
            assert!(!task.is_stuck(blocked.since + WRITE_TIMEOUT, blocked));
            assert_eq!(task.phase, Phase::Open);
        }
        task.io.takes = MIN_PROGRESS - 1;
        assert!(turn(&mut task).is_pending());
        let blocked = task.blocked.unwrap();
        assert!(task.is_stuck(blocked.since + WRITE_TIMEOUT, blocked));
        assert_eq!(
            task.live.outbox.closing(),
            Some(CloseReason::SlowConsumer),
            "a reader of a byte now and then holds no memory for ever"
        );
    }

    #[tokio::test]
    async fn the_kernel_takes_little_for_a_client_that_reads_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (client, (stream, _)) = (client.unwrap(), accepted.unwrap());
        bound_unsent(&stream);
        let mut taken = 0;
        stream.writable().await.unwrap();
        while let Ok(count) = stream.try_write(&[b'x'; SCRATCH]) {
            taken += count;
        }
        assert!(taken < 1 << 20, "{taken} bytes");
        drop(client);
    }

    #[tokio::test]
    async fn nothing_more_is_read_from_a_client_for_which_too_much_waits() {
        let budget = Budget {
            outboxes: Pool::new(200_000),
            ..Budget::default()
        };
        let (mut task, _engine) = task(budget, Phase::Open);
        let waits = Frame::message(|out| out.resize(80_000, b'x'));
        task.live.send([waits]);
        assert!(turn(&mut task).is_pending());
        task.io.sent.push_back(frame(0x81, b"4hi"));
        assert!(turn(&mut task).is_pending());
        assert_eq!(task.io.sent.len(), 1);
        task.io.takes = usize::MAX;
        assert!(turn(&mut task).is_pending());
        assert!(turn(&mut task).is_pending());
        assert_eq!(task.io.sent.len(), 0);
    }

    /// The beginning of a message of 1,000,000 bytes, as much as was sent of it.
    fn begin(task: &mut Task<Fake>, bytes: usize) {
        let mut begun = vec![0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0];
        begun.resize(bytes, b'4');
        let pieces = begun.chunks(SCRATCH).map(<[u8]>::to_vec);
        task.io.sent.extend(pieces);
        task.io.takes = usize::MAX;
        while !task.io.sent.is_empty() {
            let _ = turn(task);
        }
    }

    /// A client that reads its close frame late had what it had sent kept for two seconds more, by then uncounted.
    #[tokio::test]
    async fn nothing_is_kept_of_a_half_message_once_its_session_is_over() {
        let (mut task, engine) = task(Budget::default(), Phase::Open);
        begin(&mut task, 900_000);
        let pool = &engine.shared.config.budget.half_received;
        assert!(pool.used() > 800_000 && task.reader.is_some());
        task.live.outbox.close(CloseReason::ForcedClose);
        assert!(turn(&mut task).is_pending());
        assert_eq!(task.phase, Phase::Closing);
        assert!(task.reader.is_none() && task.input.is_empty());
        assert_eq!(pool.used(), 0);
    }

    /// Each connection could have the server keep a megabyte, without a token.
    #[tokio::test]
    async fn messages_that_are_half_received_are_bounded_in_sum_and_given_back() {
        let budget = Budget {
            half_received: Pool::new(0),
            ..Budget::default()
        };
        let (mut first, engine) = task(budget, Phase::Open);
        let shared = &engine.shared;
        let pool = shared.config.budget.half_received.clone();
        let mut second = another(shared, Phase::Open);
        let mut third = another(shared, Phase::Open);
        let mut fourth = another(shared, Phase::Open);
        begin(&mut first, 900_000);
        begin(&mut second, 900_000);
        assert!(pool.used() >= 1_700_000, "{}", pool.used());
        begin(&mut third, UNCOUNTED);
        for living in [&first, &second, &third] {
            assert_eq!(
                living.phase,
                Phase::Open,
                "two of the largest, and a short one"
            );
        }
        begin(&mut fourth, 900_000);
        assert_eq!(
            fourth.io.taken[..4],
            [0x88, 2, 0x03, 0xf5],
            "try again later"
        );
        drop((first, second, third, fourth));
        assert_eq!(pool.used(), 0);
    }
}
