//! Which messages of another a person has read: a prefix, and islands beyond it.

use std::ops::Deref;
use std::sync::Arc;

use crate::store::sealed::{Rest, put};

/// A set of ordinals (a peer's messages of one conversation, counted from 1), kept as ranges. Reading in order keeps it
/// to one number; each gap that a reader leaves costs 16 bytes, and an entry of the log made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReadSet {
    /// All ordinals up to and including this one are read.
    through: u64,
    /// Further ranges that are read, ascending, inclusive, with at least one unread ordinal before each.
    islands: Islands,
}

/// Most sets have none: then they take one word. Copies share theirs until one of them is changed: a reader may leave a
/// hundred thousand gaps, and a conversation is copied for every transaction and every page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Islands(Option<Arc<Ranges>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ranges {
    /// First and last of each.
    list: Vec<(u64, u64)>,
    /// How many ordinals they have in all.
    count: u64,
}

impl Deref for Islands {
    type Target = [(u64, u64)];

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().map_or(&[], |ranges| &ranges.list)
    }
}

impl Islands {
    /// To be changed; [`Self::tidy`] is to follow where some may have been removed.
    fn ranges(&mut self) -> &mut Ranges {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |ranges| ranges.count)
    }

    /// Gives the room of none back.
    fn tidy(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }
}

impl ReadSet {
    /// How far the prefix reaches.
    pub(crate) fn through(&self) -> u64 {
        self.through
    }

    /// Appends its form in a row: the prefix, how many islands, and each as gap and length.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.through);
        put(out, self.islands.len() as u64);
        let mut end = self.through;
        for (first, last) in self.islands.iter() {
            put(out, first - end);
            put(out, last - first);
            end = *last;
        }
    }

    /// Reads it back.
    pub(crate) fn decode(rest: &mut Rest<'_>) -> Option<Self> {
        let (through, count) = (rest.take()?, rest.take()?);
        let mut islands = Islands::default();
        let mut end = through;
        for _ in 0..count {
            // At least one unread ordinal stands before each.
            let gap = rest.take().filter(|gap| *gap >= 2)?;
            let first = end.checked_add(gap)?;
            end = first.checked_add(rest.take()?)?;
            let ranges = islands.ranges();
            ranges.list.push((first, end));
            ranges.count += end - first + 1;
        }
        Some(Self { through, islands })
    }

    /// How many ordinals are read.
    pub(crate) fn count(&self) -> u64 {
        self.through + self.islands.count()
    }

    /// Whether this one is read.
    pub(crate) fn contains(&self, ordinal: u64) -> bool {
        if ordinal <= self.through {
            return true;
        }
        let after = self.islands.partition_point(|(first, _)| *first <= ordinal);
        after > 0 && ordinal <= self.islands[after - 1].1
    }

    /// Marks one. Returns whether it was unread.
    pub(crate) fn mark(&mut self, ordinal: u64) -> bool {
        if self.contains(ordinal) {
            return false;
        }
        let after = self.islands.partition_point(|(first, _)| *first <= ordinal);
        let joins_left = after > 0 && self.islands[after - 1].1 + 1 == ordinal;
        let joins_right = self
            .islands
            .get(after)
            .is_some_and(|(first, _)| *first == ordinal + 1);
        let ranges = self.islands.ranges();
        ranges.count += 1;
        let islands = &mut ranges.list;
        match (joins_left, joins_right) {
            (true, true) => {
                islands[after - 1].1 = islands[after].1;
                islands.remove(after);
            }
            (true, false) => islands[after - 1].1 = ordinal,
            (false, true) => islands[after].0 = ordinal,
            (false, false) => islands.insert(after, (ordinal, ordinal)),
        }
        self.swallow();
        true
    }

    /// Marks all up to and including this one. Returns how many were unread.
    pub(crate) fn mark_through(&mut self, ordinal: u64) -> u64 {
        if ordinal <= self.through {
            return 0;
        }
        let read_before: u64 = self
            .islands
            .iter()
            .take_while(|(first, _)| *first <= ordinal)
            .map(|(first, last)| ordinal.min(*last) - first + 1)
            .sum();
        let changed = ordinal - self.through - read_before;
        self.through = ordinal;
        self.swallow();
        changed
    }

    /// Takes the islands that the prefix has reached into the prefix.
    fn swallow(&mut self) {
        let reached = self.islands.iter().take_while(|(first, _)| {
            // Ascending islands never touch, so at most the last one that is taken can reach beyond the prefix.
            *first <= self.through + 1
        });
        let (count, through) = reached.fold((0, self.through), |(count, through), (_, last)| {
            (count + 1, through.max(*last))
        });
        self.through = through;
        if count > 0 {
            let ranges = self.islands.ranges();
            let taken = ranges.list.drain(..count);
            ranges.count -= taken.map(|(first, last)| last - first + 1).sum::<u64>();
            self.islands.tidy();
        }
    }

    /// The unread ordinals of `1..=total` that are greater than `after`, ascending.
    pub(crate) fn unread_after(&self, after: u64, total: u64) -> impl Iterator<Item = u64> {
        let mut next = after.max(self.through) + 1;
        let mut islands = self
            .islands
            .iter()
            .copied()
            .skip_while(move |(_, last)| *last < next)
            .peekable();
        std::iter::from_fn(move || {
            while let Some((_, last)) = islands.next_if(|(first, _)| *first <= next) {
                next = last.max(next - 1) + 1;
            }
            (next <= total).then(|| {
                next += 1;
                next - 1
            })
        })
    }

    /// The unread ordinals up to and including `through`, descending.
    pub(crate) fn unread_before(&self, through: u64) -> impl Iterator<Item = u64> {
        let mut next = through;
        let mut islands = self
            .islands
            .iter()
            .rev()
            .copied()
            .skip_while(move |(first, _)| *first > through)
            .peekable();
        let end = self.through;
        std::iter::from_fn(move || {
            while let Some((first, _)) = islands.next_if(|(_, last)| *last >= next) {
                next = next.min(first - 1);
            }
            (next > end).then(|| {
                next -= 1;
                next + 1
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn reading_in_order_leaves_no_islands() {
        let mut set = ReadSet::default();
        for ordinal in 1..=1_000 {
            assert!(set.mark(ordinal));
            assert!(!set.mark(ordinal));
        }
        assert_eq!(
            set,
            ReadSet {
                through: 1_000,
                islands: Islands::default()
            }
        );
    }

    #[test]
    fn a_copy_of_a_set_with_many_gaps_shares_them_until_it_is_changed() {
        let mut set = ReadSet::default();
        for ordinal in 1..=10_000 {
            set.mark(ordinal * 2);
        }
        let mut copy = set.clone();
        let shared = |one: &ReadSet, other: &ReadSet| {
            Arc::ptr_eq(
                one.islands.0.as_ref().unwrap(),
                other.islands.0.as_ref().unwrap(),
            )
        };
        assert!(shared(&set, &copy));
        assert_eq!(copy.count(), 10_000);
        assert!(copy.mark(3));
        assert!(!shared(&set, &copy));
        assert_eq!((set.count(), copy.count()), (10_000, 10_001));
        assert!(!set.contains(3));
    }

    #[test]
    fn it_agrees_with_a_plain_set_over_random_marks() {
        for seed in 0..50 {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let (mut set, mut plain) = (ReadSet::default(), BTreeSet::new());
            for _ in 0..200 {
                let ordinal = random.random_range(1..=60);
                if random.random_bool(0.9) {
                    assert_eq!(set.mark(ordinal), plain.insert(ordinal));
                } else {
                    let changed = (1..=ordinal)
                        .filter(|ordinal| plain.insert(*ordinal))
                        .count() as u64;
                    assert_eq!(set.mark_through(ordinal), changed);
                }
                assert_eq!(set.count(), plain.len() as u64);
                let mut row = Vec::new();
                set.encode(&mut row);
                assert_eq!(ReadSet::decode(&mut Rest(&row)), Some(set.clone()));
                let after = random.random_range(0..=60);
                let unread: Vec<u64> = (1..=60)
                    .filter(|ordinal| !plain.contains(ordinal))
                    .collect();
                let later: Vec<u64> = unread
                    .iter()
                    .copied()
                    .filter(|ordinal| *ordinal > after)
                    .collect();
                assert_eq!(set.unread_after(after, 60).collect::<Vec<_>>(), later);
                let earlier: Vec<u64> = unread
                    .iter()
                    .rev()
                    .copied()
                    .filter(|ordinal| *ordinal <= after)
                    .collect();
                assert_eq!(set.unread_before(after).collect::<Vec<_>>(), earlier);
                for ordinal in 1..=60 {
                    assert_eq!(set.contains(ordinal), plain.contains(&ordinal));
                }
            }
        }
    }
}
