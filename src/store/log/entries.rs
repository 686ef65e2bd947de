//! Entries of the log that follow one another, in one buffer: a transaction's, and the blocks of
//! the log's end in memory.

use std::collections::BTreeMap;

use super::record::Record;
use crate::model::EntryId;

/// A buffer that grew larger is given back: 1 MiB is as much as a full transaction of usual
/// messages takes.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// Sealed entries by their ids, without a gap.
#[derive(Debug, Default, Clone)]
pub(crate) struct Entries {
    /// The first one's id; those of the others follow.
    first: u64,
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// Of entries that were there before, or are among these: the value that takes the place of
    /// theirs. Most transactions have none.
    rewritten: BTreeMap<u64, Vec<u8>>,
}

impl Entries {
    /// Begins anew, in the room of before.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_KEPT_BYTES);
        self.ends.clear();
        self.rewritten.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The id that follows the last one; `None` where there are none.
    pub(crate) fn next(&self) -> Option<u64> {
        (!self.ends.is_empty()).then(|| self.first + self.ends.len() as u64)
    }

    /// The first one's id; `None` where there are none.
    pub(crate) fn first(&self) -> Option<u64> {
        (!self.ends.is_empty()).then_some(self.first)
    }

    /// Appends one, whose id follows the last one's.
    pub(crate) fn push(&mut self, id: EntryId, record: &Record<impl AsRef<str>>) {
        if self.ends.is_empty() {
            self.first = id.get();
        }
        record.encode_into(id, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Appends others, whose ids follow.
    ///
    /// Not what they rewrite: that may lie anywhere.
    pub(crate) fn extend(&mut self, others: &Self) {
        if self.ends.is_empty() {
            self.first = others.first;
        }
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&others.bytes);
        self.ends.extend(others.ends.iter().map(|end| before + end));
    }

    fn at(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[begin..end])
    }

    /// The sealed value of one, or of one that is rewritten.
    pub(crate) fn get(&self, id: EntryId) -> Option<&[u8]> {
        if !self.rewritten.is_empty()
            && let Some(value) = self.rewritten.get(&id.get())
        {
            return Some(value);
        }
        let place = id.get().checked_sub(self.first)?;
        self.at(usize::try_from(place).ok()?)
    }

    /// Puts a value in the place of an entry's that was appended by now, here or earlier.
    pub(crate) fn rewrite(&mut self, id: EntryId, sealed: Vec<u8>) {
        self.rewritten.insert(id.get(), sealed);
    }

    /// The entries that are rewritten, by id.
    pub(crate) fn rewritten(&self) -> &BTreeMap<u64, Vec<u8>> {
        &self.rewritten
    }

    /// Puts another value in the place of an entry's that is here.
    pub(crate) fn replace(&mut self, id: u64, sealed: &[u8]) {
        let place = id.checked_sub(self.first);
        let Some(place) = place.and_then(|place| usize::try_from(place).ok()) else {
            return;
        };
        let Some(end) = self.ends.get(place).copied() else {
            return;
        };
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.splice(begin..end, sealed.iter().copied());
        for later in &mut self.ends[place..] {
            *later = *later - (end - begin) + sealed.len();
        }
    }

    /// Their ids and sealed values as they were appended, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.first..).zip((0..).map_while(|place| self.at(place)))
    }
}
