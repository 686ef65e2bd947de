//! HTTP/2 on one connection: its requests answered as streams, until it ends.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::ending::Ending;
use super::frames::Counted;
use super::heads::{HEADER_TIMEOUT, IDLE_TIMEOUT};
use super::http1::{MAX_HEADER_BYTES, nameless, settle_host};
use super::pace::{Pace, Paced, Tails};
use super::places::Visit;
use crate::budget::{Portion, Portions, STREAM_BYTES, STREAMS_OF_AN_ADDRESS};
use crate::metrics::Counter;
use crate::web::{Body, Traffic};

/// 100 requests at once by one HTTP/2 connection, as browsers expect.
const MAX_STREAMS: u32 = 100;
/// 64 KiB of a body, and 256 KiB of all bodies of one HTTP/2 connection, may arrive before they are
/// read.
const STREAM_WINDOW: u32 = 64 << 10;
/// See [`STREAM_WINDOW`].
const CONNECTION_WINDOW: u32 = 256 << 10;
/// 50 streams of one HTTP/2 connection that its client opened and reset, and that have not been
/// looked at; more end the connection.
const MAX_RESET_STREAMS: usize = 50;

tokio::task_local! {
    /// How the answer on a stream gets on; known to the task of the stream.
    static PACE: Arc<Pace>;
}

/// The room for streams of one connection beside the first.
pub(super) struct Allowance {
    pub(super) streams: Portions,
    /// The client's address, if it is counted.
    pub(super) address: Option<IpAddr>,
    /// Counts the requests for which there is no room.
    pub(super) refused: Counter,
}

impl Allowance {
    /// Returns what a request beside others takes, or `None` where there is no room for it.
    fn take(&self) -> Option<Portion> {
        let mut portion = self.streams.portion_at(self.address, STREAMS_OF_AN_ADDRESS);
        portion.grow(STREAM_BYTES).then_some(portion)
    }
}

/// Refuses a request for which there is no room.
fn crowded() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Returns the settings of a connection.
fn builder(visit: &Visit) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams(Arc::clone(&visit.traffic)));
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_TIMEOUT)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
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
        let is_named = settle_host(&mut request);
        let mut asking = asked.request();
        let has_room = !asking.is_beside() || asking.hold(allowance.take());
        if !has_room {
            allowance.refused.inc();
        }
        // In a box, which is freed once there is an answer: until that is sent, no more is kept of
        // the request.
        let response = (is_named && has_room).then(|| Box::pin(handle(request)));
        let refusal = if is_named { crowded } else { nameless };
        let tails = Arc::clone(&of_streams);
        async move {
            let response = match response {
                Some(response) => response.await,
                None => refusal(),
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
    let connection = builder(&visit).serve_connection(TokioIo::new(Counted::new(io)), service);
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
        () = ending.begins(&visit) => {
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

/// Completes when an HTTP/2 connection has had nothing to do for long, or its client leaves the end
/// of an answer unread.
async fn worn_out(visit: &Visit, tails: &Tails) {
    let patience = visit.traffic.patience();
    loop {
        tokio::time::sleep(patience / 2).await;
        let idle = visit
            .idle_ms()
            .is_some_and(|ms| u128::from(ms) >= IDLE_TIMEOUT.as_millis());
        if idle {
            return;
        }
        if tails.are_stuck(patience) && !visit.traffic.was_blocked() {
            visit.traffic.was_slow();
            return;
        }
    }
}

/// Runs the streams of one HTTP/2 connection, a task each, and resets those whose answers are not
/// read.
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
                () = watched.is_stuck(&traffic) => traffic.was_slow(),
            }
        }));
    }
}
