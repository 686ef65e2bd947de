//! How the memory of one server is divided.

use super::bounds::LEAST_PART;
use super::pool::Pool;
use super::portions::Portions;

/// The memory of one server, thing by thing. Cheap to clone: clones have the same pools.
///
/// Accounts and conversations are not in it. They are in memory as a whole, some 300 bytes and some
/// 160 bytes each.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Frames that wait for clients of Socket.IO to take them, of all sessions.
    pub outboxes: Pool,
    /// Messages, attachments and bodies of requests that are half received, of all connections.
    pub half_received: Portions,
    /// Bodies of HTTP answers that are not yet written, of all connections.
    pub answers: Pool,
    /// Requests on streams of HTTP/2, `STREAM_BYTES` each, beside the first of each connection.
    pub streams: Pool,
    /// The database's page cache, in bytes.
    pub page_cache: usize,
    /// The newest messages, in bytes.
    pub newest_messages: usize,
    /// Changes that wait for the writer, in bytes.
    pub queued_changes: usize,
    /// Client ids that are remembered in memory; each takes some 50 bytes.
    pub client_ids: usize,
    /// Entries of the log between two checkpoints. The client ids among them stay in memory until
    /// then.
    pub checkpoint_entries: u64,
    /// Keys of one kind of rate limit; each takes some 32 bytes.
    pub limit_keys: usize,
    /// Sockets that were left and may be continued; each takes some 300 bytes, with what is
    /// remembered of it.
    pub recovery_places: usize,
    /// Subscriptions to people's presence, of all sockets; each takes some 100 bytes.
    pub subscriptions: usize,
    /// The newest part of the search's index, in bytes; twice as much for a moment, while it is
    /// written to a file.
    pub search: usize,
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
            half_received: Portions::new(Pool::new(share(16, 0, 512 << 20)), LEAST_PART),
            answers: Pool::new(share(16, 0, 512 << 20)),
            streams: Pool::new(share(32, 0, 128 << 20)),
            // 64 MiB hold the inner pages of the trees of a hundred million messages; what does not
            // fit into 1 GiB is the kernel's to keep.
            page_cache: share(16, (bytes / 8).min(64 << 20), 1 << 30),
            newest_messages: share(64, 0, 8 << 20),
            queued_changes: share(16, 0, 64 << 20),
            // Where there is room, hundreds of senders who never pause have all of theirs in
            // memory.
            client_ids: share(1 << 10, 0, 8_000_000),
            checkpoint_entries: (bytes >> 10).clamp(1 << 16, 1 << 20),
            limit_keys: share(1 << 14, 1 << 12, 1 << 16),
            recovery_places: share(1 << 13, 1 << 12, 1 << 17),
            subscriptions: share(1 << 11, 0, 1 << 20),
            search: share(128, 4 << 20, 16 << 20),
            verified_tokens: share(1 << 16, 1 << 11, 1 << 14),
        }
    }

    /// Returns how many bytes all of it takes when everything is full.
    pub fn bytes(&self) -> usize {
        let pools = [&self.outboxes, &self.answers, &self.streams];
        let pools: usize = pools.map(Pool::limit).iter().sum();
        let pending = usize::try_from(self.checkpoint_entries).unwrap_or(usize::MAX);
        pools
            + self.half_received.limit()
            + self.page_cache
            + self.newest_messages
            + self.queued_changes
            + (self.client_ids + pending) * CLIENT_ID_BYTES
            + self.limit_keys * LIMIT_KINDS * LIMIT_KEY_BYTES
            + self.recovery_places * PLACE_BYTES
            + self.subscriptions * SUBSCRIPTION_BYTES
            + 2 * self.search
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
                budget.search,
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
}
