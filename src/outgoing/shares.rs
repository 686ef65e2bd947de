//! So many places for each of many: what one of them has waiting holds up no other.

use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whose request it is, by a number that the caller gives: a person, a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder(pub u64);

/// The places of each key. One that holds none is forgotten.
pub(super) struct Shares<K> {
    each: usize,
    held: Mutex<FxHashMap<K, Arc<Semaphore>>>,
}

impl<K: Eq + Hash> Shares<K> {
    /// So many for each, and at least one.
    pub(super) fn of(each: usize) -> Self {
        Self {
            each: each.max(1),
            held: Mutex::default(),
        }
    }

    /// Waits for a place of this key, which is free again when it is dropped.
    pub(super) async fn place(&self, key: K) -> OwnedSemaphorePermit {
        let own = {
            let mut held = self.held.lock();
            // A place, and who waits for one, has the key's semaphore too.
            held.retain(|_, places| Arc::strong_count(places) > 1);
            let places = held.entry(key);
            Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(self.each))))
        };
        let place = own.acquire_owned().await;
        place.expect("the places are never closed")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_has_so_many_and_who_holds_none_is_forgotten() {
        let shares = Shares::of(2);
        let held = (shares.place(1).await, shares.place(1).await);
        assert!(shares.place(1).now_or_never().is_none());
        let other = shares.place(2).now_or_never();
        assert!(other.is_some());
        drop(held);
        assert!(shares.place(1).now_or_never().is_some());
        drop(other);
        drop(shares.place(3).await);
        assert_eq!(shares.held.lock().len(), 1, "the last that was asked for");
    }
}
