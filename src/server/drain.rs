//! The last part: what was accepted is written and answered, clients are told, connections end.
//!
//! ```text
//! hear no more -> commit and answer what is queued -> tell and close sessions -> accept no more
//!              -> answer the requests of accepted connections -> cut the rest
//! ```

use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::build::House;
use super::error::ServerError;
use super::open::Entrance;
use crate::model::Timestamp;
use crate::store::Store;

impl House {
    /// Ends the server within its grace. `ended` is how serving ended.
    pub(super) async fn drain(
        mut self,
        mut entrance: Entrance,
        ended: Result<(), ServerError>,
    ) -> Result<(), ServerError> {
        tracing::info!(sessions = self.engine.sessions(), "stopping");
        // Before all else: what is not heard any more is not stored, and needs no answer.
        self.engine.pause();
        self.background.abort();
        let pushes = self.pushes.clone();
        let flushing = async move { pushes.flush().await };
        // People who are told late are told; what push services do not take now is lost.
        let flushing = tokio::spawn(timeout(self.shutdown_grace / 3, flushing));
        self.chat.close(Timestamp::now());
        self.hooks.close(Timestamp::now());
        // Each wait from here on ends with the grace at the latest.
        let deadline = Instant::now() + self.shutdown_grace;
        self.connections.receive_no_more();
        let closed = close(self.store.clone());
        let draining = async {
            // A polling client hears by its next request that the server stops, so connections are
            // accepted until all sessions know. They open no session any more.
            tokio::select! {
                () = self.tell(&closed) => {}
                () = entrance.accept() => {}
            }
            drop(entrance);
            self.connections.stop();
            self.connections.ended().await;
        };
        if timeout_at(deadline, draining).await.is_err() {
            tracing::warn!("some clients were not told in time");
        }
        self.connections.cut();
        let _ = timeout_at(deadline, flushing).await;
        self.files.end();
        // What the disk took while the others were told is good.
        match timeout_at(deadline, closed.cancelled()).await {
            Ok(()) => ended,
            Err(_) => ended.and(Err(ServerError::Unclosed)),
        }
    }

    /// Tells the sessions: what became of their queued changes first, while their sockets are
    /// there, then that the server stops. A disk that hangs keeps none from being told.
    async fn tell(&mut self, closed: &CancellationToken) {
        match timeout(self.shutdown_grace / 2, closed.cancelled()).await {
            Ok(()) => {
                if !self.notifier.is_finished() && (&mut self.notifier).await.is_err() {
                    tracing::error!("some answers were not sent");
                }
            }
            Err(_) => {
                tracing::error!("the disk does not answer; what waits for it is not confirmed")
            }
        }
        self.engine.shutdown().await;
    }
}

/// Closes the data on a thread of its own, so that nothing waits for a disk that hangs. The token
/// is cancelled once it is closed.
fn close(store: Store) -> CancellationToken {
    let closed = CancellationToken::new();
    let done = closed.clone();
    let thread = std::thread::Builder::new().name("chatd-close".into());
    let spawned = thread.spawn(move || {
        store.close();
        done.cancel();
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "the data file cannot be closed");
    }
    closed
}
