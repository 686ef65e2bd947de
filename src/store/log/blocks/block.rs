//! One block: entries, sealed and one behind the other; then of each but the first where it begins,
//! how many there are, and the first one's id.
//!
//! None of these numbers is sealed: an entry that is cut out by a wrong one fails its checksum,
//! which its id is part of.

use crate::model::EntryId;
use crate::store::error::StoreError;
use crate::store::log::record::Record;

/// The key of the block that grows.
pub(super) const NEWEST: u64 = u64::MAX;
/// 4,080 bytes: what a page of 4 KiB takes of one value, besides its head (4), the key (8), and
/// where the value ends (4). A longer entry has a block, and larger pages, for itself.
pub(super) const BLOCK_BYTES: usize = 4_096 - 16;
/// How many bytes tell where an entry begins; the first one needs none, and the block as many to
/// say how many there are.
pub(super) const PLACE: usize = size_of::<u16>();
/// How many bytes an id has.
pub(super) const ID: usize = size_of::<u64>();

/// Returns the error for an absent or damaged entry.
pub(crate) fn damaged(key: u64) -> StoreError {
    StoreError::Damaged { table: "log", key }
}

/// Decodes what a [`Walk`](super::Walk) gives.
pub(crate) fn decode(key: u64, sealed: &[u8]) -> Result<(EntryId, Record<&str>), StoreError> {
    let id = EntryId::new(key).map_err(|_| damaged(key))?;
    Ok((id, Record::decode(id, sealed)?))
}

/// A block, cut where its numbers say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// The first one's id.
    pub(super) first: u64,
    /// The sealed entries.
    pub(super) entries: &'a [u8],
    /// Where each but the first begins.
    pub(super) begins: &'a [[u8; PLACE]],
}

impl<'a> Block<'a> {
    /// Cuts a row's value; `None` for one that is no block. The last id of a block is below
    /// [`NEWEST`].
    pub(super) fn new(value: &'a [u8]) -> Option<Self> {
        let (rest, first) = value.split_last_chunk::<ID>()?;
        let (rest, count) = rest.split_last_chunk::<PLACE>()?;
        let begins = usize::from(u16::from_le_bytes(*count)).checked_sub(1)?;
        let (entries, begins) = rest.split_at_checked(rest.len().checked_sub(begins * PLACE)?)?;
        let (begins, _) = begins.as_chunks();
        let first = u64::from_le_bytes(*first);
        let last = first.checked_add(begins.len() as u64)?;
        (first > 0 && last < NEWEST).then_some(Self {
            first,
            entries,
            begins,
        })
    }

    /// Returns how many entries it has.
    pub(super) fn count(&self) -> usize {
        self.begins.len() + 1
    }

    /// Returns the last one's id.
    pub(super) fn last(&self) -> u64 {
        self.first + self.begins.len() as u64
    }

    fn begin(&self, place: usize) -> Option<usize> {
        match place.checked_sub(1) {
            None => Some(0),
            Some(at) => Some(usize::from(u16::from_le_bytes(*self.begins.get(at)?))),
        }
    }

    /// Returns the sealed value of the entry at this place, counted from 0.
    pub(super) fn get(&self, place: usize) -> Option<&'a [u8]> {
        let end = self.begin(place + 1).unwrap_or(self.entries.len());
        self.entries.get(self.begin(place)?..end)
    }
}
