//! A bounded sum of bytes, and shares of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bounded sum of bytes. Cheap to clone: clones are the same pool.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
}

impl Pool {
    /// Returns a pool of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                limit,
                used: AtomicUsize::new(0),
            }),
        }
    }

    /// Returns a share of no bytes, to grow.
    pub fn nothing(&self) -> Share {
        Share {
            pool: self.clone(),
            bytes: 0,
        }
    }

    /// Returns a share of `bytes`, or `None` where fewer are left. The share gives them back when
    /// it is dropped.
    pub fn take(&self, bytes: usize) -> Option<Share> {
        let mut share = self.nothing();
        share.grow(bytes).then_some(share)
    }

    /// The bytes that are taken now.
    pub fn used(&self) -> usize {
        self.inner.used.load(Ordering::Relaxed)
    }

    /// The most that may be taken.
    pub fn limit(&self) -> usize {
        self.inner.limit
    }
}

/// Bytes of a pool, held by one owner until dropped.
#[derive(Debug)]
pub struct Share {
    pool: Pool,
    bytes: usize,
}

impl Share {
    /// Takes `bytes` more. Returns `false`, and takes none, where fewer are left.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Inner { limit, used } = &*self.pool.inner;
        let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| sum <= limit)
        });
        if taken.is_ok() {
            self.bytes += bytes;
        }
        taken.is_ok()
    }

    /// Gives `bytes` back; more than are held are all of them.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.pool.inner.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The pool that they are of.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_gives_no_more_than_it_has_and_takes_back_what_was_dropped() {
        let pool = Pool::new(10);
        let mut first = pool.take(6).unwrap();
        assert!(pool.take(5).is_none());
        assert!(!first.grow(5) && first.grow(4));
        assert_eq!((pool.used(), first.bytes()), (10, 10));
        first.shrink(3);
        let second = pool.take(3).unwrap();
        drop(first);
        assert_eq!(pool.used(), 3);
        drop(second);
        assert_eq!(pool.used(), 0);
        assert!(pool.take(usize::MAX).is_none(), "nothing overflows");
    }
}
