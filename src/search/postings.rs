//! Which messages of a segment have a term: a list of numbers, or a bit for each message, whichever
//! is shorter; and sets of messages.

/// A set of messages of one segment, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Returns an empty set for so many messages.
    pub(super) fn new(count: usize) -> Self {
        Self {
            words: vec![0; count.div_ceil(64)],
        }
    }

    /// Puts one in.
    pub(super) fn insert(&mut self, number: usize) {
        if let Some(word) = self.words.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    /// Puts in all from one to another, which is left out.
    pub(super) fn insert_range(&mut self, from: usize, to: usize) {
        let (mut number, to) = (from, to.min(self.words.len() * 64));
        while number < to {
            if number.is_multiple_of(64) && number + 64 <= to {
                if let Some(word) = self.words.get_mut(number / 64) {
                    *word = u64::MAX;
                }
                number += 64;
            } else {
                self.insert(number);
                number += 1;
            }
        }
    }

    /// Keeps those that are in the other too.
    pub(super) fn keep(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Takes those out that are in the other.
    pub(super) fn remove(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// How many are in it.
    pub(super) fn count(&self) -> usize {
        let ones = self.words.iter().map(|word| word.count_ones() as usize);
        ones.sum()
    }

    /// Those that are in it, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

/// Appends a number, seven bits a byte, lowest first.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front. Most have one byte.
#[inline]
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        *bytes = rest;
        return Some(u64::from(*first));
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Appends ascending numbers of a segment of `count` messages.
pub(super) fn encode(numbers: &[u32], count: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    let as_bits = count.div_ceil(8);
    let mut next = 0;
    for number in numbers {
        put(out, u64::from(number - next));
        next = number + 1;
        if out.len() - begin >= as_bits {
            break;
        }
    }
    if out.len() - begin < as_bits {
        return;
    }
    out.truncate(begin);
    out.resize(begin + as_bits, 0);
    for number in numbers {
        let at = *number as usize;
        out[begin + at / 8] |= 1 << (at % 8);
    }
}

/// Puts the numbers into a set of a segment of `count` messages; `None` where they are damaged.
pub(super) fn decode(bytes: &[u8], count: usize, bits: &mut Bits) -> Option<()> {
    if bytes.len() == count.div_ceil(8) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for (word, chunk) in bits.words.iter_mut().zip(chunks) {
            *word |= u64::from_le_bytes(*chunk);
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        if let Some(word) = bits.words.get_mut(chunks.len()) {
            *word |= u64::from_le_bytes(last);
        }
        return Some(());
    }
    let (mut rest, mut next) = (bytes, 0);
    while !rest.is_empty() {
        let number = take(&mut rest)?.checked_add(next)?;
        if number >= count as u64 {
            return None;
        }
        bits.insert(usize::try_from(number).ok()?);
        next = number + 1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn numbers_come_back_as_a_list_or_as_bits() {
        let mut random = StdRng::seed_from_u64(1);
        for count in [1, 7, 8, 64, 65, 1_000, 65_536] {
            for share in [0.0, 0.001, 0.05, 0.3, 1.0] {
                let numbers = (0..count as u32).filter(|_| random.random_bool(share));
                let numbers: Vec<u32> = numbers.collect();
                let mut bytes = Vec::new();
                encode(&numbers, count, &mut bytes);
                assert!(bytes.len() <= count.div_ceil(8));
                let mut bits = Bits::new(count);
                decode(&bytes, count, &mut bits).unwrap();
                let decoded: Vec<u32> = bits.iter().map(|number| number as u32).collect();
                assert_eq!(decoded, numbers, "{share} of {count}");
                assert_eq!(bits.count(), numbers.len());
            }
        }
    }

    #[test]
    fn damaged_numbers_are_noticed_and_never_panic() {
        let mut random = StdRng::seed_from_u64(2);
        for _ in 0..20_000 {
            let length = random.random_range(0..20);
            let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
            let mut bits = Bits::new(1_000);
            let _ = decode(&bytes, 1_000, &mut bits);
            assert!(bits.iter().all(|number| number < 1_024));
        }
        assert_eq!(decode(&[0xff; 11], 1_000, &mut Bits::new(1_000)), None);
        assert_eq!(decode(&[0xe8, 0x07], 1_000, &mut Bits::new(1_000)), None);
    }

    #[test]
    fn sets_are_cut_and_ranges_are_whole() {
        let mut one = Bits::new(300);
        one.insert_range(3, 201);
        assert_eq!(one.iter().collect::<Vec<_>>(), (3..201).collect::<Vec<_>>());
        let mut other = Bits::new(300);
        other.insert_range(100, 290);
        let mut both = one.clone();
        both.keep(&other);
        assert_eq!(
            both.iter().collect::<Vec<_>>(),
            (100..201).collect::<Vec<_>>()
        );
        one.remove(&other);
        assert_eq!(one.iter().collect::<Vec<_>>(), (3..100).collect::<Vec<_>>());
    }
}
