//! A GET: all that waits, or a wait for something.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::body::Bytes;

use super::answer::{bad_request, payload};
use super::requests::enter;
use crate::engineio::{CloseReason, Packet, SEPARATOR, Upgrade};
use crate::transport::frame::Frame;
use crate::transport::live::Live;
use crate::transport::outgoing::Polled;
use crate::transport::refusal::Refusal;
use crate::web::Body;

/// The time for which a session's id stays known after its last words: a POST that the client sent
/// before it read them is answered as any other, since a stock client takes a refusal for an error
/// of its transport.
const STOP_POSTS: Duration = Duration::from_millis(200);

/// Answers a GET with all that waits, or waits for something.
pub(super) async fn drain(live: Arc<Live>) -> Result<Response<Body>, Refusal> {
    let entered = Arc::clone(&live);
    let Some(mut get) = enter(&entered, |requests| &mut requests.get) else {
        return Ok(bad_request());
    };
    if !live.is_over() && live.outgoing.upgrade().is_probing() {
        live.outgoing.ask();
        poll_fn(|cx| live.outgoing.poll_asked(cx)).await;
        if !live.is_over() && live.outgoing.upgrade() == Upgrade::WebSocket {
            get.answered = true;
            return Err(Refusal::BadRequest);
        }
    }
    let polled = poll_fn(|cx| live.outgoing.poll_payload(cx)).await;
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
        self.live.outgoing.written(self.cost);
    }
}

fn encode(frames: VecDeque<Frame>, body: &mut String) {
    body.reserve(frames.iter().map(|frame| frame.len() + 1).sum());
    for frame in frames {
        if !body.is_empty() {
            body.push(SEPARATOR);
        }
        frame.encode_polling(body);
    }
}
