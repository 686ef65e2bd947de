//! The request to read files again, though they may not have changed.

use tokio::sync::{broadcast, mpsc};

/// Requests by which a reader may lag behind; one that lags further reads once for all of them.
const ASKINGS: usize = 4;

/// Held by a reader, and dropped once it has read.
type Reading = mpsc::Sender<()>;

/// Has files read again: keys and certificates. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reload(broadcast::Sender<Reading>);

impl Default for Reload {
    fn default() -> Self {
        Self(broadcast::Sender::new(ASKINGS))
    }
}

impl Reload {
    /// Has them all read, and returns once they are; at once where there are none.
    pub async fn again(&self) {
        let (reading, mut done) = mpsc::channel(1);
        if self.0.send(reading).is_ok() {
            // Nothing is ever sent: it ends when the last reader has dropped its end.
            let _ = done.recv().await;
        }
    }

    /// For one who reads files.
    pub(crate) fn reader(&self) -> Reader {
        Reader(self.0.subscribe())
    }
}

/// Hears when files are to be read again.
pub(crate) struct Reader(broadcast::Receiver<Reading>);

impl Reader {
    /// Completes when they are. What it gives is to be dropped once they were read.
    pub(crate) async fn asked(&mut self) -> Option<Reading> {
        match self.0.recv().await {
            Ok(reading) => Some(reading),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            // No one is left who could ask.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_waits_until_every_reader_has_read() {
        let reload = Reload::default();
        reload.again().await;
        let (mut one, mut other) = (reload.reader(), reload.reader());
        let mut asking = std::pin::pin!(reload.again());
        let (first, second) = tokio::select! {
            () = &mut asking => panic!("nobody has read yet"),
            both = async { (one.asked().await, other.asked().await) } => both,
        };
        drop(first);
        tokio::select! {
            biased;
            () = &mut asking => panic!("the other one has not read yet"),
            () = std::future::ready(()) => {}
        }
        drop(second);
        asking.await;
    }
}
