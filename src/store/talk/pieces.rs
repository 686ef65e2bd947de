//! A list in pieces, which its copies share: a copy that is changed has a piece of its own, and not
//! a whole list. So a list of a hundred thousand is as soon changed as one of a hundred.

use std::sync::Arc;

/// 512 items a piece: 8 KiB of ranges.
const MOST: usize = 512;

/// A list; no piece of it is empty.
#[derive(Debug, Clone)]
pub(super) struct Pieces<T> {
    pieces: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        let (pieces, len) = (Vec::new(), 0);
        Self { pieces, len }
    }
}

impl<T: PartialEq> PartialEq for Pieces<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for Pieces<T> {}

impl<T> Pieces<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        let (piece, at) = self.place(at);
        self.pieces.get(piece)?.get(at)
    }

    /// Returns how many items this holds for; it holds for none after one for which it does not.
    pub(super) fn partition_point(&self, holds: impl Fn(&T) -> bool) -> usize {
        let holds_for_all = |piece: &Arc<Vec<T>>| piece.last().is_some_and(&holds);
        let whole = self.pieces.partition_point(holds_for_all);
        let before: usize = self.pieces[..whole].iter().map(|piece| piece.len()).sum();
        let rest = self.pieces.get(whole);
        before + rest.map_or(0, |piece| piece.partition_point(holds))
    }

    /// Returns the piece of an item, and its place there; the end of the list is in the last one.
    fn place(&self, mut at: usize) -> (usize, usize) {
        for (number, piece) in self.pieces.iter().enumerate() {
            if at < piece.len() || number + 1 == self.pieces.len() {
                return (number, at);
            }
            at -= piece.len();
        }
        (0, at)
    }
}

impl<T: Copy> Pieces<T> {
    /// Changes an item that there must be.
    pub(super) fn change(&mut self, at: usize, change: impl FnOnce(&mut T)) {
        let (piece, at) = self.place(at);
        change(&mut Arc::make_mut(&mut self.pieces[piece])[at]);
    }

    /// Inserts an item before the one that is at this place, or at the end.
    pub(super) fn insert(&mut self, at: usize, item: T) {
        let (piece, at) = self.place(at);
        self.len += 1;
        let Some(full) = self.pieces.get_mut(piece) else {
            return self.pieces.push(Arc::new(vec![item]));
        };
        if full.len() < MOST {
            return Arc::make_mut(full).insert(at, item);
        }
        if at == MOST {
            // At the end a new one begins, so that those before it stay full, and shared.
            return self.pieces.insert(piece + 1, Arc::new(vec![item]));
        }
        let half = MOST / 2;
        let mut rest = full[half..].to_vec();
        let full = Arc::make_mut(full);
        full.truncate(half);
        match at.checked_sub(half) {
            Some(at) => rest.insert(at, item),
            None => full.insert(at, item),
        }
        self.pieces.insert(piece + 1, Arc::new(rest));
    }

    /// Removes an item that there must be.
    pub(super) fn remove(&mut self, at: usize) -> T {
        let (piece, at) = self.place(at);
        self.len -= 1;
        let items = Arc::make_mut(&mut self.pieces[piece]);
        let item = items.remove(at);
        if items.is_empty() {
            self.pieces.remove(piece);
        }
        item
    }

    /// Removes so many from the beginning.
    pub(super) fn remove_first(&mut self, mut count: usize) {
        self.len -= count;
        let mut whole = 0;
        while let Some(piece) = self.pieces.get(whole).filter(|piece| piece.len() <= count) {
            count -= piece.len();
            whole += 1;
        }
        self.pieces.drain(..whole);
        if count > 0 {
            Arc::make_mut(&mut self.pieces[0]).drain(..count);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn it_agrees_with_a_plain_list_and_so_do_its_copies() {
        for seed in 0..20 {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let (mut pieces, mut plain) = (Pieces::default(), Vec::new());
            let mut copies = Vec::new();
            for step in 0..6_000_u64 {
                let at = random.random_range(0..=plain.len());
                let at_end = random.random_bool(0.6);
                match random.random_range(0..100) {
                    0..70 => {
                        let at = if at_end { plain.len() } else { at };
                        pieces.insert(at, step);
                        plain.insert(at, step);
                    }
                    70..90 if at < plain.len() => {
                        assert_eq!(pieces.remove(at), plain.remove(at));
                    }
                    90..98 if at < plain.len() => {
                        pieces.change(at, |item| *item += 1);
                        plain[at] += 1;
                    }
                    98 => {
                        let count = at.min(random.random_range(0..2_000));
                        pieces.remove_first(count);
                        plain.drain(..count);
                    }
                    _ => {}
                }
                assert_eq!(pieces.get(at), plain.get(at));
                assert_eq!(pieces.len(), plain.len());
                if step % 500 == 0 {
                    copies.push((pieces.clone(), plain.clone()));
                }
            }
            copies.push((pieces, plain));
            for (pieces, plain) in &copies {
                assert!(pieces.iter().eq(plain));
                assert!(pieces.iter().rev().eq(plain.iter().rev()));
                assert!(
                    pieces
                        .pieces
                        .iter()
                        .all(|piece| (1..=MOST).contains(&piece.len()))
                );
            }
        }
    }

    #[test]
    fn a_copy_that_is_changed_has_one_piece_of_its_own() {
        let mut pieces = Pieces::default();
        for number in 0..100_000_u64 {
            pieces.insert(pieces.len(), 2 * number);
        }
        assert_eq!(pieces.pieces.len(), 100_000_usize.div_ceil(MOST));
        for number in [0, 1, 7_777, 199_998, 300_000] {
            let right = usize::try_from(number / 2 + number % 2).unwrap();
            assert_eq!(
                pieces.partition_point(|item| *item < number),
                right.min(100_000)
            );
        }
        let own = |copy: &Pieces<u64>| {
            let both = copy.pieces.iter().zip(&pieces.pieces);
            both.filter(|(one, other)| !Arc::ptr_eq(one, other)).count()
        };
        let mut copy = pieces.clone();
        copy.change(50_000, |item| *item += 1);
        assert_eq!(own(&copy), 1);
        let mut copy = pieces.clone();
        copy.insert(100_000, 1);
        assert_eq!(own(&copy), 1);
        assert_ne!(copy, pieces);
        copy.remove(100_000);
        assert_eq!(copy, pieces);
    }
}
