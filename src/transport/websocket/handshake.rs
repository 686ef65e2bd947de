//! The requests that ask for a WebSocket, and how its task begins.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::task::{Phase, Task};
use crate::engineio::{CloseReason, Upgrade};
use crate::transport::live::Live;
use crate::transport::refusal::Refusal;
use crate::transport::shared::Shared;
use crate::web::{Body, RequestBody, Stream, members};

/// 128 KiB: how much the kernel keeps that it cannot send yet; some milliseconds of a fast network.
const UNSENT: u32 = 128 << 10;

/// The characters of a key before its two signs of equality: 16 bytes in base64.
const KEY_CHARACTERS: usize = 22;

/// Returns whether a request asks for a WebSocket: by both headers, of which a proxy that does not
/// pass the upgrade on may leave one.
pub(in crate::transport) fn wants_upgrade(headers: &HeaderMap) -> bool {
    lists(headers, &header::UPGRADE, "websocket") && lists(headers, &header::CONNECTION, "upgrade")
}

/// Returns whether a header that is a list has this member.
fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    members(headers, name).any(|member| member.eq_ignore_ascii_case(wanted))
}

/// Returns a header that may be there only once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Returns whether this is the key of a handshake. The bits that are over say nothing, and some
/// clients draw their keys as text.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|characters| {
        characters.len() == KEY_CHARACTERS && characters.iter().all(is_base64)
    })
}

/// Opens a session that begins on a WebSocket.
pub(in crate::transport) fn open(
    shared: &Arc<Shared>,
    mut request: Request<RequestBody>,
    peer: SocketAddr,
) -> Result<Response<Body>, Refusal> {
    let mut response = switching(&request)?;
    let upgrade = hyper::upgrade::on(&mut request);
    let (live, say) = shared.open(&request, peer, Upgrade::WebSocket)?;
    response.headers_mut().extend(say);
    start(shared, live, Phase::Open, upgrade);
    Ok(response)
}

/// Tries to move a polling session to a WebSocket.
pub(in crate::transport) fn upgrade(
    shared: &Arc<Shared>,
    live: Arc<Live>,
    mut request: Request<RequestBody>,
) -> Result<Response<Body>, Refusal> {
    let response = switching(&request)?;
    if live.outgoing.is_stopping() {
        return Err(Refusal::Stopping);
    }
    let upgrade = hyper::upgrade::on(&mut request);
    // A session that is on a WebSocket, or being tried on one, does not mind: the new one is
    // closed.
    let phase = match live.begin_upgrade() {
        true => Phase::Probing,
        false => Phase::Refused,
    };
    start(shared, live, phase, upgrade);
    Ok(response)
}

/// The answer to a right WebSocket handshake (RFC 6455, section 4.2).
fn switching(request: &Request<RequestBody>) -> Result<Response<Body>, Refusal> {
    let headers = request.headers();
    // HTTP/1.0, which some proxies speak unless told otherwise, cannot switch (RFC 9110, 7.8).
    let can_switch = request.version() == Version::HTTP_11;
    if request.method() != Method::GET || !can_switch {
        return Err(Refusal::NoUpgrade);
    }
    let version = single(headers, &header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        return Err(Refusal::WebSocketVersion);
    }
    let key = single(headers, &header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key.as_bytes()))
        .ok_or(Refusal::NoUpgrade)?;
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
                    Phase::Probing => live.outgoing.give_up_upgrade(),
                    Phase::Refused | Phase::Closing => {}
                }
                return;
            }
        };
        // A task of its own, small for as long as the connection lives: this one's future holds
        // hyper's things.
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

/// Has the kernel take no more than it can soon send. It would take megabytes, for a client that
/// reads nothing too, and ask for more only once a third of them has left: a client that reads 50
/// KiB a second would seem to make no progress.
pub(super) fn bound_unsent(stream: &impl AsFd) {
    let bounded = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    if let Err(error) = bounded {
        tracing::debug!(%error, "the kernel does not bound what is unsent");
    }
}
