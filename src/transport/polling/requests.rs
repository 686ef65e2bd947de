//! The requests of sessions that are polled.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::{Method, Request, Response};

use super::answer::payload;
use super::drain::drain;
use super::feed::feed;
use super::keeper::keep;
use crate::engineio::{CloseReason, Packet, Upgrade};
use crate::transport::live::{Live, Requests};
use crate::transport::refusal::Refusal;
use crate::transport::shared::Shared;
use crate::web::{Body, RequestBody};

/// Opens a session.
pub(in crate::transport) fn open(
    shared: &Arc<Shared>,
    request: &Request<RequestBody>,
    peer: SocketAddr,
) -> Result<Response<Body>, Refusal> {
    let (live, say) = shared.open(request, peer, Upgrade::Polling)?;
    tokio::spawn(keep(Arc::clone(&live)));
    let mut body = String::new();
    Packet::Open(&shared.handshake_json(&live, &["websocket"])).encode(&mut body);
    let mut response = payload(body);
    response.headers_mut().extend(say);
    Ok(response)
}

/// Serves a session that is open.
pub(in crate::transport) async fn serve(
    shared: &Shared,
    live: Arc<Live>,
    request: Request<RequestBody>,
) -> Result<Response<Body>, Refusal> {
    // A session whose time is over is over, whether or not its keeper has looked at the clock yet.
    live.tick(Instant::now());
    if live.is_over() {
        // Only what it still has to say is served.
        if !may_ask(&live, request.method()) {
            return Err(Refusal::SessionUnknown);
        }
    } else if live.outgoing.upgrade() == Upgrade::WebSocket {
        return Err(Refusal::BadRequest);
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

/// Returns whether a request for a closed session is served: a GET for its last words. At a
/// stopping server a POST too, which the client sent before it could know.
fn may_ask(live: &Live, method: &Method) -> bool {
    match live.outgoing.closing() {
        Some(CloseReason::PingTimeout) => false,
        Some(CloseReason::ServerShutdown) => true,
        _ => method == Method::GET,
    }
}

/// Ends a session whose request was dropped before it was answered: its connection was cut.
pub(super) struct Cut<'a> {
    live: &'a Live,
    kind: fn(&mut Requests) -> &mut bool,
    pub(super) answered: bool,
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
pub(super) fn enter(live: &Live, kind: fn(&mut Requests) -> &mut bool) -> Option<Cut<'_>> {
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
