//! The chain of a conversation's messages: each points back to the one before it and, by a jump
//! pointer, far enough back that any message is found in O(log n) steps with two pointers a
//! message.
//!
//! Jump pointers after Myers, "An applicative random-access stack" (1983). The length of the chain,
//! written as a sum of the numbers 2^k - 1, largest first and each as large as fits, cuts the chain
//! into segments. The spine holds the last message of each segment, and a message jumps to the
//! message before its segment.

use smallvec::SmallVec;

use super::record::{Links, Record};
use crate::model::{EntryId, MAX_ID, MessageId};
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, put};

/// What must be known of a chain to append to it: its length, and the few messages that the next
/// one may point to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    length: u64,
    /// The last message of each segment, oldest first; its last element is the chain's last
    /// message.
    spine: SmallVec<[MessageId; 4]>,
}

/// By hand, since what is derived copies a spine element by element.
impl Clone for Chain {
    fn clone(&self) -> Self {
        Self {
            length: self.length,
            spine: SmallVec::from_slice(&self.spine),
        }
    }
}

impl Chain {
    /// How many messages the chain has.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The newest message.
    pub(crate) fn last(&self) -> Option<MessageId> {
        self.spine.last().copied()
    }

    /// Appends its form in a row: the length, then the spine, newest first, each as the distance
    /// from the one after it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.length);
        let mut after = None;
        for id in self.spine.iter().rev() {
            put(
                out,
                after.map_or(id.get(), |after: MessageId| after.get() - id.get()),
            );
            after = Some(*id);
        }
    }

    /// Reads it back.
    pub(crate) fn decode(rest: &mut Rest<'_>) -> Option<Self> {
        let length = rest.take()?;
        let mut spine = SmallVec::new();
        let mut after = None;
        for _ in 0..segments(length)? {
            let number = rest.take()?;
            let id = after.map_or(Some(number), |after: u64| after.checked_sub(number))?;
            spine.push(MessageId::new(id).ok()?);
            after = Some(id);
        }
        spine.reverse();
        Some(Self { length, spine })
    }

    /// Returns the pointers and the number of the message that would be appended next.
    pub(crate) fn next(&self) -> Links {
        Links {
            previous: self.last(),
            jump: self.spine[..self.kept()].last().copied(),
            number: self.length + 1,
        }
    }

    /// Appends a message.
    pub(crate) fn push(&mut self, id: MessageId) {
        self.spine.truncate(self.kept());
        self.spine.push(id);
        self.length += 1;
    }

    /// How much of the spine stays when a message is appended: two last segments of one size and
    /// that message make one segment of the next size.
    fn kept(&self) -> usize {
        let (last, before) = last_two_segments(self.length);
        let joined = if last == before { 2 } else { 0 };
        self.spine.len().saturating_sub(joined)
    }
}

/// How many segments a chain of this length has; `None` for a length that no chain can have.
fn segments(mut length: u64) -> Option<usize> {
    if length > MAX_ID {
        return None;
    }
    let mut count = 0;
    while length > 0 {
        length -= (1 << (length + 1).ilog2()) - 1;
        count += 1;
    }
    Some(count)
}

/// The sizes of the last segment and of the one before it. Where there is none before: 0; for an
/// empty chain: (1, 0).
fn last_two_segments(mut length: u64) -> (u64, u64) {
    let (mut last, mut before) = (1, 0);
    let mut first = true;
    while length > 0 {
        let segment = (1 << (length + 1).ilog2()) - 1;
        before = if first { 0 } else { last };
        (last, first) = (segment, false);
        length -= segment;
    }
    (last, before)
}

/// Reads entries of the log by id.
pub(crate) trait ReadLog {
    /// Why an entry cannot be read.
    type Error: From<StoreError>;

    /// Gives `read` the entry with this id; an absent or damaged one is an error.
    fn read<R>(&self, id: EntryId, read: impl FnOnce(Record<&str>) -> R) -> Result<R, Self::Error>;

    /// [`ReadLog::read`] of an entry that must be a message.
    fn read_message<R>(
        &self,
        id: MessageId,
        read: impl FnOnce(&Record<&str>) -> R,
    ) -> Result<R, Self::Error> {
        let found = self.read(id.into(), |record| {
            record.is_message().then(|| read(&record))
        })?;
        let damaged = StoreError::Damaged {
            table: "log",
            key: id.get(),
        };
        found.ok_or_else(|| damaged.into())
    }
}

/// What a search compares: where a message stands in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: MessageId,
    pub(crate) number: u64,
    /// How many messages each member had sent up to and including this one.
    pub(crate) sent: [u64; 2],
    pub(crate) previous: Option<MessageId>,
    jump: Option<MessageId>,
}

impl Place {
    /// Where a message stands.
    pub(crate) fn of<L: ReadLog>(log: &L, id: MessageId) -> Result<Self, L::Error> {
        log.read_message(id, |record| Self {
            id,
            number: record.links.number,
            sent: [record.sent_by(0), record.sent_by(1)],
            previous: record.links.previous,
            jump: record.links.jump,
        })
    }
}

/// The oldest message, from `start` backwards, that is not yet old enough; `None` where `start`
/// itself is old enough. `old_enough` must hold for every message older than one for which it
/// holds.
pub(crate) fn oldest_newer<L: ReadLog>(
    log: &L,
    start: Option<MessageId>,
    old_enough: impl Fn(&Place) -> bool,
) -> Result<Option<Place>, L::Error> {
    let Some(start) = start else { return Ok(None) };
    let mut place = Place::of(log, start)?;
    if old_enough(&place) {
        return Ok(None);
    }
    loop {
        if let Some(jump) = place.jump.filter(|jump| Some(*jump) != place.previous) {
            let target = Place::of(log, jump)?;
            if !old_enough(&target) {
                place = target;
                continue;
            }
        }
        let Some(previous) = place.previous else {
            return Ok(Some(place));
        };
        let before = Place::of(log, previous)?;
        if old_enough(&before) {
            return Ok(Some(place));
        }
        place = before;
    }
}

/// The newest message, from `start` backwards, that is old enough; `None` where not even the first
/// message is.
pub(crate) fn newest_older<L: ReadLog>(
    log: &L,
    start: Option<MessageId>,
    old_enough: impl Fn(&Place) -> bool,
) -> Result<Option<Place>, L::Error> {
    let older = match oldest_newer(log, start, old_enough)? {
        Some(place) => place.previous,
        None => start,
    };
    older.map(|id| Place::of(log, id)).transpose()
}

/// The messages that have these ranks among those that `author` sent: from `start` backwards,
/// newest first. The ranks descend, and each is that of `start` or of an older message.
pub(crate) fn find_ranks<L: ReadLog>(
    log: &L,
    start: MessageId,
    author: usize,
    ranks: impl Iterator<Item = u64>,
) -> Result<SmallVec<[MessageId; 4]>, L::Error> {
    let mut found = SmallVec::new();
    let mut from = Some(start);
    for rank in ranks {
        // The oldest message by which the author had sent so many is the author's own.
        let message = oldest_newer(log, from, |place| place.sent[author] < rank)?;
        from = message.map(|place| place.id);
        found.extend(from);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::model::{Act, ConversationId, Stream, Timestamp};
    use crate::store::log::record::Author;

    /// A log of one chain, whose ids are three apart; counts its reads.
    struct Fake {
        entries: Vec<Links>,
        reads: Cell<usize>,
    }

    fn id(number: u64) -> MessageId {
        MessageId::new(number * 3).unwrap()
    }

    impl ReadLog for Fake {
        type Error = StoreError;

        fn read<R>(
            &self,
            entry: EntryId,
            read: impl FnOnce(Record<&str>) -> R,
        ) -> Result<R, StoreError> {
            self.reads.set(self.reads.get() + 1);
            let links = self.entries[usize::try_from(entry.get() / 3).unwrap() - 1];
            Ok(read(Record {
                stream: Stream::Pair(ConversationId::new(1).unwrap()),
                author: Author::Member(0),
                at: Timestamp::from_ms(0),
                previous: links.previous.map(Into::into),
                rank: links.number,
                links,
                act: Act::Sent {
                    content: "x",
                    client_id: None,
                    extras: None,
                },
            }))
        }
    }

    #[test]
    fn a_chain_is_read_back_as_written() {
        for length in (0..300).chain([1_000_000]) {
            let mut chain = Chain::default();
            for number in 1..=length {
                chain.push(id(number));
            }
            let mut out = Vec::new();
            chain.encode(&mut out);
            let mut rest = Rest(&out);
            assert_eq!(Chain::decode(&mut rest), Some(chain), "{length}");
            assert!(rest.0.is_empty());
        }
    }

    fn fake(length: u64) -> (Chain, Fake) {
        let mut chain = Chain::default();
        let entries = (1..=length).map(|number| {
            let links = chain.next();
            chain.push(id(number));
            links
        });
        let entries = entries.collect();
        (
            chain,
            Fake {
                entries,
                reads: Cell::new(0),
            },
        )
    }

    #[test]
    fn the_first_messages_jump_as_the_paper_says() {
        let (_, log) = fake(8);
        let jumps: Vec<u64> = log
            .entries
            .iter()
            .map(|links| links.jump.map_or(0, |jump| jump.get() / 3))
            .collect();
        assert_eq!(jumps, [0, 1, 0, 3, 4, 3, 0, 7]);
    }

    #[test]
    fn every_message_is_found_in_few_reads() {
        for length in [1, 2, 3, 10, 1_000, 4_095, 4_096] {
            let (chain, log) = fake(length);
            for wanted in 1..=length {
                log.reads.set(0);
                let place = newest_older(&log, chain.last(), |place| place.number <= wanted)
                    .unwrap()
                    .unwrap();
                assert_eq!((place.number, place.id), (wanted, id(wanted)));
                let same = oldest_newer(&log, chain.last(), |place| place.number < wanted)
                    .unwrap()
                    .unwrap();
                assert_eq!(same.id, place.id);
                assert!(
                    log.reads.get() <= 120,
                    "{} reads for {wanted} of {length}",
                    log.reads.get()
                );
            }
            assert_eq!(newest_older(&log, chain.last(), |_| false).unwrap(), None);
            assert_eq!(oldest_newer(&log, chain.last(), |_| true).unwrap(), None);
        }
    }

    #[test]
    fn the_spine_stays_short() {
        let (chain, _) = fake(1_000_000);
        assert!(chain.spine.len() <= 21, "{} messages", chain.spine.len());
        assert_eq!(
            (chain.length(), chain.last()),
            (1_000_000, Some(id(1_000_000)))
        );
    }
}
