//! Key sets that are read anew because a token names a key that none of them has.

use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// 12 s: a token of an unknown key waits for one reading that is due, and for its answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// How many tokens may wait so: more than come in the seconds after an issuer's key was replaced,
/// some 1 MiB of them.
const PLACES: usize = 1_024;

/// Joins those who wait for a key to the one who reads key sets.
pub(super) struct Renewals {
    wished: Notify,
    /// How many readings have ended, well or not.
    readings: watch::Sender<u64>,
    places: Semaphore,
    is_kept: bool,
}

impl Renewals {
    /// `is_kept` says that there is one who reads sets when a token waits. Files are looked at all
    /// the time instead.
    pub(super) fn new(is_kept: bool) -> Self {
        Self {
            wished: Notify::new(),
            readings: watch::Sender::new(0),
            places: Semaphore::new(PLACES),
            is_kept,
        }
    }

    /// Returns whether there is one who reads sets when a token waits.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Waits for the next readings while `lacks` says that the key is not there: for at most two of
    /// them, since the first may have begun before the key was there, and for at most some seconds.
    /// Returns at once where too many wait.
    pub(super) async fn wait_while(&self, lacks: impl Fn() -> bool) {
        let Ok(_place) = self.places.try_acquire() else {
            return;
        };
        let mut readings = self.readings.subscribe();
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..2 {
            if !lacks() {
                return;
            }
            self.wished.notify_one();
            if timeout_at(deadline, readings.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Completes when a token waits.
    pub(super) async fn wished(&self) {
        self.wished.notified().await;
    }

    /// Lets those who wait look again.
    pub(super) fn were_read(&self) {
        self.readings.send_modify(|readings| *readings += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_waits_for_its_key_and_not_for_ever() {
        let renewals = Arc::new(Renewals::new(true));
        let lacks = Arc::new(AtomicBool::new(true));
        let waiting = |renewals: &Arc<Renewals>| {
            let (renewals, lacks) = (Arc::clone(renewals), Arc::clone(&lacks));
            tokio::spawn(async move { renewals.wait_while(|| lacks.load(Ordering::SeqCst)).await })
        };
        // There is no reader.
        let before = Instant::now();
        waiting(&renewals).await.unwrap();
        assert_eq!(before.elapsed(), PATIENCE);
        renewals.wished().await;
        // Two readings that do not bring it.
        let one = waiting(&renewals);
        let before = Instant::now();
        for _ in 0..2 {
            renewals.wished().await;
            renewals.were_read();
        }
        one.await.unwrap();
        assert!(before.elapsed().is_zero());
        // One that does.
        let (one, other) = (waiting(&renewals), waiting(&renewals));
        renewals.wished().await;
        lacks.store(false, Ordering::SeqCst);
        renewals.were_read();
        one.await.unwrap();
        other.await.unwrap();
        assert!(before.elapsed().is_zero());
        // It is there.
        waiting(&renewals).await.unwrap();
        assert!(before.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_the_next_one_is_answered_at_once() {
        let renewals = Arc::new(Renewals::new(true));
        let asked = Arc::new(AtomicUsize::new(0));
        let all: Vec<_> = (0..PLACES)
            .map(|_| {
                let (renewals, asked) = (Arc::clone(&renewals), Arc::clone(&asked));
                tokio::spawn(async move {
                    let lacks = || asked.fetch_add(1, Ordering::SeqCst) < usize::MAX;
                    renewals.wait_while(lacks).await;
                })
            })
            .collect();
        while asked.load(Ordering::SeqCst) < PLACES {
            tokio::task::yield_now().await;
        }
        let before = Instant::now();
        renewals.wait_while(|| true).await;
        assert!(before.elapsed().is_zero());
        for one in all {
            one.await.unwrap();
        }
        assert_eq!(before.elapsed(), PATIENCE);
    }
}
