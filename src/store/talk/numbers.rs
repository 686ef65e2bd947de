//! A set of numbers that is mostly a prefix: the messages of another that a person has read.

use std::sync::Arc;

use super::pieces::Pieces;
use crate::store::sealed::{Rest, put};

/// A set of numbers from 1, kept as a prefix and the ranges beyond it. Marking in order keeps it to
/// one number; each gap that is left costs 16 bytes, and an entry of the log made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NumberSet {
    /// All numbers up to and including this one are marked.
    through: u64,
    /// Further ranges that are marked, ascending, inclusive, with at least one unmarked number
    /// before each.
    islands: Islands,
}

/// Most sets have none: then they take one word. Copies share theirs until one of them is changed:
/// a reader may leave a hundred thousand gaps, and a conversation is copied for every transaction
/// and every page. One that is changed still shares what lies elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Islands(Option<Arc<Ranges>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ranges {
    /// First and last of each.
    list: Pieces<(u64, u64)>,
    /// How many numbers they have in all.
    count: u64,
}

impl Islands {
    fn iter(&self) -> impl DoubleEndedIterator<Item = &(u64, u64)> {
        let ranges = self.0.iter();
        ranges.flat_map(|ranges| ranges.list.iter())
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |ranges| ranges.list.len())
    }

    fn get(&self, at: usize) -> Option<(u64, u64)> {
        self.0.as_ref()?.list.get(at).copied()
    }

    fn partition_point(&self, holds: impl Fn(&(u64, u64)) -> bool) -> usize {
        let ranges = self.0.as_ref();
        ranges.map_or(0, |ranges| ranges.list.partition_point(holds))
    }

    /// To be changed; [`Self::tidy`] is to follow where some may have been removed.
    fn ranges(&mut self) -> &mut Ranges {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |ranges| ranges.count)
    }

    /// Gives the room of none back.
    fn tidy(&mut self) {
        if self.len() == 0 {
            self.0 = None;
        }
    }
}

impl NumberSet {
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
            // At least one unmarked number stands before each.
            let gap = rest.take().filter(|gap| *gap >= 2)?;
            let first = end.checked_add(gap)?;
            end = first.checked_add(rest.take()?)?;
            let ranges = islands.ranges();
            ranges.list.insert(ranges.list.len(), (first, end));
            ranges.count += end - first + 1;
        }
        Some(Self { through, islands })
    }

    /// Returns how many numbers are marked.
    pub(crate) fn count(&self) -> u64 {
        self.through + self.islands.count()
    }

    /// Returns whether this one is marked.
    pub(crate) fn contains(&self, number: u64) -> bool {
        if number <= self.through {
            return true;
        }
        let after = self.islands.partition_point(|(first, _)| *first <= number);
        let before = after.checked_sub(1).and_then(|at| self.islands.get(at));
        before.is_some_and(|(_, last)| number <= last)
    }

    /// Marks one. Returns whether it was not marked before.
    pub(crate) fn mark(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let after = self.islands.partition_point(|(first, _)| *first <= number);
        let before = after.checked_sub(1).and_then(|at| self.islands.get(at));
        let joins_left = before.is_some_and(|(_, last)| last + 1 == number);
        let next = self.islands.get(after);
        let joins_right = next.is_some_and(|(first, _)| first == number + 1);
        let ranges = self.islands.ranges();
        ranges.count += 1;
        let islands = &mut ranges.list;
        match (joins_left, joins_right) {
            (true, true) => {
                let (_, last) = islands.remove(after);
                islands.change(after - 1, |island| island.1 = last);
            }
            (true, false) => islands.change(after - 1, |island| island.1 = number),
            (false, true) => islands.change(after, |island| island.0 = number),
            (false, false) => islands.insert(after, (number, number)),
        }
        self.swallow();
        true
    }

    /// Takes the mark of one away.
    pub(crate) fn unmark(&mut self, number: u64) {
        if !self.contains(number) {
            return;
        }
        if number <= self.through {
            let last = std::mem::replace(&mut self.through, number - 1);
            if number < last {
                let ranges = self.islands.ranges();
                ranges.list.insert(0, (number + 1, last));
                ranges.count += last - number;
            }
            return;
        }
        let at = self.islands.partition_point(|(first, _)| *first <= number) - 1;
        let ranges = self.islands.ranges();
        ranges.count -= 1;
        let (first, last) = ranges.list.remove(at);
        let parts = [(number + 1, last), (first, number - 1)];
        for part in parts.into_iter().filter(|(first, last)| first <= last) {
            ranges.list.insert(at, part);
        }
        self.islands.tidy();
    }

    /// Takes the marks of all up to and including this one away.
    pub(crate) fn unmark_through(&mut self, number: u64) {
        if number == 0 {
            return;
        }
        let through = std::mem::take(&mut self.through);
        while let Some((first, last)) = self.islands.get(0).filter(|(first, _)| *first <= number) {
            let ranges = self.islands.ranges();
            if last > number {
                ranges.list.change(0, |island| island.0 = number + 1);
                ranges.count -= number + 1 - first;
                break;
            }
            ranges.list.remove_first(1);
            ranges.count -= last + 1 - first;
            self.islands.tidy();
        }
        if through > number {
            let ranges = self.islands.ranges();
            ranges.list.insert(0, (number + 1, through));
            ranges.count += through - number;
        }
    }

    /// Appends its form as a list: how many numbers, and the distance of each from the one before.
    pub(crate) fn encode_list(&self, out: &mut Vec<u8>) {
        put(out, self.count());
        let prefix = (self.through > 0).then_some((1, self.through));
        let mut before = 0;
        for (first, last) in prefix.iter().chain(self.islands.iter()) {
            for number in *first..=*last {
                put(out, number - before);
                before = number;
            }
        }
    }

    /// Reads that back.
    pub(crate) fn decode_list(rest: &mut Rest<'_>) -> Option<Self> {
        let (mut set, mut last) = (Self::default(), 0_u64);
        for _ in 0..rest.take()? {
            let distance = rest.take().filter(|distance| *distance > 0)?;
            last = last.checked_add(distance)?;
            set.mark(last);
        }
        Some(set)
    }

    /// Returns how many up to and including this one are not marked.
    pub(crate) fn count_unmarked(&self, number: u64) -> u64 {
        if number <= self.through {
            return 0;
        }
        let marked_before: u64 = self
            .islands
            .iter()
            .take_while(|(first, _)| *first <= number)
            .map(|(first, last)| number.min(*last) - first + 1)
            .sum();
        number - self.through - marked_before
    }

    /// Returns how many of its numbers are not in another set.
    pub(crate) fn count_outside(&self, other: &Self) -> u64 {
        let first = (self.through > other.through).then_some((other.through + 1, self.through));
        let rest = self.islands.iter().copied();
        let rest = rest.filter(|(_, last)| *last > other.through);
        let rest = rest.map(|(first, last)| (first.max(other.through + 1), last));
        let mut theirs = other.islands.iter().copied().peekable();
        let mut count = 0;
        for (first, last) in first.into_iter().chain(rest) {
            count += last - first + 1;
            while theirs.next_if(|(_, end)| *end < first).is_some() {}
            while let Some((begin, end)) =
                theirs.peek().copied().filter(|(begin, _)| *begin <= last)
            {
                count -= last.min(end) - first.max(begin) + 1;
                if end > last {
                    // It may reach into the next one too.
                    break;
                }
                theirs.next();
            }
        }
        count
    }

    /// Marks all up to and including this one.
    pub(crate) fn mark_through(&mut self, number: u64) {
        if number > self.through {
            self.through = number;
            self.swallow();
        }
    }

    /// Takes the islands that the prefix has reached into the prefix.
    fn swallow(&mut self) {
        let reached = self.islands.iter().take_while(|(first, _)| {
            // Ascending islands never touch, so at most the last one that is taken can reach beyond
            // the prefix.
            *first <= self.through + 1
        });
        let (count, through) = reached.fold((0, self.through), |(count, through), (_, last)| {
            (count + 1, through.max(*last))
        });
        self.through = through;
        if count > 0 {
            let ranges = self.islands.ranges();
            let taken = ranges.list.iter().take(count);
            ranges.count -= taken.map(|(first, last)| last - first + 1).sum::<u64>();
            ranges.list.remove_first(count);
            self.islands.tidy();
        }
    }

    /// The numbers of `1..=total` that are greater than `after` and not marked, ascending.
    pub(crate) fn unmarked_after(&self, after: u64, total: u64) -> impl Iterator<Item = u64> {
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

    /// The numbers up to and including `through` that are not marked, descending.
    pub(crate) fn unmarked_before(&self, through: u64) -> impl Iterator<Item = u64> {
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
        let mut set = NumberSet::default();
        for number in 1..=1_000 {
            assert!(set.mark(number));
            assert!(!set.mark(number));
        }
        assert_eq!(
            set,
            NumberSet {
                through: 1_000,
                islands: Islands::default()
            }
        );
    }

    #[test]
    fn a_copy_of_a_set_with_many_gaps_shares_them_until_it_is_changed() {
        let mut set = NumberSet::default();
        for number in 1..=10_000 {
            set.mark(number * 2);
        }
        let mut copy = set.clone();
        let shared = |one: &NumberSet, other: &NumberSet| {
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
            let (mut set, mut plain) = (NumberSet::default(), BTreeSet::new());
            for _ in 0..200 {
                let number = random.random_range(1..=60);
                if random.random_bool(0.2) {
                    set.unmark(number);
                    plain.remove(&number);
                } else if random.random_bool(0.05) {
                    set.unmark_through(number);
                    plain.retain(|other| *other > number);
                } else if random.random_bool(0.9) {
                    assert_eq!(set.mark(number), plain.insert(number));
                } else {
                    let changed =
                        (1..=number).filter(|number| plain.insert(*number)).count() as u64;
                    assert_eq!(set.count_unmarked(number), changed);
                    set.mark_through(number);
                }
                assert_eq!(set.count(), plain.len() as u64);
                let mut row = Vec::new();
                set.encode(&mut row);
                assert_eq!(NumberSet::decode(&mut Rest(&row)), Some(set.clone()));
                row.clear();
                set.encode_list(&mut row);
                let list = NumberSet::decode_list(&mut Rest(&row)).unwrap();
                assert_eq!(list.unmarked_after(0, 61).collect::<Vec<_>>(), {
                    set.unmarked_after(0, 61).collect::<Vec<_>>()
                });
                let after = random.random_range(0..=60);
                let unread: Vec<u64> = (1..=60).filter(|number| !plain.contains(number)).collect();
                let later: Vec<u64> = unread
                    .iter()
                    .copied()
                    .filter(|number| *number > after)
                    .collect();
                assert_eq!(set.unmarked_after(after, 60).collect::<Vec<_>>(), later);
                let earlier: Vec<u64> = unread
                    .iter()
                    .rev()
                    .copied()
                    .filter(|number| *number <= after)
                    .collect();
                assert_eq!(set.unmarked_before(after).collect::<Vec<_>>(), earlier);
                for number in 1..=60 {
                    assert_eq!(set.contains(number), plain.contains(&number));
                }
            }
        }
    }
}
