//! Which message a sender's client id stands for: in memory for senders who use one, in blocks of
//! their table for all.
//!
//! The writer alone knows them. A confirmed message has its client id in its record; what is kept
//! here is how to find it: a hash and the message's id. Those of the newest messages are pending
//! until a sweep writes them as one block a sender; a sender's blocks are read when they first use
//! a client id again. What is found is only a hint: the message itself says whose it is, under
//! which client id, and since when.
//!
//! A block's key is the sender and the block's first message. Earlier versions took the first
//! pending message instead, which came before the block's own first one where more were pending
//! than are remembered. Such blocks are valid; the sweep gives them their right key as it meets
//! them.
//!
//! A block may be on disk although nothing says so yet: a pass writes it before its mark, and a
//! commit that seemed to fail may have reached the disk. What a start replays, or is still pending,
//! may thus be in a block already; the sweep asks the sender's newest block, and writes and counts
//! only what comes after it. Earlier versions did not, so that blocks may overlap, and say of too
//! many client ids that they were used before: whether 10,000 later ones are there is counted
//! before a block is dropped.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use redb::{ReadableTable, Table};
use rustc_hash::FxHashMap;
use siphasher::sip::SipHasher13;

use crate::model::{ClientId, MessageId, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, put, seal, unseal};

/// How many later messages of a sender make a client id of theirs forgotten. 10,000: hours of the
/// busiest bot, and a bound of about half a megabyte on what one sender can make the server
/// remember.
pub(crate) const CLIENT_IDS_PER_SENDER: usize = 10_000;
/// How long a client id is remembered.
pub(crate) const CLIENT_ID_LIFETIME_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many of one sender may be pending: a start that replays a long log would else have all of
/// them in memory.
const MAX_PENDING: usize = 2 * CLIENT_IDS_PER_SENDER;
/// How many rows one sweep looks at for those that are forgotten.
const FORGET_STEP: usize = 256;

/// One client id: its hash, and its message.
pub(crate) type Hint = (u64, MessageId);

/// How many bytes of memory one client id takes, about.
const ID_BYTES: usize = 50;
/// A filter that was told of so many is made anew: fuller ones find too much that is not there.
const MAX_FILTERED: usize = CLIENT_IDS_PER_SENDER / 2 * 3;

/// A Bloom filter of the client ids of a sender whose blocks are not in memory: most that are asked
/// for are new, and need no block to be read.
struct Filter {
    /// Four parts of a power of two of bits; in each a hash has one.
    bits: Box<[u64]>,
    added: usize,
}

impl Filter {
    const PARTS: usize = 4;

    /// One of this size, which is a power of two of at least 64.
    fn new(bytes: usize) -> Self {
        Self {
            bits: vec![0; bytes / 8].into(),
            added: 0,
        }
    }

    /// Where a hash has its bits: sixteen bits of it say where in each part.
    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let part = self.bits.len() * 64 / Self::PARTS;
        (0..Self::PARTS).map(move |at| {
            let of_part = usize::from((hash >> (16 * at)) as u16);
            at * part + of_part % part
        })
    }

    fn add(&mut self, hash: u64) {
        self.added += 1;
        for place in self.places(hash) {
            self.bits[place / 64] |= 1 << (place % 64);
        }
    }

    /// `false` where it was surely not added.
    fn may_have(&self, hash: u64) -> bool {
        let mut places = self.places(hash);
        places.all(|place| self.bits[place / 64] & 1 << (place % 64) != 0)
    }
}

#[derive(Default)]
struct Sender {
    /// Whether its blocks were read, and all that is remembered is here.
    loaded: bool,
    /// Of all that is remembered, where that is not here.
    filter: Option<Box<Filter>>,
    messages: FxHashMap<u64, MessageId>,
    /// Oldest first.
    order: VecDeque<Hint>,
    /// Not yet in a block, oldest first, and when the newest of them was sent.
    pending: Vec<Hint>,
    /// How many of those the transaction at hand writes. What it stores itself is pending after it.
    in_writing: usize,
    newest_at: Timestamp,
}

impl Sender {
    fn put(&mut self, (hash, message): Hint) {
        self.messages.insert(hash, message);
        self.order.push_back((hash, message));
        if self.order.len() > CLIENT_IDS_PER_SENDER
            && let Some((hash, message)) = self.order.pop_front()
            // Used again after a day, it stands for the later message.
            && self.messages.get(&hash) == Some(&message)
        {
            self.messages.remove(&hash);
        }
        if let Some(filter) = &mut self.filter {
            filter.add(hash);
        }
    }

    /// What of it counts, where a filter counts as so many. What is pending is bounded by when it
    /// is written.
    fn count(&self, filter_cost: usize) -> usize {
        let kept = self.messages.len().saturating_sub(self.pending.len());
        kept + self.filter.as_ref().map_or(0, |_| filter_cost)
    }

    /// Keeps what is in no block yet, and no more.
    fn keep_pending(&mut self) {
        self.loaded = false;
        let from = self.pending.len().saturating_sub(CLIENT_IDS_PER_SENDER);
        self.order = self.pending[from..].iter().copied().collect();
        self.messages = self.order.iter().copied().collect();
    }
}

/// The client ids of each sender.
pub(crate) struct ClientIds {
    /// Keeps strangers from choosing ids that collide.
    key: [u8; 16],
    senders: FxHashMap<UserId, Sender>,
    /// How many are in memory besides those that are pending, of [`ID_BYTES`] each; a filter counts
    /// as those that would take its room.
    count: usize,
    /// With more of them, what is in blocks is dropped from memory, and no further sender's blocks
    /// are kept there. Half of it is left to filters: they are small, and without one each send of
    /// its sender reads all of their blocks.
    most: usize,
    /// How large a filter is.
    filter_bytes: usize,
    /// Up to where the last look for forgotten rows came.
    forgotten: (u64, u64),
}

/// A block: when its newest message was sent, how many client ids its sender had used up to and
/// including it, and its hints.
#[derive(Clone)]
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

    /// Its newest message.
    fn newest(&self) -> Option<MessageId> {
        self.hints.last().map(|(_, message)| *message)
    }

    /// Whether a day has passed since its newest message.
    fn is_old(&self, now: Timestamp) -> bool {
        is_old(self.newest_at, now)
    }

    /// Whether it says that its sender has used enough client ids after it, once they have used so
    /// many.
    fn seems_followed(&self, used: u64) -> bool {
        used >= self.used.saturating_add(CLIENT_IDS_PER_SENDER as u64)
    }
}

/// Whether a client id of that time is forgotten now.
pub(crate) fn is_old(at: Timestamp, now: Timestamp) -> bool {
    now.as_ms() >= at.as_ms().saturating_add(CLIENT_ID_LIFETIME_MS)
}

/// What a block says, for whoever checks it: when its newest message was sent, and its hints,
/// oldest first.
pub(crate) fn read_block(first: u64, sealed: &[u8]) -> Result<(Timestamp, Vec<Hint>), StoreError> {
    let block = Block::decode(first, sealed)?;
    Ok((block.newest_at, block.hints))
}

/// For tests: a block as an earlier version wrote it, under the key of a message before its first
/// one.
#[cfg(test)]
pub(crate) fn misplaced(first: u64, sealed: &[u8], key: u64) -> Vec<u8> {
    let block = Block::decode(first, sealed).unwrap();
    block.encode(MessageId::new(key).unwrap())
}

/// For tests: a block that says of so many client ids that they were used up to it, without its
/// hints before this message.
#[cfg(test)]
pub(crate) fn recounted(first: u64, sealed: &[u8], used: u64, from: u64) -> Vec<u8> {
    let mut block = Block::decode(first, sealed).unwrap();
    block.used = used;
    block.hints.retain(|(_, message)| message.get() >= from);
    block.encode(block.first().unwrap())
}

/// For tests: a block without its first hint, under its own key.
#[cfg(test)]
pub(crate) fn without_first(first: u64, sealed: &[u8]) -> Vec<u8> {
    let mut block = Block::decode(first, sealed).unwrap();
    block.hints.remove(0);
    block.encode(MessageId::new(first).unwrap())
}

/// The rows of one sender.
fn rows(sender: UserId) -> std::ops::RangeInclusive<(u64, u64)> {
    (sender.get(), 0)..=(sender.get(), u64::MAX)
}

/// A block of the table. One that is damaged stays as it is and keeps nobody from writing: its
/// sender's client ids can be judged no more until it is made anew.
fn readable(key: (u64, u64), sealed: &[u8]) -> Option<Block> {
    let block = Block::decode(key.1, sealed);
    if block.is_err() {
        tracing::warn!(
            sender = key.0,
            "the client ids of a sender are damaged; chatd compact makes them anew"
        );
    }
    block.ok()
}

/// A sender's newest block, put under its key where it is misplaced.
fn newest_block(sender: UserId, table: &mut Blocks<'_>) -> Result<Option<Block>, StoreError> {
    let (key, block) = match table.range(rows(sender))?.next_back() {
        None => return Ok(None),
        Some(row) => {
            let (key, value) = row?;
            let key = key.value();
            match readable(key, value.value()) {
                Some(block) => (key, block),
                None => return Ok(None),
            }
        }
    };
    if block.is_misplaced(key.1) {
        table.remove(key)?;
        block.clone().put_into(key.0, table)?;
    }
    Ok(Some(block))
}

/// Drops a few of a sender's blocks of which nothing counts any more, once they have used so many
/// client ids.
fn drop_forgotten(
    sender: UserId,
    now: Timestamp,
    used: u64,
    table: &mut Blocks<'_>,
) -> Result<(), StoreError> {
    let mut forgotten = Vec::new();
    let mut messages = None;
    for row in table.range(rows(sender))?.take(4) {
        let (key, value) = row?;
        let Some(old) = readable(key.value(), value.value()) else {
            break;
        };
        let is_forgotten = old.is_old(now)
            || old.seems_followed(used) && {
                if messages.is_none() {
                    messages = Some(all_messages(sender, table)?);
                }
                let later = messages.iter().flatten();
                let later = later.filter(|message| Some(**message) > old.newest());
                later.count() >= CLIENT_IDS_PER_SENDER
            };
        if !is_forgotten {
            break;
        }
        forgotten.push(key.value());
    }
    for key in forgotten {
        table.remove(key)?;
    }
    Ok(())
}

/// Every message in a sender's blocks, once.
fn all_messages(sender: UserId, table: &Blocks<'_>) -> Result<Vec<MessageId>, StoreError> {
    let mut messages = Vec::new();
    for row in table.range(rows(sender))? {
        let (key, value) = row?;
        let hints = readable(key.value(), value.value()).map(|block| block.hints);
        let hints = hints.unwrap_or_default();
        messages.extend(hints.into_iter().map(|(_, message)| message));
    }
    messages.sort_unstable();
    messages.dedup();
    Ok(messages)
}

/// Returns whether a client id is in one of a sender's blocks.
fn is_stored(
    sender: UserId,
    hash: u64,
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
) -> Result<bool, StoreError> {
    for row in table.range(rows(sender))? {
        let (key, value) = row?;
        let hints = Block::decode(key.value().1, value.value())?.hints;
        if hints.iter().any(|(other, _)| *other == hash) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns what a sender's blocks have.
fn stored_hints(
    sender: UserId,
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
) -> Result<Vec<Hint>, StoreError> {
    let mut hints = Vec::new();
    for row in table.range(rows(sender))? {
        let (key, value) = row?;
        hints.extend(Block::decode(key.value().1, value.value())?.hints);
    }
    Ok(hints)
}

impl ClientIds {
    pub(crate) fn new(key: [u8; 16], most: usize) -> Self {
        Self {
            key,
            senders: FxHashMap::default(),
            count: 0,
            most,
            // The largest finds one in five hundred that is not there at worst, the next one in
            // fifty, the smallest an eighth.
            filter_bytes: match most {
                200_000.. => 32 << 10,
                100_000.. => 16 << 10,
                _ => 8 << 10,
            },
            forgotten: (0, 0),
        }
    }

    /// Under which number a client id is kept. A chance collision is found out by reading the
    /// message.
    pub(crate) fn hash(&self, client_id: &ClientId<impl AsRef<str>>) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        client_id.with_text(|text| text.hash(&mut hasher));
        hasher.finish()
    }

    /// By what a text is known again that is no longer kept.
    pub(crate) fn hash_text(&self, text: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        text.hash(&mut hasher);
        hasher.finish()
    }

    /// The message that a sender's client id may stand for. `table` is opened where the sender's
    /// blocks must be read.
    pub(crate) fn find<T, E>(
        &mut self,
        sender: UserId,
        hash: u64,
        table: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<MessageId>, E>
    where
        T: ReadableTable<(u64, u64), &'static [u8]>,
        E: From<StoreError>,
    {
        let cost = self.filter_cost();
        let known = self.senders.entry(sender).or_default();
        // What memory has is newer than any block, or in it.
        if let Some(message) = known.messages.get(&hash) {
            return Ok(Some(*message));
        }
        let is_new = |filter: &Filter| !filter.may_have(hash);
        if known.loaded || known.filter.as_deref().is_some_and(is_new) {
            return Ok(None);
        }
        let table = table()?;
        let others = self.count.saturating_sub(known.count(cost));
        let has_room = others + cost <= self.most;
        // Nothing more will be kept of this one, and most are new: that is soon said.
        if (known.filter.is_some() || !has_room) && !is_stored(sender, hash, &table)? {
            return Ok(None);
        }
        let mut hints = stored_hints(sender, &table)?;
        hints.extend(&known.order);
        // Two that are in order already, mostly: what merges these is much faster.
        hints.sort_by_key(|(_, message)| *message);
        hints.dedup();
        let remembered = &hints[hints.len().saturating_sub(CLIENT_IDS_PER_SENDER)..];
        if others + remembered.len() <= self.most / 2 {
            let mut stored = Sender::default();
            remembered.iter().for_each(|hint| stored.put(*hint));
            (known.messages, known.order) = (stored.messages, stored.order);
            known.loaded = true;
            known.filter = None;
        } else if has_room {
            let mut filter = Box::new(Filter::new(self.filter_bytes));
            remembered.iter().for_each(|(hash, _)| filter.add(*hash));
            known.filter = Some(filter);
        }
        self.count = others + known.count(cost);
        let found = remembered.iter().rev().find(|(other, _)| *other == hash);
        Ok(found.map(|(_, message)| *message))
    }

    /// How many client ids take as much room as a filter.
    fn filter_cost(&self) -> usize {
        self.filter_bytes.div_ceil(ID_BYTES)
    }

    /// Remembers one that was stored.
    pub(crate) fn put(&mut self, sender: UserId, hash: u64, message: MessageId, at: Timestamp) {
        let cost = self.filter_cost();
        let known = self.senders.entry(sender).or_default();
        let before = known.count(cost);
        known.put((hash, message));
        known.filter.take_if(|filter| filter.added > MAX_FILTERED);
        // A clock that was put right may give earlier times than before.
        known.newest_at = match known.pending.is_empty() {
            true => at,
            false => known.newest_at.max(at),
        };
        known.pending.push((hash, message));
        if known.pending.len() > MAX_PENDING {
            // Enough came after these. A transaction that writes them has its own copy.
            known.pending.drain(..CLIENT_IDS_PER_SENDER);
            known.in_writing = known.in_writing.saturating_sub(CLIENT_IDS_PER_SENDER);
        }
        self.count = (self.count + known.count(cost)).saturating_sub(before);
    }

    /// The senders who have some that are in no block yet.
    pub(crate) fn pending(&self) -> impl Iterator<Item = UserId> {
        let pending = self.senders.iter();
        pending
            .filter(|(_, sender)| !sender.pending.is_empty())
            .map(|(id, _)| *id)
    }

    /// Writes what is pending of a sender as one block, but for what is in one already, and drops
    /// blocks of theirs that are forgotten.
    pub(crate) fn write(
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
        let last = newest_block(sender, table)?;
        let written = last.as_ref().and_then(Block::newest);
        let new = known
            .pending
            .partition_point(|(_, message)| Some(*message) <= written);
        let new = &known.pending[new..];
        let block = Block {
            newest_at: known.newest_at,
            used: last.map_or(0, |last| last.used) + new.len() as u64,
            // The last ones count, should more be pending than are remembered.
            hints: new[new.len().saturating_sub(CLIENT_IDS_PER_SENDER)..].to_vec(),
        };
        let used = block.used;
        block.put_into(sender.get(), table)?;
        drop_forgotten(sender, now, used, table)
    }

    /// What [`ClientIds::write`] wrote is on disk.
    pub(crate) fn written(&mut self, sender: UserId) {
        let cost = self.filter_cost();
        if let Some(known) = self.senders.get_mut(&sender) {
            let before = known.count(cost);
            known.pending.drain(..known.in_writing);
            known.pending.shrink_to_fit();
            known.in_writing = 0;
            self.count = (self.count + known.count(cost)).saturating_sub(before);
        }
    }

    /// Drops a few rows of senders who have long been silent, gives misplaced ones their key, and
    /// remembers how far it came.
    pub(crate) fn forget(
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
            let Some(block) = readable(key, value.value()) else {
                continue;
            };
            if block.is_old(now) {
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

    /// Gives memory back, where there is too much in it: a quarter is left to further filters.
    pub(crate) fn shrink(&mut self) {
        let most = self.most / 4 * 3;
        if self.count <= most {
            return;
        }
        self.senders.retain(|_, sender| !sender.pending.is_empty());
        self.senders.shrink_to_fit();
        self.recount();
        if self.count > most {
            self.senders.values_mut().for_each(Sender::keep_pending);
            self.recount();
        }
    }

    fn recount(&mut self) {
        let cost = self.filter_cost();
        let counts = self.senders.values().map(|sender| sender.count(cost));
        self.count = counts.sum();
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};

    use super::*;
    use crate::store::tables::CLIENT_IDS;

    fn sender() -> UserId {
        UserId::new(1).unwrap()
    }

    fn put(client_ids: &mut ClientIds, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            let (message, at) = (MessageId::new(number).unwrap(), Timestamp::from_ms(number));
            client_ids.put(sender(), number, message, at);
        }
    }

    fn find(db: &Database, client_ids: &mut ClientIds, hash: u64) -> Option<u64> {
        let table = || Ok::<_, StoreError>(db.begin_read()?.open_table(CLIENT_IDS)?);
        let found = client_ids.find(sender(), hash, table).unwrap();
        found.map(MessageId::get)
    }

    /// A server in a small container was killed for memory: senders who were at work kept 10,000
    /// client ids each.
    #[test]
    fn a_sender_at_work_whose_client_ids_have_no_room_in_memory_is_remembered_all_the_same() {
        let db = database();
        for most in [0, 200, 400, 20_000] {
            let mut client_ids = ClientIds::new([0; 16], most);
            let txn = db.begin_write().unwrap();
            txn.delete_table(CLIENT_IDS).unwrap();
            txn.open_table(CLIENT_IDS).unwrap();
            txn.commit().unwrap();
            // Hashes that differ in every part of a filter, and numbers of messages that grow.
            let hash = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let last = 25_000;
            for number in 1..=last {
                if number % 500 == 0 {
                    assert_eq!(find(&db, &mut client_ids, hash(number)), None);
                }
                let (message, at) = (MessageId::new(number).unwrap(), Timestamp::from_ms(number));
                client_ids.put(sender(), hash(number), message, at);
                if number % 700 == 0 {
                    write(&db, &mut client_ids);
                    // More come before it is known that these are on disk.
                    client_ids.senders.get_mut(&sender()).unwrap().in_writing -= 100;
                    client_ids.written(sender());
                    client_ids.shrink();
                    assert!(client_ids.count <= most.max(100 + 164), "{most}");
                }
            }
            let oldest = last - CLIENT_IDS_PER_SENDER as u64 + 1;
            for number in (1..oldest).step_by(997).chain([oldest - 1]) {
                assert_eq!(find(&db, &mut client_ids, hash(number)), None);
            }
            for number in (oldest..=last).step_by(997).chain([oldest, last]) {
                assert_eq!(find(&db, &mut client_ids, hash(number)), Some(number));
            }
            // What came since the last look is there besides.
            assert!(client_ids.count <= most + 800, "{}", client_ids.count);
        }
    }

    /// Else each send of such a sender would read all of their blocks.
    #[test]
    fn a_new_client_id_of_a_sender_without_room_reads_hardly_a_block() {
        let db = database();
        let mut client_ids = ClientIds::new([0; 16], 600_000);
        put(&mut client_ids, 1..=10_000);
        write(&db, &mut client_ids);
        client_ids.written(sender());
        client_ids.senders.clear();
        client_ids.count = 600_000 - 1_000;
        let read = std::cell::Cell::new(0);
        for number in 10_001..=20_000 {
            // As a hash is.
            let hash = u64::wrapping_mul(number, 0x9e37_79b9_7f4a_7c15);
            let table = || {
                read.set(read.get() + 1);
                Ok::<_, StoreError>(db.begin_read()?.open_table(CLIENT_IDS)?)
            };
            assert_eq!(client_ids.find(sender(), hash, table).unwrap(), None);
            let message = MessageId::new(number).unwrap();
            client_ids.put(sender(), hash, message, Timestamp::from_ms(number));
        }
        assert!(read.get() > 0 && read.get() < 100, "{}", read.get());
    }

    /// A server of 512 MiB took 500 messages a second after ten minutes of 200 people who wrote
    /// 2,500: the first of them had all memory, the others read all of theirs at each send.
    #[test]
    fn a_crowd_whose_client_ids_have_no_room_in_memory_hardly_reads_them() {
        let db = database();
        let senders = || (1..=20).map(|sender| UserId::new(sender).unwrap());
        // Room for three of them, and a little: it is for the filters of the others.
        let mut client_ids = ClientIds::new([0; 16], 31_000);
        let mut last = 0;
        let mut next = || {
            last += 1;
            // As random as a hash is: what grows evenly fills a filter evenly.
            let mixed = u64::wrapping_mul(last, 0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let hash = mixed ^ (mixed >> 27);
            (
                hash,
                MessageId::new(last).unwrap(),
                Timestamp::from_ms(last),
            )
        };
        for _ in 0..5 {
            for sender in senders() {
                for _ in 0..2_000 {
                    let (hash, message, at) = next();
                    client_ids.put(sender, hash, message, at);
                }
            }
            let txn = db.begin_write().unwrap();
            let mut table = txn.open_table(CLIENT_IDS).unwrap();
            for sender in senders() {
                let now = Timestamp::default();
                client_ids.write(sender, now, &mut table).unwrap();
            }
            drop(table);
            txn.commit().unwrap();
            senders().for_each(|sender| client_ids.written(sender));
            client_ids.shrink();
        }
        let read = std::cell::Cell::new(0);
        for _ in 0..500 {
            for sender in senders() {
                let table = || {
                    read.set(read.get() + 1);
                    Ok::<_, StoreError>(db.begin_read()?.open_table(CLIENT_IDS)?)
                };
                let (hash, message, at) = next();
                assert_eq!(client_ids.find(sender, hash, table).unwrap(), None);
                client_ids.put(sender, hash, message, at);
            }
        }
        assert!(
            (20..1_500).contains(&read.get()),
            "{} of 10,000",
            read.get()
        );
        assert!(client_ids.count <= 31_000, "{}", client_ids.count);
    }

    fn write(db: &Database, client_ids: &mut ClientIds) {
        let txn = db.begin_write().unwrap();
        let mut table = txn.open_table(CLIENT_IDS).unwrap();
        let now = Timestamp::default();
        client_ids.write(sender(), now, &mut table).unwrap();
        drop(table);
        txn.commit().unwrap();
    }

    /// Of each block its key, its newest message, how many hints it has, and how many client ids
    /// were used up to it.
    fn blocks(db: &Database) -> Vec<(u64, u64, usize, u64)> {
        let table = db.begin_read().unwrap().open_table(CLIENT_IDS).unwrap();
        let rows = table.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            let (_, first) = key.value();
            let block = Block::decode(first, value.value()).unwrap();
            let newest = block.newest().unwrap().get();
            (first, newest, block.hints.len(), block.used)
        });
        rows.collect()
    }

    fn database() -> Database {
        let medium = InMemoryBackend::new();
        Database::builder().create_with_backend(medium).unwrap()
    }

    #[test]
    fn client_ids_that_are_on_disk_although_their_commit_seemed_to_fail_are_counted_once() {
        let db = database();
        let mut client_ids = ClientIds::new([0; 16], usize::MAX);
        put(&mut client_ids, 1..=5);
        write(&db, &mut client_ids);
        // Nobody says that it is written, and more come.
        write(&db, &mut client_ids);
        put(&mut client_ids, 6..=7);
        write(&db, &mut client_ids);
        client_ids.written(sender());
        assert_eq!(blocks(&db), [(1, 5, 5, 5), (6, 7, 2, 7)]);
        // A start that replays them all has them pending once more.
        let mut again = ClientIds::new([0; 16], usize::MAX);
        put(&mut again, 1..=8);
        write(&db, &mut again);
        assert_eq!(blocks(&db), [(1, 5, 5, 5), (6, 7, 2, 7), (8, 8, 1, 8)]);
    }

    #[test]
    fn a_sender_has_no_more_client_ids_in_memory_than_twice_what_is_remembered() {
        let db = database();
        let mut client_ids = ClientIds::new([0; 16], usize::MAX);
        let last = 5 * CLIENT_IDS_PER_SENDER as u64 + 3;
        put(&mut client_ids, 1..=3);
        write(&db, &mut client_ids);
        put(&mut client_ids, 4..=last);
        let known = &client_ids.senders[&sender()];
        assert!(known.pending.len() <= MAX_PENDING);
        assert!(known.order.len() == CLIENT_IDS_PER_SENDER && known.in_writing == 0);
        // What was written before is none of those that are pending still.
        client_ids.written(sender());
        write(&db, &mut client_ids);
        client_ids.written(sender());
        assert!(client_ids.pending().next().is_none());
        let first = last - CLIENT_IDS_PER_SENDER as u64 + 1;
        let blocks = blocks(&db);
        let (key, newest, count, _) = blocks[0];
        assert_eq!(
            (blocks.len(), key, newest, count),
            (1, first, last, CLIENT_IDS_PER_SENDER)
        );
    }
}
