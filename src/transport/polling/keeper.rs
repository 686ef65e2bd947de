//! The time of a session that is polled.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engineio::{CloseReason, Upgrade};
use crate::transport::live::Live;
use crate::transport::outgoing::{Watched, has_last_words};

/// The time for which the last words of a session that this side closed wait for a GET.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// The time for which the noop waits that ends the poll of a client that closed: the poll may be on
/// its way while the POST that closes overtakes it.
const LAST_NOOP: Duration = Duration::from_secs(1);
/// The time for which a stopping server waits for the poll by which a client hears of it.
const STOP_WORDS: Duration = Duration::from_secs(2);
/// The most time that frames wait for a client that does not poll. A stock client's polls follow
/// upon each other.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Keeps a polling session's time, until it is upgraded or gone.
pub(super) async fn keep(live: Arc<Live>) {
    let mut unfetched = None;
    loop {
        let now = Instant::now();
        if is_left(&live, now, &mut unfetched) {
            live.outgoing.evict();
        }
        let look = live.next_look(now);
        tokio::select! {
            watched = poll_fn(|cx| live.outgoing.poll_watch(cx)) => match watched {
                Watched::Upgraded => return,
                Watched::Closing => break,
            },
            () = tokio::time::sleep_until(look.into()) => live.tick(Instant::now()),
        }
    }
    let reason = live.outgoing.closing().unwrap_or(CloseReason::ForcedClose);
    live.end(reason);
    if poll_fn(|cx| live.outgoing.poll_tried(cx)).await {
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

/// Returns whether a client has left what waits for it for too long, without a poll. A client that
/// answers pings which it has not fetched would else keep its frames here for ever.
fn is_left(live: &Live, now: Instant, unfetched: &mut Option<(u32, Instant)>) -> bool {
    // A client stops polling while it tries a WebSocket.
    let is_polling = !live.is_over() && live.outgoing.upgrade() == Upgrade::Polling;
    let polls = live.outgoing.unfetched().filter(|_| is_polling);
    match (polls, *unfetched) {
        (Some(polls), Some((before, since))) if polls == before => now >= since + FETCH_TIMEOUT,
        (polls, _) => {
            *unfetched = polls.map(|polls| (polls, now));
            false
        }
    }
}
