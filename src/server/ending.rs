//! How connections end when the server stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::places::Visit;

/// 1 s: how long a stopping server waits for requests that have not arrived as a whole.
const RECEIVING_GRACE: Duration = Duration::from_secs(1);
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
    /// Completes when the server stops and this connection is to take no more requests. One that
    /// was accepted right before is given the time in which its first request is on the way: it
    /// would get no answer otherwise.
    pub(super) async fn begins(&self, visit: &Visit) {
        self.stopping.cancelled().await;
        while visit.is_new(RECEIVING_GRACE) {
            tokio::time::sleep(STOP_LOOK).await;
        }
    }

    /// Completes when a connection that was asked to end has nothing more to do, or no more time.
    pub(super) async fn is_due(&self, visit: &Visit) {
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
