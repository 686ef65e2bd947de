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
    /// Which of two people sent it.
    author: usize,
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
            author: record.place(),
        })
    }
}

/// Where a chain is parted by age: the oldest message that is not yet old enough, and the newest
/// that is.
#[derive(Default)]
struct Parted {
    newer: Option<Place>,
    older: Option<Place>,
}

/// Parts a chain, from `place` backwards.
fn part<L: ReadLog>(
    log: &L,
    mut place: Place,
    old_enough: impl Fn(&Place) -> bool,
) -> Result<Parted, L::Error> {
    if old_enough(&place) {
        return Ok(Parted {
            newer: None,
            older: Some(place),
        });
    }
    loop {
        if let Some(jump) = place.jump.filter(|jump| Some(*jump) != place.previous) {
            let target = Place::of(log, jump)?;
            if !old_enough(&target) {
                place = target;
                continue;
            }
        }
        let before = place.previous.map(|id| Place::of(log, id)).transpose()?;
        match before {
            Some(before) if !old_enough(&before) => place = before,
            older => {
                let newer = Some(place);
                return Ok(Parted { newer, older });
            }
        }
    }
}

/// [`part`] of a chain from the message of an id backwards, if there is one.
fn part_from<L: ReadLog>(
    log: &L,
    start: Option<MessageId>,
    old_enough: impl Fn(&Place) -> bool,
) -> Result<Parted, L::Error> {
    match start {
        Some(start) => part(log, Place::of(log, start)?, old_enough),
        None => Ok(Parted::default()),
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
    Ok(part_from(log, start, old_enough)?.newer)
}

/// The newest message, from `start` backwards, that is old enough; `None` where not even the first
/// message is.
pub(crate) fn newest_older<L: ReadLog>(
    log: &L,
    start: Option<MessageId>,
    old_enough: impl Fn(&Place) -> bool,
) -> Result<Option<Place>, L::Error> {
    Ok(part_from(log, start, old_enough)?.older)
}

/// So few messages of an author are walked over one by one: each is one to read, where a search
/// reads two for each of its steps.
const NEAR: u64 = 4;

/// The messages that have these ranks among those that `author` sent: from `start` backwards,
/// newest first. The ranks descend, and each is that of `start` or of an older message.
pub(crate) fn find_ranks<L: ReadLog>(
    log: &L,
    start: Place,
    author: usize,
    ranks: impl Iterator<Item = u64>,
) -> Result<SmallVec<[MessageId; 4]>, L::Error> {
    let mut found = SmallVec::new();
    let mut place = start;
    for rank in ranks {
        place = find_rank(log, place, author, rank)?;
        found.push(place.id);
    }
    Ok(found)
}

/// The one that has this rank. What is unread mostly lies together, so the messages before are
/// looked at first, and no more of them than a search would read.
fn find_rank<L: ReadLog>(
    log: &L,
    mut place: Place,
    author: usize,
    rank: u64,
) -> Result<Place, L::Error> {
    for _ in 0..=2 * NEAR {
        if place.sent[author] <= rank && place.author == author {
            return Ok(place);
        }
        if place.sent[author] > rank + NEAR {
            break;
        }
        let Some(previous) = place.previous else {
            return Ok(place);
        };
        place = Place::of(log, previous)?;
    }
    // The oldest message by which the author had sent so many is the author's own.
    let parted = part(log, place, |place| place.sent[author] < rank)?;
    Ok(parted.newer.unwrap_or(place))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::model::{Act, ConversationId, Stream, Timestamp};
    use crate::store::log::record::Author;

    /// A log of one chain, whose ids are three apart; counts its reads.
    struct Fake {
        entries: Vec<Sent>,
        reads: Cell<usize>,
    }

    #[derive(Clone, Copy)]
    struct Sent {
        links: Links,
        author: usize,
        rank: u64,
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
            let sent = self.entries[usize::try_from(entry.get() / 3).unwrap() - 1];
            let Sent {
                links,
                author,
                rank,
            } = sent;
            Ok(read(Record {
                stream: Stream::Pair(ConversationId::new(1).unwrap()),
                author: Author::Member(author),
                at: Timestamp::from_ms(0),
                previous: links.previous.map(Into::into),
                rank,
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
        fake_of(length, |_| 0)
    }

    /// One of which the author of each number is given.
    fn fake_of(length: u64, author: impl Fn(u64) -> usize) -> (Chain, Fake) {
        let mut chain = Chain::default();
        let mut ranks = [0; 2];
        let entries = (1..=length).map(|number| {
            let links = chain.next();
            chain.push(id(number));
            let author = author(number);
            ranks[author] += 1;
            Sent {
                links,
                author,
                rank: ranks[author],
            }
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
            .map(|sent| sent.links.jump.map_or(0, |jump| jump.get() / 3))
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

    /// A mark that covered twenty messages read sixty: each search began with what the one before
    /// it had read, and tried the jumps first.
    #[test]
    fn what_is_unread_in_a_row_is_read_once_each() {
        for (both, most) in [(false, 100), (true, 200)] {
            let (chain, log) = fake_of(4_000, |number| usize::from(both && number % 2 == 1));
            let last = Place::of(&log, chain.last().unwrap()).unwrap();
            let sent = last.sent[0];
            log.reads.set(0);
            let found = find_ranks(&log, last, 0, (sent - 99..=sent).rev()).unwrap();
            let step = if both { 2 } else { 1 };
            let right: Vec<_> = (0..100).map(|at| id(4_000 - at * step)).collect();
            assert_eq!(found[..], right);
            assert!(log.reads.get() < most, "{} reads", log.reads.get());
        }
    }

    /// Whatever the two have sent, and whichever ranks are asked for: those, in few reads.
    #[test]
    fn ranks_are_found_wherever_they_are() {
        let mut state = 1_u64;
        let mut below = |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % bound
        };
        for share in [1, 2, 5, 200, 2_000] {
            let authors: Vec<_> = (0..4_000).map(|_| usize::from(below(share) > 0)).collect();
            let (chain, log) = fake_of(4_000, |number| authors[number as usize - 1]);
            let last = Place::of(&log, chain.last().unwrap()).unwrap();
            for author in [0, 1] {
                let own: Vec<_> = (1..=4_000)
                    .filter(|number| authors[*number as usize - 1] == author)
                    .collect();
                for gap in [1, 3, 7, 300] {
                    let mut ranks: Vec<u64> = (1..=last.sent[author]).collect();
                    ranks.retain(|_| below(gap) == 0);
                    ranks.reverse();
                    let right: Vec<_> = ranks
                        .iter()
                        .map(|rank| id(own[*rank as usize - 1]))
                        .collect();
                    log.reads.set(0);
                    let found = find_ranks(&log, last, author, ranks.iter().copied());
                    assert_eq!(found.unwrap()[..], right, "one in {share}, gaps of {gap}");
                    assert!(log.reads.get() <= 60 * ranks.len(), "{}", log.reads.get());
                }
            }
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
