//! HTTP on one connection: its requests answered one after another, or as streams of HTTP/2, until it ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{HOST, HeaderValue, RETRY_AFTER};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::places::{Asking, Visit};
use crate::budget::{Owner, Portion, Portions, STREAM_BYTES, STREAMS_OF_AN_ADDRESS};
use crate::metrics::METRICS;
use crate::transport::{Body, Traffic};

/// How long a client may take to send a request's headers, and how long a connection may idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// 16 KiB of headers: twice what browsers send with every cookie and token they have.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// More headers than any client sends.
const MAX_HEADERS: usize = 64;
/// 100 requests at once by one HTTP/2 connection, as browsers expect.
const MAX_STREAMS: u32 = 100;
/// 64 KiB of a body, and 256 KiB of all bodies of one HTTP/2 connection, may arrive before they are read.
const STREAM_WINDOW: u32 = 64 << 10;
/// See [`STREAM_WINDOW`].
const CONNECTION_WINDOW: u32 = 256 << 10;
/// 50 streams of one HTTP/2 connection that its client opened and reset, and that have not been looked at; more end the
/// connection.
const MAX_RESET_STREAMS: usize = 50;
/// 3 min without a request, after which an HTTP/2 connection ends. Browsers open another when they need it.
const HTTP2_IDLE: Duration = Duration::from_secs(180);
/// 16 KiB: as much of an answer is given to an HTTP/2 stream at once, and is a frame of it.
const STEP: usize = 16 << 10;
/// 1 s: how long a stopping server waits for requests that have not arrived as a whole.
pub(super) const RECEIVING_GRACE: Duration = Duration::from_secs(1);
/// How often a stopping server looks whether a connection has something to do yet.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// The end of the connections, in two steps.
#[derive(Clone, Default)]
pub(super) struct Ending {
    /// No more requests are taken; those that are there are answered.
    pub(super) stopping: CancellationToken,
    /// The time for answers is over.
    pub(super) cut: CancellationToken,
}

impl Ending {
    /// Completes when a connection that was asked to end has nothing more to do, or no more time.
    async fn is_due(&self, visit: &Visit) {
        let is_idle = async {
            tokio::time::sleep(RECEIVING_GRACE).await;
            while visit.is_busy() {
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        tokio::select! {
            () = is_idle => {}
            () = self.cut.cancelled() => {}
        }
    }
}

/// Answers the requests of one connection by HTTP/1.1, until it ends or becomes a WebSocket.
pub(super) async fn speak_http1<I, H, F>(io: I, handle: H, visit: Arc<Visit>, ending: Ending)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let asked = Arc::clone(&visit);
    let service = service_fn(move |request| {
        let (asking, response) = (asked.request(), handle(request));
        async move { Ok::<_, Infallible>(held(response.await, asking)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = visit.makes_way() => return,
        () = ending.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = ending.is_due(&visit) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// A connection that becomes a WebSocket is no longer HTTP's, and one whose answer is streamed is busy until it is sent.
fn held(response: Response<Body>, asking: Asking) -> Response<Body> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        asking.upgrade();
        return response;
    }
    response.map(|body| match body {
        Body::Stream(_) => Body::stream(Paced::new(body, asking)),
        body => body,
    })
}

/// What the streams of one connection may take beside the first.
pub(super) struct Allowance {
    pub(super) streams: Portions,
    /// Of whom it is, if they are counted.
    pub(super) address: Option<IpAddr>,
}

impl Allowance {
    /// Returns what a request beside others takes, or `None` where there is no room for it.
    fn take(&self) -> Option<Portion> {
        let owner = self.address.map(Owner::Address);
        let owner = owner.map(|owner| (owner, STREAMS_OF_AN_ADDRESS));
        let mut portion = self.streams.portion(owner);
        portion.grow(STREAM_BYTES).then_some(portion)
    }
}

/// Refuses a request for which there is no room.
fn crowded() -> Response<Body> {
    METRICS.refused_answers.inc();
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Says the host by the header in which it is looked for: HTTP/2 names it beside the path.
fn name_host(request: &mut Request<Incoming>) {
    let authority = request.uri().authority();
    let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let (Some(host), false) = (host, request.headers().contains_key(HOST)) {
        request.headers_mut().insert(HOST, host);
    }
}

/// Answers the requests of one connection by HTTP/2, until it ends.
pub(super) async fn speak_http2<I, H, F>(
    io: I,
    handle: H,
    visit: Arc<Visit>,
    ending: Ending,
    allowance: Allowance,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let tails = Arc::new(Tails::default());
    let (asked, of_streams) = (Arc::clone(&visit), Arc::clone(&tails));
    let service = service_fn(move |mut request: Request<Incoming>| {
        name_host(&mut request);
        let mut asking = asked.request();
        let has_room = !asking.is_beside() || asking.hold(allowance.take());
        // In a box, which is freed once there is an answer: until that is sent, no more is kept of the request.
        let response = has_room.then(|| Box::pin(handle(request)));
        let tails = Arc::clone(&of_streams);
        async move {
            let response = match response {
                Some(response) => response.await,
                None => crowded(),
            };
            Ok::<_, Infallible>(response.map(|body| {
                let mut body = Paced::new(body, asking);
                body.pace = PACE.try_with(Arc::clone).ok();
                body.tails = Some(tails);
                body.begin();
                body
            }))
        }
    });
    let streams = Streams(Arc::clone(&visit.traffic));
    let connection = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_TIMEOUT)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = visit.makes_way() => return,
        () = worn_out(&visit, &tails) => {
            // Its other streams may end first.
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = tokio::time::sleep(visit.traffic.patience()) => return,
                () = ending.cut.cancelled() => return,
            }
        }
        () = ending.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = ending.is_due(&visit) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Completes when an HTTP/2 connection has had nothing to do for long, or its client leaves the end of an answer unread.
async fn worn_out(visit: &Visit, tails: &Tails) {
    let patience = visit.traffic.patience();
    loop {
        tokio::time::sleep(patience / 2).await;
        let idle = visit
            .idle_ms()
            .is_some_and(|ms| u128::from(ms) >= HTTP2_IDLE.as_millis());
        if idle {
            return;
        }
        if tails.are_stuck(patience) && !visit.traffic.was_blocked() {
            METRICS.cut("slow");
            return;
        }
    }
}

tokio::task_local! {
    /// How the answer on a stream gets on; known to the task of the stream.
    static PACE: Arc<Pace>;
}

/// How an answer gets on.
#[derive(Default)]
struct Pace {
    begun: Notify,
    /// How many pieces of it were taken.
    pieces: AtomicU64,
    /// Whether the next piece is not there yet: then it is not the client that is slow.
    is_wanting: AtomicBool,
}

impl Pace {
    /// Completes when the client has left the answer's stream without room for as long as the connection has patience,
    /// though the connection itself had some.
    async fn is_stuck(&self, traffic: &Traffic) {
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

/// Runs the streams of one HTTP/2 connection, a task each, and resets those whose answers are not read.
#[derive(Clone)]
struct Streams(Arc<Traffic>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (pace, traffic) = (Arc::new(Pace::default()), Arc::clone(&self.0));
        let watched = Arc::clone(&pace);
        tokio::spawn(PACE.scope(pace, async move {
            tokio::select! {
                () = stream => {}
                // Without its task the stream is reset, and what it had to send is dropped.
                () = watched.is_stuck(&traffic) => METRICS.cut("slow"),
            }
        }));
    }
}

/// The last pieces of answers, of which nobody hears whether they leave, with when they were given to the connection.
#[derive(Default)]
struct Tails(Mutex<VecDeque<(Instant, Weak<()>)>>);

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

    /// Whether one has been there for so long.
    fn are_stuck(&self, patience: Duration) -> bool {
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
struct Paced {
    body: Body,
    /// Of the body's last frame.
    rest: Bytes,
    pace: Option<Arc<Pace>>,
    tails: Option<Arc<Tails>>,
    /// Until it is sent the request is being answered.
    _asking: Asking,
}

impl Paced {
    fn new(body: Body, asking: Asking) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            pace: None,
            tails: None,
            _asking: asking,
        }
    }

    fn begin(&self) {
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
