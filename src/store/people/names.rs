//! The names of accounts, in order, to be searched without a lock and without a look at the
//! accounts.
//!
//! Names lie one after another in blocks, in the order of their
//! [keys](crate::model::Username::key), and those that are the same (look-alikes of an earlier
//! version) in the order of their accounts' ids. Each block knows which pairs of bytes are in it.
//! So names that begin with some text are one stretch, and a text inside of names is looked for
//! only in blocks that may have it. What changes is copied first where a search still looks at it,
//! block by block: a search works on the names as they were when it began. An account takes some 30
//! bytes here beside its name.

use std::sync::Arc;

use memchr::memmem::Finder;

use crate::model::UserId;

/// How many names a block has at most. A search passes over a whole block, and a change copies one.
const BLOCK: usize = 512;
/// So many bits tell which pairs of bytes a block has: those of a full one set an eighth of them.
const PAIR_BITS: usize = 4_096;

/// The names. Cheap to clone: a clone stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// In order; none is empty.
    blocks: Arc<Vec<Arc<Block>>>,
}

/// Names that follow upon each other.
#[derive(Debug, Clone, Default)]
struct Block {
    text: String,
    /// Where each name ends in the text.
    ends: Vec<u32>,
    ids: Vec<UserId>,
    pairs: Pairs,
}

/// Which pairs of bytes there may be, and which single bytes.
#[derive(Debug, Clone)]
struct Pairs(Box<[u64; PAIR_BITS / 64]>);

impl Default for Pairs {
    fn default() -> Self {
        Self(Box::new([0; PAIR_BITS / 64]))
    }
}

impl Pairs {
    /// The bits of a text.
    fn of(text: &str) -> impl Iterator<Item = usize> {
        let bytes = text.as_bytes();
        let pairs = bytes
            .windows(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        // No text has this byte, so no pair is like a single one.
        let singles = bytes.iter().map(|byte| 0xff00 | u32::from(*byte));
        let spread = |number: u32| number.wrapping_mul(0x9e37_79b1) >> (32 - PAIR_BITS.ilog2());
        pairs.chain(singles).map(move |pair| spread(pair) as usize)
    }

    fn add(&mut self, text: &str) {
        for bit in Self::of(text) {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    fn may_have(&self, bits: &[usize]) -> bool {
        bits.iter()
            .all(|bit| self.0[bit / 64] & 1 << (bit % 64) != 0)
    }
}

impl Block {
    fn of(names: &[(String, UserId)]) -> Self {
        let mut block = Self::default();
        for (name, id) in names {
            block.text.push_str(name);
            block.ends.push(length(&block.text));
            block.ids.push(*id);
            block.pairs.add(name);
        }
        block
    }

    fn len(&self) -> usize {
        self.ids.len()
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize)
    }

    fn name(&self, at: usize) -> &str {
        &self.text[self.start(at)..self.ends[at] as usize]
    }

    fn names(&self) -> impl Iterator<Item = (String, UserId)> {
        (0..self.len()).map(|at| (self.name(at).to_owned(), self.ids[at]))
    }

    /// What is at a place, as names are in order.
    fn at(&self, at: usize) -> (&str, u64) {
        (self.name(at), self.ids[at].get())
    }

    /// The first name that is not less than this one of this account.
    fn position(&self, name: &str, id: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle) < (name, id) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    fn put(&mut self, name: &str, id: UserId) {
        let at = self.position(name, id.get());
        if at < self.len() && self.at(at) == (name, id.get()) {
            return;
        }
        let start = self.start(at);
        self.text.insert_str(start, name);
        self.ends
            .insert(at, u32::try_from(start).unwrap_or(u32::MAX));
        for end in &mut self.ends[at..] {
            *end += length(name);
        }
        self.ids.insert(at, id);
        self.pairs.add(name);
    }

    /// Takes a name out. That its pairs may be here is still said, until the block is made anew.
    fn remove(&mut self, name: &str, id: UserId) {
        let at = self.position(name, id.get());
        if at == self.len() || self.at(at) != (name, id.get()) {
            return;
        }
        let (start, end) = (self.start(at), self.ends[at] as usize);
        self.text.replace_range(start..end, "");
        self.ends.remove(at);
        for end in &mut self.ends[at..] {
            *end -= length(name);
        }
        self.ids.remove(at);
    }

    /// Gives `found` the names that have a text inside but do not begin with it, in order, until it
    /// says that it is enough.
    fn find(&self, finder: &Finder<'_>, mut found: impl FnMut(UserId) -> bool) -> bool {
        let (text, wanted) = (self.text.as_bytes(), finder.needle().len());
        let mut from = 0;
        while let Some(place) = finder.find(&text[from..]).map(|place| from + place) {
            let at = self.ends.partition_point(|end| *end as usize <= place);
            let (start, end) = (self.start(at), self.ends[at] as usize);
            if place + wanted > end {
                // Half of it is the next name's.
                from = place + 1;
                continue;
            }
            if !text[start..].starts_with(finder.needle()) && !found(self.ids[at]) {
                return false;
            }
            from = end;
        }
        true
    }
}

/// A block has at most 512 names of at most some hundred bytes.
fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// What a search found, and what it cost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) ids: Vec<UserId>,
    /// How many blocks of names were gone through.
    pub(crate) blocks: usize,
}

impl Names {
    /// Returns those of all these, in whatever order they are.
    pub(crate) fn of(mut names: Vec<(String, UserId)>) -> Self {
        names.sort_unstable();
        // Half full, so that the next ones find room.
        let blocks = names.chunks(BLOCK / 2).map(Block::of).map(Arc::new);
        Self {
            blocks: Arc::new(blocks.collect()),
        }
    }

    /// The block in which a name is, or belongs.
    fn block_of(&self, name: &str, id: u64) -> usize {
        let after = self
            .blocks
            .partition_point(|block| block.at(0) <= (name, id));
        after.saturating_sub(1)
    }

    /// Adds an account's name.
    pub(crate) fn put(&mut self, name: &str, id: UserId) {
        let at = self.block_of(name, id.get());
        let blocks = Arc::make_mut(&mut self.blocks);
        let Some(block) = blocks.get_mut(at) else {
            blocks.push(Arc::new(Block::of(&[(name.to_owned(), id)])));
            return;
        };
        let block = Arc::make_mut(block);
        block.put(name, id);
        if block.len() > BLOCK {
            let names: Vec<_> = block.names().collect();
            let (lower, upper) = names.split_at(names.len() / 2);
            *block = Block::of(lower);
            blocks.insert(at + 1, Arc::new(Block::of(upper)));
        }
    }

    /// Takes a name out, if it is this account's.
    pub(crate) fn remove(&mut self, name: &str, id: UserId) {
        let at = self.block_of(name, id.get());
        let blocks = Arc::make_mut(&mut self.blocks);
        let Some(block) = blocks.get_mut(at) else {
            return;
        };
        let block = Arc::make_mut(block);
        block.remove(name, id);
        if block.len() == 0 {
            blocks.remove(at);
        }
    }

    /// Returns whose names contain a text: at most `limit`, those that begin with it first, each in
    /// the order of names.
    pub(crate) fn search(&self, text: &str, limit: usize) -> Found {
        let mut found = Found {
            ids: Vec::new(),
            blocks: 0,
        };
        let first = self.block_of(text, 0);
        for block in self.blocks.iter().skip(first) {
            found.blocks += 1;
            for at in block.position(text, 0)..block.len() {
                if found.ids.len() == limit {
                    return found;
                }
                if !block.name(at).starts_with(text) {
                    return self.search_inside(text, limit, found);
                }
                found.ids.push(block.ids[at]);
            }
        }
        self.search_inside(text, limit, found)
    }

    /// Returns whose whole name a text is: at most `limit`, in the order of their ids.
    pub(crate) fn exact(&self, text: &str, limit: usize) -> Found {
        let mut found = Found {
            ids: Vec::new(),
            blocks: 0,
        };
        let first = self.block_of(text, 0);
        for block in self.blocks.iter().skip(first) {
            found.blocks += 1;
            for at in block.position(text, 0)..block.len() {
                if block.name(at) != text || found.ids.len() == limit {
                    return found;
                }
                found.ids.push(block.ids[at]);
            }
        }
        found
    }

    fn search_inside(&self, text: &str, limit: usize, mut found: Found) -> Found {
        // Every name begins with nothing.
        if text.is_empty() {
            return found;
        }
        let (bits, finder) = (Pairs::of(text).collect::<Vec<_>>(), Finder::new(text));
        for block in self.blocks.iter() {
            if found.ids.len() == limit {
                break;
            }
            if !block.pairs.may_have(&bits) {
                continue;
            }
            found.blocks += 1;
            let wants_more = block.find(&finder, |id| {
                found.ids.push(id);
                found.ids.len() < limit
            });
            if !wants_more {
                break;
            }
        }
        found
    }

    /// How many blocks there are.
    #[cfg(test)]
    fn blocks(&self) -> usize {
        self.blocks.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng};

    use super::*;

    fn id(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    /// As it is said to be, by looking at each.
    fn by_hand(names: &BTreeSet<(String, UserId)>, text: &str, limit: usize) -> Vec<UserId> {
        let begins = names.iter().filter(|(name, _)| name.starts_with(text));
        let inside = names
            .iter()
            .filter(|(name, _)| name.contains(text) && !name.starts_with(text));
        begins
            .chain(inside)
            .map(|(_, id)| *id)
            .take(limit)
            .collect()
    }

    #[test]
    fn it_finds_what_a_look_at_every_name_finds() {
        for seed in 0..20 {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let mut text = |most: usize| -> String {
                let letters = ['a', 'b', 'c', '-', 'ä', '中'];
                let count = random.random_range(1..=most);
                (0..count)
                    .map(|_| letters[random.random_range(0..letters.len())])
                    .collect()
            };
            let mut plain = BTreeSet::new();
            for number in 1..700 {
                plain.insert((text(6), id(number)));
            }
            let mut names = Names::of(plain.clone().into_iter().collect());
            for number in 700..2_500 {
                let name = text(7);
                if number % 3 == 0 {
                    let mut those = plain.iter().filter(|(known, _)| *known == name);
                    if let Some(gone) = those.next_back().cloned() {
                        plain.remove(&gone);
                        names.remove(&name, gone.1);
                    }
                } else {
                    plain.insert((name.clone(), id(number)));
                    names.put(&name, id(number));
                }
            }
            assert!(names.blocks() > 1);
            for limit in [1, 3, 50, 5_000] {
                for _ in 0..50 {
                    let wanted = text(3);
                    let found = names.search(&wanted, limit).ids;
                    assert_eq!(found, by_hand(&plain, &wanted, limit), "{wanted}");
                }
                assert_eq!(names.search("", limit).ids, by_hand(&plain, "", limit));
            }
        }
    }

    #[test]
    fn a_text_of_the_end_of_one_name_and_the_beginning_of_the_next_is_in_none() {
        let names = Names::of(vec![("ab".into(), id(1)), ("cd".into(), id(2))]);
        assert_eq!(names.search("bc", 9).ids, []);
        assert_eq!(names.search("abcd", 9).ids, []);
        assert_eq!(names.search("b", 9).ids, [id(1)]);
        assert_eq!(names.search("d", 9).ids, [id(2)]);
        for nothing in ["\n", "\0", "abcdabcd", "zz", "\u{10ffff}"] {
            assert_eq!(names.search(nothing, 9).ids, []);
        }
        assert_eq!(Names::default().search("a", 9).ids, []);
        assert_eq!(Names::default().search("", 9).ids, []);
    }

    /// As 200,000 people are called.
    fn many() -> Names {
        let first = ["anna", "ben", "chloe", "david", "emma", "felix", "greta"];
        let last = ["smith", "miller", "garcia", "nguyen", "kowalski", "okafor"];
        let name = |number: usize| {
            let (first, last) = (first[number % first.len()], last[number % last.len()]);
            format!("{first}.{last}{number}")
        };
        Names::of(
            (1..=200_000)
                .map(|number| (name(number), id(number as u64)))
                .collect(),
        )
    }

    #[test]
    fn a_search_among_200_000_names_looks_at_few_of_them() {
        let names = many();
        assert!(names.blocks() > 700);
        for (text, most) in [
            ("", 2),
            ("anna", 2),
            ("emma.nguyen", 2),
            ("smith", 10),
            ("kowalski1999", 90),
            ("a", 2),
            ("zz", 0),
            ("quux", 0),
            ("q", 0),
            ("anna smith", 2),
            ("中", 1),
        ] {
            let found = names.search(text, 20);
            assert!(found.blocks <= most + 1, "{text}: {} blocks", found.blocks);
        }
    }

    #[test]
    fn a_search_sees_the_names_as_they_were_when_it_began() {
        let mut names = many();
        let before = names.clone();
        names.put("anna", id(1_000_000));
        names.remove("anna.smith42", id(42));
        assert_eq!(names.search("anna", 1).ids, [id(1_000_000)]);
        assert_eq!(names.search("anna.smith42", 1).ids[..], [id(420)][..]);
        assert_eq!(before.search("anna.smith42", 1).ids, [id(42)]);
        let shared = names.blocks.iter().filter(|block| {
            before
                .blocks
                .iter()
                .any(|before| Arc::ptr_eq(before, block))
        });
        assert!(shared.count() >= names.blocks() - 3, "all were copied");
    }

    #[test]
    fn a_name_is_taken_out_only_where_it_is_that_accounts() {
        let mut names = Names::default();
        names.put("ada", id(2));
        names.put("ada", id(1));
        names.put("ada", id(2));
        assert_eq!(names.search("ada", 9).ids, [id(1), id(2)]);
        names.remove("ada", id(1));
        names.remove("nobody", id(2));
        assert_eq!(names.search("ada", 9).ids, [id(2)]);
        names.remove("ada", id(2));
        assert_eq!(names.blocks(), 0);
        names.remove("ada", id(2));
    }
}
