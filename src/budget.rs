//! The account of resources: what one client, one person, one address and all together may hold in memory.
//!
//! Each thing that a peer can make the server keep (bytes waiting to be sent, bytes half received, answers being
//! written) has a bound for one owner where it is kept, and takes its bytes from a [`Pool`] here, so that the sum is
//! bounded too. A pool never waits: where it is empty the owner who asks is refused, and its policy says what that means.
//! The pools of one server are one [`Budget`], a share each of the memory that the server may use. The README's account of
//! resources is the table of all this; `tests/it/resources.rs` tries its rows.

mod machine;

pub use machine::{Memory, memory_of_this_process};

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// 1,500 connections from one address (one /64 of IPv6): its 1,000 sessions, and requests beside them.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_500;
/// 256 KiB: what the kernel holds in each direction for one connection, besides what it needs for itself.
pub const SOCKET_BUFFER: usize = 256 << 10;
/// 10 s: an answer of which the peer takes nothing for so long is given up, and its connection or stream with it.
pub const ANSWER_STALL: Duration = Duration::from_secs(10);
/// 8 KiB: what the peer must take of an answer within that time for it to be progress, unless less is left.
pub const ANSWER_STEP: usize = 8 << 10;
/// 4 KiB: shorter answers are not counted. Each connection has one of them at most, and each stream of HTTP/2.
pub const UNCOUNTED_ANSWER: usize = 4 << 10;
/// 1 MiB: the most that the rows of one page take as JSON; a page has at least one.
pub const PAGE_BYTES: usize = 1 << 20;
/// 2 MiB: a part of answers or of bodies is no smaller, so that it has room for one of them in a small container too.
pub const LEAST_PART: usize = 2 << 20;
/// One person may hold an eighth of the answers, one address a quarter.
pub const ANSWERS_OF_A_PERSON: usize = 8;
/// See [`ANSWERS_OF_A_PERSON`].
pub const ANSWERS_OF_AN_ADDRESS: usize = 4;
/// 32 KiB of what one connection has half received are not counted: more than a message of the chat has, so that those
/// who fill the pool with larger ones keep nobody from talking.
pub const UNCOUNTED_HALF: usize = 32 << 10;
/// One address may hold a quarter of what is half received.
pub const BODIES_OF_AN_ADDRESS: usize = 4;
/// 16 KiB: what a request on a stream of HTTP/2 takes until it is answered, besides its body and its answer. One of each
/// connection is not counted, as none of HTTP/1.1 is.
pub const STREAM_BYTES: usize = 16 << 10;
/// One address may hold a quarter of the streams.
pub const STREAMS_OF_AN_ADDRESS: usize = 4;

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

    /// Returns a share of `bytes`, or `None` where fewer are left. The share gives them back when it is dropped.
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

/// Who holds a portion of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A person, by id.
    Person(u64),
    /// An address, as connections are counted by.
    Address(IpAddr),
}

/// A pool of which no owner may hold more than a part. Cheap to clone: clones are the same.
#[derive(Debug, Clone)]
pub struct Portions {
    pool: Pool,
    least: usize,
    held: Arc<Mutex<HashMap<Owner, usize>>>,
}

impl Portions {
    /// Divides a pool. Each part is of `least` bytes at least, however small the pool.
    pub fn new(pool: Pool, least: usize) -> Self {
        Self {
            pool,
            least,
            held: Arc::default(),
        }
    }

    /// Returns a portion of no bytes for these owners, each of whom may hold the pool's limit divided by the number.
    pub fn portion(&self, owners: impl IntoIterator<Item = (Owner, usize)>) -> Portion {
        Portion {
            held: Arc::clone(&self.held),
            owners: owners
                .into_iter()
                .map(|(owner, part)| (owner, (self.pool.limit() / part.max(1)).max(self.least)))
                .collect(),
            share: self.pool.nothing(),
        }
    }
}

/// Bytes of a divided pool, given back when dropped.
#[derive(Debug)]
pub struct Portion {
    held: Arc<Mutex<HashMap<Owner, usize>>>,
    /// With how many bytes each may hold.
    owners: Vec<(Owner, usize)>,
    share: Share,
}

impl Portion {
    /// Takes `bytes` more. Returns `false`, and takes none, where an owner has its part or the pool is empty.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let mut held = self.held.lock();
        let fits = self.owners.iter().all(|(owner, most)| {
            let has = held.get(owner).copied().unwrap_or(0);
            has.checked_add(bytes).is_some_and(|sum| sum <= *most)
        });
        if !fits || !self.share.grow(bytes) {
            return false;
        }
        for (owner, _) in &self.owners {
            *held.entry(*owner).or_default() += bytes;
        }
        true
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.share.bytes()
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        if self.share.bytes() == 0 {
            return;
        }
        let mut held = self.held.lock();
        for (owner, _) in &self.owners {
            if let Some(has) = held.get_mut(owner) {
                *has -= self.share.bytes().min(*has);
                if *has == 0 {
                    held.remove(owner);
                }
            }
        }
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
    /// Requests on streams of HTTP/2, [`STREAM_BYTES`] each, beside the first of each connection.
    pub streams: Pool,
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
    /// Sockets that were left and may be continued; each takes some 300 bytes, with what is remembered of it.
    pub recovery_places: usize,
    /// Subscriptions to people's presence, of all sockets; each takes some 100 bytes.
    pub subscriptions: usize,
    /// Tokens whose signature need not be verified again; each takes some 128 bytes.
    pub verified_tokens: usize,
}

/// The least memory that a server can be told to run in.
pub const MIN_MEMORY: u64 = 64 << 20;

/// 64 MiB: what a server takes with a thousand connections that send without pause, besides all
/// that is shared out.
const SET_ASIDE: u64 = 64 << 20;

impl Budget {
    /// Returns the shares of `bytes` of memory: at most 70 % of it in all. The rest is for accounts
    /// and conversations, for what a connection costs, and for what the allocator holds back.
    ///
    /// Below 1 GiB, 64 MiB are set aside first, or half where there are fewer than 128: the program
    /// itself, a thousand connections and changes on their way through the writer take as much
    /// however little is shared out. From 1 GiB on only the pools and the page cache grow.
    pub fn for_memory(bytes: u64) -> Self {
        let bytes = bytes.max(MIN_MEMORY);
        let bytes = match bytes < 1 << 30 {
            true => bytes - (bytes / 2).min(SET_ASIDE),
            false => bytes,
        };
        let share = |part: u64, least: u64, most: u64| {
            let share = (bytes / part).clamp(least, most);
            usize::try_from(share).unwrap_or(usize::MAX)
        };
        Self {
            outboxes: Pool::new(share(8, 0, 1 << 30)),
            half_received: Pool::new(share(16, 0, 512 << 20)),
            answers: Pool::new(share(16, 0, 512 << 20)),
            streams: Pool::new(share(32, 0, 128 << 20)),
            // 64 MiB hold the inner pages of the trees of a hundred million messages; what does not fit into 1 GiB is the
            // kernel's to keep.
            page_cache: share(16, (bytes / 8).min(64 << 20), 1 << 30),
            newest_messages: share(64, 0, 8 << 20),
            queued_changes: share(16, 0, 64 << 20),
            // Where there is room, hundreds of senders who never pause have all of theirs in memory.
            client_ids: share(1 << 10, 0, 8_000_000),
            checkpoint_entries: (bytes >> 10).clamp(1 << 16, 1 << 20),
            limit_keys: share(1 << 14, 1 << 12, 1 << 16),
            recovery_places: share(1 << 13, 1 << 12, 1 << 17),
            subscriptions: share(1 << 11, 0, 1 << 20),
            verified_tokens: share(1 << 16, 1 << 11, 1 << 14),
        }
    }

    /// Returns how many bytes all of it takes when everything is full.
    pub fn bytes(&self) -> usize {
        let pools = [
            &self.outboxes,
            &self.half_received,
            &self.answers,
            &self.streams,
        ];
        let pools: usize = pools.map(Pool::limit).iter().sum();
        let pending = usize::try_from(self.checkpoint_entries).unwrap_or(usize::MAX);
        pools
            + self.page_cache
            + self.newest_messages
            + self.queued_changes
            + (self.client_ids + pending) * CLIENT_ID_BYTES
            + self.limit_keys * LIMIT_KINDS * LIMIT_KEY_BYTES
            + self.recovery_places * PLACE_BYTES
            + self.subscriptions * SUBSCRIPTION_BYTES
            + self.verified_tokens * TOKEN_BYTES
    }
}

const CLIENT_ID_BYTES: usize = 50;
const LIMIT_KEY_BYTES: usize = 32;
/// Kinds that have a table of keys of their own.
const LIMIT_KINDS: usize = 10;
const PLACE_BYTES: usize = 300;
const SUBSCRIPTION_BYTES: usize = 100;
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
    fn all_that_is_kept_is_at_most_seventy_hundredths_of_the_memory() {
        for bytes in [128 << 20, 256 << 20, 1 << 30, 2 << 30, 64 << 30] {
            let budget = Budget::for_memory(bytes);
            let most = usize::try_from(bytes / 100 * 70).unwrap();
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
                budget.streams.limit(),
                budget.page_cache,
                budget.newest_messages,
                budget.queued_changes,
                budget.client_ids,
                usize::try_from(budget.checkpoint_entries).unwrap(),
                budget.limit_keys,
                budget.recovery_places,
                budget.subscriptions,
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
        assert_eq!(cache(128 << 20), 8);
        assert_eq!(cache(192 << 20), 16);
        assert_eq!(cache(512 << 20), 56);
        assert_eq!(cache(1 << 30), 64);
        assert_eq!(cache(4 << 30), 256);
        assert_eq!(cache(64 << 30), 1_024);
    }

    #[test]
    fn no_owner_takes_what_is_another_owners_part() {
        let pool = Pool::new(80);
        let portions = Portions::new(pool.clone(), 0);
        let home = Owner::Address([192, 0, 2, 1].into());
        let of = |person| portions.portion([(Owner::Person(person), 8), (home, 4)]);
        let (mut first, mut second) = (of(1), of(2));
        assert!(
            first.grow(6) && !first.grow(5) && first.grow(4),
            "a person has an eighth"
        );
        assert!(second.grow(10), "another has one too");
        assert!(!of(3).grow(1), "their address has a quarter");
        let mut elsewhere = portions.portion([(Owner::Person(1), 8)]);
        assert!(
            !elsewhere.grow(1),
            "a person has no more from another address"
        );
        drop(first);
        assert!(elsewhere.grow(10) && of(3).grow(10));
        assert_eq!((pool.used(), second.bytes()), (20, 10));
        drop((second, elsewhere));
        assert!(
            portions.held.lock().is_empty(),
            "who holds nothing is forgotten"
        );
        assert_eq!(pool.used(), 0);
        let mut all: Vec<_> = (0..9)
            .map(|person| portions.portion([(Owner::Person(person), 8)]))
            .collect();
        let taken = all
            .iter_mut()
            .filter_map(|portion| portion.grow(10).then_some(()))
            .count();
        assert_eq!(taken, 8, "the sum is bounded too");
    }
}
