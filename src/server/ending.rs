//! How connections end when the server stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::places::Visit;

/// 1 s: how long a stopping server waits for requests that have not arrived as a whole.
const RECEIVING_GRACE: Duration = Duration::from_secs(1);
/// How often a stopping server looks whether a connection has something to do yet.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// 2 s: how often a stopping server looks how much of an answer its client takes.
const STOP_WINDOW: Duration = Duration::from_secs(2);
/// 64 KiB: a client that takes less in that time is not waited for. It may ask for the rest of a
/// file after the start.
const LEAST_AT_STOP: u64 = 64 << 10;

/// The end of the connections, in two steps.
#[derive(Clone, Default)]
pub(super) struct Ending {
    /// No more requests are taken; those that are there are answered.
    pub(super) stopping: CancellationToken,
    /// The time for answers is over.
    pub(super) cut: CancellationToken,
}

impl Ending {
    /// Completes when the server stops and this connection is to take no more requests. One that
    /// was accepted right before is given the time in which its first request is on the way: it
    /// would get no answer otherwise.
    pub(super) async fn begins(&self, visit: &Visit) {
        self.stopping.cancelled().await;
        while visit.is_new(RECEIVING_GRACE) {
            tokio::time::sleep(STOP_LOOK).await;
        }
    }

    /// Completes when a connection that was asked to end has nothing more to do, or no more time,
    /// or when its client takes too little of what is there for it.
    pub(super) async fn is_due(&self, visit: &Visit) {
        let is_idle = async {
            tokio::time::sleep(RECEIVING_GRACE).await;
            while visit.is_busy() {
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        tokio::select! {
            () = is_idle => {}
            () = trickles(visit) => visit.traffic.was_slow(),
            () = self.cut.cancelled() => {}
        }
    }
}

/// Completes when a client has taken less than [`LEAST_AT_STOP`] in a [`STOP_WINDOW`] of an answer
/// that waits for it at both ends of that.
async fn trickles(visit: &Visit) {
    let traffic = &visit.traffic;
    let (mut before, mut was_blocked) = (traffic.written(), traffic.is_blocked());
    loop {
        tokio::time::sleep(STOP_WINDOW).await;
        let (written, is_blocked) = (traffic.written(), traffic.is_blocked());
        if was_blocked && is_blocked && written - before < LEAST_AT_STOP {
            return;
        }
        (before, was_blocked) = (written, is_blocked);
    }
}
