//! HTTP/1.1 on one connection: its requests answered one after another, until it ends or becomes a
//! WebSocket.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ending::Ending;
use super::heads::{Heads, IDLE_TIMEOUT};
use super::pace::Paced;
use super::places::{Asking, Visit};
use crate::web::Body;

/// 16 KiB of headers: twice what browsers send with every cookie and token they have.
pub(super) const MAX_HEADER_BYTES: usize = 16 * 1024;
/// The way of sessions, below whatever path.
const SESSIONS: &str = "/socket.io";
/// More headers than any client sends.
const MAX_HEADERS: usize = 64;

/// Answers the requests of one connection by HTTP/1.1, until it ends or becomes a WebSocket.
pub(super) async fn speak_http1<I, H, F>(io: I, handle: H, visit: Arc<Visit>, ending: Ending)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let asked = Arc::clone(&visit);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let asking = asked.request();
        if outlasts_its_client(&request) {
            asked.traffic.owe_answer();
        }
        // In a box: hyper keeps room for it as long as the connection lives, idle or not, and it
        // has some KiB.
        let response = settle_host(&mut request).then(|| Box::pin(handle(request)));
        async move {
            let response = match response {
                Some(response) => response.await,
                None => {
                    let mut refusal = nameless();
                    let close = HeaderValue::from_static("close");
                    refusal.headers_mut().insert(CONNECTION, close);
                    refusal
                }
            };
            Ok::<_, Infallible>(held(response, asking))
        }
    });
    let connection = http1::Builder::new()
        .timer(Heads(Arc::clone(&visit)))
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = visit.makes_way() => return,
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

/// Returns whether a request is answered though its client says no more: not a poll, which would
/// lose what it takes along, nor one whose body is still to come.
fn outlasts_its_client<B: hyper::body::Body>(request: &Request<B>) -> bool {
    request.body().is_end_stream() && !request.uri().path().contains(SESSIONS)
}

/// Returns whether a request names one host, which HTTP/1.0 may do without, and says it by the
/// header in which it is looked for. Of two hosts, a proxy may have looked at the other one.
pub(super) fn settle_host(request: &mut Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(HOST);
    let (named, many) = (hosts.iter().next(), hosts.iter().count());
    let authority = request.uri().authority().map(|host| host.as_str());
    let is_http2 = request.version() > Version::HTTP_11;
    let is_settled = match authority {
        // Beside the path, and by a header only if by the same name (RFC 9113, section 8.3.1).
        Some(authority) if is_http2 => {
            let same =
                |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
            many <= 1 && named.is_none_or(same)
        }
        // By the header whatever the target has (RFC 9112, section 3.2).
        _ => {
            let least = usize::from(request.version() >= Version::HTTP_11);
            (least..=1).contains(&many)
        }
    };
    // Of a proxy's form of a request the header is not believed (RFC 9112, section 3.2.2).
    if is_settled && let Some(host) = authority.and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    is_settled
}

/// Refuses a request that does not say which host it means, or may mean another to a proxy before
/// this server.
pub(super) fn nameless() -> Response<Body> {
    let mut response = Response::new("name the host by one Host header\n".into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

/// A connection that becomes a WebSocket is no longer HTTP's, and one whose answer is streamed is
/// busy until it is sent.
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

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};
    use hyper::body::Bytes;

    use super::*;

    /// A poll that is answered after its client has gone takes along what it is answered with.
    #[test]
    fn polls_and_what_is_still_to_come_end_with_their_clients() {
        let asked = |path: &str| Request::get(path).body(Empty::<Bytes>::new()).unwrap();
        for (path, is_answered) in [
            ("/healthz", true),
            ("/api/chats/history/2?limit=50", true),
            ("/socket.io/?EIO=4&transport=polling&sid=x", false),
            ("/chat/socket.io/?EIO=4&transport=polling&sid=x", false),
        ] {
            assert_eq!(outlasts_its_client(&asked(path)), is_answered, "{path}");
        }
        let posted = Request::post("/api/rooms").body(Full::<Bytes>::from("{}"));
        assert!(!outlasts_its_client(&posted.unwrap()));
    }
}
