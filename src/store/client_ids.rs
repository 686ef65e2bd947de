//! Which message a sender's client id stands for: in memory for senders who use one, in blocks of their table for all.
//!
//! The writer alone knows them. A confirmed message has its client id in its record; what is kept here is how to find
//! it: a hash and the message's id. Those of the newest messages are pending until a sweep writes them as one block a
//! sender; a sender's blocks are read when they first use a client id again. What is found is only a hint: the message
//! itself says whose it is, under which client id, and since when.
//!
//! A block's key is the sender and the block's first message. Earlier versions took the first pending message instead,
//! which came before the block's own first one where more were pending than are remembered. Such blocks are valid; the
//! sweep gives them their right key as it meets them.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use redb::{ReadableTable, Table};
use rustc_hash::FxHashMap;
use siphasher::sip::SipHasher13;

use super::StoreError;
use super::record::{Rest, put, seal, unseal};
use crate::model::{MessageId, Timestamp, UserId};

/// How many later messages of a sender make a client id of theirs forgotten. 10,000: hours of the busiest bot, and a
/// bound of about half a megabyte on what one sender can make the server remember.
pub(super) const CLIENT_IDS_PER_SENDER: usize = 10_000;
/// How long a client id is remembered.
pub(super) const CLIENT_ID_LIFETIME_MS: u64 = 24 * 60 * 60 * 1_000;
/// So many in memory, some 50 MB, and senders whose ids are all in their table are dropped from it.
const IN_MEMORY: usize = 1_000_000;
/// How many rows one sweep looks at for those that are forgotten.
const FORGET_STEP: usize = 256;

/// One client id: its hash, and its message.
pub(super) type Hint = (u64, MessageId);

#[derive(Default)]
struct Sender {
    /// Whether its blocks were read.
    loaded: bool,
    messages: FxHashMap<u64, MessageId>,
    /// Oldest first.
    order: VecDeque<u64>,
    /// Not yet in a block, oldest first, and when the newest of them was sent.
    pending: Vec<Hint>,
    /// How many of those the transaction at hand writes. What it stores itself is pending after it.
    in_writing: usize,
    newest_at: Timestamp,
}

impl Sender {
    fn put(&mut self, (hash, message): Hint) {
        if self.messages.insert(hash, message).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > CLIENT_IDS_PER_SENDER
            && let Some(oldest) = self.order.pop_front()
        {
            self.messages.remove(&oldest);
        }
    }
}

/// The client ids of each sender.
pub(super) struct ClientIds {
    /// Keeps strangers from choosing ids that collide.
    key: [u8; 16],
    senders: FxHashMap<UserId, Sender>,
    /// How many are in memory.
    count: usize,
    /// Up to where the last look for forgotten rows came.
    forgotten: (u64, u64),
}

/// A block: when its newest message was sent, how many client ids its sender had used up to and including it, and its
/// hints.
struct Block {
    newest_at: Timestamp,
    used: u64,
    hints: Vec<Hint>,
}

/// The table of all senders' blocks, to be written.
type Blocks<'txn> = Table<'txn, (u64, u64), &'static [u8]>;

impl Block {
    /// Its first message, which its key has; `None` where it holds nothing.
    fn first(&self) -> Option<MessageId> {
        self.hints.first().map(|(_, message)| *message)
    }

    /// Whether it stands under another key than its own, as an earlier version put it.
    fn is_misplaced(&self, key: u64) -> bool {
        self.first().is_some_and(|first| first.get() != key)
    }

    /// Puts it under its key. Where a block is there already, both become one.
    fn put_into(mut self, sender: u64, table: &mut Blocks<'_>) -> Result<(), StoreError> {
        let Some(first) = self.first() else {
            return Ok(());
        };
        let there = match table.get((sender, first.get()))? {
            Some(value) => Self::decode(first.get(), value.value()).ok(),
            None => None,
        };
        if let Some(there) = there {
            self.newest_at = self.newest_at.max(there.newest_at);
            self.used = self.used.max(there.used);
            self.hints.extend(there.hints);
            self.hints.sort_unstable_by_key(|(_, message)| *message);
            self.hints.dedup();
        }
        table.insert((sender, first.get()), &self.encode(first)[..])?;
        Ok(())
    }

    fn encode(&self, first: MessageId) -> Vec<u8> {
        let mut body = Vec::with_capacity(16 + self.hints.len() * 12);
        put(&mut body, self.newest_at.as_ms());
        put(&mut body, self.used);
        let mut from = first;
        for (hash, message) in &self.hints {
            body.extend_from_slice(&hash.to_le_bytes());
            put(&mut body, message.get() - from.get());
            from = *message;
        }
        seal(first.get(), &body)
    }

    fn decode(first: u64, sealed: &[u8]) -> Result<Self, StoreError> {
        let body = unseal("client_ids", first, sealed)?;
        Self::decode_body(first, body).ok_or(StoreError::Damaged {
            table: "client_ids",
            key: first,
        })
    }

    fn decode_body(first: u64, body: &[u8]) -> Option<Self> {
        let mut rest = Rest(body);
        let (newest_at, used) = (Timestamp::from_ms(rest.take()?), rest.take()?);
        let mut hints = Vec::with_capacity(body.len() / 9);
        let mut from = first;
        while !rest.0.is_empty() {
            let hash = u64::from_le_bytes(rest.take_bytes(8)?.try_into().ok()?);
            from = from.checked_add(rest.take()?)?;
            hints.push((hash, MessageId::new(from).ok()?));
        }
        Some(Self {
            newest_at,
            used,
            hints,
        })
    }

    /// Whether nothing in it counts any more, once its sender has used so many.
    fn is_forgotten(&self, now: Timestamp, used: u64) -> bool {
        now.as_ms() >= self.newest_at.as_ms().saturating_add(CLIENT_ID_LIFETIME_MS)
            || used >= self.used.saturating_add(CLIENT_IDS_PER_SENDER as u64)
    }
}

/// What a block says, for whoever checks it: when its newest message was sent, and its hints, oldest first.
pub(super) fn read_block(first: u64, sealed: &[u8]) -> Result<(Timestamp, Vec<Hint>), StoreError> {
    let block = Block::decode(first, sealed)?;
    Ok((block.newest_at, block.hints))
}

/// For tests: a block as an earlier version wrote it, under the key of a message before its first one.
#[cfg(test)]
pub(super) fn misplaced(first: u64, sealed: &[u8], key: u64) -> Vec<u8> {
    let block = Block::decode(first, sealed).unwrap();
    block.encode(MessageId::new(key).unwrap())
}

/// For tests: a block without its first hint, under its own key.
#[cfg(test)]
pub(super) fn without_first(first: u64, sealed: &[u8]) -> Vec<u8> {
    let mut block = Block::decode(first, sealed).unwrap();
    block.hints.remove(0);
    block.encode(MessageId::new(first).unwrap())
}

/// The rows of one sender.
fn rows(sender: UserId) -> std::ops::RangeInclusive<(u64, u64)> {
    (sender.get(), 0)..=(sender.get(), u64::MAX)
}

impl ClientIds {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            senders: FxHashMap::default(),
            count: 0,
            forgotten: (0, 0),
        }
    }

    /// Under which number a client id is kept. A chance collision is found out by reading the message.
    pub(super) fn hash(&self, client_id: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        client_id.hash(&mut hasher);
        hasher.finish()
    }

    /// The message that a sender's client id may stand for. `table` is opened where the sender's blocks must be read.
    pub(super) fn find<T: ReadableTable<(u64, u64), &'static [u8]>>(
        &mut self,
        sender: UserId,
        hash: u64,
        table: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<Option<MessageId>, StoreError> {
        let known = self.senders.entry(sender).or_default();
        if !known.loaded {
            let mut stored = Sender::default();
            for row in table()?.range(rows(sender))? {
                let (key, value) = row?;
                for hint in Block::decode(key.value().1, value.value())?.hints {
                    stored.put(hint);
                }
            }
            // What memory has is newer than any block, or in it.
            for hash in std::mem::take(&mut known.order) {
                if let Some(message) = known.messages.get(&hash) {
                    stored.put((hash, *message));
                }
            }
            self.count = self.count - known.messages.len() + stored.messages.len();
            (known.messages, known.order) = (stored.messages, stored.order);
            known.loaded = true;
        }
        Ok(known.messages.get(&hash).copied())
    }

    /// Remembers one that was stored.
    pub(super) fn put(&mut self, sender: UserId, hash: u64, message: MessageId, at: Timestamp) {
        let known = self.senders.entry(sender).or_default();
        let before = known.messages.len();
        known.put((hash, message));
        self.count = self.count - before + known.messages.len();
        known.pending.push((hash, message));
        known.newest_at = at;
    }

    /// The senders who have some that are in no block yet.
    pub(super) fn pending(&self) -> impl Iterator<Item = UserId> {
        let pending = self.senders.iter();
        pending
            .filter(|(_, sender)| !sender.pending.is_empty())
            .map(|(id, _)| *id)
    }

    /// Writes what is pending of a sender as one block, and drops blocks of theirs that are forgotten.
    pub(super) fn write(
        &mut self,
        sender: UserId,
        now: Timestamp,
        table: &mut Blocks<'_>,
    ) -> Result<(), StoreError> {
        let Some(known) = self.senders.get_mut(&sender) else {
            return Ok(());
        };
        known.in_writing = known.pending.len();
        if known.pending.is_empty() {
            return Ok(());
        }
        // The last ones count, should more be pending than are remembered.
        let skip = known.pending.len().saturating_sub(CLIENT_IDS_PER_SENDER);
        let newest = match table.range(rows(sender))?.next_back() {
            None => None,
            Some(row) => {
                let (key, value) = row?;
                let key = key.value();
                Some((key, Block::decode(key.1, value.value())?))
            }
        };
        let used_before = newest.as_ref().map_or(0, |(_, newest)| newest.used);
        if let Some((key, newest)) = newest
            && newest.is_misplaced(key.1)
        {
            table.remove(key)?;
            newest.put_into(key.0, table)?;
        }
        let block = Block {
            newest_at: known.newest_at,
            used: used_before + known.pending.len() as u64,
            hints: known.pending[skip..].to_vec(),
        };
        let used = block.used;
        block.put_into(sender.get(), table)?;
        let mut forgotten = Vec::new();
        for row in table.range(rows(sender))?.take(4) {
            let (key, value) = row?;
            let old = Block::decode(key.value().1, value.value())?;
            if !old.is_forgotten(now, used) {
                break;
            }
            forgotten.push(key.value());
        }
        for key in forgotten {
            table.remove(key)?;
        }
        Ok(())
    }

    /// What [`ClientIds::write`] wrote is on disk.
    pub(super) fn written(&mut self, sender: UserId) {
        if let Some(known) = self.senders.get_mut(&sender) {
            known.pending.drain(..known.in_writing);
            known.pending.shrink_to_fit();
            known.in_writing = 0;
        }
    }

    /// Drops a few rows of senders who have long been silent, gives misplaced ones their key, and remembers how far it came.
    pub(super) fn forget(
        &mut self,
        now: Timestamp,
        table: &mut Blocks<'_>,
    ) -> Result<(), StoreError> {
        let mut last = None;
        let (mut forgotten, mut misplaced) = (Vec::new(), Vec::new());
        for row in table.range(self.forgotten..)?.take(FORGET_STEP) {
            let (key, value) = row?;
            let key = key.value();
            last = Some(key);
            let block = Block::decode(key.1, value.value())?;
            if block.is_forgotten(now, 0) {
                forgotten.push(key);
            } else if block.is_misplaced(key.1) {
                misplaced.push((key, block));
            }
        }
        self.forgotten = last.map_or((0, 0), |(sender, message)| (sender, message + 1));
        for key in forgotten {
            table.remove(key)?;
        }
        for (key, block) in misplaced {
            table.remove(key)?;
            block.put_into(key.0, table)?;
        }
        Ok(())
    }

    /// Gives memory back, where there is too much in it.
    pub(super) fn shrink(&mut self) {
        if self.count <= IN_MEMORY {
            return;
        }
        self.senders.retain(|_, sender| !sender.pending.is_empty());
        self.senders.shrink_to_fit();
        self.count = self
            .senders
            .values()
            .map(|sender| sender.messages.len())
            .sum();
    }
}
