//! The end of the log in memory, byte for byte as it was written: what is read most is what was
//! written last, and here it is found without a walk through the tree.
//!
//! The writer appends what is on disk, before anybody can know its ids; readers look here first and
//! in the table after. It begins empty with each start, and has a bound in bytes (8 MiB are the
//! newest sixty thousand messages or so): the oldest block goes when it is full. A record is
//! decoded, and its checksum compared, as if it came from the disk. What a transaction rewrites is
//! rewritten here too.

use std::collections::VecDeque;

use super::entries::Entries;
use crate::model::EntryId;

/// 64 KiB: transactions share a block until it has so many, so that there are few to search.
const BLOCK_BYTES: usize = 64 << 10;

/// The newest entries.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The oldest first, without a gap between them.
    blocks: VecDeque<Entries>,
    bytes: usize,
    /// The most that may be here.
    most: usize,
}

impl Tail {
    /// Returns an empty one that takes up to `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            bytes: 0,
            most,
        }
    }

    /// Takes in what a transaction appended to the log. Where that does not follow, what was here
    /// is dropped.
    pub(crate) fn append(&mut self, entries: &Entries) {
        let Some(first) = entries.first() else {
            return;
        };
        if self.blocks.back().and_then(Entries::next) != Some(first) {
            self.clear();
        }
        self.bytes += entries.bytes();
        match self.blocks.back_mut() {
            Some(last) if last.bytes() + entries.bytes() <= BLOCK_BYTES => last.extend(entries),
            _ => {
                let mut block = Entries::default();
                block.extend(entries);
                self.blocks.push_back(block);
            }
        }
        for (id, sealed) in entries.rewritten() {
            self.rewrite(*id, sealed);
        }
        while self.bytes > self.most
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.bytes -= oldest.bytes();
        }
    }

    /// Puts another value in the place of an entry's, where that is here.
    fn rewrite(&mut self, id: u64, sealed: &[u8]) {
        let after = self
            .blocks
            .partition_point(|block| block.first().is_some_and(|first| first <= id));
        let block = after.checked_sub(1).and_then(|at| self.blocks.get_mut(at));
        if let Some(block) = block {
            self.bytes -= block.bytes();
            block.replace(id, sealed);
            self.bytes += block.bytes();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.most);
    }

    /// The sealed value of an entry that is here.
    pub(crate) fn get(&self, id: EntryId) -> Option<&[u8]> {
        let after = self
            .blocks
            .partition_point(|block| block.first().is_some_and(|first| first <= id.get()));
        self.blocks.get(after.checked_sub(1)?)?.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, ConversationId, MessageId, Stream, Timestamp};
    use crate::store::log::record::{Author, Links, Record};

    const MAX_BYTES: usize = 8 << 20;

    fn id(number: u64) -> EntryId {
        EntryId::new(number).unwrap()
    }

    /// A transaction of so many entries from `first` on, each with so long a text.
    fn transaction(first: u64, count: u64, chars: usize) -> Entries {
        let content = "x".repeat(chars);
        let mut entries = Entries::default();
        for number in first..first + count {
            let record = Record {
                stream: Stream::Pair(ConversationId::new(1).unwrap()),
                author: Author::Member(0),
                at: Timestamp::from_ms(number),
                previous: None,
                rank: number,
                links: Links {
                    previous: MessageId::new(number.max(2) - 1).ok(),
                    jump: None,
                    number,
                },
                act: Act::Sent {
                    content: &content[..],
                    client_id: None,
                    extras: None,
                },
            };
            entries.push(id(number), &record);
        }
        entries
    }

    fn at(tail: &Tail, number: u64) -> Option<u64> {
        let record = Record::decode(id(number), tail.get(id(number))?).unwrap();
        Some(record.at.as_ms())
    }

    #[test]
    fn the_newest_are_found_and_the_oldest_go() {
        let mut tail = Tail::new(MAX_BYTES);
        let mut next = 1;
        for round in 0..3_000 {
            let count = round % 7;
            tail.append(&transaction(next, count, 3_000));
            next += count;
            assert!(tail.bytes <= MAX_BYTES);
        }
        let oldest = (1..next)
            .find(|number| at(&tail, *number).is_some())
            .unwrap();
        assert!(oldest > 1 && next - oldest > 2_000, "{oldest} of {next}");
        assert!((oldest..next).all(|number| at(&tail, number) == Some(number)));
        assert_eq!((at(&tail, oldest - 1), at(&tail, next)), (None, None));
        assert!(tail.blocks.len() < 200, "{} blocks", tail.blocks.len());
    }

    #[test]
    fn what_is_rewritten_is_found_so_wherever_it_lies_and_what_is_older_stays_away() {
        let mut tail = Tail::new(MAX_BYTES);
        for round in 0..40 {
            tail.append(&transaction(100 + round * 50, 50, 100));
        }
        let bytes = tail.bytes;
        let mut changes = transaction(2_100, 2, 10);
        let other = |number: u64, chars: usize| {
            let entries = transaction(number, 1, chars);
            entries.get(id(number)).unwrap().to_vec()
        };
        // The first, some within blocks, one of the same transaction, and one that is not here.
        let changed = [(99, 7), (100, 0), (1_234, 5_000), (2_099, 1), (2_101, 300)];
        for (number, chars) in changed {
            changes.rewrite(id(number), other(number, chars));
        }
        tail.append(&changes);
        assert_eq!(tail.get(id(99)), None);
        for (number, chars) in &changed[1..] {
            assert_eq!(tail.get(id(*number)), Some(&other(*number, *chars)[..]));
        }
        for number in (100..2_102).filter(|number| !changed.iter().any(|(id, _)| id == number)) {
            assert_eq!(at(&tail, number), Some(number));
        }
        let counted: usize = tail.blocks.iter().map(Entries::bytes).sum();
        assert!(tail.bytes == counted && counted > bytes, "{counted}");
    }

    #[test]
    fn what_does_not_follow_begins_anew_and_what_is_too_large_is_not_kept() {
        let mut tail = Tail::new(MAX_BYTES);
        tail.append(&transaction(1, 5, 10));
        tail.append(&transaction(9, 2, 10));
        assert_eq!(
            (at(&tail, 5), at(&tail, 9), at(&tail, 10)),
            (None, Some(9), Some(10))
        );
        tail.append(&transaction(11, 3, 4 << 20));
        assert_eq!((at(&tail, 10), at(&tail, 11), tail.bytes), (None, None, 0));
        tail.append(&transaction(14, 1, 10));
        assert_eq!(at(&tail, 14), Some(14));
    }
}
