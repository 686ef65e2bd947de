//! A POST: the packets of its body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{Request, Response, StatusCode, header};

use super::answer::{bad_request, received};
use super::requests::enter;
use crate::engineio::{CloseReason, decode_payload};
use crate::transport::live::Live;
use crate::transport::shared::Shared;
use crate::web::{Body, BodyError, RequestBody, read_body};

/// The most time for a POST's body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// Feeds the packets of a POST to the session.
pub(super) async fn feed(
    shared: &Shared,
    live: Arc<Live>,
    request: Request<RequestBody>,
) -> Response<Body> {
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
    if live.outgoing.is_stopping() {
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
            Err(CloseReason::ParseError | CloseReason::TransportError | CloseReason::Flood) => {
                live.forget();
                return bad_request();
            }
            // The application has had enough: the packets were well-formed.
            Err(_) => break,
        }
    }
    received()
}
