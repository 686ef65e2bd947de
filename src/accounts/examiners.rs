//! Where signatures of other systems are checked: apart from what serves people, and only so many
//! at once.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

use super::AccountError;

/// 16,384 tokens may wait for their turn: all clients of a small machine, after a restart.
const WAITING: usize = 1 << 14;

/// The threads' turns, and the places of those who wait for one.
pub(super) struct Examiners {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Examiners {
    /// Half of the cores may work at once, so that a flood leaves the other half to serve people.
    pub(super) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::at_once((cores / 2).max(1), WAITING)
    }

    fn at_once(turns: usize, waiting: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(turns)),
            places: Arc::new(Semaphore::new(turns + waiting)),
        }
    }

    /// Does this on a thread of its own when its turn comes. Fails with [`AccountError::Busy`]
    /// where too many wait.
    pub(super) async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, AccountError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| AccountError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| AccountError::Internal)?;
        let working = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        working.await.map_err(|_| AccountError::Internal)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A flood of badly signed tokens kept every thread busy that served people.
    #[tokio::test(flavor = "multi_thread")]
    async fn so_many_work_at_once_so_many_wait_and_the_next_is_sent_away() {
        let examiners = Arc::new(Examiners::at_once(2, 30));
        let (working, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (gate, open) = std::sync::mpsc::channel::<()>();
        let open = Arc::new(parking_lot::Mutex::new(open));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let (examiners, working, most, open) = (
                Arc::clone(&examiners),
                Arc::clone(&working),
                Arc::clone(&most),
                Arc::clone(&open),
            );
            all.spawn(async move {
                let work = move || {
                    most.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = open.lock().recv();
                    working.fetch_sub(1, Ordering::SeqCst);
                };
                examiners.work(work).await
            });
        }
        while examiners.places.available_permits() > 0 || working.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(examiners.work(|| ()).await, Err(AccountError::Busy));
        drop(gate);
        while let Some(done) = all.join_next().await {
            assert_eq!(done.unwrap(), Ok(()));
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert_eq!(
            examiners.work(|| 7).await,
            Ok(7),
            "all places are free again"
        );
    }
}
