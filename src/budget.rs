//! The account of resources: what one client, one address and all together may hold in memory.
//!
//! Each thing that a peer can make the server keep (bytes waiting to be sent, bytes half received, answers being
//! written) has a bound for one owner where it is kept, and takes its bytes from a [`Pool`] here, so that the sum is
//! bounded too. A pool never waits: where it is empty the owner who asks is refused, and its policy says what that means.
//! The pools of one server are one [`Budget`], a share each of the memory that the server may use.

mod machine;

pub use machine::{Memory, memory_of_this_process};

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

    /// Returns a share of `bytes`, or `None` where fewer are left. The share gives them back when it is dropped.
    pub fn take(&self, bytes: usize) -> Option<Share> {
        let mut share = Share {
            pool: self.clone(),
            bytes: 0,
        };
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

/// What one server may keep in memory, thing by thing. Cheap to clone: clones have the same pools.
///
/// Accounts and conversations are not in it. They are in memory as a whole, some 300 bytes and some 160 bytes each.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Frames that wait for clients of Socket.IO to take them, of all sessions.
    pub outboxes: Pool,
    /// Messages, attachments and bodies of requests that are half received, of all connections.
    pub half_received: Pool,
    /// Bodies of HTTP answers that are not yet written, of all connections.
    pub answers: Pool,
    /// The database's page cache, in bytes.
    pub page_cache: usize,
    /// The newest messages, in bytes.
    pub newest_messages: usize,
    /// Changes that wait for the writer, in bytes of content.
    pub queued_changes: usize,
    /// Client ids that are remembered in memory; each takes some 50 bytes.
    pub client_ids: usize,
    /// Entries of the log between two checkpoints. The client ids among them stay in memory until then.
    pub checkpoint_entries: u64,
    /// Keys of one kind of rate limit; each takes some 32 bytes.
    pub limit_keys: usize,
    /// Sockets that were left and may be continued; each takes some 80 bytes.
    pub recovery_places: usize,
    /// Tokens whose signature need not be verified again; each takes some 128 bytes.
    pub verified_tokens: usize,
}

/// The least memory that a server can be told to run in.
pub const MIN_MEMORY: u64 = 64 << 20;

impl Budget {
    /// Returns the shares of `bytes` of memory: in all some 60 hundredths of it. The rest is for accounts and conversations, for what a
    /// connection costs, and for what the allocator holds back. From 1 GiB on only the pools and the page cache grow.
    pub fn for_memory(bytes: u64) -> Self {
        let bytes = bytes.max(MIN_MEMORY);
        let share = |part: u64, least: u64, most: u64| {
            let share = (bytes / part).clamp(least, most);
            usize::try_from(share).unwrap_or(usize::MAX)
        };
        Self {
            outboxes: Pool::new(share(8, 0, 1 << 30)),
            half_received: Pool::new(share(16, 0, 512 << 20)),
            answers: Pool::new(share(16, 0, 512 << 20)),
            // 64 MiB hold the inner pages of the trees of a hundred million messages; what does not fit into 1 GiB is the
            // kernel's to keep.
            page_cache: share(16, (bytes / 8).min(64 << 20), 1 << 30),
            newest_messages: share(64, 0, 8 << 20),
            queued_changes: share(16, 0, 64 << 20),
            client_ids: share(1 << 10, 0, 1_000_000),
            checkpoint_entries: (bytes >> 10).clamp(1 << 16, 1 << 20),
            limit_keys: share(1 << 14, 1 << 12, 1 << 16),
            recovery_places: share(1 << 12, 1 << 14, 1 << 18),
            verified_tokens: share(1 << 16, 1 << 11, 1 << 14),
        }
    }

    /// Returns how many bytes all of it takes when everything is full.
    pub fn bytes(&self) -> usize {
        let pools = [&self.outboxes, &self.half_received, &self.answers];
        let pools: usize = pools.map(Pool::limit).iter().sum();
        let pending = usize::try_from(self.checkpoint_entries).unwrap_or(usize::MAX);
        pools
            + self.page_cache
            + self.newest_messages
            + self.queued_changes
            + (self.client_ids + pending) * CLIENT_ID_BYTES
            + self.limit_keys * LIMIT_KINDS * LIMIT_KEY_BYTES
            + self.recovery_places * PLACE_BYTES
            + self.verified_tokens * TOKEN_BYTES
    }
}

const CLIENT_ID_BYTES: usize = 50;
const LIMIT_KEY_BYTES: usize = 32;
/// Kinds that have a table of keys of their own.
const LIMIT_KINDS: usize = 10;
const PLACE_BYTES: usize = 80;
const TOKEN_BYTES: usize = 128;

impl Default for Budget {
    /// For a machine with 1 GiB to spare.
    fn default() -> Self {
        Self::for_memory(1 << 30)
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

    #[test]
    fn all_that_is_kept_is_at_most_sixty_hundredths_of_the_memory() {
        for bytes in [128 << 20, 256 << 20, 1 << 30, 2 << 30, 64 << 30] {
            let budget = Budget::for_memory(bytes);
            let most = usize::try_from(bytes / 100 * 61).unwrap();
            assert!(budget.bytes() <= most, "{} of {bytes}", budget.bytes());
        }
    }

    #[test]
    fn no_share_shrinks_when_there_is_more_memory() {
        let shares = |bytes: u64| {
            let budget = Budget::for_memory(bytes);
            [
                budget.outboxes.limit(),
                budget.half_received.limit(),
                budget.answers.limit(),
                budget.page_cache,
                budget.newest_messages,
                budget.queued_changes,
                budget.client_ids,
                usize::try_from(budget.checkpoint_entries).unwrap(),
                budget.limit_keys,
                budget.recovery_places,
                budget.verified_tokens,
            ]
        };
        let mut before = shares(0);
        assert!(before.iter().all(|share| *share > 0));
        for power in 20..45 {
            let now = shares(1 << power);
            let grown = now.iter().zip(before).all(|(now, before)| *now >= before);
            assert!(grown, "{now:?} after {before:?}");
            before = now;
        }
    }

    #[test]
    fn a_small_container_gets_a_small_page_cache_and_a_large_machine_the_one_it_had() {
        let cache = |bytes: u64| Budget::for_memory(bytes).page_cache >> 20;
        assert_eq!(cache(128 << 20), 16);
        assert_eq!(cache(192 << 20), 24);
        assert_eq!(cache(512 << 20), 64);
        assert_eq!(cache(1 << 30), 64);
        assert_eq!(cache(4 << 30), 256);
        assert_eq!(cache(64 << 30), 1_024);
    }
}
