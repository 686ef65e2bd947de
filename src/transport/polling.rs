//! Sessions by HTTP requests: a GET drains, a POST feeds.
//!
//! One of each kind at a time: a second one is against the protocol and ends the session. A request whose connection is
//! cut ends it too, since what it carried is lost. Time is kept by one small task a session, until it is upgraded.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::outbox::{Polled, Watched, has_last_words};
use super::registry::Live;
use super::{Refusal, Shared};
use crate::engineio::{CloseReason, Packet, SEPARATOR, Stage, decode_payload};
use crate::web::{Body, BodyError, read_body};

/// How long the last words of a session that this side closed wait for a GET.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// How long the noop waits that ends the poll of a client that closed: it may be on its way while the POST that closes
/// overtakes it.
const LAST_NOOP: Duration = Duration::from_secs(1);
/// How long a stopping server waits for the poll by which a client hears of it.
const STOP_WORDS: Duration = Duration::from_secs(2);
/// How much longer its id is known: a POST that the client sent before it read that is answered as any other, since a
/// stock client takes a refusal for an error of its transport.
const STOP_POSTS: Duration = Duration::from_millis(200);
/// How long frames may wait for a client that does not ask for them. A stock client's polls follow upon each other.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a POST's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens a session.
pub(super) fn open(
    shared: &Arc<Shared>,
    request: &Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Refusal> {
    let (live, say) = shared.open(request, peer, Stage::Polling)?;
    tokio::spawn(keep(Arc::clone(&live)));
    let mut body = String::new();
    Packet::Open(&shared.handshake_json(&live, &["websocket"])).encode(&mut body);
    let mut response = payload(body);
    response.headers_mut().extend(say);
    Ok(response)
}

/// Serves a session that is open.
pub(super) async fn serve(
    shared: &Shared,
    live: Arc<Live>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    // A session whose time is over is over, whether or not its keeper has looked at the clock yet.
    live.tick(Instant::now());
    match live.session.lock().stage() {
        Stage::WebSocket => return Err(Refusal::BadRequest),
        // Only what a closing session still has to say is served.
        Stage::Closed if !may_ask(&live, request.method()) => {
            return Err(Refusal::SessionUnknown);
        }
        _ => {}
    }
    match *request.method() {
        Method::GET => {
            // It may wait for long, and its head has up to 16 KiB.
            drop(request);
            drain(live).await
        }
        Method::POST => Ok(feed(shared, live, request).await),
        _ => Err(Refusal::BadRequest),
    }
}

/// Whether a request for a closed session is served: a GET for its last words. At a stopping server a POST too, which the
/// client sent before it could know.
fn may_ask(live: &Live, method: &Method) -> bool {
    match live.outbox.closing() {
        Some(CloseReason::PingTimeout) => false,
        Some(CloseReason::ServerShutdown) => true,
        _ => method == Method::GET,
    }
}

/// Keeps a polling session's time, until it is upgraded or gone.
async fn keep(live: Arc<Live>) {
    let mut unfetched = None;
    loop {
        let now = Instant::now();
        if is_left(&live, now, &mut unfetched) {
            live.outbox.evict();
        }
        let look = live.session.lock().next_look(now);
        tokio::select! {
            watched = poll_fn(|cx| live.outbox.poll_watch(cx)) => match watched {
                Watched::Upgraded => return,
                Watched::Closing => break,
            },
            () = tokio::time::sleep_until(look.into()) => live.tick(Instant::now()),
        }
    }
    let reason = live.outbox.closing().unwrap_or(CloseReason::ForcedClose);
    live.end(reason);
    if poll_fn(|cx| live.outbox.poll_tried(cx)).await {
        return;
    }
    let linger = match reason {
        CloseReason::ServerShutdown => STOP_WORDS,
        // The poll that is told of the close has the session forgotten.
        _ if has_last_words(reason) => LAST_WORDS,
        CloseReason::TransportClose if !live.requests.lock().get => LAST_NOOP,
        _ => Duration::ZERO,
    };
    if linger > Duration::ZERO {
        tokio::time::sleep(linger).await;
    }
    live.forget();
}

/// Whether a client has left what waits for it for too long, without a poll. A client that answers pings which it has
/// not fetched would else keep its frames here for ever.
fn is_left(live: &Live, now: Instant, unfetched: &mut Option<(u32, Instant)>) -> bool {
    // A client stops polling while it tries a WebSocket.
    let is_polling = live.session.lock().stage() == Stage::Polling;
    let polls = live.outbox.unfetched().filter(|_| is_polling);
    match (polls, *unfetched) {
        (Some(polls), Some((before, since))) if polls == before => now >= since + FETCH_TIMEOUT,
        (polls, _) => {
            *unfetched = polls.map(|polls| (polls, now));
            false
        }
    }
}

/// Ends a session whose request was dropped before it was answered: its connection was cut.
struct Cut<'a> {
    live: &'a Live,
    kind: fn(&mut super::registry::Requests) -> &mut bool,
    answered: bool,
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        *(self.kind)(&mut self.live.requests.lock()) = false;
        if !self.answered {
            self.live.end(CloseReason::TransportError);
            self.live.forget();
        }
    }
}

/// Notes that a request is under way. `None`, and the session ended, where there is one already.
fn enter(live: &Live, kind: fn(&mut super::registry::Requests) -> &mut bool) -> Option<Cut<'_>> {
    if std::mem::replace(kind(&mut live.requests.lock()), true) {
        live.end(CloseReason::TransportError);
        live.forget();
        return None;
    }
    Some(Cut {
        live,
        kind,
        answered: false,
    })
}

/// Answers a GET with all that waits, or waits for something.
async fn drain(live: Arc<Live>) -> Result<Response<Body>, Refusal> {
    let entered = Arc::clone(&live);
    let Some(mut get) = enter(&entered, |requests| &mut requests.get) else {
        return Ok(bad_request());
    };
    if live.session.lock().stage() == Stage::Probing {
        live.outbox.ask_socket();
        poll_fn(|cx| live.outbox.poll_asked(cx)).await;
        if live.session.lock().stage() == Stage::WebSocket {
            get.answered = true;
            return Err(Refusal::BadRequest);
        }
    }
    let polled = poll_fn(|cx| live.outbox.poll_payload(cx)).await;
    get.answered = true;
    let mut body = String::new();
    let mut counted = 0;
    match polled {
        Polled::Noop => Packet::Noop.encode(&mut body),
        Polled::Frames(frames, cost) => {
            counted = cost;
            encode(frames, &mut body);
        }
        Polled::Closing(frames, cost, reason) => {
            counted = cost;
            encode(frames, &mut body);
            if !body.is_empty() {
                body.push(SEPARATOR);
            }
            // A client that closed knows; any other is told.
            if reason == CloseReason::TransportClose {
                Packet::Noop
            } else {
                Packet::Close
            }
            .encode(&mut body);
            forget(&live, reason);
        }
    }
    Ok(payload(Bytes::from_owner(Counted {
        body,
        cost: counted,
        live,
    })))
}

/// Forgets a session whose client has heard its last words, at once unless the server is stopping.
fn forget(live: &Arc<Live>, reason: CloseReason) {
    if reason != CloseReason::ServerShutdown {
        return live.forget();
    }
    let live = Arc::clone(live);
    tokio::spawn(async move {
        tokio::time::sleep(STOP_POSTS).await;
        live.forget();
    });
}

/// The answer to a poll, which counts as held for the client until it is written.
struct Counted {
    body: String,
    cost: usize,
    live: Arc<Live>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.body.as_bytes()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.outbox.written(self.cost);
    }
}

fn encode(frames: VecDeque<super::Frame>, body: &mut String) {
    body.reserve(frames.iter().map(|frame| frame.len() + 1).sum());
    for frame in frames {
        if !body.is_empty() {
            body.push(SEPARATOR);
        }
        frame.encode_polling(body);
    }
}

/// Feeds the packets of a POST to the session.
async fn feed(shared: &Shared, live: Arc<Live>, request: Request<Incoming>) -> Response<Body> {
    let Some(mut post) = enter(&live, |requests| &mut requests.post) else {
        return bad_request();
    };
    if request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/octet-stream")
    {
        // Binary goes as base64 in this revision.
        return bad_request();
    }
    live.posting(request.headers());
    let max_payload = shared.config.max_payload;
    let body = match read_body(request, max_payload, BODY_TIMEOUT).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            // The session lives on; the reference's own client closes itself.
            post.answered = true;
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return response;
        }
        Err(BodyError::Incomplete) => return bad_request(),
        Err(BodyError::NoRoom) => {
            let mut response = bad_request();
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return response;
        }
    };
    post.answered = true;
    if live.outbox.is_stopping() {
        return received();
    }
    // As the reference does: what is no UTF-8 arrives as replacement characters.
    let text = String::from_utf8_lossy(&body);
    for packet in decode_payload(&text) {
        let received = match packet {
            Ok(packet) => live.receive(Instant::now(), packet),
            Err(error) => {
                tracing::debug!(%error, "a client sent what is no packet");
                live.end(CloseReason::ParseError);
                Err(CloseReason::ParseError)
            }
        };
        match received {
            Ok(()) => {}
            Err(CloseReason::ParseError | CloseReason::TransportError) => {
                live.forget();
                return bad_request();
            }
            // The application has had enough: the packets were well-formed.
            Err(_) => break,
        }
    }
    received()
}

/// The answer to a POST: that it was received.
fn received() -> Response<Body> {
    let mut response = Response::new(Body::from("ok"));
    headers(&mut response, "text/html");
    response
}

/// A 400 without a body.
fn bad_request() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn payload(body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    headers(&mut response, "text/plain; charset=UTF-8");
    response
}

fn headers(response: &mut Response<Body>, content_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
